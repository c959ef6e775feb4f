"""A step is skipped as a whole if a gradient is not finite, and counted."""

from __future__ import annotations

import copy
import inspect
import io
import pickle
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import halflife

from .users import each, each_engine, equal, give_gradients, groups, ours, snapshot, weights


@each
@each_engine
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("settings", [{}, {"max_grad_norm": 1.0, "ema_decay": 0.9}], ids=str)
def test_nothing_changes_but_the_count(name: str, engine: Any, bad: float, settings: Any) -> None:
    params = weights(name=name)
    optimizer = ours(name)(groups(params), lr=0.1, skip_nonfinite=True, **engine, **settings)
    for k in range(4):
        before, had_state = snapshot(optimizer), len(optimizer.state)
        give_gradients(params, k)
        spoilt = k % 2 == 0
        if spoilt:
            params[0].grad[1, 2] = bad
        optimizer.step()
        assert equal(before, snapshot(optimizer)) == spoilt
        assert len(optimizer.state) == had_state or not spoilt
        assert optimizer.skipped_steps == k // 2 + 1
    plain = ours(name)(groups(weights(name=name)), lr=0.1, **engine, **settings)
    for k in (1, 3):
        give_gradients([p for group in plain.param_groups for p in group["params"]], k)
        plain.step()
    assert equal(snapshot(plain), snapshot(optimizer))
    assert plain.skipped_steps == 0


def test_the_closure_runs_and_its_loss_comes_back() -> None:
    (p, *_) = params = weights()
    optimizer = halflife.AdamW(params, skip_nonfinite=True)

    def closure() -> float:
        p.grad = torch.full_like(p, float("nan"))
        return 7.0

    assert optimizer.step(closure) == 7.0
    assert optimizer.skipped_steps == 1


@pytest.mark.parametrize("name", ["SGD", "Adagrad", "SparseAdam"])
def test_sparse_gradients(name: str) -> None:
    p = torch.ones(5, 2)
    optimizer = ours(name)([p], skip_nonfinite=True)
    values = torch.ones(2, 2)
    for bad in (float("inf"), 1.0):
        values[1, 0] = bad
        p.grad = torch.sparse_coo_tensor(torch.tensor([[0, 3]]), values, p.shape, check_invariants=True)
        optimizer.step()
        assert (p == 1).all() == (bad != 1)
    assert optimizer.skipped_steps == 1


def through_a_file(optimizer: Any) -> Any:
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)
    other = halflife.AdamW(weights())
    other.load_state_dict(torch.load(file, weights_only=True))
    return other


@pytest.mark.parametrize(
    "duplicate",
    [through_a_file, copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))],
    ids=["dict", "copy", "pickle"],
)
def test_the_count_and_the_setting_are_kept(duplicate: Any) -> None:
    optimizer = halflife.AdamW(weights(), skip_nonfinite=True)
    for twin, count in ((optimizer, 1), (duplicate(optimizer), 1)):
        params = twin.param_groups[0]["params"]
        params[0].grad = torch.full_like(params[0], float("nan"))
        twin.step()
        assert twin.skipped_steps == count
    twin = duplicate(optimizer)
    assert twin.skipped_steps == 1
    twin.add_param_group({"params": weights()})
    assert twin.skipped_steps == 1
    assert twin.param_groups[1]["skip_nonfinite"] is True


@pytest.mark.parametrize("wrong", ["yes", 2, 0.5])
def test_a_wrong_word_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="skip_nonfinite must be True or False"):
        halflife.AdamW(weights(), skip_nonfinite=wrong)


