"""What a rule and a regularizer of another distribution get; ``test_extension.py`` runs this where it is installed."""

from __future__ import annotations

import copy
import io
from itertools import product
from math import cos
from typing import Any

import numpy as np
import pytest
import torch
from toy_rule import Leaning, Toy, ToyRule

import halflife
from halflife import registry
from halflife.benchmark import ENTRIES
from halflife.cli.app import app
from halflife.decays import NAMED, Decay
from halflife.engines import EagerGrid, grid
from halflife.engines.library import Missing, load
from halflife.engines.trace import Trace
from halflife.explain import worked
from halflife.explain.verification import verified_prox
from halflife.lab import OPTIMIZER_SPECS
from halflife.optimizers import optimizer_of
from halflife.regularizers import L1, L2, OnSubset, Scaled, Sum
from halflife.update import Update, check
from tests.conformance.cells import PLACES
from tests.conformance.variants import no_number_is_read, numbers, weights
from tests.extension import oracle

TOLERANCE = 1e-11
ENTRY = registry.entry_named("ToyRule")
REGULARIZERS = {"L2": L2(), "L1": L1(), "Leaning": Leaning()}
TREATMENTS: list[Any] = [*NAMED, *(place for place in PLACES if Decay(*place) not in NAMED.values())]
LRS, LAMS, STEPS = (0.02, 0.05), (0.4, 0.9), 8


def treatment(decay: Any) -> Decay:
    return NAMED[decay] if isinstance(decay, str) else Decay(*decay)


def legal(decay: Any, R: str) -> bool:
    return R != "L1" or treatment(decay).placement == "implicit"


CELLS = [(decay, R) for decay, R in product(TREATMENTS, REGULARIZERS) if legal(decay, R)]
each_cell = pytest.mark.parametrize(("decay", "R"), CELLS, ids=str)
each_engine = pytest.mark.parametrize("engine", ["eager", "foreach"])


@pytest.fixture(autouse=True)
def double_precision():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def rates(lr: float) -> list[float]:
    return [lr * (0.5 + 0.5 * cos(0.3 * t)) if t else lr for t in range(STEPS)]


def gradient(t: int, k: int, w: torch.Tensor) -> torch.Tensor:
    return numbers(w.shape, 100 + 10 * t + k) + 0.3 * w.detach().sin()


def by_oracle(decay: Any, R: str, scale: float = 1.0, **options: Any) -> list[np.ndarray]:
    last = []
    for k, (w, lr, lam) in enumerate(zip(weights(), LRS, LAMS, strict=True)):
        toy = oracle.Toy(w.detach().numpy(), lr=lr, lam=lam * scale, decay=decay, R=R, **options)
        for t, rate in enumerate(rates(lr)):
            toy.step(numbers(w.shape, 100 + 10 * t + k).numpy() + 0.3 * np.sin(toy.w), rate)
        last.append(toy.w)
    return last


def groups() -> list[dict[str, Any]]:
    """Two, each with a learning rate and a λ of its own."""
    return [{"params": [p], "lr": lr, "weight_decay": lam} for p, lr, lam in zip(weights(), LRS, LAMS, strict=True)]


def take(optimizer: Any, t: int) -> None:
    """Step t, from 0."""
    for k, group in enumerate(optimizer.param_groups):
        group["lr"] = group["lr"] * 0 + rates(LRS[k])[t]
        for p in group["params"]:
            p.grad = gradient(t, k, p)
    optimizer.step()


def run(optimizer: Any, first: int = 0, last: int = STEPS) -> list[np.ndarray]:
    for t in range(first, last):
        take(optimizer, t)
    return [p.detach().numpy().copy() for group in optimizer.param_groups for p in group["params"]]


def apart(a: list[np.ndarray], b: list[np.ndarray]) -> float:
    return max(float(np.abs(x - y).max()) for x, y in zip(a, b, strict=True))


def test_the_registry_makes_a_rule_of_a_groups_settings() -> None:
    assert registry.entry_of(ToyRule) is ENTRY
    optimizer = Toy(weights(), betas=(0.5, 0.6), bound=3.0)
    assert optimizer.view(optimizer.param_groups[0]).rule == ToyRule(beta1=0.5, beta2=0.6, bound=3.0)


