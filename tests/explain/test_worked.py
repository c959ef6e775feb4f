"""Each optimizer's step by the recorded lines, by hand and by the optimizer itself: they agree, and would not if any
were wrong.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import pytest
import torch

import halflife
from halflife import optimizers as optim
from halflife import regularizers, rules
from halflife.decays import NAMED
from halflife.explain import (
    DECAYS,
    NOTEBOOK_AFTER,
    OPTIMIZERS,
    REGULARIZERS,
    RULES,
    composition,
    figure,
    update_of,
    worked,
)
from halflife.explain.coordinate import Clock, Coordinate
from halflife.explain.worked import rates, start
from halflife.regularizers import KNOWN
from halflife.update import Update
from tests.explain.hand import decays as hand_decays
from tests.explain.hand import rules as hand_rules
from tests.explain.hand.sheet import Sheet

KEPT = "kept in float32 beside weights of any dtype, as torch keeps it"
CLASSES = {name: x for name in halflife.__all__ if isinstance(x := getattr(halflife, name), type)}
PUBLIC = sorted(n for n, c in CLASSES.items() if issubclass(c, torch.optim.Optimizer) and c is not halflife.Optimizer)
WITH_RULE = [name for name in PUBLIC if composition(name).rule]
BY_LINES = [name for name in WITH_RULE if composition(name).rule.acts_on == "coordinates"]
AS_A_WHOLE = [name for name in PUBLIC if name not in BY_LINES]
TAKEN = [(name, decay) for name in BY_LINES for decay in (None, *composition(name).treatments())]


def by_hand(name, decay):
    """Every weight's path by hand, and what was noted of the first weight in the first step."""
    kind = getattr(optim, name)
    λ = {} if name in ("Rprop", "SparseAdam") else {"weight_decay": 0.02}
    settings = {"lr": 0.1, **λ, **OPTIMIZERS[name].example}
    optimizer = kind(list(start()), **settings, **({"decay": decay} if decay else {}))
    group, update = optimizer.param_groups[0], update_of(name, decay)
    rule = hand_rules.RULES[type(update.rule).__name__]
    treatment = hand_decays.DECAYS[next(n for n, d in NAMED.items() if d == update.decay)]
    paths, noted = [], {}
    for p in (0, 1):
        for w in start()[p].flatten().tolist():
            sheet, path = Sheet(group), []
            for t, lr in enumerate(rates(), start=1):
                sheet.turn(t, lr)
                w = treatment(sheet, w, sheet.note("g", 2 * w if p == 0 else 3 * w**2), rule)
                noted = noted or dict(sheet.noted)
                path.append(w)
            paths.append(path)
    return [list(step) for step in zip(*paths, strict=True)], noted


def largest(a, b):
    return max(abs(x - y) for one, other in zip(a, b, strict=True) for x, y in zip(one, other, strict=True))


def test_nothing_public_goes_unexplained():
    assert sorted(OPTIMIZERS) == PUBLIC
    assert set(RULES) == {type(update_of(name).rule).__name__ for name in WITH_RULE}
    assert set(hand_rules.RULES) == {type(update_of(name).rule).__name__ for name in BY_LINES}
    assert [name for name in PUBLIC if OPTIMIZERS[name].own] == [name for name in PUBLIC if name not in WITH_RULE]
    assert set(DECAYS) == set(hand_decays.DECAYS) == set(NAMED)
    assert set(REGULARIZERS) == set(KNOWN)


@pytest.mark.parametrize(("name", "decay"), TAKEN)
def test_lines_hand_and_optimizer_agree(name, decay):
    result = worked(name, decay)
    path, noted = by_hand(name, decay)
    assert max(result.own_error) <= 1e-14
    assert largest(result.path, path) <= 1e-14
    (final,) = [line.value for line in result.lines if line.letter == "w′"]
    assert final == result.recorded == pytest.approx(result.own, abs=1e-14)
    shared = [line for line in result.lines if line.letter in noted]
    assert len(shared) >= 3
    for line in {line.letter: line for line in shared}.values():
        assert line.value == pytest.approx(noted[line.letter], rel=1e-14, abs=1e-14), line


@pytest.mark.parametrize("name", PUBLIC)
def test_torch_agrees_where_it_has_the_optimizer(name):
    result = worked(name)
    assert (result.twin is None) == (not hasattr(torch.optim, name) and name != "AdamL2")
    assert result.twin_error is None or max(result.twin_error) <= 1e-14


@pytest.mark.parametrize("name", BY_LINES)
def test_a_flipped_gradient_shows(name):
    first, all_steps = worked(name, maximize=True).own_error
    assert first > 1e-4
    assert all_steps > 1e-3


