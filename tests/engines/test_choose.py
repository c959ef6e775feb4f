"""Which engine is taken for which tensor, and that it is told why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from itertools import combinations
from operator import is_
from typing import Any

import pytest
import torch
from torch import Tensor

import halflife
from halflife.decays import NAMED
from halflife.engines import ENGINES, GroupStep, Memory, choose, foreach
from halflife.engines.choose import NATIVE_REASON, SMALL
from halflife.engines.library import Library, Missing, load
from halflife.engines.memory import SCALE
from halflife.regularizers import L1, L2, GroupLasso, OnSubset, Scaled, Sum
from halflife.rules import Adam, Rule, Scalar, State
from halflife.update import Update

needs_native = pytest.mark.skipif(isinstance(load(), Missing), reason=f"no native engine: {load()}")
WISHES = (None, *ENGINES)


class Subclass(Tensor):
    pass


@dataclass(frozen=True)
class OwnRule(Rule):
    metric = "identity"

    def __call__(self, t: Scalar, w: Tensor, g: Tensor, s: State) -> tuple[Tensor, float, State]:
        return g, 1.0, {}


def tensors(count: int = 3, size: int = 4, device: str = "cpu") -> list[Tensor]:
    return [torch.ones(size, device=device) for _ in range(count)]


def sparse() -> Tensor:
    return torch.sparse_coo_tensor([[0]], [1.0], (4,), check_invariants=True)


def subclass() -> Tensor:
    return torch.ones(4).as_subclass(Subclass)


def made(params: list[Tensor] | None = None, grads: list[Tensor] | None = None, **given: Any) -> GroupStep:
    """A group's step of these; three small tensors unless others are given."""
    params = tensors() if params is None else params
    update = Update(given.pop("rule", Adam()), NAMED["proximal"], given.pop("R", L2()))
    states = given.pop("states", [{} for _ in params])
    return GroupStep(update, 0.1, 1.0, 0.5, params, params if grads is None else grads, states, **given)


def chosen(step: GroupStep, asked: Any = None) -> list[tuple[str, list[int], str]]:
    """The engines, each with the places of its tensors, which have their own gradients and states, and its reason."""
    everything = [*zip(step.params, step.grads, step.states, strict=True)]
    found = list[tuple[str, list[int], str]]()
    for choice, part in choose(step, asked):
        own = zip(part.params, part.grads, part.states, strict=True)
        places = list(range(len(everything)))
        found.append((choice.name, [], choice.reason))
        for one in own:
            found[-1][1].append(next(i for i in places if all(map(is_, one, everything[i]))))
            places.remove(found[-1][1][-1])
    return found


def is_whole(step: GroupStep, asked: Any, name: str, reason: str) -> bool:
    """Whether one engine has all tensors in their order, for that reason."""
    [(found, places, why)] = chosen(step, asked)
    return (found, places) == (name, list(range(len(step.params)))) and reason in why


@pytest.fixture
def without_native(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("halflife.engines.choose"), "load", lambda: Missing("it is a test"))


REASONS: list[tuple[str | None, dict[str, Any], str, str]] = [
    *((asked, {"mode": "differentiable"}, "eager", "differentiable=True") for asked in WISHES),
    *((asked, {"params": [torch.ones(4)] * 2}, "eager", "a parameter stands twice") for asked in WISHES),
    *((asked, {"grads": [sparse()] * 3}, "eager", "a gradient is sparse") for asked in WISHES),
    *((asked, {"params": [subclass()]}, "eager", "is a tensor subclass") for asked in WISHES),
    *((asked, {"grads": [subclass()] * 3}, "eager", "is a tensor subclass") for asked in WISHES),
    ("eager", {}, "eager", "engine='eager' was given"),
    ("eager", {"params": tensors(1, 4, "meta")}, "eager", "engine='eager' was given"),
    *((asked, {"R": GroupLasso(0)}, "eager", "GroupLasso(dim=0) couples") for asked in WISHES if asked != "eager"),
    (None, {"R": Sum(L2(), Scaled(2.0, GroupLasso(0)))}, "eager", "couples the coordinates"),
    ("foreach", {}, "foreach", "engine='foreach' was given"),
    ("foreach", {"params": tensors(2, SMALL + 1)}, "foreach", "engine='foreach' was given"),
    *((asked, {"params": tensors(1, 4, "meta")}, "foreach", "on an accelerator") for asked in (None, "native")),
    (None, {"params": tensors(2, SMALL + 1)}, "eager", "on the CPU, 2 tensors of 2,049 numbers on average, each"),
    (None, {"params": tensors(1)}, "eager", "on the CPU, 1 tensor: nothing"),
    (None, {"params": []}, "eager", "on the CPU, 0 tensors: nothing"),
    (None, {"params": tensors(2, SMALL)}, "foreach", "on the CPU, 2 tensors of 2,048 numbers on average share"),
    (None, {}, "foreach", "on the CPU, 3 tensors of 4 numbers on average share"),
    ("native", {}, "foreach", "average share each call; not native: there is no native engine: it is a test"),
]


