"""The optimizers by name: torch's eleven, letter for letter, and what they cannot do, in one line each.

All take the keywords of :class:`Optimizer` too: decay, regularizer, rounding, state_dtype, max_grad_norm, ema_decay and
skip_nonfinite.
"""

from __future__ import annotations

import torch

from .. import rules
from .optimizer import Optimizer

_EPS = {"eps_inside": False}
_DECOUPLED = {"decoupled_weight_decay": True}  # as AdamW's groups say in newer versions of torch


class SGD(Optimizer, torch.optim.SGD, rule=rules.SGD):
    """``torch.optim.SGD`` with any decay and regularizer. Equations: :class:`halflife.rules.SGD`."""


class ASGD(Optimizer, torch.optim.ASGD, rule=rules.ASGD):
    """``torch.optim.ASGD`` with any decay and regularizer. Equations: :class:`halflife.rules.ASGD`."""


class Adagrad(Optimizer, torch.optim.Adagrad, rule=rules.Adagrad):
    """``torch.optim.Adagrad`` with any decay and regularizer. Equations: :class:`halflife.rules.Adagrad`."""


class Adadelta(Optimizer, torch.optim.Adadelta, rule=rules.Adadelta):
    """``torch.optim.Adadelta`` with any decay and regularizer. Equations: :class:`halflife.rules.Adadelta`."""


class RMSprop(Optimizer, torch.optim.RMSprop, rule=rules.RMSprop, extra=_EPS):
    """``torch.optim.RMSprop`` with any decay and regularizer. Equations: :class:`halflife.rules.RMSprop`.

    ``eps_inside=True`` takes ε into the root, √(v+ε), as TensorFlow does.
    """


class Adam(Optimizer, torch.optim.Adam, rule=rules.Adam, extra=_EPS):
    """``torch.optim.Adam`` with any decay and regularizer. Equations: :class:`halflife.rules.Adam`.

    ``eps_inside=True`` takes ε into the root, √(v̂+ε).
    """


class AdamW(Optimizer, torch.optim.AdamW, rule=rules.Adam, extra=_EPS, fixed=_DECOUPLED):
    """``torch.optim.AdamW``: ``w ← (1 − lr·λ)w − lr·u``; ``decay="independent"`` is the paper's ``(1 − ηλ)w − lr·u``.

    Where λ is left at its default, the paper's form takes 1e-5, which decays as much per step as torch's 1e-2.
    ``eps_inside=True`` takes ε into the root, √(v̂+ε). Source: Loshchilov & Hutter 2019.
    """


class NAdam(Optimizer, torch.optim.NAdam, rule=rules.NAdam):
    """``torch.optim.NAdam`` with any decay and regularizer. Equations: :class:`halflife.rules.NAdam`."""


class RAdam(Optimizer, torch.optim.RAdam, rule=rules.RAdam):
    """``torch.optim.RAdam`` with any decay and regularizer. Equations: :class:`halflife.rules.RAdam`."""


class Adamax(Optimizer, torch.optim.Adamax, rule=rules.Adamax):
    """``torch.optim.Adamax`` with any decay and regularizer. Equations: :class:`halflife.rules.Adamax`."""


class Rprop(Optimizer, torch.optim.Rprop, rule=rules.Rprop, extra={"weight_decay": 0}):
    """``torch.optim.Rprop`` with ``weight_decay`` too, any decay and regularizer. See :class:`halflife.rules.Rprop`."""


class Lion(Optimizer, rule=rules.Lion, lr=1e-4, weight_decay=0.1, decay="decoupled"):
    """Lion (Chen et al. 2023) with decoupled decay. Equations: :class:`halflife.rules.Lion`."""


class SGDW(SGD, momentum=0.9, weight_decay=1e-5, decay="independent"):
    """``b = μb + g``, ``w ← (1 − ηλ)w − lr·b``. The paper keeps lr inside the momentum; this is torch's momentum."""


class AdamL2(Adam, weight_decay=1e-2, decay="coupled"):
    """``g ← g + λw``, then Adam: what ``weight_decay`` of torch's Adam is, under the name that papers give it."""


class ProxAdam(Adam, weight_decay=1e-5, decay="proximal"):
    """``w ← prox_{ηλR}(w − lr·u)``, for ridge ``(w − lr·u)/(1 + ηλ)`` (Zhuang et al. 2022). Scale-free at ε = 0."""


class AdamP(Adam, weight_decay=1e-2, decay="euclidean"):
    """``w ← (w − lr·u)/(1 + lr·λ/D)``: the prox in the Euclidean norm (*Decay No More*, 2023).

    It is not Clova's optimizer of that name (``timm``, ``adamp``), which projects the decay.
    """


class ProxSGD(SGD, weight_decay=1e-2, decay="proximal_lr"):
    """``w ← prox_{lr·λR}(w − lr·g)``: the plain proximal gradient method, with momentum if given."""
