"""The rules' equations, line by line, in the letters of ``halflife/rules``."""

from __future__ import annotations

from .texts import RuleText

_BETAS = (("β₁, β₂", "fading of m and of v (betas)"), ("ε", "keeps D above 0 (eps)"))
_MOMENTS = ("m ← β₁·m + (1 − β₁)·g", "v ← β₂·v + (1 − β₂)·g²")
_M = (("m", "mean of the gradients"), ("v", "mean of their squares"))

RULES: dict[str, RuleText] = {
    "SGD": RuleText(
        equations=(
            "b ← μ·b + (1 − τ_d)·g          b₁ = g₁",
            "u = g | b | g + μ·b            plain | momentum | Nesterov",
        ),
        letters=(("b", "momentum buffer"), ("μ", "momentum"), ("τ_d", "dampening (τ in rules/sgd.py)")),
        u="b",
        given="b ← μ·b + g",
        flat=True,
    ),
    "ASGD": RuleText(
        equations=(
            "γ₁ = lr,  γₜ₊₁ = lrₜ/(1 + λ_d·lrₜ·t)ᵃ",
            "u = g",
            "ax ← ax + μₜ·(w − ax)          μₜ = 1/max(1, t − t₀)",
        ),
        letters=(
            ("γ", "the rate in force"),
            ("λ_d, a", "how the rate falls (lambd, alpha)"),
            ("ax", "running average of w, kept in the state"),
            ("t₀", "step at which averaging begins (t0)"),
        ),
        u="g",
        move="(1 − λ_d·γ)·{w} − γ·u",
        flat=True,
    ),
    "Adagrad": RuleText(
        equations=("s ← s + g²", "D = √s + ε", "u = g/D", "rate = lr/(1 + (t − 1)·lr_decay)"),
        letters=(("s", "sum of squared gradients"), ("ε", "keeps D above 0 (eps)")),
        u="g/(√s + ε)",
        given="s ← s + g²",
        move="{w} − rate·u",
    ),
    "Adadelta": RuleText(
        equations=("v ← ρ·v + (1 − ρ)·g²", "D = √(v + ε)/√(a + ε)", "u = g/D", "a ← ρ·a + (1 − ρ)·u²"),
        letters=(
            ("v, a", "running means of g² and of u²"),
            ("ρ", "their fading (rho)"),
            ("ε", "starts the motion (eps)"),
        ),
        u="g·√(a + ε)/√(v + ε)",
        given="v, a means of g², u²",
    ),
    "RMSprop": RuleText(
        equations=(
            "v ← α·v + (1 − α)·g²",
            "v′ = v | v − ḡ²                raw | centered, ḡ ← α·ḡ + (1 − α)·g",
            "D = √v′ + ε | √(v′ + ε)        eps outside | eps_inside=True",
            "u = g/D | b ← μ·b + g/D        plain | momentum, u = b",
        ),
        letters=(("v", "mean of squared gradients"), ("α", "its fading (alpha)"), ("ε", "keeps D above 0 (eps)")),
        u="g/(√v + ε)",
        given="v mean of g²",
    ),
    "Adam": RuleText(
        equations=(
            *_MOMENTS,
            "m̂ = m/(1 − β₁ᵗ),  v̂ = v/(1 − β₂ᵗ)    amsgrad: v at its maximum so far",
            "D = √v̂ + ε | √(v̂ + ε)          eps outside | eps_inside=True",
            "u = m̂/D",
        ),
        letters=(*_M, ("m̂, v̂", "both, freed of their start at zero"), *_BETAS),
        u="m̂/(√v̂ + ε)",
    ),
    "NAdam": RuleText(
        equations=(
            "μₜ = β₁·(1 − ½·0.96^(t·ψ)),  Π ← Π·μₜ",
            *_MOMENTS,
            "m̂ = μₜ₊₁·m/(1 − Π·μₜ₊₁) + (1 − μₜ)·g/(1 − Π)",
            "D = √(v/(1 − β₂ᵗ)) + ε",
            "u = m̂/D",
        ),
        letters=(*_M, ("μₜ, Π", "momentum at step t, and the product so far"), ("ψ", "momentum_decay"), *_BETAS),
        u="m̂/(√v̂ + ε)",
        given="m̂ one step ahead",
    ),
    "RAdam": RuleText(
        equations=(
            *_MOMENTS,
            "ρ∞ = 2/(1 − β₂) − 1,  ρ = ρ∞ − 2t·β₂ᵗ/(1 − β₂ᵗ)",
            "r = √((ρ − 4)(ρ − 2)ρ∞ / ((ρ∞ − 4)(ρ∞ − 2)ρ))",
            "D = (√v + ε)/(r·√(1 − β₂ᵗ)) if ρ > 5, else 1",
            "u = m/(1 − β₁ᵗ)/D",
        ),
        letters=(*_M, ("ρ", "how many gradients v stands for"), ("r", "rectification, from 0 to 1"), *_BETAS),
        u="r·m̂/(√v̂ + ε)",
        given="m̂ alone at first",
    ),
    "Adamax": RuleText(
        equations=("m ← β₁·m + (1 − β₁)·g", "D ← max(β₂·D, |g| + ε)", "u = m/(1 − β₁ᵗ)/D"),
        letters=(("m", "mean of the gradients"), ("D", "fading maximum of |g|"), *_BETAS),
        u="m̂/D",
        given="D ← max(β₂·D, |g|)",
    ),
    "Rprop": RuleText(
        equations=(
            "c = sign(g·g₋)                 g₋ the gradient before",
            "Δ ← clip(η₊·Δ, Γ) if c > 0;  clip(η₋·Δ, Γ) and g ← 0 if c < 0",
            "u = Δ·sign(g)",
        ),
        letters=(
            ("Δ", "each weight's own step size, lr at first"),
            ("η₋, η₊", "how it shrinks and grows (etas); not the schedule's η"),
            ("Γ", "its bounds (step_sizes)"),
        ),
        u="Δ·sign(g)",
        given="Δ grows while sign(g) holds",
        move="{w} − u",
        flat=True,
    ),
    "Lion": RuleText(
        equations=("u = sign(β₁·m + (1 − β₁)·g)", "m ← β₂·m + (1 − β₂)·g"),
        letters=(("m", "mean of the gradients"), ("β₁, β₂", "weight of m in the step, and its fading (betas)")),
        u="sign(β₁·m + (1 − β₁)·g)",
        flat=True,
    ),
}
