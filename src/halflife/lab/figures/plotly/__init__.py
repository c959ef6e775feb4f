"""The figures as plotly draws them: plain mappings, the same ``*_info`` as matplotlib's, colours by their CSS names."""

from .curves import curves_plots
from .difference import difference_plot
from .heatmap import heatmap_plot
from .magnitudes import magnitudes_plots
from .plot import TEMPLATE, Plot, as_json
from .scale_free import scale_free_plot
from .scaling import scaling_plot

__all__ = [
    "TEMPLATE",
    "Plot",
    "as_json",
    "curves_plots",
    "difference_plot",
    "heatmap_plot",
    "magnitudes_plots",
    "scale_free_plot",
    "scaling_plot",
]
