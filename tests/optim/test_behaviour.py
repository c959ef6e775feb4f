"""What users of torch.optim rely on beside the numbers: signatures, hooks, closures, groups, copies, schedulers."""

from __future__ import annotations

import copy
import inspect
import io
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

import halflife
from halflife import regularizers as rz
from halflife.decays import NAMED
from halflife.optim.groups import decay_of

TORCH = ["SGD", "ASGD", "Adagrad", "Adadelta", "RMSprop", "Adam", "AdamW", "NAdam", "RAdam", "Adamax", "Rprop"]
ALL = [*TORCH, "Lion", "SGDW", "AdamL2", "ProxAdam", "AdamP", "ProxSGD"]
CAPTURABLE = [name for name in ALL if "capturable" in inspect.signature(getattr(halflife, name)).parameters]
EXTRAS = {"decay", "regularizer", "eps_inside", "weight_decay"}
ENGINES = [{"foreach": False}, {"foreach": True}]


@pytest.fixture(autouse=True)
def double_precision():
    """torch keeps the clock in the default dtype."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


each = pytest.mark.parametrize("name", ALL)
each_of_torch = pytest.mark.parametrize("name", TORCH)
each_engine = pytest.mark.parametrize("engine", ENGINES, ids=["eager", "foreach"])


def ours(name: str) -> Any:
    return getattr(halflife, name)


def theirs(name: str) -> Any:
    return getattr(torch.optim, name)


def weights(dtype: torch.dtype = torch.float64, seed: int = 0) -> list[torch.nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.nn.Parameter(torch.randn(s, generator=generator, dtype=dtype)) for s in ((3, 4), (5,))]


def flat(params: list[Any]) -> torch.Tensor:
    return torch.cat([torch.view_as_real(p).flatten() if p.is_complex() else p.flatten() for p in params]).detach()


def give_gradients(optimizer: torch.optim.Optimizer, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for group in optimizer.param_groups:
        for p in group["params"]:
            p.grad = torch.randn(p.shape, generator=generator, dtype=p.dtype)


def train(optimizer: torch.optim.Optimizer, steps: int = 4, seed: int = 0, then: Callable[[], Any] | None = None):
    """That many steps on random gradients; the weights after them."""
    for k in range(steps):
        give_gradients(optimizer, 1000 * seed + k)
        optimizer.step()
        if then is not None:
            then()
    return flat([p for group in optimizer.param_groups for p in group["params"]])


def apart(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max())


# ---------------------------------------------------------------- the constructor


@each_of_torch
def test_signature_is_torchs_with_our_keywords_after_it(name: str) -> None:
    mine = list(inspect.signature(ours(name)).parameters.values())
    original = list(inspect.signature(theirs(name)).parameters.values())
    assert mine[: len(original)] == original
    added = {p.name for p in mine[len(original) :]}
    assert {"decay", "regularizer"} <= added <= EXTRAS
    assert "weight_decay" not in added or name == "Rprop"
    assert all(p.kind is inspect.Parameter.KEYWORD_ONLY for p in mine[len(original) :])


@each_of_torch
def test_defaults_hold_torchs(name: str) -> None:
    mine, original = ours(name)(weights()).defaults, theirs(name)(weights()).defaults
    assert {key: mine[key] for key in original} == original
    assert mine.keys() - original.keys() <= EXTRAS


@each
def test_positional_arguments_and_unknown_ones(name: str) -> None:
    assert ours(name)(weights(), 0.25).param_groups[0]["lr"] == 0.25
    with pytest.raises(TypeError, match="no_such_option"):
        ours(name)(weights(), no_such_option=1)
    with pytest.raises(TypeError, match="too many positional"):
        ours(name)(weights(), *range(20))


@each
def test_is_a_torch_optimizer(name: str) -> None:
    assert isinstance(ours(name)(weights()), torch.optim.Optimizer)
    assert not hasattr(torch.optim, name) or issubclass(ours(name), theirs(name))


@each
@pytest.mark.parametrize(("key", "wrong", "legal"), [("decay", "l2", NAMED), ("regularizer", "L1", ["L1()"])])
def test_a_wrong_word_is_answered_with_the_right_ones(name: str, key: str, wrong: Any, legal: Any) -> None:
    for value in (wrong, 3):
        with pytest.raises(ValueError, match=key) as caught:
            ours(name)(weights(), **{key: value})
        assert all(word in str(caught.value) for word in legal)


REFUSED = [("coupled", rz.L1()), ("decoupled", rz.GroupLasso(0)), ("cautious", rz.L0()), ("independent", rz.Box(-1, 1))]


@each
@pytest.mark.parametrize(("decay", "regularizer"), REFUSED)
def test_what_does_not_compose_is_refused_with_what_would(name: str, decay: str, regularizer: Any) -> None:
    with pytest.raises(ValueError, match="does not compose") as caught:
        ours(name)(weights(), lr=0.1, decay=decay, regularizer=regularizer)
    assert "'proximal'" in str(caught.value)
    optimizer = ours(name)(weights(), lr=0.1)
    train(optimizer, 2)
    before = copy.deepcopy(optimizer.state_dict())
    late = {"params": weights(seed=1), "decay": decay, "regularizer": regularizer}
    with pytest.raises(ValueError, match="does not compose"):
        optimizer.add_param_group(late)
    assert repr(optimizer.state_dict()) == repr(before)
    assert train(optimizer, 2).isfinite().all()


@each
@pytest.mark.parametrize("wrong", [{"lr": -0.1}, {"weight_decay": -0.1}])
def test_negative_numbers_are_refused(name: str, wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong)).replace("lr", "(lr|learning rate)")):
        ours(name)(weights(), **wrong)


@each
def test_repr_shows_update_and_engine(name: str) -> None:
    optimizer = ours(name)([{"params": [p]} for p in weights()], decay="proximal", regularizer=rz.L1(), lr=0.1)
    text = repr(optimizer)
    assert text.startswith(f"{name} (\nParameter Group 0\n    update: ")
    assert text.count("× (implicit × schedule) × L1()") == text.count("engine: eager (") == 2
    lines = [line for line in text.split("\n") if "update:" not in line and "engine:" not in line]
    assert "\n".join(lines) == torch.optim.Optimizer.__repr__(optimizer)


# ---------------------------------------------------------------- step, closure, hooks, profiler


@each
@pytest.mark.parametrize("grad_mode", [torch.enable_grad, torch.no_grad])
def test_closure_runs_once_with_gradients_on(name: str, grad_mode: Any) -> None:
    params, calls = weights(), []
    optimizer, before = ours(name)(params), flat(params)

    def closure() -> torch.Tensor:
        calls.append(torch.is_grad_enabled())
        optimizer.zero_grad()
        loss = sum((p**2).sum() for p in params)
        loss.backward()
        return loss

    with grad_mode():
        loss = optimizer.step(closure)
        assert torch.is_grad_enabled() == (grad_mode is torch.enable_grad)
    assert calls == [True]
    assert loss.item() == pytest.approx(float((before**2).sum()))
    assert apart(before, flat(params)) > 0
    assert optimizer.step() is None


def hooked(optimizer: torch.optim.Optimizer) -> list[str]:
    """What ran, and in which order, in a step and in saving and loading, with hooks of all kinds."""
    log: list[str] = []
    kinds = ["step_pre", "step_post", "state_dict_pre", "state_dict_post"]
    kinds += ["load_state_dict_pre", "load_state_dict_post"]
    for kind in kinds:
        register = getattr(optimizer, f"register_{kind}_hook")
        register(lambda *a, kind=kind: log.append(f"{kind} of {len(a)}"))
        if "state_dict" in kind:
            register(lambda *a, kind=kind: log.append(f"{kind} first"), prepend=True)
    handles = [
        register_optimizer_step_pre_hook(lambda *a: log.append("global pre")),
        register_optimizer_step_post_hook(lambda *a: log.append("global post")),
    ]
    train(optimizer, 2)
    for handle in handles:
        handle.remove()
    optimizer.load_state_dict(optimizer.state_dict())
    train(optimizer, 1)
    return log


@each
def test_hooks_run_as_in_torch(name: str) -> None:
    expected = hooked(theirs(name if name in TORCH else "Adam")(weights()))
    assert hooked(ours(name)(weights())) == expected
    assert len(expected) == 18


@each
def test_hooks_take_effect(name: str) -> None:
    optimizer = ours(name)(weights(), lr=0.5)
    optimizer.register_state_dict_post_hook(lambda o, d: {**d, "mark": 1})
    optimizer.register_load_state_dict_pre_hook(lambda o, d: {**d, "param_groups": [{**d["param_groups"][0], "lr": 2}]})
    saved = optimizer.state_dict()
    assert saved["mark"] == 1
    optimizer.load_state_dict(saved)
    assert optimizer.param_groups[0]["lr"] == 2
    assert saved["param_groups"][0]["lr"] == 0.5
    optimizer.register_step_pre_hook(lambda o, args, kwargs: ((o, lambda: 7.0), {}))
    assert optimizer.step() == 7.0


@each
def test_profiler_names(name: str) -> None:
    optimizer = ours(name)(weights())
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        train(optimizer, 1)
        optimizer.zero_grad()
    names = [event.key for event in profile.key_averages()]
    assert names.count(f"Optimizer.step#{name}.step") == 1
    assert names.count(f"Optimizer.zero_grad#{name}.zero_grad") == 1


# ---------------------------------------------------------------- parameter groups


@each
def test_groups_have_their_own_settings_also_late(name: str) -> None:
    first, late = weights(seed=1), weights(seed=2)
    optimizer = ours(name)(first, lr=0.1)
    train(optimizer, 2)
    optimizer.add_param_group({"params": late, "lr": 0.02, "weight_decay": 0.3, "decay": "proximal"})
    alone = ours(name)(weights(seed=2), lr=0.02, weight_decay=0.3, decay="proximal")
    give_gradients(optimizer, 5)
    for p, q in zip(late, alone.param_groups[0]["params"], strict=True):
        q.grad = p.grad
    optimizer.step()
    alone.step()
    assert apart(flat(late), flat(alone.param_groups[0]["params"])) == 0
    assert optimizer.param_groups[1]["lr"] == 0.02


PAPER = {"decay": "independent"}


def test_a_late_group_has_the_default_of_its_own_treatment() -> None:
    """λ = 1e-2 is for lr·λ a step; taken as a share of the weights a step it is a thousandfold."""
    optimizer = halflife.AdamW(weights())
    optimizer.add_param_group({"params": weights(seed=1), **PAPER})
    expected = [halflife.AdamW(weights(), **more).param_groups[0]["weight_decay"] for more in ({}, PAPER)]
    assert [group["weight_decay"] for group in optimizer.param_groups] == expected == [1e-2, pytest.approx(1e-5)]


def bad_groups(own: torch.nn.Parameter) -> dict[str, Any]:
    free = torch.nn.Parameter(torch.ones(2))
    return {
        "duplicate": {"params": [own]},
        "non-leaf": {"params": [free * 2]},
        "set": {"params": {free}},
        "not a dict": [free],
        "not a tensor": {"params": [1.0]},
        "named": {"params": [("w", free)]},
        "half named": {"params": [("w", free), own]},
        "no params": {"lr": 0.1},
        "twice": {"params": [free, free]},
    }


def refusal(optimizer_class: Any, case: str) -> tuple[Any, str, int]:
    """What it says to the bad group, and how many groups it has then."""
    optimizer = optimizer_class(weights())
    with pytest.raises((TypeError, ValueError, KeyError, UserWarning)) as caught:
        optimizer.add_param_group(bad_groups(optimizer.param_groups[0]["params"][0])[case])
    return caught.type, str(caught.value), len(optimizer.param_groups)


@each
@pytest.mark.parametrize("case", bad_groups(torch.nn.Parameter(torch.ones(1))))
def test_bad_groups_are_refused_as_in_torch(name: str, case: str) -> None:
    expected = refusal(theirs(name if name in TORCH else "Adam"), case)
    assert refusal(ours(name), case) == expected
    assert expected[2] == 1


@each
def test_single_tensor_and_generator_of_parameters(name: str) -> None:
    p, q = weights()
    optimizer = ours(name)(iter([p]))
    optimizer.add_param_group({"params": q})
    assert [group["params"] for group in optimizer.param_groups] == [[p], [q]]


@each
def test_named_parameters(name: str) -> None:
    model = torch.nn.Linear(3, 2)
    optimizer = ours(name)(model.named_parameters())
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]
    before = flat(list(model.parameters()))
    assert apart(train(optimizer, 1).float(), before) > 0


@each
@each_engine
def test_zero_grad_both_ways(name: str, engine: dict[str, bool]) -> None:
    optimizer = ours(name)(weights(), **engine)
    give_gradients(optimizer, 0)
    grads = [p.grad for p in optimizer.param_groups[0]["params"]]
    optimizer.zero_grad(set_to_none=False)
    assert all((g == 0).all() for g in grads)
    assert [p.grad for p in optimizer.param_groups[0]["params"]] == grads
    optimizer.zero_grad()
    assert [p.grad for p in optimizer.param_groups[0]["params"]] == [None, None]


@each
@each_engine
def test_maximize_is_minimizing_the_negative(name: str, engine: dict[str, bool]) -> None:
    up, down = (ours(name)(weights(), lr=0.1, weight_decay=0.2, maximize=m, **engine) for m in (True, False))
    for k in range(4):
        for optimizer, sign in ((up, -1), (down, 1)):
            give_gradients(optimizer, k)
            for p in optimizer.param_groups[0]["params"]:
                p.grad *= sign
            optimizer.step()
    assert apart(flat(up.param_groups[0]["params"]), flat(down.param_groups[0]["params"])) == 0


# ---------------------------------------------------------------- what is written, and what is not


@each
@pytest.mark.parametrize("flags", [*ENGINES, {}, {"differentiable": True}, {"maximize": True}], ids=str)
def test_gradients_are_never_written(name: str, flags: dict[str, bool]) -> None:
    tricky = {"SGD": {"momentum": 0.9, "nesterov": True}, "RMSprop": {"momentum": 0.9, "centered": True}}
    p = torch.randn(3, 4).requires_grad_().clone()
    p.retain_grad()
    optimizer = ours(name)([p], lr=0.1, weight_decay=0.3, **tricky.get(name, {}), **flags)
    for k in range(4):
        give_gradients(optimizer, k)
        grad, was, version = p.grad, p.grad.clone(), p.grad._version
        optimizer.step()
        assert p.grad is grad
        assert (p.grad == was).all()
        assert grad._version == version
        assert not any(x.data_ptr() == grad.data_ptr() for x in optimizer.state[p].values())


@each
@each_engine
def test_parameters_without_gradient_are_left_alone(name: str, engine: dict[str, bool]) -> None:
    counts, still, moving = torch.tensor([1, 2]), torch.nn.Parameter(torch.ones(3)), torch.nn.Parameter(torch.ones(3))
    optimizer = ours(name)([counts, still, moving], lr=0.1, weight_decay=0.5, **engine)
    moving.grad = torch.ones(3)
    optimizer.step()
    assert counts.tolist() == [1, 2]
    assert (still == 1).all()
    assert (moving != 1).all()
    assert name == "Adagrad" or set(optimizer.state) <= {moving}  # Adagrad makes its states at construction
    for p in (still, moving):
        p.grad = None
    optimizer.step()
    assert (still == 1).all()


@each
@each_engine
def test_parameters_stay_the_same_objects(name: str, engine: dict[str, bool]) -> None:
    params = weights()
    where, versions = [p.data_ptr() for p in params], [p._version for p in params]
    optimizer = ours(name)(params, **engine)
    train(optimizer, 2)
    assert [p.data_ptr() for p in params] == where
    assert all(p._version > v for p, v in zip(params, versions, strict=True))
    assert all(p.is_leaf and p.requires_grad for p in params)
    assert not any(x.requires_grad for s in optimizer.state.values() for x in s.values())


# ---------------------------------------------------------------- copies


def by_pickle(optimizer: Any) -> Any:
    return pickle.loads(pickle.dumps(optimizer))


def by_torch_save(optimizer: Any) -> Any:
    buffer = io.BytesIO()
    torch.save(optimizer, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=False)


@each
@pytest.mark.parametrize("duplicate", [copy.deepcopy, by_pickle, by_torch_save])
def test_copies_go_on_alike_and_apart(name: str, duplicate: Callable[[Any], Any]) -> None:
    optimizer = ours(name)(weights(), lr=0.1, weight_decay=0.1, decay="proximal", regularizer=rz.L1())
    train(optimizer, 3)
    twin = duplicate(optimizer)
    expected = train(optimizer, 3, seed=1)
    assert apart(train(twin, 3, seed=1), expected) == 0
    assert apart(flat(optimizer.param_groups[0]["params"]), expected) == 0
    for each_one in (optimizer, twin):
        each_one.add_param_group({"params": weights(seed=3), "lr": 0.05})
    assert apart(train(optimizer, 2, seed=2), train(twin, 2, seed=2)) == 0
    assert {**optimizer.param_groups[1], "params": 0} == {**twin.param_groups[1], "params": 0}


# ---------------------------------------------------------------- classes of one's own


@each
def test_a_user_may_subclass(name: str) -> None:
    class Mine(ours(name)):
        def __init__(self, params: Any, strength: float = 0.1):
            super().__init__(params, lr=0.05, weight_decay=strength)
            self.strength = strength

        def step(self, closure: Any = None) -> Any:
            self.strength += 1
            return super().step(closure)

    optimizer = Mine(weights(), strength=0.2)
    plain = ours(name)(weights(), lr=0.05, weight_decay=0.2)
    assert apart(train(optimizer, 3), train(plain, 3)) == 0
    assert optimizer.strength == 3.2
    assert list(inspect.signature(Mine).parameters) == ["params", "strength"]
    assert repr(optimizer).startswith("Mine (")


def test_a_preset_of_ones_own_and_a_mistake_in_one() -> None:
    class Strong(halflife.AdamW, weight_decay=0.5, lr=0.1):
        pass

    assert Strong(weights()).defaults["weight_decay"] == 0.5
    assert apart(train(Strong(weights())), train(halflife.AdamW(weights(), lr=0.1, weight_decay=0.5))) == 0
    with pytest.raises(TypeError, match="sets momentum"):
        type("Wrong", (halflife.AdamW,), {}, momentum=0.9)


@each
def test_a_regularizer_of_ones_own(name: str) -> None:
    """It may use any function of tensors: the default engine has to be one that can."""

    class LogCosh(rz.Regularizer):
        has_grad, has_prox = True, False

        def value(self, w: torch.Tensor) -> torch.Tensor:
            return w.cosh().log().sum()

        def grad(self, w: torch.Tensor) -> torch.Tensor:
            return torch.tanh(w)

        def prox(self, y: torch.Tensor, tau: Any) -> torch.Tensor:
            raise NotImplementedError

    runs = [
        train(ours(name)(weights(), lr=0.1, weight_decay=0.3, decay="decoupled", regularizer=LogCosh(), **flags))
        for flags in ({}, {"foreach": False}, {"foreach": True})
    ]
    assert apart(runs[0], runs[1]) <= 1e-12
    assert apart(runs[2], runs[1]) <= 1e-12


@pytest.mark.parametrize("flags", [{}, *ENGINES], ids=str)
def test_a_rule_of_ones_own(flags: dict[str, bool]) -> None:
    """It may use any function of tensors too."""

    @dataclass(frozen=True)
    class Squash(halflife.rules.Rule):
        gain: float = 2.0

        def __call__(self, t: Any, w: Any, g: Any, s: Any) -> Any:
            return torch.tanh(self.gain * g), 1.0, {}

    class Squashed(halflife.Optimizer, rule=Squash, lr=0.1):
        pass

    optimizer = Squashed(weights(), gain=3.0, **flags)
    moved = flat(weights()) - train(optimizer, 1)
    assert apart(moved, 0.1 * torch.tanh(3.0 * flat([p.grad for p in optimizer.param_groups[0]["params"]]))) <= 1e-14


# ---------------------------------------------------------------- schedulers


SCHEDULERS: dict[str, Callable[[Any], Any]] = {
    "StepLR": lambda o: lr_scheduler.StepLR(o, step_size=2, gamma=0.5),
    "CosineAnnealingLR": lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=7),
    "LinearLR": lambda o: lr_scheduler.LinearLR(o, start_factor=0.1, total_iters=4),
    "LambdaLR": lambda o: lr_scheduler.LambdaLR(o, lambda k: 1 / (k + 1)),
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, 0.1, total_steps=10, cycle_momentum=False),
}


@each
@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("decay", ["decoupled", "proximal"])
@pytest.mark.parametrize("shape", [(), (1,)], ids=["0-d", "1-d"])
def test_a_tensor_lr_under_a_scheduler(name: str, scheduler: str, decay: str, shape: tuple[int, ...]) -> None:
    runs = []
    for lr in (0.1, torch.full(shape, 0.1, dtype=torch.float64)):
        optimizer = ours(name)(weights(), lr=lr, weight_decay=0.2, decay=decay)
        runs.append(train(optimizer, 8, then=SCHEDULERS[scheduler](optimizer).step))
    assert optimizer.param_groups[0]["lr"] is lr
    assert apart(*runs) <= 1e-12


MOMENTUM = {"SGD": {"momentum": 0.9}, "RMSprop": {"momentum": 0.9}, "Adam": {}, "AdamW": {}, "NAdam": {}}
MOMENTUM |= {"RAdam": {}, "Adamax": {}}
CYCLES: dict[str, Callable[[Any], Any]] = {
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, max_lr=0.05, total_steps=41),
    "CyclicLR": lambda o: lr_scheduler.CyclicLR(o, 1e-3, 5e-2, step_size_up=7, base_momentum=0.6, max_momentum=0.95),
}


@pytest.mark.parametrize("cycle", CYCLES)
@pytest.mark.parametrize("name", MOMENTUM)
@each_engine
def test_cycled_momentum_is_read_at_every_step(name: str, cycle: str, engine: dict[str, bool]) -> None:
    runs, momenta = [], set()
    for module in (torch.optim, halflife):
        optimizer = getattr(module, name)(weights(), lr=1e-2, **MOMENTUM[name], **engine)
        runs.append(train(optimizer, 40, then=CYCLES[cycle](optimizer).step))
        group = optimizer.param_groups[0]
        momenta.add(group["momentum"] if "momentum" in group else group["betas"][0])
    assert len(momenta) == 1
    assert apart(*runs) <= 1e-12


# ---------------------------------------------------------------- tensors for numbers, complex, capturable, fused


@pytest.mark.parametrize("name", ["Adam", "AdamW", "AdamL2", "ProxAdam", "AdamP"])
@pytest.mark.parametrize("shape", [(), (1,)], ids=["0-d", "1-d"])
@pytest.mark.parametrize("flags", [{}, {"foreach": True, "capturable": True}, {"differentiable": True}], ids=str)
def test_tensor_betas(name: str, shape: tuple[int, ...], flags: dict[str, bool]) -> None:
    betas = tuple(torch.full(shape, β, dtype=torch.float64) for β in (0.8, 0.95))
    runs = []
    for each_one in ((0.8, 0.95), betas):
        params = [p.detach() for p in weights()]
        runs.append(train(ours(name)(params, lr=0.1, betas=each_one, **flags)))
    assert apart(*runs) <= 1e-12
    assert apart(runs[0], flat(weights())) > 1e-3


@pytest.mark.parametrize("name", CAPTURABLE)
@each_engine
@pytest.mark.parametrize("tensor_lr", [False, True], ids=["number", "tensor"])
def test_capturable_on_the_cpu_agrees_with_plain(name: str, engine: dict[str, bool], tensor_lr: bool) -> None:
    lr = torch.tensor(0.1) if tensor_lr else 0.1
    plain = train(ours(name)(weights(), lr=0.1, weight_decay=0.2), 12)
    captured = train(ours(name)(weights(), lr=lr, weight_decay=0.2, capturable=True, **engine), 12)
    assert apart(plain, captured) <= 1e-12


@each_of_torch
@each_engine
@pytest.mark.parametrize("weight_decay", [0.0, 0.2])
def test_complex_parameters(name: str, engine: dict[str, bool], weight_decay: float) -> None:
    decay = {"weight_decay": weight_decay} if name != "Rprop" else {}
    runs = []
    for module in (torch.optim, halflife):
        optimizer = getattr(module, name)(weights(torch.complex128), lr=0.05, **decay, **engine)
        runs.append(train(optimizer, 8))
        assert all(x.is_complex() for s in optimizer.state.values() for x in s.values() if x.dim())
    assert apart(*runs) <= 1e-12


@pytest.mark.parametrize("name", ["SGD", "Adagrad", "Adam", "AdamW"])
def test_fused_under_a_gradient_scaler(name: str) -> None:
    """torch's fused optimizers unscale the gradients themselves, and skip the step if one is infinite."""
    runs = []
    for module in (torch.optim, halflife):
        params = weights(torch.float32)
        optimizer = getattr(module, name)(params, lr=0.1, fused=True)
        scaler = torch.amp.GradScaler("cpu", init_scale=64.0)
        for k in range(4):
            optimizer.zero_grad()
            loss = sum((p**2).sum() for p in params) * (float("inf") if k == 2 else 1.0)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
        runs.append(flat(params))
    assert apart(*runs) <= 1e-6


