"""What runs an update: one machine, one file; ``choose`` picks one and says why."""

from .choose import Choice, choose
from .grid import EagerGrid, Grid, NativeGrid, grid
from .memory import Memory
from .native import Table, gradient_norm
from .native_rows import words_of
from .whole_pass import Demands, Verdict
from .work import Mode, Work, start_beside, start_state

__all__ = [
    "Choice",
    "Demands",
    "EagerGrid",
    "Grid",
    "Memory",
    "Mode",
    "NativeGrid",
    "Table",
    "Verdict",
    "Work",
    "choose",
    "gradient_norm",
    "grid",
    "start_beside",
    "start_state",
    "words_of",
]
