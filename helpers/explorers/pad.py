"""A map of 2-D latents to click on, drag over, or cross with the arrow keys: one widget, drawn by the browser."""

from collections.abc import Sequence
from pathlib import Path

import anywidget
import numpy as np
import traitlets

from helpers.latents import check_latents
from helpers.plots.figures import CLASS_COLOURS, CLASS_MARKS
from helpers.session import UserError

MOST_POINTS = 3_000  # more of them hide one another, and each has to travel to the browser
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
.latent-pad-name i[data-mark="^"] { outline: none; border-radius: 0; clip-path: polygon(50% 0, 100% 100%, 0 100%); }
"""


class LatentPad(anywidget.AnyWidget):
    """A scatter of coloured points with a cross-hair at (`x`, `y`), which pointer, arrow keys and two sliders move.

    An arrow key moves it by a fiftieth of the box, with Shift by a tenth. The page sends `x` and `y` (floats, within
    the box) to the kernel at most once a frame; `observe` them. The sliders (`explore-z1` and `explore-z2` in a page)
    belong to the pad, since those of ipywidgets send back each value that the kernel gives them, rounded and late,
    which would pull a drag back. The names below are buttons: one class at a time is highlighted.
    """

    _esm = Path(__file__).with_name("pad.js")
    _css = _STYLE
    x = traitlets.Float(0.0).tag(sync=True)
    y = traitlets.Float(0.0).tag(sync=True)
    low = traitlets.List(traitlets.Float()).tag(sync=True)
    high = traitlets.List(traitlets.Float()).tag(sync=True)
    points = traitlets.Bytes().tag(sync=True)  # float32 x, y, x, y, …, little-endian
    labels = traitlets.Bytes().tag(sync=True)  # a byte a point: its place in `names`
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    colours = traitlets.List(traitlets.Unicode()).tag(sync=True)
    marks = traitlets.List(traitlets.Unicode()).tag(sync=True)
    axes = traitlets.List(traitlets.Unicode(), ["z₁", "z₂"]).tag(sync=True)
    size = traitlets.Int(400).tag(sync=True)  # pixels, of the map's square
    description = traitlets.Unicode(
        "Map of the latent space. Arrow keys move the point, with Shift in larger steps."
    ).tag(sync=True)

    def __init__(
        self,
        points: np.ndarray,
        labels: np.ndarray,
        names: Sequence[str],
        low: Sequence[float],
        high: Sequence[float],
        colours: Sequence[str] = CLASS_COLOURS,
        marks: Sequence[str] = CLASS_MARKS,
        **options,
    ) -> None:
        """Make the map; the cross-hair begins in the middle of the box.

        Args:
            points: floats `(n, 2)`. Of more than 3,000, that many are shown, evenly picked.
            labels: whole numbers `(n,)`, each a place in `names`.
            names: of the classes, at most as many as there are colours and marks.
            low: the least `(x, y)` shown; points beyond the box are not seen.
            high: the greatest.
            colours: CSS colours, one a class; `marks`: "o" (disc) or "^" (triangle). As in the figures.
            options: other traits, such as `size` in pixels, `axes` (two labels) and `description`.

        Raises:
            UserError: the shapes do not agree, a label has no name, or `low` is not below `high`.
        """
        low, high = (check_latents(end, 2)[0].tolist() for end in (low, high))
        if not (low[0] < high[0] and low[1] < high[1]):
            raise UserError(f"low {low} and high {high} span no box. Give a low below the high on both axes.")
        if len(names) > min(len(colours), len(marks)):
            raise UserError(
                f"{len(names)} classes want as many colours and marks, and there are {len(colours)} and {len(marks)}. "
                "Give more."
            )
        middle = {"x": (low[0] + high[0]) / 2, "y": (low[1] + high[1]) / 2}
        looks = {"colours": list(colours[: len(names)]), "marks": list(marks[: len(names)])}
        shown = {"names": list(names), "low": low, "high": high, **looks}
        super().__init__(**packed(points, labels, len(names)), **shown, **{**middle, **options})


def packed(points: np.ndarray, labels: np.ndarray, classes: int) -> dict[str, bytes]:
    """Return points `(n, 2)` and labels `(n,)` as the bytes of the traits of those names; refuse others."""
    points, labels = check_latents(points, 2), np.asarray(labels)
    if labels.shape != (len(points),) or not np.issubdtype(labels.dtype, np.integer):
        raise UserError(
            f"{len(points):,} points want as many labels, whole numbers, and these are {labels.dtype} {labels.shape}."
        )
    if not len(points):
        raise UserError("there are no points to show. Give at least one.")
    if labels.min() < 0 or labels.max() >= classes or classes > 256:
        raise UserError(
            f"labels from {labels.min()} to {labels.max()} do not fit {classes} names. Give a name to each."
        )
    picked = np.linspace(0, len(points) - 1, min(len(points), MOST_POINTS)).round().astype(int)
    return {"points": points[picked].astype("<f4").tobytes(), "labels": labels[picked].astype(np.uint8).tobytes()}


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
