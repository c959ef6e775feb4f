"""What a grid of errors says, and how surely, arrays in and numbers out: κ, regret, ω², the cells near the best."""

from .coupling import Coupling, Vertex, coupling, kappa
from .interaction import Interaction, interaction
from .intervals import Estimate, Interval, NotIdentified, estimate
from .near_best import Cell, near_best
from .regret import Regret, regret

__all__ = [
    "Cell",
    "Coupling",
    "Estimate",
    "Interaction",
    "Interval",
    "NotIdentified",
    "Regret",
    "Vertex",
    "coupling",
    "estimate",
    "interaction",
    "kappa",
    "near_best",
    "regret",
]
