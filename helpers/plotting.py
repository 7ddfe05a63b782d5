"""Figures: functions that return one, and never show it; and the one figure that follows a training."""

import base64
import html
import io
from collections.abc import Sequence

import numpy as np
from IPython import get_ipython
from IPython.display import HTML, DisplayHandle, display
from matplotlib.figure import Figure

from helpers import images

# Colours that people with any kind of colour blindness can tell apart (Okabe and Ito, 2008).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "osD^vP*"


def new_figure(columns: int = 1, width: float = 7.5, height: float = 3.2, **options) -> tuple[Figure, np.ndarray]:
    """Return a figure that no global state holds on to, and its axes as an array of `columns`."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(1, columns, squeeze=False, **options)[0]
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25)
    return figure, axes


class PictureWithText:
    """A picture file that a cell shows, with a text for those who cannot see it.

    IPython's own `Image` takes such a text from version 8 on, and Colab has version 7. JupyterLab shows the text of no
    `Image` at all. So the picture goes out as HTML too, which pages prefer.
    """

    def __init__(self, data: bytes, alt: str, kind: str = "png") -> None:
        """Keep a file's content (`data`), its text (`alt`), and its `kind`: "png" or "gif"."""
        self.data, self.alt, self.kind = data, alt, kind

    def __repr__(self) -> str:
        return f"<picture: {self.alt}>"

    def _repr_mimebundle_(self, include=None, exclude=None) -> tuple[dict, dict]:
        mime, content = f"image/{self.kind}", base64.b64encode(self.data).decode()
        shown = f'<img alt="{html.escape(self.alt)}" src="data:{mime};base64,{content}" style="max-width: 100%">'
        return {mime: content, "text/html": shown}, {mime: {"alt": self.alt}}