@pytest.mark.usefixtures("without_native")
@pytest.mark.parametrize(("asked", "given", "name", "reason"), REASONS)
def test_every_reason_without_a_native_engine(asked: Any, given: dict[str, Any], name: str, reason: str) -> None:
    assert is_whole(made(**given), asked, name, reason)


@pytest.mark.usefixtures("without_native")
def test_what_was_asked_for_is_not_excused() -> None:
    for asked in ("eager", "foreach"):
        assert "not native" not in chosen(made(), asked)[0][2]


@needs_native
def test_native_is_taken_where_it_fits() -> None:
    for asked in (None, "native"):
        for params in (tensors(), tensors(1), tensors(2, SMALL + 1)):
            assert is_whole(made(params), asked, "native", NATIVE_REASON)


OF_GROUPS: list[tuple[dict[str, Any], str, str]] = [
    ({"mode": "capturable"}, "foreach", "capturable=True needs the step in torch's own operations"),
    ({"rule": OwnRule()}, "foreach", "the rule OwnRule is not compiled"),
    ({"R": OnSubset(OnSubset(L1(), torch.ones(4) > 0), torch.ones(4) > 0)}, "foreach", "is not compiled"),
    ({"R": Sum(GroupLasso(0), L2())}, "eager", "is not compiled"),
]


@needs_native
@pytest.mark.parametrize(("given", "name", "reason"), OF_GROUPS)
@pytest.mark.parametrize("asked", [None, "native"])
def test_an_obstacle_of_the_whole_group(given: dict[str, Any], name: str, reason: str, asked: Any) -> None:
    [(found, places, why)] = chosen(made(**given), asked)
    assert (found, places) == (name, [0, 1, 2])
    assert "; not native: " in why
    assert reason in why


def wrapped(x: Tensor) -> Tensor:
    """A wrapper of torch.func, of torch's own class and without memory."""
    found: list[Tensor] = []
    torch.func.vmap(lambda row: found.append(row) or row)(x[None])
    return found[0]


def inferred() -> Tensor:
    with torch.inference_mode():
        return torch.ones(4)


def state(**changed: Any) -> dict[str, Any]:
    return {"step": torch.tensor(1.0), "exp_avg": torch.ones(4), "exp_avg_sq": torch.ones(4), **changed}


def coded(**changed: Any) -> dict[str, Any]:
    codes = {name: torch.ones(4, dtype=torch.uint8) for name in ("exp_avg", "exp_avg_sq")}
    scales = {name + SCALE: torch.ones(1) for name in codes}
    return state() | codes | scales | changed


