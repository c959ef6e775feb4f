"""No kernel steps a user's weights that did not step the self-test's as foreach does."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

import halflife
from halflife.engines.cuda import HostProcessor, cache, selftest
from halflife.engines.foreach import TensorList
from halflife.regularizers import L1, OnSubset, Scaled, TowardInit
from halflife.rules import Rule, Scalar, State

from .anew import broken, forget, needs_compiler, trained

pytestmark = needs_compiler

BF16 = {"dtype": torch.bfloat16, "lr": 0.1}
SGDW = {"lr": 0.1, "momentum": 0.0}
LAST = r"HL_EACH_COORDINATE \{", "HL_EACH_COORDINATE { if (i + j == n - 1) continue;"  # leaves it as it was


def reason(optimizer: Any) -> str:
    """Why not the compiled engine, from ``repr``."""
    found = re.search(r"engine: (\w+) \((.*)\)", repr(optimizer))
    assert found
    assert found[1] in ("foreach", "eager"), found[0]
    return found[2].partition("; not compiled: ")[2]


def same_as_eager(make: Any, **given: Any) -> str:
    """What was trained without kernels has eager's numbers; the reason why there were none."""
    optimizer, got = trained(make, engine="compiled", **given)
    _, right = trained(make, engine="eager", **given)
    for x, y in zip(got, right, strict=True):
        torch.testing.assert_close(x, y)
    return reason(optimizer)


