"""``TensorLayouts`` by torch's own check and attribute by attribute: both must see every change that moves a number."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from halflife.engines import layouts
from halflife.engines.layouts import TensorLayouts


class Subclass(Tensor):
    pass


class OwnDispatch(Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return super().__torch_function__(func, types, args, kwargs)


def wrapped(x: Tensor) -> Tensor:
    """A wrapper of torch.func, of torch's own class and without memory."""
    found: list[Tensor] = []
    torch.func.vmap(lambda row: found.append(row) or row)(x[None])
    return found[0]


CHANGES: dict[str, Callable[[Tensor], Tensor]] = {
    "dtype": Tensor.double,
    "size": lambda x: x[:1],
    "rank": lambda x: x.flatten(),
    "order of dimensions": lambda x: torch.zeros(3, 2).t(),
    "gaps": lambda x: torch.zeros(2, 6)[:, ::2],
    "to be negated": torch._neg_view,
    "sparse": Tensor.to_sparse,
    "device": lambda x: x.to("meta"),
    "a subclass": lambda x: x.as_subclass(Subclass),
    "a subclass that watches": lambda x: x.as_subclass(OwnDispatch),
    "wrapped by torch.func": wrapped,
}


@pytest.fixture(params=[True, False], ids=["torch's check", "by attributes"])
def by_guards(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param and not layouts._guards_tell():
        pytest.skip("this torch has no such check")
    monkeypatch.setattr(layouts, "_guards_tell", lambda: request.param)


def test_this_torch_has_the_check() -> None:
    """Else steps are slower than they need be; torch's own tests of 2.6 and later hold it."""
    assert layouts._guards_tell()


@pytest.mark.parametrize("default", [torch.float64, torch.bfloat16])
def test_asking_does_not_depend_on_the_default_dtype(default: torch.dtype) -> None:
    """The first answer is kept for the whole process."""
    torch.set_default_dtype(default)
    try:
        assert layouts._guards_tell.__wrapped__()
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("by_guards")
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_sees_a_change(change: str, place: int) -> None:
    tensors = [torch.zeros(2, 3) for _ in range(3)]
    taken = TensorLayouts(tensors)
    assert taken.of([torch.ones(2, 3) for _ in range(3)])
    tensors[place] = CHANGES[change](tensors[place])
    assert not taken.of(tensors)


@pytest.mark.usefixtures("by_guards")
@pytest.mark.parametrize("change", ["a subclass", "a subclass that watches", "wrapped by torch.func"])
def test_a_parameter_is_told_from_what_behaves_like_one(change: str) -> None:
    taken = TensorLayouts([torch.nn.Parameter(torch.zeros(2, 3))])
    assert taken.of([torch.nn.Parameter(torch.ones(2, 3))])
    other = CHANGES[change](torch.zeros(2, 3)).requires_grad_()
    assert not taken.of([other])


@pytest.mark.usefixtures("by_guards")
def test_counts_tensors() -> None:
    taken = TensorLayouts([torch.zeros(2)] * 3)
    assert not taken.of([torch.zeros(2)] * 2)
    assert not taken.of([torch.zeros(2)] * 4)
    assert TensorLayouts([]).of([])


@pytest.mark.usefixtures("by_guards")
def test_views_with_strides_of_their_own_are_alike() -> None:
    assert TensorLayouts([torch.zeros(3, 2).t()]).of([torch.ones(3, 2).t()])
