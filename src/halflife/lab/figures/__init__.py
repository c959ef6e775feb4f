"""What a study looks like: the numbers of a picture in ``info``, the drawing beside it, one kind of figure a file."""

from .matplotlib.curves import draw_curves
from .matplotlib.difference import draw_difference
from .matplotlib.heatmap import draw
from .matplotlib.magnitudes import draw_magnitudes
from .matplotlib.scale_free import draw_scale_free
from .matplotlib.style import save
from .spec import (
    ColourScale,
    CurvesSpec,
    DifferenceSpec,
    HeatmapSpec,
    MagnitudesSpec,
    ScaleFreeSpec,
    colour_scale,
    curves_spec,
    describe,
    difference_spec,
    headline,
    heatmap_spec,
    magnitudes_spec,
    scale_free_spec,
)
from .study import Picture, figures_of, recipe_words

__all__ = [
    "ColourScale",
    "CurvesSpec",
    "DifferenceSpec",
    "HeatmapSpec",
    "MagnitudesSpec",
    "Picture",
    "ScaleFreeSpec",
    "colour_scale",
    "curves_spec",
    "describe",
    "difference_spec",
    "draw",
    "draw_curves",
    "draw_difference",
    "draw_magnitudes",
    "draw_scale_free",
    "figures_of",
    "headline",
    "heatmap_spec",
    "magnitudes_spec",
    "recipe_words",
    "save",
    "scale_free_spec",
]