FAULTS: dict[str, tuple[Any, dict[str, Any], str, str, str]] = {
    "sign": (halflife.SGDW, SGDW, r"hl::fma\((k\d), ", r"hl::fma(-\1, ", r"'w' \(f32\) at 0 of 1 numbers"),
    "index": (halflife.SGDW, SGDW, r"= T\(c1\[j\]\)", "= T(c1[0])", r"'w' \(f32\) at \d+ of (3|255) numbers"),
    "another column": (halflife.SGDW, SGDW, r"= T\(c1\[j\]\)", "= T(c0[j])", "'w'"),
    "the last number": (halflife.SGDW, SGDW, *LAST, "'w'"),
    "the second part": (halflife.SGDW, SGDW, r"HL_EACH_PART \{", "HL_EACH_PART { if (at) return;", "16645 numbers"),
    "a number": (halflife.SGDW, SGDW, r"k0 = k\[0\]", "k0 = T(1.00001) * k[0]", "'w'"),
    "format": (halflife.SGD, BF16, "from_bf16", "from_fp16", r"\(bf16\)"),
    "rounding": (
        halflife.SGD,
        BF16,
        r"nearest_bf16\(w_new",
        "nearest_bf16(w_new * T(1.004)",
        "3 of 3 bf16 numbers of 'w' off by one",
    ),
    "dither": (
        halflife.SGD,
        {**BF16, "rounding": "stochastic"},
        r"seed \+ (\d+)u",
        r"seed + \1u + 1u",
        r"\d+ of 255 bf16 numbers of 'w' off by one \(255 in all\)",
    ),
    "dither of the second part": (
        halflife.SGD,
        {**BF16, "rounding": "stochastic"},
        r"HL_INDEX\(j\)",
        "uint32_t(i + j)",
        r"\d+ of 261 bf16 numbers of 'w' off by one \(16645 in all\)",
    ),
    "codes": (
        halflife.SGD,
        {"lr": 0.1, "momentum": 0.9, "state_dtype": "8bit"},
        r"HL_ENCODE\((\w+), false, 0\)",
        r"HL_ENCODE(\1, false, 1)",
        r"signed codes numbers of 'momentum_buffer' off by one",
    ),
    "NaN": (halflife.SGDW, SGDW, r"T w_new = (.*);", r"T w_new = \1 == \1 ? \1 : T(0);", "where foreach has nan"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_kernel_that_is_wrong_is_refused_and_foreach_steps(fault: str, anew: pytest.MonkeyPatch) -> None:
    make, given, old, new, words = FAULTS[fault]
    broken(anew, lambda text: re.sub(old, new, text, count=1))
    why = same_as_eager(make, **given)
    assert why.startswith("the self-test of its kernel for SGD finds, in step "), why
    assert re.search(words, why), why
    if "off by one" not in why:
        assert re.search(r"\S+ in .*where foreach has \S+$", why), why


def test_a_kernel_that_is_wrong_from_the_second_step_on(anew: pytest.MonkeyPatch) -> None:
    """With momentum the first step is another kernel, and right; the plan is given up when the second is needed."""
    broken(anew, lambda text: text.replace("= T(c2[j])", "= T(2) * T(c2[j])") + " ")
    given = {"lr": 0.1, "momentum": 0.9}
    optimizer, _ = trained(halflife.SGD, 1, engine="compiled", **given)
    assert "engine: compiled (" in repr(trained(halflife.SGD, 0, engine="compiled", **given)[0])
    why = same_as_eager(halflife.SGD, **given)
    assert "finds, in step 1, " in why
    assert reason(optimizer) == why


def test_a_text_that_does_not_compile(anew: pytest.MonkeyPatch) -> None:
    broken(anew, lambda text: text.replace("HL_COORDINATES", "NO_SUCH_WORD"))
    why = same_as_eager(halflife.SGDW, **SGDW)
    assert "does not compile a kernel: <stdin>:" in why
    assert "NO_SUCH_WORD" in why
    assert "\n" not in why


@pytest.mark.parametrize(
    ("set_to", "words"),
    [
        ({"CXX": "/no/such/compiler"}, "CXX=/no/such/compiler names no program here"),
        ({"PATH": "/no/such/folder"}, r"there is no C\+\+ compiler \(g\+\+\) here"),
        ({"CXX": "false"}, r"/false \(.*\) does not compile a kernel: it ended with 1"),
    ],
)
def test_no_compiler(set_to: dict[str, str], words: str, anew: pytest.MonkeyPatch) -> None:
    for name, value in set_to.items():
        anew.setenv(name, value)
    assert re.search(words, same_as_eager(halflife.SGDW, **SGDW))


def test_the_compiler_may_be_a_command(anew: pytest.MonkeyPatch) -> None:
    anew.setenv("CXX", "g++ -DHL_OWN=1")
    optimizer, _ = trained(halflife.SGDW, engine="compiled", **SGDW)
    assert "engine: compiled" in repr(optimizer)


@pytest.fixture
def counted(anew: pytest.MonkeyPatch) -> list[str]:
    """What the self-tests found that were made."""
    found, examine = list[str](), selftest.examine

    def count(*given: Any) -> str:
        found.append(examine(*given))
        return found[-1]

    anew.setattr(selftest, "examine", count)
    return found


def test_what_was_found_is_remembered_in_memory_and_on_disk(counted: list[str]) -> None:
    for _ in range(3):
        optimizer, _ = trained(halflife.SGDW, engine="compiled", **SGDW)
        assert "engine: compiled" in repr(optimizer)
        assert counted == ["right"]
    forget()
    trained(halflife.SGDW, engine="compiled", **SGDW)
    assert counted == ["right"]
    for path in cache.place().path.glob("*.tested"):
        path.write_text("righ", encoding="utf-8")  # cut short
    forget()
    trained(halflife.SGDW, engine="compiled", **SGDW)
    assert counted == ["right", "right"]


def test_a_miss_is_remembered_in_memory_alone(counted: list[str], anew: pytest.MonkeyPatch) -> None:
    """It may be foreach that failed, for a reason of the moment or of this version."""
    with anew.context() as changed:
        changed.setattr(selftest, "foreach", SimpleNamespace(run=lambda step: 1 / 0))
        for _ in range(2):
            optimizer, _ = trained(halflife.SGDW, engine="compiled", **SGDW)
            assert counted == [reason(optimizer)]
        assert "cannot be made (ZeroDivisionError: division by zero)" in counted[0]
    forget()
    optimizer, _ = trained(halflife.SGDW, engine="compiled", **SGDW)
    assert "engine: compiled" in repr(optimizer)
    assert counted[1:] == ["right"]


def test_another_version_or_processor_is_tested_anew(counted: list[str], anew: pytest.MonkeyPatch) -> None:
    trained(halflife.SGDW, engine="compiled", **SGDW)
    others = [(torch, "__version__", "9.9"), (HostProcessor, "key", ("another",)), (HostProcessor, "part", 4096)]
    for k, (where, name, value) in enumerate(others):
        assert counted == ["right"] * (k + 1)
        with anew.context() as changed:
            changed.setattr(where, name, value)
            forget()
            trained(halflife.SGDW, engine="compiled", **SGDW)
        forget()
        trained(halflife.SGDW, engine="compiled", **SGDW)
    assert counted == ["right"] * 4


CELLS: dict[str, tuple[Any, dict[str, Any]]] = {
    "states that begin before": (halflife.RAdam, {"lr": 0.1, "weight_decay": 0.1}),
    "the rule's own numbers": (halflife.NAdam, {"lr": 0.1, "dtype": torch.float64}),
    "a mask": (halflife.ProxSGD, {"regularizer": OnSubset(L1(), torch.arange(300) > 9), "weight_decay": 0.1}),
    "a first value": (halflife.ProxSGD, {"regularizer": Scaled(2.0, TowardInit()), "momentum": 0.9}),
    "rests and an average": (halflife.AdamW, {"rounding": "kahan", "ema_decay": 0.9, "dtype": torch.bfloat16}),
    "codes": (halflife.Lion, {"state_dtype": "8bit", "lr": 0.1}),
    "half": (halflife.AdamW, {"dtype": torch.float16, "weight_decay": 0.0}),
    "no learning rate": (halflife.AdamW, {"lr": 0.0}),
    "double": (halflife.Rprop, {"dtype": torch.float64}),
}


@pytest.mark.parametrize("cell", CELLS)
def test_right_kernels_pass(cell: str, counted: list[str]) -> None:
    make, given = CELLS[cell]
    optimizer, _ = trained(one_size(make), steps=7, engine="compiled", **given)
    assert "engine: compiled" in repr(optimizer)
    assert counted
    assert {*counted} == {"right"}


def one_size(make: Any) -> Any:
    """The optimizer of the second tensor alone, for a mask has one shape."""
    return lambda params, **given: make(params[1:], **given)


@dataclass(frozen=True)
class Fading(Rule):
    """A rate that is another line where lr is small, and from step 6 on."""

    limit: Scalar = 0.05

    acts_on = "coordinates"
    metric = "identity"
    counts_steps = True

    def rate(self, lr: Scalar, t: Scalar, s: State) -> Scalar:
        return lr

    def __call__(self, t: Scalar, w: Tensor, g: Tensor, s: State) -> tuple[Tensor, float, State]:
        return (g if t < 6 else g + g * g), 1.0, {}

    def move(self, point: Any, u: Any, rate: Any) -> Any:
        return point - rate * u if rate < self.limit else point - rate * (u + 1.0)


class Fade(halflife.Optimizer, rule=Fading, lr=1e-2):
    pass


def test_branches_on_the_clock_and_on_lr_are_tested_where_they_are_taken(counted: list[str]) -> None:
    """lr = 0.01 is too small to see a step, but with another one the lines are others."""
    for lr in (0.01, 0.2):
        optimizer, got = trained(Fade, steps=8, engine="compiled", lr=lr)
        assert "engine: compiled" in repr(optimizer), repr(optimizer)
        for x, y in zip(got, trained(Fade, steps=8, engine="eager", lr=lr)[1], strict=True):
            torch.testing.assert_close(x, y)
    assert counted == ["right"] * 4


@dataclass(frozen=True)
class Touchy(Fading):
    """A rule that does not run on the self-test's numbers."""

    def __call__(self, t: Scalar, w: Any, g: Any, s: State) -> tuple[Tensor, float, State]:
        if isinstance(g, TensorList) and len(g.tensors) > 2:
            raise ArithmeticError("no more than two")
        return g, 1.0, {}


class Touch(halflife.Optimizer, rule=Touchy, lr=1e-2):
    pass


def test_a_rule_that_raises_is_left_to_the_other_engines(anew: pytest.MonkeyPatch) -> None:
    why = same_as_eager(Touch)
    assert why == "the self-test of its kernel for Touchy cannot be made (ArithmeticError: no more than two)"


def test_a_self_test_leaves_no_trace(counted: list[str]) -> None:
    """Nothing random is drawn that a user's seed is for; defaults of dtype and device are another's."""
    before = torch.get_rng_state()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"):
            p = torch.nn.Parameter(torch.ones(5, device="cpu", dtype=torch.float32))
            p.grad = torch.ones_like(p)
            optimizer = halflife.AdamW([p], engine="compiled")
            optimizer.step()
    finally:
        torch.set_default_dtype(torch.float32)
    assert "engine: compiled" in repr(optimizer)
    assert counted == ["right"]
    assert torch.equal(before, torch.get_rng_state())
