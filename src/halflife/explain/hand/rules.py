"""Each rule once more, as one works it out with a pencil: floats, one weight, none of the library's own pieces."""

from __future__ import annotations

from collections.abc import Callable

from .sheet import Sheet, Step
from .term import Term, clip, larger, magnitude, sign, single, sqrt, term

ONE = term(1.0)
_SINGLE = "torch keeps this scalar in float32, beside weights of any dtype; so does the library"


def sgd(x: Sheet, g: Term) -> Step:
    """b₁ = g₁, then b = μb + (1−τ)g; u = b, or g + μb for Nesterov, or g without momentum."""
    μ, τ = x.given("μ", "momentum"), x.given("τ_d", "dampening")
    if μ.value == 0:
        return x.straight(x.note("u", g), ONE)
    damped = "b" in x.state
    b = x.keep("b", μ * x.old("b") + (1 - τ) * g if damped else g, "the first buffer is g itself, undamped")
    return x.straight(x.note("u", g + μ * b if x.group["nesterov"] else b), ONE)


def asgd(x: Sheet, g: Term) -> Step:
    """w′ = (1−λ_dγ)w − γg; the next γ and the average come after."""
    λ, a, t0 = x.given("λ_d", "lambd"), x.given("a", "alpha"), x.given("t₀", "t0")
    γ = x.note("γ", x.state.get("γ", single(x.lr)), _SINGLE)
    u = x.note("u", g)

    def finish(w: Term) -> None:
        μ = x.state.get("μ", term(1.0, "μ₁"))
        x.keep("ax", w if μ.value == 1 else x.old("ax") + μ * (w - x.old("ax")), "μ₁ = 1: no average yet")
        x.state["μ"] = single(1 / larger(ONE, x.t - t0))
        x.state["γ"] = single(x.lr / (1 + λ * x.lr * x.t) ** a)

    return Step(u, ONE, lambda w: (1 - λ * γ) * w - γ * u, finish)


def adagrad(x: Sheet, g: Term) -> Step:
    """s adds up g²; u = g/(√s + ε); the rate falls by lr_decay."""
    s = x.keep("s", x.old("s", x.group["initial_accumulator_value"]) + g**2)
    D = x.note("D", sqrt(s) + x.given("ε", "eps"))
    u = x.note("u", g / D)
    rate = x.note("rate", x.lr / (1 + (x.t - 1) * x.given("lr_decay", "lr_decay")))
    return Step(u, D, lambda w: w - rate * u)


def adadelta(x: Sheet, g: Term) -> Step:
    """u = g·√(a+ε)/√(v+ε), a the mean of u² before this step."""
    ρ, ε, a = x.given("ρ", "rho"), x.given("ε", "eps"), x.old("a")
    v = x.keep("v", ρ * x.old("v") + (1 - ρ) * g**2)
    D = x.note("D", sqrt(v + ε) / sqrt(a + ε))
    u = x.note("u", g / D)
    x.keep("a", ρ * a + (1 - ρ) * u**2)
    return x.straight(u, D)


def rmsprop(x: Sheet, g: Term) -> Step:
    """v averages g²; u = g/(√v + ε)."""
    α, ε = x.given("α", "alpha"), x.given("ε", "eps")
    v = x.keep("v", α * x.old("v") + (1 - α) * g**2)
    D = x.note("D", sqrt(v) + ε)
    return x.straight(x.note("u", g / D), D)


def adam(x: Sheet, g: Term) -> Step:
    """m averages g, v averages g²; both freed of their start at zero; u = m̂/(√v̂ + ε)."""
    β1, β2 = x.given("β₁", "betas", 0), x.given("β₂", "betas", 1)
    m = x.keep("m", β1 * x.old("m") + (1 - β1) * g)
    v = x.keep("v", β2 * x.old("v") + (1 - β2) * g**2)
    m_hat = x.note("m̂", m / (1 - β1**x.t))
    v_hat = x.note("v̂", v / (1 - β2**x.t))
    D = x.note("D", sqrt(v_hat) + x.given("ε", "eps"))
    return x.straight(x.note("u", m_hat / D), D)


