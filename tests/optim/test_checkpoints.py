"""Checkpoints: to torch and back, resumed bit for bit, refused by name and without harm."""

from __future__ import annotations

import copy
import io
from typing import Any

import pytest
import torch

import halflife
from halflife import Decay, regularizers

from .test_parity import FLAGS
from .users import gradient_for, ours, shapes_for, takes

CASES = [(name, flags) for name, variants in FLAGS.items() for flags in variants]
OURS: list[tuple[str, dict[str, Any]]] = [
    ("AdamW", {"decay": "independent"}),
    ("ProxAdam", {"regularizer": regularizers.L1()}),
    ("ProxAdam", {"regularizer": regularizers.TowardInit(), "weight_decay": 0.1}),
    ("AdamP", {"regularizer": regularizers.Sum(regularizers.L1(), regularizers.Scaled(0.5, regularizers.L2()))}),
    ("Lion", {}),
    ("SGDW", {"decay": Decay("cautious", "schedule")}),
    ("RMSprop", {"eps_inside": True, "momentum": 0.5}),
]
SHAPES = ((5, 7), (11,))


def params(dtype: torch.dtype = torch.float64, name: str = "SGD") -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = shapes_for(ours(name), SHAPES)
    return [torch.randn(shape, generator=generator, dtype=dtype).requires_grad_() for shape in shapes]