def picture(figure: Figure, alt: str) -> PictureWithText:
    """Return a figure as a PNG to display, with a text for those who cannot see it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, facecolor="white")
    return PictureWithText(buffer.getvalue(), alt)


def animation(frames: Sequence[np.ndarray], seconds: float, alt: str) -> PictureWithText:
    """Return pictures of one size, each shown for `seconds`, as a GIF to display, with a text."""
    return PictureWithText(images.animation(frames, seconds), alt, "gif")


def reweighted_bars(distributions: dict[float, np.ndarray], entropies: dict[float, float]) -> Figure:
    """Draw one distribution at several temperatures, a panel each, with its entropy in bits above.

    Args:
        distributions: temperature → probabilities `(symbols,)`.
        entropies: temperature → entropy in bits.
    """
    figure, axes = new_figure(len(distributions), width=9, height=2.6, sharey=True)
    for axis, (temperature, probabilities) in zip(axes, distributions.items(), strict=True):
        axis.bar(np.arange(1, len(probabilities) + 1), probabilities, color=COLOURS[0])
        axis.set_title(f"T = {temperature:g}\n{entropies[temperature]:.2f} bits", fontsize=10)
        axis.set_xticks([])
    axes[0].set_ylabel("probability")
    figure.supxlabel("symbols, from the most to the least probable", fontsize=10)
    figure.suptitle("A higher temperature flattens the distribution and raises its entropy", fontsize=11)
    return figure


def training_curves(history: Sequence[dict], unit: str, references: dict[str, float]) -> Figure:
    """Draw training loss and held-out loss over time, with other models' figures as horizontal lines.

    Args:
        history: records with `seconds`, `loss` and `validation`.
        unit: of the losses, such as "nats per character".
        references: name → loss of something to compare with.
    """
    figure, (axis,) = new_figure()
    seconds = [record["seconds"] for record in history]
    for number, (name, label) in enumerate({"loss": "training", "validation": "held out"}.items()):
        values = [record[name] for record in history]
        axis.plot(seconds, values, color=COLOURS[number], marker=MARKERS[number], markersize=4, label=label)
    for number, (name, value) in enumerate(references.items()):
        axis.axhline(value, color="0.4", linestyle=("--", ":", "-.")[number % 3], label=f"{name}: {value:.2f}")
    best = min(history, key=lambda record: record["validation"])
    axis.set(xlabel="seconds of training", ylabel=unit, xlim=(0, None))
    axis.set_title(f"Held out: {best['validation']:.3f} {unit} after epoch {best['epoch']}", fontsize=11)
    axis.legend(fontsize=9)
    return figure


def attention_maps(weights: np.ndarray, words: Sequence[str]) -> Figure:
    """Draw attention weights, a panel for each head.

    Args:
        weights: `(heads, time, time)` in [0, 1]; each row sums to 1.
        words: the `time` words, row and column labels.
    """
    figure, axes = new_figure(len(weights), width=2.6 * len(weights) + 1, height=3.4, sharey=True)
    for number, (axis, head) in enumerate(zip(axes, weights, strict=True)):
        shown = axis.imshow(head, vmin=0, vmax=1, cmap="cividis")
        axis.grid(False)
        axis.set_title(f"head {number + 1}", fontsize=10)
        axis.set_xticks(range(len(words)), words, rotation=90, fontsize=8)
        axis.set_yticks(range(len(words)), words, fontsize=8)
    axes[0].set_ylabel("the word that looks")
    figure.supxlabel("the word looked at", fontsize=10)
    figure.colorbar(shown, ax=list(axes), label="weight", shrink=0.8)
    figure.suptitle("Every word looks only at itself and at words before it", fontsize=11)
    return figure


def curves(
    series: dict[str, tuple[Sequence[float], Sequence[float]]], xlabel: str, ylabel: str, title: str, log: bool = False
) -> Figure:
    """Draw lines that colour, dash and mark tell apart, each marked at some twelve places at most.

    Args:
        series: name → (x, y), two sequences of the same length.
        xlabel: what x is, with its unit.
        ylabel: what y is, with its unit.
        title: what the figure shows.
        log: whether the vertical axis is logarithmic (values must be above 0 then).
    """
    figure, (axis,) = new_figure()
    for number, (name, (x, y)) in enumerate(series.items()):
        axis.plot(
            x,
            y,
            color=COLOURS[number % len(COLOURS)],
            linestyle=("-", "--", "-.", ":")[number % 4],
            marker=MARKERS[number % len(MARKERS)],
            markersize=4,
            markevery=max(1, len(x) // 12),
            label=name,
        )
    axis.set(xlabel=xlabel, ylabel=ylabel, yscale="log" if log else "linear")
    axis.set_title(title, fontsize=11)
    axis.legend(fontsize=9)
    return figure


def picture_strip(pictures: dict[str, np.ndarray], title: str) -> Figure:
    """Draw pictures side by side at one height, each under its name.

    Args:
        pictures: name → `(height, width, 3)` floats; RGB in [0, 1], what lies beyond is clipped. Sizes may differ.
        title: what the figure shows.
    """
    shapes = [np.shape(picture) for picture in pictures.values()]
    aspects = [columns / rows for rows, columns, _ in shapes]
    width = min(11.0, max(3.0, 3.0 * sum(aspects)))
    figure = Figure(figsize=(width, width / sum(aspects) + 0.7), layout="constrained")
    axes = figure.subplots(1, len(pictures), squeeze=False, width_ratios=aspects)[0]
    return _pictures(figure, axes, pictures, title)


def contact_sheet(pictures: dict[str, np.ndarray], columns: int, title: str) -> Figure:
    """Draw many pictures in rows of `columns`, each under its name; otherwise as `picture_strip`."""
    rows = -(-len(pictures) // columns)
    heights = [np.shape(picture)[0] / np.shape(picture)[1] for picture in pictures.values()]
    cell = min(2.2, 11.0 / columns)
    figure = Figure(figsize=(cell * columns, (cell * max(heights) + 0.25) * rows + 0.4), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes[len(pictures) :]:
        axis.remove()
    return _pictures(figure, axes[: len(pictures)], pictures, title)


def show_pictures(pictures: dict[str, np.ndarray], title: str, alt: str, columns: int | None = None) -> PictureWithText:
    """Return `picture_strip`, or `contact_sheet` where `columns` are given, as `picture` does: ready to display."""
    return picture(contact_sheet(pictures, columns, title) if columns else picture_strip(pictures, title), alt)


def _pictures(figure: Figure, axes: Sequence, pictures: dict[str, np.ndarray], title: str) -> Figure:
    for axis, (name, pixels) in zip(axes, pictures.items(), strict=True):
        axis.imshow(np.clip(pixels, 0, 1), interpolation="antialiased")
        axis.set_title(name, fontsize=10)
        axis.set_axis_off()
    figure.suptitle(title, fontsize=11)
    return figure


class LiveCurves:
    """One output that is redrawn after each epoch: the curves, and the newest sample texts below them."""

    def __init__(self, unit: str, references: dict[str, float]) -> None:
        """Prepare to draw losses in `unit` beside the figures in `references` (name → loss)."""
        self.unit, self.references = unit, references
        self._handles: list[DisplayHandle | None] = []
        self._cell: int | None = None

    def show(self, history: Sequence[dict]) -> None:
        """Draw the history; a record's `samples` (name → text), where it has them, are shown as a table."""
        curves = picture(
            training_curves(history, self.unit, self.references),
            f"Training and held-out loss over time, in {self.unit}; held out at last {history[-1]['validation']:.3f}",
        )
        contents, samples = [curves], history[-1].get("samples")
        if samples:
            contents.append(sample_table(samples, f"After epoch {history[-1]['epoch']}"))
        cell = getattr(get_ipython(), "execution_count", None)
        if cell != self._cell:  # a cell that is run again has lost its outputs
            self._cell, self._handles = cell, []
        for handle, content in zip(self._handles, contents, strict=False):
            if handle is not None:  # outside a notebook there is none
                handle.update(content)
        self._handles += [display(content, display_id=True) for content in contents[len(self._handles) :]]


def sample_table(samples: dict[str, str], caption: str) -> HTML:
    """Return texts as a table, a row each, with their names (such as temperatures) on the left."""
    rows = "".join(
        f"<tr><th style='text-align:right;vertical-align:top;white-space:nowrap'>{html.escape(str(name))}</th>"
        f"<td style='text-align:left;white-space:pre-wrap;overflow-wrap:anywhere'>{html.escape(text)}</td></tr>"
        for name, text in samples.items()
    )
    return HTML(f"<table><caption style='text-align:left'>{html.escape(caption)}</caption>{rows}</table>")
