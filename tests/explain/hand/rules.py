"""Each rule once more, as one works it out with a pencil: floats, one weight, none of the library's own pieces."""

from __future__ import annotations

import struct
from collections.abc import Callable
from math import sqrt

from .sheet import Sheet, Step


def sign(x: float) -> float:
    return float((x > 0) - (x < 0))


def single(x: float) -> float:
    """x as torch keeps scalars: in float32, beside weights of any dtype."""
    return struct.unpack("f", struct.pack("f", x))[0]


def sgd(x: Sheet, g: float) -> Step:
    """b₁ = g₁, then b = μb + (1−τ)g; u = b, or g + μb for Nesterov, or g without momentum."""
    μ, τ = x.given("momentum"), x.given("dampening")
    if μ == 0:
        return x.straight(x.note("u", g), 1.0)
    damped = "b" in x.state
    b = x.keep("b", μ * x.old("b") + (1 - τ) * g if damped else g)
    return x.straight(x.note("u", g + μ * b if x.group["nesterov"] else b), 1.0)


def asgd(x: Sheet, g: float) -> Step:
    """w′ = (1−λ_dγ)w − γg; the next γ and the average come after."""
    λ, a, t0 = x.given("lambd"), x.given("alpha"), x.given("t0")
    γ = x.old("γ", single(x.lr))
    u = x.note("u", g)

    def finish(w: float) -> None:
        μ = x.state.get("μ", 1.0)
        x.keep("ax", w if μ == 1 else x.old("ax") + μ * (w - x.old("ax")))
        x.keep("μ", single(1 / max(1.0, x.t - t0)))
        x.keep("γ", single(x.lr / (1 + λ * x.lr * x.t) ** a))

    return Step(u, 1.0, lambda w: (1 - λ * γ) * w - γ * u, finish)


def adagrad(x: Sheet, g: float) -> Step:
    """s adds up g²; u = g/(√s + ε); the rate falls by lr_decay."""
    s = x.keep("Σ", x.old("Σ", x.group["initial_accumulator_value"]) + g**2)
    D = x.note("D", sqrt(s) + x.given("eps"))
    u = x.note("u", g / D)
    rate = x.note("rate", x.lr / (1 + (x.t - 1) * x.given("lr_decay")))
    return Step(u, D, lambda w: w - rate * u)


def adadelta(x: Sheet, g: float) -> Step:
    """u = g·√(a+ε)/√(v+ε), a the mean of u² before this step."""
    ρ, ε, a = x.given("rho"), x.given("eps"), x.old("a")
    v = x.keep("v", ρ * x.old("v") + (1 - ρ) * g**2)
    D = x.note("D", sqrt(v + ε) / sqrt(a + ε))
    u = x.note("u", g / D)
    x.keep("a", ρ * a + (1 - ρ) * u**2)
    return x.straight(u, D)


def rmsprop(x: Sheet, g: float) -> Step:
    """v averages g²; u = g/(√v + ε)."""
    α, ε = x.given("alpha"), x.given("eps")
    v = x.keep("v", α * x.old("v") + (1 - α) * g**2)
    D = x.note("D", sqrt(v) + ε)
    return x.straight(x.note("u", g / D), D)


def adam(x: Sheet, g: float) -> Step:
    """m averages g, v averages g²; both freed of their start at zero; u = m̂/(√v̂ + ε)."""
    β1, β2 = x.given("betas", 0), x.given("betas", 1)
    m = x.keep("m", β1 * x.old("m") + (1 - β1) * g)
    v = x.keep("v", β2 * x.old("v") + (1 - β2) * g**2)
    m_hat = x.note("m̂", m / (1 - β1**x.t))
    v_hat = x.note("v̂", v / (1 - β2**x.t))
    D = x.note("D", sqrt(v_hat) + x.given("eps"))
    return x.straight(x.note("u", m_hat / D), D)


def sparse_adam(x: Sheet, g: float) -> Step:
    """Adam, but that ε is added to √v before its bias is corrected."""
    β1, β2 = x.given("betas", 0), x.given("betas", 1)
    m = x.keep("m", β1 * x.old("m") + (1 - β1) * g)
    v = x.keep("v", β2 * x.old("v") + (1 - β2) * g**2)
    D = x.note("D", (sqrt(v) + x.given("eps")) / sqrt(1 - β2**x.t))
    return x.straight(x.note("u", m / (1 - β1**x.t) / D), D)