@pytest.mark.parametrize("options", ENTRY.variants, ids=str)
@each_engine
@each_cell
def test_every_cell_follows_the_equations(decay: Any, R: str, engine: Any, options: Any) -> None:
    expected = by_oracle(decay, R, **options)
    assert apart(expected, by_oracle(decay, R, 0.0, **options)) > 100 * TOLERANCE
    for flags in ({}, {"capturable": True}):
        optimizer = Toy(
            groups(), decay=treatment(decay), regularizer=REGULARIZERS[R], engine=engine, **flags, **options
        )
        take(optimizer, 0)
        assert optimizer.engines()[0].name == engine
        assert apart(run(optimizer, 1), expected) <= TOLERANCE


@pytest.mark.parametrize("decay", [d for d in TREATMENTS if not legal(d, "L1")], ids=str)
def test_what_does_not_compose_is_refused(decay: Any) -> None:
    with pytest.raises(ValueError, match=r"does not compose with L1.*these treatments work: 'proximal'"):
        Toy(weights(), decay=treatment(decay), regularizer=L1())
    check(ToyRule, treatment(decay), Leaning())


@each_engine
@each_cell
def test_capturable_reads_no_number(decay: Any, R: str, engine: Any) -> None:
    optimizer = Toy(groups(), decay=treatment(decay), regularizer=REGULARIZERS[R], engine=engine, capturable=True)
    take(optimizer, 0)
    for group in optimizer.param_groups:
        group["lr"] = torch.tensor(group["lr"])
    with no_number_is_read():
        take(optimizer, 1)


@each_cell
def test_differentiable(decay: Any, R: str) -> None:
    def last(w: torch.Tensor, g: torch.Tensor, lr: torch.Tensor, lam: torch.Tensor) -> torch.Tensor:
        p = w.clone()
        p.retain_grad()
        optimizer = Toy([p], base_lr=0.1, decay=treatment(decay), regularizer=REGULARIZERS[R], differentiable=True)
        optimizer.param_groups[0].update(lr=lr, weight_decay=lam)
        for row in g:
            p.grad = row
            optimizer.step()
        return p

    inputs = numbers((3,), 1), numbers((2, 3), 2), torch.tensor(0.05), torch.tensor(0.3)
    assert torch.autograd.gradcheck(last, [x.requires_grad_() for x in inputs])


@each_cell
def test_a_grid_follows_the_equations(decay: Any, R: str) -> None:
    update = Update(ToyRule(), treatment(decay), REGULARIZERS[R])
    lrs, lams = [0.02, 0.05, 0.1], [0.1, 0.4, 0.9]
    stacked = [torch.stack([w.detach()] * 3) for w in weights()]
    made = grid(update, stacked, lrs, lams, 1.0)
    assert isinstance(made, EagerGrid)
    for t in range(STEPS):
        made.step(rates(1.0)[t], [torch.stack([gradient(t, k, x) for x in w]) for k, w in enumerate(stacked)])
    for k, w in enumerate(weights()):
        for i, (lr, lam) in enumerate(zip(lrs, lams, strict=True)):
            toy = oracle.Toy(w.detach().numpy(), lr=lr, lam=lam, decay=decay, R=R, number=np.float32)
            for t in range(STEPS):
                g = numbers(w.shape, 100 + 10 * t + k).numpy() + 0.3 * np.sin(toy.w)
                toy.step(g, lr * rates(1.0)[t])
            assert np.abs(stacked[k][i].numpy() - toy.w).max() <= TOLERANCE


@pytest.mark.parametrize("decay", NAMED)
def test_explains_worked_example_follows_the_equations(decay: str) -> None:
    result = worked(Toy, decay)
    assert max(result.own_error) <= 1e-14
    p1, p2 = result.before
    example = {"lr": 0.1, "lam": 0.02, "decay": decay, "R": "L2"}
    first, second = (oracle.Toy(p.numpy().flatten(), **example) for p in (p1, p2))
    for t, path in enumerate(result.path):
        lr = 0.1 * 0.9**t
        found = [first.step(2 * first.w, lr), second.step(3 * second.w**2, lr)]
        assert np.abs(np.concatenate(found) - path).max() <= TOLERANCE
    letters = {line.letter: line.letters for line in result.lines}
    assert letters["D"] == "(v/(1 − β₂ᵗ) + ε)^power"
    assert letters["u"] == "bound·tanh((m + lead/weight·g)/(bound·D))"


