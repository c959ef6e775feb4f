"""A mask that changes between two steps: seen at once, as eager sees it, wherever it then lies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import halflife
from halflife.regularizers import L1, L2, OnSubset

from .users import needs_native, table_of

pytestmark = needs_native

Change = Callable[[Any, torch.nn.Parameter, torch.Tensor], object]


def _replace(optimizer: Any, _: Any, mask: torch.Tensor) -> None:
    optimizer.param_groups[0]["regularizer"] = OnSubset(L2(), ~mask)


def _lie_as(x: Callable[[torch.Tensor], torch.Tensor]) -> Change:
    def change(_: Any, __: Any, mask: torch.Tensor) -> None:
        mask.data = x(mask.data)

    return change


def _transpose_parameter(_: Any, p: torch.nn.Parameter, __: torch.Tensor) -> None:
    p.grad = None
    p.data = p.data.t()


def _reshape_parameter(_: Any, p: torch.nn.Parameter, __: torch.Tensor) -> None:
    p.grad = None
    p.data = p.data.reshape(4, 9)


def _move_parameter(_: Any, p: torch.nn.Parameter, __: torch.Tensor) -> None:
    p.data = p.data.clone()


CHANGES: dict[str, tuple[Change, str]] = {
    "replaced": (_replace, "native"),
    "negated where it lies": (lambda o, p, mask: mask.logical_not_(), "native"),
    "negated elsewhere": (_lie_as(torch.logical_not), "native"),
    "moved into a larger buffer": (_lie_as(lambda m: torch.cat([~m, ~m])[3:9]), "native"),
    "transposed": (_lie_as(torch.t), "eager"),
    "one row": (_lie_as(lambda m: m[2:3].clone()), "eager"),
    "one number": (_lie_as(lambda m: m[0, 0].clone()), "eager"),
    "with gaps": (_lie_as(lambda m: torch.cat([~m, m], 1)[:, ::2]), "eager"),
    "too short": (_lie_as(lambda m: m[:3].clone()), "error"),
    "too long": (_lie_as(lambda m: torch.cat([m, m])), "error"),
    "resized": (lambda o, p, mask: mask.resize_(100), "error"),
    "empty": (_lie_as(lambda m: m[:0]), "error"),
    "of floats": (_lie_as(lambda m: m.float()), "error"),
    "its parameter moved": (_move_parameter, "native"),
    "its parameter transposed": (_transpose_parameter, "eager"),
    "its parameter of another shape": (_reshape_parameter, "error"),
    "no mask": (lambda o, p, mask: o.param_groups[0].update(regularizer=L2()), "native"),
}


def trained(change: Change, engine: str | None, decay: str) -> tuple[torch.Tensor | None, str]:
    """Two steps, the change, memory freed and taken again, two more; the engine of the last ones, or an error."""
    torch.manual_seed(0)
    p, mask = torch.nn.Parameter(torch.randn(6, 6)), torch.rand(6, 6) < 0.5
    regularizer = OnSubset(L2(), mask)
    optimizer = halflife.Adam([p], lr=0.1, weight_decay=2.0, decay=decay, regularizer=regularizer, engine=engine)
    del regularizer
    for k in range(4):
        if k == 2:
            assert optimizer.engines()[0].name == ("eager" if engine == "eager" else "native")
            change(optimizer, p, mask)
            others = [torch.ones(36, dtype=torch.bool) for _ in range(100)]
            others.clear()
        p.grad = torch.randn(36).view(p.shape) if p.is_contiguous() else torch.randn(6, 6).t()
        try:
            optimizer.step()
        except (RuntimeError, ValueError):
            return None, "error"
    return p.detach().clone(), optimizer.engines()[0].name


@pytest.mark.parametrize("decay", ["coupled", "decoupled", "proximal_lr", "euclidean"])
@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_mask_is_seen(name: str, decay: str) -> None:
    change, engine = CHANGES[name]
    (native, by), (eager, _) = (trained(change, asked, decay) for asked in (None, "eager"))
    assert by == engine
    assert (native is None) == (eager is None) == (engine == "error")
    if native is not None:
        torch.testing.assert_close(native, eager, rtol=1e-5, atol=1e-6)
        unchanged, _ = trained(lambda o, p, mask: None, "eager", decay)
        assert name in ("its parameter moved", "its parameter transposed") or not torch.equal(native, unchanged)


def test_the_table_is_kept_while_the_mask_is() -> None:
    p = torch.nn.Parameter(torch.randn(6, 6))
    mask = torch.rand(6, 6) < 0.5
    optimizer = halflife.AdamW([p], regularizer=OnSubset(L1(), mask), decay="proximal")
    tables = []
    for _ in range(3):
        p.grad = torch.ones(6, 6)
        optimizer.step()
        tables.append(table_of(optimizer))
    assert tables[0] is tables[1] is tables[2] is not None
