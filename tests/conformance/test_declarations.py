"""What each listed rule declares: it holds, and says what composes with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch

import halflife
from halflife import registry
from halflife.decays import NAMED, Decay
from halflife.engines.library import Missing, load
from halflife.engines.native_rows import functor_of
from halflife.registry import RuleEntry
from halflife.regularizers import L1, L2, GroupLasso, Regularizer
from halflife.rules import Rule, StateSpec
from halflife.update import Update, check

from .variants import (
    LAM,
    LR,
    VARIANTS,
    Variant,
    close,
    each_engine,
    each_entry,
    each_variant,
    flat,
    made,
    numbers,
    train,
    weights,
)

BUILT = not isinstance(load(), Missing)


@dataclass(frozen=True)
class Normed(Rule):
    """A rule of whole tensors, that has no metric to divide a threshold by and wants matrices."""

    metric = None

    def __call__(self, t: Any, w: Any, g: Any, s: Any) -> Any:
        return g / g.norm(), 1.0, {}

    def check(self, p: torch.Tensor) -> None:
        if p.dim() != 2:
            raise ValueError(f"Normed takes matrices, but a parameter has shape {tuple(p.shape)}.")


class NormedOptimizer(halflife.Optimizer, rule=Normed, lr=0.1, weight_decay=0.0):
    pass


@pytest.fixture(autouse=True)
def double_precision():
    """Single numbers are kept in the default dtype: here nothing is to be narrower than float64."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def metrics(rule: Rule, steps: int = 8) -> list[Any]:
    """D of each step."""
    w, state, found = numbers((2, 3), 0), dict[str, Any](rule.start(numbers((2, 3), 0), LR)), []
    for t in range(1, steps):
        state |= rule.tick(float(t), {name: float(state[name]) for name in rule.scalars})
        u, D, new = rule(float(t), w, numbers((2, 3), t), state)
        found.append(D)
        state |= {**new, **rule.finish(LR, float(t), w - LR * u, state)}
    return found


@each_entry
def test_the_metric_is_what_is_declared(entry: RuleEntry) -> None:
    found = [D for v in VARIANTS if v.entry is entry for D in metrics(v.rule)]
    plain = all(isinstance(D, float) and D == 1 for D in found)
    assert plain == (entry.rule.metric == "identity" or entry.rule.metric is None)
    assert all(D.shape == (2, 3) and (D > 0).all() for D in found if isinstance(D, torch.Tensor))


def acts_on_coordinates(rule: Rule, decay: Decay) -> bool:
    """Whether two halves of a tensor step as the whole does, with what is kept of them."""
    update = Update(rule, decay, L2())
    runs = []
    for pieces in ([slice(None)], [slice(0, 2), slice(2, None)]):
        run = []
        for piece in pieces:
            w = numbers((4, 3), 0)[piece]
            state = dict[str, Any](rule.start(w, LR))
            for t in (1, 2, 3):
                state |= rule.tick(float(t), {name: float(state[name]) for name in rule.scalars})
                w, new = update(float(t), w, numbers((4, 3), t)[piece], state, lr=LR, eta=1.0, lam=LAM)
                state |= new
            run.append(
                torch.stack([w, *(state[s.name] for s in rule.states if s.name in state and s.shape == "parameter")], 1)
            )
        runs.append(torch.cat(run))
    return bool((runs[0] - runs[1]).abs().max() <= 1e-13)


@each_entry
def test_a_rule_acts_on_coordinates_where_it_says_so(entry: RuleEntry) -> None:
    own = [v for v in VARIANTS if v.entry is entry]
    found = all(acts_on_coordinates(v.rule, decay) for v in own for decay in v.decays())
    assert found == (entry.rule.acts_on == "coordinates")


def test_a_rule_of_whole_tensors_is_seen() -> None:
    assert not acts_on_coordinates(Normed(), NAMED["coupled"])


@pytest.mark.skipif(not BUILT, reason="the native engine is not built")
@each_variant
def test_native_takes_what_has_a_functor_and_nothing_else(variant: Variant) -> None:
    optimizer = made(variant)
    functor = functor_of(variant.rule)
    assert (functor is None) == (variant.entry.rule.functor is None)
    assert (optimizer.engines()[0].name == "native") == (functor is not None)
    if functor is None:
        matrices = variant.entry.rule.acts_on == "matrices"
        why = "small matrices share each call" if matrices else f"the rule {variant.entry.name} is not compiled"
        assert f"not native: {why}" in repr(optimizer)
    else:
        close(train(optimizer), train(made(variant, engine="eager")), 1e-6 if variant.rule.scalars else 1e-12)


def test_without_a_start_of_its_own_a_rule_begins_with_zeros_each_of_its_shape() -> None:
    @dataclass(frozen=True)
    class Counting(Normed):
        @property
        def states(self) -> Any:
            return StateSpec("mean"), StateSpec("count", "scalar"), StateSpec("b", begins="with the first gradient")

    first: Any = Counting().start(torch.ones(2), LR)
    assert first["count"] == 0.0
    assert isinstance(first["count"], float)
    assert torch.equal(first["mean"], torch.zeros(2))
    assert first.keys() == {"mean", "count"}


