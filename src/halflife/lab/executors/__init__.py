"""How replicas are trained: stacked or singly, here or in worker processes."""

from .crew import Finished
from .local import ShareOut, Way, execute, run_jobs, shared_out, train
from .parcels import parcels
from .training import Curves, Outcome, Recipe, Replicas, Score, Training, joined
from .trial import Verdict, try_both

__all__ = [
    "Curves",
    "Finished",
    "Outcome",
    "Recipe",
    "Replicas",
    "Score",
    "ShareOut",
    "Training",
    "Verdict",
    "Way",
    "execute",
    "joined",
    "parcels",
    "run_jobs",
    "shared_out",
    "train",
    "try_both",
]
