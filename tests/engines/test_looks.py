"""``Looks`` by torch's own check and attribute by attribute: both must see every change that moves a number."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from halflife.engines import looks
from halflife.engines.looks import Looks

CHANGES: dict[str, Callable[[Tensor], Tensor]] = {
    "dtype": Tensor.double,
    "size": lambda x: x[:1],
    "rank": lambda x: x.flatten(),
    "order of dimensions": lambda x: torch.zeros(3, 2).t(),
    "gaps": lambda x: torch.zeros(2, 6)[:, ::2],
    "to be negated": torch._neg_view,
    "sparse": Tensor.to_sparse,
}


@pytest.fixture(params=[True, False], ids=["torch's check", "by attributes"])
def by_guards(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param and not looks._guards_tell():
        pytest.skip("this torch has no such check")
    monkeypatch.setattr(looks, "_guards_tell", lambda: request.param)


@pytest.mark.usefixtures("by_guards")
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_sees_a_change(change: str, place: int) -> None:
    tensors = [torch.zeros(2, 3) for _ in range(3)]
    taken = Looks(tensors)
    assert taken.of([torch.ones(2, 3) for _ in range(3)])
    tensors[place] = CHANGES[change](tensors[place])
    assert not taken.of(tensors)


@pytest.mark.usefixtures("by_guards")
def test_counts_tensors() -> None:
    taken = Looks([torch.zeros(2)] * 3)
    assert not taken.of([torch.zeros(2)] * 2)
    assert not taken.of([torch.zeros(2)] * 4)
    assert Looks([]).of([])


@pytest.mark.usefixtures("by_guards")
def test_views_with_strides_of_their_own_are_alike() -> None:
    assert Looks([torch.zeros(3, 2).t()]).of([torch.ones(3, 2).t()])
