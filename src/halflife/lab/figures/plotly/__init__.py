"""The figures as plotly.js draws them: plain mappings, the ``*Spec`` of matplotlib, colours by CSS names."""

from .curves import curves_plots
from .difference import difference_plot
from .heatmap import heatmap_plot
from .magnitudes import magnitudes_plots
from .paired import paired_plots
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
    "paired_plots",
    "scale_free_plot",
    "scaling_plot",
]
