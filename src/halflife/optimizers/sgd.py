"""The optimizers by name, those without Adam's two averages: torch's six and, by class keywords, SGDW and ProxSGD.

Each writes the arguments of its rule, with the names, order, kinds and defaults of torch's class; those that all
classes take (``params``, ``lr``, ``weight_decay``, torch's flags and ``Options``) are explained by :class:`Optimizer`.
"""

from __future__ import annotations

import torch
from torch.optim.optimizer import ParamsT
from typing_extensions import Unpack

from .. import rules
from ..optim.optimizer import Optimizer
from ..optim.signature import EpsOptions, Options, WeightDecay, constructor
from ..rules import Scalar


class RpropOptions(Options, total=False):
    """And the weight decay that torch's Rprop has not."""

    weight_decay: WeightDecay


class SGD(Optimizer, torch.optim.SGD, rule=rules.SGD):
    """``torch.optim.SGD`` with any decay and regularizer.

    ::

        b₁ = g₁,   b ← μb + (1−τ)g;     u = g where μ = 0, b, or g + μb (Nesterov)
        w ← w − lr·u

    Args:
        momentum: μ, the share of the old buffer that stays; at least 0.
        dampening: τ, the share of the gradient that the buffer does not take.
        nesterov: whether the step looks one momentum ahead; it wants μ > 0 and τ = 0.

    Shapes: g, b and u as the parameter. The other arguments: :class:`Optimizer`.

    Raises:
        ValueError: torch's, for negative numbers and for Nesterov's momentum without one.

    Source: Polyak 1964; Sutskever et al. 2013. Equations and deviations: :class:`halflife.rules.SGD`.

    Example:
        >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
        >>> optimizer = halflife.SGD([w], lr=0.1, momentum=0.9, weight_decay=0.1)
        >>> w.grad = torch.tensor([0.5, 0.5])
        >>> optimizer.step()
        >>> w.data  # w − 0.1·(g + 0.1·w)
        tensor([ 0.9400, -2.0300])
    """

    @constructor
    def __init__(
        self,
        params: ParamsT,
        lr: Scalar = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: WeightDecay = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
        **options: Unpack[Options],
    ) -> None: ...


class ASGD(Optimizer, torch.optim.ASGD, rule=rules.ASGD):
    """``torch.optim.ASGD``, SGD whose rate falls by itself, with any decay and regularizer.

    ::

        w ← (1 − γₜ·λ_d)w − γₜg,      γₜ₊₁ = lr/(1 + λ_d·lr·t)^a
        ax ← ax + μₜ(w − ax),         μₜ₊₁ = 1/max(1, t − t₀)

    Args:
        lambd: λ_d, the decay term, in units of 1/lr.
        alpha: a, the power with which the rate falls.
        t0: t₀, the step from which the weights are averaged.

    Shapes: all as the parameter but the scalars γ and μ. The other arguments: :class:`Optimizer`.

    Raises:
        ValueError: torch's, for a negative lr or weight_decay.

    Source: Polyak & Juditsky 1992. Equations and deviations: :class:`halflife.rules.ASGD`.

    Example:
        The running average of the weights is kept in the state as ``ax``; with ``t0=0`` it begins at once.
        >>> w = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = halflife.ASGD([w], lr=0.1, t0=0)
        >>> for _ in range(10):
        ...     w.grad = 2 * w.detach()
        ...     optimizer.step()
        >>> print(f"{w.item():.4f}, on average {optimizer.state[w]['ax'].item():.4f}")
        0.1074, on average 0.3078
    """

    @constructor
    def __init__(
        self,
        params: ParamsT,
        lr: Scalar = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: WeightDecay = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
        **options: Unpack[Options],
    ) -> None: ...


class Adagrad(Optimizer, torch.optim.Adagrad, rule=rules.Adagrad):
    """``torch.optim.Adagrad`` with any decay and regularizer.

    ::

        s ← s + g²,   D = √s + ε,   u = g/D
        w ← w − lr/(1 + (t−1)·lr_decay)·u

    Args:
        lr_decay: how fast the rate falls, per step.
        initial_accumulator_value: s before the first step, in units of g².
        eps: ε, in units of g.

    Shapes: s, D and u as the parameter. The other arguments: :class:`Optimizer`.

    Raises:
        ValueError: torch's, for negative numbers.

    Source: Duchi, Hazan & Singer 2011. Equations and deviations: :class:`halflife.rules.Adagrad`.

    Example:
        With the same gradient the steps shrink as 1/√t.
        >>> w = torch.nn.Parameter(torch.zeros(1))
        >>> optimizer = halflife.Adagrad([w], lr=0.1)
        >>> for _ in range(4):
        ...     w.grad = torch.ones(1)
        ...     optimizer.step()
        ...     print(f"{w.item():.4f}")
        -0.1000
        -0.1707
        -0.2284
        -0.2784
    """

    @constructor
    def __init__(
        self,
        params: ParamsT,
        lr: Scalar = 1e-2,
        lr_decay: float = 0,
        weight_decay: WeightDecay = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        **options: Unpack[Options],
    ) -> None: ...


