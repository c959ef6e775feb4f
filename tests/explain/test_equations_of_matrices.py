"""The typed equations of Muon, Adafactor and LBFGS, on whole matrices: each comes to what the optimizer does."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
import pytest
import torch

import halflife
from halflife import rules
from halflife.explain import OPTIMIZERS, RULES

from .test_equations import evaluated

NUMBERS = np.random.default_rng(0)


@dataclass
class Linear:
    """A matrix or a column: "·" between two is their product, of two columns the scalar one; 1 is the identity."""

    x: np.ndarray

    def __mul__(self, other):
        if not isinstance(other, Linear):
            return Linear(self.x * other)
        columns = self.x.shape[1] == other.x.shape[1] == 1 < len(self.x)
        return (self.x.T @ other.x).item() if columns else Linear(self.x @ other.x)

    def __rmul__(self, other):
        return Linear(other * self.x)

    def __truediv__(self, other):
        return Linear(self.x / other)

    def __add__(self, other):
        return Linear(self.x + other.x)

    def __sub__(self, other):
        return Linear(self.x - other.x)

    def __rsub__(self, one):
        return Linear(one * np.eye(len(self.x)) - self.x)

    def __pow__(self, two):
        assert two == 2
        return self * self


def typed(lines):
    """Every equation's letter and what it may be, in the order of the page."""
    for line in lines:
        for equation in re.split(r"    ", line)[0].split(",  "):
            letter, _, right = re.split(r" (←|=) ", equation, maxsplit=1)
            yield letter, right.split(" | ")


def value(text, known, functions):
    text = re.sub(r"√(max\([^)]*\))", r"√(\1)", text)
    return evaluated(re.sub(r"‖(\w+)‖(?!₁)", r"norm(\1)", text), known, functions)


SCALES = ["original", "match_rms_adamw", "spectral_unclamped"]
MUON = {"norm": lambda v: np.linalg.norm(v.x), "max": max, "sqrt": math.sqrt}


@pytest.mark.parametrize("shape", [(3, 5), (5, 3)])
@pytest.mark.parametrize("scale", range(3))
@pytest.mark.parametrize("look", range(2))
def test_muons_equations_are_the_rules_own(shape, scale, look):
    rule = rules.Muon(
        0.8, ("momentum", "nesterov")[look], (2.0, -1.5, 0.5), steps=3, scale=SCALES[scale], precision="float64"
    )
    g, b = NUMBERS.normal(size=shape), NUMBERS.normal(size=shape)
    u, _, new = rule(2.0, torch.zeros(shape), torch.tensor(g), {"momentum_buffer": torch.tensor(b)})
    known = {"μ": 0.8, "ε": rule.eps, "rows": shape[0], "columns": shape[1], "g": Linear(g), "b": Linear(b)}
    known |= dict(zip(("c₁", "c₂", "c₃"), rule.coefficients, strict=True))
    b_, v, X, A, iterated, ρ, direction = typed(RULES["Muon"].equations)

    def work(line, alternative=0):
        letter, choices = line
        known[letter] = value(choices[alternative], known, MUON)
        known["Xᵀ"] = Linear(known["X"].x.T) if "X" in known else None

    work(b_)
    work(v, look)
    tall = shape[0] > shape[1]
    known["v"] = Linear(known["v"].x.T) if tall else known["v"]
    work(X)
    for _ in range(rule.steps):
        work(A)
        work(iterated)
    known["X"] = Linear(known["X"].x.T) if tall else known["X"]
    work(ρ, scale)
    work(direction)
    assert known["b"].x == pytest.approx(new["momentum_buffer"].numpy(), rel=1e-12)
    assert known["u"].x == pytest.approx(u.numpy(), rel=1e-10)


ADAFACTOR = {
    "mean": lambda x, axis=None: x.mean() if axis is None else x.mean(axis, keepdims=True),
    "RMS": lambda x: np.sqrt((x * x).mean()),
    "max": np.maximum,
    "min": min,
    "sqrt": np.sqrt,
}


@pytest.mark.parametrize("shape", [(3, 4), (5,)])
def test_adafactors_equations_are_the_rules_own(shape):
    rule = rules.Adafactor(-0.5, 1e-3, 0.5, 1.1)
    known = {"c": -0.5, "ε₁": 1e-3, "ε₂": 0.5, "d": 1.1, "row": -1, "column": -2, "R": 0.0, "C": 0.0, "V": 0.0}
    state = {}
    for t in range(1, 5):
        w, g = NUMBERS.normal(size=shape), NUMBERS.normal(size=shape) * 4.0**t
        u, D, state = rule(float(t), torch.tensor(w), torch.tensor(g), state)
        known |= {"t": t, "w": w, "g": g, "lr": 0.6}
        for letter, choices in typed(RULES["Adafactor"].equations):
            if len(shape) == 2 or letter not in ("R", "C"):
                known[letter] = value(choices[min(len(shape) == 1, len(choices) - 1)], known, ADAFACTOR)
        assert known["u"] == pytest.approx(u.numpy(), rel=1e-12)
        assert known["D"] == pytest.approx(D.numpy(), rel=1e-12)
        assert known["rate"] == pytest.approx(rule.rate(0.6, float(t), state), rel=1e-15)
    kept = {"R": "row_var", "C": "col_var"} if len(shape) == 2 else {"V": "variance"}
    for letter, name in kept.items():
        assert known[letter] == pytest.approx(state[name].numpy(), rel=1e-12)


def column(x):
    return Linear(np.array(x).reshape(-1, 1))


def test_lbfgs_equations_are_the_optimizers_own():
    """The loss is Σ i·wᵢ²/2 + Σ wᵢ⁴/4; the last two pairs are kept."""
    λ, lr, p = 0.3, 0.4, torch.nn.Parameter(torch.tensor([0.9, -1.2, 0.5, 0.7], dtype=torch.float64))
    optimizer = halflife.LBFGS([p], lr=lr, max_iter=1, history_size=2, weight_decay=λ)
    scale = torch.arange(1.0, 5.0, dtype=torch.float64)

    def closure():
        optimizer.zero_grad()
        loss = (scale * p**2).sum() / 2 + (p**4).sum() / 4
        loss.backward()
        return loss

    text = OPTIMIZERS["LBFGS"].own
    lines, pairs, known = list(typed(text.equations)), [], {"λ": λ, "lr": lr}
    functions = {"min": min}
    for k in range(6):
        w = column(p.detach().numpy())
        known |= {"w": w, "g": column(scale.numpy() * w.x[:, 0] + w.x[:, 0] ** 3)}
        known["g"] = value("g + λ·w", known, functions)
        known["‖g‖₁"] = np.abs(known["g"].x).sum()
        if k:
            pairs = [*pairs, {name: value(right[0], known, functions) for name, right in lines[:2]}][-2:]
        known["H"] = 1.0
        for place, pair in enumerate(pairs):
            known |= pair | {f"{name}ᵀ": Linear(x.x.T) for name, x in pair.items()}
            if not place:
                known["H"] = value(lines[2][1][0], {**known, **pairs[-1]}, functions)
            known["H"] = value(lines[3][1][0], known, functions)
        known["u"] = value(lines[4][1][0], known, functions)
        known["t"] = value(lines[5][1][0 if k else 1], known, functions)
        new = value(text.move.format(w="w"), known, functions)
        known |= {"w₋": w, "g₋": known["g"]}
        optimizer.step(closure)
        assert new.x[:, 0] == pytest.approx(p.detach().numpy(), rel=1e-9), k
    assert float(p.detach().abs().max()) < 0.2
