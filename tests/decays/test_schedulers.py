"""η is right under every scheduler of torch: per group, warmed up from 0, loaded mid-schedule, added late."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler as schedulers

import halflife

# older torch calls its own deprecated form inside SequentialLR
pytestmark = pytest.mark.filterwarnings("ignore:The epoch parameter in:UserWarning")

LRS = (0.01, 0.3)
PEAKS = {"OneCycleLR": (0.05, 0.7), "CyclicLR": (0.1, 0.1)}
"""The highest learning rates of the schedulers that are told them; the others start at theirs."""
SCHEDULERS: dict[str, Callable[[Any], Any]] = {
    "LambdaLR": lambda o: schedulers.LambdaLR(o, lambda k: min(1.0, k / 5)),  # from 0
    "StepLR": lambda o: schedulers.StepLR(o, step_size=4, gamma=0.3),
    "CosineAnnealingLR": lambda o: schedulers.CosineAnnealingLR(o, T_max=12),
    "CosineAnnealingWarmRestarts": lambda o: schedulers.CosineAnnealingWarmRestarts(o, T_0=4, T_mult=2),
    "OneCycleLR": lambda o: schedulers.OneCycleLR(
        o, max_lr=list(PEAKS["OneCycleLR"]), total_steps=24, cycle_momentum=False
    ),
    "CyclicLR": lambda o: schedulers.CyclicLR(o, 1e-3, 0.1, step_size_up=5, cycle_momentum=False),
    "ReduceLROnPlateau": lambda o: schedulers.ReduceLROnPlateau(o, patience=2, factor=0.5),
    "SequentialLR": lambda o: schedulers.SequentialLR(
        o, [schedulers.LinearLR(o, 1e-3, 1, 5), schedulers.ExponentialLR(o, 0.8)], milestones=[5]
    ),
}


def groups(tensor_lr: bool = False) -> list[dict[str, Any]]:
    make = torch.tensor if tensor_lr else float
    return [{"params": [torch.ones(3, dtype=torch.float64).requires_grad_()], "lr": make(lr)} for lr in LRS]


def decay_alone(optimizer: torch.optim.Optimizer) -> list[float]:
    """One step with gradients of zero: what is left of each group's weights is the decay factor."""
    factors = []
    weights = [group["params"][0] for group in optimizer.param_groups]
    for w in weights:
        w.data.fill_(1.0)
        w.grad = torch.zeros_like(w)
    optimizer.step()
    for w in weights:
        factors.append(float(w[0].detach()))
    return factors


def advance(scheduler: Any) -> None:
    scheduler.step(1.0) if isinstance(scheduler, schedulers.ReduceLROnPlateau) else scheduler.step()


@pytest.mark.parametrize("tensor_lr", [False, True])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_factor_is_one_minus_eta_lambda(name: str, tensor_lr: bool) -> None:
    λ = 0.1
    optimizer = halflife.SGD(groups(tensor_lr), weight_decay=λ, decay="independent")
    scheduler = SCHEDULERS[name](optimizer)
    seen = set()
    for _ in range(20):
        η = [float(group["lr"]) / α for group, α in zip(optimizer.param_groups, PEAKS.get(name, LRS), strict=True)]
        assert decay_alone(optimizer) == pytest.approx([1 - e * λ for e in η], abs=1e-6 if tensor_lr else 1e-13)
        seen.update(round(e, 6) for e in η)
        advance(scheduler)
    assert len(seen) > 2, "the schedule never moved"


@pytest.mark.parametrize("name", SCHEDULERS)
def test_loaded_in_the_middle(name: str) -> None:
    def build() -> tuple[Any, Any]:
        optimizer = halflife.ProxAdam(groups(), weight_decay=0.1)
        return optimizer, SCHEDULERS[name](optimizer)

    optimizer, scheduler = build()
    for _ in range(7):
        decay_alone(optimizer)
        advance(scheduler)
    resumed, resumed_scheduler = build()
    resumed.load_state_dict(optimizer.state_dict())
    resumed_scheduler.load_state_dict(scheduler.state_dict())
    for _ in range(7):
        assert decay_alone(resumed) == decay_alone(optimizer)
        advance(scheduler)
        advance(resumed_scheduler)


def test_group_added_late_has_its_own_base() -> None:
    optimizer = halflife.SGD(groups()[:1], weight_decay=0.1, decay="independent")
    scheduler = schedulers.LambdaLR(optimizer, lambda k: 0.5**k)
    for _ in range(1000):
        optimizer.step()
    scheduler.step()
    optimizer.add_param_group({"params": [torch.ones(3, dtype=torch.float64).requires_grad_()], "lr": 7.0})
    assert decay_alone(optimizer) == pytest.approx([1 - 0.05, 1 - 0.1], abs=1e-13)


def test_one_cycle_overwriting_initial_lr_changes_nothing() -> None:
    optimizer = halflife.SGD(groups(), weight_decay=0.1, decay="independent")
    schedulers.OneCycleLR(optimizer, max_lr=[LRS[0], LRS[1]], total_steps=10, cycle_momentum=False)
    assert optimizer.param_groups[0]["initial_lr"] == pytest.approx(LRS[0] / 25)
    assert decay_alone(optimizer) == pytest.approx([1 - 0.1 / 25] * 2, abs=1e-13)


def test_base_of_zero_is_refused_in_words_and_may_be_given() -> None:
    with pytest.raises(ValueError, match="its peak learning rate; give that as base_lr="):
        halflife.ProxAdam([torch.ones(3).requires_grad_()], lr=0.0)
    optimizer = halflife.SGD(groups(), weight_decay=0.1, decay="independent", base_lr=0.5)
    for group in optimizer.param_groups:
        group["lr"] = 0.2
    assert decay_alone(optimizer) == pytest.approx([1 - 0.4 * 0.1] * 2, abs=1e-13)
    halflife.AdamW([torch.ones(3).requires_grad_()], lr=0.0)  # torch's form needs no base


