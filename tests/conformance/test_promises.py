"""What each listed rule promises beside its equations: what it declares, and every way in which it may be stepped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch

import halflife
from halflife import registry
from halflife.decays import NAMED, Decay
from halflife.engines import EagerGrid, NativeGrid
from halflife.engines.formats import decode_8bit
from halflife.engines.library import Missing, load
from halflife.engines.native_rows import functor_of
from halflife.registry import RuleEntry
from halflife.regularizers import L1, L2, GroupLasso, Regularizer
from halflife.rules import Rule, StateSpec
from halflife.update import Update, check

from .variants import VARIANTS, Variant, each_entry, each_variant, flat, no_number_is_read, numbers, train, weights

BUILT = not isinstance(load(), Missing)
LR, LAM = 0.05, 0.3
each_engine = pytest.mark.parametrize("engine", ["eager", "foreach"])
each_format = pytest.mark.parametrize("state_dtype", [torch.bfloat16, "8bit"], ids=str)


@pytest.fixture(autouse=True)
def double_precision():
    """Single numbers are kept in the default dtype: here nothing is to be narrower than float64."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def made(variant: Variant, params: Any = None, **settings: Any) -> Any:
    return variant.optimizer(weights() if params is None else params, **{"lr": LR, "weight_decay": LAM, **settings})


def close(a: torch.Tensor, b: torch.Tensor, tolerance: float = 1e-12) -> None:
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


# Ways to be stepped


@each_engine
@each_variant
def test_capturable_reads_no_number_and_is_the_same_step(variant: Variant, engine: str) -> None:
    for decay in variant.decays():
        plain = train(made(variant, decay=decay, engine=engine))
        optimizer = made(variant, decay=decay, engine=engine, capturable=True)
        train(optimizer, 1)
        for group in optimizer.param_groups:
            group["lr"] = torch.tensor(group["lr"])
        with no_number_is_read():
            found = train(optimizer, 6, first=1)
        close(found, plain)
        assert (found - flat(weights())).abs().min() > 0


@pytest.mark.parametrize("decay", ["decoupled", "euclidean"])
@each_variant
def test_differentiable_in_weights_gradients_lr_and_lambda(variant: Variant, decay: str) -> None:
    if NAMED[decay] not in variant.decays():
        pytest.skip("the rule has no metric")

    def last(w: torch.Tensor, gradients: torch.Tensor, lr: torch.Tensor, lam: torch.Tensor) -> torch.Tensor:
        p = w.clone()
        p.retain_grad()
        optimizer = made(variant, [p], decay=decay, lr=lr, weight_decay=lam, differentiable=True)
        for g in gradients:
            p.grad = g
            optimizer.step()
        return p

    inputs = numbers((3,), 1), numbers((2, 3), 2), torch.tensor(LR), torch.tensor(LAM)
    assert torch.autograd.gradcheck(last, [x.requires_grad_() for x in inputs], atol=1e-5)


@pytest.mark.parametrize("kind", [EagerGrid, NativeGrid])
@each_variant
def test_a_replica_of_a_grid_steps_as_it_would_alone(variant: Variant, kind: Any) -> None:
    if kind is NativeGrid and not (BUILT and variant.entry.rule.functor):
        pytest.skip("the native engine is not built" if variant.entry.rule.functor else "the rule has no functor")
    lrs, lams = [0.02, 0.05, 0.1], [0.0, 0.3, 0.6]
    for update in variant.updates():
        stacked = [torch.stack([w.detach()] * 3) for w in weights()]
        grid = kind(update, stacked, lrs, lams, 1.0)
        for t in range(4):
            grads = [numbers(w.shape[1:], 100 + 10 * t + k) for k, w in enumerate(stacked)]
            grid.step(0.8**t, [torch.stack([g] * 3) for g in grads])
        for k, (lr, lam) in enumerate(zip(lrs, lams, strict=True)):
            alone = train(made(variant, decay=update.decay, lr=lr, weight_decay=lam, engine="eager"), 4)
            # a grid keeps single numbers in float32
            close(flat([w[k] for w in stacked]), alone, 1e-6 if update.rule.scalars else 1e-12)


# States


@each_engine
@each_variant
def test_the_states_are_those_declared(variant: Variant, engine: str) -> None:
    optimizer, rule = made(variant, engine=engine), variant.rule
    params = optimizer.param_groups[0]["params"]
    names = {state.name: state for state in rule.states}
    for steps in range(1, 4):
        train(optimizer, steps)
        for p in params:
            own = dict(optimizer.state.get(p, {}))
            assert ("step" in own) == rule.counts_steps
            assert own.keys() - {"step"} == names.keys()
            for name, state in names.items():
                assert own[name].shape == (p.shape if state.shape == "parameter" else ())
                assert state.sign == "any" or (own[name] >= 0).all()


