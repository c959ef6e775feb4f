"""What a study looks like: the numbers of a picture in ``info``, the drawing beside it, one kind of figure a file."""

from .curves import draw_curves
from .difference import draw_difference
from .heatmap import draw
from .info import (
    ColourScale,
    CurvesInfo,
    DifferenceInfo,
    HeatmapInfo,
    MagnitudesInfo,
    ScaleFreeInfo,
    colour_scale,
    curves_info,
    describe,
    difference_info,
    heatmap_info,
    magnitudes_info,
    scale_free_info,
)
from .magnitudes import draw_magnitudes
from .scale_free import draw_scale_free
from .study import Picture, figures_of, recipe_words
from .style import save

__all__ = [
    "ColourScale",
    "CurvesInfo",
    "DifferenceInfo",
    "HeatmapInfo",
    "MagnitudesInfo",
    "Picture",
    "ScaleFreeInfo",
    "colour_scale",
    "curves_info",
    "describe",
    "difference_info",
    "draw",
    "draw_curves",
    "draw_difference",
    "draw_magnitudes",
    "draw_scale_free",
    "figures_of",
    "heatmap_info",
    "magnitudes_info",
    "recipe_words",
    "save",
    "scale_free_info",
]
