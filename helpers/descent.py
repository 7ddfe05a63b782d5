"""What happens around an optimisation of a picture: its record, its stages, progress, and what an early stop keeps."""

import math
import time
from collections.abc import Callable, Mapping

import ipywidgets
import numpy as np
import tensorflow as tf
from IPython.display import Image, Markdown, display
from tqdm import tqdm

from helpers.errors import UserError
from helpers.images import png_bytes
from helpers.plotting import contact_sheet, curves, picture, picture_strip

SECONDS_BETWEEN_LINES = 0.5


class _NotFinite(Exception):
    """The loss is no number any more."""


class Descent:
    """Keeps the best picture of an optimisation, its losses by seconds, and some pictures on the way.

    Used as a context around the optimiser, which calls `note` at each evaluation of the loss. What ends it early
    (the kernel's interrupt, a loss that is NaN or infinite) ends the context, and no more: one printed line
    says so, and `picture` is the best so far.

    Attributes:
        picture: float32 `(height, width, 3)`: of the evaluations at the last size, the one with the least loss.
        history: a record for each evaluation: `seconds`, `total` and the other losses, as numbers.
        stages: evaluation → picture, some `keep` of them from the first to the last.
        is_complete: False once something has ended it early.
    """

    def __init__(
        self,
        start: np.ndarray,
        evaluations: int,
        name: str = "painting",
        report: Callable[..., None] | None = None,
        keep: int = 24,
    ) -> None:
        """Prepare to follow about `evaluations` evaluations that begin at `start` `(height, width, 3)`.

        Args:
            start: the picture that is kept if there comes no better one.
            evaluations: how many are expected, for the progress line.
            name: what the progress line calls it.
            report: called as `report(text, fraction, picture=)` instead of showing a progress line.
            keep: about how many stages are kept.
        """
        self.picture, self.best = np.asarray(start, np.float32), math.inf
        self.evaluations, self.name = evaluations, name
        self.history: list[dict[str, float]] = []
        self.stages: dict[int, np.ndarray] = {}
        self.is_complete = True
        self._every = max(1, evaluations // keep)
        self._latest = self.picture
        self._line = None if report else _Line(evaluations, name)
        self._report = report or (lambda text, fraction, picture: self._line.show(len(self.history), text))

    def __enter__(self) -> "Descent":
        self._started = time.perf_counter()
        return self

    def note(self, picture: np.ndarray, losses: Mapping[str, float]) -> None:
        """Record one evaluation: the picture, and its losses by name, `total` among them."""
        values = {name: float(value) for name, value in losses.items()}
        picture = np.array(picture, np.float32)
        if not all(map(math.isfinite, values.values())) or not np.isfinite(picture).all():
            raise _NotFinite
        self.history.append({"seconds": time.perf_counter() - self._started, **values})
        self._latest = picture
        if values["total"] < self.best or picture.shape != self.picture.shape:
            self.picture, self.best = picture, values["total"]
        if (len(self.history) - 1) % self._every == 0:
            self.stages[len(self.history)] = picture
        fraction = min(1.0, len(self.history) / self.evaluations)
        self._report(f"{self.name}: loss {values['total']:.4g}", fraction, picture=picture)

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: object) -> bool:
        if self.history:
            self.stages[len(self.history)] = self.picture
        if self._line:
            self._line.show(len(self.history), self._summary(), at_once=True)
        if kind is not None and issubclass(kind, _NotFinite | KeyboardInterrupt):
            self.is_complete = False
            print(f"{self._reason(kind)} The best picture so far is kept ({len(self.history)} evaluations).")
            return True
        return False

    def _reason(self, kind: type) -> str:
        if issubclass(kind, KeyboardInterrupt):
            return "Interrupted."
        return "The loss or the picture is no longer a finite number: take smaller weights or smaller steps."

    def _summary(self) -> str:
        return f"{self.name}: loss {self.history[0]['total']:.4g} → {self.best:.4g}" if self.history else self.name

    def curve(
        self, name: str = "total", over: str = "seconds", lowest: bool = False
    ) -> tuple[list[float], list[float]]:
        """Return (x, y) of one loss, or of its `lowest` value so far, over "seconds" or over "evaluations"."""
        y = [record[name] for record in self.history]
        y = np.minimum.accumulate(y).tolist() if lowest and y else y
        return [record[over] for record in self.history] if over == "seconds" else list(range(1, len(y) + 1)), y

    def strip(self, count: int, title: str) -> Image:
        """Return `count` of the stages, evenly spread, side by side."""
        chosen = [list(self.stages)[i] for i in np.linspace(0, len(self.stages) - 1, count).round().astype(int)]
        pictures = {f"evaluation {number}": self.stages[number] for number in chosen}
        return strip(pictures, title)


