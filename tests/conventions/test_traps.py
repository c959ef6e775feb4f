"""What others fell into, each trap under its own name; ours must not."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler as schedulers

from halflife.conventions import CONVENTIONS, find

from .problem import BUILT, W0, agrees, apart, left, one, ours, parameter, run, shape_of, λ

SCHEDULED = [name for name in BUILT if "schedule" in CONVENTIONS[name].factor]
STATELESS = [name for name in BUILT if CONVENTIONS[name].order != "coupled"]


def factor(name: str, η: float, lr: float, strength: float = λ) -> float:
    """What the equation leaves of a weight."""
    convention = find(name)
    x = (
        strength
        * {"lr": lr * η, "schedule": η, "one": 1.0, "lr*schedule": lr * η * η, "lr*lr": (lr * η) ** 2}[
            convention.factor
        ]
    )
    return 1 / (1 + x) if convention.order == "proximal" else 1 - x


def test_every_convention_leaves_what_its_equation_says() -> None:
    for name in STATELESS:
        assert left(ours(name)([one()])) == pytest.approx(factor(name, 1.0, 0.1), abs=1e-13), name


@pytest.mark.parametrize("name", SCHEDULED)
def test_one_global_base_lr_for_all_groups(name: str) -> None:
    """optimi, timm's corrected decay, flashoptim, Zhuang's code: a group's decay is scaled by its lr once more."""
    optimizer = ours(name)([{"params": [one()]}, {"params": [one()], "lr": 1e-3}])
    assert left(optimizer, 1) == pytest.approx(factor(name, 1.0, 1e-3), abs=1e-13)


@pytest.mark.parametrize("name", SCHEDULED)
def test_one_cycle_overwrites_initial_lr(name: str) -> None:
    """flashoptim and Composer: initial_lr becomes max_lr/25, so that the decay is 25·λ at the peak."""
    optimizer = ours(name)([one()])
    scheduler = schedulers.OneCycleLR(optimizer, max_lr=0.1, total_steps=10, cycle_momentum=False)
    for _ in range(9):
        η = optimizer.param_groups[0]["lr"] / 0.1
        assert left(optimizer) == pytest.approx(factor(name, η, 0.1), abs=1e-12)
        scheduler.step()


@pytest.mark.parametrize("name", SCHEDULED)
def test_warm_up_from_zero(name: str) -> None:
    """Composer takes the factor 1 where initial_lr is 0; a base read at the first step would divide by 0."""
    optimizer = ours(name)([one()])
    scheduler = schedulers.LambdaLR(optimizer, lambda k: min(1.0, k / 4))
    seen = []
    for _ in range(6):
        seen.append(left(optimizer))
        scheduler.step()
    assert seen == pytest.approx([factor(name, η, 0.1) for η in (0, 0.25, 0.5, 0.75, 1, 1)], abs=1e-13)


@pytest.mark.parametrize("name", SCHEDULED)
def test_reduce_lr_on_plateau(name: str) -> None:
    optimizer = ours(name)([one()])
    scheduler = schedulers.ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
    for _ in range(4):
        scheduler.step(1.0)
    η = optimizer.param_groups[0]["lr"] / 0.1
    assert η <= 1 / 8
    assert left(optimizer) == pytest.approx(factor(name, η, 0.1), abs=1e-13)


@pytest.mark.parametrize("name", SCHEDULED)
def test_a_tensor_lr_changed_in_place(name: str) -> None:
    """optimi's max_lr is the very tensor: lr halved in place, the decay stays."""
    lr = torch.tensor(0.1, dtype=torch.float64)
    optimizer = ours(name, lr=lr)([one()])
    assert left(optimizer) == pytest.approx(factor(name, 1.0, 0.1), abs=1e-13)
    optimizer.param_groups[0]["lr"].mul_(0.5)
    assert left(optimizer) == pytest.approx(factor(name, 0.5, 0.1), abs=1e-13)


@pytest.mark.parametrize("name", SCHEDULED)
def test_constructed_with_lr_zero(name: str) -> None:
    """optimi and flashoptim divide by zero in step(), Composer decays by λ in silence."""
    with pytest.raises(ValueError, match="peak learning rate"):
        ours(name, lr=0.0)([one()])


@pytest.mark.parametrize("name", BUILT)
def test_loaded_in_the_middle_of_a_schedule(name: str) -> None:
    def half(k: int) -> float:
        return 0.5**k

    whole, first, second = (ours(name)([parameter(shape=shape_of(name))]) for _ in range(3))
    runs = [(o, schedulers.LambdaLR(o, half)) for o in (whole, first, second)]
    steps(*runs[0], 0, 6)
    steps(*runs[1], 0, 3)
    second.param_groups[0]["params"][0].data.copy_(first.param_groups[0]["params"][0].data)
    second.load_state_dict(first.state_dict())
    runs[2][1].load_state_dict(runs[1][1].state_dict())
    steps(*runs[2], 3, 6)
    assert torch.equal(*(o.param_groups[0]["params"][0].data for o in (whole, second)))


def steps(optimizer: Any, scheduler: Any, start: int, end: int) -> None:
    for k in range(start, end):
        (p,) = optimizer.param_groups[0]["params"]
        p.grad = torch.full_like(p, 0.1 * (k + 1))
        optimizer.step()
        scheduler.step()


