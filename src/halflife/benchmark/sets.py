"""What the optimizers step: sets of parameter tensors, by their shapes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from .devices import Kind

Shape = tuple[int, ...]
Gradients = Literal["kept", "fresh", "scheduled"]


@dataclass(frozen=True)
class ParameterSet:
    """Shapes of float32 tensors, and how their gradients come to be.

    "kept": the same tensors at every step. "fresh": set to None and allocated anew before every step, untimed, so that
    an optimizer that remembers where things lie has to look again. "scheduled": the same tensors, and a learning rate
    that moves at every step.
    """

    name: str
    title: str
    shapes: tuple[Shape, ...]
    gradients: tuple[Gradients, ...] = ("kept",)

    @property
    def parameters(self) -> int:
        return sum(size(shape) for shape in self.shapes)


def size(shape: Shape) -> int:
    """How many numbers a tensor of this shape holds."""
    numbers = 1
    for length in shape:
        numbers *= length
    return numbers


def _gpt2() -> tuple[Shape, ...]:
    d = 768
    norm: list[Shape] = [(d,), (d,)]
    attention: list[Shape] = [(d, 3 * d), (3 * d,), (d, d), (d,)]
    mlp: list[Shape] = [(d, 4 * d), (4 * d,), (4 * d, d), (d,)]
    return ((50257, d), (1024, d), *[*norm, *attention, *norm, *mlp] * 12, *norm)


def _resnet() -> tuple[Shape, ...]:
    """Three stages of 3×3 convolutions and a 1×1 one for ten classes, each with the two vectors of its norm."""
    channels = [3, *[42] * 21, *[84] * 26, *[168] * 22]
    convolutions = [(out, into, 3, 3) for into, out in pairwise(channels)]
    return tuple(x for shape in [*convolutions, (10, 168, 1, 1)] for x in (shape, shape[:1], shape[:1]))


_ALL = (
    ParameterSet("gpt2", "GPT-2", _gpt2()),
    ParameterSet("resnet", "ResNet-like", _resnet()),
    ParameterSet("large", "3 × 4096²", ((4096, 4096),) * 3),
    ParameterSet("tiny", "210 tensors of 16", ((16,),) * 210, ("kept", "fresh")),
    ParameterSet("huge", "6 × 8192²", ((8192, 8192),) * 6),
    ParameterSet("thousand", "1,000 tensors of 64²", ((64, 64),) * 1000, ("kept", "fresh", "scheduled")),
    ParameterSet("five", "5 tensors of 64", ((64,),) * 5, ("kept", "fresh")),
)
SETS = {each.name: each for each in _ALL}
"""By name. GPT-2 has 124 M parameters in 148 tensors, the ResNet 7.4 M in 210."""
USUAL: dict[Kind, tuple[str, ...]] = {
    "cpu": ("gpt2", "resnet", "large", "tiny", "five"),
    "cuda": ("gpt2", "huge", "thousand", "resnet"),
}
"""What is timed on a device where nobody asks for anything else."""


def usual_sets(kind: Kind) -> tuple[ParameterSet, ...]:
    """These sets themselves."""
    return tuple(SETS[name] for name in USUAL[kind])
