"""Does a stack train as one network alone does? A few steps of both, compared before a stack is believed.

Code in Python that a stack records once (a counter, a buffer put in the place of another), layers that are frozen or
not used, tied weights: whatever is done differently shows in the weights. In float64, so that rounding does not.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from ..config.optimizers import OptimizerSpec
from ..problems import Split
from ..training import Training, TrialBatch
from ..training.sequential import SequentialTrainer
from ..training.trainer import Trainer
from ..training.vectorized import VectorizedTrainer

STEPS = 3
LR, LAM = 1e-3, 0.1
EXACT, ROUNDED = 1e-6, 0.05
"""How far a stack's weights may be off, of what three steps move them by: in float64, and in float32."""


def disagreement(training: Training, spec: OptimizerSpec) -> str:
    """What a stack does otherwise than a network alone, in words; empty if nothing.

    A model that draws (dropout) is compared by one network, whose numbers are drawn alike in both.
    """
    try:
        with _default_dtype(torch.float64):
            off = _off(_in_double(training), spec)
        bound = EXACT
    except RuntimeError:  # a model that insists on its own precision
        off, bound = _off(training, spec), ROUNDED
    worst = max(off, key=lambda name: off[name])
    if off[worst] <= bound:
        return ""
    return (
        f"after {STEPS} steps {worst} is not what it is in a network trained alone: off by {off[worst]:.2g} of what "
        "the steps move it"
    )


def _off(training: Training, spec: OptimizerSpec) -> dict[str, float]:
    """By parameter and buffer, the worst of the networks."""
    seeds = (0,) if _draws(training) else (0, 1)
    alone = [_trained(training, spec, seed) for seed in seeds]
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        stacked = VectorizedTrainer(training, TrialBatch(spec, (LR,), (LAM,), seeds))
        _take(stacked)
        tensors = {**stacked.stack.weights, **stacked.stack.buffers}
        return {
            name: max(_apart(x[i], after[name], before[name]) for i, (before, after) in enumerate(alone))
            for name, x in tensors.items()
        }


def _trained(training: Training, spec: OptimizerSpec, seed: int) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor]]:
    """All that a network holds, before and after the steps."""
    with torch.random.fork_rng(devices=[]):
        alone = SequentialTrainer(training, TrialBatch(spec, (LR,), (LAM,), (seed,)))
        before = {name: x.detach().clone() for name, x in _named(alone.model).items()}
        _take(alone)
        return before, _named(alone.model)


def _named(model: nn.Module) -> dict[str, Tensor]:
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def _take(run: Trainer) -> None:
    torch.manual_seed(0)
    steps = run.steps()
    for _ in range(STEPS):
        if next(steps, None) is None:
            steps = run.steps()
            next(steps)


def _apart(stacked: Tensor, alone: Tensor, before: Tensor) -> float:
    """Of what the steps moved; where they moved nothing, nothing must differ but by rounding."""
    x, y, start = (tensor.detach().double() for tensor in (stacked, alone, before))
    moved, size = float((y - start).norm()), float(y.norm())
    apart = float((x - y).norm())
    return 0.0 if apart <= 1e-12 * size else apart / max(moved, 1e-12 * size, 1e-300)


def _draws(training: Training) -> bool:
    """Whether a forward pass in training moves torch's generator."""
    size, train = training.recipe.batch_size, training.problem.train
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        model = training.model().to(train.inputs.dtype if train.inputs.is_floating_point() else None).train()
        before = torch.get_rng_state()
        model(train.inputs[:size])
        return not before.equal(torch.get_rng_state())


def _in_double(training: Training) -> Training:
    problem = training.problem
    splits = {name: _split(getattr(problem, name)) for name in ("train", "val", "test")}
    return replace(training, problem=replace(problem, **splits), model=partial(_doubled, training.model))


def _split(split: Split) -> Split:
    return Split(*(x.double() if x.is_floating_point() else x for x in (split.inputs, split.targets)))


def _doubled(model: Callable[[], nn.Module]) -> nn.Module:
    return model().double()


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Generator[None, None, None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
