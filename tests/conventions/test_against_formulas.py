"""Every convention, by trajectory, against its own lines written out in NumPy from its source.

The only check of those that do not install here; of the others this is beside the real one, which may be skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import sqrt

import numpy as np
import pytest

from .problem import BETAS, BUILT, EPS, GRADS, LRS, MATRIX, STEPS, W0, agrees, λ, μ

Memory = dict[str, np.ndarray]
Step = Callable[[np.ndarray, np.ndarray, Memory, int, float], np.ndarray]
α, (β1, β2), ε = LRS[0], BETAS, EPS


def run(step: Step) -> np.ndarray:
    w, s, rows = W0.copy(), {name: np.zeros_like(W0) for name in "mvb"}, []
    for t, (g, lr) in enumerate(zip(GRADS, LRS, strict=True), 1):
        w = step(w, g, s, t, lr)
        rows.append(w.copy())
    return np.array(rows)


def moments(s: Memory, g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    s["m"] = β1 * s["m"] + (1 - β1) * g
    s["v"] = β2 * s["v"] + (1 - β2) * g * g
    return s["m"], s["v"]


def u(s: Memory, g: np.ndarray, t: int) -> np.ndarray:
    """PyTorch's direction."""
    m, v = moments(s, g)
    return (m / (1 - β1**t)) / (np.sqrt(v / (1 - β2**t)) + ε)


def u_uncorrected(s: Memory, g: np.ndarray, t: int) -> np.ndarray:
    """√(1−β₂ᵗ)/(1−β₁ᵗ)·m/(√v + ε), as fairseq, Hugging Face and L&H write it."""
    m, v = moments(s, g)
    return sqrt(1 - β2**t) / (1 - β1**t) * m / (np.sqrt(v) + ε)


def u_raw(s: Memory, g: np.ndarray) -> np.ndarray:
    m, v = moments(s, g)
    return m / (np.sqrt(v) + ε)


def u_heavyball(s: Memory, g: np.ndarray, t: int) -> np.ndarray:
    """Debiased betas: v̂ ← b₂v̂ + (1−b₂)g² with b₂ = 1 − (1−β₂)/(1−β₂ᵗ)."""
    b1, b2 = (1 - (1 - β) / (1 - β**t) for β in BETAS)
    s["m"], s["v"] = b1 * s["m"] + (1 - b1) * g, b2 * s["v"] + (1 - b2) * g * g
    return s["m"] / np.maximum(np.sqrt(s["v"]), ε)


def lion(s: Memory, g: np.ndarray) -> np.ndarray:
    update = np.sign(β1 * s["m"] + (1 - β1) * g)
    s["m"] = β2 * s["m"] + (1 - β2) * g
    return update


def trace(s: Memory, g: np.ndarray) -> np.ndarray:
    s["b"] = μ * s["b"] + g
    return s["b"]


def u_floored(s: Memory, g: np.ndarray, t: int) -> np.ndarray:
    m, v = moments(s, g)
    return m / (1 - β1**t) / ((np.sqrt(v + 1e-15) + ε) / sqrt(1 - β2**t))


def nadam_timm(w: np.ndarray, g: np.ndarray, s: Memory, t: int, lr: float) -> np.ndarray:
    m, v = moments(s, g)
    ahead = (β1 * m + (1 - β1) * g) / (1 - β1**t)
    return (1 - lr * λ) * w - lr * ahead / (np.sqrt(v / (1 - β2**t)) + ε)


def nadam_optax(w: np.ndarray, g: np.ndarray, s: Memory, t: int, lr: float) -> np.ndarray:
    m, v = moments(s, g)
    ahead = β1 * m / (1 - β1 ** (t + 1)) + (1 - β1) * g / (1 - β1**t)
    return w - lr * (ahead / (np.sqrt(v / (1 - β2**t)) + ε) + λ * w)


def momentum_with_lr(shrink: Callable[[float], float]) -> Step:
    """b ← μb − lr·g, w ← shrink·w + b, as Keras and TensorFlow Addons write it."""

    def step(w: np.ndarray, g: np.ndarray, s: Memory, t: int, lr: float) -> np.ndarray:
        s["b"] = μ * s["b"] - lr * g
        return shrink(lr) * w + s["b"]

    return step


def torchs(w: np.ndarray, g: np.ndarray, s: Memory, t: int, lr: float) -> np.ndarray:
    return (1 - lr * λ) * w - lr * u(s, g, t)


def raw(w: np.ndarray, g: np.ndarray, s: Memory, t: int, lr: float) -> np.ndarray:
    return w - lr * (u_raw(s, g) + λ * w)


def corrected(w: np.ndarray, g: np.ndarray, s: Memory, t: int, lr: float) -> np.ndarray:
    return (1 - lr * lr / α * λ) * w - lr * u(s, g, t)


