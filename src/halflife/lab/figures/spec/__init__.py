"""What a study's figures show, in numbers: drawn elsewhere by any back end, tested without pixels."""

from .curves import CurvesSpec, curves_spec
from .difference import DifferenceSpec, difference_spec
from .heatmap import ColourScale, HeatmapSpec, colour_scale, describe, headline, heatmap_spec
from .magnitudes import MagnitudesPanel, MagnitudesSpec, magnitudes_spec
from .scale_free import ScaleFreeSpec, scale_free_spec
from .text import number_text

__all__ = [
    "ColourScale",
    "CurvesSpec",
    "DifferenceSpec",
    "HeatmapSpec",
    "MagnitudesPanel",
    "MagnitudesSpec",
    "ScaleFreeSpec",
    "colour_scale",
    "curves_spec",
    "describe",
    "difference_spec",
    "headline",
    "heatmap_spec",
    "magnitudes_spec",
    "number_text",
    "scale_free_spec",
]