def test_torch_checkpoint_keeps_the_live_base() -> None:
    weights = torch.ones(3).requires_grad_()
    theirs = torch.optim.AdamW([weights], lr=0.1)
    theirs.param_groups[0]["lr"] = 0.05
    ours = halflife.AdamW([weights], lr=0.1, decay="independent", weight_decay=0.2)
    ours.load_state_dict(theirs.state_dict())
    ours.param_groups[0]["weight_decay"] = 0.2
    assert decay_alone(ours) == pytest.approx([1 - 0.5 * 0.2])


def test_default_decay_per_step_is_torchs_under_every_treatment() -> None:
    w = [torch.ones(3).requires_grad_()]
    per_step = {d: halflife.AdamW(w, decay=d).param_groups[0]["weight_decay"] for d in ("decoupled", "independent")}
    assert per_step == pytest.approx({"decoupled": 1e-2, "independent": 1e-5})
    assert halflife.ProxAdam(w).param_groups[0]["weight_decay"] == pytest.approx(1e-5)
    assert halflife.ProxAdam(w, decay="decoupled").param_groups[0]["weight_decay"] == pytest.approx(1e-2)
    assert halflife.SGDW(w).param_groups[0]["weight_decay"] == pytest.approx(1e-5)
    assert halflife.Lion(w).param_groups[0]["weight_decay"] * 1e-4 == pytest.approx(1e-5)
    assert halflife.AdamW(w, decay="independent", weight_decay=0.3).param_groups[0]["weight_decay"] == 0.3


def cyclic(optimizer: Any) -> Any:
    return schedulers.CyclicLR(optimizer, 1e-3, 0.1, step_size_up=5)


@pytest.mark.parametrize("engine", [None, "eager"])
def test_a_cycle_that_is_set_up_late_says_its_peak(engine: Any) -> None:
    optimizer = halflife.SGD(groups()[:1], momentum=0.5, weight_decay=0.1, decay="independent", engine=engine)
    assert decay_alone(optimizer) == pytest.approx([1 - 0.1])
    scheduler = cyclic(optimizer)
    assert decay_alone(optimizer) == pytest.approx([1 - 0.1 * 1e-3 / scheduler.max_lrs[0]])


def test_live_objects_are_gone_through_once_for_a_cycle(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[None] = []
    own = gc.get_objects
    monkeypatch.setattr(gc, "get_objects", lambda: looks.append(None) or own())
    optimizer = halflife.SGD(groups(), momentum=0.5, weight_decay=0.1, decay="independent", engine="eager")
    scheduler = cyclic(optimizer)
    for _ in range(3):
        decay_alone(optimizer)
        scheduler.step()
    assert len(looks) == 1


def test_the_peak_of_a_cycle_is_known_to_a_step_within_backward() -> None:
    layer = torch.nn.Linear(3, 1, bias=False)
    optimizer = halflife.SGD(layer.parameters(), lr=0.01, momentum=0.5, weight_decay=0.1, decay="independent")
    scheduler = cyclic(optimizer)
    before = layer.weight.detach().clone()
    with halflife.fuse_with_backward(layer, optimizer):
        (0.0 * layer.weight.sum()).backward()
        optimizer.step()
    assert torch.allclose(layer.weight, before * (1 - 0.1 * 1e-3 / scheduler.max_lrs[0]), rtol=1e-7)


def test_a_learning_rate_above_its_base_is_told_once_in_each_group() -> None:
    optimizer = halflife.SGD(groups(), weight_decay=0.1, decay="independent")
    optimizer.param_groups[0]["lr"] *= 1.0001
    decay_alone(optimizer)  # told of nothing: that may be rounding
    for group in optimizer.param_groups:
        group["lr"] *= 2
    with pytest.warns(UserWarning, match="is above the base learning rate") as told:
        factors = [decay_alone(optimizer) for _ in range(2)]
    assert factors[0] == pytest.approx([1 - 0.20002, 1 - 0.2], abs=1e-13)
    assert [str(one.message)[:18] for one in told] == ["parameter group 0:", "parameter group 1:"]
    assert {one.filename for one in told} == {__file__}


def test_a_cycle_that_leaves_no_trace_is_told_of() -> None:
    """From the optimizer's own learning rate up, without momentum: nothing in the groups says that it is a cycle."""
    optimizer = halflife.SGD([torch.ones(3).requires_grad_()], lr=0.01, weight_decay=0.1, decay="independent")
    scheduler = schedulers.CyclicLR(optimizer, 0.01, 0.1, step_size_up=5, cycle_momentum=False)
    assert decay_alone(optimizer) == pytest.approx([1 - 0.1])
    scheduler.step()
    with pytest.warns(UserWarning, match="above the base learning rate .* give it as base_lr="):
        decay_alone(optimizer)


@pytest.mark.parametrize("wrong", [0.0, -0.1, float("nan")])
def test_a_base_that_is_none_is_refused_wherever_it_stands(wrong: float) -> None:
    w, words = torch.ones(3).requires_grad_(), "base_lr, by which lr is divided .* must be above 0"
    with pytest.raises(ValueError, match=words):
        halflife.AdamW([w], base_lr=wrong)
    with pytest.raises(ValueError, match=words):
        halflife.AdamW([{"params": [w], "base_lr": wrong}])
    optimizer = halflife.SGD([w], lr=0.1, weight_decay=0.1, decay="independent")
    optimizer.param_groups[0]["base_lr"] = wrong
    with pytest.raises(ValueError, match=words):
        decay_alone(optimizer)
