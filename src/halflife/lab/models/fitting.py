"""An architecture fitted to a problem: what goes in, what comes out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from torch import nn

from ..errors import StudyError
from ..problems import Problem
from . import flat_mlp, mlp, resnet, shake_shake, transformer


class Shape(NamedTuple):
    """The shape of a sample, and how many outputs its target takes: one for each class, or one number."""

    sample: tuple[int, ...]
    outputs: int
    tokens: bool


def shape_of(problem: Problem) -> Shape:
    """Read off the problem's tensors."""
    inputs, targets = problem.train.inputs, problem.train.targets
    classes = 1 + max(int(split.targets.max()) for split in (problem.train, problem.val, problem.test))
    return Shape(tuple(inputs.shape[1:]), 1 if targets.is_floating_point() else classes, not inputs.is_floating_point())


def fit_mlp(problem: Problem, *hidden: int) -> nn.Module:
    """A perceptron with these hidden layers."""
    shape = shape_of(problem)
    if shape.tokens:
        raise StudyError(f"a perceptron takes numbers, but {problem.name} has tokens; choose a transformer.")
    inputs = problem.train.inputs[0].numel()
    return (mlp if len(shape.sample) == 1 else flat_mlp)(inputs, *hidden, shape.outputs)


def fit_resnet(problem: Problem, depth: int, width: int = 16, batch_norm: bool = True) -> nn.Module:
    """A ResNet of this depth and width."""
    channels, classes = _of_images(problem, "a ResNet")
    return resnet(depth, width=width, batch_norm=batch_norm, channels=channels, classes=classes)


def fit_shake_shake(problem: Problem, width: int, depth: int = 26) -> nn.Module:
    """A Shake-Shake network of this width and depth."""
    channels, classes = _of_images(problem, "a Shake-Shake network")
    return shake_shake(width, depth=depth, channels=channels, classes=classes)


def fit_transformer(problem: Problem, width: int, depth: int) -> nn.Module:
    """A transformer of this width and depth."""
    shape = shape_of(problem)
    if not shape.tokens:
        raise StudyError(f"a transformer takes tokens, but {problem.name} has none; choose another architecture.")
    vocabulary = 1 + max(int(part.inputs.max()) for part in (problem.train, problem.val, problem.test))
    return transformer(max(vocabulary, shape.outputs), shape.sample[0], width=width, depth=depth)


def _of_images(problem: Problem, architecture: str) -> tuple[int, int]:
    shape = shape_of(problem)
    if shape.tokens or len(shape.sample) != 3:
        raise StudyError(
            f"{architecture} takes images [channels, height, width], but {problem.name} has samples of shape "
            f"{list(shape.sample)}; choose another architecture."
        )
    return shape.sample[0], shape.outputs


def _mlp(problem: Problem, *, width: int = 64, depth: int = 2) -> nn.Module:
    return fit_mlp(problem, *[width] * depth)


_RESNETS = {
    f"resnet{depth}{suffix}": partial(fit_resnet, depth=depth, batch_norm=batch_norm)
    for depth in (20, 32, 44, 56, 110)
    for suffix, batch_norm in (("", True), ("-no-bn", False))
}
_SMALL_RESNETS = {
    f"resnet{depth}-narrow{suffix}": partial(fit_resnet, depth=depth, width=8, batch_norm=batch_norm)
    for depth in (8, 20)
    for suffix, batch_norm in (("", True), ("-no-bn", False))
}
_SHAKES = {f"shake-shake-26-2x{width}d": partial(fit_shake_shake, width=width) for width in (32, 64, 96)}
MODELS: dict[str, Callable[..., nn.Module]] = {
    "mlp": _mlp,
    **_RESNETS,
    **_SMALL_RESNETS,
    **_SHAKES,
    "shake-shake-14-2x8d": partial(fit_shake_shake, width=8, depth=14),
    "transformer": partial(fit_transformer, width=128, depth=4),
    "transformer-small": partial(fit_transformer, width=64, depth=2),
}
"""The architectures by name, fitted to a problem; called once for each seed, under that seed."""
