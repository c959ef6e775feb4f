"""The optimizers by name, Adam and its kin: torch's six, Lion and, by class keywords, AdamL2, ProxAdam and AdamP."""

from __future__ import annotations

import torch
from torch.optim.optimizer import ParamsT
from typing_extensions import Unpack

from .. import rules
from ..optim.optimizer import Optimizer
from ..optim.signature import EpsOptions, Options, WeightDecay, constructor
from ..rules import Scalar


class Adam(Optimizer, torch.optim.Adam, rule=rules.Adam, eps_inside=False):
    """``torch.optim.Adam`` with any decay and regularizer.

    ::

        m ← β₁m + (1−β₁)g,   v ← β₂v + (1−β₂)g²
        D = √v̂ + ε   (or √(v̂+ε)),   u = m̂/D,   w ← w − lr·u

    Args:
        betas: β₁ and β₂, the shares of the old averages that stay; each at least 0 and below 1.
        eps: ε, in units of g; inside the root, of g².
        amsgrad: whether the largest v so far stands for v.
        decoupled_weight_decay: torch's word for ``decay="decoupled"``, from torch 2.7 on.
        eps_inside: whether ε stands inside the root.

    Shapes: m, v, D and u as the parameter. The other arguments: :class:`Optimizer`.

    Raises:
        ValueError: torch's, for numbers out of range.

    Source: Kingma & Ba 2015. Equations and deviations: :class:`halflife.rules.Adam`.

    Example:
        A first step has the length lr, however large the gradient is.
        >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
        >>> optimizer = halflife.Adam([w], lr=0.1)
        >>> w.grad = torch.tensor([0.5, -100.0])
        >>> optimizer.step()
        >>> w.data
        tensor([ 0.9000, -1.9000])
    """

    @constructor
    def __init__(
        self,
        params: ParamsT,
        lr: Scalar = 1e-3,
        betas: tuple[Scalar, Scalar] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: WeightDecay = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
        **options: Unpack[EpsOptions],
    ) -> None: ...


class AdamW(Adam, torch.optim.AdamW, decay="decoupled"):
    """``torch.optim.AdamW``: Adam with decoupled decay.

    ::

        w ← (1 − lr·λ)w − lr·u            decay="independent": (1 − ηλ)w − lr·u, the paper's

    Where λ is left at its default, the paper's form takes 1e-5, which decays as much a step as torch's 1e-2.

    Args:
        betas, eps, amsgrad, eps_inside: as in :class:`Adam`, with u and the shapes.

    Raises:
        ValueError: torch's, for numbers out of range.

    The other arguments: :class:`Optimizer`. Source: Loshchilov & Hutter 2019, https://arxiv.org/abs/1711.05101.

    Example:
        What is left of a weight of 1 after a step without a gradient, in both forms:
        >>> for decay in ("decoupled", "independent"):
        ...     w = torch.nn.Parameter(torch.ones(1))
        ...     optimizer = halflife.AdamW([w], lr=0.1, weight_decay=0.001, decay=decay)
        ...     w.grad = torch.zeros(1)
        ...     optimizer.step()
        ...     print(decay, round(w.item(), 6))
        decoupled 0.9999
        independent 0.999
    """

    @constructor
    def __init__(
        self,
        params: ParamsT,
        lr: Scalar = 1e-3,
        betas: tuple[Scalar, Scalar] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: WeightDecay = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        **options: Unpack[EpsOptions],
    ) -> None: ...


class NAdam(Optimizer, torch.optim.NAdam, rule=rules.NAdam):
    """``torch.optim.NAdam``, Adam with the mean as it will stand one step ahead, with any decay and regularizer.

    ::

        μₜ = β₁(1 − ½·0.96^(tψ)),   m̂ = μₜ₊₁·m/(1 − Π·μₜ₊₁) + (1−μₜ)·g/(1 − Π),   Π = μ₁⋯μₜ
        D = √v̂ + ε,   u = m̂/D,   w ← w − lr·u

    Args:
        betas, eps: as in :class:`Adam`, with m and v.
        momentum_decay: ψ, how fast the momentum grows to β₁.
        decoupled_weight_decay: torch's word for ``decay="decoupled"``.

    Shapes: m, v, D and u as the parameter, μ and Π scalars. The other arguments: :class:`Optimizer`.

    Raises:
        ValueError: torch's, for numbers out of range.

    Source: Dozat 2016. Equations and deviations: :class:`halflife.rules.NAdam`.

    Example:
        The mean looks one step ahead, so that the first step is 1.06·lr, however large the gradient is.
        >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
        >>> optimizer = halflife.NAdam([w], lr=0.1)
        >>> w.grad = torch.tensor([0.5, -100.0])
        >>> optimizer.step()
        >>> w.data
        tensor([ 0.8944, -1.8944])
    """

    @constructor
    def __init__(
        self,
        params: ParamsT,
        lr: Scalar = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: WeightDecay = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        **options: Unpack[Options],
    ) -> None: ...


