"""What a study's figures show, in numbers: drawn elsewhere by any back end, tested without pixels."""

from .curves import CurvesInfo, curves_info
from .difference import DifferenceInfo, difference_info
from .heatmap import ColourScale, HeatmapInfo, colour_scale, describe, heatmap_info
from .magnitudes import MagnitudesInfo, MagnitudesPanel, magnitudes_info
from .scale_free import ScaleFreeInfo, scale_free_info
from .text import error_text, number_text

__all__ = [
    "ColourScale",
    "CurvesInfo",
    "DifferenceInfo",
    "HeatmapInfo",
    "MagnitudesInfo",
    "MagnitudesPanel",
    "ScaleFreeInfo",
    "colour_scale",
    "curves_info",
    "describe",
    "difference_info",
    "error_text",
    "heatmap_info",
    "magnitudes_info",
    "number_text",
    "scale_free_info",
]
