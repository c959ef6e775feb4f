"""u-μP: Graphcore's unit-scaling."""

from typing import Any

from torch import Tensor

from ..convention import Convention, Settings
from ..multiples import Multiple, Multiples


def _of_adam(p: Tensor) -> Multiple | None:
    """1/√(fan-in) for weights, 1 for biases, norms and outputs, and that over √depth; λ is left."""
    kind: Any = getattr(p, "mup_type", None)
    if kind not in ("weight", "bias", "norm", "output") or not hasattr(p, "mup_scaling_depth"):
        return None
    depth: Any = getattr(p, "mup_scaling_depth", None)
    scale = 1.0 if depth is None else depth**-0.5
    return (scale * _fan_in(p) ** -0.5 if kind == "weight" else scale), 1.0


def _fan_in(p: Tensor) -> int:
    if not 1 <= p.dim() <= 3:
        raise ValueError(
            f"a weight of shape {tuple(p.shape)} has no fan-in in unit-scaling, which knows tensors of one to three "
            "dimensions; give it to an optimizer of its own."
        )
    return p.shape[0] if p.dim() == 1 else p.shape[1:].numel()


MULTIPLES = Multiples(
    _of_adam,
    "a weight has lr/√(fan-in), biases, norms and outputs lr, and under a scaling depth that over its root",
    "mup_type, of unit_scaling.Parameter,",
)
ADAMW = Convention(
    name="unit-scaling",
    title="unit_scaling.optim.AdamW, independent_weight_decay=True (the default)",
    update="w ← (1 − η·λ)w − s·lr·m̂/(√v̂ + ε), η = lr/first lr, s = 1/√(fan-in·depth) of a weight",
    source="unit-scaling 0.3.5, unit_scaling/optim.py, run beside ours",
    defaults=Settings(1e-3, 0.0),
    amsgrad="max",
    factor="schedule",
    aliases=("u-mup", "umup", "unit-scaling-independent"),
    multiples=MULTIPLES,
    notes=(
        "It divides λ by each parameter's lr once, in the constructor: the schedule still reaches the decay.",
        "Its Adam and SGD divide theirs too, though it stands in the gradient: 0.01 at lr 0.001 is an L2 of 10.",
        "Constructed with lr = 0 it divides by zero.",
    ),
)
DEPENDENT = Convention(
    name="unit-scaling-dependent",
    title="unit_scaling.optim.AdamW, independent_weight_decay=False",
    update="w ← (1 − s·lr·λ)w − s·lr·m̂/(√v̂ + ε), s = 1/√(fan-in·depth) of a weight",
    source=ADAMW.source,
    defaults=ADAMW.defaults,
    amsgrad="max",
    multiples=MULTIPLES,
    notes=("The wider a weight, the less of it the same λ removes.",),
)
ALL = (ADAMW, DEPENDENT)
