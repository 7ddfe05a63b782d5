"""What the notebooks show: curves, maps, rows of pictures, tables, and the display that follows a training."""

from helpers.plots.figures import (
    adversarial_curves,
    attention_maps,
    curve_panels,
    curves,
    latent_scatter,
    manifold,
    normal_histograms,
    number_grids,
    reweighted_bars,
    samples_on_map,
)
from helpers.plots.live import LiveCurves, trouble
from helpers.plots.pictures import animation, picture_table
from helpers.plots.tables import table

__all__ = [
    "LiveCurves",
    "adversarial_curves",
    "animation",
    "attention_maps",
    "curve_panels",
    "curves",
    "latent_scatter",
    "manifold",
    "normal_histograms",
    "number_grids",
    "picture_table",
    "reweighted_bars",
    "samples_on_map",
    "table",
    "trouble",
]
