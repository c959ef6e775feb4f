"""What a study looks like: the numbers of a picture in one place, the drawing in another."""

from .heatmap import draw, save
from .info import ColourScale, HeatmapInfo, colour_scale, describe, heatmap_info

__all__ = ["ColourScale", "HeatmapInfo", "colour_scale", "describe", "draw", "heatmap_info", "save"]
