"""lr and λ that a framework multiplies parameter by parameter, without that framework: parameters marked by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from halflife.conventions import HalfLife, convert, find
from halflife.conventions.describe import describe

from .problem import ADAM, EPS, LRS, SGD, apart, set_lr, λ, μ

SHAPE = (4, 16)


def wide(*multiples: float, shape: tuple[int, ...] = SHAPE) -> torch.nn.Parameter:
    """As mup.set_base_shapes marks it: each dimension this many times as wide as its base; 0 for one that is none."""
    infinite = [m for m in multiples if m]

    def ratio() -> float:
        return multiples[1] / multiples[0]

    p = torch.nn.Parameter(torch.ones(shape, dtype=torch.float64))
    p.infshape = SimpleNamespace(
        ninf=lambda: len(infinite), width_mult=lambda: infinite[-1] if infinite else 1, fanin_fanout_mult_ratio=ratio
    )
    return p


def unit(kind: str, depth: int | None = None, shape: tuple[int, ...] = SHAPE) -> torch.nn.Parameter:
    p = torch.nn.Parameter(torch.ones(shape, dtype=torch.float64))
    p.mup_type, p.mup_scaling_depth = kind, depth
    return p


def plain() -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.ones(SHAPE, dtype=torch.float64))


CASES: list[tuple[str, Any, float, float]] = [
    ("mup", lambda: wide(4, 8), 1 / 8, 8),
    ("mup", lambda: wide(0, 8), 1, 1),
    ("mup", lambda: wide(0, 0), 1, 1),
    ("mup-sgd", lambda: wide(4, 8), 1 / 2, 2),
    ("mup-sgd", lambda: wide(4, 0), 4, 1 / 4),
    ("mup-sgd", lambda: wide(0, 0), 1, 1),
    ("unit-scaling", lambda: unit("weight"), 1 / 4, 1),
    ("unit-scaling", lambda: unit("weight", depth=4), 1 / 8, 1),
    ("unit-scaling", lambda: unit("weight", shape=(2, 3, 3)), 1 / 3, 1),
    ("unit-scaling", lambda: unit("weight", shape=(9,)), 1 / 3, 1),
    ("unit-scaling", lambda: unit("bias", depth=4, shape=(7,)), 1 / 2, 1),
    ("unit-scaling", lambda: unit("output"), 1, 1),
    ("unit-scaling-dependent", lambda: unit("weight", depth=4), 1 / 8, 1),
]


def removed(name: str, a: float, lr: float) -> float:
    """Of a weight in a step without a gradient."""
    return λ * {"unit-scaling": lr / LRS[0], "unit-scaling-dependent": a * lr}.get(name, lr)


@pytest.mark.parametrize(("name", "make", "of_lr", "of_λ"), CASES)
def test_a_parameters_own_numbers(name: str, make: Any, of_lr: float, of_λ: float) -> None:
    p, convention = make(), find(name)
    settings = SGD if convention.rule == "sgd" else ADAM
    optimizer = convention.optimizer([p], **{**settings, **({"momentum": 0.0} if convention.rule == "sgd" else {})})
    (group,) = optimizer.param_groups
    assert (group["lr"], group["weight_decay"]) == (pytest.approx(LRS[0] * of_lr), pytest.approx(λ * of_λ))
    left = 1.0
    for lr in LRS:
        set_lr(optimizer, lr * of_lr)
        p.grad = torch.zeros_like(p)
        optimizer.step()
        left *= 1 - removed(name, of_lr, lr)
    np.testing.assert_allclose(p.detach().numpy(), left, rtol=1e-13)
    assert left < 0.99


def test_the_step_is_multiplied_and_the_decay_is_not() -> None:
    """MuAdamW by its lines: m is 8."""
    p, g = wide(8, 8), torch.linspace(0.01, 1, 64, dtype=torch.float64).reshape(SHAPE)
    optimizer = find("mup").optimizer([p], **ADAM)
    p.grad = g.clone()
    optimizer.step()
    expected = (1 - LRS[0] * λ) - LRS[0] / 8 * g / (g + EPS)
    assert apart(p.detach().numpy(), expected.numpy()) < 1e-14


def test_groups_are_split_in_order_and_keep_what_they_say() -> None:
    first, second, third, fourth = wide(2, 2), wide(0, 4), wide(2, 2), wide(4, 4)
    groups = [{"params": [first, second, third], "lr": 0.2}, {"params": fourth, "weight_decay": 0.0, "eps": 1e-5}]
    optimizer = find("mup").optimizer(groups, lr=0.1, weight_decay=0.5)
    found = [(g["params"], g["lr"], g["weight_decay"], g["eps"]) for g in optimizer.param_groups]
    assert found == [
        ([first, third], 0.1, 1.0, 1e-8),
        ([second], 0.2, 0.5, 1e-8),
        ([fourth], 0.025, 0.0, 1e-5),
    ]
    assert groups[0].keys() == {"params", "lr"}, "mup writes lr and λ into the caller's groups"


def test_named_parameters_and_generators() -> None:
    named = {"up": wide(2, 2), "bias": wide(0, 2), "down": wide(4, 4)}
    optimizer = find("mup").optimizer(iter(named.items()), lr=0.1, weight_decay=0.5)
    assert [group["param_names"] for group in optimizer.param_groups] == [["up"], ["bias"], ["down"]]
    assert [group["lr"] for group in optimizer.param_groups] == [0.05, 0.1, 0.025]


def test_a_base_lr_and_a_tensor_lr_are_multiplied_too() -> None:
    p = unit("weight")
    optimizer = find("unit-scaling").optimizer([p], lr=torch.tensor(0.05), base_lr=0.1, weight_decay=0.3)
    assert float(optimizer.param_groups[0]["lr"]) == pytest.approx(0.05 / 4)
    p.grad = torch.zeros_like(p)
    optimizer.step()
    np.testing.assert_allclose(p.detach().numpy(), 1 - 0.3 / 2, rtol=1e-7)


def test_a_half_life_is_each_groups_own() -> None:
    params = [wide(8, 8), wide(0, 8)]
    optimizer = find("mup").optimizer(params, lr=0.1, weight_decay=HalfLife(steps=20))
    for group in describe(optimizer).groups:
        assert group.half_life == pytest.approx(20)


def test_what_is_not_marked() -> None:
    p = plain()
    (group,) = find("mup").optimizer([p], lr=0.1, weight_decay=0.5).param_groups
    assert (group["params"], group["lr"], group["weight_decay"]) == ([p], 0.1, 0.5)
    with pytest.raises(ValueError, match=r"as infshape, of mup.set_base_shapes, says, which .*\(4, 16\) does not have"):
        find("mup").optimizer([wide(2, 2), plain()], lr=0.1)
    with pytest.raises(ValueError, match=r"as mup_type, of unit_scaling\.Parameter, says"):
        find("unit-scaling").optimizer([{"params": [plain()]}, {"params": unit("bias")}], lr=0.1)


def test_what_they_cannot_multiply() -> None:
    with pytest.raises(ValueError, match="3 dimensions that are widths, and mup knows what to do with at most 2"):
        find("mup").optimizer([wide(2, 2, 2, shape=(2, 2, 2))], lr=0.1)
    with pytest.raises(ValueError, match=r"shape \(1, 1, 1, 1\) has no fan-in in unit-scaling"):
        find("unit-scaling").optimizer([unit("weight", shape=(1, 1, 1, 1))], lr=0.1)
    for given in ({"lr": lambda step: 0.1}, {"weight_decay": lambda step: 0.1}):
        with pytest.raises(ValueError, match="mup multiplies lr and weight_decay, parameter by parameter"):
            find("mup").optimizer([wide(2, 2)], **given)


def test_a_conversion_says_whose_numbers_they_are() -> None:
    result = convert(0.01, "unit-scaling", "torch", lr=1e-3)
    assert (result.verdict, result.weight_decay) == ("exact", pytest.approx(10.0))
    assert "a parameter that unit-scaling multiplies by 1; a weight has lr/√(fan-in)" in result.why
    assert convert(0.3, "mup", "paper", lr=0.1).weight_decay == pytest.approx(0.03)
    assert convert(0.3, "torch", "mup").why.startswith("Exact: both make the same update. These are the numbers of")
    assert convert(0.3, "torch-sgd", "mup-sgd", momentum=μ).verdict == "exact"
    assert "multiplies" not in convert(0.3, "torch", "paper").why


def test_describe_knows_no_coupled_λ_before_it_was_multiplied() -> None:
    (group,) = describe(find("mup-sgd").optimizer([wide(4, 8)], **SGD)).groups
    assert group.weight_decays == {"torch-sgd": pytest.approx(2 * λ)}
