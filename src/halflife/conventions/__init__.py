"""What each framework means by weight decay, and how to say it to another."""

from .convention import Convention, Settings
from .conversion import Conversion, Numbers
from .convert import convert
from .describe import describe
from .description import Description, GroupDescription
from .half_life import HalfLife, Normalized, Timescale
from .registry import ALIASES, CONVENTIONS, find
from .rule_of_thumb import RuleOfThumb
from .schedule import SCHEDULES
from .state import from_keras, from_optax, from_torch_like

__all__ = [
    "ALIASES",
    "CONVENTIONS",
    "SCHEDULES",
    "Convention",
    "Conversion",
    "Description",
    "GroupDescription",
    "HalfLife",
    "Normalized",
    "Numbers",
    "RuleOfThumb",
    "Settings",
    "Timescale",
    "convert",
    "describe",
    "find",
    "from_keras",
    "from_optax",
    "from_torch_like",
]
