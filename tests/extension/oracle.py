"""The toy's equations once more, in NumPy float64; nothing here knows halflife or the toy's own text."""

from __future__ import annotations

from typing import Any

import numpy as np

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


class Toy:
    """The weights of one parameter, and what is remembered of its gradients.

    ``lr`` is the base learning rate; ``number`` the type in which Ω is kept, not computed.
    """

    def __init__(
        self,
        w: np.ndarray,
        *,
        lr: float,
        lam: float,
        decay: str | tuple[str, str],
        R: str,
        number: type[np.floating[Any]] = np.float64,
        **options: Any,
    ) -> None:
        self.w, self.lr, self.lam, self.R, self.number = w, lr, lam, R, number
        self.placement, self.multiplier = DECAYS[decay] if isinstance(decay, str) else decay
        defaults = {"betas": (0.9, 0.99), "beta3": 0.8, "fade": 0.7, "lead": 0.5, "eps": 1e-2, "power": 0.5, "bound": 2}
        self.options = {**defaults, **options}
        self.t, self.m, self.v, self.z, self.omega = 0, 0.0, 0.0, None, number(0)

    def direction(self, g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """u and D."""
        o, number = self.options, self.number
        b1, b2 = o["betas"]
        self.t += 1
        self.omega = number(float(self.omega) * o["fade"] + 1)
        self.m = self.m + (1 - b1) * (g - self.m)
        self.v = self.v + (1 - b2) * (g**2 - self.v)
        self.z = g if self.z is None else self.z + (1 - o["beta3"]) * (self.m - self.z)
        D = np.power(self.v / (1 - np.power(b2, self.t)) + o["eps"], o["power"])
        ahead = self.m + (o["lead"] / float(self.omega)) * self.z
        return np.tanh(ahead / D / o["bound"]) * o["bound"], D

    def step(self, g: np.ndarray, lr: float) -> np.ndarray:
        """The new weights."""
        w, R, eta = self.w, self.R, lr / self.lr
        if self.placement == "before":
            g = g + self.lam * gradient(R, w)
        u, D = self.direction(g)
        scales = {"none": 1.0, "one": 1.0, "lr": lr, "schedule": eta, "lr*schedule": lr * eta, "lr*lr": lr * lr}
        tau = self.lam * (lr / D if self.multiplier == "lr/metric" else scales[self.multiplier])
        if self.placement == "explicit":
            w = w - tau * gradient(R, w)
        elif self.placement == "cautious":
            w = w - tau * gradient(R, w) * (u * w >= 0)
        w = w - lr * u
        self.w = prox(R, w, tau) if self.placement == "implicit" else w
        return self.w


def leaning(w: np.ndarray) -> np.ndarray:
    """The slope of the toy's regularizer: 2 above 0, ½ below."""
    return np.where(w > 0, 2.0, 0.5)


def value(R: str, w: np.ndarray) -> float:
    return float(np.sum(np.abs(w) if R == "L1" else 0.5 * w**2 * (leaning(w) if R == "Leaning" else 1.0)))


def gradient(R: str, w: np.ndarray) -> np.ndarray:
    return {"L2": w, "Leaning": leaning(w) * w}[R]


def prox(R: str, y: np.ndarray, tau: Any) -> np.ndarray:
    if R == "L1":
        return np.where(np.abs(y) <= tau, 0.0, y - tau * np.sign(y))
    return y / (1 + tau * (leaning(y) if R == "Leaning" else 1.0))
