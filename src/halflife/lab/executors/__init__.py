"""How replicas are trained: one machine, one file."""

from .local import train
from .training import Curves, Outcome, Recipe, Replicas, Score, Training
from .vectorised import train_stack

__all__ = ["Outcome", "Replicas", "Training", "train", "train_stack"]
