"""How networks are trained: what a training is, and the two ways, one after the other or stacked."""

from .training import Curves, Outcome, Recipe, Score, Training, TrialBatch, joined

__all__ = ["Curves", "Outcome", "Recipe", "Score", "Training", "TrialBatch", "joined"]
