"""μP: Microsoft's mup."""

from typing import Any

from torch import Tensor

from ..convention import Convention, Settings
from ..multiples import Multiple, Multiples

MARK = "infshape, of mup.set_base_shapes,"


def _of_adam(p: Tensor) -> Multiple | None:
    """(1/m, m) for a matrix of two widths, m its width_mult; 1 for all others."""
    shape = _infshape(p)
    if shape is None:
        return None
    return _inverse(shape.width_mult()) if shape.ninf() == 2 else (1.0, 1.0)


def _of_sgd(p: Tensor) -> Multiple | None:
    """(m, 1/m) for what has one width, (1/r, r) for a matrix of two, r the ratio of their multiples; 1 for others."""
    shape = _infshape(p)
    if shape is None:
        return None
    if shape.ninf() == 1:
        return _inverse(1 / shape.width_mult())
    return _inverse(shape.fanin_fanout_mult_ratio()) if shape.ninf() == 2 else (1.0, 1.0)


def _infshape(p: Tensor) -> Any:
    shape: Any = getattr(p, "infshape", None)
    if shape is not None and shape.ninf() > 2:
        raise ValueError(
            f"a parameter of shape {tuple(p.shape)} has {shape.ninf()} dimensions that are widths, and mup knows what "
            "to do with at most 2; give the base shapes so that the others are the same."
        )
    return shape


def _inverse(m: float) -> Multiple:
    return 1 / m, m


ADAMW = Convention(
    name="mup",
    title="mup.MuAdamW",
    update="w ← (1 − lr·λ)w − (lr/m)·m̂/(√v̂ + ε), m = width_mult of a matrix of two widths, else 1",
    source="mup 1.0.0, mup/optim.py, run beside ours",
    defaults=Settings(1e-3, 0.0),
    amsgrad="max",
    aliases=("muadamw", "mu-adamw"),
    multiples=Multiples(
        _of_adam, "a matrix of two widths has lr/m and mλ for its width_mult m, so that lr·λ is what was given", MARK
    ),
    notes=(
        "λ is 0 unless it is given, and not the 0.01 of the AdamW below it; lr has no default there.",
        "Only the constructor looks at the widths: a group that is added later keeps its lr and λ.",
        "MuAdam(weight_decay=…) is torch-adam's λ in the gradient, and multiplied by m as well.",
    ),
)
SGD = Convention(
    name="mup-sgd",
    title="mup.MuSGD",
    update="g ← g + (λ/a)w, b ← μb + g, w ← w − lr·a·b; a = m of one width, 1/r of a matrix of two, else 1",
    source=ADAMW.source,
    defaults=Settings(1e-3, 0.0),
    rule="sgd",
    order="coupled",
    aliases=("musgd", "mu-sgd"),
    multiples=Multiples(
        _of_sgd,
        "what has one width has m·lr and λ/m, and a matrix lr/r and rλ for the ratio r of its widths' m, so that lr·λ "
        "is what was given",
        MARK,
    ),
    notes=("lr·λ is what was given, for every parameter.",),
)
ALL = (ADAMW, SGD)