OWN_MEMORY, GAPS, STATE = "no plain tensor with memory of its own", "is complex or has gaps", "a state lies in memory"
BF16 = torch.bfloat16
OF_TENSORS: dict[str, tuple[Callable[[], dict[str, Any]], str]] = {
    "negated gradient": (lambda: {"g": torch._neg_view(torch.ones(4))}, OWN_MEMORY),
    "wrapped": (lambda: {"p": wrapped(torch.ones(4))}, OWN_MEMORY),
    "wrapped gradient": (lambda: {"g": wrapped(torch.ones(4))}, OWN_MEMORY),
    "inference": (lambda: {"p": inferred()}, OWN_MEMORY),
    "gradient elsewhere": (lambda: {"g": torch.ones(4, device="meta")}, OWN_MEMORY),
    "complex": (lambda: {"p": torch.ones(4, dtype=torch.complex64)}, GAPS),
    "gaps": (lambda: {"p": torch.ones(8)[::2]}, GAPS),
    "gaps in the gradient": (lambda: {"g": torch.ones(8)[::2]}, GAPS),
    "expanded gradient": (lambda: {"g": torch.ones(()).expand(4)}, GAPS),
    "gradient of another shape": (lambda: {"g": torch.ones(5)}, GAPS),
    "order of dimensions": (lambda: {"p": torch.ones(2, 2).t(), "g": torch.ones(2, 2)}, GAPS),
    "integers": (lambda: {"p": torch.ones(4, dtype=torch.int32)}, GAPS),
    "wide state": (lambda: {"s": state(exp_avg=torch.ones(4).double(), exp_avg_sq=torch.ones(4).double())}, STATE),
    "states of two dtypes": (lambda: {"s": state(exp_avg=torch.ones(4, dtype=BF16))}, STATE),
    "state with gaps": (lambda: {"s": state(exp_avg=torch.ones(8)[::2])}, STATE),
    "short state": (lambda: {"s": state(exp_avg=torch.ones(3))}, STATE),
    "state of a subclass": (lambda: {"s": state(exp_avg=subclass())}, STATE),
    "wrapped state": (lambda: {"s": state(exp_avg=wrapped(torch.ones(4)))}, STATE),
    "state elsewhere": (lambda: {"s": state(exp_avg=torch.ones(4, device="meta"))}, STATE),
    "half clock": (lambda: {"s": state(step=torch.tensor(1.0, dtype=BF16))}, STATE),
    "two clocks": (lambda: {"s": state(step=torch.ones(2))}, STATE),
    "clock elsewhere": (lambda: {"s": state(step=torch.ones((), device="meta"))}, STATE),
    "half scale": (lambda: {"s": coded(exp_avg_scale=torch.ones(1, dtype=BF16)), "dtype": "8bit"}, STATE),
    "8-bit out of order": (lambda: {"p": torch.ones(2, 3).t(), "s": {}, "dtype": "8bit"}, STATE),
    "another state dtype": (lambda: {"s": state(), "dtype": BF16}, STATE),
}


def with_one(change: dict[str, Any], place: int, beside: int = 2) -> GroupStep:
    """A step of some plain tensors and of one that is not, at that place."""
    p = change.get("p", torch.ones(4))
    g = change.get("g", p)
    params, grads, states = tensors(beside), tensors(beside), [dict[str, Any]() for _ in range(beside)]
    for of, x in ((params, p), (grads, g), (states, change.get("s", {}))):
        of.insert(place, x)
    return made(params, grads, states=states, memory=Memory(state_dtype=change.get("dtype")))


@needs_native
@pytest.mark.parametrize("name", OF_TENSORS)
@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("asked", [None, "native"])
def test_an_obstacle_of_one_tensor_leaves_the_others_to_native(name: str, place: int, asked: Any) -> None:
    change, reason = OF_TENSORS[name]
    by = chosen(with_one(change(), place), asked)
    assert by[0] == ("native", [i for i in range(3) if i != place], NATIVE_REASON)
    assert by[1][:2] == ("eager", [place])
    assert by[1][2].startswith("on the CPU, 1 tensor: nothing to share; not native: ")
    assert reason in by[1][2]
    assert len(by) == 2


@needs_native
def test_a_tensor_elsewhere_is_left_to_foreach() -> None:
    [native, other] = chosen(made([*tensors(), *tensors(1, 4, "meta")]))
    assert native == ("native", [0, 1, 2], NATIVE_REASON)
    assert other[:2] == ("foreach", [3])
    assert "on an accelerator" in other[2]
    assert "; not native: a parameter is not on the CPU" in other[2]