def nadam(x: Sheet, g: Term) -> Step:
    """Adam, with the mean as it will stand one step ahead."""
    β1, β2, ψ = x.given("β₁", "betas", 0), x.given("β₂", "betas", 1), x.given("ψ", "momentum_decay")
    μ = x.note("μₜ", β1 * (1 - 0.5 * 0.96 ** (x.t * ψ)))
    ahead = x.note("μₜ₊₁", β1 * (1 - 0.5 * 0.96 ** ((x.t + 1) * ψ)))
    Π = x.keep("Π", single(x.old("Π", 1.0) * single(μ)), _SINGLE)
    m = x.keep("m", β1 * x.old("m") + (1 - β1) * g)
    v = x.keep("v", β2 * x.old("v") + (1 - β2) * g**2)
    m_hat = x.note("m̂", ahead * m / (1 - Π * ahead) + (1 - μ) * g / (1 - Π))
    D = x.note("D", sqrt(v / (1 - β2**x.t)) + x.given("ε", "eps"))
    return x.straight(x.note("u", m_hat / D), D)


def radam(x: Sheet, g: Term) -> Step:
    """The mean alone until ρ passes 5; then Adam, times r."""
    β1, β2, t = x.given("β₁", "betas", 0), x.given("β₂", "betas", 1), x.t
    m = x.keep("m", β1 * x.old("m") + (1 - β1) * g)
    v = x.keep("v", β2 * x.old("v") + (1 - β2) * g**2)
    m_hat = x.note("m̂", m / (1 - β1**t))
    far = x.note("ρ∞", 2 / (1 - β2) - 1)
    ρ = x.note("ρₜ", far - 2 * t * β2**t / (1 - β2**t), "at most 5: v is not used yet, D = 1")
    D = _rectified(x, v, ρ, far, β2) if ρ.value > 5 else x.note("D", ONE)
    return x.straight(x.note("u", m_hat / D), D)


def _rectified(x: Sheet, v: Term, ρ: Term, far: Term, β2: Term) -> Term:
    r = x.note("r", sqrt((ρ - 4) * (ρ - 2) * far / ((far - 4) * (far - 2) * ρ)))
    return x.note("D", (sqrt(v) + x.given("ε", "eps")) / (r * sqrt(1 - β2**x.t)))


def adamax(x: Sheet, g: Term) -> Step:
    """D is a fading maximum of |g|; u = m̂/D."""
    β1, β2 = x.given("β₁", "betas", 0), x.given("β₂", "betas", 1)
    m = x.keep("m", β1 * x.old("m") + (1 - β1) * g)
    D = x.keep("D", larger(β2 * x.old("D"), magnitude(g) + x.given("ε", "eps")))
    m_hat = x.note("m̂", m / (1 - β1**x.t))
    return x.straight(x.note("u", m_hat / D), D)


def rprop(x: Sheet, g: Term) -> Step:
    """The sign of g, times a step size that grows while the sign holds and is halved when it flips."""
    c = x.note("c", sign(g * x.old("g")), "0: there is no gradient before")
    factor = x.given("η₊", "etas", 1) if c.value > 0 else x.given("η₋", "etas", 0)
    bounds = x.given("Γ₋", "step_sizes", 0), x.given("Γ₊", "step_sizes", 1)
    Δ = x.old("Δ", x.lr.value)
    Δ = x.keep("Δ", Δ if c.value == 0 else clip(Δ * factor, *bounds), "c = 0: unchanged")
    g = x.state["g"] = g if c.value >= 0 else term(0.0, "g")
    u = x.note("u", Δ * sign(g))
    return Step(u, ONE, lambda w: w - u)


def lion(x: Sheet, g: Term) -> Step:
    """u = sign(β₁m + (1−β₁)g), then m ← β₂m + (1−β₂)g."""
    β1, β2, m = x.given("β₁", "betas", 0), x.given("β₂", "betas", 1), x.old("m")
    u = x.note("u", sign(β1 * m + (1 - β1) * g))
    x.keep("m", β2 * m + (1 - β2) * g)
    return x.straight(u, ONE)


RULES: dict[str, Callable[[Sheet, Term], Step]] = {
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
}