def lr_lion(w: np.ndarray, g: np.ndarray, s: Memory, t: int, lr: float) -> np.ndarray:
    return (1 - lr * λ) * w - lr * lion(s, g)


def lr_sgdw(w: np.ndarray, g: np.ndarray, s: Memory, t: int, lr: float) -> np.ndarray:
    return (1 - lr * λ) * w - lr * trace(s, g)


def zhuang(w: np.ndarray, g: np.ndarray, s: Memory, t: int, lr: float) -> np.ndarray:
    return (1 - λ * lr / α) * w - lr * u(s, g, t)


def apex(w: np.ndarray, g: np.ndarray, s: Memory, t: int, lr: float) -> np.ndarray:
    return w - lr * (u(s, g, t) + λ * w)


def hf(w: np.ndarray, g: np.ndarray, s: Memory, t: int, lr: float) -> np.ndarray:
    w = w - lr * u_uncorrected(s, g, t)
    return w + w * (-lr * λ)


def hf_raw(w: np.ndarray, g: np.ndarray, s: Memory, t: int, lr: float) -> np.ndarray:
    w = w - lr * u_raw(s, g)
    return w + w * (-lr * λ)


def paper_sgdw(w: np.ndarray, g: np.ndarray, s: Memory, t: int, lr: float) -> np.ndarray:
    s["b"] = μ * s["b"] + lr * g
    return w - s["b"] - lr / α * λ * w


def sgd_lua(w: np.ndarray, g: np.ndarray, s: Memory, t: int, lr: float) -> np.ndarray:
    """λ_norm = λ√steps was given: by √(batches·epochs) it is λ again."""
    s["b"] = μ * s["b"] + g
    return w - lr * s["b"] - lr / α * (λ * sqrt(STEPS)) / sqrt(STEPS) * w


def adam_lua(w: np.ndarray, g: np.ndarray, s: Memory, t: int, lr: float) -> np.ndarray:
    return w - lr * u_uncorrected(s, g, t) - lr / α * λ * w


DION = ((4.0848, -6.8946, 2.9270), (3.9505, -6.3029, 2.6377), (3.7418, -5.5913, 2.3037), (2.8769, -3.1427, 1.2046))
QUINTIC = (*DION, (2.8366, -3.0525, 1.2012))
A, B = MATRIX


def newton_schulz(X: np.ndarray, sets: Iterable[tuple[float, float, float]]) -> np.ndarray:
    """X <- aX + (bA + cA²)X, A = XXᵀ, of the wide one of X and Xᵀ."""
    X = X.T if A > B else X
    for a, b, c in sets:
        gram = X @ X.T
        X = a * X + (b * gram + c * gram @ gram) @ X
    return X.T if A > B else X


def muon(w: np.ndarray, g: np.ndarray, s: Memory, t: int, lr: float) -> np.ndarray:
    """torch/optim/_muon.py: b.lerp_(g, 1 − μ); g.lerp(b, μ) as nesterov; w·(1 − lr·λ); lr·√max(1, A/B)."""
    s["b"] = s["b"] + (1 - μ) * (g - s["b"])
    v = (g + μ * (s["b"] - g)).reshape(MATRIX)
    direction = newton_schulz(v / max(np.linalg.norm(v), ε), [(3.4445, -4.7750, 2.0315)] * 5)
    return (1 - lr * λ) * w - lr * sqrt(max(1, A / B)) * direction.reshape(-1)


def dion(w: np.ndarray, g: np.ndarray, s: Memory, t: int, lr: float) -> np.ndarray:
    """dion/muon.py: M·μ + G, no nesterov; X/(‖X‖ + ε); w·(1 − base_lr·λ), then lr·√(fan_out/fan_in)."""
    s["b"] = s["b"] * μ + g
    v = s["b"].reshape(MATRIX)
    direction = newton_schulz(v / (np.linalg.norm(v) + ε), QUINTIC)
    return w * (1 - lr * λ) - lr * sqrt(A / B) * direction.reshape(-1)


def emerging(shrink: Callable[[float], float], l2: float = 0.0) -> Step:
    """Emerging-Optimizers: the decay of mixin.py, into w or into g; an average, no nesterov; √max(A, B)."""

    def step(w: np.ndarray, g: np.ndarray, s: Memory, t: int, lr: float) -> np.ndarray:
        g = g + l2 * w
        w = w + w * -shrink(lr)
        s["b"] = s["b"] + (1 - μ) * (g - s["b"])
        v = s["b"].reshape(MATRIX)
        direction = newton_schulz(v / max(np.linalg.norm(v), ε), QUINTIC)
        return w - lr * sqrt(max(A, B)) * direction.reshape(-1)

    return step