class Adadelta(Optimizer, torch.optim.Adadelta, rule=rules.Adadelta):
    """``torch.optim.Adadelta`` with any decay and regularizer.

    ::

        v ← ρv + (1−ρ)g²,   D = √(v+ε)/√(a+ε),   u = g/D,   a ← ρa + (1−ρ)u²
        w ← w − lr·u

    Args:
        rho: ρ, the share of the old averages that stays; from 0 to 1.
        eps: ε, under both roots.

    Shapes: v, a, D and u as the parameter. The other arguments: :class:`Optimizer`.

    Raises:
        ValueError: torch's, for negative numbers or ρ outside [0, 1].

    Source: Zeiler 2012. Equations and deviations: :class:`halflife.rules.Adadelta`.

    Example:
        At first the steps are tiny, as a = 0: √ε wide, whatever the gradient.
        >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
        >>> optimizer = halflife.Adadelta([w])
        >>> w.grad = torch.tensor([0.5, -100.0])
        >>> optimizer.step()
        >>> w.data
        tensor([ 0.9968, -1.9968])
    """

    @constructor
    def __init__(
        self,
        params: ParamsT,
        lr: Scalar = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: WeightDecay = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
        **options: Unpack[Options],
    ) -> None: ...


class RMSprop(Optimizer, torch.optim.RMSprop, rule=rules.RMSprop, eps_inside=False):
    """``torch.optim.RMSprop`` with any decay and regularizer.

    ::

        v ← αv + (1−α)g²,   D = √v + ε   (or √(v+ε)),   u = g/D   (or b ← μb + g/D, u = b)
        w ← w − lr·u

    Args:
        alpha: α, the share of the old average that stays.
        eps: ε, in units of g; inside the root, of g².
        momentum: μ; 0 is none.
        centered: whether the mean of the gradients is taken from v, which leaves their variance.
        eps_inside: whether ε stands inside the root, as TensorFlow's does.

    Shapes: v, b, D and u as the parameter. The other arguments: :class:`Optimizer`.

    Raises:
        ValueError: torch's, for negative numbers.

    Source: Hinton's lecture 6 (2012). Equations and deviations: :class:`halflife.rules.RMSprop`.

    Example:
        The first step is 1/√(1−α) = 10 times lr, as v starts at 0 and is not corrected for that.
        >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
        >>> optimizer = halflife.RMSprop([w], lr=0.01)
        >>> w.grad = torch.tensor([0.5, -100.0])
        >>> optimizer.step()
        >>> w.data
        tensor([ 0.9000, -1.9000])
    """

    @constructor
    def __init__(
        self,
        params: ParamsT,
        lr: Scalar = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: WeightDecay = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        **options: Unpack[EpsOptions],
    ) -> None: ...


class Rprop(Optimizer, torch.optim.Rprop, rule=rules.Rprop):
    """``torch.optim.Rprop``, in which only the gradient's sign counts, with weight decay too, any kind of it.

    ::

        Δ ← clip(Δ·η₊ or Δ·η₋) where the sign of g stays or turns (then g ← 0),   w ← w − Δ·sign(g)

    Args:
        lr: Δ before the first step, in units of the parameter; later values change nothing.
        etas: η₋ and η₊, with 0 < η₋ < 1 < η₊.
        step_sizes: the smallest and the largest Δ.

    Shapes: all as the parameter. The other arguments: :class:`Optimizer`.

    Raises:
        ValueError: torch's, for numbers out of range.

    Source: Riedmiller & Braun 1993. Equations and deviations: :class:`halflife.rules.Rprop`.

    Example:
        The second step is 1.2 times as long where the sign stayed, and left out where it turned.
        >>> w = torch.nn.Parameter(torch.zeros(2))
        >>> optimizer = halflife.Rprop([w], lr=0.1)
        >>> for g in ([1.0, 1.0], [5.0, -5.0]):
        ...     w.grad = torch.tensor(g)
        ...     optimizer.step()
        >>> w.data
        tensor([-0.2200, -0.1000])
    """

    @constructor
    def __init__(
        self,
        params: ParamsT,
        lr: Scalar = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        **options: Unpack[RpropOptions],
    ) -> None: ...


class SGDW(SGD, momentum=0.9, weight_decay=1e-5, decay="independent"):
    """SGD with momentum and the paper's decay: ``b ← μb + g``, ``w ← (1 − ηλ)w − lr·b``.

    The arguments, shapes and errors are those of :class:`SGD`, with momentum 0.9 and λ = 1e-5. Source: Loshchilov &
    Hutter 2019. Deviation: the paper keeps lr inside the momentum; this is torch's momentum.

    Example:
        λ is the share of the weights that a step at the base lr removes, whatever lr is.
        >>> w = torch.nn.Parameter(torch.ones(1))
        >>> optimizer = halflife.SGDW([w], lr=0.1, weight_decay=0.001)
        >>> w.grad = torch.zeros(1)
        >>> optimizer.step()
        >>> w.data
        tensor([0.9990])
    """


class ProxSGD(SGD, weight_decay=1e-2, decay="proximal_lr"):
    """The proximal gradient method: ``w ← prox_{lr·λR}(w − lr·g)``, with momentum if given.

    The arguments, shapes and errors are those of :class:`SGD`, with λ = 1e-2. Source: Parikh & Boyd 2014,
    *Proximal algorithms*, section 4.2.

    Example:
        With L1 and lr·λ = 0.1 the smaller weight becomes exactly 0.
        >>> w = torch.nn.Parameter(torch.tensor([1.0, 0.05]))
        >>> R = halflife.regularizers.L1()
        >>> optimizer = halflife.ProxSGD([w], lr=0.1, weight_decay=1.0, regularizer=R)
        >>> w.grad = torch.tensor([1.0, 0.0])
        >>> optimizer.step()
        >>> w.data
        tensor([0.8000, 0.0000])
    """