def nadam(x: Sheet, g: float) -> Step:
    """Adam, with the mean as it will stand one step ahead."""
    β1, β2, ψ = x.given("betas", 0), x.given("betas", 1), x.given("momentum_decay")
    μ = x.note("μ", β1 * (1 - 0.5 * 0.96 ** (x.t * ψ)))
    ahead = x.note("μ₊₁", β1 * (1 - 0.5 * 0.96 ** ((x.t + 1) * ψ)))
    Π = x.keep("Π", single(x.old("Π", 1.0) * single(μ)))
    m = x.keep("m", β1 * x.old("m") + (1 - β1) * g)
    v = x.keep("v", β2 * x.old("v") + (1 - β2) * g**2)
    m_hat = x.note("m̂", ahead * m / (1 - Π * ahead) + (1 - μ) * g / (1 - Π))
    D = x.note("D", sqrt(v / (1 - β2**x.t)) + x.given("eps"))
    return x.straight(x.note("u", m_hat / D), D)


def radam(x: Sheet, g: float) -> Step:
    """The mean alone until ρ passes 5; then Adam, times r."""
    β1, β2, t = x.given("betas", 0), x.given("betas", 1), x.t
    m = x.keep("m", β1 * x.old("m") + (1 - β1) * g)
    v = x.keep("v", β2 * x.old("v") + (1 - β2) * g**2)
    m_hat = x.note("m̂", m / (1 - β1**t))
    far = x.note("ρ∞", 2 / (1 - β2) - 1)
    ρ = x.note("ρ", far - 2 * t * β2**t / (1 - β2**t))
    D = _rectified(x, v, ρ, far, β2) if ρ > 5 else x.note("D", 1.0)
    return x.straight(x.note("u", m_hat / D), D)


def _rectified(x: Sheet, v: float, ρ: float, far: float, β2: float) -> float:
    r = x.note("r", sqrt((ρ - 4) * (ρ - 2) * far / ((far - 4) * (far - 2) * ρ)))
    return x.note("D", (sqrt(v) + x.given("eps")) / (r * sqrt(1 - β2**x.t)))


def adamax(x: Sheet, g: float) -> Step:
    """D is a fading maximum of |g|; u = m̂/D."""
    β1, β2 = x.given("betas", 0), x.given("betas", 1)
    m = x.keep("m", β1 * x.old("m") + (1 - β1) * g)
    D = x.keep("D", max(β2 * x.old("D"), abs(g) + x.given("eps")))
    m_hat = x.note("m̂", m / (1 - β1**x.t))
    return x.straight(x.note("u", m_hat / D), D)


def rprop(x: Sheet, g: float) -> Step:
    """The sign of g, times a step size that grows while the sign holds and is halved when it flips."""
    c = x.note("c", sign(g * x.old("g₋")))
    factor = x.given("etas", 1) if c > 0 else x.given("etas", 0)
    low, high = x.given("step_sizes", 0), x.given("step_sizes", 1)
    Δ = x.old("Δ", x.lr)
    Δ = x.keep("Δ", Δ if c == 0 else min(max(Δ * factor, low), high))
    g = x.keep("g₋", g if c >= 0 else 0.0)
    u = x.note("u", Δ * sign(g))
    return Step(u, 1.0, lambda w: w - u)


def lion(x: Sheet, g: float) -> Step:
    """u = sign(β₁m + (1−β₁)g), then m ← β₂m + (1−β₂)g."""
    β1, β2, m = x.given("betas", 0), x.given("betas", 1), x.old("m")
    u = x.note("u", sign(β1 * m + (1 - β1) * g))
    x.keep("m", β2 * m + (1 - β2) * g)
    return x.straight(u, 1.0)


RULES: dict[str, Callable[[Sheet, float], Step]] = {
    "SGD": sgd,
    "ASGD": asgd,
    "Adagrad": adagrad,
    "Adadelta": adadelta,
    "RMSprop": rmsprop,
    "Adam": adam,
    "NAdam": nadam,
    "RAdam": radam,
    "Adamax": adamax,
    "Rprop": rprop,
    "Lion": lion,
    "SparseAdam": sparse_adam,
}
