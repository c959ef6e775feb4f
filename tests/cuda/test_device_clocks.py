"""Clocks, learning rates and verdicts that only the device knows; the CPU stands for it here, and is not asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import halflife
from halflife.engines.cuda.clock import DeviceClock
from halflife.engines.cuda.host import HostProcessor, obstacle
from halflife.rules import Rule, StateSpec
from tests.conformance.variants import VARIANTS, Variant, flat, numbers

from .deferred import Beforehand, Written, compiled_by

pytestmark = pytest.mark.skipif(obstacle() is not None, reason="there is no C++ compiler here")
SHAPES = ((3, 4), (5,), (300,))


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def weights() -> list[torch.Tensor]:
    return [numbers(shape, k).requires_grad_() for k, shape in enumerate(SHAPES)]


def clock_of(optimizer: Any) -> Any:
    return optimizer._stepper._plan.tables[0][0]._clock


class Reads(TorchDispatchMode):
    """Counts how often a tensor is asked for its number, for which a device would have to be waited for."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **kwargs or {})


def train(optimizer: Any, steps: int = 6, watch: bool = False, bad: tuple[int, ...] = (), move: Any = None) -> Any:
    """Steps on given gradients, infinite in the ``bad`` ones; from the second on nothing may be read."""
    params = [p for group in optimizer.param_groups for p in group["params"]]
    reads = Reads()
    for t in range(steps):
        for k, p in enumerate(params):
            p.grad = numbers(p.shape, 100 + 10 * t + k)
            if t in bad and k == 1:
                p.grad[2] = torch.inf
        with reads:
            optimizer.step()
        if t == 0:
            reads.count = 0
        if move:
            move(optimizer)
    assert not watch or reads.count == 0
    return flat(params)


def move(optimizer: Any) -> None:
    for group in optimizer.param_groups:
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].mul_(0.8)
        else:
            group["lr"] *= 0.8


def stepped(variant: Variant, engine: str, lr: Any) -> tuple[Any, torch.Tensor]:
    """The variant's optimizer after some steps, while lr moves, and the weights; compiled without a look."""
    own = lr.clone() if isinstance(lr, torch.Tensor) else lr
    optimizer = variant.optimizer(weights(), capturable=True, engine=engine, lr=own, weight_decay=0.1)
    assert optimizer.engines()[0].name == engine
    optimizer.param_groups[0]["lr"] = own
    return optimizer, train(optimizer, watch=engine == "compiled", move=move)


@pytest.mark.parametrize("lr", [0.05, torch.tensor(0.05)], ids=["a number", "a tensor"])
def test_every_rule_as_eager_and_without_a_look(lr: Any) -> None:
    variants, written = [v for v in VARIANTS if v.rule.acts_on == "coordinates"], Written()
    with compiled_by(written):
        for variant in variants:
            stepped(variant, "compiled", lr)
    with compiled_by(Beforehand(written.texts)):
        found = [stepped(variant, "compiled", lr) for variant in variants]
    for variant, (ours, a) in zip(variants, found, strict=True):
        theirs, b = stepped(variant, "eager", lr)
        close = partial(torch.testing.assert_close, msg=lambda m, variant=variant: f"{variant}: {m}")
        close(a, b, rtol=1e-13, atol=1e-13)
        assert isinstance(clock_of(ours), DeviceClock), variant
        for p, q in zip(ours.param_groups[0]["params"], theirs.param_groups[0]["params"], strict=True):
            assert ours.state[p].keys() == theirs.state[q].keys(), variant
            close(ours.state[p], theirs.state[q], rtol=1e-12, atol=1e-12)


