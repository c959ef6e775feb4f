"""Errors in their own unit: no share is made of a squared error, and nothing small becomes 0."""

from __future__ import annotations

import pytest

from halflife.lab import Problem, Split
from halflife.lab.units import cost_text, difference_text, error_text, interval_text, number_text

SHARE, MSE = "misclassified", "error"
NAN = float("nan")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.8, "0.800"), (0.0, "0"), (1234.5, "1234"), (1.234e-6, "1.23e−6"), (0.99951, "1.00"), (-2.5e7, "−2.50e7")],
)
def test_a_number_has_three_digits(value: float, text: str) -> None:
    assert number_text(value) == text


@pytest.mark.parametrize(
    ("mean", "unit", "spread", "text"),
    [
        *((0.0712, SHARE, 0.0031, "7.1 ± 0.3 %"), (0.8, SHARE, NAN, "80.0 %"), (NAN, MSE, NAN, "–")),
        *((0.8, MSE, NAN, "0.800"), (0.8, MSE, 0.0123, "0.800 ± 0.012"), (12.0, MSE, 3.0, "12.0 ± 3.0")),
        *(
            (1.23e-6, MSE, 4e-8, "(1.230 ± 0.040)e−6"),
            (267.9, MSE, 12.0, "268 ± 12"),
            (1e6, MSE, 2e4, "(1.000 ± 0.020)e6"),
        ),
        (1.6543, "nats", 0.0021, "1.6543 ± 0.0021"),
    ],
)
def test_an_error_has_its_units_format(mean: float, unit: str, spread: float, text: str) -> None:
    assert error_text(mean, unit, spread) == text


def test_differences_and_costs() -> None:
    assert difference_text(-0.0123, SHARE) == "−1.23"
    assert difference_text(-0.0123, MSE) == "−0.0123"
    assert difference_text(2e-6, MSE) == "+2.00e−6"
    assert cost_text(0.0123, SHARE) == "1.2"
    assert cost_text(1.5e-6, MSE) == "1.50e−6"
    assert interval_text(0.012, (0.004, 0.021), SHARE) == "1.2 (0.4 … 2.1) points"
    assert interval_text(1.2e-6, (4e-7, 2.1e-6), "nats") == "1.20e−6 (4.00e−7 … 2.10e−6) nats"
    assert interval_text(3.14159, (-1.0, 7.0), MSE) == "3.14 (−1.00 … 7.00) error"
    assert interval_text(0.5, None, MSE) == "0.500 error"


def test_a_problem_with_an_error_of_its_own_is_not_read_in_percent() -> None:
    import torch
    from torch import nn

    split = Split(torch.randn(8, 3), torch.randn(8, 1))
    words = ("mine", "my problem", split, split, split, lambda: nn.Linear(3, 1))
    squared = Problem(*words, loss=nn.functional.mse_loss, error=lambda y, t: (y - t).square().mean(1))
    assert squared.unit == "error"
    assert Problem(*words).unit == "misclassified"
    assert Problem(*words, unit="metres").unit == "metres"