class _Line:
    """A line of progress, updated in place: a terminal's carriage returns would fill an executed notebook."""

    def __init__(self, total: int, name: str) -> None:
        self.total, self.text, self.done = total, name, 0
        self._start = self._shown = time.perf_counter()
        self._handle = display(self, display_id=True)

    def show(self, done: int, text: str, at_once: bool = False) -> None:
        self.done, self.text = done, text
        if self._handle and (at_once or time.perf_counter() - self._shown > SECONDS_BETWEEN_LINES):
            self._shown = time.perf_counter()
            self._handle.update(self)

    def __repr__(self) -> str:
        elapsed = time.perf_counter() - self._start
        return tqdm.format_meter(
            self.done, max(self.total, self.done), elapsed, ncols=100, unit="evaluation", prefix=self.text
        )


class StageSlider:
    """A slider over the stages of a descent; show it with `display(slider.view)`."""

    def __init__(self, stages: Mapping[int, np.ndarray], height: int = 240) -> None:
        """Take evaluation → picture; smaller stages are shown as high as the others."""
        self._pngs = {number: png_bytes(pixels) for number, pixels in stages.items()}
        self.slider = ipywidgets.SelectionSlider(options=list(self._pngs), description="Evaluation")
        self.slider.add_class("explore-stage")
        self.image = ipywidgets.Image(format="png", layout={"height": f"{height}px", "width": "auto"})
        self.image.add_class("explore-stage-picture")
        self.slider.observe(self._show, names="value")
        self.slider.value = list(self._pngs)[-1]
        self._show()
        self.view = ipywidgets.VBox([self.slider, self.image])

    def _show(self, _change=None) -> None:
        self.image.value = self._pngs[self.slider.value]


def loss_table(rows: Mapping[str, Mapping[str, float]], caption: str) -> Markdown:
    """Return losses as a table: name of a picture → losses by name, all rows with the same names."""
    names = list(next(iter(rows.values())))
    lines = [f"| {caption} | {' | '.join(names)} |", "|---|" + "--:|" * len(names)]
    lines += [f"| {row} | {' | '.join(f'{values[name]:.4g}' for name in names)} |" for row, values in rows.items()]
    return Markdown("\n".join(lines))


def strip(pictures: Mapping[str, np.ndarray], title: str, columns: int = 0) -> Image:
    """Return pictures, each under its name, side by side or in rows of `columns`; the text for the blind names them."""
    figure = contact_sheet(dict(pictures), columns, title) if columns else picture_strip(dict(pictures), title)
    return picture(figure, f"{title}. {len(pictures)} pictures: {', '.join(pictures)}")


def chart(series: Mapping[str, tuple], xlabel: str, ylabel: str, title: str) -> Image:
    """Return lines, name → (x, y), on a logarithmic vertical axis."""
    return picture(curves(dict(series), xlabel, ylabel, title, log=True), f"{title}. Lines: {', '.join(series)}")


def checked_weights(weights: Mapping[str, float]) -> dict[str, tf.Tensor]:
    """Return the weights of losses as float32 tensors, so that a compiled function takes new ones as they are.

    Raises:
        UserError: a weight is below 0 or is not a number.
    """
    for name, value in weights.items():
        if not value >= 0:
            raise UserError(f"the weight of {name} is {value}. Give 0 or more.")
    return {name: tf.constant(value, tf.float32) for name, value in weights.items()}
