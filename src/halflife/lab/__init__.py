"""Studies of how learning rate and weight decay are coupled: ``run_study(Settings(), Path("study"))``."""

from __future__ import annotations

from .analysis import Findings
from .errors import StudyError
from .inference import Coupling, NotIdentified, coupling
from .optimizers import CONTENDERS, REFERENCE, Contender
from .own import Config, OwnTraining
from .problems import PROBLEMS, Problem, Split
from .progress import Progress
from .result import Result
from .running import How
from .settings import Settings
from .start import Outcome, run_preset, run_study
from .study import Study

__all__ = [
    "CONTENDERS",
    "PROBLEMS",
    "REFERENCE",
    "Config",
    "Contender",
    "Coupling",
    "Findings",
    "How",
    "NotIdentified",
    "Outcome",
    "OwnTraining",
    "Problem",
    "Progress",
    "Result",
    "Settings",
    "Split",
    "Study",
    "StudyError",
    "coupling",
    "run_preset",
    "run_study",
]
