"""The equations of SPEC sections 1 and 2, transcribed literally in NumPy float64; section 3 is in oracle_prox.py.

Nothing here knows the library: the tests run both and compare. Each rule returns (u, D, rate), so that the plain
step is w - rate*u with u = (direction)/D; `s` is its memory (every entry starts at 0), with the step count t, the
learning rate in force lr_t and the parameter w_{t-1} filed in it before each call. Letters are the papers'.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy import abs, maximum, sign, sqrt, where

try:  # imported as part of a package, or with this folder on the path
    from .oracle_prox import gradient, prox, value
except ImportError:
    from oracle_prox import gradient, prox, value

__all__ = ["gradient", "prox", "simulate", "simulate_asgd_average", "value"]

DECAYS = {
    "coupled": ("before", "none"),
    "decoupled": ("explicit", "lr"),
    "independent": ("explicit", "schedule"),
    "proximal": ("implicit", "schedule"),
    "proximal_lr": ("implicit", "lr"),
    "euclidean": ("implicit", "lr/metric"),
    "corrected": ("explicit", "lr*schedule"),
    "cautious": ("cautious", "lr"),
}


# Section 1: rules


def sgd(s, g, momentum=0.0, dampening=0.0, nesterov=False):
    """SGD: b_1 = g_1, b_t = mu b_{t-1} + (1 - tau) g_t; u = g + mu b (Nesterov), b (momentum) or g."""
    if momentum == 0:
        return g, 1.0, s["lr"]
    s["b"] = g if s["t"] == 1 else momentum * s["b"] + (1 - dampening) * g
    return (g + momentum * s["b"] if nesterov else s["b"]), 1.0, s["lr"]


def asgd(s, g, lambd=1e-4, alpha=0.75, t0=1e6):
    """ASGD, torch's code: eta_1 = lr_1, eta_t = lr_{t-1} / (1 + lambda_d lr_{t-1} (t-1))^a.

    The step starts from w shrunk by 1 - lambda_d eta, after an explicit decay as after torch's coupled one.
    `t0` belongs to the average alone: see `simulate_asgd_average`.
    """
    eta = s["lr"] if s["t"] == 1 else s["eta"]
    s["eta"] = s["lr"] / (1 + lambd * s["lr"] * s["t"]) ** alpha
    s["shrink"] = 1 - lambd * eta
    return g, 1.0, eta


def adagrad(s, g, lr_decay=0.0, initial_accumulator_value=0.0, eps=1e-10):
    """Adagrad: s_t = s_{t-1} + g^2; D = sqrt(s_t) + eps; u = g/D; rate lr_t / (1 + (t-1) lr_decay)."""
    s["s"] = (initial_accumulator_value if s["t"] == 1 else s["s"]) + g**2
    D = sqrt(s["s"]) + eps
    return g / D, D, s["lr"] / (1 + (s["t"] - 1) * lr_decay)


def adadelta(s, g, rho=0.9, eps=1e-6):
    """Adadelta: v = rho v + (1-rho) g^2; D = sqrt(v+eps)/sqrt(a+eps); u = g/D; a = rho a + (1-rho) u^2."""
    s["v"] = rho * s["v"] + (1 - rho) * g**2
    D = sqrt(s["v"] + eps) / sqrt(s["a"] + eps)
    u = g / D
    s["a"] = rho * s["a"] + (1 - rho) * u**2
    return u, D, s["lr"]


def rmsprop(s, g, alpha=0.99, eps=1e-8, momentum=0.0, centered=False, eps_inside=False):
    """RMSprop: v = alpha v + (1-alpha) g^2, less gbar^2 if centered; D = sqrt(v) + eps; b = mu b + g/D; u = b."""
    s["v"] = alpha * s["v"] + (1 - alpha) * g**2
    s["gbar"] = alpha * s["gbar"] + (1 - alpha) * g
    v = s["v"] - s["gbar"] ** 2 if centered else s["v"]
    D = sqrt(v + eps) if eps_inside else sqrt(v) + eps
    s["b"] = momentum * s["b"] + g / D
    return s["b"], D, s["lr"]


def moments(s, g, betas):
    """Adam's averages: m = beta1 m + (1-beta1) g; v = beta2 v + (1-beta2) g^2."""
    s["m"] = betas[0] * s["m"] + (1 - betas[0]) * g
    s["v"] = betas[1] * s["v"] + (1 - betas[1]) * g**2
    return s["m"], s["v"]


def adam(s, g, betas=(0.9, 0.999), eps=1e-8, amsgrad=False, eps_inside=False):
    """Adam: mhat = m/(1-beta1^t); vhat = v/(1-beta2^t), v its running maximum if amsgrad; D = sqrt(vhat) + eps."""
    m, v = moments(s, g, betas)
    s["vmax"] = maximum(s["vmax"], v)
    mhat = m / (1 - betas[0] ** s["t"])
    vhat = (s["vmax"] if amsgrad else v) / (1 - betas[1] ** s["t"])
    D = sqrt(vhat + eps) if eps_inside else sqrt(vhat) + eps
    return mhat / D, D, s["lr"]