# ---------------------------------------------------------------- meta-gradients


def final_loss(name: str, key: str, x: Any, live: bool, **settings: Any) -> torch.Tensor:
    """The loss after three steps, as a function of one hyper-parameter.

    ``live``: the group is added with the number 0.1 and x written into it then, so that x is no base learning rate.
    """
    p = torch.linspace(-1.5, 1.6, 6).requires_grad_().clone()
    p.retain_grad()
    numbers = {"lr": 0.1, "weight_decay": 0.2, key: 0.1 if live else x}
    optimizer = ours(name)([p], **numbers, differentiable=True, **settings)
    optimizer.param_groups[0][key] = x
    for _ in range(3):
        (p.grad,) = torch.autograd.grad(torch.sin(2 * p.clone()).sum(), p, create_graph=True)
        optimizer.step()
    return (p**2).sum()


META = [(name, {"decay": "decoupled"} if name == "Rprop" else {}) for name in ALL]
META += [("SGD", {"momentum": 0.9, "nesterov": True}), ("RMSprop", {"momentum": 0.9, "centered": True})]
META += [("Adam", {"decay": d}) for d in NAMED] + [("Adam", {"decay": "proximal", "regularizer": rz.L1()})]


def has_schedule(name: str, settings: dict[str, Any]) -> bool:
    return decay_of(ours(name)(weights(), **settings).param_groups[0]).needs_schedule


META_CASES = [
    pytest.param(name, settings, key, live, id=f"{name}-{settings}-{key}-{'written' if live else 'constructed'}")
    for name, settings in META
    for key in ("lr", "weight_decay")
    for live in (True, False)
    # constructed with another lr, lr/α is 1 as before: only a learning rate that moves has a slope through it
    if live or key == "weight_decay" or not has_schedule(name, settings)
]


@pytest.fixture
def every_warning():
    torch.set_warn_always(True)
    yield
    torch.set_warn_always(False)


@pytest.mark.usefixtures("every_warning")
@pytest.mark.parametrize(("name", "settings", "key", "live"), META_CASES)
def test_meta_gradients_agree_with_finite_differences(name: str, settings: Any, key: str, live: bool) -> None:
    at, h = 0.1, 1e-6
    x = torch.tensor(at, requires_grad=True)
    (slope,) = torch.autograd.grad(final_loss(name, key, x, live, **settings), x)
    plus, minus = (final_loss(name, key, at + d, live, **settings).item() for d in (h, -h))
    assert slope.item() == pytest.approx((plus - minus) / (2 * h), rel=1e-5, abs=1e-8)
    assert slope != 0
