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
            "u = g",
            "ax ← ax + μ·(w′ − ax)          w′ the new weight",
            "γ ← lr/(1 + λ_d·lr·t)ᵃ         for the next step; γ₀ = lr",
            "μ ← 1/max(1, t − t₀)           for the next step; μ₀ = 1",
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
        equations=("Σ ← Σ + g²", "D = √Σ + ε", "u = g/D", "rate = lr/(1 + (t − 1)·lr_decay)"),
        letters=(("Σ", "sum of squared gradients"), ("ε", "keeps D above 0 (eps)")),
        u="g/(√Σ + ε)",
        given="Σ ← Σ + g²",
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
            "ḡ ← α·ḡ + (1 − α)·g            centered only",
            "v′ = v | max(v − ḡ², 0)        raw | centered",
            "D = √v′ + ε | √(v′ + ε)        eps outside | eps_inside=True",
            "u = g/D | b ← μ·b + g/D        plain | momentum, u = b",
        ),
        letters=(("v, ḡ", "means of g² and of g"), ("α", "their fading (alpha)"), ("ε", "keeps D above 0 (eps)")),
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
            "μ = β₁·(1 − ½·0.96^(t·ψ)),  Π ← Π·μ    μ₊₁ the same at t + 1",
            *_MOMENTS,
            "m̂ = μ₊₁·m/(1 − Π·μ₊₁) + (1 − μ)·g/(1 − Π)",
            "D = √(v/(1 − β₂ᵗ)) + ε",
            "u = m̂/D",
        ),
        letters=(*_M, ("μ, Π", "momentum at step t, and the product so far"), ("ψ", "momentum_decay"), *_BETAS),
        u="m̂/(√v̂ + ε)",
        given="m̂ one step ahead",
    ),
    "RAdam": RuleText(
        equations=(
            *_MOMENTS,
            "ρ∞ = 2/(1 − β₂) − 1,  ρ = ρ∞ − 2·t·β₂ᵗ/(1 − β₂ᵗ)",
            "r = √((ρ − 4)·(ρ − 2)·ρ∞/((ρ∞ − 4)·(ρ∞ − 2)·ρ))",
            "D = (√v + ε)/(r·√(1 − β₂ᵗ)) if ρ > 5; else 1",
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
            "Δ ← clip(Δ·η₊, Γ₋, Γ₊) if c > 0; clip(Δ·η₋, Γ₋, Γ₊) if c < 0; else Δ",
            "g ← 0 if c < 0; else g",
            "u = Δ·sign(g)",
        ),
        letters=(
            ("Δ", "each weight's own step size, lr at first"),
            ("η₋, η₊", "how it shrinks and grows (etas); not the schedule's η"),
            ("Γ₋, Γ₊", "its bounds (step_sizes)"),
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
    "SparseAdam": RuleText(
        equations=(*_MOMENTS, "D = (√v + ε)/√(1 − β₂ᵗ)", "u = m/(1 − β₁ᵗ)/D"),
        letters=(*_M, *_BETAS),
        u="m̂/(√v̂ + ε)",
        given="where g has an entry",
    ),
    "Muon": RuleText(
        equations=(
            "b ← μ·b + (1 − μ)·g",
            "v = b | μ·b + (1 − μ)·g        nesterov=False | nesterov",
            "X = v/max(‖v‖, ε)              ‖·‖ Frobenius; on its side where it is taller than wide",
            "A = X·Xᵀ,  X ← c₁·X + (c₂·A + c₃·A²)·X    ns_steps times",
            "ρ = √max(1, rows/columns) | 0.2·√max(rows, columns) | √(rows/columns)",
            "u = ρ·X                        v = U·Σ·Vᵀ: X is near U·Vᵀ",
        ),
        letters=(
            ("b", "running mean of the gradients of a matrix"),
            ("μ", "its fading (momentum)"),
            ("c₁, c₂, c₃", "ns_coefficients, a, b and c in the text of others"),
            ("ρ", "adjust_lr_fn: original | match_rms_adamw | spectral_unclamped"),
            ("ε", "the least norm that v is divided by (eps)"),
        ),
        u="ρ·NS(v)",
        given="v momentum, NS(UΣVᵀ) ≈ UVᵀ",
        flat=True,
    ),
    "Adafactor": RuleText(
        equations=(
            "β₂ = 1 − t^c",
            "R ← β₂·R + (1 − β₂)·mean(g², row)       of each row; R = mean(g², row) at first",
            "C ← β₂·C + (1 − β₂)·mean(g², column)    of each column, likewise",
            "V ← R·C/max(mean(R), ε₁) | β₂·V + (1 − β₂)·g²    matrices | vectors",
            "U = g/max(√V, ε₁)",
            "α = max(ε₂, RMS(w))/max(1, RMS(U)/d)",
            "D = max(√V, ε₁)/α",
            "u = g/D",
            "rate = min(lr, 1/√t)",
        ),
        letters=(
            ("R, C", "the mean squares of each row and of each column"),
            ("V", "the mean square of each weight, or what R and C say of it"),
            ("U, α", "the step before its scale, and that scale"),
            ("c", "how the averages grow longer (beta2_decay)"),
            ("ε₁, ε₂, d", "bounds (eps, d)"),
        ),
        u="α·g/√V",
        given="V = R·C/mean(R)",
        move="{w} − rate·u",
    ),
}
