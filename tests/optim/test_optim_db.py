"""torch's own database of optimizer inputs, run through torch's class and ours side by side."""

from __future__ import annotations

import re
import warnings
from typing import Any

import pytest
import torch

import halflife

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from torch.testing._internal.common_optimizers import OptimizerErrorEnum, optim_db

INFOS = {info.name: info for info in optim_db}
WITHOUT_IMPLEMENTATIONS = ("Muon", "SparseAdam")
"""Here torch makes lr·λ and its like in the tensor's own float32, where elsewhere it reads the tensor as a number."""
STEPS = 8
SHAPES = ((3, 4), (5,), ())


def flags_of(name: str) -> list[dict[str, bool]]:
    """The implementations that torch has of this optimizer on the CPU."""
    info = INFOS[name]
    flags = [{}, *({flag: True} for flag in info.supported_impls if flag != "fused")]
    return [*flags, {"fused": True}] if "cpu" in info.supports_fused_on else flags


CASES = [
    pytest.param(name, {**config.kwargs, **flag}, id=f"{name}-{config.desc}-{next(iter(flag), 'none')}")
    for name, info in INFOS.items()
    for config in info.optim_inputs_func(device="cpu")
    for flag in flags_of(name)
]
CAPTURABLE = [
    pytest.param(name, config.kwargs, id=f"{name}-{config.desc}")
    for name, info in INFOS.items()
    for config in info.optim_inputs_func(device="cuda")
    if config.kwargs.get("capturable")
]
ERRORS = [
    pytest.param(name, error, id=f"{name}-{error.optimizer_error_input.desc}")
    for name, info in INFOS.items()
    for error in info.optim_error_inputs_func(device="cpu", dtype=torch.float32)
]


@pytest.fixture(autouse=True)
def double_precision():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def shapes_of(optimizer_class: Any) -> tuple[tuple[int, ...], ...]:
    return ((3, 4), (5, 2), (2, 5)) if optimizer_class.__name__ == "Muon" else SHAPES


def run(optimizer_class: Any, kwargs: dict[str, Any]) -> torch.Tensor:
    """Eight steps down a nonlinear function of the weights, so that what differs grows."""
    generator = torch.Generator().manual_seed(0)
    # neither leaf nor plain data: what differentiable=True may write into
    shapes = shapes_of(optimizer_class)
    params = [torch.randn(shape, generator=generator).requires_grad_().clone() for shape in shapes]
    for p in params:
        p.retain_grad()
    optimizer = optimizer_class(params, **kwargs)
    for k in range(STEPS):
        if INFOS[optimizer_class.__name__].step_requires_closure:
            optimizer.step(lambda k=k: loss_and_gradients(params, k))
            continue
        loss_and_gradients(params, k)
        if optimizer_class.__name__ == "SparseAdam":
            for p in params:
                p.grad = (p.grad * (p.grad > 0.1 * k)).to_sparse()
        optimizer.step()
    return torch.cat([p.detach().flatten() for p in params])


def loss_and_gradients(params: list[torch.Tensor], k: int) -> torch.Tensor:
    """The k-th step's function of the weights, its slopes put where an optimizer looks for them."""
    tilt, total = 0.3 * (-1) ** k, torch.zeros(())
    for p in params:
        w = p.detach()
        p.grad = torch.sin(3 * w) + 0.1 * w + tilt
        total = total + (-torch.cos(3 * w) / 3 + 0.05 * w**2 + tilt * w).sum()
    return total


def test_every_class_of_torch_is_in_the_database_and_here() -> None:
    kinds = {name: kind for name, kind in vars(torch.optim).items() if isinstance(kind, type)}
    theirs = {name for name, kind in kinds.items() if issubclass(kind, torch.optim.Optimizer)} - {"Optimizer"}
    assert {*INFOS} == theirs <= {*halflife.__all__}
    assert len(INFOS) == 15 - (not hasattr(torch.optim, "Muon"))
    assert {case.values[0] for case in CASES} == {error.values[0] for error in ERRORS} == theirs
    assert len(CASES) >= 150
    assert len(CAPTURABLE) >= 8


@pytest.mark.parametrize(("name", "kwargs"), CASES)
def test_inputs(name: str, kwargs: dict[str, Any]) -> None:
    theirs, ours = (run(getattr(module, name), kwargs) for module in (torch.optim, halflife))
    single = isinstance(kwargs.get("lr"), torch.Tensor) and name in WITHOUT_IMPLEMENTATIONS
    assert (theirs - ours).abs().max() <= (1e-6 if single else 1e-12)


@pytest.mark.parametrize(("name", "kwargs"), CAPTURABLE)
def test_capturable_is_only_another_way(name: str, kwargs: dict[str, Any]) -> None:
    """torch refuses capturable=True on the CPU; ours runs there, and does what it does without."""
    with pytest.raises(AssertionError, match="capturable"):
        run(getattr(torch.optim, name), kwargs)
    plain = {**kwargs, "capturable": False}
    if plain.get("foreach"):
        plain.pop("foreach")  # Adam refuses a tensor lr with foreach=True and capturable=False
    theirs, ours = run(getattr(torch.optim, name), plain), run(getattr(halflife, name), kwargs)
    assert (theirs - ours).abs().max() <= 1e-5


def provoke(optimizer_class: Any, error: Any) -> None:
    """The construction or the step that should fail; a warning counts as an error, as in torch's own test."""
    wrong = error.optimizer_error_input
    params = [torch.nn.Parameter(torch.randn(2, 3))] if wrong.params is None else wrong.params
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        optimizer = optimizer_class(params, **wrong.kwargs)
        if error.error_on == OptimizerErrorEnum.STEP_ERROR:
            optimizer.step()


@pytest.mark.parametrize(("name", "error"), ERRORS)
def test_error_inputs(name: str, error: Any) -> None:
    for module in (torch.optim, halflife):
        with pytest.raises(Exception, match=error.error_regex) as caught:
            provoke(getattr(module, name), error)
        assert caught.type is error.error_type
    assert re.search(error.error_regex, str(caught.value))
