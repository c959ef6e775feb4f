"""Each optimizer's step by hand beside its own: they agree, and would not if either were wrong."""

from __future__ import annotations

import math
import re

import pytest
import torch

from halflife import optim, rules
from halflife.decays import NAMED
from halflife.explain import DECAYS, NOTEBOOK_AFTER, OPTIMIZERS, REGULARIZERS, RULES, proved, update_of, worked
from halflife.explain.hand import decays as hand_decays
from halflife.explain.hand import rules as hand_rules
from halflife.explain.hand.sheet import Sheet
from halflife.explain.hand.term import figure, larger, magnitude, sign, sqrt, term
from halflife.regularizers import KNOWN

ROUNDING = 1e-14
PUBLIC = sorted(set(optim.__all__) - {"Optimizer"})


def test_nothing_public_goes_unexplained():
    assert sorted(OPTIMIZERS) == PUBLIC
    of_rules = {name for name in rules.__all__ if name not in ("Rule", "Scalar", "State")}
    assert set(RULES) == set(hand_rules.RULES) == of_rules
    assert set(DECAYS) == set(hand_decays.DECAYS) == set(NAMED)
    assert set(REGULARIZERS) == set(KNOWN)


@pytest.mark.parametrize("decay", [None, *NAMED])
@pytest.mark.parametrize("name", PUBLIC)
def test_the_hand_and_the_optimizer_agree(name, decay):
    result = worked(name, decay)
    assert max(result.own_error) <= ROUNDING
    assert abs(result.by_hand - result.own) <= ROUNDING


@pytest.mark.parametrize("name", PUBLIC)
def test_torch_agrees_where_it_has_the_optimizer(name):
    result = worked(name)
    assert (result.twin is None) == (not hasattr(torch.optim, name) and name != "AdamL2")
    assert result.twin_error is None or max(result.twin_error) <= ROUNDING


@pytest.mark.parametrize("name", PUBLIC)
def test_a_flipped_gradient_shows(name):
    first, all_steps = worked(name, maximize=True).own_error
    assert first > 1e-4
    assert all_steps > 1e-3


@pytest.mark.parametrize("rule", RULES)
def test_a_flipped_sign_of_the_hand_shows(rule, monkeypatch):
    real = hand_rules.RULES[rule]
    monkeypatch.setitem(hand_rules.RULES, rule, lambda sheet, g: real(sheet, term(-g.value, "g")))
    names = [name for name in PUBLIC if type(update_of(name).rule).__name__ == rule]
    assert names
    assert all(worked(name).own_error[0] > 1e-4 for name in names)


@pytest.mark.parametrize("decay", NAMED)
@pytest.mark.parametrize("name", ["SGD", "AdamW"])
def test_a_flipped_decay_of_the_hand_shows(name, decay, monkeypatch):
    monkeypatch.setattr(Sheet, "λ", property(lambda sheet: term(-float(sheet.group["weight_decay"]), "λ")))
    assert worked(name, decay).own_error[1] > 1e-6


@pytest.mark.parametrize("decay", [decay for decay in NAMED if decay != "decoupled"])
def test_another_decay_than_the_optimizers_shows(decay, monkeypatch):
    monkeypatch.setitem(hand_decays.DECAYS, decay, hand_decays.DECAYS["decoupled"])
    error = worked("AdamW", decay).own_error
    assert max(error) > 1e-6


def test_the_notebooks_figures_to_the_printed_digits():
    result = worked("SGD")
    assert result.settings == {"lr": 0.1, "weight_decay": 0.02, "momentum": 0.5, "dampening": 1.0}
    for ours, printed in zip(result.after, NOTEBOOK_AFTER, strict=True):
        assert [f"{w:.4f}" for w in ours.flatten()] == [f"{w:.4f}" for w in printed.flatten()]
    assert result.twin_error == (0.0, 0.0), "torch's step to the last bit"
    assert result.lines[-1].letters == "w − lr·u"
    assert result.lines[1].figures == "1.4953 + 0.02·0.74765"


@pytest.mark.parametrize("name", PUBLIC)
def test_the_figures_shown_come_to_the_value_shown(name):
    for line in worked(name).lines:
        assert _calculated(line.figures) == pytest.approx(line.value, rel=1e-4, abs=1e-3), line


def _calculated(text):
    """The line as a pocket calculator has it."""
    for shown, meant in (("·", "*"), ("−", "-"), ("^", "**"), ("¹", "**1"), ("²", "**2"), ("|1.51025|", "1.51025")):
        text = text.replace(shown, meant)
    text = re.sub(r"√([\d.e-]+)", r"√(\1)", text).replace("√", "sqrt")
    names = {"sqrt": math.sqrt, "max": max, "float32": float, "sign": lambda x: (x > 0) - (x < 0)}
    return float(eval(text, {"__builtins__": {}}, names))


def test_terms_are_bracketed_as_they_were_computed():
    a, b, c = term(2.0, "a"), term(-3.0, "b"), term(0.5, "c")
    for x, letters, figures in (
        (a - (b - c), "a − (b − c)", "2 − (−3 − 0.5)"),
        (a * (b + c), "a·(b + c)", "2·(−3 + 0.5)"),
        (a / (b * c), "a/(b·c)", "2/((−3)·0.5)"),
        (a * b / c, "a·b/c", "2·(−3)/0.5"),
        (1 - a**2, "1 − a²", "1 − 2²"),
        ((a + c) ** 2, "(a + c)²", "(2 + 0.5)²"),
        (b**2, "b²", "(−3)²"),
        (a - b, "a − b", "2 − (−3)"),
        (sqrt(a * 2), "√(a·2)", "√(2·2)"),
        (larger(a, magnitude(b)), "max(a, |b|)", "max(2, |−3|)"),
        (sign(b), "sign(b)", "sign(−3)"),
        (a ** (c * a), "a^(c·a)", "2^(0.5·2)"),
    ):
        assert (x.letters.text, x.figures.text) == (letters, figures)


@pytest.mark.parametrize(
    ("x", "text"), [(1e-8, "1e-8"), (-0.5, "−0.5"), (-0.0, "0"), (1.0, "1"), (1e6, "1e6"), (0.1 + 0.2, "0.3")]
)
def test_figures_are_written_as_one_writes_them(x, text):
    assert figure(x) == text


@pytest.mark.parametrize("name", KNOWN)
def test_the_prox_by_hand_and_the_librarys_agree(name):
    for τ in (0.05, 0.25, 0.8):
        assert proved(REGULARIZERS[name], τ).error <= ROUNDING


@pytest.mark.parametrize("name", KNOWN)
def test_a_prox_with_another_threshold_shows(name):
    text = REGULARIZERS[name]
    if text.example.constraint:
        return
    result = proved(text, 0.25)
    assert max(abs(a - b) for a, b in zip(text.by_hand(text.points, 1.0), result.own, strict=True)) > 1e-2
