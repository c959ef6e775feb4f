"""The regularizers of SPEC section 3: value R(w), gradient where it exists, and

    prox_tau(y) = argmin_x  sum_i (x_i - y_i)^2 / (2 tau_i) + R(x),   tau a scalar or one number per coordinate.

`w0` is the anchor of TowardInit (the simulation's first iterate); the others ignore it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import abs, arccos, clip, cos, maximum, sign, sqrt, where
from scipy.optimize import brentq


def value(name: str, kwargs: dict[str, Any], w: Any, w0: Any = None) -> float:
    """R(w)."""
    w = np.asarray(w, dtype=np.float64)
    match name:
        case "L2":
            return float(np.sum(w**2) / 2)
        case "L1":
            return float(np.sum(abs(w)))
        case "ElasticNet":
            return float(kwargs["l1_ratio"] * np.sum(abs(w)) + (1 - kwargs["l1_ratio"]) * np.sum(w**2) / 2)
        case "L0":
            return float(np.count_nonzero(w))
        case "LHalf":
            return float(np.sum(sqrt(abs(w))))
        case "Huber":
            return float(np.sum(huber(w, kwargs["delta"])))
        case "Box":
            return 0.0 if np.all((w >= kwargs["lo"]) & (w <= kwargs["hi"])) else np.inf
        case "NonNegative":
            return 0.0 if np.all(w >= 0) else np.inf
        case "TowardInit":
            return float(np.sum((w - np.asarray(w0)) ** 2) / 2)
        case "GroupLasso":
            return float(np.sum(sqrt(np.sum(w**2, axis=kwargs["dim"]))))
        case "Sphere":
            here, there = (np.sum(np.asarray(x) ** 2, axis=kwargs["dim"]) for x in (w, w0))
            return 0.0 if np.allclose(here, there) else np.inf
    raise ValueError(name)


def gradient(name: str, kwargs: dict[str, Any], w: Any, w0: Any = None) -> np.ndarray:
    """The gradient of R at w, for those that have one."""
    w = np.asarray(w, dtype=np.float64)
    match name:
        case "L2":
            return w
        case "Huber":
            return clip(w, -kwargs["delta"], kwargs["delta"])
        case "TowardInit":
            return w - np.asarray(w0)
        case "Scaled":
            return kwargs["factor"] * gradient(*part(kwargs["of"]), w, w0)
        case "OnSubset":
            return where(kwargs["mask"], gradient(*part(kwargs["of"]), w, w0), 0.0)
        case "Sum":
            return sum(gradient(*part(p), w, w0) for p in kwargs["parts"])
    raise ValueError(f"{name} has no gradient")


def prox(name: str, kwargs: dict[str, Any], y: Any, tau: Any, w0: Any = None) -> np.ndarray:
    """prox_tau(y); tau = 0 leaves y as it is, save for Box and NonNegative, which clip whatever tau."""
    y, tau = np.asarray(y, dtype=np.float64), np.asarray(tau, dtype=np.float64)
    match name:
        case "L2":
            return y / (1 + tau)
        case "L1":
            return soft(y, tau)
        case "ElasticNet":
            return soft(y, tau * kwargs["l1_ratio"]) / (1 + tau * (1 - kwargs["l1_ratio"]))
        case "L0":
            return where(abs(y) > sqrt(2 * tau), y, 0.0)
        case "LHalf":
            return half(y, tau)
        case "Huber":
            return y - tau * clip(y / (1 + tau), -kwargs["delta"], kwargs["delta"])
        case "Box":
            return clip(y, kwargs["lo"], kwargs["hi"])
        case "NonNegative":
            return maximum(y, 0.0)
        case "TowardInit":
            return w0 + (y - w0) / (1 + tau)
        case "GroupLasso":
            return by_block(block_soft if np.ndim(tau) == 0 else block_root, y, tau, kwargs["dim"])
        case "Sphere":
            here, there = (sqrt(np.sum(np.asarray(x) ** 2, axis=kwargs["dim"], keepdims=True)) for x in (y, w0))
            return there * y / here
        case "Scaled" | "OnSubset" | "Sum":
            return prox_of_others(name, kwargs, y, tau, w0)
    raise ValueError(name)


def prox_of_others(name: str, kwargs: dict[str, Any], y: np.ndarray, tau: Any, w0: Any) -> np.ndarray:
    """Of what is made of other regularizers: c R at tau is R at c tau; R on a mask leaves the rest as it is."""
    match name:
        case "Scaled":
            return prox(*part(kwargs["of"]), y, kwargs["factor"] * tau, w0)
        case "OnSubset":
            return where(kwargs["mask"], prox(*part(kwargs["of"]), y, tau, w0), y)
    return prox_of_sum([part(p) for p in kwargs["parts"]], y, tau, w0)


def part(spec: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """A part of a composite, saved as {"name": R, **settings}."""
    return spec["name"], {name: setting for name, setting in spec.items() if name != "name"}


def prox_of_sum(parts: list[tuple[str, dict[str, Any]]], y: np.ndarray, tau: Any, w0: Any) -> np.ndarray:
    """argmin (x-y)^2/(2 tau) + mu x^2/2 + R(x), x within bounds: with the square completed, R's prox at
    tau/(1 + tau mu) of y/(1 + tau mu), which for a convex R the bounds then cut off.
    """
    mu = sum(1.0 if name == "L2" else p["factor"] if ridge(name, p) else 0.0 for name, p in parts)
    bounds = [(name, p) for name, p in parts if name in ("Box", "NonNegative")]
    rest = [(name, p) for name, p in parts if not ridge(name, p) and (name, p) not in bounds]
    y, tau = y / (1 + tau * mu), tau / (1 + tau * mu)
    for R in (*rest, *bounds):
        y = prox(*R, y, tau, w0)
    return y


def ridge(name: str, kwargs: dict[str, Any]) -> bool:
    """Whether this is mu/2 ||w||^2."""
    return name == "L2" or (name == "Scaled" and kwargs["of"]["name"] == "L2")


def huber(w: np.ndarray, d: float) -> np.ndarray:
    """Huber's function: w^2/2 where |w| <= delta, delta |w| - delta^2/2 beyond."""
    return where(abs(w) <= d, w**2 / 2, d * abs(w) - d**2 / 2)


