"""What a GAN's training looks like: its curves, its progress pictures epoch by epoch, and a plain word when it fails.

The figures are means over an epoch, as the training reports them: `discriminator_loss` and `generator_loss` in
nats, `D(real)` and `D(fake)`, the mean probability of "real" that the discriminator gives to either kind, and
`accuracy`, the share of pictures that it judges rightly, all three in [0, 1].
"""

import html
from collections.abc import Sequence

import numpy as np
from IPython import get_ipython
from IPython.display import HTML, DisplayHandle, display
from matplotlib.figure import Figure

from helpers.images import png_bytes, tile_grid
from helpers.plotting import COLOURS, PictureWithText, new_figure, picture

HEALTHY = (0.6, 0.9)  # accuracy of the discriminator; measured in notebook 05
WON = 0.98  # accuracy of a discriminator from which next to nothing is to be learned
COLLAPSED = 0.5  # spread of the generated pictures as a share of the real ones'
EARLY = 1_000  # steps; until then the fakes of a healthy training may be alike, too
MENDS = "more dropout in the discriminator, a smaller rate for it, or smoothed labels; then reset the training"


def adversarial_curves(history: Sequence[dict], title: str = "") -> Figure:
    """Draw both losses on the left, and on the right the discriminator's verdicts with the healthy band of accuracy.

    Args:
        history: a record an epoch with the figures named above; `spread`, where it is there, is drawn as well.
        title: what the figure shows; "" for how the training stands after the last epoch.
    """
    title = title or _standing(history[-1])
    figure, (left, right) = new_figure(2, width=9.5, height=3.2)
    epochs = [record["epoch"] for record in history]
    losses = {"discriminator": "discriminator_loss", "generator": "generator_loss"}
    shares = {"D(real)": "D(real)", "D(fake)": "D(fake)", "accuracy": "accuracy", "spread of the fakes": "spread"}
    for axis, lines in ((left, losses), (right, {name: key for name, key in shares.items() if key in history[0]})):
        for number, (name, key) in enumerate(lines.items()):
            style = {"linestyle": ("-", "--", "-.", ":")[number], "marker": "osD^"[number], "markersize": 3}
            values, every = [record[key] for record in history], max(1, len(epochs) // 12)
            axis.plot(epochs, values, color=COLOURS[number], markevery=every, label=name, **style)
        axis.set_xlabel("epoch")
        axis.legend(fontsize=8)
    left.set(ylabel="loss, nats", ylim=(0, None))
    right.axhspan(*HEALTHY, color=COLOURS[2], alpha=0.1)
    right.set(ylabel="share; shaded: healthy accuracy", ylim=(0, 1.05))
    figure.suptitle(title, fontsize=11)
    return figure


def _standing(last: dict) -> str:
    spread = f", spread {last['spread']:.2f} of that of the reals" if "spread" in last else ""
    return f"After epoch {last['epoch']}: the discriminator is right {last['accuracy']:.0%}{spread}"


def trouble(history: Sequence[dict]) -> str:
    """Return what is wrong with the last two epochs, in plain words that name the mends; "" if nothing is.

    Args:
        history: as for `adversarial_curves`.
    """
    recent = history[-2:]
    accuracy, fake = (min(record[name] for record in recent) for name in ("accuracy", "D(fake)"))
    if len(recent) == 2 and accuracy > WON:
        return (
            f"The discriminator wins: it judges {accuracy:.0%} rightly and takes fakes for real with a probability of "
            f"{fake:.3f}, so the generator learns next to nothing from it. Try {MENDS}."
        )
    had_variety = any(record.get("spread", 1.0) >= COLLAPSED for record in history)
    was_time = had_variety or recent[0].get("step", EARLY) >= EARLY
    if len(recent) == 2 and was_time and all(record.get("spread", 1.0) < COLLAPSED for record in recent):
        return (
            f"The generated pictures differ from one another only {recent[-1]['spread']:.2f} times as much as real "
            "ones do: the generator has collapsed, or is about to. Try a smaller rate for it, and reset the training."
        )
    return ""


class GanMonitor:
    """One output, redrawn after each epoch: the curves, the newest progress pictures, a warning if need be."""

    def __init__(self, columns: int) -> None:
        """Prepare to draw; `columns` is the number of progress pictures in a row."""
        self.columns = columns
        self._handles: list[DisplayHandle | None] = []
        self._cell: int | None = None

    def show(self, history: Sequence[dict], snapshots: Sequence[np.ndarray]) -> None:
        """Draw the history, and the last of the snapshots, each uint8 `(n, height, width, 3)`."""
        last, warning = history[-1], trouble(history)
        curves = picture(
            adversarial_curves(history),
            f"Losses and verdicts over {last['epoch']} epochs; accuracy at last {last['accuracy']:.2f}",
        )
        sheet = PictureWithText(
            png_bytes(sheets(snapshots[-1:], self.columns)[0]), "The newest faces of the same noise"
        )
        contents = [curves, sheet, HTML(f"<p role='alert'>⚠ {html.escape(warning)}</p>" if warning else "")]
        cell = getattr(get_ipython(), "execution_count", None)
        if not self._handles or cell != self._cell:  # a cell that is run again has lost its outputs
            self._cell, self._handles = cell, [display(content, display_id=True) for content in contents]
        else:
            for handle, content in zip(self._handles, contents, strict=True):
                if handle is not None:  # outside a notebook there is none
                    handle.update(content)


def sheets(snapshots: Sequence[np.ndarray], columns: int) -> list[np.ndarray]:
    """Lay each snapshot's pictures side by side, in rows of `columns`.

    Args:
        snapshots: uint8 `(n, height, width, 3)`, 0–255; n a multiple of `columns`.
        columns: pictures in a row.

    Returns:
        float32 `(rows * height, columns * width, 3)` in [0, 1], one a snapshot.

    Raises:
        UserError: the pictures do not fill the rows.
    """
    return [tile_grid(each.astype(np.float32) / 255, len(each) // columns, columns) for each in snapshots]