def test_a_tensor_of_weight_decay() -> None:
    def move(optimizer: Any) -> None:
        optimizer.param_groups[0]["weight_decay"].mul_(1.5)

    found = []
    for engine in ("compiled", "eager"):
        optimizer = halflife.AdamW(weights(), lr=0.05, weight_decay=0.2, capturable=True, engine=engine)
        optimizer.param_groups[0]["weight_decay"] = torch.tensor(0.2)
        found.append(train(optimizer, watch=engine == "compiled", move=move))
    torch.testing.assert_close(*found, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("settings", [{"max_grad_norm": 0.5}, {"skip_nonfinite": True}], ids=str)
@pytest.mark.parametrize("bad", [(), (2,), (2, 3)])
def test_verdicts_stay_on_the_device(settings: dict[str, Any], bad: tuple[int, ...]) -> None:
    if bad and "max_grad_norm" in settings:
        settings = {**settings, "skip_nonfinite": True}
    ours, theirs = (
        halflife.AdamW(weights(), lr=0.05, weight_decay=0.1, capturable=True, engine=engine, **settings)
        for engine in ("compiled", "eager")
    )
    a, b = train(ours, watch=True, bad=bad), train(theirs, bad=bad)
    torch.testing.assert_close(a, b, rtol=1e-13, atol=1e-13)
    assert ours.skipped_steps == theirs.skipped_steps == len(bad)
    step = [float(ours.state[p]["step"]) for p in ours.param_groups[0]["params"]]
    assert step == [6.0 - len(bad)] * 3


def test_a_grad_scaler_is_not_waited_for() -> None:
    """What a scaler hands over are tensors: its scale, and whether it has seen anything infinite."""
    ours, theirs = (
        halflife.AdamW(weights(), lr=0.05, weight_decay=0.1, capturable=True, max_grad_norm=0.3, engine=engine)
        for engine in ("compiled", "eager")
    )
    reads = {ours: Reads(), theirs: Reads()}
    for t in range(5):
        for optimizer in (ours, theirs):
            for k, p in enumerate(optimizer.param_groups[0]["params"]):
                p.grad = 8.0 * numbers(p.shape, 100 + 10 * t + k)
            optimizer.grad_scale, optimizer.found_inf = torch.tensor(8.0), torch.tensor(float(t == 3))
            with reads[optimizer]:
                optimizer.step()
            if t == 0:
                assert reads[optimizer].count > 0, "where the states begin"
                reads[optimizer].count = 0
    assert reads[ours].count == reads[theirs].count == 0
    torch.testing.assert_close(*(flat(o.param_groups[0]["params"]) for o in (ours, theirs)), rtol=1e-13, atol=1e-13)
    assert ours.skipped_steps == theirs.skipped_steps == 1
    assert ours.skipped_steps == 1  # counted once


@pytest.mark.parametrize("maximize", [False, True])
def test_maximize_beside_a_verdict(maximize: bool) -> None:
    settings: dict[str, Any] = {"lr": 0.05, "capturable": True, "max_grad_norm": 0.4, "maximize": maximize}
    a, b = (train(halflife.Adam(weights(), engine=e, **settings)) for e in ("compiled", "eager"))
    torch.testing.assert_close(a, b, rtol=1e-13, atol=1e-13)


def test_a_skipped_first_step_leaves_nothing_behind() -> None:
    optimizer = halflife.AdamW(weights(), lr=0.05, capturable=True, skip_nonfinite=True, engine="compiled")
    before = flat(optimizer.param_groups[0]["params"]).clone()
    assert torch.equal(train(optimizer, steps=1, bad=(0,)), before)
    assert optimizer.skipped_steps == 1
    assert not optimizer.state


def test_a_checkpoint_counts_what_the_device_counted() -> None:
    optimizer = halflife.AdamW(weights(), lr=0.05, capturable=True, skip_nonfinite=True, engine="compiled")
    train(optimizer, bad=(2, 4))
    twin = halflife.AdamW(weights(), lr=0.05, capturable=True, skip_nonfinite=True, engine="compiled")
    twin.load_state_dict(optimizer.state_dict())
    assert twin.skipped_steps == 2


@dataclass(frozen=True)
class Kept(Rule):
    """What a scalar loses where it is kept in float32, made large."""

    acts_on, metric, states = "coordinates", "identity", (StateSpec("third", "scalar"),)

    def tick(self, t: Any, s: Any) -> dict[str, Any]:
        return {"third": 0 * t + 1 / 3}

    def __call__(self, t: Any, w: torch.Tensor, g: torch.Tensor, s: Any) -> Any:
        return g * ((s["third"] - 1 / 3) * 1e7), 1.0, {}

    def finish(self, lr: Any, t: Any, w: Any, s: Any) -> dict[str, Any]:
        return {"third": s["third"]}


def test_a_scalar_is_what_its_memory_holds() -> None:
    """Without a self-test: foreach computes with tensors of its own on a device, and loses the same."""
    torch.set_default_dtype(torch.float32)
    kind: Any = type("OfKept", (halflife.Optimizer,), {}, rule=Kept)
    found = []
    for engine, capturable in (("compiled", True), ("compiled", False), ("eager", False)):
        p = torch.nn.Parameter(torch.zeros(3))
        p.grad = torch.ones(3)
        optimizer = kind([p], lr=1.0, engine=engine)
        optimizer.param_groups[0]["capturable"] = capturable
        with compiled_by(HostProcessor()):
            optimizer.step()
            assert optimizer.engines()[0].name == engine
        found.append(p.detach())
    assert found[2][0] == pytest.approx(-0.0993, abs=1e-3)
    for x in found[:2]:
        torch.testing.assert_close(x, found[2])


@pytest.mark.parametrize("state_dtype", [None, torch.bfloat16, "8bit"], ids=str)
def test_random_bits_are_those_of_the_devices_clock(state_dtype: Any) -> None:
    """Where the bits are others, half of the numbers are rounded otherwise."""
    settings: dict[str, Any] = {"lr": 0.037, "weight_decay": 0.3, "rounding": "stochastic", "capturable": True}
    found = []
    for engine in ("compiled", "eager"):
        params = [numbers((n,), n).bfloat16().requires_grad_() for n in (700, 300)]
        optimizer = halflife.AdamW(params, engine=engine, state_dtype=state_dtype, **settings)
        for t in range(2):
            for k, p in enumerate(params):
                p.grad = numbers(p.shape, 40 + 10 * t + k).bfloat16()
            optimizer.step()
        assert optimizer.engines()[0].name == engine
        narrow = [x for p in params for x in optimizer.state[p].values() if x.dtype in (torch.bfloat16, torch.uint8)]
        found.append([flat(params), *(x.flatten() for x in narrow)])
    for x, y in zip(*found, strict=True):
        assert (x != y).float().mean() < 0.03
