"""Every optimizer, decay and regularizer explained: equations, a worked step, when to use it."""

from . import algebra
from .composition import Composition, composition, treatments, update_of
from .decays import DECAYS
from .derivation import WorkedLine
from .expressions import figure
from .markdown import markdown
from .names import Text, UnknownNameError, default, find, optimizer_class, registered, rule_text
from .optimizers import OPTIMIZERS
from .recommendations import RECOMMENDATIONS
from .regularizers import REGULARIZERS
from .rules import RULES
from .texts import DecayText, OptimizerText, RegularizerText, RuleText, Setting
from .topics import TOPICS, Topic
from .verification import THRESHOLD, Prox, verified_prox
from .worked import NOTEBOOK_AFTER, STEPS, Worked, worked

__all__ = [
    "DECAYS",
    "NOTEBOOK_AFTER",
    "OPTIMIZERS",
    "RECOMMENDATIONS",
    "REGULARIZERS",
    "RULES",
    "STEPS",
    "THRESHOLD",
    "TOPICS",
    "Composition",
    "DecayText",
    "OptimizerText",
    "Prox",
    "RegularizerText",
    "RuleText",
    "Setting",
    "Text",
    "Topic",
    "UnknownNameError",
    "Worked",
    "WorkedLine",
    "algebra",
    "composition",
    "default",
    "figure",
    "find",
    "markdown",
    "optimizer_class",
    "registered",
    "rule_text",
    "treatments",
    "update_of",
    "verified_prox",
    "worked",
]