def nadam(s, g, betas=(0.9, 0.999), eps=1e-8, momentum_decay=4e-3):
    """NAdam: mu_t = beta1 (1 - 0.96^(t psi)/2), P_t = prod mu; Du = (1-mu_t) g/(1-P_t) + mu_{t+1} m/(1-P_{t+1})."""
    m, v = moments(s, g, betas)
    mu = betas[0] * (1 - 0.5 * 0.96 ** (s["t"] * momentum_decay))
    mu_next = betas[0] * (1 - 0.5 * 0.96 ** ((s["t"] + 1) * momentum_decay))
    s["P"] = mu if s["t"] == 1 else s["P"] * mu
    mhat = (1 - mu) * g / (1 - s["P"]) + mu_next * m / (1 - s["P"] * mu_next)
    D = sqrt(v / (1 - betas[1] ** s["t"])) + eps
    return mhat / D, D, s["lr"]


def radam(s, g, betas=(0.9, 0.999), eps=1e-8):
    """RAdam: rho_t = rho_inf - 2t beta2^t/(1-beta2^t); D = (sqrt(v)+eps)/(sqrt(1-beta2^t) r_t) if rho_t > 5, else 1."""
    m, v = moments(s, g, betas)
    t, b2 = s["t"], betas[1]
    mhat = m / (1 - betas[0] ** t)
    rho_inf = 2 / (1 - b2) - 1
    rho = rho_inf - 2 * t * b2**t / (1 - b2**t)
    if rho <= 5:
        return mhat, 1.0, s["lr"]
    r = math.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
    D = (sqrt(v) + eps) / (math.sqrt(1 - b2**t) * r)
    return mhat / D, D, s["lr"]


def adamax(s, g, betas=(0.9, 0.999), eps=1e-8):
    """Adamax: m = beta1 m + (1-beta1) g; D = max(beta2 D, |g| + eps); u = m/(1-beta1^t)/D."""
    s["m"] = betas[0] * s["m"] + (1 - betas[0]) * g
    s["D"] = maximum(betas[1] * s["D"], abs(g) + eps)
    return s["m"] / (1 - betas[0] ** s["t"]) / s["D"], s["D"], s["lr"]


def rprop(s, g, etas=(0.5, 1.2), step_sizes=(1e-6, 50.0)):
    """Rprop: Delta times eta+ where g keeps its sign, times eta- (and g := 0) where it flips; u = Delta sign(g)."""
    agree = sign(g * s["g"])
    Delta = (s["lr"] if s["t"] == 1 else s["Delta"]) * where(agree > 0, etas[1], where(agree < 0, etas[0], 1.0))
    s["Delta"] = np.clip(Delta, *step_sizes)
    s["g"] = where(agree < 0, 0.0, g)
    return s["Delta"] * sign(s["g"]), 1.0, 1.0


def lion(s, g, betas=(0.9, 0.99)):
    """Lion: u = sign(beta1 m + (1-beta1) g); m = beta2 m + (1-beta2) g; D = 1."""
    u = sign(betas[0] * s["m"] + (1 - betas[0]) * g)
    s["m"] = betas[1] * s["m"] + (1 - betas[1]) * g
    return u, 1.0, s["lr"]


def adafactor(s, g, beta2_decay=-0.8, eps=(None, 1e-3), d=1.0):
    """Adafactor, torch's code: 1-beta2 = t^tau; V = RC/max(mean R, eps1); U = g/max(sqrt V, eps1)."""
    share, eps1 = s["t"] ** beta2_decay, np.finfo(float).eps if eps[0] is None else eps[0]
    if g.ndim > 1:
        s["R"] = (1 - share) * s["R"] + share * (g**2).mean(-1, keepdims=True)
        s["C"] = (1 - share) * s["C"] + share * (g**2).mean(-2, keepdims=True)
        V = s["R"] * s["C"] / maximum(s["R"].mean(-2, keepdims=True), eps1)
    else:
        s["V"] = V = (1 - share) * s["V"] + share * g**2
    U = g / maximum(sqrt(V), eps1)
    alpha = max(eps[1], sqrt((s["w"] ** 2).mean())) / max(1, sqrt((U**2).mean()) / d)
    return alpha * U, maximum(sqrt(V), eps1) / alpha, min(s["lr"], 1 / sqrt(s["t"]))


def sparseadam(s, g, betas=(0.9, 0.999), eps=1e-8):
    """SparseAdam's coordinates, torch's code: step lr sqrt(1-beta2^t)/(1-beta1^t), along m/(sqrt(v) + eps)."""
    m, v = moments(s, g, betas)
    D = (sqrt(v) + eps) / sqrt(1 - betas[1] ** s["t"])
    return m / (1 - betas[0] ** s["t"]) / D, D, s["lr"]


