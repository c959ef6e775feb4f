"""The average of the weights: kept by the step, shown by ``averaged()``."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

import halflife

from ..optim.users import takes_complex
from .users import NAMES, each_engine, equal, flat, give_gradients, groups, ours, snapshot, weights

DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.complex64]
TAKEN = [(name, dtype) for name in NAMES for dtype in DTYPES if not dtype.is_complex or takes_complex(name)]
each_in_each_dtype = pytest.mark.parametrize(("name", "dtype"), TAKEN, ids=str)
pytestmark = pytest.mark.filterwarnings("ignore:parameter group .* the decay multiplies")


@each_in_each_dtype
@each_engine
@pytest.mark.parametrize("d", [0.0, 0.9, 0.999])
def test_as_by_hand(name: str, engine: Any, dtype: torch.dtype, d: float) -> None:
    params = weights(dtype, name)
    wide = torch.float32 if dtype in (torch.bfloat16, torch.float16) else dtype
    means = [p.detach().to(wide, copy=True) for p in params]
    optimizer = ours(name)(params, lr=0.1, ema_decay=d, **engine)
    for k in range(4):
        give_gradients(params, k)
        optimizer.step()
        torch._foreach_lerp_(means, [p.detach().to(wide) for p in params], 1 - d)
    for p, mean in zip(params, means, strict=True):
        assert optimizer.state[p]["ema"].dtype == wide
        assert torch.allclose(optimizer.state[p]["ema"], mean, rtol=1e-6 if wide != torch.float64 else 1e-14)


@each_in_each_dtype
def test_averaged_shows_the_average_and_gives_back_every_bit(name: str, dtype: torch.dtype) -> None:
    params = weights(dtype, name)
    optimizer = ours(name)(groups(params, ema_decay=None), lr=0.1, ema_decay=0.5)
    with optimizer.averaged():
        pass  # before the first step the weights are their own average
    for k in range(3):
        give_gradients(params, k)
        optimizer.step()
    before, own = snapshot(optimizer), [p.detach().clone() for p in params]
    objects = [p.data_ptr() for p in params]
    with optimizer.averaged():
        for p in params[:2]:
            assert torch.equal(p, optimizer.state[p]["ema"].to(dtype))
        assert equal([p.detach() for p in params[2:]], own[2:])
        assert [p.data_ptr() for p in params] == objects
    assert equal(before, snapshot(optimizer))
    assert all("ema" not in optimizer.state.get(p, {}) for p in params[2:])


def test_an_exception_gives_the_weights_back_too() -> None:
    params = weights()
    optimizer = halflife.AdamW(params, ema_decay=0.9)
    give_gradients(params, 0)
    optimizer.step()
    before = flat(params)

    def look() -> None:
        with optimizer.averaged():
            assert not torch.equal(before, flat(params))
            params[0].data.fill_(float("nan"))
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        look()
    assert torch.equal(before, flat(params))


def test_without_an_average_there_is_none_to_show() -> None:
    with pytest.raises(RuntimeError, match="ema_decay"), halflife.AdamW(weights()).averaged():
        pass


@each_engine
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_saved_and_resumed(engine: Any, dtype: torch.dtype) -> None:
    undisturbed = halflife.AdamW(weights(dtype), ema_decay=0.9, **engine)
    give_gradients(undisturbed.param_groups[0]["params"], 0)
    undisturbed.step()
    params = [p.detach().clone().requires_grad_() for p in undisturbed.param_groups[0]["params"]]
    resumed = halflife.AdamW(params, **engine)  # the setting comes out of the checkpoint
    resumed.load_state_dict(copy.deepcopy(undisturbed.state_dict()))
    for optimizer in (undisturbed, resumed):
        give_gradients(optimizer.param_groups[0]["params"], 1)
        optimizer.step()
    assert equal(snapshot(undisturbed), snapshot(resumed))
    assert resumed.state[params[0]]["ema"].dtype is torch.float32


def test_a_late_average_starts_at_the_weights_of_its_first_step() -> None:
    params = weights()
    optimizer = halflife.SGD(params, lr=0.1)
    give_gradients(params, 0)
    optimizer.step()
    start = flat(params)
    optimizer.param_groups[0]["ema_decay"] = 0.75
    optimizer.step()
    means = flat([optimizer.state[p]["ema"] for p in params])
    assert torch.allclose(means, start + 0.25 * (flat(params) - start))


@pytest.mark.parametrize("wrong", [1.0, -0.1, 2, float("nan")])
def test_a_wrong_decay_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="ema_decay must be None"):
        halflife.AdamW(weights(), ema_decay=wrong)