@pytest.mark.parametrize("rule", hand_rules.RULES)
def test_a_flipped_sign_of_the_hand_shows(rule, monkeypatch):
    real = hand_rules.RULES[rule]
    monkeypatch.setitem(hand_rules.RULES, rule, lambda sheet, g: real(sheet, -g))
    names = [name for name in BY_LINES if type(update_of(name).rule).__name__ == rule]
    assert names
    assert all(largest(worked(name).path, by_hand(name, None)[0]) > 1e-4 for name in names)


@pytest.mark.parametrize("decay", NAMED)
@pytest.mark.parametrize("name", ["SGD", "AdamW"])
def test_a_flipped_decay_of_the_hand_shows(name, decay, monkeypatch):
    monkeypatch.setattr(Sheet, "λ", property(lambda sheet: -float(sheet.group["weight_decay"])))
    assert largest(worked(name, decay).path, by_hand(name, decay)[0]) > 1e-6


@pytest.mark.parametrize("decay", [decay for decay in NAMED if decay != "decoupled"])
def test_another_decay_than_the_optimizers_shows(decay, monkeypatch):
    monkeypatch.setitem(hand_decays.DECAYS, decay, hand_decays.DECAYS["decoupled"])
    assert largest(worked("AdamW", decay).path, by_hand("AdamW", decay)[0]) > 1e-6


def test_the_notebooks_figures_to_the_printed_digits():
    result = worked("SGD")
    assert result.settings == {"lr": 0.1, "weight_decay": 0.02, "momentum": 0.5, "dampening": 1.0}
    for ours, printed in zip(result.after, NOTEBOOK_AFTER, strict=True):
        assert [f"{w:.4f}" for w in ours.flatten()] == [f"{w:.4f}" for w in printed.flatten()]
    assert result.twin_error == (0.0, 0.0), "torch's step to the last bit"
    assert result.lines[-1].letters == "w − lr·u"
    assert result.lines[1].figures == "1.4953 + 0.02·0.74765"


@pytest.mark.parametrize(("name", "decay"), TAKEN)
def test_the_figures_shown_come_to_the_value_shown(name, decay):
    for line in worked(name, decay).lines:
        assert calculated(line.figures) == pytest.approx(line.value, rel=1e-4, abs=1e-3), line


def calculated(text):
    """The line as a pocket calculator has it."""
    for shown, meant in (("·", "*"), ("−", "-"), ("^", "**"), ("¹", "**1"), ("²", "**2")):
        text = text.replace(shown, meant)
    text = re.sub(r"\|([^|]+)\|", r"abs(\1)", text)
    text = re.sub(r"√([\d.e-]+)", r"√(\1)", text).replace("√", "sqrt")
    names = {"sqrt": math.sqrt, "max": max, "float32": float, "sign": lambda x: (x > 0) - (x < 0), "abs": abs}
    names["clip"] = lambda x, low, high: min(max(x, low), high)
    return float(eval(text, {"__builtins__": {}}, names))


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("RAdam", [("D", "1", "ρ > 5 does not hold"), ("u", "m/(1 − β₁ᵗ)", "")]),
        (
            "NAdam",
            [
                ("μ", "β₁·(1 − 0.5·0.96^(t·ψ))", ""),
                ("Π", "float32(Π₀·μ)", KEPT),
                ("m̂", "μ₊₁/(1 − Π·μ₊₁)·m + (1 − μ)/(1 − Π)·g", ""),
            ],
        ),
        ("ASGD", [("w′", "(1 − λ_d·γ₀)·w − γ₀·u", ""), ("ax", "w′", "μ₀ = 1")]),
        ("Rprop", [("factor", "1", "c = 0"), ("Δ", "clip(Δ₀·factor, Γ₋, Γ₊)", ""), ("g₋", "g", "")]),
        ("SGD", [("b", "g", ""), ("u", "b", ""), ("w′", "w − lr·u", "")]),
        ("Adamax", [("D", "max(β₂·D₀, |g| + ε)", "")]),
        ("Lion", [("u", "sign(β₁·m₀ + (1 − β₁)·g)", ""), ("m", "β₂·m₀ + (1 − β₂)·g", "")]),
        ("AdamP", [("τ", "λ·lr/D", ""), ("w′", "(w − lr·u)/(1 + τ)", "")]),
    ],
)
def test_lines_carry_the_rules_own_names(name, lines):
    found = [(line.letter, line.letters, line.remark) for line in worked(name).lines]
    assert [line for line in found if line in lines] == lines


def test_a_condition_is_told_where_it_was_asked_and_nowhere_else():
    weight, lines = Coordinate(Update(rules.RAdam(), NAMED["coupled"], regularizers.L2()), 0.7), ()
    for t in range(1, 7):
        lines = weight.step(Clock(t, 0.1, 1.0, 0.02), 0.4)
    assert [(line.letter, line.remark) for line in lines if line.remark] == [("D", "ρ > 5")]
    (D,) = [line.letters for line in lines if line.letter == "D"]
    assert D == "(√v + ε)/(r·√(1 − β₂ᵗ))"


