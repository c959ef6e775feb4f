"""What kernels leave on the device is what the eager engine leaves on the CPU, and what foreach leaves beside them."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import halflife
from halflife.engines.cuda import processor, selftest
from halflife.engines.memory import SCALE
from halflife.regularizers import L1, L2, Huber, OnSubset, Sum, TowardInit
from halflife.update import check
from tests.compatibility.records import Walker
from tests.compatibility.test_fixtures import DITHERED, OTHERS, RECORDS, compare, compare_dithered, distance
from tests.conformance.variants import VARIANTS, Variant
from tests.cuda.anew import broken, forget

from .device import DEVICE, ENGINE, ON_CARD, needs_device, numbers, trained

pytestmark = [needs_device, pytest.mark.filterwarnings("ignore:parameter group .* the decay multiplies")]
CPU = torch.device("cpu")
OF_COORDINATES = [v for v in VARIANTS if v.rule.acts_on == "coordinates"]
SOME = OF_COORDINATES if ON_CARD else OF_COORDINATES[::7]
"""The rehearsal on a CPU takes some; ``make cuda-text`` has all of them there."""

PENALTIES = {"L2": L2(), "L1": L1(), "Sum": Sum(Huber(), L2()), "TowardInit": TowardInit()}


@pytest.fixture(autouse=True)
def _double_precision() -> Any:
    """Single numbers are kept in the default dtype."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("variant", SOME, ids=str)
def test_every_rule_under_every_decay(variant: Variant) -> None:
    for decay, penalty in ((d, p) for d in variant.decays() for p in (PENALTIES if ON_CARD else ("L2",))):
        try:
            check(variant.entry.rule, decay, PENALTIES[penalty])
        except ValueError:
            continue
        settings = {"decay": decay, "regularizer": PENALTIES[penalty], "ema_decay": 0.9}
        _, eager = trained(variant.optimizer, "eager", CPU, torch.float64, **settings)
        _, other = trained(variant.optimizer, "eager", CPU, torch.float64, **{**settings, "weight_decay": 0.0})
        _, ours = trained(variant.optimizer, ENGINE, DEVICE, torch.float64, **settings)
        for x, y in zip(ours, eager, strict=True):
            torch.testing.assert_close(x.cpu(), y, rtol=1e-11, atol=1e-11)
        assert max(float((a - b).abs().max()) for a, b in zip(eager, other, strict=True)) > 1e-9


STATES = [None, torch.float32, torch.bfloat16, "8bit"]
DTYPES = [torch.float32, torch.bfloat16, torch.float16]


@pytest.mark.parametrize("rounding", ["nearest", "stochastic", "kahan"])
@pytest.mark.parametrize("state_dtype", STATES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_format_is_foreach_s_but_for_a_rounding(dtype: torch.dtype, state_dtype: Any, rounding: str) -> None:
    settings = {"state_dtype": state_dtype, "rounding": rounding, "steps": 2}
    ours, _ = trained(halflife.AdamW, ENGINE, DEVICE, dtype, **settings)
    theirs, _ = trained(halflife.AdamW, "foreach", DEVICE, dtype, **settings)
    for (p, state), (q, beside) in zip(ours.state.items(), theirs.state.items(), strict=True):
        for name, x, y in [("w", p.detach(), q.detach()), *((n, x, beside[n]) for n, x in state.items())]:
            if name == "kahan":
                continue
            if name + SCALE in state or x.dtype in (torch.bfloat16, torch.float16):
                assert int((x != y).sum()) <= max(1, x.numel() // 50), name
            else:
                off = (x - y).abs() > 2e-6 * y.abs().clamp(min=float(y.abs().median()))
                assert int(off.sum()) <= max(1, x.numel() // 50), name


@pytest.mark.parametrize("seed", [0, 1])
def test_masks(seed: int) -> None:
    found = []
    for engine, device in ((ENGINE, DEVICE), ("eager", CPU)):
        mask = numbers(500, seed, torch.float64, device) > 0
        p = torch.nn.Parameter(numbers(500, 9, torch.float64, device))
        penalty = OnSubset(L1(), mask)
        optimizer = halflife.Adam([p], lr=0.1, weight_decay=0.5, decay="proximal", regularizer=penalty, engine=engine)
        for t in range(3):
            p.grad = numbers(500, 20 + t, torch.float64, device)
            optimizer.step()
        assert optimizer.engines()[0].name == engine
        found.append(p.detach().cpu())
    torch.testing.assert_close(*found, rtol=1e-12, atol=1e-12)


def there(x: Any) -> Any:
    """The tensors of plain data, on the device."""
    if isinstance(x, torch.Tensor):
        return x.to(DEVICE)
    if isinstance(x, dict):
        return {key: there(value) for key, value in x.items()}
    return [there(value) for value in x] if isinstance(x, list) else x


SAVED = [r for r in [*OTHERS, *(r for r in RECORDS if r["name"] in DITHERED)] if "GroupLasso" not in str(r["kwargs"])]
SAVED = [r for r in SAVED if {*r["ran"]} == {"native"} and "OnSubset" not in str(r["kwargs"])]


@pytest.mark.parametrize("record", SAVED if ON_CARD else SAVED[::9], ids=lambda r: r["name"])
def test_what_0_1_0_saved_goes_on_from_there(record: Any) -> None:
    torch.set_default_dtype(torch.float32)
    walker = Walker(record, there(record["weights"]), ENGINE)
    walker.optimizer.load_state_dict(record["state_dict"])
    for each, state in ((walker.scheduler, "scheduler_state"), (walker.schedule, "schedule_state")):
        if each is not None:
            each.load_state_dict(record[state])
    for gradients in record["gradients"]:
        walker.step(there(gradients))
    weights = [w.cpu() for w in walker.weights()]
    if record["name"] in DITHERED:
        compare_dithered(weights, record["end_weights"], same_bits=False)
        assert distance(weights, record["end_weights"]) < 0.05
    else:
        for w, old in zip(weights, record["end_weights"], strict=True):
            compare(w, old, False, "a weight")


@pytest.mark.parametrize("name", ["AdamW", "NAdam"])
def test_no_number_makes_a_kernel(name: str) -> None:
    optimizer, _ = trained(getattr(halflife, name), ENGINE, DEVICE, torch.float32, steps=3)
    known, group = len(processor._kernels), optimizer.param_groups[0]
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 50)
    for k in range(50):
        group["betas"], group["weight_decay"] = (0.9 - 0.001 * k, 0.99), 0.1 + 0.01 * k
        optimizer.step()
        scheduler.step()
    assert len(processor._kernels) == known
    assert optimizer.engines()[0].name == ENGINE


def test_a_wrong_kernel_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("HALFLIFE_CACHE", str(tmp_path))
    forget()
    broken(monkeypatch, lambda text: text.replace("w_new = ", "w_new = T(1.001) * "))
    p = torch.nn.Parameter(numbers(300, 0, torch.float32))
    optimizer = halflife.AdamW([p], lr=0.1, engine=ENGINE)
    p.grad = torch.ones_like(p)
    chosen = optimizer.engines()[0]
    assert chosen.name in ("foreach", "eager")
    assert "the self-test of its kernel for Adam finds" in chosen.reason
    monkeypatch.undo()
    forget()
    assert selftest.RIGHT == "right"