@needs_native
@pytest.mark.parametrize("asked", WISHES)
def test_three_engines_for_one_group(asked: Any) -> None:
    """Plain ones, those that no engine but eager takes, and those with gaps; what each engine has stays in order."""
    gaps = [torch.ones(8)[::2] for _ in range(2)]
    params = [subclass(), gaps[0], torch.ones(4), torch.ones(4), gaps[1], torch.ones(4)]
    grads = [*params[:3], sparse(), *params[4:]]
    found = chosen(made(params, grads), asked)
    special = ("eager", [0, 3], "a parameter or its gradient is a tensor subclass")
    if asked in (None, "native", "cuda", "compiled"):
        engine = "compiled" if asked == "compiled" else "native"
        assert found[0][:2] == (engine, [2, 5])
        assert found[1] == special
        assert found[2][:2] == ("foreach", [1, 4])
        assert found[2][2].endswith(f"; not {engine}: a parameter or gradient is complex or has gaps in memory")
    else:
        assert found == [special, (asked, [1, 2, 4, 5], f"engine={asked!r} was given")]


def test_a_part_has_what_belongs_to_its_tensors() -> None:
    step = made(grads=[sparse(), torch.ones(4), sparse()], states=[{"own": k} for k in range(3)], ema_decay=0.5)
    assert sorted(places for _, places, _ in chosen(step)) == [[0, 2], [1]]
    assert all(part.ema_decay == 0.5 and part.update is step.update for _, part in choose(step))


OBSTACLES: dict[str, dict[str, Any]] = {
    "differentiable": {"mode": "differentiable"},
    "sparse": {"grads": [sparse()] * 3},
    "coupling": {"R": GroupLasso(())},
    "subclass": {"params": [subclass() for _ in range(3)]},
}
MIXES = [mix for size in range(1, 5) for mix in combinations(OBSTACLES, size)]


@pytest.mark.parametrize("mix", MIXES, ids="+".join)
@pytest.mark.parametrize("asked", WISHES)
def test_an_obstacle_outweighs_every_wish(mix: tuple[str, ...], asked: Any) -> None:
    given = {key: value for obstacle in mix for key, value in OBSTACLES[obstacle].items()}
    assert [name for name, _, _ in chosen(made(**given), asked)] == ["eager"]


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> list[GroupStep]:
    """The steps that the foreach engine is given."""
    steps: list[GroupStep] = []
    run = foreach.run

    def watch(step: GroupStep) -> None:
        steps.append(step)
        run(step)

    monkeypatch.setattr(foreach, "run", watch)
    return steps


def step(optimizer: Any, gradient: Any) -> None:
    for group in optimizer.param_groups:
        for p in group["params"]:
            p.grad = gradient(p)
    optimizer.step()


def parameters(count: int, size: int = 4) -> list[torch.nn.Parameter]:
    return [torch.nn.Parameter(torch.ones(size)) for _ in range(count)]


@pytest.mark.parametrize("name", ["SGD", "Adagrad"])
def test_a_step_with_sparse_gradients_is_not_given_to_foreach(name: str, watched: list[GroupStep]) -> None:
    optimizer = getattr(halflife, name)(parameters(3), engine="foreach")
    step(optimizer, lambda p: sparse())
    assert watched == []
    step(optimizer, torch.ones_like)
    assert len(watched) == 1


@pytest.mark.parametrize("regularizer", [None, L1(), GroupLasso(0), Sum(L2(), GroupLasso(0))], ids=repr)
def test_a_step_goes_where_engines_says(regularizer: Any, watched: list[GroupStep]) -> None:
    groups = [{"params": parameters(1)}, {"params": parameters(3)}, {"params": parameters(2, SMALL + 1)}]
    optimizer = halflife.ProxAdam(groups, weight_decay=0.1, regularizer=regularizer)
    step(optimizer, torch.ones_like)
    names = [choice.name for choice in optimizer.engines()]
    couples = isinstance(regularizer, GroupLasso | Sum)
    native = isinstance(load(), Library) and not isinstance(regularizer, Sum)
    assert names == (["native"] * 3 if native else ["eager", "eager" if couples else "foreach", "eager"])
    assert len(watched) == names.count("foreach")


