"""The update traced: its lines, with the numbers that were met, do what it does to tensors."""

from __future__ import annotations

import itertools

import pytest
import torch

from halflife import regularizers as rz
from halflife import rules
from halflife.decays import NAMED, Decay
from halflife.engines.trace import OPERATIONS, Trace, UntraceableError
from halflife.update import Update, check

RULES = [
    rules.SGD(),
    rules.SGD(0.9, 0.1, "momentum"),
    rules.SGD(0.9, 0.0, "nesterov"),
    rules.ASGD(t0=1.0),
    rules.Adagrad(lr_decay=0.1, initial_accumulator_value=0.2),
    rules.Adadelta(),
    rules.RMSprop(momentum=0.5, momentum_type="momentum", moment="centered"),
    rules.RMSprop(eps_place="inside"),
    rules.Adam(bound="max"),
    rules.Adam(eps_place="inside"),
    rules.NAdam(),
    rules.RAdam(),
    rules.Adamax(),
    rules.Rprop(),
    rules.Lion(),
]
PENALTIES = [rz.L2(), rz.L1(), rz.ElasticNet(), rz.L0(), rz.LHalf(), rz.Huber(0.3), rz.Box(-0.4, 0.4)]
PENALTIES += [rz.NonNegative(), rz.TowardInit(), rz.Sum(rz.L1(), rz.Scaled(0.5, rz.L2())), rz.Scaled(2.0, rz.Huber())]
W, GRADIENTS = (0.7, -0.3, 0.05, -2.0), ((0.4, 0.2, -0.9, 0.0), (-0.1, 0.3, 0.9, 1.0), (0.5, -0.3, -0.2, 0.1))


def composes(decay, R):
    try:
        check(rules.Adam, decay, R)
    except ValueError:
        return False
    return True


CELLS = [(d, R) for d, R in itertools.product([*NAMED.values(), Decay("explicit", "one")], PENALTIES) if composes(d, R)]


def numbers(t):
    return {"lr": 0.1 / t, "eta": 1 / t, "lam": 0.02}


def start(update, w):
    state = dict(update.rule.start(w, 0.1))
    return state | ({"anchor": w.clone()} if update.regularizer.anchored else {})


def clock(update, t, state):
    names = update.rule.scalars
    return {**state, **update.rule.tick(float(t), {name: float(state[name]) for name in names})} if names else state


def traced(update, t, w, g, state):
    trace = Trace()
    scalars = update.rule.scalars
    s = {name: x if name in scalars else trace.input(name, float(x)) for name, x in state.items()}
    w, new = update(float(t), trace.input("w", w), trace.input("g", g), s, **numbers(t))
    return trace, w, new


def interpreted(trace, inputs, results):
    """What the lines and the coefficients alone say; no value that the trace carried is read."""
    found = []
    known = {"input": inputs, "coefficient": [float(x) for x in trace.coefficients], "line": found}
    read = lambda x: x.place if x.kind == "integer" else known[x.kind][x.place]  # noqa: E731
    for op, operands in trace.lines:
        found.append(float(OPERATIONS[op](*map(read, operands))))
    return [read(x.operand) for x in results]


def close(a, b):
    return a == pytest.approx(float(b), rel=1e-13, abs=1e-15, nan_ok=True)


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_the_lines_do_what_the_update_does(rule):
    for decay, R in CELLS:
        update = Update(rule, decay, R)
        w = torch.tensor(W, dtype=torch.float64)
        state, kept = start(update, w), [start(update, x) for x in w]
        for t, gradient in enumerate(GRADIENTS, start=1):
            g, before = torch.tensor(gradient, dtype=torch.float64), w
            state = clock(update, t, state)
            w, new = update(float(t), w, g, state, **numbers(t))
            for k in range(len(W)):
                own = clock(update, t, kept[k])
                trace, w_k, new_k = traced(update, t, float(before[k]), float(g[k]), own)
                values = {name: getattr(x, "value", x) for name, x in new_k.items()}
                inputs = [float(own[name]) for name in trace.inputs[:-2]] + [float(before[k]), float(g[k])]
                assert close(w_k.value, w[k]), (update, t)
                assert close(*interpreted(trace, inputs, [w_k]), w[k]), (update, t)
                for name, x in values.items():
                    assert close(x, new[name] if name in rule.scalars else new[name][k]), (update, t, name)
                kept[k] = {**own, **values}
            state = {**state, **new}


