"""The composed lines are true, the names are found, the texts are there."""

from __future__ import annotations

import inspect
import unicodedata
from dataclasses import fields
from pathlib import Path

import pytest
import torch

from halflife import optimizers as optim
from halflife.decays import NAMED
from halflife.explain import (
    DECAYS,
    OPTIMIZERS,
    REGULARIZERS,
    RULES,
    OptimizerText,
    RegularizerText,
    UnknownNameError,
    algebra,
    find,
)
from halflife.explain.guide import guide
from halflife.regularizers import L2

EVERYTHING = {**OPTIMIZERS, **DECAYS, **REGULARIZERS}
W, U, D, LR, ETA, LAM = 0.7, torch.tensor([0.3, -0.4], dtype=torch.float64), 1.7, 0.2, 0.6, 0.3


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("name", NAMED)
def test_the_line_of_a_decay_says_what_the_library_does(name, flat):
    decay, metric = NAMED[name], 1.0 if flat else D
    line = algebra.after("{w} − lr·u", decay, flat=flat).removeprefix("w ← ")
    w = torch.full_like(U, W)
    τ = decay.scale(LR, ETA, metric) * LAM
    expected = decay.place.after(w, U, lambda point: point - LR * U, τ, L2())
    assert torch.allclose(_value(line, w=w), expected, rtol=1e-14, atol=0)
    assert (algebra.before(decay) == "g ← g + λ·w") == (name == "coupled")


@pytest.mark.parametrize("rule", RULES)
def test_brackets_stand_where_a_rule_multiplies_its_start(rule):
    w, move = torch.full_like(U, W), RULES[rule].move
    names = {"λ_d": 0.01, "γ": 0.15, "rate": 0.12}
    for decay in NAMED.values():
        line = algebra.after(move, decay, flat=True).removeprefix("w ← ")
        τ = decay.scale(LR, ETA, 1.0) * LAM
        expected = decay.place.after(w, U, lambda point: _value(move.format(w="w"), w=point, **names), τ, L2())
        assert torch.allclose(_value(line, w=w, **names), expected, rtol=1e-14, atol=0)


def _value(line, w, **more):
    text = line.replace("·", "*").replace("−", "-").replace("[", "(").replace("≥", ">=").replace("]", ")")
    return eval(text, {}, {"w": w, "u": U, "lr": LR, "η": ETA, "λ": LAM, "D": D, **more})


@pytest.mark.parametrize("typed", ["AdamW", "adamw", "ADAMW", "adam-w", "Adam_W"])
def test_case_and_hyphens_do_not_matter(typed):
    assert find(typed) is OPTIMIZERS["AdamW"]


@pytest.mark.parametrize("name", EVERYTHING)
def test_every_name_is_found(name):
    assert find(name.upper()) is EVERYTHING[name]


@pytest.mark.parametrize(("typed", "name"), [("ridge", "L2"), ("LASSO", "L1"), ("l2-sp", "TowardInit")])
def test_other_names_are_found(typed, name):
    assert find(typed).name == name


@pytest.mark.parametrize(
    ("typed", "hint"), [("adanw", "AdamW"), ("decoupld", "decoupled"), ("group lass", "GroupLasso")]
)
def test_near_misses_are_suggested(typed, hint):
    with pytest.raises(UnknownNameError, match=f"did you mean .*{hint}.*`halflife explain` lists all"):
        find(typed)


def test_nothing_is_suggested_for_something_else():
    with pytest.raises(UnknownNameError, match=r"is called 'shampoo'; `halflife explain`"):
        find("shampoo")


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_settings_to_tune_are_arguments(name):
    parameters = inspect.signature(getattr(optim, name)).parameters
    assert OPTIMIZERS[name].tune
    assert {setting.name for setting in OPTIMIZERS[name].tune} <= set(parameters)


@pytest.mark.parametrize("name", EVERYTHING)
def test_no_text_is_missing(name):
    text = EVERYTHING[name]
    may_lack = {OptimizerText: {"twin", "example", "own"}, RegularizerText: {"gradient"}}.get(type(text), set())
    for field in fields(text):
        value = getattr(text, field.name)
        assert field.name in may_lack or value, field.name
        if isinstance(value, str):
            assert unicodedata.normalize("NFC", value) == value
            assert "  " not in value or field.name == "prox"
    if isinstance(text, RegularizerText):
        assert bool(text.gradient) == text.example.has_grad or name in algebra.COMBINED


def test_the_guide_is_what_the_texts_say():
    page = Path(__file__).parents[2] / "docs" / "guide.md"
    assert page.read_text(encoding="utf-8") == guide(), "run: python -m halflife.explain > docs/guide.md"
    assert all(f"| {name} |" in guide() for name in OPTIMIZERS)