@each_variant
def test_a_rule_starts_and_gives_what_it_declares_and_no_more(variant: Variant) -> None:
    rule, w = variant.rule, numbers((3, 4), 0)
    begun = {state.name for state in rule.states if state.begins == "before the first step"}
    state: dict[str, Any] = dict(rule.start(w, LR))
    assert state.keys() == begun
    for t in (1, 2, 3):
        state |= rule.tick(float(t), {name: float(state[name]) for name in rule.scalars})
        u, _, new = rule(float(t), w, numbers((3, 4), t), state)
        new = {**new, **rule.finish(LR, float(t), w - LR * u, state)}
        assert new.keys() <= {spec.name for spec in rule.states}
        state |= new
    assert state.keys() == {spec.name for spec in rule.states}


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


def test_a_number_that_is_read_is_seen() -> None:
    adam = next(variant for variant in VARIANTS if variant.entry.name == "Adam")
    with pytest.raises(AssertionError), no_number_is_read():
        train(made(adam, engine="eager"), 1)


@each_format
@each_variant
def test_narrow_states_are_within_their_resolution(variant: Variant, state_dtype: Any) -> None:
    """After one step no state is farther from the float32 one than its format's neighbouring numbers are apart."""
    rule = variant.rule
    shapes = ((3, 130), (257,))
    wide, narrow = (
        made(variant, weights(shapes, torch.float32), state_dtype=s, engine="eager") for s in (None, state_dtype)
    )
    train(wide, 1), train(narrow, 1)
    for p, q in zip(wide.param_groups[0]["params"], narrow.param_groups[0]["params"], strict=True):
        for name in (state.name for state in rule.states if state.shape == "parameter"):
            exact, found = wide.state[p][name], narrow.state[q][name]
            apart, least = exact.abs() / 128, torch.tensor(0.0)
            if state_dtype == "8bit":
                scale = narrow.state[q][name + "_scale"]
                found = decode_8bit(found, scale, signed=name not in rule.never_negative)
                apart, least = exact.abs() / 8, scale.max() / 64 / 8
            assert ((found.float() - exact).abs() <= torch.maximum(apart, least)).all(), name


@each_format
@each_variant
def test_narrow_states_train_as_wide_ones(variant: Variant, state_dtype: Any) -> None:
    shapes = ((3, 130), (257,))
    first = torch.cat([w.detach().flatten() for w in weights(shapes)])
    wide, narrow = (
        train(made(variant, weights(shapes, torch.float32), state_dtype=s, engine="eager")) for s in (None, state_dtype)
    )
    allowed = 0.05 if state_dtype is torch.bfloat16 else 0.3
    assert (narrow - wide).abs().mean() <= allowed * (wide - first).abs().mean()


@each_format
@each_variant
def test_narrow_states_are_the_same_bits_in_every_engine(variant: Variant, state_dtype: Any) -> None:
    engines = ["eager", "foreach", *(["native"] if BUILT and variant.entry.rule.functor else [])]
    runs = []
    for engine in engines:
        optimizer = made(variant, weights(((3, 130), (257,)), torch.float32), state_dtype=state_dtype, engine=engine)
        train(optimizer, 4)
        runs.append(optimizer)
        assert optimizer.engines()[0].name == engine
    for engine, other in zip(engines[1:], runs[1:], strict=True):
        for mine, theirs in zip(runs[0].state.values(), other.state.values(), strict=True):
            assert mine.keys() == theirs.keys()
            for name, x in mine.items():
                if engine == "foreach" or name == "step":
                    assert torch.equal(x, theirs[name]), name
                elif name.endswith("_scale") or x.dim() == 0:
                    torch.testing.assert_close(x, theirs[name], rtol=1e-6, atol=0)
                else:  # of a number that native rounds otherwise the dither may fall on the other side
                    assert (x != theirs[name]).sum() <= max(1, x.numel() // 500), name


# Declarations


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
            run.append(torch.stack([w, *(state[s.name] for s in rule.states if s.shape == "parameter")], 1))
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
        assert f"not native: the rule {variant.entry.name} is not compiled" in repr(optimizer)
    else:
        close(train(optimizer), train(made(variant, engine="eager")), 1e-6 if variant.rule.scalars else 1e-12)


@each_variant
def test_a_listed_rule_takes_any_parameter(variant: Variant) -> None:
    shapes: list[tuple[int, ...]] = [(), (0,), (1,), (2, 3, 4)]
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
