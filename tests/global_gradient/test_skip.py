"""A step is skipped as a whole if a gradient is not finite, and counted."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import pytest
import torch

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
