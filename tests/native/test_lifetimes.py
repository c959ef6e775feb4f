"""A table keeps no tensor alive: what the user has let go is freed at once, without a garbage collection."""

from __future__ import annotations

import copy
import gc
from collections.abc import Callable, Iterator
from typing import Any
from weakref import ref

import pytest
import torch

import halflife
from halflife.regularizers import L2, OnSubset, TowardInit

from .users import needs_native, table_of

pytestmark = needs_native


@pytest.fixture(autouse=True)
def _without_garbage_collection() -> Iterator[None]:
    halflife.AdamW(
        [torch.nn.Parameter(torch.ones(1))]
    )  # torch's first one imports torch._dynamo, which keeps its frames
    gc.collect()
    gc.disable()
    yield
    gc.enable()


BF16 = torch.bfloat16
SETTINGS: list[tuple[str, torch.dtype, dict[str, Any]]] = [
    ("AdamW", torch.float32, {}),
    ("SGD", torch.float32, {"momentum": 0.9}),
    ("SGD", torch.float32, {}),
    ("NAdam", torch.float32, {"ema_decay": 0.9, "max_grad_norm": 1.0}),
    ("Adam", torch.float32, {"regularizer": TowardInit(), "decay": "proximal", "state_dtype": "8bit"}),
    ("Adam", BF16, {"rounding": "kahan", "weight_decay": 0.1, "skip_nonfinite": True}),
]


def stepped(name: str, dtype: torch.dtype, settings: dict[str, Any], mixed: bool) -> tuple[Any, list[Any]]:
    """An optimizer that has a table, and its parameters; one of them with gaps, so not in the table, if ``mixed``."""
    params = [torch.nn.Parameter(torch.linspace(-1, 1, n).to(dtype)) for n in (300, 7)]
    params += [torch.nn.Parameter(torch.ones(10, dtype=dtype)[::2])] * mixed
    optimizer = getattr(halflife, name)(params, lr=0.1, **settings)
    for k in range(3):
        for p in params:
            p.grad = torch.full_like(p, k + 1.0)
        optimizer.step()
    assert table_of(optimizer) is not None
    return optimizer, params


def references(params: list[Any], optimizer: Any) -> tuple[list[Any], list[Any]]:
    """Weak ones to the parameters and gradients, and to all in the states."""
    states = [x for state in optimizer.state.values() for x in state.values()]
    return [ref(x) for p in params for x in (p, p.grad)], [ref(x) for x in states]


def gone(found: list[Any]) -> bool:
    return not any(r() is not None for r in found)


def alive(found: list[Any]) -> bool:
    return all(r() is not None for r in found)


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_cleared_groups_and_states_are_freed(setting: Any, mixed: bool) -> None:
    optimizer, params = stepped(*setting, mixed)
    own, states = references(params, optimizer)
    del params
    assert alive([*own, *states])
    optimizer.state.clear()
    assert gone(states)
    optimizer.param_groups.clear()
    assert gone(own)


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_a_deleted_optimizer_frees_everything(setting: Any, mixed: bool) -> None:
    optimizer, params = stepped(*setting, mixed)
    own, states = references(params, optimizer)
    del optimizer
    assert gone(states)
    assert alive(own)
    del params
    assert gone(own)


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_a_loaded_checkpoint_frees_the_states_before_it(setting: Any, mixed: bool) -> None:
    optimizer, params = stepped(*setting, mixed)
    saved = copy.deepcopy(optimizer.state_dict())
    own, states = references(params, optimizer)
    optimizer.load_state_dict(saved)
    assert gone(states)
    assert alive(own)
    for p in params:
        p.grad = torch.ones_like(p)
    optimizer.step()
    assert table_of(optimizer) is not None


CHANGES: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "a state of its own": (lambda p, o: o.state[p].update(exp_avg=torch.zeros(300)), "state"),
    "its state dropped": (lambda p, o: o.state.pop(p), "state"),
    "its gradient set to None": (lambda p, o: setattr(p, "grad", None), "gradient"),
    "another gradient": (lambda p, o: setattr(p, "grad", torch.ones(300)), "gradient"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_replaced_is_freed(name: str) -> None:
    change, what = CHANGES[name]
    optimizer, [p, _] = stepped("AdamW", torch.float32, {}, False)
    old = ref(optimizer.state[p]["exp_avg"] if what == "state" else p.grad)
    assert alive([old])
    change(p, optimizer)
    assert gone([old])


def test_memory_that_a_parameter_has_left_is_freed() -> None:
    optimizer, [p, _] = stepped("AdamW", torch.float32, {}, False)
    memory = p.untyped_storage()
    storage = ref(memory)
    del memory
    assert alive([storage])
    p.data = p.data.clone()
    assert gone([storage])
    p.grad = torch.ones(300)
    optimizer.step()


def test_a_mask_that_is_replaced_is_freed_with_the_next_step() -> None:
    p = torch.nn.Parameter(torch.ones(300))
    optimizer = halflife.AdamW([{"params": [p], "regularizer": OnSubset(L2(), torch.ones(300) > 0)}])
    mask = ref(optimizer.param_groups[0]["regularizer"].mask)
    for _ in range(2):
        assert alive([mask])
        p.grad = torch.ones(300)
        optimizer.step()
    optimizer.param_groups[0]["regularizer"] = L2()
    optimizer.step()
    assert gone([mask])


def test_gradients_are_not_kept() -> None:
    optimizer, params = stepped("AdamW", torch.float32, {"max_grad_norm": 1.0}, True)
    grads = [ref(p.grad) for p in params]
    optimizer.zero_grad()
    assert gone(grads)