TORCH_FLAGS: list[dict[str, Any]] = [
    *({"foreach": flag} for flag in (None, False, True)),
    *({"fused": flag} for flag in (None, False, True)),
    *({"foreach": False, "fused": fused} for fused in (None, False, True)),
]


@pytest.mark.parametrize("flags", TORCH_FLAGS, ids=str)
@pytest.mark.parametrize("name", ["Adam", "AdamW", "SGD", "Adagrad"])
def test_torchs_flags_choose_no_engine(flags: dict[str, Any], name: str) -> None:
    plain, flagged = (getattr(halflife, name)(parameters(3)) for _ in range(2))
    flagged.param_groups[0].update(flags)
    assert flagged.engines() == plain.engines()
    made_with = getattr(halflife, name)(parameters(3), **flags)
    assert made_with.engines() == plain.engines()
    for optimizer in (plain, flagged, made_with):
        step(optimizer, lambda p: torch.linspace(-1, 1, 4))
    assert flagged.engines() == made_with.engines() == plain.engines()
    assert torch.equal(flagged.param_groups[0]["params"][0], plain.param_groups[0]["params"][0])
    assert torch.equal(made_with.param_groups[0]["params"][0], plain.param_groups[0]["params"][0])


@pytest.mark.parametrize("asked", WISHES)
def test_a_group_asks_for_itself(asked: Any) -> None:
    groups = [{"params": parameters(3), "engine": asked}, {"params": parameters(3)}]
    optimizer = halflife.Adam(groups, engine="foreach")
    names = [choice.name for choice in optimizer.engines()]
    there = "native" if isinstance(load(), Library) else "foreach"
    assert names == [there if asked in (None, "native", "cuda") else asked, "foreach"]


def test_an_engine_that_there_is_not_is_refused() -> None:
    with pytest.raises(
        ValueError, match="engine='cuda9' is not known; choose None, 'native', 'cuda', 'compiled', 'foreach' or 'eager'"
    ):
        halflife.Adam(parameters(1), engine="cuda9")


@pytest.mark.parametrize("change", [{"engine": "foreach"}, {"engine": "eager"}, {"differentiable": True}], ids=str)
@pytest.mark.parametrize("first", WISHES)
def test_a_wish_may_change_between_two_steps(change: dict[str, Any], first: Any, watched: list[GroupStep]) -> None:
    optimizer = halflife.Adam(tensors(), engine=first)
    step(optimizer, torch.ones_like)
    watched.clear()
    optimizer.param_groups[0].update(change)
    step(optimizer, torch.ones_like)
    assert len(watched) == (change == {"engine": "foreach"})


def test_a_regularizer_of_ones_own_goes_through_lists_tensor_by_tensor() -> None:
    """Its text may call any function of tensors; where a list has no kernel for it, each tensor gets it."""

    class Mine(L2):
        def descend(self, w: torch.Tensor, tau: float) -> torch.Tensor:
            return w - tau * torch.tanh(w) * w.norm().pow(2) * torch.where(w > 0, w, -w)

    results = []
    for engine in ("foreach", "eager"):
        params = [torch.linspace(-1, 1, 4).requires_grad_(), torch.ones(3).requires_grad_()]
        optimizer = halflife.SGD(params, engine=engine, weight_decay=0.5, decay="independent", regularizer=Mine())
        assert optimizer.engines()[0].name == engine
        step(optimizer, torch.zeros_like)
        results.append(torch.cat([p.detach() for p in params]))
    assert torch.equal(*results)
    assert (results[0][4:] - 1).abs().min() > 0.1


def test_a_parameter_without_gradient_does_not_shift_the_others() -> None:
    params = [torch.zeros(3, requires_grad=True), torch.zeros(2, 4).t().requires_grad_(), torch.zeros(5, 2)]
    params[2].requires_grad_()
    optimizer = halflife.AdamW(params)
    params[1].grad, params[2].grad = torch.ones(2, 4).t(), torch.ones(5, 2)
    name = optimizer.engines()[0].name
    optimizer.step()
    assert (name == "native") == (optimizer._stepper._plan is not None)