def soft(y: np.ndarray, tau: Any) -> np.ndarray:
    """Soft threshold: sign(y) max(|y| - tau, 0)."""
    return sign(y) * maximum(abs(y) - tau, 0.0)


def half(y: np.ndarray, tau: Any) -> np.ndarray:
    """Half threshold: argmin (x-y)^2/2 + tau |x|^(1/2).

    For y > 0, r = sqrt(x) solves r^3 - y r + tau/2 = 0; its largest root is r = 2 sqrt(y/3) cos(theta/3) with
    cos(theta) = -(3 sqrt(3)/4) tau y^(-3/2). It beats x = 0 when tau r < y r^2 - r^4/2, that is when
    r > 3 tau/(2y), that is when y > (3/2) tau^(2/3).
    """
    keep = abs(y) > 1.5 * tau ** (2 / 3)
    a = where(keep, abs(y), 1.0)
    theta = arccos(where(keep, -0.75 * sqrt(3.0) * tau * a**-1.5, 0.0))
    r = 2 * sqrt(a / 3) * cos(theta / 3)
    return where(keep, sign(y) * r**2, 0.0)


def by_block(solve: Callable[[np.ndarray, np.ndarray], np.ndarray], z: np.ndarray, tau: Any, dim: Any) -> np.ndarray:
    """Apply solve(z_block, tau_block) to each block, a block being what runs along the dimensions `dim`."""
    dims = (dim,) if np.ndim(dim) == 0 else tuple(dim)
    last = tuple(range(-len(dims), 0))
    zb, taub = (np.moveaxis(a, dims, last) for a in (z, np.broadcast_to(tau, z.shape)))
    y = np.empty_like(zb)
    for i in np.ndindex(zb.shape[: zb.ndim - len(dims)]):
        y[i] = solve(zb[i], taub[i])
    return np.moveaxis(y, last, dims)


def block_soft(z: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """One tau for the block: y = max(1 - tau/||z||, 0) z."""
    n, t = sqrt(np.sum(z**2)), tau.flat[0]
    return (1 - t / n) * z if n > t else 0 * z


def block_root(z: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """One tau_i per coordinate: y_i = z_i/(1 + tau_i/n) where n = ||y|| solves sum z_i^2/(n + tau_i)^2 = 1."""
    a, t = abs(z[z != 0]), tau[z != 0]
    if np.all(a <= t) and np.sum((a / t) ** 2) <= 1:
        return 0 * z
    lo, hi = np.max(maximum(a - t, 0.0)) / 2, 2 * sqrt(np.sum(a**2))
    n = brentq(lambda n: np.sum((a / (n + t)) ** 2) - 1, lo, hi, xtol=1e-300, rtol=1e-15, maxiter=1000)
    return z * n / (n + tau)
