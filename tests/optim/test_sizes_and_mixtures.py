"""Empty, 0-d and mixed parameters in one group."""

from __future__ import annotations

import pytest
import torch

from .layouts import (
    ENGINES,
    each,
    each_engine,
    noise,
    ours,
    random_gradients,
    train,
)


@each
@each_engine
@pytest.mark.parametrize("shapes", [((0,), (3, 0)), ((), (1,)), ((0,), (), (2, 3))], ids=str)
def test_empty_and_single_numbers(name: str, engine: dict[str, bool], shapes: tuple[tuple[int, ...], ...]) -> None:
    params = [torch.nn.Parameter(noise(shape)) for shape in shapes]
    alone = [torch.nn.Parameter(noise(shape).reshape(-1)) for shape in shapes]
    found = train(ours(name)(params, lr=0.1, **engine), lambda k, p: torch.full_like(p, 0.1 + k))
    expected = train(ours(name)(alone, lr=0.1, engine="eager"), lambda k, p: torch.full_like(p, 0.1 + k))
    assert [tuple(x.shape) for x in found] == list(shapes)
    assert all((x.reshape(-1) == y).all() for x, y in zip(found, expected, strict=True))


def mixture() -> list[torch.nn.Parameter]:
    dtypes = (torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.complex64, torch.float32)
    return [torch.nn.Parameter(noise((3, 2), i, torch.float64).to(dtype)) for i, dtype in enumerate(dtypes)]


@each
@pytest.mark.parametrize("engine", [{}, *ENGINES], ids=str)
def test_mixed_dtypes_in_one_group(name: str, engine: dict[str, bool]) -> None:
    together = ours(name)(mixture(), lr=0.1, weight_decay=0.2, **engine)
    found = train(together, random_gradients)
    for i, (x, p) in enumerate(zip(found, mixture(), strict=True)):
        expected = train(ours(name)([p], lr=0.1, weight_decay=0.2, engine="eager"), random_gradients)[0]
        assert x.dtype == expected.dtype == mixture()[i].dtype
        tolerance = 16 * torch.finfo(x.dtype).eps if engine != {"engine": "eager"} else 0
        assert (x - expected).abs().max() <= tolerance


@each
@each_engine
def test_parameters_of_different_ages_in_one_group(name: str, engine: dict[str, bool]) -> None:
    """One of three gets no gradient at first: its clock starts later."""
    params = [torch.nn.Parameter(noise((4,), i)) for i in range(3)]
    optimizer = ours(name)(params, lr=0.1, **engine)
    for k in range(6):
        for i, p in enumerate(params):
            p.grad = noise((4,), 100 * i + k) if k >= 2 * i else None
        optimizer.step()
    for i, p in enumerate(params):
        alone = ours(name)([torch.nn.Parameter(noise((4,), i))], lr=0.1, engine="eager")
        expected = train(alone, lambda k, _, i=i: noise((4,), 102 * i + k), steps=6 - 2 * i)[0]
        assert (p - expected).abs().max() <= 1e-14