class RAdam(Optimizer, torch.optim.RAdam, rule=rules.RAdam):
    """``torch.optim.RAdam``, Adam rectified by r once the variance of 1/√v is known, with any decay and regularizer.

    ::

        ρ∞ = 2/(1−β₂) − 1,   ρ = ρ∞ − 2tβ₂ᵗ/(1−β₂ᵗ),   r² = (ρ−4)(ρ−2)ρ∞/((ρ∞−4)(ρ∞−2)ρ)
        u = r·m̂·√(1−β₂ᵗ)/(√v + ε) where ρ > 5, else m̂;   w ← w − lr·u

    Args:
        betas, eps: as in :class:`Adam`, with m and v.
        decoupled_weight_decay: torch's word for ``decay="decoupled"``.

    Shapes: m, v and u as the parameter, ρ and r scalars. The other arguments: :class:`Optimizer`.

    Raises:
        ValueError: torch's, for numbers out of range.

    Source: Liu et al. 2020. Equations and deviations: :class:`halflife.rules.RAdam`.

    Example:
        With β₂ = 0.999 the first five steps are those of momentum, so that the gradient's size counts.
        >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
        >>> optimizer = halflife.RAdam([w], lr=0.1)
        >>> w.grad = torch.tensor([0.5, -2.0])
        >>> optimizer.step()
        >>> w.data
        tensor([ 0.9500, -1.8000])
    """

    @constructor
    def __init__(
        self,
        params: ParamsT,
        lr: Scalar = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: WeightDecay = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        **options: Unpack[Options],
    ) -> None: ...


class Adamax(Optimizer, torch.optim.Adamax, rule=rules.Adamax):
    """``torch.optim.Adamax``, Adam over a fading maximum of |g|, with any decay and regularizer.

    ::

        m ← β₁m + (1−β₁)g,   D ← max(β₂D, |g| + ε),   u = m̂/D,   w ← w − lr·u

    Args:
        betas: β₁ of the mean and β₂ of the maximum; each at least 0 and below 1.
        eps: ε, in units of g.

    Shapes: m, D and u as the parameter. The other arguments: :class:`Optimizer`.

    Raises:
        ValueError: torch's, for numbers out of range.

    Source: Kingma & Ba 2015, section 7.1. Equations and deviations: :class:`halflife.rules.Adamax`.

    Example:
        After a gradient of 10 the next one, of 1, moves the weight by a tenth of lr only: D remembers the largest.
        >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
        >>> optimizer = halflife.Adamax([w], lr=0.1, betas=(0.0, 0.999))
        >>> for g in ([10.0, 10.0], [1.0, 10.0]):
        ...     w.grad = torch.tensor(g)
        ...     optimizer.step()
        >>> w.data
        tensor([ 0.8900, -2.2000])
    """

    @constructor
    def __init__(
        self,
        params: ParamsT,
        lr: Scalar = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: WeightDecay = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
        **options: Unpack[Options],
    ) -> None: ...


class Lion(Optimizer, rule=rules.Lion, decay="decoupled"):
    """Lion, the sign of an average, with decoupled decay.

    ::

        u = sign(β₁m + (1−β₁)g),   m ← β₂m + (1−β₂)g,   w ← (1 − lr·λ)w − lr·u

    Args:
        betas: β₁ of the direction and β₂ of the memory; each at least 0 and below 1.

    Shapes: m and u as the parameter. The other arguments: :class:`Optimizer`.

    Raises:
        ValueError: for numbers out of range.

    Source: Chen et al. 2023, https://arxiv.org/abs/2302.06675. Equations: :class:`halflife.rules.Lion`.

    Example:
        Each coordinate moves by lr, or not at all.
        >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0, 3.0]))
        >>> optimizer = halflife.Lion([w], lr=0.01, weight_decay=0)
        >>> w.grad = torch.tensor([0.5, -100.0, 0.0])
        >>> optimizer.step()
        >>> w.data
        tensor([ 0.9900, -1.9900,  3.0000])
    """

    @constructor
    def __init__(
        self,
        params: ParamsT,
        lr: Scalar = 1e-4,
        betas: tuple[Scalar, Scalar] = (0.9, 0.99),
        weight_decay: WeightDecay = 0.1,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        **options: Unpack[Options],
    ) -> None: ...


