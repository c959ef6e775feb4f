"""Optimizers by name: which there are, and one of them made for a model.

Their names are those of the commands (``catalogue``). What timm calls otherwise and means the same is understood too;
what it means otherwise is refused, with the reason.
"""

from .creation import create_optimizer, in_objects, matrix_rule
from .names import list_optimizers, optimizer_named

__all__ = ["create_optimizer", "in_objects", "list_optimizers", "matrix_rule", "optimizer_named"]
