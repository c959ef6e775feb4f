"""Each regularizer's prox by the library, by hand and by its recorded lines."""

from __future__ import annotations

import pytest

from halflife.explain import REGULARIZERS, verified_prox
from halflife.regularizers import KNOWN, L1
from tests.explain.hand.prox import BY_HAND


class TooFar(L1):
    """A prox with half the threshold."""

    def prox(self, y, tau):
        return super().prox(y, tau / 2)


def prox(name, τ=0.25):
    text = REGULARIZERS[name]
    return text, verified_prox(text.example, text.points, text.shape, τ)


@pytest.mark.parametrize("τ", [0.05, 0.25, 0.8])
@pytest.mark.parametrize("name", KNOWN)
def test_hand_and_library_agree_and_nothing_lies_lower(name, τ):
    text, result = prox(name, τ)
    assert result.values == pytest.approx(BY_HAND[name](text.points, τ), rel=0, abs=1e-14)
    assert result.elsewhere > result.objective
    assert result.tried > 1000


@pytest.mark.parametrize("name", [name for name in KNOWN if not REGULARIZERS[name].example.constraint])
def test_another_threshold_shows(name):
    text, result = prox(name)
    assert max(abs(a - b) for a, b in zip(BY_HAND[name](text.points, 1.0), result.values, strict=True)) > 1e-2


def test_a_wrong_prox_is_found_out():
    result = verified_prox(TooFar(), (-1.2, 2.0), (2,))
    assert result.elsewhere < result.objective - 1e-3


@pytest.mark.parametrize("name", KNOWN)
def test_the_lines_end_in_the_last_points_prox(name):
    _, result = prox(name)
    assert bool(result.lines) == (name not in ("GroupLasso", "OnSubset", "Sphere")), "one coordinate's numbers suffice"
    if result.lines:
        assert result.lines[-1].letter == "x"
        assert result.lines[-1].value == pytest.approx(result.values[-1], rel=0, abs=1e-14)


def test_the_lines_carry_the_settings_letters_and_the_branch_taken():
    _, huber = prox("Huber")
    assert (huber.lines[-1].letters, huber.lines[-1].remark) == (
        "sign(y)·max(|y| − τ·δ, 0)",
        "|y| ≤ δ·(1 + τ) does not hold",
    )
    _, half = prox("LHalf")
    assert [line.letters for line in half.lines] == [
        "|y|",
        "arccos(min(τ/4·(a/3)^(−1.5), 1))",
        "⅔·y·(1 + cos(⅔·(π − φ)))",
    ]