@each_cell
def test_a_trace_follows_the_equations(decay: Any, R: str) -> None:
    update = Update(ToyRule(), treatment(decay), REGULARIZERS[R])
    toy = oracle.Toy(np.array([0.7]), lr=0.1, lam=0.3, decay=decay, R=R)
    w, state = 0.7, {"mean": 0.0, "square": 0.0, "weight": 0.0}
    for t, g in enumerate((0.4, -0.9, 0.2), start=1):
        trace, lr = Trace(), 0.1 / t
        state |= update.rule.tick(float(t), {"weight": state["weight"]})
        s: Any = {name: x if name == "weight" else trace.input(name, x) for name, x in state.items()}
        x, new = update(float(t), trace.input("w", w), trace.input("g", g), s, lr=lr, eta=1 / t, lam=0.3)  # type: ignore[arg-type]
        w, state = x.value, state | {name: x.value for name, x in new.items()}  # type: ignore[attr-defined]
        assert abs(w - toy.step(np.array([g]), lr)[0]) <= TOLERANCE
        assert trace.lines


def test_the_regularizers_text_is_what_it_says() -> None:
    w = numbers((6,), 3)
    assert float(Leaning().value(w)) == pytest.approx(oracle.value("Leaning", w.numpy()), abs=TOLERANCE)
    assert torch.autograd.gradcheck(Leaning().value, [w.requires_grad_()])
    (slope,) = torch.autograd.grad(Leaning().value(w), w)
    torch.testing.assert_close(slope, Leaning().grad(w))
    prox = verified_prox(Leaning(), (-1.2, 0.3, 2.0), (3,))
    assert prox.objective < prox.elsewhere
    assert prox.lines[-1].value == pytest.approx(prox.values[-1])
    mixed = Sum(Scaled(0.5, Leaning()), L2())
    assert apart(run(Toy(groups(), decay="proximal", regularizer=mixed)), by_oracle("proximal", "Leaning", 0.5)) > 1e-3


@each_engine
def test_state_formats_and_rounding_are_the_same_in_both_engines(engine: Any) -> None:
    for dtype, rounding, states in product(
        (torch.float32, torch.bfloat16), ("nearest", "stochastic", "kahan"), (None, torch.bfloat16, "8bit")
    ):
        params = weights(((3, 130), (257,)), dtype)
        settings: Any = {"lr": 0.05, "weight_decay": 0.3, "rounding": rounding, "state_dtype": states}
        optimizer, other = (
            Toy([p.detach().clone().requires_grad_() for p in params], engine=e, **settings) for e in (engine, "eager")
        )
        for t in range(6):
            take_one(optimizer, t), take_one(other, t)
        for p, q in zip(optimizer.param_groups[0]["params"], other.param_groups[0]["params"], strict=True):
            assert torch.equal(p, q)
            assert ("kahan" in optimizer.state[p]) == (rounding == "kahan" and dtype == torch.bfloat16)
            assert all(torch.equal(x, other.state[q][name]) for name, x in optimizer.state[p].items())
            square = optimizer.state[p]["square"]
            assert square.dtype == {None: dtype, "8bit": torch.uint8}.get(states, states)
        near(optimizer, {None: 0.02, torch.bfloat16: 0.05, "8bit": 0.3}[states])


def take_one(optimizer: Any, t: int) -> None:
    for k, p in enumerate(optimizer.param_groups[0]["params"]):
        p.grad = numbers(p.shape, 100 + 10 * t + k).to(torch.bfloat16).to(p.dtype)
    optimizer.step()


def near(optimizer: Any, share: float) -> None:
    """Whether the weights are as far from the equations' as that share of their way."""
    for k, (p, w) in enumerate(zip(optimizer.param_groups[0]["params"], weights(((3, 130), (257,))), strict=True)):
        first = w.detach().to(p.dtype).double().numpy()
        toy = oracle.Toy(first, lr=0.05, lam=0.3, decay="decoupled", R="L2")
        for t in range(6):
            toy.step(numbers(p.shape, 100 + 10 * t + k).to(torch.bfloat16).double().numpy(), 0.05)
        rounded = 2.0**-8 * np.abs(first).mean() if p.dtype == torch.bfloat16 else 0.0
        assert np.abs(p.detach().double().numpy() - toy.w).mean() <= share * np.abs(toy.w - first).mean() + rounded


