"""The optimizers that a study compares: the library's own updates, each with the λ worth trying."""

from __future__ import annotations

from dataclasses import dataclass

from ..decays import named
from ..regularizers import L2
from ..rules import Adam
from ..step import Update

HALF_DECADES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
"""Three decades, which hold the best λ of every optimizer whose λ is not multiplied by lr at each step."""


@dataclass(frozen=True)
class Contender:
    """An optimizer under study. ``name`` is what the command line and the ledger call it, ``label`` what people read.

    ``equation`` is one step with ridge; ``lams`` the λ tried unless others are given.
    """

    name: str
    label: str
    equation: str
    update: Update
    lams: tuple[float, ...] = HALF_DECADES


def _adam(decay: str) -> Update:
    return Update(Adam(), named(decay), L2())


CONTENDERS: dict[str, Contender] = {
    contender.name: contender
    for contender in (
        Contender("adam-l2", "AdamL2", "g ← g + λw, then Adam", _adam("coupled")),
        Contender(
            "adamw-torch",
            "AdamW (PyTorch)",
            "w ← (1 − lr·λ)w − lr·u",
            _adam("decoupled"),
            (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0),
        ),
        Contender("adamw-paper", "AdamW (paper)", "w ← (1 − ηλ)w − lr·u", _adam("independent")),
        Contender("prox-adam", "ProxAdam", "w ← (w − lr·u)/(1 + ηλ)", _adam("proximal")),
        Contender("adam-p", "AdamP", "w ← (w − lr·u)/(1 + lr·λ/D)", _adam("euclidean")),
    )
}

REFERENCE = Contender("adam", "Adam, no decay", "w ← w − lr·u", _adam("decoupled"), (0.0,))
"""What decay is worth is measured against this one."""
