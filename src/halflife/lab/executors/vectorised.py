"""All replicas of one update at once: parameters stacked ``[seed, cell, …]``, model and loss under nested vmap.

The outer vmap runs over seeds, each with its own initialization and order of batches; the inner one over the cells of
the grid, which share a seed's batches. The update is the library's own, with lr and λ shaped to broadcast.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false
from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Lock

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap

from ...step import Update
from ..problems import Problem, Split
from .training import Outcome, Replicas, Score, Training

Stack = dict[str, Tensor]


def train_stack(training: Training, replicas: Replicas, progress: Callable[[float], None]) -> Outcome:
    """Train every replica with lr_t = α·η_t, η_t of the recipe's schedule; after each epoch ``progress`` hears the share
    of the steps that is done.

    The same arguments give the same bits. A replica whose loss ceases to be finite is frozen where it is and flagged,
    and so is one that ends with weights or a validation loss that are not; the others do not notice.
    """
    models = [_seeded(training.model, seed) for seed in replicas.seeds]
    dtype = training.problem.train.inputs.dtype
    weights = _stacked(models, len(replicas.lrs), dtype)
    with torch.no_grad():
        weights, alive = _descend(models[0], weights, training, replicas, progress)
        return _outcome(models[0], weights, alive, training)


_SEEDING = Lock()
"""torch has one default generator for all threads: one initialization at a time."""


def _seeded(model: Callable[[], nn.Module], seed: int) -> nn.Module:
    with _SEEDING, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return model()


def _stacked(models: list[nn.Module], n_cells: int, dtype: torch.dtype) -> Stack:
    """Each seed's first weights, copied to each cell: ``[seed, cell, …]``."""
    names = [name for name, _ in models[0].named_parameters()]
    by_seed = {name: torch.stack([m.get_parameter(name).detach().to(dtype) for m in models]) for name in names}
    return {name: w[:, None].expand(-1, n_cells, *w.shape[1:]).clone() for name, w in by_seed.items()}


def _descend(
    model: nn.Module, weights: Stack, training: Training, replicas: Replicas, progress: Callable[[float], None]
) -> tuple[Stack, Tensor]:
    gradients = _gradients(model, training)
    stepper = _Stepper(replicas, weights)
    for t, (inputs, labels) in enumerate(_batches(training, replicas.seeds), start=1):
        grads, losses = gradients(weights, inputs, labels)
        weights = stepper.step(t, training.multiplier(t - 1), weights, grads, losses)
        if t % training.steps_per_epoch == 0:
            progress(t / training.steps)
    return weights, stepper.alive


def _gradients(model: nn.Module, training: Training) -> Callable[[Stack, Tensor, Tensor], tuple[Stack, Tensor]]:
    def loss(weights: Stack, inputs: Tensor, labels: Tensor) -> Tensor:
        return training.problem.loss(functional_call(model, weights, (inputs,)), labels) * training.recipe.loss_scale

    return vmap(vmap(grad_and_value(loss), in_dims=(0, None, None)))


def _batches(training: Training, seeds: tuple[int, ...]) -> Iterator[tuple[Tensor, Tensor]]:
    """Each seed's next batch, ``[seed, batch, …]``: a new order of the samples every epoch, the remainder left out."""
    data, size = training.problem.train, training.recipe.batch_size
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    for _ in range(training.recipe.epochs):
        order = torch.stack([torch.randperm(len(data), generator=g) for g in generators])
        for chosen in order.split(size, dim=1)[: training.steps_per_epoch]:
            yield data.inputs[chosen], data.targets[chosen]


class _Stepper:
    """The library's update on stacked parameters, and who is still alive."""

    def __init__(self, replicas: Replicas, weights: Stack) -> None:
        first = next(iter(weights.values()))
        self.update: Update = replicas.contender.update
        self.lr, self.lam = first.new_tensor(replicas.lrs), first.new_tensor(replicas.lams)
        self.alive = torch.ones(first.shape[:2], dtype=torch.bool)
        self.states = {name: _start(self.update, w) for name, w in weights.items()}

    def step(self, t: int, eta: float, weights: Stack, grads: Stack, losses: Tensor) -> Stack:
        self.alive &= losses.isfinite()
        return {name: self._step(t, eta, name, weights[name], grads[name]) for name in weights}

    def _step(self, t: int, eta: float, name: str, w: Tensor, g: Tensor) -> Tensor:
        lr, lam = (_column(x, w) for x in (self.lr * eta, self.lam))
        new, state = self.update(t, w, g, self.states[name], lr=lr, eta=eta, lam=lam)
        self.states[name] = dict(state)
        return torch.where(_column(self.alive, w), new, w)


def _start(update: Update, w: Tensor) -> dict[str, Tensor]:
    return {name: torch.as_tensor(x) for name, x in update.rule.start(w, 0.0).items()}


def _column(x: Tensor, like: Tensor) -> Tensor:
    """``x`` of shape ``[cell]`` or ``[seed, cell]``, to broadcast against ``[seed, cell, …]``."""
    return x.reshape(*x.shape, *(1,) * (like.ndim - 2))


def _outcome(model: nn.Module, weights: Stack, alive: Tensor, training: Training) -> Outcome:
    problem = training.problem
    norm = torch.stack([w.flatten(2).square().sum(2) for w in weights.values()]).sum(0).sqrt()
    train, val, test = (_score(model, weights, problem, split) for split in (problem.train, problem.val, problem.test))
    return Outcome(train, val, test, norm, ~(alive & norm.isfinite() & val.loss.isfinite()))


def _score(model: nn.Module, weights: Stack, problem: Problem, split: Split) -> Score:
    outputs = vmap(vmap(lambda w: functional_call(model, w, (split.inputs,))))(weights)
    loss, error = (vmap(vmap(lambda o: f(o, split.targets).mean()))(outputs) for f in (problem.loss, problem.error))
    return Score(loss, error)