class AdamL2(Adam, weight_decay=1e-2, decay="coupled"):
    """Adam with an L2 penalty: ``g ← g + λw``, then Adam; what ``weight_decay`` of torch's Adam is.

    The arguments, shapes and errors are those of :class:`Adam`, with λ = 1e-2. Source: Loshchilov & Hutter 2019.

    Example:
        The penalty's gradient goes through Adam: without another gradient its size does not matter.
        >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
        >>> optimizer = halflife.AdamL2([w], lr=0.1, weight_decay=1e-4)
        >>> w.grad = torch.zeros(2)
        >>> optimizer.step()
        >>> w.data
        tensor([ 0.9000, -1.9000])
    """


class ProxAdam(Adam, weight_decay=1e-5, decay="proximal"):
    """Adam, then the prox: ``w ← prox_{ηλR}(w − lr·u)``, for ridge ``(w − lr·u)/(1 + ηλ)``; scale-free at ε = 0.

    The arguments, shapes and errors are those of :class:`Adam`, with λ = 1e-5. Source: Zhuang et al. 2022,
    https://arxiv.org/abs/2202.00089.

    Example:
        With L1 small weights become exactly 0.
        >>> w = torch.nn.Parameter(torch.tensor([1.0, 0.0004]))
        >>> optimizer = halflife.ProxAdam([w], lr=1e-3, weight_decay=5e-4, regularizer=halflife.regularizers.L1())
        >>> w.grad = torch.zeros(2)
        >>> optimizer.step()
        >>> w.data
        tensor([0.9995, 0.0000])
    """


class AdamP(Adam, weight_decay=1e-2, decay="euclidean"):
    """Adam, then the prox in the Euclidean norm: ``w ← (w − lr·u)/(1 + lr·λ/D)``.

    The arguments, shapes and errors are those of :class:`Adam`, with λ = 1e-2. Source: *Decay No More*, ICLR blog
    posts 2023. It is not Clova's optimizer of that name (``timm``, ``adamp``), which projects the decay.

    Example:
        A coordinate of large gradients, and so of a large D, decays less: here (1 + 0.1·0.01/D)⁻¹ of it stays.
        >>> w = torch.nn.Parameter(torch.tensor([1.0, 1.0], dtype=torch.float64))
        >>> optimizer = halflife.AdamP([w], lr=0.1, weight_decay=0.01)
        >>> w.grad = torch.tensor([0.01, 100.0], dtype=torch.float64)
        >>> optimizer.step()
        >>> w.data
        tensor([0.8182, 0.9000], dtype=torch.float64)
    """


class SparseOptions(Options, total=False):
    """And the flags that torch's SparseAdam lacks."""

    capturable: bool
    differentiable: bool


class SparseAdam(Optimizer, torch.optim.SparseAdam, rule=rules.SparseAdam, capturable=False, differentiable=False):
    """``torch.optim.SparseAdam``: Adam where a sparse gradient has an entry, and nothing elsewhere.

    ::

        m ← β₁m + (1−β₁)g,   v ← β₂v + (1−β₂)g²,   D = (√v + ε)/√(1−β₂ᵗ),   u = m/(1−β₁ᵗ)/D,   w ← w − lr·u

    A decay, of all weights or of those that a batch names, is refused: embeddings that decay want dense gradients.

    Args:
        betas, eps: as in :class:`Adam`; ε is added to the uncorrected √v.

    Shapes: m, v, D and u as the gradient's entries. The other arguments: :class:`Optimizer`.

    Raises:
        ValueError: torch's, for numbers out of range and for sparse or complex parameters.
        RuntimeError: at a step with a dense gradient, torch's, or with a weight decay above 0.

    Source: Kingma & Ba 2015. Equations and deviations: :class:`halflife.rules.SparseAdam`.

    Example:
        Of an embedding only the row that the batch names moves.
        >>> embedding = torch.nn.Embedding.from_pretrained(torch.ones(3, 2), freeze=False, sparse=True)
        >>> optimizer = halflife.SparseAdam(embedding.parameters(), lr=0.1)
        >>> embedding(torch.tensor([1])).sum().backward()
        >>> optimizer.step()
        >>> embedding.weight.data
        tensor([[1.0000, 1.0000],
                [0.9000, 0.9000],
                [1.0000, 1.0000]])
    """

    @constructor
    def __init__(
        self,
        params: ParamsT,
        lr: Scalar = 1e-3,
        betas: tuple[Scalar, Scalar] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
        **options: Unpack[SparseOptions],
    ) -> None: ...
