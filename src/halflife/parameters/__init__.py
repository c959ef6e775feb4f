"""What a model's parameters are, read from their names, shapes and modules: of which kind, how deep they lie,
and which layer is the last."""

from .depth import LayerDepths, layer_depths
from .heads import head_of
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
    "head_of",
    "layer_depths",
    "matches",
    "meaning",
    "named_parameters",
    "shown",
]
