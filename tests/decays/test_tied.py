"""λ tied to the learning rate: at every step of the optimizer's it is that of the lr in force, group by group."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler as schedulers

import halflife
from halflife.decays import Decay
from halflife.schedules import LinearWD, TiedWD
from tests.conformance.variants import no_number_is_read
from tests.decays.test_schedulers import LRS, PEAKS, SCHEDULERS, advance, decay_alone, groups

# older torch calls its own deprecated form inside SequentialLR
pytestmark = pytest.mark.filterwarnings("ignore:The epoch parameter in:UserWarning")

LAM = 0.9
MADE: dict[str, Callable[..., Any]] = {
    "halflife": lambda params, wd: halflife.SGD(params, weight_decay=wd, decay="decoupled"),
    "torch": lambda params, wd: attached(torch.optim.AdamW(params), wd),
}


def attached(optimizer: Any, schedule: TiedWD) -> Any:
    schedule.attach(optimizer)
    return optimizer


def peaks(name: str) -> tuple[float, ...]:
    return PEAKS.get(name, LRS)


@pytest.mark.parametrize("power", [1.0, 2.0, 0.5, 0.0])
@pytest.mark.parametrize("tensor_lr", [False, True])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_each_step_has_the_lambda_of_its_learning_rate(name: str, tensor_lr: bool, power: float) -> None:
    """Nobody calls ``step()`` of the schedule; the shares are up to 0.63 of the weights."""
    optimizer = halflife.SGD(groups(tensor_lr), weight_decay=TiedWD(LAM, power), decay="decoupled")
    scheduler = SCHEDULERS[name](optimizer)
    for _ in range(20):
        lrs = [float(group["lr"]) for group in optimizer.param_groups]
        expected = [1 - lr * LAM * (lr / α) ** power for lr, α in zip(lrs, peaks(name), strict=True)]
        assert decay_alone(optimizer) == pytest.approx(expected, abs=1e-6 if tensor_lr else 1e-13)
        advance(scheduler)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_of_a_plain_torch_optimizer_too(name: str) -> None:
    optimizer = attached(torch.optim.AdamW(groups()), TiedWD(LAM, power=2))
    scheduler = SCHEDULERS[name](optimizer)
    for _ in range(20):
        lrs = [group["lr"] for group in optimizer.param_groups]
        expected = [1 - lr * LAM * (lr / α) ** 2 for lr, α in zip(lrs, peaks(name), strict=True)]
        assert decay_alone(optimizer) == pytest.approx(expected, abs=1e-13)
        advance(scheduler)


@pytest.mark.parametrize(
    ("decay", "power", "same"),
    [
        ("decoupled", 1, ("corrected", 1.0)),  # AdamC
        (Decay("explicit", "one"), 2, ("independent", 1.0)),  # λ alone: lr² is the schedule's own
        (Decay("explicit", "one"), 1, ("independent", None)),
        (Decay("implicit", "one"), 1, ("proximal", None)),
    ],
    ids=str,
)
def test_is_what_another_treatment_does(decay: Any, power: float, same: tuple[Any, Any]) -> None:
    """λ·lr^p where a decay has that already, on every number of 30 steps of Adam, some of which go to 0."""
    found: list[list[torch.Tensor]] = []
    other, tied = same
    for treatment, wd in ((decay, TiedWD(0.1, power)), (other, 0.1 if tied is None or other == "corrected" else None)):
        params = [{"params": [torch.linspace(1, 2, 5, dtype=torch.float64).requires_grad_()], "lr": lr} for lr in LRS]
        wd = TiedWD(0.1, tied) if wd is None else wd
        with halflife.optim.groups.on_purpose(), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a decay of 0.1 a step is what is meant
            optimizer = halflife.Adam(params, weight_decay=wd, decay=treatment)
        scheduler = schedulers.CosineAnnealingLR(optimizer, T_max=40)
        weights = [group["params"][0] for group in optimizer.param_groups]
        for k in range(30):
            for w in weights:
                w.grad = torch.cos(w.detach() + k)
            optimizer.step()
            scheduler.step()
        found.append([w.detach().clone() for w in weights])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-13, atol=1e-14)
    assert (found[0][1] - torch.linspace(1, 2, 5, dtype=torch.float64)).abs().min() > 0.01


def test_a_literal_transcription_of_adamc() -> None:
    """Algorithm: θ ← θ − γ_t·m̂/(√v̂ + ε) − γ_t·(γ_t/γ_max)·λ·θ."""
    γ_max, λ, β1, β2, ε = 0.05, 2.0, 0.9, 0.999, 1e-8
    w = torch.linspace(1, 2, 5, dtype=torch.float64).requires_grad_()
    θ, m, v = w.detach().clone(), torch.zeros(5, dtype=torch.float64), torch.zeros(5, dtype=torch.float64)
    optimizer = halflife.AdamW([w], lr=γ_max, weight_decay=TiedWD(λ))
    scheduler = schedulers.LambdaLR(optimizer, lambda k: min(1.0, k / 5) * (1 - k / 40))
    for t in range(1, 31):
        γ = γ_max * min(1.0, (t - 1) / 5) * (1 - (t - 1) / 40)
        g = torch.sin(θ * t)
        m, v = β1 * m + (1 - β1) * g, β2 * v + (1 - β2) * g * g
        θ = θ - γ * (m / (1 - β1**t)) / ((v / (1 - β2**t)).sqrt() + ε) - γ * (γ / γ_max) * λ * θ
        w.grad = torch.sin(w.detach() * t)
        optimizer.step()
        scheduler.step()
    torch.testing.assert_close(w.detach(), θ, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("kind", MADE)
def test_groups_of_their_own_and_late_ones(kind: str) -> None:
    optimizer = MADE[kind](groups(), TiedWD(LAM))
    optimizer.param_groups[0]["lr"] *= 0.5
    late = {"params": [torch.ones(3, dtype=torch.float64).requires_grad_()], "lr": 0.2}
    optimizer.add_param_group(late)
    if kind == "torch":
        TiedWD(LAM).attach(optimizer, 2)
    optimizer.param_groups[2]["lr"] = 0.05
    expected = [1 - 0.005 * LAM / 2, 1 - 0.3 * LAM, 1 - 0.05 * LAM / 4]
    assert decay_alone(optimizer) == pytest.approx(expected, abs=1e-13)


@pytest.mark.parametrize("kind", MADE)
@pytest.mark.parametrize("name", ["LambdaLR", "OneCycleLR", "ReduceLROnPlateau", "SequentialLR"])
def test_loaded_in_the_middle(name: str, kind: str) -> None:
    def build() -> tuple[Any, Any]:
        optimizer = MADE[kind](groups(), TiedWD(LAM, 2))
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


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["copy", "pickle"])
@pytest.mark.parametrize("kind", MADE)
@pytest.mark.parametrize("order", [1, -1])
def test_a_copy_follows_its_own_learning_rate(kind: str, duplicate: Callable[[Any], Any], order: int) -> None:
    schedule = TiedWD(LAM)
    optimizer = MADE[kind](groups(), schedule)
    pair = duplicate((optimizer, schedule)[::order])
    twin = pair[::order][0]
    for group in twin.param_groups:
        group["lr"] *= 0.5
    assert decay_alone(twin) == pytest.approx([1 - lr / 2 * LAM / 2 for lr in LRS], abs=1e-13)
    assert decay_alone(optimizer) == pytest.approx([1 - lr * LAM for lr in LRS], abs=1e-13)


def test_a_late_group_of_a_copy_is_tied_as_well() -> None:
    schedule = TiedWD(LAM)
    optimizer = halflife.SGD(groups(), weight_decay=schedule, decay="decoupled")
    twin, _ = copy.deepcopy((optimizer, schedule))
    twin.add_param_group({"params": [torch.ones(3, dtype=torch.float64).requires_grad_()], "lr": 0.4})
    twin.param_groups[2]["lr"] = 0.1
    assert decay_alone(twin)[2] == pytest.approx(1 - 0.1 * LAM / 4, abs=1e-13)


@pytest.mark.parametrize("kind", MADE)
def test_step_may_be_called_at_any_moment_or_never(kind: str) -> None:
    schedule = TiedWD(LAM)
    optimizer = MADE[kind](groups(), schedule)
    scheduler = schedulers.ExponentialLR(optimizer, 0.5)
    for k in range(4):
        schedule.step()
        assert decay_alone(optimizer) == pytest.approx([1 - lr * LAM * 0.25**k for lr in LRS], abs=1e-13)
        schedule.step()
        scheduler.step()
    schedule.step()
    assert optimizer.param_groups[0]["weight_decay"] == pytest.approx(LAM / 16)


def test_within_backward_too() -> None:
    layer = torch.nn.Linear(3, 1, bias=False)
    optimizer = halflife.SGD(layer.parameters(), lr=0.3, weight_decay=TiedWD(LAM), decay="decoupled")
    with halflife.fuse_with_backward(layer, optimizer):
        optimizer.param_groups[0]["lr"] = 0.15
        before = layer.weight.detach().clone()
        (0.0 * layer.weight.sum()).backward()
        optimizer.step()
    torch.testing.assert_close(layer.weight.detach(), before * (1 - 0.15 * LAM / 2))


def test_a_base_may_be_said_and_must_be_where_lr_is_0() -> None:
    words = "says nothing of the peak; give that as base_lr="
    with pytest.raises(ValueError, match=words):
        halflife.AdamW([torch.ones(3).requires_grad_()], lr=0.0, weight_decay=TiedWD(0.1))
    with pytest.raises(ValueError, match=words):
        TiedWD(0.1).attach(torch.optim.AdamW([torch.ones(3).requires_grad_()], lr=0.0))
    ours = halflife.SGD(groups(), weight_decay=TiedWD(LAM), decay="decoupled", base_lr=0.5)
    theirs = torch.optim.AdamW([{**group, "base_lr": 0.5} for group in groups()])
    TiedWD(LAM).attach(theirs)
    by_word = torch.optim.AdamW(groups())
    TiedWD(LAM).attach(by_word, base_lr=0.5)
    for optimizer in (ours, theirs, by_word):
        assert decay_alone(optimizer) == pytest.approx([1 - lr * LAM * lr / 0.5 for lr in LRS], abs=1e-13)


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
def test_a_learning_rate_above_its_base_is_told_once(make: Callable[..., Any]) -> None:
    optimizer = make(groups(), TiedWD(LAM))
    for group in optimizer.param_groups:
        group["lr"] *= 1.0001
    decay_alone(optimizer)  # told of nothing: that may be rounding
    for group, lr in zip(optimizer.param_groups, LRS, strict=True):
        group["lr"] = 2 * lr
    with pytest.warns(UserWarning, match="lr=0.02 of parameter group 0 is above its base learning rate 0.01") as told:
        factors = [decay_alone(optimizer) for _ in range(3)]
    assert factors == 3 * [pytest.approx([1 - 4 * lr * LAM for lr in LRS], abs=1e-13)]
    assert len(told) == 1
    assert told[0].filename == decay_alone.__code__.co_filename


def test_each_group_keeps_a_tensor_of_its_own() -> None:
    """One tensor given to all groups would else have the λ of the last."""
    λ = torch.tensor(0.5, dtype=torch.float64)
    optimizer = halflife.SGD(groups(), weight_decay=λ, decay="decoupled")
    TiedWD(LAM).attach(optimizer)
    optimizer.param_groups[0]["lr"] *= 0.5
    assert decay_alone(optimizer) == pytest.approx([1 - 0.005 * LAM / 2, 1 - 0.3 * LAM], abs=1e-13)
    other = halflife.SGD(groups(), weight_decay=torch.tensor(0.5, dtype=torch.float64), decay="decoupled")
    LinearWD(0.4, 0.0, steps=4).attach(other, 1)
    assert decay_alone(other) == pytest.approx([1 - 0.01 * 0.5, 1 - 0.3 * 0.4], abs=1e-7)


def test_a_gradient_goes_through_the_tie() -> None:
    """With ``differentiable`` d(w after)/d(lr) = −2·λ·lr/α·w for a gradient of 0, and not the half of it."""
    w, lr = torch.ones(3, dtype=torch.float64), torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    p = w.clone().requires_grad_() * 1
    p.retain_grad()
    optimizer = halflife.SGD([p], lr=lr, weight_decay=TiedWD(LAM), decay="decoupled", differentiable=True)
    p.grad = torch.zeros_like(p)
    optimizer.step()
    (derivative,) = torch.autograd.grad(p.sum(), lr)
    assert float(derivative) == pytest.approx(-3 * 2 * LAM)


@pytest.mark.parametrize("engine", ["eager", "foreach"])
def test_a_captured_step_computes_lambda_from_the_tensor_of_lr(engine: Any) -> None:
    tensors = [{**group, "lr": torch.tensor(group["lr"], dtype=torch.float64)} for group in groups()]
    optimizer = halflife.AdamW(tensors, weight_decay=TiedWD(LAM), capturable=True, engine=engine)
    held = [group["weight_decay"] for group in optimizer.param_groups]
    decay_alone(optimizer)
    for group in optimizer.param_groups:
        group["lr"].mul_(0.5)
        group["params"][0].data.fill_(1.0)
    with no_number_is_read():
        optimizer.step()
    assert all(group["weight_decay"] is λ for group, λ in zip(optimizer.param_groups, held, strict=True))
    left = [float(group["params"][0][0].detach()) for group in optimizer.param_groups]
    assert left == pytest.approx([1 - lr / 2 * LAM / 2 for lr in LRS], abs=1e-13)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: TiedWD(-0.1), "weight_decay must be at least 0, but -0.1"),
        (lambda: TiedWD(0.1, power=-1), "power must be at least 0, but -1"),
        (lambda: TiedWD(float("nan")), "weight_decay must be at least 0, but nan"),
    ],
)
def test_errors_are_sentences(make: Callable[[], Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        make()