def test_no_line_is_idle():
    """Each is used further down, or is a state or the new weight."""
    for name in BY_LINES:
        letters = [line.letter for line in worked(name, None if name == "SparseAdam" else "decoupled").lines]
        assert len(letters) == len(set(letters)), name
        assert letters.count("w′") == 1
    assert "τ" not in [line.letter for line in worked("Adam", "coupled").lines]


@dataclass(frozen=True)
class Belief(rules.Rule):
    """A rule of a user's own: a state with a name of its own, a setting of its own, a whole number that stays one."""

    fading: float = 0.8
    power: float = 0.5
    rounds: int = 2

    @property
    def states(self):
        return (rules.StateSpec("surprise", sign="never negative"),)

    def start(self, w, lr):
        return {"surprise": torch.full_like(w, 0.25)}

    def __call__(self, t, w, g, s):
        δ = g
        for _ in range(self.rounds):
            δ = torch.tanh(δ)
        seen = self.fading * s["surprise"] + (1 - self.fading) * torch.square(δ)
        D = seen**self.power + 0.1
        return δ / D, D, {"surprise": seen}


class Mine(halflife.Optimizer, rule=Belief, lr=1e-3, decay="euclidean", weight_decay=1e-3):
    """The rule's face."""


@dataclass(frozen=True)
class Normed(rules.Rule):
    """A rule that looks at all coordinates."""

    def __call__(self, t, w, g, s):
        return g / g.norm(), 1.0, {}


class NormedOptimizer(halflife.Optimizer, rule=Normed, lr=1e-3, weight_decay=0.0):
    """Its face."""


@pytest.mark.parametrize("decay", [None, *NAMED])
def test_a_rule_of_ones_own_is_worked_out(decay):
    result = worked(Mine, decay)
    assert max(result.own_error) <= 1e-14
    letters = {line.letter: line.letters for line in result.lines}
    assert letters["seen"] == "fading·surprise₀ + (1 − fading)·δ²"
    assert letters["D"] == "seen^power + 0.1"
    assert (letters["surprise"], letters["u"]) == ("seen", "δ/D")


def test_a_rule_that_looks_at_all_coordinates_has_its_own_step_and_the_reason_for_no_lines():
    result = worked(NormedOptimizer)
    assert (result.lines, result.recorded, result.own_error) == ((), None, None)
    assert re.match("NormedOptimizer looks at more than one at a time .*no 'norm'", result.whole)
    g = 2 * start()[0]
    assert result.own == pytest.approx(float(g[0, 0] / 2 - 0.1 * g[0, 0] / g.norm()), abs=1e-15)


@pytest.mark.parametrize("name", AS_A_WHOLE)
def test_what_steps_more_than_one_weight_as_one_says_so_and_is_shown_beside_torch(name):
    result = worked(name)
    assert result.whole.startswith(name)
    assert (result.lines, result.recorded, result.own_error) == ((), None, None)
    assert result.path[0][0] == result.own == pytest.approx(result.twin, abs=1e-15)
    assert result.settings["weight_decay"] == 0.02
    assert len(result.before) == len(result.after) == (1 if name == "Muon" else 2)


@pytest.mark.parametrize("name", AS_A_WHOLE)
def test_another_decay_of_ours_than_torchs_shows(name):
    assert max(worked(name, weight_decay=0.04).twin_error) > 1e-3


def test_muons_singular_values_are_brought_near_1():
    before, after = worked("Muon").singular
    assert before == pytest.approx(torch.linalg.svdvals(2 * start()[0]).tolist())
    assert before[0] > 3 * before[1]
    assert all(0.6 < σ < 1.3 for σ in after)


def test_sparse_gradients_are_given_where_no_others_are_taken():
    result = worked("SparseAdam")
    assert result.settings == {"lr": 0.1}
    assert max(*result.own_error, *result.twin_error) <= 1e-14


@pytest.mark.parametrize(
    ("name", "decay", "sentence"),
    [
        ("SparseAdam", "proximal", "not for SparseAdam, which takes none"),
        ("LBFGS", "decoupled", "not for LBFGS, whose decay is part of the loss"),
        ("Muon", "euclidean", "no diagonal metric"),
    ],
)
def test_a_treatment_that_an_optimizer_does_not_take_is_refused(name, decay, sentence):
    with pytest.raises(ValueError, match=sentence):
        composition(name, decay)


@pytest.mark.parametrize(
    ("x", "text"), [(1e-8, "1e-8"), (-0.5, "−0.5"), (-0.0, "0"), (1.0, "1"), (1e6, "1e6"), (0.1 + 0.2, "0.3")]
)
def test_figures_are_written_as_one_writes_them(x, text):
    assert figure(x) == text