@pytest.mark.parametrize(
    "rule", [rules.Adam(), rules.Lion(), rules.Adadelta(), rules.Adagrad(), rules.NAdam()], ids=repr
)
def test_other_numbers_leave_the_words_as_they_are(rule):
    for decay, R in CELLS:
        update = Update(rule, decay, R)
        state = start(update, torch.tensor(0.7, dtype=torch.float64))
        one, *_ = traced(update, 1, 0.7, 0.4, clock(update, 1, state))
        other, *_ = traced(update, 9, -0.2, -0.1, clock(update, 9, state))
        assert (one.inputs, one.lines) == (other.inputs, other.lines)
        assert len(one.coefficients) == len(other.coefficients)


def test_a_branch_of_the_clock_is_another_program():
    update = Update(rules.RAdam(), NAMED["decoupled"], rz.L2())
    state = start(update, torch.tensor(0.7, dtype=torch.float64))
    early, late = (traced(update, t, 0.7, 0.4, state)[0] for t in (1, 9))
    assert "sqrt" not in [line.op for line in early.lines]
    assert "sqrt" in [line.op for line in late.lines]


def test_coefficients_are_told_apart_by_position_and_not_by_value():
    trace = Trace()
    g = trace.input("g", 2.0)
    x = 0.5 * g + torch.tensor(0.5) * g + 2 * g
    assert x.value == 6.0
    assert trace.coefficients == [0.5, 0.5]
    assert [operand.kind for operand in trace.lines[3].operands] == ["integer", "input"]


def test_words_alone_read_no_number():
    trace = Trace(numbers=False)
    g = trace.input("g")
    x = (g * torch.empty((), device="meta")).sqrt().where(g > 0, -g)
    assert x.value is None
    assert [line.op for line in trace.lines] == ["mul", "sqrt", "gt", "neg", "where"]


@pytest.mark.parametrize(
    "f",
    [
        lambda g: torch.sqrt(g) + torch.abs(-g) - torch.square(g) / torch.exp(g),
        lambda g: torch.where(g > 0.1, g, 2 * g) * torch.tensor(3.0, dtype=torch.float64),
        lambda g: torch.tensor(3.0, dtype=torch.float64) - g ** torch.tensor(0.5, dtype=torch.float64) + 2**g,
        lambda g: torch.tensor(2.0, dtype=torch.float64) / g + 1 / g - 1,
        lambda g: torch.maximum(g, torch.zeros_like(g)) + g.clamp(max=0.2) + torch.clamp(g, 0.1, 0.3),
        lambda g: g.masked_fill((g > 0) & ~(g < 0.2) | (g == 0.5), 7.0).add(g, alpha=-0.5),
        lambda g: torch.full_like(g, 0.3) * torch.ones_like(g) + torch.tanh(g).sign() + g.cos() + (g / 2).acos(),
        lambda g: (g / 0).clamp(max=9.0) + (0 * g) ** -1.5 + (g - 5).sqrt(),
    ],
)
def test_torchs_functions_are_lines_too(f):
    assert close(f(Trace().input("g", 0.25)).value, f(torch.tensor(0.25, dtype=torch.float64)))


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (lambda g: g.norm(), "no 'norm'"),
        (lambda g: g.shape, "no 'shape'"),
        (torch.linalg.vector_norm, "vector_norm"),
        (lambda g: torch.remainder(g, 0.5), "remainder"),
        (lambda g: g.where(torch.tensor([True, False]), 0.0), r"shape \(2,\)"),
        (lambda g: g if g > 0 else -g, "where or masked_fill"),
        (lambda g: g + "1", "'1' is not a number"),
    ],
)
def test_what_is_no_line_is_refused_by_name(f, words):
    with pytest.raises(UntraceableError, match=words):
        f(Trace().input("g", 0.25))