class Reads(TorchDispatchMode):
    """Notes what reads a tensor's number into Python, for which a GPU would be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if any(word in str(func) for word in ("_local_scalar_dense", "is_nonzero", "aten.equal", "nonzero")):
            self.found.append(str(func))
        return func(*args, **(kwargs or {}))


FORMS: list[dict[str, Any]] = [
    {},
    {"max_grad_norm": 1.0, "ema_decay": 0.9},
    {"state_dtype": "8bit"},
    {"state_dtype": torch.bfloat16, "regularizer": halflife.regularizers.TowardInit()},
]


@each
@each_engine
@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("bad", [float("nan"), -float("inf")])
def test_where_capturable_the_device_decides_and_every_bit_comes_back(
    name: str, engine: Any, form: Any, bad: float
) -> None:
    if "capturable" not in inspect.signature(ours(name)).parameters:
        pytest.skip(f"{name} has no such flag")
    settings = {"lr": 0.1, "capturable": True, **form, **engine}
    optimizer = ours(name)(groups(weights(torch.float32, name)), skip_nonfinite=True, **settings)
    plain = ours(name)(groups(weights(torch.float32, name)), **settings)
    params, others = ([p for group in o.param_groups for p in group["params"]] for o in (optimizer, plain))
    for k in range(6):
        before, spoilt = snapshot(optimizer), k in (2, 3, 5)
        give_gradients(params, k)
        if spoilt:
            params[0].grad[1, 2] = bad
        with Reads() as reads:
            optimizer.step()
        assert reads.found == [] or k == 0, "where the states begin the verdict is read"
        assert equal(before, snapshot(optimizer)) == spoilt
        if not spoilt:
            give_gradients(others, k)
            plain.step()
    assert equal(snapshot(plain), snapshot(optimizer))
    assert optimizer.skipped_steps == 3


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.complex64, torch.float64], ids=str)
@each_engine
def test_the_device_decides_for_every_dtype(dtype: torch.dtype, engine: Any) -> None:
    rounding = "kahan" if dtype is torch.bfloat16 else "nearest"
    settings = {"lr": 0.1, "capturable": True, "rounding": rounding, "skip_nonfinite": True, **engine}
    optimizer = halflife.AdamW(weights(dtype), **settings)
    params = optimizer.param_groups[0]["params"]
    for k in range(4):
        before, spoilt = snapshot(optimizer), k >= 2
        give_gradients(params, k)
        if spoilt:
            params[1].grad[0] = float("nan")
        with Reads() as reads:
            optimizer.step()
        assert reads.found == [] or k == 0
        assert equal(before, snapshot(optimizer)) == spoilt
    assert optimizer.skipped_steps == 2


@each_engine
def test_a_state_that_begins_with_a_gradient_does_not_begin_with_one_that_is_skipped(engine: Any) -> None:
    params = weights(torch.float32, "Adafactor")
    optimizer = halflife.Adafactor(params, lr=0.1, capturable=True, skip_nonfinite=True, **engine)
    for k, first in enumerate(([], params[:1], params)):
        give_gradients(params, k)
        for p in params:
            p.grad = p.grad if not first or any(p is other for other in first) else None
        params[0].grad[0, 0] += float("inf") if k in (0, 2) else 0.0
        optimizer.step()
        assert len(optimizer.state) == (1 if k else 0)
    assert optimizer.skipped_steps == 2


@each_engine
@pytest.mark.filterwarnings("ignore:optimizer contains a parameter group with duplicate")
def test_a_parameter_that_stands_twice_and_one_that_shares_its_memory(engine: Any) -> None:
    p = torch.ones(3, 2)
    params = [p, p, torch.nn.Parameter(p.view(-1)), torch.ones(4)]
    optimizer = halflife.AdamW(params, lr=0.1, capturable=True, skip_nonfinite=True, **engine)
    for k in range(3):
        before = snapshot(optimizer)
        give_gradients(params, k)
        params[3].grad[0] += float("nan") if k == 1 else 0.0
        optimizer.step()
        assert equal(before, snapshot(optimizer)) == (k == 1)


@each_engine
def test_a_schedule_that_has_not_moved_reads_nothing(engine: Any) -> None:
    params = weights(torch.float32)
    schedule = halflife.schedules.LinearWD(0.5, 0.1, 100)
    optimizer = halflife.AdamW(params, lr=0.1, weight_decay=schedule, capturable=True, skip_nonfinite=True, **engine)
    for k in range(3):
        give_gradients(params, k)
        with Reads() as reads:
            optimizer.step()
        assert reads.found == [] or k == 0


@each_engine
def test_large_tensors_are_taken_back_a_few_at_a_time(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("halflife.engines.foreach.ON_CPU", 64)
    params = weights(torch.float32)
    optimizer = halflife.AdamW(params, lr=0.1, capturable=True, skip_nonfinite=True, **engine)
    for k in range(3):
        before = snapshot(optimizer)
        give_gradients(params, k)
        params[0].grad[0, 0] += float("nan") if k == 1 else 0.0
        optimizer.step()
        assert equal(before, snapshot(optimizer)) == (k == 1)
