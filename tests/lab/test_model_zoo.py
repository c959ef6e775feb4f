"""Models of every sort, stacked and alone: the same numbers, or a reason why they are not stacked."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from halflife.lab import OPTIMIZER_SPECS, Problem, Split
from halflife.lab.execution import choose_mode
from halflife.lab.execution.agreement import disagreement
from halflife.lab.training import Recipe, Training, TrialBatch
from halflife.lab.training.sequential import SequentialTrainer, train_sequentially
from halflife.lab.training.vectorized import VectorizedTrainer, train_vectorized

FEATURES, CLASSES = 6, 3


class Frozen(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(FEATURES, 8), nn.Linear(8, CLASSES)
        self.first.weight.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.first(x).tanh())


class Unused(Frozen):
    def __init__(self) -> None:
        super().__init__()
        self.first.requires_grad_(True)
        self.spare = nn.Linear(5, 5)


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.into, self.out = nn.Linear(FEATURES, FEATURES), nn.Linear(FEATURES, FEATURES)
        self.out.weight = self.into.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.into(x).tanh())[:, :CLASSES]


class Normalized(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(FEATURES, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class Dropping(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(FEATURES, 16), nn.Dropout(0.5), nn.Linear(16, CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.out = nn.LSTM(2, 5, batch_first=True), nn.Linear(5, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.lstm(x.unflatten(1, (3, 2)))[0][:, -1])


class Attentive(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention, self.out = nn.MultiheadAttention(2, 1, batch_first=True), nn.Linear(2, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = x.unflatten(1, (3, 2))
        return self.out(self.attention(x, x, x, need_weights=False)[0].mean(1))


class CountingBuffer(nn.Module):
    """A buffer that is changed in place, as BatchNorm's are, and is felt."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(FEATURES, CLASSES)
        self.register_buffer("t", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.t.add_(1)
        return self.out(x) * (1 + 0.1 * self.t)


class ReplacedBuffer(CountingBuffer):
    """One that is put in the place of another."""

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.t = self.t + 1
        return self.out(x) * (1 + 0.1 * self.t)


class CountingInPython(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.out, self.steps = nn.Linear(FEATURES, CLASSES), 0

    def forward(self, x: Tensor) -> Tensor:
        self.steps += self.training
        return self.out(x) * (1 + 0.1 * self.steps)


class Lazy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.LazyLinear(8), nn.Tanh(), nn.LazyLinear(CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


ALIKE = [Frozen, Unused, Tied, Normalized, Dropping, Attentive, CountingBuffer, Lazy]
REFUSED = [Recurrent, ReplacedBuffer, CountingInPython]


def split(n: int, seed: int) -> Split:
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(n, FEATURES, generator=draw, dtype=torch.float64)
    return Split(x, (x[:, :CLASSES] + 0.3 * torch.randn(n, CLASSES, generator=draw)).argmax(1))


def training(model: type[nn.Module], epochs: int = 1) -> Training:
    problem = Problem("zoo", "a zoo", split(24, 0), split(40, 1), split(40, 2), model)
    return Training(problem, model, Recipe(epochs, 8))


CELLS = TrialBatch(OPTIMIZER_SPECS["adamw-torch"], (1e-2, 1e-2, 3e-3), (1.0, 30.0, 1.0), (0, 1))


@pytest.mark.parametrize("model", ALIKE)
def test_three_steps_are_those_of_a_network_alone(model: type[nn.Module]) -> None:
    task = training(model)
    draws = model is Dropping
    batch = replace(CELLS, lrs=CELLS.lrs[:1], lams=CELLS.lams[:1], seeds=(0,)) if draws else CELLS
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        stacked = VectorizedTrainer(task, batch)
        torch.manual_seed(5)
        list(stacked.steps())
        norms = stacked.norm()
    held = {**stacked.stack.weights, **stacked.stack.buffers}
    replica = 0
    for seed in batch.seeds:
        for lr, lam in zip(batch.lrs, batch.lams, strict=True):
            with torch.random.fork_rng(devices=[]):
                alone = SequentialTrainer(task, replace(batch, lrs=(lr,), lams=(lam,), seeds=(seed,)))
                torch.manual_seed(5)
                list(alone.steps())
            own = {**dict(alone.model.named_parameters()), **dict(alone.model.named_buffers())}
            assert own.keys() == held.keys()
            for name, x in own.items():
                torch.testing.assert_close(held[name][replica], x.detach(), rtol=1e-9, atol=1e-10, msg=name)
            torch.testing.assert_close(norms[replica], alone.norm()[0], rtol=1e-9, atol=0)
            replica += 1


@pytest.mark.parametrize("model", [m for m in ALIKE if m is not Dropping])
def test_a_whole_training_scores_the_same(model: type[nn.Module]) -> None:
    task = training(model, epochs=4)
    stacked, alone = train_vectorized(task, CELLS), train_sequentially(task, CELLS)
    for ours, theirs in ((stacked.val, alone.val), (stacked.test, alone.test)):
        torch.testing.assert_close(ours.loss, theirs.loss, rtol=1e-7, atol=0)
        torch.testing.assert_close(ours.error, theirs.error, rtol=0, atol=0)
    torch.testing.assert_close(stacked.weight_norm, alone.weight_norm, rtol=1e-8, atol=0)


@pytest.mark.parametrize("model", ALIKE)
def test_those_are_believed(model: type[nn.Module]) -> None:
    assert disagreement(training(model), CELLS.spec) == ""


@pytest.mark.parametrize("model", REFUSED)
def test_the_others_are_trained_alone_and_it_is_said_why(
    model: type[nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    from halflife.lab.execution import autotune

    real = autotune._seconds
    monkeypatch.setattr(autotune, "_seconds", lambda make: (real(make), 1e-9 if "Vec" in str(make()) else 1.0)[1])
    decision = choose_mode(training(model), CELLS.spec)
    assert decision.way == "singly"
    assert "cannot be stacked" in decision.why or "would not train this model as it trains alone" in decision.why


def test_nothing_of_the_comparison_is_kept() -> None:
    state = torch.get_rng_state()
    disagreement(training(Normalized), CELLS.spec)
    assert torch.get_rng_state().equal(state)
    assert torch.get_default_dtype() is torch.float32


def test_in_single_precision_too() -> None:
    """Where a model insists on float32, as many do."""

    class Insists(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.randn(FEATURES, CLASSES, dtype=torch.float32))

        def forward(self, x: Tensor) -> Tensor:
            return x.float() @ self.w.to(torch.float32)

    task = training(Insists)
    single = {name: replace(s, inputs=s.inputs.float()) for name, s in (("train", task.problem.train),)}
    assert disagreement(replace(task, problem=replace(task.problem, **single)), CELLS.spec) == ""
