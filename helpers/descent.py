"""What happens around an optimisation of a picture: record, stages and progress, what a stop keeps, and going on."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from helpers.checkpoints import assign, values_of
from helpers.errors import UserError
from helpers.images import to_uint8
from helpers.plot_pictures import PictureWithText, picture_table
from helpers.progress_line import ProgressLine
from helpers.resuming import SECONDS, Saved


class _NotFinite(Exception):
    """The loss is no number any more."""


class Descent:
    """Keeps the best picture of an optimisation, its losses by seconds, and some pictures on the way.

    Used as a context around the optimiser, which calls `note` at each evaluation of the loss. What ends it early
    (the kernel's interrupt, a loss that is NaN or infinite) ends the context, and no more: one printed line
    says so, and `picture` is the best so far.

    With `checkpoints` it goes on when it is run again, after a kill too: in a loop over `steps`, where a Keras
    optimiser takes them, exactly where it was; in a loop over `rounds`, for an optimiser whose memory cannot be had
    (SciPy's L-BFGS), from the best picture, and the optimiser begins to learn the curvature anew.

    Attributes:
        picture: float32 `(height, width, 3)`: of the evaluations at the last size, the one with the least loss.
        best: that loss; infinite before the first evaluation.
        history: a record for each evaluation: `seconds`, `total` and the other losses, as numbers.
        stages: evaluation → picture in [0, 1], rounded to 256 values, some `keep` of them from first to last.
        is_complete: False once something has ended it early.
        message: why the optimiser stopped, in its own words; the loop around it sets it.
    """

    def __init__(
        self,
        start: np.ndarray,
        evaluations: int,
        name: str = "painting",
        report: Callable[..., None] | None = None,
        keep: int = 24,
        checkpoints: Path | None = None,
        settings: object = (),
        seconds: float = SECONDS,
    ) -> None:
        """Prepare to follow about `evaluations` evaluations that begin at `start` `(height, width, 3)`.

        Args:
            start: the picture that is kept if there comes no better one.
            evaluations: how many are expected, for the progress line.
            name: what the progress line calls it.
            report: called as `report(text, fraction, picture=)` instead of showing a progress line.
            keep: about how many stages are kept.
            checkpoints: the folder that they go to; None writes none.
            settings: whatever else makes the picture what it is, such as pictures, weights and the loss; a descent
                with other settings, another start or other `evaluations` has other checkpoints.
            seconds: from one checkpoint to the next; a kill costs the evaluations since the last one.

        Raises:
            UserError: `seconds` is below 0 or no number.
        """
        self._best = np.asarray(start, np.float32), math.inf  # one store: an interrupt finds both old or both new
        self.evaluations, self.name = evaluations, name
        self.history: list[dict[str, float]] = []
        self.stages: dict[int, np.ndarray] = {}
        self.is_complete = True
        self.message = "interrupted"
        self._every = max(1, evaluations // keep)
        self._round, self._begun, self._was_done = 0, 0, False
        # What `steps` has at hand after a whole step (None without it), and at which evaluation; one store, so that
        # an interrupt finds both or neither.
        self._kept: tuple[list[np.ndarray] | None, int] = None, 0
        self._saved = Saved(checkpoints, [start, evaluations, settings], seconds)
        self._resume()
        self._line = None if report else ProgressLine(evaluations, "evaluation", len(self.history), name)
        self._report = report or self._show

    @property
    def picture(self) -> np.ndarray:
        return self._best[0]

    @property
    def best(self) -> float:
        return self._best[1]

    def __enter__(self) -> "Descent":
        self._started = time.perf_counter() - (self.history[-1]["seconds"] if self.history else 0.0)
        return self

    def rounds(self, items: Iterable, evaluations: int) -> Iterator[tuple[object, int]]:
        """Yield the items, one for each round, and how many of its `evaluations` are left.

        What was done before a kill is left out: begin each round at `picture`, which is the best one then.
        """
        for number, item in enumerate(items):
            if number > self._round:
                self._round, self._begun = number, len(self.history)
            left = self._begun + evaluations - len(self.history)
            if number == self._round and left > 0 and not self._was_done:
                yield item, left

    def steps(self, count: int, picture: keras.Variable, optimizer: keras.Optimizer) -> Iterator[int]:
        """Yield the numbers of the steps that are left of `count`, from 0; in each, `note` and apply a gradient.

        Before the first one, picture and optimiser are put back to where they were when they were kept.
        """
        optimizer.build([picture])
        variables = [picture, *optimizer.variables]
        values, whole = self._kept
        if values:
            assign(variables, values, self._saved.folder)
        self._kept = values or [], whole
        for number in range(len(self.history), count):
            yield number
            values = values_of(variables) if self._saved.folder else []
            if values and np.isfinite(values[0]).all():  # a gradient may overflow while its loss does not
                self._kept = values, len(self.history)
                self._save()

    def note(self, picture: np.ndarray, losses: Mapping[str, float]) -> None:
        """Record one evaluation: the picture, and its losses by name, `total` among them."""
        values = {name: float(value) for name, value in losses.items()}
        picture = np.array(picture, np.float32)
        if not all(map(math.isfinite, values.values())) or not np.isfinite(picture).all():
            raise _NotFinite
        self.history.append({"seconds": time.perf_counter() - self._started, **values})
        if values["total"] < self.best or picture.shape != self.picture.shape:
            self._best = picture, values["total"]
        if (len(self.history) - 1) % self._every == 0:
            self._keep_stage(picture)
        if self._kept[0] is None:
            self._kept = None, len(self.history)
            self._save()
        fraction = min(1.0, len(self.history) / self.evaluations)
        self._report(f"{self.name}: loss {values['total']:.4g}", fraction, picture=picture)

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: object) -> bool:
        if kind is KeyboardInterrupt:  # before the last stage, which is not the last once it goes on
            self._save(at_once=True)
        if self.history:
            self._keep_stage(self.picture)
        if self._line:
            self._line.note = self._summary()
            self._line.show()
        if kind is None and not self._was_done:
            self._save(at_once=True, is_done=True)
        if kind is not None and issubclass(kind, _NotFinite | KeyboardInterrupt):
            self.is_complete = False
            print(f"{self._reason(kind)} The best picture so far is kept ({len(self.history)} evaluations).")
            return True
        return False

    def _show(self, text: str, fraction: float, picture: np.ndarray) -> None:
        self._line.note = text
        self._line.step()

    def _reason(self, kind: type) -> str:
        if issubclass(kind, KeyboardInterrupt):
            return "Interrupted."
        return "The loss or the picture is no longer a finite number: take smaller weights or smaller steps."

    def _summary(self) -> str:
        return f"{self.name}: loss {self.history[0]['total']:.4g} → {self.best:.4g}" if self.history else self.name

    def _keep_stage(self, picture: np.ndarray) -> None:
        self.stages[len(self.history)] = to_uint8(picture) / np.float32(255)

    def _save(self, at_once: bool = False, is_done: bool = False) -> None:
        variables, whole = self._kept

        def state():
            picture, best = self._best
            stages = [to_uint8(stage) for stage in self.stages.values()]
            where = {"round": self._round, "begun": self._begun, "is_done": is_done}
            figures = {"history": self.history[:whole], "best": best, "stages": [*self.stages]}
            return [picture, *stages, *(variables or [])], {**where, **figures}

        if whole:
            self._saved.keep(whole, state, at_once)

    def _resume(self) -> None:
        """Put back what a descent of these settings had come to."""
        if (found := self._saved.load()) is None:
            return
        [picture, *rest], state = found
        numbers, pixels = state["stages"], rest[: len(state["stages"])]
        self.stages = {number: one / np.float32(255) for number, one in zip(numbers, pixels, strict=True)}
        self.history, self._best = state["history"], (picture, state["best"])
        self._kept = rest[len(numbers) :] or None, len(self.history)
        self._round, self._begun, self._was_done = state["round"], state["begun"], state["is_done"]
        way = "where it was" if self._kept[0] else "the best picture; the optimiser learns the curvature anew"
        if self._was_done:
            self.message = "not run again, the picture was finished before"
        rest = "there is nothing left to do" if self._was_done else f"going on from {way}"
        self._saved.tell(f"{len(self.history)} evaluations of {self.name} ({self.history[-1]['seconds']:.0f} s)", rest)

    def curve(
        self, name: str = "total", over: str = "seconds", lowest: bool = False
    ) -> tuple[list[float], list[float]]:
        """Return (x, y) of one loss, or of its `lowest` value so far, over "seconds" or over "evaluations"."""
        y = [record[name] for record in self.history]
        y = np.minimum.accumulate(y).tolist() if lowest and y else y
        return [record[over] for record in self.history] if over == "seconds" else list(range(1, len(y) + 1)), y

    def strip(self, count: int, title: str) -> PictureWithText:
        """Return `count` of the stages, evenly spread, side by side."""
        chosen = [list(self.stages)[i] for i in np.linspace(0, len(self.stages) - 1, count).round().astype(int)]
        pictures = {f"evaluation {number}": self.stages[number] for number in chosen}
        return picture_table(pictures, title)


def checked_weights(weights: Mapping[str, float]) -> dict[str, tf.Tensor]:
    """Return the weights of losses as float32 tensors, so that a compiled function takes new ones as they are.

    Raises:
        UserError: a weight is below 0 or is not a number.
    """
    for name, value in weights.items():
        if not value >= 0:
            raise UserError(f"the weight of {name} is {value}. Give 0 or more.")
    return {name: tf.constant(value, tf.float32) for name, value in weights.items()}