@each_variant
def test_a_listed_rule_takes_any_parameter(variant: Variant) -> None:
    shapes: list[tuple[int, ...]] = [(), (0,), (1,), (2, 3, 4)]
    if variant.entry.rule.acts_on == "matrices":
        shapes = [(0, 3), (3, 0), (1, 1), (2, 3), (3, 2)]
    optimizer = made(variant, weights(shapes))
    assert train(optimizer).isfinite().all()


def test_a_parameter_that_the_rule_refuses_joins_no_group() -> None:
    with pytest.raises(ValueError, match=r"^Normed takes matrices, but a parameter has shape \(5,\)"):
        NormedOptimizer(weights())
    optimizer = NormedOptimizer(weights(((3, 4),)))
    with pytest.raises(ValueError, match="Normed takes matrices"):
        optimizer.add_param_group({"params": weights(((5,),))})
    assert len(optimizer.param_groups) == 1
    assert train(optimizer).isfinite().all()


# What composes

CELLS = [*NAMED.values(), Decay("explicit", "lr/metric"), Decay("cautious", "lr/metric"), Decay("explicit", "one")]


@dataclass(frozen=True)
class NoProx(Regularizer):
    """A gradient and no prox."""

    has_grad, has_prox = True, False

    def value(self, w: torch.Tensor) -> torch.Tensor:
        return w.cosh().sum()

    def grad(self, w: torch.Tensor) -> torch.Tensor:
        return w.sinh()

    def prox(self, y: torch.Tensor, tau: Any) -> torch.Tensor:
        raise NotImplementedError


@dataclass(frozen=True)
class Blocks(GroupLasso):
    """Not separable, and with a gradient."""

    has_grad = True


def composes(rule: Any, decay: Decay, R: Regularizer) -> bool:
    """By the tables of what each lacks."""
    metric = "metric" in decay.multiplier
    if decay.placement == "implicit":
        return R.has_prox and not (metric and rule.metric is None)
    return R.has_grad and not (metric and (rule.metric is None or not R.separable))


@pytest.mark.parametrize("R", [L2(), L1(), GroupLasso(), NoProx(), Blocks()], ids=lambda R: type(R).__name__)
@pytest.mark.parametrize(
    "rule", [Normed, *(entry.rule for entry in registry.entries())], ids=lambda rule: rule.__name__
)
def test_legality_is_of_three(rule: Any, R: Regularizer) -> None:
    legal = [name for name, decay in NAMED.items() if composes(rule, decay, R)]
    for decay in CELLS:
        if composes(rule, decay, R):
            check(rule, decay, R)
            continue
        with pytest.raises(ValueError, match="does not compose with") as refusal:
            check(rule, decay, R)
        said = str(refusal.value)
        assert said.startswith(f"decay '{decay}' does not compose with ")
        assert said.endswith(f"; these treatments work: {', '.join(map(repr, legal))}.")
        lacking = R if not (R.has_prox if decay.placement == "implicit" else R.has_grad) else None
        blames_rule = lacking is None and rule.metric is None and (R.separable or decay.placement == "implicit")
        assert (f"the rule {rule.__name__}, which has no diagonal metric" in said) == blames_rule
        assert (repr(R) in said) == (not blames_rule)


def test_a_rule_without_a_metric_is_refused_a_threshold_for_each_coordinate() -> None:
    names = "'coupled', 'decoupled', 'independent', 'proximal', 'proximal_lr', 'corrected', 'cautious'"
    sentence = (
        "decay 'implicit × lr/metric' does not compose with the rule Normed, which has no diagonal metric to divide "
        f"the threshold by; these treatments work: {names}."
    )
    with pytest.raises(ValueError) as refusal:  # noqa: PT011
        NormedOptimizer(weights(((3, 4),)), decay="euclidean")
    assert str(refusal.value) == sentence
    optimizer = NormedOptimizer(weights(((3, 4),)), weight_decay=LAM)
    before = flat(optimizer.param_groups[0]["params"])
    optimizer.param_groups[0]["decay"] = "euclidean"
    with pytest.raises(ValueError, match="which has no diagonal metric"):
        train(optimizer, 1)
    assert torch.equal(flat(optimizer.param_groups[0]["params"]), before)
    for name in set(NAMED) - {"euclidean"}:
        assert train(NormedOptimizer(weights(((3, 4),)), decay=name, weight_decay=LAM)).isfinite().all()


@dataclass(frozen=True)
class Undeclared(Rule):
    """Gives a state that it does not declare."""

    def __call__(self, t: Any, w: Any, g: Any, s: Any) -> Any:
        b = 0.5 * s["b"] + g if "b" in s else g
        return b, 1.0, {"b": b}


class UndeclaredOptimizer(halflife.Optimizer, rule=Undeclared, lr=0.1):
    pass


@each_engine
def test_a_state_that_is_not_declared_is_an_error_and_not_forgotten(engine: Any) -> None:
    optimizer = UndeclaredOptimizer(weights(), engine=engine)
    with pytest.raises(TypeError, match=r"^Undeclared gives the state 'b', which its `states` do not declare"):
        train(optimizer, 1)
    assert torch.equal(flat(optimizer.param_groups[0]["params"]), flat(weights()))
