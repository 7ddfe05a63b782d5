"""One line of text that follows long work, updated in place."""

import html
import math
import time
from collections.abc import Callable

import keras
from IPython.display import HTML, display
from tqdm import tqdm

SECONDS_BETWEEN_UPDATES = 0.5


class ProgressLine:
    """Steps done of all steps, the time left, and a note (carriage returns would fill an executed notebook)."""

    def __init__(self, total: int, unit: str = "step", note: str = "") -> None:
        """Show the line: `total` steps, each called a `unit`; `note` is the end of the line and may be changed."""
        self.total, self.unit, self.note, self.done = total, unit, note, 0
        self._start = self._shown = time.perf_counter()
        self._handle = display(_Line(self._text()), display_id=True)

    def step(self) -> None:
        """Count a step, and show it unless the line was updated a moment ago."""
        self.done += 1
        if time.perf_counter() - self._shown > SECONDS_BETWEEN_UPDATES:
            self.show()

    def show(self) -> None:
        """Bring the line up to date."""
        self._shown = time.perf_counter()
        if self._handle is not None:  # outside a notebook there is none
            self._handle.update(_Line(self._text()))

    def _text(self) -> str:
        elapsed, total = time.perf_counter() - self._start, max(self.total, self.done)
        return tqdm.format_meter(self.done, total, elapsed, ncols=100, unit=self.unit, postfix=self.note)


class StepWatch(keras.callbacks.Callback):
    """Moves a progress line, counts steps, and ends the epoch when a figure is `not_finite`, which then names it."""

    def __init__(self, line: ProgressLine) -> None:
        super().__init__()
        self.line, self.steps, self.not_finite = line, 0, ""

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.steps += 1
        self.line.step()
        self.not_finite = next((name for name, value in (logs or {}).items() if not math.isfinite(value)), "")
        if self.not_finite:
            self.model.stop_training = True


class _Line:
    """A text that a notebook shows as it is."""

    def __init__(self, content: str) -> None:
        self.content = content

    def __repr__(self) -> str:
        return self.content


def progress_bar(name: str) -> Callable[..., None]:
    """Return `report(text, fraction, picture=None)`: one bar that is redrawn in place, with the text and the seconds.

    Not tqdm's: written to a page, that leaves a line for each step, or a widget that shows nothing without a kernel.
    """
    started = time.perf_counter()
    shown = [started]
    handle = display(_bar(name, "", 0.0, 0.0), display_id=True)

    def report(text: str, fraction: float, picture: object = None) -> None:
        now = time.perf_counter()
        if handle is not None and (fraction >= 1 or now - shown[0] >= SECONDS_BETWEEN_UPDATES):
            shown[0] = now
            handle.update(_bar(name, text, fraction, now - started))

    return report


def _bar(name: str, text: str, fraction: float, seconds: float) -> HTML:
    line = html.escape(f"{name}: {min(1.0, fraction):.0%}, {seconds:.0f} s {text and f'({text})'}")
    return HTML(f"<progress value='{fraction:.3f}' max='1' aria-label='{html.escape(name)}'></progress> {line}")
