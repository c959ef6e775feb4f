"""What a model's parameters are, read from their names, shapes and modules: of which kind, and how deep they lie."""

from .depth import LayerDepths, layer_depths
from .kinds import KINDS, Pattern, check_patterns, first_match, matches, meaning, shown
from .named_parameters import Location, NamedParameter, named_parameters

__all__ = [
    "KINDS",
    "LayerDepths",
    "Location",
    "NamedParameter",
    "Pattern",
    "check_patterns",
    "first_match",
    "layer_depths",
    "matches",
    "meaning",
    "named_parameters",
    "shown",
]
