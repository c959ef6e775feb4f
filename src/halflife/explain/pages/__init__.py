"""The pages of ``halflife explain``, each a function that writes on a ``Paper``."""

from .show import show

__all__ = ["show"]
