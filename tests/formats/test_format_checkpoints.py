"""Checkpoints of narrow formats: resumed bit for bit, converted when the loading optimizer keeps another."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import pytest
import torch

import halflife
from halflife.engines.formats import NEAREST_8BIT, decode_8bit, encode_8bit

from .users import each_setting, flat, ours, same_states, states, train, weights

FORMS = [
    {},
    {"rounding": "stochastic"},
    {"rounding": "kahan"},
    {"state_dtype": torch.float32},
    {"state_dtype": torch.bfloat16, "rounding": "stochastic"},
    {"state_dtype": "8bit"},
    {"state_dtype": "8bit", "rounding": "kahan", "ema_decay": 0.9},
]
each_form = pytest.mark.parametrize("form", FORMS, ids=str)
pytestmark = pytest.mark.filterwarnings("ignore:parameter group .* the decay multiplies")


def through_a_file(state_dict: dict[str, Any]) -> dict[str, Any]:
    file = io.BytesIO()
    torch.save(state_dict, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@each_setting
@each_form
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_resumed_equals_undisturbed(name: str, flags: Any, form: Any, dtype: torch.dtype) -> None:
    undisturbed = ours(name)(weights(dtype, name), **flags, **form)
    train(undisturbed, 3)
    copies = [p.detach().clone().requires_grad_() for p in undisturbed.param_groups[0]["params"]]
    resumed = ours(name)(copies, **flags, **form)
    resumed.load_state_dict(through_a_file(undisturbed.state_dict()))
    assert same_states(undisturbed, resumed)
    assert torch.equal(train(undisturbed, 3, 3), train(resumed, 3, 3))
    assert same_states(undisturbed, resumed)


@each_form
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))], ids=["copy", "pickle"])
def test_copies_go_on_alike(form: Any, duplicate: Any) -> None:
    optimizer = halflife.AdamW(weights(torch.bfloat16), **form)
    train(optimizer, 3)
    twin = duplicate(optimizer)
    assert torch.equal(train(optimizer, 3, 3), train(twin, 3, 3))
    assert same_states(optimizer, twin)


@pytest.mark.parametrize("module", [torch.optim, halflife], ids=["torch", "halflife"])
def test_a_plain_checkpoint_is_encoded_to_nearest(module: Any) -> None:
    plain = module.AdamW(weights(), lr=0.5)
    train(plain, 3)
    for state_dtype in (torch.bfloat16, "8bit"):
        narrow = halflife.AdamW(weights(), state_dtype=state_dtype)
        narrow.load_state_dict(through_a_file(plain.state_dict()))
        assert narrow.param_groups[0]["lr"] == 0.5
        for wide_state, state in zip(states(plain), states(narrow), strict=True):
            for key in ("exp_avg", "exp_avg_sq"):
                if state_dtype == "8bit":
                    codes, scale = encode_8bit(wide_state[key], NEAREST_8BIT, signed=key == "exp_avg")
                    assert torch.equal(state[key], codes)
                    assert torch.equal(state[key + "_scale"], scale)
                else:
                    assert torch.equal(state[key], wide_state[key].to(torch.bfloat16))
        assert train(narrow, 2, 3).isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64], ids=str)
def test_a_narrow_checkpoint_is_decoded(dtype: torch.dtype) -> None:
    narrow = halflife.AdamW(weights(dtype), state_dtype="8bit", rounding="kahan")
    train(narrow, 3)
    plain = halflife.AdamW(weights(dtype))
    plain.load_state_dict(through_a_file(narrow.state_dict()))
    assert not {"state_dtype", "rounding"} & plain.param_groups[0].keys()
    for coded, state in zip(states(narrow), states(plain), strict=True):
        assert state.keys() == {"step", "exp_avg", "exp_avg_sq"}
        for key in ("exp_avg", "exp_avg_sq"):
            assert torch.equal(
                state[key], decode_8bit(coded[key], coded[key + "_scale"], signed=key == "exp_avg").to(dtype)
            )
    assert train(plain, 2, 3).isfinite().all()


@pytest.mark.parametrize("before", FORMS, ids=str)
@pytest.mark.parametrize("after", FORMS, ids=str)
@pytest.mark.parametrize(
    ("name", "flags"), [("SGD", {"momentum": 0.9}), *((name, {}) for name in ("Lion", "Adagrad", "Adafactor", "Muon"))]
)
def test_any_format_goes_on_from_any(name: str, flags: Any, before: Any, after: Any) -> None:
    first = ours(name)(weights(torch.bfloat16, name), lr=0.01, **flags, **before)
    train(first, 3)
    params = [p.detach().clone().requires_grad_() for p in first.param_groups[0]["params"]]
    second, fresh = (ours(name)(p, lr=0.01, **flags, **after) for p in (params, weights(torch.bfloat16, name)))
    second.load_state_dict(through_a_file(first.state_dict()))
    train(second, 2, 3)
    train(fresh, 2)
    kept = "ema" if "ema_decay" in before else None  # ema_decay is a setting: it comes out of the checkpoint
    assert all(
        set(a) - {kept} == set(b) - {"ema"} if "ema_decay" in after else set(a) - {kept} == set(b)
        for a, b in zip(states(second), states(fresh), strict=True)
    )
    undisturbed = train(first, 2, 3)
    assert (flat(params) - undisturbed).abs().mean() < 0.01


def damage(what: str, state_dict: dict[str, Any]) -> dict[str, Any]:
    bad = copy.deepcopy(state_dict)
    state = bad["state"][1]
    match what:
        case "exp_avg_scale":
            del state["exp_avg_scale"]
        case "the scale of 'exp_avg_sq'":
            state["exp_avg_sq_scale"] = torch.ones(7)
        case "'exp_avg'":
            state["exp_avg"] = torch.zeros(3, dtype=torch.uint8)
        case "'kahan'":
            state["kahan"] = torch.zeros(3)
        case "'ema'":
            state["ema"] = torch.zeros(3)
    return bad


@pytest.mark.parametrize("what", ["exp_avg_scale", "the scale of 'exp_avg_sq'", "'exp_avg'", "'kahan'", "'ema'"])
def test_damage_is_named_and_does_no_harm(what: str) -> None:
    optimizer = halflife.AdamW(weights(torch.bfloat16), state_dtype="8bit", rounding="kahan", ema_decay=0.9)
    train(optimizer, 2)
    before = copy.deepcopy(optimizer)
    with pytest.raises((KeyError, ValueError), match=what):
        optimizer.load_state_dict(damage(what, optimizer.state_dict()))
    assert same_states(before, optimizer)


def test_torch_loads_our_dict() -> None:
    ours_ = halflife.AdamW(weights(), max_grad_norm=1.0, ema_decay=0.9, skip_nonfinite=True)
    train(ours_, 2)
    theirs = torch.optim.AdamW(weights())
    theirs.load_state_dict(through_a_file(ours_.state_dict()))
    assert train(theirs, 2).isfinite().all()
    ours_.load_state_dict(theirs.state_dict())
    assert train(ours_, 2).isfinite().all()
