"""What runs an update: one machine, one file; ``choose`` picks one and says why."""

from .choose import Choice, choose
from .work import Mode, Work, start_state

__all__ = ["Choice", "Mode", "Work", "choose", "start_state"]
