"""What a discriminator says of pictures: its logits, a probability as a labelled bar, and where it lies among others.

A verdict is the logit of *real*, in nats: above 0 the picture is held for rather real, below for rather fake.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy.special import expit

from helpers.errors import UserError
from helpers.explorers import in_short
from helpers.plot_figures import COLOURS, new_figure

BATCH = 50  # pictures judged at once
REAL, FAKE = COLOURS[0], COLOURS[1]  # blue and vermilion
BINS = 24
DPI = 100


def logits_of(judge: Callable, pictures: np.ndarray) -> np.ndarray:
    """Return what `judge` says of pictures `(n, h, w, 3)`, in batches: logits of real, float64 `(n,)`.

    Args:
        judge: floats `(n, h, w, 3)` in [0, 1] → logits, floats `(n,)` or `(n, 1)`.
        pictures: as `judge` takes them.

    Raises:
        UserError: `judge` failed, or gave another number of logits, or values that are no numbers.
    """
    return np.concatenate([_judged(judge, pictures[k : k + BATCH]) for k in range(0, len(pictures), BATCH)])


def _judged(judge: Callable, pictures: np.ndarray) -> np.ndarray:
    try:
        logits = np.asarray(judge(pictures), np.float64)
    except UserError:
        raise
    except Exception as error:  # of any kind: each layer has its own for a picture of another size
        raise UserError(
            f"the discriminator failed on pictures {pictures.dtype} {pictures.shape} ({in_short(error)}). "
            "Give pictures of the size that it was trained on."
        ) from error
    if logits.shape not in ((len(pictures),), (len(pictures), 1)):
        raise UserError(
            f"the discriminator gave the shape {logits.shape} for {len(pictures)} pictures. It has to return one "
            "logit for each: (n,)."
        )
    if not np.isfinite(logits).all():
        raise UserError(
            "the discriminator's verdict is no number (NaN) or infinite: its training has failed. Choose another "
            "model, or train again with a smaller learning rate."
        )
    return logits.ravel()


def in_words(logit: float) -> str:
    """Return "rather real", "rather fake", or "undecided" for a logit of exactly 0."""
    return "undecided" if logit == 0 else "rather real" if logit > 0 else "rather fake"


def probability(logit: float) -> str:
    """Return P(real) = 1 / (1 + exp(-logit)) in per cent, with the digits that tell it from 0 and from 1."""
    share = expit(logit)
    if min(share, 1 - share) < 0.0001:
        return "below 0.01%" if share < 0.5 else "above 99.99%"
    return f"{share:.1%}" if 0.01 <= share <= 0.99 else f"{share:.2%}"


def bar(logit: float) -> str:
    """Return a verdict as HTML: its words, the logit, and P(real) as a bar whose middle is marked.

    The words say what the colours say (blue: real, vermilion: fake).
    """
    words, percent, colour = in_words(logit), 100 * float(expit(logit)), REAL if logit > 0 else FAKE
    signed = f"{logit:+.2f}".replace("-", "−")
    value = f"aria-valuemin='0' aria-valuemax='100' aria-valuenow='{percent:.0f}' aria-valuetext='{words}'"
    box = "position:relative;height:1.2em;border:1px solid #777;background:white"
    return (
        f"<div style='line-height:1.4'><b>{words}</b>, P(real) = {probability(logit)}, logit {signed}</div>"
        f"<div role='meter' {value} aria-label='probability of real in per cent' style='{box}'>"
        f"<div style='height:100%;width:{percent:.2f}%;background:{colour}'></div>"
        "<div style='position:absolute;top:0;bottom:0;left:50%;border-left:2px dashed black'></div></div>"
        "<div style='display:flex;justify-content:space-between;font-size:85%;line-height:1.4'>"
        "<span>0: fake</span><span>½</span><span>1: real</span></div>"
    )


def place_among(logit: float, reals: np.ndarray, fakes: np.ndarray) -> str:
    """Return a sentence that says which shares of the real and of the fake pictures get a lower logit."""
    below_real, below_fake = (np.mean(np.asarray(logits) < logit) for logits in (reals, fakes))
    whom = f"{below_real:.0%} of the {len(reals)} real pictures and {below_fake:.0%} of the {len(fakes)} fakes"
    return f"Held for more real than {whom}."


@dataclass(frozen=True)
class VerdictChart:
    """Histograms of verdicts as pixels, on which a marker can be put without drawing them again.

    `pixels`: uint8 `(height, width, 3)`. The columns `left` and `right` stand for the logits `low` and `high`; the
    rows `top` to `bottom` are those of the axes.
    """

    pixels: np.ndarray
    low: float
    high: float
    left: float
    right: float
    top: int
    bottom: int

    def column(self, logit: float) -> int:
        """Return the column of a logit; beyond the axis, that of its nearer end."""
        share = np.clip((logit - self.low) / (self.high - self.low), 0, 1)
        return round(self.left + share * (self.right - self.left))

    def marked(self, logit: float) -> np.ndarray:
        """Return a copy with a black line, edged in white, at a logit: float32 `(height, width, 3)` in [0, 1]."""
        column, copy = self.column(logit), self.pixels.astype(np.float32) / 255
        for half, value in ((2, 1.0), (1, 0.0)):
            copy[self.top : self.bottom, column - half : column + half + 1] = value
        return copy


def verdict_chart(reals: np.ndarray, fakes: np.ndarray, width: int = 400, height: int = 190) -> VerdictChart:
    """Draw the histograms of logits of real pictures and of fakes, each as shares of its own number.

    Args:
        reals: floats `(n,)`, finite; `fakes`: likewise `(m,)`.
        width: of the picture in pixels; `height`: likewise.
    """
    low, high = min(0.0, *np.concatenate([reals, fakes])), max(0.0, *np.concatenate([reals, fakes]))
    spare = max((high - low) / 20, 0.1)
    low, high = low - spare, high + spare
    figure, (axis,) = new_figure(width=width / DPI, height=height / DPI)
    bins = np.linspace(low, high, BINS + 1)
    for logits, name, colour, hatch in ((reals, "real", REAL, ""), (fakes, "fake", FAKE, "////")):
        weights = np.full(len(logits), 1 / len(logits))
        kind = {"histtype": "stepfilled", "facecolor": f"{colour}66", "edgecolor": colour, "hatch": hatch}
        axis.hist(logits, bins, weights=weights, label=f"{len(logits)} {name}", linewidth=1.2, **kind)
    axis.axvline(0, color="0.4", linestyle=":", linewidth=1)
    axis.set(xlim=(low, high), yticks=[])
    axis.set_xlabel("logit of real (dotted: undecided)", fontsize=8)
    axis.tick_params(labelsize=8)
    axis.legend(fontsize=8, frameon=False, loc="lower right", bbox_to_anchor=(1, 1), borderpad=0, ncols=2)
    axis.spines["left"].set_visible(False)
    return _as_chart(figure, axis, low, high)


def _as_chart(figure: Figure, axis: Axes, low: float, high: float) -> VerdictChart:
    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(DPI)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3].copy()
    (left, bottom), (right, top) = axis.transData.transform([(low, axis.get_ylim()[0]), (high, axis.get_ylim()[1])])
    rows = len(pixels)
    return VerdictChart(pixels, low, high, left, right, round(rows - top), round(rows - bottom))
