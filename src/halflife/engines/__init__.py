"""What runs an update: one machine, one file; ``choose`` picks one and says why."""

from .choose import Choice, choose
from .memory import Memory
from .native import Table
from .native_rows import words_of
from .whole_pass import Demands, Verdict
from .work import Mode, Work, start_beside, start_state

__all__ = [
    "Choice",
    "Demands",
    "Memory",
    "Mode",
    "Table",
    "Verdict",
    "Work",
    "choose",
    "start_beside",
    "start_state",
    "words_of",
]
