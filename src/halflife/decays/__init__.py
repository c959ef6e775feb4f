"""How λ enters: a placement (before, explicit, cautious, implicit) × what multiplies λ (lr, η, lr·η, lr/D, 1)."""

from .decay import Decay
from .named import NAMED, named
from .placement import NONE, Penalty, Placement

__all__ = ["NAMED", "NONE", "Decay", "Penalty", "Placement", "named"]