@pytest.mark.parametrize("states", [None, torch.bfloat16, "8bit"], ids=str)
def test_a_file_of_its_state_goes_on_to_the_same_bits(states: Any) -> None:
    settings: Any = {"decay": "proximal", "regularizer": Leaning(), "state_dtype": states}
    optimizer = Toy(groups(), **settings)
    run(optimizer, 0, 4)
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)
    resumed, copied = Toy(groups(), **settings), copy.deepcopy(optimizer)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    for p, q in zip(flat_params(resumed), flat_params(optimizer), strict=True):
        p.data.copy_(q.data)
    whole = run(optimizer, 4)
    assert apart(run(resumed, 4), whole) == 0
    assert apart(run(copied, 4), whole) == 0
    if states is None:
        assert apart(whole, by_oracle("proximal", "Leaning")) <= TOLERANCE
    with pytest.raises(ValueError, match="build the optimizer with that regularizer first"):
        Toy(groups()).load_state_dict(optimizer.state_dict())


def flat_params(optimizer: Any) -> list[Any]:
    return [p for group in optimizer.param_groups for p in group["params"]]


def test_groups_may_differ_in_everything() -> None:
    own = [
        {"decay": "euclidean", "regularizer": Leaning(), "engine": "eager"},
        {"decay": "coupled", "beta3": 0.5, "engine": "foreach"},
    ]
    optimizer = Toy([{**group, **more} for group, more in zip(groups(), own, strict=True)])
    found = run(optimizer)
    expected = [by_oracle("euclidean", "Leaning")[0], by_oracle("coupled", "L2", beta3=0.5)[1]]
    assert apart(found, expected) <= TOLERANCE
    assert [choice.name for choice in optimizer.engines()] == ["eager", "foreach"]


def test_groups_of_a_model() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.LayerNorm(4))
    optimizer = Toy(halflife.param_groups(model, weight_decay=0.3), lr=0.1, regularizer=Leaning())
    assert sorted(group["weight_decay"] for group in optimizer.param_groups) == [0.0, 0.3]
    halflife.fuse_with_backward(model, optimizer)
    model(torch.ones(2, 3)).square().sum().backward()
    optimizer.step()
    assert all(p.isfinite().all() for p in model.parameters())
    assert all(optimizer.state[p]["step"] == 1 for p in model.parameters())


@pytest.mark.skipif(isinstance(load(), Missing), reason="the native engine is not built")
def test_it_says_why_it_is_not_native() -> None:
    assert "not native: the rule ToyRule is not compiled" in repr(Toy(weights()))
    for name, R in (("Leaning", Leaning()), ("OnSubset", OnSubset(Leaning(), torch.ones(5, dtype=torch.bool)))):
        reason = halflife.AdamW(weights(((5,),)), regularizer=R).engines()[0].reason
        assert f"not native: {name}(" in reason
        assert "is not compiled" in reason
    optimizer = Toy(weights(), engine="native")
    assert optimizer.engines()[0].name == "foreach"
    assert "ToyRule is not compiled" in repr(optimizer)


def test_lists_of_the_lab_and_of_the_benchmark_have_it() -> None:
    made = optimizer_of(ENTRY)
    for catalogue in (OPTIMIZER_SPECS, ENTRIES):
        assert "toy-rule" in [*catalogue]
    assert ENTRIES["toy-rule"].ours is OPTIMIZER_SPECS["toy-rule"].optimizer is made
    assert isinstance(OPTIMIZER_SPECS["toy-rule"].update.rule, ToyRule)


def test_commands_know_it() -> None:
    from typer.testing import CliRunner

    assert "ToyRule" in CliRunner().invoke(app, ["doctor"]).output
    page = CliRunner().invoke(app, ["explain", "toy-rule", "--decay", "euclidean"]).output
    for words in ("Ω ← ρΩ + 1", "bound·tanh((m + lead/weight·g)/(bound·D))", "toy_rule.ToyRule"):
        assert words in page
    assert "\n  ToyRule  " in CliRunner().invoke(app, ["explain"]).output