CASES: dict[str, Step] = {
    "torch-muon": muon,
    "dion-muon": dion,
    "emerging-muon": emerging(lambda lr: λ * lr),
    "emerging-independent": emerging(lambda lr: λ),
    "emerging-l2": emerging(lambda lr: 0.0, l2=λ),
    "emerging-palm": emerging(lambda lr: λ * lr * lr),
    "torchtitan": torchs,
    **dict.fromkeys(("torch", "optax", "timm", "optimi", "pytorch-optimizer", "torchao", "flashoptim"), torchs),
    **dict.fromkeys(("deepspeed-cpu", "bitsandbytes-cpu"), torchs),
    **dict.fromkeys(("optimi-decoupled-lr", "flashoptim-decoupled-lr"), zhuang),
    **dict.fromkeys(("timm-lion", "keras-lion", "optax-lion", "optimi-lion"), lr_lion),
    **dict.fromkeys(("timm-sgdw", "optax-sgdw", "pytorch-optimizer-sgdw"), lr_sgdw),
    "torch-adam": lambda w, g, s, t, lr: w - lr * u(s, g + λ * w, t),
    **dict.fromkeys(("mup", "unit-scaling-dependent"), torchs),  # of a multiple of 1; test_multiples.py has others
    "mup-sgd": lambda w, g, s, t, lr: w - lr * trace(s, g + λ * w),
    "unit-scaling": lambda w, g, s, t, lr: (1 - lr * (λ / α)) * w - lr * u(s, g, t),
    "torch-sgd": lambda w, g, s, t, lr: w - lr * trace(s, g + λ * w),
    "axlearn": lambda w, g, s, t, lr: w - lr / α * (α * u(s, g, t) + λ * w),
    "timm-corrected": corrected,
    "timm-nadamw": nadam_timm,
    "optax-nadamw": nadam_optax,
    "timm-sgdw-corrected": lambda w, g, s, t, lr: (1 - lr * lr / α * λ) * w - lr * trace(s, g),
    "flashoptim-sgdw-decoupled-lr": lambda w, g, s, t, lr: (1 - lr / α * λ) * w - lr * trace(s, g),
    "optimi-lion-decoupled-lr": lambda w, g, s, t, lr: (1 - lr / α * λ) * w - lr * lion(s, g),
    "pytorch-optimizer-lion-fixed": lambda w, g, s, t, lr: (1 - λ) * w - lr * lion(s, g),
    "pytorch-optimizer-adamc": lambda w, g, s, t, lr: (1 - lr * λ) * w - lr * u_floored(s, g, t),
    "pytorch-optimizer-fixed": lambda w, g, s, t, lr: (1 - λ) * w - lr * u_floored(s, g, t),
    "pytorch-optimizer-adamc-normalized": lambda w, g, s, t, lr: (1 - lr * lr / α * λ) * w - lr * u_floored(s, g, t),
    "keras": lambda w, g, s, t, lr: w - w * λ * lr - lr * u_uncorrected(s, g, t),
    "keras-sgd": momentum_with_lr(lambda lr: 1 - lr * λ),
    "tensorflow-addons": lambda w, g, s, t, lr: w - λ * w - lr * u_uncorrected(s, g, t),
    "tensorflow-addons-sgdw": momentum_with_lr(lambda lr: 1 - λ),
    "deepspeed-cpu-uncorrected": raw,
    "paper": zhuang,
    "zhuang": zhuang,
    "composer": zhuang,
    "paper-sgdw": paper_sgdw,
    "loshchilov-hutter": adam_lua,
    "loshchilov-hutter-dec": adam_lua,
    "loshchilov-hutter-sgdw": sgd_lua,
    "zhuang-prox": lambda w, g, s, t, lr: (w - lr * u(s, g, t)) / (1 + λ * lr / α),
    "halflife-proximal-lr": lambda w, g, s, t, lr: (w - lr * u(s, g, t)) / (1 + λ * lr),
    "fairseq": lambda w, g, s, t, lr: w - lr * λ * w - lr * u_uncorrected(s, g, t),
    "huggingface": torchs,
    "huggingface-former": hf,
    "huggingface-former-uncorrected": hf_raw,
    "bert": raw,
    "apex": apex,
    "deepspeed-fused": apex,
    "bitsandbytes-cuda": lambda w, g, s, t, lr: (w - lr * u(s, g, t)) * (1 - lr * λ),
    "heavyball": lambda w, g, s, t, lr: w * (1 - λ * lr) - lr * u_heavyball(s, g, t),
    "heavyball-adamc": lambda w, g, s, t, lr: w * (1 - λ * lr * lr / α) - lr * u_heavyball(s, g, t),
}


@pytest.mark.parametrize("name", CASES)
def test_trajectory(name: str) -> None:
    agrees(name, run(CASES[name]))


def test_every_convention_has_its_formula() -> None:
    assert {*CASES} == {*BUILT}
