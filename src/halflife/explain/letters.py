"""The papers' letters for what the library's states, settings and local variables are called."""

from __future__ import annotations

from collections.abc import Mapping

LETTERS: Mapping[str, str] = {
    "exp_avg": "m",
    "exp_avg_sq": "v",
    "max_exp_avg_sq": "v_max",
    "exp_inf": "D",
    "square_avg": "v",
    "grad_avg": "ḡ",
    "acc_delta": "a",
    "sum": "Σ",
    "momentum_buffer": "b",
    "mu_product": "Π",
    "step_size": "Δ",
    "prev": "g₋",
    "anchor": "w₀",
    "beta1": "β₁",
    "beta2": "β₂",
    "eps": "ε",
    "rho": "ρ",
    "alpha": "α",
    "momentum": "μ",
    "dampening": "τ_d",
    "momentum_decay": "ψ",
    "lambd": "λ_d",
    "t0": "t₀",
    "eta_minus": "η₋",
    "eta_plus": "η₊",
    "step_size_min": "Γ₋",
    "step_size_max": "Γ₊",
    "l1_ratio": "ρ",
    "delta": "δ",
}
"""States and hyper-parameters. What is not here goes by its own name."""

OF_RULE: Mapping[str, Mapping[str, str]] = {"ASGD": {"eta": "γ", "mu": "μ", "alpha": "a"}}
"""What a name means in one rule only."""

_LOCALS = {"v_used": "v′"}
_ENDINGS = {"_hat": "\N{COMBINING CIRCUMFLEX ACCENT}", "_inf": "∞", "_next": "₊₁"}
_LOWERED = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def letter(name: str, rule: str) -> str:
    """The letter of a state or a hyper-parameter."""
    return OF_RULE.get(rule, {}).get(name) or LETTERS.get(name) or printed(name)


def printed(name: str) -> str:
    """A local variable as it is printed: ``m_hat`` is m̂, ``β1`` is β₁."""
    if name in _LOCALS:
        return _LOCALS[name]
    for ending, sign in _ENDINGS.items():
        if name.endswith(ending):
            return name.removesuffix(ending) + sign
    stem = name.rstrip("0123456789")
    return stem + lowered(name[len(stem) :]) if stem else name


def lowered(digits: str | int) -> str:
    """Digits below the line."""
    return str(digits).translate(_LOWERED)