@pytest.mark.parametrize("name", SCHEDULED)
def test_group_added_after_a_thousand_steps(name: str) -> None:
    optimizer = ours(name)([one()])
    for _ in range(1000):
        optimizer.step()
    optimizer.param_groups[0]["lr"] = 1e-5
    optimizer.add_param_group({"params": [one()], "lr": 0.7, "weight_decay": 0.2})
    assert left(optimizer, 1) == pytest.approx(factor(name, 1.0, 0.7, 0.2), abs=1e-13)


@pytest.mark.parametrize("name", ["torch", "keras", "paper", "zhuang-prox", "bitsandbytes-cuda", "tensorflow-addons"])
def test_a_decay_that_rounds_away_in_bf16_warns_and_kahan_keeps_it(name: str) -> None:
    """torch, timm, optimi with Kahan, torchao, bitsandbytes and flashoptim lose 1 % in a thousand steps, silently."""
    strength = {"lr": 1e-4, "schedule": 1e-5, "one": 1e-5}[find(name).factor]
    lost, kept = (
        ours(name, weight_decay=strength, rounding=rounding)([one(torch.bfloat16)]) for rounding in ("nearest", "kahan")
    )
    with pytest.warns(UserWarning, match="nearer to 1 than torch.bfloat16 can tell"):
        left(lost)
    (p,) = kept.param_groups[0]["params"]
    p.grad = torch.zeros_like(p)
    for _ in range(1000):
        kept.step()
    assert float(p.detach()) + float(kept.state[p]["kahan"]) == pytest.approx(0.99, abs=4e-3)


def test_a_missing_decay_is_seen() -> None:
    """Elsewhere a decay that was a no-op passed its test: λ moved the weights by less than the tolerance."""
    no_decay = run(ours("torch", weight_decay=0.0))
    with pytest.raises(AssertionError):
        agrees("torch", no_decay)
    tiny = run(ours("torch", weight_decay=1e-12))
    with pytest.raises(AssertionError):
        agrees("torch", tiny, weight_decay=1e-12)


@pytest.mark.parametrize("name", [name for name in BUILT if CONVENTIONS[name].rule == "sgd"])
def test_decays_once_whatever_the_dtypes(name: str) -> None:
    """Elsewhere SGDW decays once for each partition by dtype or device."""
    dtypes = (torch.float64, torch.float32, torch.bfloat16, torch.float64)
    optimizer = ours(name, momentum=0.0)([one(dtype) for dtype in dtypes])
    left(optimizer)
    expected = 1 - λ * 0.1 if CONVENTIONS[name].order == "coupled" else factor(name, 1.0, 0.1)
    for p in optimizer.param_groups[0]["params"]:
        assert float(p.detach()) == pytest.approx(expected, rel=4e-3 if p.dtype == torch.bfloat16 else 1e-6)


@pytest.mark.parametrize("name", BUILT)
def test_foreach_walks_as_the_loop_does(name: str) -> None:
    """Elsewhere a foreach path ignores momentum at dampening 0."""
    lists, loop = (run(ours(name, engine=engine), shape=shape_of(name)) for engine in ("foreach", "eager"))
    assert apart(lists, loop) <= 1e-14


@pytest.mark.parametrize("kind", [int, float, torch.tensor])
@pytest.mark.parametrize("name", ["torch", "keras", "heavyball", "huggingface-former"])
def test_state_dicts_of_any_step_type(name: str, kind: Any) -> None:
    first, second = (ours(name)([torch.nn.Parameter(torch.tensor(W0))]) for _ in range(2))
    runs = [(o, schedulers.LambdaLR(o, lambda k: 1.0)) for o in (first, second)]
    steps(*runs[0], 0, 3)
    saved = deepcopy(first.state_dict())
    for state in saved["state"].values():
        state["step"] = kind(3)
    second.param_groups[0]["params"][0].data.copy_(first.param_groups[0]["params"][0].data)
    second.load_state_dict(saved)
    for r in runs:
        steps(*r, 3, 5)
    walked = [o.param_groups[0]["params"][0].detach().numpy() for o in (first, second)]
    assert apart(*walked) <= 1e-14, "an integer clock may take another engine, which rounds otherwise"


def test_resume_with_fused_switched() -> None:
    first = ours("torch", fused=True)([torch.nn.Parameter(torch.tensor(W0))])
    second = ours("torch")([torch.nn.Parameter(torch.tensor(W0))])
    runs = [(o, schedulers.LambdaLR(o, lambda k: 1.0)) for o in (first, second)]
    steps(*runs[0], 0, 3)
    second.param_groups[0]["params"][0].data.copy_(first.param_groups[0]["params"][0].data)
    saved = first.state_dict()
    saved["param_groups"][0]["fused"] = None
    second.load_state_dict(saved)
    for r in runs:
        steps(*r, 3, 5)
    walked = [o.param_groups[0]["params"][0].detach().numpy() for o in (first, second)]
    assert apart(*walked) <= 1e-14


@pytest.mark.parametrize("name", BUILT)
def test_the_gradient_is_not_overwritten(name: str) -> None:
    """optimi, pytorch_optimizer and flashoptim when coupled, and schedule-free, write into p.grad."""
    p = parameter(shape=shape_of(name))
    p.grad = torch.ones_like(p)
    ours(name)([p]).step()
    assert torch.equal(p.grad, torch.ones_like(p))
