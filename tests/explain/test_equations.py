"""The typed equations of a page against the recorded text: each comes to what the rule's own line comes to."""

from __future__ import annotations

import math
import re

import pytest

from halflife import rules
from halflife.decays import NAMED
from halflife.explain import RULES
from halflife.explain.coordinate import Clock, Coordinate
from halflife.explain.letters import letter
from halflife.regularizers import L2
from halflife.update import Update

VARIANTS = [
    (rules.SGD(0.0, 0.0, "plain"), 0),
    (rules.SGD(0.9, 0.1, "momentum"), 1),
    (rules.SGD(0.9, 0.1, "nesterov"), 2),
    (rules.ASGD(t0=2.0), 0),
    (rules.Adagrad(lr_decay=0.1, initial_accumulator_value=0.2), 0),
    (rules.Adadelta(), 0),
    (rules.RMSprop(), 0),
    (rules.RMSprop(momentum=0.5, momentum_type="momentum", moment="centered", eps_place="inside", eps=0.01), 1),
    (rules.Adam(eps=0.01), 0),
    (rules.Adam(eps=0.01, eps_place="inside"), 1),
    (rules.NAdam(), 0),
    (rules.RAdam(), 0),
    (rules.Adamax(), 0),
    (rules.Rprop(), 0),
    (rules.Lion(), 0),
    (rules.SparseAdam(eps=0.01), 0),
]
GRADIENTS = [0.4, -0.3, -0.2, 0.5, 0.6, 0.1, 0.3]
UNUSED = {(rules.SGD, 0): {"b"}, (rules.RMSprop, 0): {"v′", "ḡ"}}
"""What the plain variants leave out."""
SIGNS = {"·": "*", "−": "-", "½": "0.5", "^": "**", "²": "**2", "ᵗ": '**E["t"]', "ᵃ": '**E["a"]'}
FUNCTIONS = {"sqrt": math.sqrt, "max": max, "abs": abs, "sign": lambda x: (x > 0) - (x < 0)}
FUNCTIONS["clip"] = lambda x, low, high: min(max(x, low), high)


def calculated(text, known):
    """An expression in the page's letters, with the numbers that they stand for."""
    return float(evaluated(text, known, FUNCTIONS))


def evaluated(text, known, functions):
    """The same for what is no number."""
    words = sorted([*known, *functions, "if", "else"], key=len, reverse=True)
    text = re.sub(r"\|(\S+?)\|", r"abs(\1)", text)
    text = text.replace("; else ", " else ").replace("; ", " else ")
    tokens = "|".join(map(re.escape, words))
    text = re.sub(tokens, lambda m: f'E["{m[0]}"]' if m[0] in known else m[0], text)
    text = re.sub(r'√(E\["[^"]+"\])', r"√(\1)", text).replace("√", "sqrt")
    for sign, meant in SIGNS.items():
        text = text.replace(sign, meant)
    return eval(text, {"__builtins__": {}, **functions}, {"E": known})


def equations(rule, alternative):
    """Every equation of the page as (letter, right side), with the alternative that these settings choose."""
    for line in RULES[type(rule).__name__].equations:
        for equation in line.partition("    ")[0].split(",  "):
            whole, _, _ = equation.partition(" | ")
            name, arrow, _ = re.split(r" (←|=) ", whole, maxsplit=1)
            choices = equation.removeprefix(f"{name} {arrow} ").split(" | ")
            chosen = choices[min(alternative, len(choices) - 1)] if len(choices) > 1 else choices[0]
            other = re.match(r"(\S+) ← (.*)", chosen)
            yield other.groups() if other else (name, chosen)


def steps(rule, λ=0.0):
    """What is known before each step, and what the recorded lines say."""
    name, weight = type(rule).__name__, Coordinate(Update(rule, NAMED["coupled"], L2()), 0.7)
    settings = {letter(f, name): x for f, x in vars(rule).items() if not isinstance(x, str)}
    for t, g in enumerate(GRADIENTS, start=1):
        lr = 0.1 / t
        old = {letter(f, name): x for f, x in weight.state.items()}
        known = {**settings, **old, "t": t, "lr": lr, "w": weight.w, "g": g}
        lines = weight.step(Clock(t, lr, 1 / t, λ), g)
        yield t, known, {line.letter: line.value for line in lines}


@pytest.mark.parametrize(("rule", "alternative"), VARIANTS, ids=repr)
def test_each_typed_equation_is_the_rules_own(rule, alternative):
    compared = set()
    for t, known, recorded in steps(rule):
        if t == 1:
            continue
        if "μ" in recorded and "Π" in recorded:
            known["μ"] = recorded["μ"]
        known |= {name: recorded[name] for name in ("w′", "μ₊₁") if name in recorded}
        for name, right in equations(rule, alternative):
            if name in recorded:
                rel = 1e-6 if name in ("γ", "μ", "Π") else 1e-12
                assert calculated(right, known) == pytest.approx(recorded[name], rel=rel), (t, name, right)
                compared.add(name)
            elif name == "v′":
                known[name] = calculated(right, known)
            known |= {name: recorded[name]} if name in recorded else {}
    typed = {name for name, _ in equations(rule, alternative)}
    assert typed - compared <= UNUSED.get((type(rule), alternative), set())


@pytest.mark.parametrize(("rule", "alternative"), VARIANTS, ids=repr)
def test_the_one_line_forms_are_the_rules_own(rule, alternative):
    text = RULES[type(rule).__name__]
    usual = alternative == (1 if isinstance(rule, rules.SGD) else 0)
    for t, known, recorded in steps(rule):
        if t == 1:
            continue
        everything = {**known, **recorded, **{name: known[name] for name in ("w", "μ") if name in known}}
        everything |= {"γ": known["γ"]} if "γ" in known else {}
        if usual and set(re.findall(r"[mvr]̂?", text.u)) <= set(everything):
            u = {**everything, "m": known.get("m"), "a": known.get("a")}
            assert calculated(text.u, u) == pytest.approx(recorded["u"], rel=1e-6), t
        assert calculated(text.move.format(w="w"), everything) == pytest.approx(recorded["w′"], rel=1e-12), t


@pytest.mark.parametrize(("rule", "alternative"), VARIANTS, ids=repr)
def test_a_metric_of_1_is_called_flat(rule, alternative):
    shown = {name for _, _, recorded in steps(rule) for name in recorded}
    assert ("D" not in shown) == RULES[type(rule).__name__].flat


def test_another_equation_would_show():
    wrong = RULES["Adam"].equations[1].replace("−", "+")
    known, recorded = next((k, r) for t, k, r in steps(rules.Adam()) if t == 2)
    assert calculated(wrong.removeprefix("v ← "), known) != pytest.approx(recorded["v"], rel=1e-3)
