"""The optimizers by name that take a matrix as a whole: torch's Muon and Adafactor.

Written as those in ``sgd.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import torch
from torch.optim.optimizer import ParamsT
from typing_extensions import Unpack

from .. import rules
from ..optim.optimizer import Optimizer
from ..optim.signature import Options, WeightDecay, constructor
from ..rules import Scalar

if TYPE_CHECKING:
    from torch.optim import Muon as TorchMuon
else:
    TorchMuon = getattr(torch.optim, "Muon", torch.optim.Optimizer)  # torch has it from 2.9 on


class MatrixOptions(Options, total=False):
    """And torch's flags that its Adafactor lacks."""

    capturable: bool
    differentiable: bool


class MuonOptions(MatrixOptions, total=False):
    """And what torch's Muon has not: parameters of more than two dimensions, other ways to its direction."""

    maximize: bool
    matrices: Literal["flattened", "stacked"] | None
    ns_precision: Literal["bfloat16", "float32", "float64"]
    ns_form: Literal["quintic", "gram"]


class Muon(
    Optimizer,
    TorchMuon,
    rule=rules.Muon,
    decay="decoupled",
    maximize=False,
    capturable=False,
    differentiable=False,
    matrices=None,
    ns_precision="bfloat16",
    ns_form="quintic",
):
    """``torch.optim.Muon``, orthogonalized momentum, with any decay and regularizer but the metric's own.

    ::

        b ← μb + (1−μ)g,   v = μb + (1−μ)g (Nesterov) or b,   u = ρ·NS(v) ≈ ρ·UVᵀ for v = UΣVᵀ
        w ← (1 − lr·λ)w − lr·u

    For the matrices inside a network: embeddings, heads, norms and biases want another rule, in a group with
    ``rule="Adam"`` of the same optimizer; ``halflife.param_groups(model, matrix="muon", …)`` makes the groups.

    Args:
        momentum: μ, the share of the old average that stays.
        nesterov: whether v looks one momentum ahead.
        ns_coefficients: a, b and c of ``X ← aX + (bA + cA²)X``, A = XXᵀ.
        eps: ε, the least norm by which v is divided at first, in units of g.
        ns_steps: how often; below 100.
        adjust_lr_fn: ρ of A rows and B columns: "original" (also None), √max(1, A/B); "match_rms_adamw",
            0.2·√max(A, B), with which lr and λ may be AdamW's; "spectral_unclamped", √(A/B). The decay has lr itself.
        matrices: what a parameter of more than two dimensions is: "flattened", one matrix of its first dimension by all
            others, as a convolution's; or "stacked", a matrix in the last two dimensions for each of the others.
        ns_precision: in which the products are made.
        ns_form: "quintic", as above, or "gram", which iterates on A alone, in float32 at least: fewer products where a
            matrix is much longer than wide.

    Shapes: g, b and u as the parameter. The other arguments: :class:`Optimizer`.

    Raises:
        ValueError: torch's, for parameters that are no matrices and for numbers out of range.
        RuntimeError: torch's, for complex parameters and sparse gradients.

    Source: Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/. Equations and deviations:
    :class:`halflife.rules.Muon`.

    Example:
        Of a gradient whose singular values are 100 and 1 a step is made in which both are about 0.7·lr.
        >>> w = torch.nn.Parameter(torch.zeros(2, 2))
        >>> optimizer = halflife.Muon([w], lr=0.1, weight_decay=0, ns_precision="float32")
        >>> w.grad = torch.tensor([[100.0, 0.0], [0.0, 1.0]])
        >>> optimizer.step()
        >>> w.data
        tensor([[-0.0696,  0.0000],
                [ 0.0000, -0.0699]])
    """

    @constructor
    def __init__(
        self,
        params: ParamsT,
        lr: Scalar = 1e-3,
        weight_decay: WeightDecay = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
        **options: Unpack[MuonOptions],
    ) -> None: ...

    def _construct_torchs(self, params: ParamsT, settings: dict[str, Any]) -> None:
        """torch's constructor sees a matrix in the parameters' place, for it takes no others, and no word of ours."""
        if self._torch_class is not None:
            known = settings["adjust_lr_fn"] if settings["adjust_lr_fn"] != "spectral_unclamped" else None
            self._torch_class([torch.zeros(1, 1)], **{**settings, "adjust_lr_fn": known})  # type: ignore[arg-type]
        torch.optim.Optimizer.__init__(self, params, settings)


class Adafactor(
    Optimizer, torch.optim.Adafactor, rule=rules.Adafactor, decay="decoupled", capturable=False, differentiable=False
):
    """``torch.optim.Adafactor``, whose second moment is a row and a column, with any decay and regularizer.

    ::

        V ≈ the mean of g², from the means of its rows and of its columns;      U = g/√V, clipped to an RMS of d
        w ← (1 − lr·λ)w − max(ε₂, RMS(w))·min(lr, 1/√t)·U

    Args:
        lr: the largest relative step; a decay has it too.
        beta2_decay: τ in 1 − β₂ = t^τ, at most 0.
        eps: ε₁, the least √V in units of g (None: the machine epsilon), and ε₂, the least RMS(w) that a step is
            relative to.
        d: the root mean square of U above which it is clipped, at least 1.

    Shapes: row and column means (…, A, 1) and (…, 1, B); a vector's V as it is. The other arguments:
    :class:`Optimizer`.

    Raises:
        ValueError: torch's, for numbers out of range.
        RuntimeError: torch's, for complex parameters and sparse gradients.

    Source: Shazeer & Stern 2018, https://arxiv.org/abs/1804.04235. Equations and deviations:
    :class:`halflife.rules.Adafactor`.

    Example:
        Of a matrix of 100 by 50 the second moment is 150 numbers, not 5000.
        >>> w = torch.nn.Parameter(torch.ones(100, 50))
        >>> optimizer = halflife.Adafactor([w])
        >>> w.grad = torch.ones(100, 50)
        >>> optimizer.step()
        >>> {name: tuple(x.shape) for name, x in optimizer.state[w].items()}
        {'step': (), 'row_var': (100, 1), 'col_var': (1, 50)}
    """

    @constructor
    def __init__(
        self,
        params: ParamsT,
        lr: Scalar = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: WeightDecay = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        **options: Unpack[MatrixOptions],
    ) -> None: ...