def train(optimizer: torch.optim.Optimizer, weights: list[torch.Tensor], steps: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        for p in weights:
            p.grad = gradient_for(type(optimizer), p, generator)
        optimizer.step()


def through_a_file(state_dict: dict[str, Any]) -> dict[str, Any]:
    file = io.BytesIO()
    torch.save(state_dict, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize("direction", ["from torch", "to torch"])
@pytest.mark.parametrize(("name", "flags"), CASES)
def test_crosses_over_and_trains_on_with_the_same_numbers(name: str, flags: dict[str, Any], direction: str) -> None:
    torch_class, our_class = getattr(torch.optim, name), getattr(halflife, name)
    first, second = (torch_class, our_class) if direction == "from torch" else (our_class, torch_class)
    decay = {"weight_decay": 0.1} if takes(torch_class, "weight_decay") else {}
    a, b = params(name=name), params(name=name)
    before, control = first(a, **flags, **decay), torch_class(b, **flags, **decay)
    for optimizer, weights in ((before, a), (control, b)):
        train(optimizer, weights, 10, seed=1)
    after = second(a)  # every setting must come out of the checkpoint
    after.load_state_dict(through_a_file(before.state_dict()))
    for optimizer, weights in ((after, a), (control, b)):
        train(optimizer, weights, 10, seed=2)
    # torch's own loading casts ASGD's and NAdam's scalars to the parameter's dtype, which a resumed torch run shows too
    tolerance = {"ASGD": 1e-8, "NAdam": 1e-8}.get(name, 1e-12) if direction == "to torch" else 1e-12
    assert all((x - y).abs().max() <= tolerance for x, y in zip(a, b, strict=True))


def kind_of(value: Any) -> tuple[Any, ...]:
    return (value.dtype, value.shape) if isinstance(value, torch.Tensor) else (type(value), value)


@pytest.mark.parametrize("name", FLAGS)
def test_state_has_torchs_keys_types_dtypes_and_shapes(name: str) -> None:
    for flags in FLAGS[name]:
        states = []
        for module in (torch.optim, halflife):
            weights = params(torch.float32, name)
            optimizer = getattr(module, name)(weights, **flags)
            train(optimizer, weights, 2, seed=0)
            state = optimizer.state_dict()["state"]
            states.append({i: {k: kind_of(v) for k, v in s.items()} for i, s in state.items()})
        assert states[0] == states[1]


@pytest.mark.filterwarnings("ignore:parameter group .* the decay multiplies")
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("name", "flags"), CASES + OURS)
def test_resumed_equals_undisturbed_bit_for_bit(name: str, flags: dict[str, Any], dtype: torch.dtype) -> None:
    make = getattr(halflife, name)
    a, b = params(dtype, name), params(dtype, name)
    undisturbed, interrupted = make(a, **flags), make(b, **flags)
    for optimizer, weights in ((undisturbed, a), (interrupted, b)):
        train(optimizer, weights, 7, seed=1)
    resumed_weights = [p.detach().clone().requires_grad_() for p in b]
    resumed = make(resumed_weights, **flags)
    resumed.load_state_dict(through_a_file(interrupted.state_dict()))
    for optimizer, weights in ((undisturbed, a), (resumed, resumed_weights)):
        train(optimizer, weights, 7, seed=2)
    assert all(torch.equal(x, y) for x, y in zip(a, resumed_weights, strict=True))


@pytest.mark.parametrize(("name", "flags"), OURS)
def test_decay_and_regularizer_come_out_of_the_checkpoint(name: str, flags: dict[str, Any]) -> None:
    weights = params()
    saved = getattr(halflife, name)(weights, **flags)
    train(saved, weights, 2, seed=0)
    plain = getattr(halflife, name)(weights)
    plain.load_state_dict(through_a_file(saved.state_dict()))
    mine, theirs = (optimizer.view(optimizer.param_groups[0]) for optimizer in (plain, saved))
    assert (mine.decay, mine.regularizer, mine.base_lr) == (theirs.decay, theirs.regularizer, theirs.base_lr)
    assert plain.param_groups[0].keys() == saved.param_groups[0].keys()


def test_loading_copies() -> None:
    weights = params()
    one = halflife.Adam(weights)
    train(one, weights, 2, seed=0)
    two = halflife.Adam(weights)
    two.load_state_dict(one.state_dict())
    kept = two.state[weights[0]]["exp_avg"].clone()
    train(one, weights, 2, seed=0)
    assert torch.equal(two.state[weights[0]]["exp_avg"], kept)


@pytest.mark.parametrize(
    "step", [3, 3.0, torch.tensor(3.0), torch.tensor([3.0]), torch.tensor(3.0, dtype=torch.float64)]
)
def test_step_counts_of_every_type_load(step: Any) -> None:
    weights = params()
    optimizer = halflife.AdamW(weights)
    train(optimizer, weights, 3, seed=0)
    state_dict = copy.deepcopy(optimizer.state_dict())
    for state in state_dict["state"].values():
        state["step"] = step
    optimizer.load_state_dict(state_dict)
    train(optimizer, weights, 1, seed=0)
    assert optimizer.state[weights[0]]["step"] == 4


def test_old_dict_without_newer_keys_loads() -> None:
    weights = params()
    optimizer = halflife.AdamW(weights)
    train(optimizer, weights, 3, seed=0)
    old = copy.deepcopy(optimizer.state_dict())
    for key in ("foreach", "maximize", "capturable", "differentiable", "fused", "amsgrad", "decoupled_weight_decay"):
        old["param_groups"][0].pop(key, None)
    for key in ("decay", "regularizer", "halflife_base_lr", "eps_inside"):
        old["param_groups"][0].pop(key, None)
    optimizer.load_state_dict(old)
    train(optimizer, weights, 1, seed=0)


def damage(what: str, state_dict: dict[str, Any]) -> dict[str, Any]:
    bad = copy.deepcopy(state_dict)
    match what:
        case "state":
            del bad["state"]
        case "param_groups":
            del bad["param_groups"]
        case "params":
            del bad["param_groups"][0]["params"]
        case "betas":
            del bad["param_groups"][1]["betas"]
        case "exp_avg_sq":
            del bad["state"][1]["exp_avg_sq"]
        case "exp_avg":
            bad["state"][0]["exp_avg"] = torch.zeros(3)
        case "step":
            bad["state"][1]["step"] = torch.zeros(2)
        case "parameter 7":
            bad["state"][7] = bad["state"].pop(1)
        case "regularizer":
            bad["param_groups"][0]["regularizer"] = {"name": "Mine"}
        case "decay":
            bad["param_groups"][0]["decay"] = "sideways"
        case "parameter 0":
            bad["state"][0] = torch.zeros(3)
        case "group 1":
            bad["param_groups"][1]["params"] = [1, 2]
    return bad


@pytest.mark.parametrize(
    "what",
    [
        *("state", "param_groups", "params", "betas", "exp_avg_sq", "exp_avg", "step", "regularizer", "decay"),
        *("parameter 7", "parameter 0", "group 1"),
    ],
)
def test_damaged_dict_names_the_key_and_does_no_harm(what: str) -> None:
    a, b = params()
    optimizer = halflife.AdamW([{"params": [a]}, {"params": [b], "lr": 0.1}])
    train(optimizer, [a, b], 3, seed=0)
    before = copy.deepcopy(optimizer.state_dict())
    with pytest.raises((KeyError, ValueError, TypeError), match=what):
        optimizer.load_state_dict(damage(what, optimizer.state_dict()))
    after = optimizer.state_dict()
    assert after["param_groups"] == before["param_groups"]
    assert all(torch.equal(after["state"][i][k], v) for i, s in before["state"].items() for k, v in s.items())


def test_another_optimizers_dict_is_refused() -> None:
    weights = params()
    sgd = halflife.SGD(weights, momentum=0.9)
    train(sgd, weights, 1, seed=0)
    with pytest.raises(KeyError, match="betas"):
        halflife.Adam(weights).load_state_dict(sgd.state_dict())


def test_custom_regularizer_survives_where_it_lives() -> None:
    class Mine(regularizers.L1):
        pass

    weights = params()
    optimizer = halflife.ProxAdam(weights, regularizer=Mine())
    train(optimizer, weights, 1, seed=0)
    optimizer.load_state_dict(through_a_file(optimizer.state_dict()))
    assert isinstance(optimizer.param_groups[0]["regularizer"], Mine)
    with pytest.raises(ValueError, match="regularizer 'Mine'"):
        halflife.ProxAdam(weights).load_state_dict(optimizer.state_dict())
