"""The display that follows a training, and its warning about a GAN that fails."""

import html
from collections.abc import Mapping, Sequence

import numpy as np
from IPython import get_ipython
from IPython.display import HTML, DisplayHandle, display

from helpers.plots.figures import adversarial_curves, training_curves
from helpers.plots.pictures import picture_table
from helpers.plots.tables import table

WON = 0.95  # accuracy, two epochs in a row, of a discriminator whose generator no longer keeps up
SURE = 5.0  # nats, the generator's loss, likewise: fakes are then called real with a probability of less than 0.01
COLLAPSED = 0.5  # spread of the fakes as a share of that of the reals
EARLY = 1_000  # steps; before it, the fakes of a healthy training may also be alike
REMEDIES = "more dropout in the discriminator, a smaller rate for it, or smoothed labels; then reset the training"


class LiveCurves:
    """One output, redrawn after each epoch: the curves, and below them the newest texts or pictures, and a warning."""

    def __init__(
        self, unit: str, references: Mapping[str, float] | None = None, untrained: float | None = None
    ) -> None:
        """Prepare to draw.

        Args:
            unit: of the losses, such as "nats per character".
            references: name → loss of something to compare with.
            untrained: the held-out loss before the first step.
        """
        self.unit, self.references, self.untrained = unit, references or {}, untrained
        self._handles: list[DisplayHandle | None] = []
        self._cell: int | None = None

    def show(self, history: Sequence[dict], snapshots: Sequence[np.ndarray] = ()) -> None:
        """Draw a training so far.

        Args:
            history: a record an epoch with `epoch`, `step`, `seconds`, `loss` and `validation`; for two networks, as
                for `adversarial_curves`. If the last one has `samples` (name → text), a table shows them.
            snapshots: uint8 `(n, height, width, 3)`, 0–255, one an epoch; the last is shown.
        """
        last, is_game = history[-1], "discriminator_loss" in history[-1]
        contents = [
            adversarial_curves(history)
            if is_game
            else training_curves(history, self.unit, self.references, self.untrained)
        ]
        if last.get("samples"):
            contents.append(table(last["samples"], f"After epoch {last['epoch']}"))
        if len(snapshots):
            contents.append(picture_table(snapshots[-1], f"After epoch {last['epoch']}", columns=10))
        if is_game:
            warning = trouble(history)
            contents.append(HTML(f"<p role='alert'>⚠ {html.escape(warning)}</p>" if warning else ""))
        cell = getattr(get_ipython(), "execution_count", None)
        if cell != self._cell:  # a cell that is run again has new outputs
            self._cell, self._handles = cell, []
        for handle, content in zip(self._handles, contents, strict=False):
            if handle is not None:  # outside a notebook there is none
                handle.update(content)
        self._handles += [display(content, display_id=True) for content in contents[len(self._handles) :]]


def trouble(history: Sequence[dict]) -> str:
    """Return what is wrong with the last epochs of a GAN's training, who is ahead and what may help; "" if nothing.

    Args:
        history: as for `adversarial_curves`.
    """
    recent = history[-2:]
    if len(recent) < 2:
        return ""
    last, spreads = recent[-1], [record.get("spread", 1.0) for record in history]
    is_late = max(spreads) >= COLLAPSED or recent[0].get("step", EARLY) >= EARLY
    alike = f"the fakes differ from one another only {spreads[-1]:.2f} times as much as reals do"
    is_alike = is_late and spreads[-1] < COLLAPSED
    also = f" And {alike}." if is_alike else ""
    if min(record["accuracy"] for record in recent) > WON or min(record["generator_loss"] for record in recent) > SURE:
        return (
            f"The discriminator is ahead: it judges {last['accuracy']:.0%} rightly, and the generator's loss is "
            f"{last['generator_loss']:.3g} nats (0.69 where it is undecided).{also} Try {REMEDIES}."
        )
    if is_alike:
        return (
            f"Mode collapse: {alike}. The discriminator is not ahead (it judges {last['accuracy']:.0%} rightly), so "
            "try a smaller rate for the generator; then reset the training."
        )
    return ""
