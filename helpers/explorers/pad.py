"""A map of 2-D latents to click on, drag over, or cross with the arrow keys: one widget, drawn by the browser."""

from collections.abc import Sequence
from pathlib import Path

import anywidget
import numpy as np
import traitlets

from helpers.latents import check_latents
from helpers.plots.figures import CLASS_COLOURS

MOST_POINTS = 3_000  # more of them hide one another, and all are sent to the browser
_STYLE = """
.latent-pad { box-sizing: content-box; padding: 5px; }
.latent-pad canvas { display: block; touch-action: none; cursor: crosshair; }
.latent-pad canvas:focus, .latent-pad-name:focus-visible { outline: 3px solid #0072B2; outline-offset: 1px; }
.latent-pad > div { display: flex; flex-wrap: wrap; gap: 2px 6px; margin: 6px 0 0 12px; }
.latent-pad label { display: flex; width: 100%; align-items: center; gap: 8px; }
.latent-pad input { flex: 1; accent-color: #0072B2; }
.latent-pad output { width: 4em; font-variant-numeric: tabular-nums; }
.latent-pad-name { font: inherit; color: inherit; background: none; border: 1px solid transparent; cursor: pointer; }
.latent-pad-name[aria-pressed=true] { border-color: currentColor; border-radius: 3px; }
.latent-pad-name i { display: inline-block; width: .8em; height: .8em; margin-right: .3em; border-radius: 50%;
  outline: 1px solid #777; }
"""


class LatentPad(anywidget.AnyWidget):
    """A scatter of coloured points with a cross-hair at (`x`, `y`), which pointer, arrow keys and two sliders move.

    An arrow key moves it by a fiftieth of the box, with Shift by a tenth. The page sends `x` and `y` to the kernel at
    most once a frame; `observe` them. The sliders (`explore-z1` and `explore-z2`) belong to the pad, because those of
    ipywidgets send each value of the kernel back, rounded and late, which would pull a drag back. The names below are
    buttons: one class at a time is highlighted.
    """

    _esm = Path(__file__).with_name("pad.js")
    _css = _STYLE
    x = traitlets.Float().tag(sync=True)
    y = traitlets.Float().tag(sync=True)
    low = traitlets.List(traitlets.Float()).tag(sync=True)
    high = traitlets.List(traitlets.Float()).tag(sync=True)
    points = traitlets.Bytes().tag(sync=True)  # float32 x, y, x, y, …, little-endian
    labels = traitlets.Bytes().tag(sync=True)  # a byte a point: its place in `names`
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    colours = traitlets.List(traitlets.Unicode(), [*CLASS_COLOURS]).tag(sync=True)

    def __init__(
        self, points: np.ndarray, labels: np.ndarray, names: Sequence[str], low: np.ndarray, high: np.ndarray
    ) -> None:
        """Make the map of the box from `low` to `high`, floats `(2,)`, with the cross-hair in its middle."""
        points, labels = packed(points, labels)
        x, y = ((low + high) / 2).tolist()
        box = {"low": low.tolist(), "high": high.tolist()}
        super().__init__(points=points, labels=labels, names=list(names), x=x, y=y, **box)


def packed(points: np.ndarray, labels: np.ndarray) -> tuple[bytes, bytes]:
    """Return points `(n, 2)` and labels `(n,)` as bytes for the browser: at most 3,000 of them, evenly picked."""
    points = check_latents(points, 2)
    picked = np.linspace(0, len(points) - 1, min(len(points), MOST_POINTS)).round().astype(int)
    return points[picked].astype("<f4").tobytes(), labels[picked].astype(np.uint8).tobytes()


def class_middles(points: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the median point `(2,)` of each class, in the order of the angles around the middle of them all."""
    middles = np.stack([np.median(points[labels == label], axis=0) for label in np.unique(labels)])
    across, up = (middles - middles.mean(axis=0)).T
    return middles[np.argsort(np.arctan2(up, across))]


def closed_path(stops: np.ndarray, start: np.ndarray, frames: int) -> np.ndarray:
    """Return `frames` points at equal steps from stop to stop, from the one nearest to `start` and back to it."""
    first = int(np.linalg.norm(stops - start, axis=1).argmin())
    corners = np.concatenate([stops[first:], stops[: first + 1]])
    lengths = np.linalg.norm(np.diff(corners, axis=0), axis=1)
    walked = np.concatenate([[0.0], np.cumsum(lengths)])
    places = np.linspace(0, walked[-1], frames)
    return np.stack([np.interp(places, walked, corner) for corner in corners.T], axis=-1)
