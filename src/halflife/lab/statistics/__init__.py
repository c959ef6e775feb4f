"""What a grid of errors says, and how surely: κ, regret, ω², the best cells, and the verdict in words."""

from .best import Cell, near_best
from .compare import Comparison, compare
from .coupling import Coupling, Vertex, coupling, kappa
from .interaction import Interaction, interaction
from .intervals import Estimate, Interval, NotIdentified, estimate
from .regret import Regret, regret
from .selftest import SelfTest, self_test
from .verdict import Convention, Verdict, verdict
from .words import comparison_words, self_test_words, sentences

__all__ = [
    "Cell",
    "Comparison",
    "Convention",
    "Coupling",
    "Estimate",
    "Interaction",
    "Interval",
    "NotIdentified",
    "Regret",
    "SelfTest",
    "Verdict",
    "Vertex",
    "compare",
    "comparison_words",
    "coupling",
    "estimate",
    "interaction",
    "kappa",
    "near_best",
    "regret",
    "self_test",
    "self_test_words",
    "sentences",
    "verdict",
]