def muon(
    s, g, momentum=0.95, nesterov=True, ns_coefficients=(3.4445, -4.7750, 2.0315), eps=1e-7, ns_steps=5,
    adjust_lr_fn=None, **how,
):  # fmt: skip
    """Muon, torch's code: b = lerp(b, g, 1-mu); v = lerp(g, b, mu) or b; k times X = aX + (bA + cA^2)X, A = XX^T."""
    s["b"] = momentum * s["b"] + (1 - momentum) * g
    v = momentum * s["b"] + (1 - momentum) * g if nesterov else s["b"]
    (a, b, c), (rows, columns) = ns_coefficients, v.shape
    X = v.T if rows > columns else v
    X = X / max(sqrt((X**2).sum()), eps)
    for _ in range(ns_steps):
        A = X @ X.T
        X = a * X + (b * A + c * A @ A) @ X
    match adjust_lr_fn:
        case None | "original":
            rho = sqrt(max(1, rows / columns))
        case "match_rms_adamw":
            rho = 0.2 * sqrt(max(rows, columns))
        case "spectral_unclamped":
            rho = sqrt(rows / columns)
    return rho * (X.T if rows > columns else X), None, s["lr"]


RULES = {
    f.__name__: f
    for f in (
        *(sgd, asgd, adagrad, adadelta, rmsprop, adam, nadam, radam, adamax, rprop, lion),
        *(adafactor, sparseadam, muon),
    )
}


# Section 2: decay treatments


def simulate(
    rule: str,
    w0: Any,
    grads: Sequence[Any],
    *,
    lr: Sequence[float],
    base_lr: float,
    weight_decay: Sequence[float],
    decay: str | tuple[str, str],
    regularizer: tuple[str, dict[str, Any]] = ("L2", {}),
    options: dict[str, Any],
) -> list[np.ndarray]:
    """The iterates w_1 .. w_T (w_0 left out) of `rule` under the treatment `decay` of the regularizer."""
    placement, step = DECAYS[decay] if isinstance(decay, str) else decay
    w0, s, iterates = np.array(w0, dtype=np.float64), defaultdict[str, Any](float), []
    w, R = w0, regularizer
    for t, (g, lr_t, lam) in enumerate(zip(grads, lr, weight_decay, strict=True), start=1):
        g = np.asarray(g, dtype=np.float64)
        if placement == "before":
            g = g + lam * gradient(*R, w, w0)
        s["t"], s["lr"], s["w"] = t, lr_t, w
        own = {name: x for name, x in options.items() if name != "direction"}
        u, D, rate = RULES[rule](s, g, **own)
        if options.get("direction") == "normalized":
            length = sqrt((u**2).sum()) / sqrt((w0**2).sum())
            u, D = u / length, D if D is None else D * length
        tau = threshold(step, lam, lr_t, lr_t / base_lr, D)
        w = place(placement, tau, w, u, rate, s.get("shrink", 1.0), R, w0)
        iterates.append(w)
    return iterates


def threshold(step: str, lam: float, lr: float, eta: float, D: Any) -> Any:
    """tau_t = step * lambda_t; "none" and "one" are the factor 1."""
    match step:
        case "none" | "one":
            return lam
        case "lr":
            return lr * lam
        case "schedule":
            return eta * lam
        case "lr*schedule":
            return lr * eta * lam
        case "lr*lr":
            return lr * lr * lam
        case "lr/metric":
            return lr * lam / D
    raise ValueError(step)


def place(placement: str, tau: Any, w: Any, u: Any, rate: float, shrink: float, R: Any, w0: Any) -> np.ndarray:
    """The step itself, in each of the four placements; `shrink` is 1 but for ASGD."""
    match placement:
        case "before":
            return shrink * w - rate * u
        case "explicit":
            return shrink * (w - tau * gradient(*R, w, w0)) - rate * u
        case "cautious":
            return shrink * (w - where(u * w >= 0, tau * gradient(*R, w, w0), 0.0)) - rate * u
        case "implicit":
            return prox(*R, shrink * w - rate * u, tau, w0)
    raise ValueError(placement)


def simulate_asgd_average(w0: Any, grads: Sequence[Any], *, options: dict[str, Any], **others: Any) -> list[np.ndarray]:
    """ASGD's averages ax_1 .. ax_T, torch's code: ax_t = ax + mu_t (w_t - ax), mu_t = 1/max(1, (t-1) - t0)."""
    ax, averages, t0 = 0.0, [], options.get("t0", 1e6)
    for t, w in enumerate(simulate("asgd", w0, grads, options=options, **others), start=1):
        mu = 1 / max(1, (t - 1) - t0)
        ax = ax + mu * (w - ax)
        averages.append(ax)
    return averages
