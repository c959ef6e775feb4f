"""Every optimizer, decay and regularizer explained: equations, a step worked out by hand, when to use it."""

from . import algebra
from .decays import DECAYS
from .hand.sheet import Line
from .hand.term import figure
from .names import Text, UnknownNameError, find
from .optimizers import OPTIMIZERS
from .proved import THRESHOLD, Proved, proved
from .recommendations import RECOMMENDATIONS
from .regularizers import REGULARIZERS
from .rules import RULES
from .texts import DecayText, OptimizerText, RegularizerText, RuleText, Setting
from .worked import NOTEBOOK_AFTER, STEPS, Worked, update_of, worked

__all__ = [
    "DECAYS",
    "NOTEBOOK_AFTER",
    "OPTIMIZERS",
    "RECOMMENDATIONS",
    "REGULARIZERS",
    "RULES",
    "STEPS",
    "THRESHOLD",
    "DecayText",
    "Line",
    "OptimizerText",
    "Proved",
    "RegularizerText",
    "RuleText",
    "Setting",
    "Text",
    "UnknownNameError",
    "Worked",
    "algebra",
    "figure",
    "find",
    "proved",
    "update_of",
    "worked",
]
