"""Follows an optimisation of a picture: the losses, some pictures on the way, and what a stop leaves."""

import math
import time
from collections.abc import Callable, Mapping

import numpy as np

from helpers.images import resize, to_uint8
from helpers.session import UserError
from helpers.training.progress import progress_bar

STAGE = 1.25  # each picture that is kept on the way has this many times the number of the one before


class _NotFinite(Exception):
    """A loss or the picture is no longer finite."""


class Descent:
    """Keeps the best picture of an optimisation, its losses by seconds, and some pictures on the way.

    Used as a context around the optimiser, which calls `keep` at each evaluation of the loss, and goes on until
    `is_over`. An interrupt of the kernel, or a loss that is NaN or infinite, ends the context only: a line is printed,
    and `picture` is the best so far.

    Attributes:
        picture: float32 `(height, width, 3)`, the one with the least loss of those with the last size.
        best: its loss; infinite before the first evaluation.
        history: a record for each evaluation: `seconds`, `total` and the other losses, as numbers.
        stages: evaluation → picture in [0, 1], rounded to 256 values; many of the first ones, fewer later.
        is_complete: False if it was interrupted, or ended by a loss that is no number.
        message: why the optimiser stopped, in its own words; the code around it sets it.
    """

    def __init__(
        self,
        start: np.ndarray,
        evaluations: float = math.inf,
        name: str = "painting",
        report: Callable[..., None] | None = None,
        seconds: float = math.inf,
        every: int = 0,
    ) -> None:
        """Prepare to follow an optimisation that begins at `start` `(height, width, 3)`.

        Args:
            start: the picture that is kept if no better one follows.
            evaluations: the most evaluations of the loss.
            name: its name in the progress bar.
            report: called as `report(text, fraction, picture=)` instead of showing a progress bar.
            seconds: the most seconds, from the beginning of the context; one of both budgets has to be finite.
            every: evaluations from one kept picture to the next; 0 for many of the first ones and fewer later.
        """
        if evaluations < 1 or seconds <= 0:
            raise UserError(f"{name}: {evaluations} evaluations in {seconds} seconds are no budget. Give 1 or more.")
        self.picture, self.best = np.asarray(start, np.float32), math.inf
        self.evaluations, self.seconds, self.name = evaluations, seconds, name
        self.history: list[dict[str, float]] = []
        self.stages: dict[int, np.ndarray] = {}
        self.is_complete, self.message = True, "interrupted"
        self._allowed, self._every, self._next_stage = evaluations, every, 1.0
        self._started = time.perf_counter()  # anew when the context begins
        self._bar = None if report else progress_bar(name)
        self._report = report or self._bar

    @property
    def is_over(self) -> bool:
        """Whether one of the budgets is used up."""
        return len(self.history) >= self._allowed or self._elapsed() >= self.seconds

    def allow(self, evaluations: float) -> None:
        """End after so many more evaluations, for the next part of an optimisation in several parts."""
        self._allowed = len(self.history) + evaluations

    def __enter__(self) -> "Descent":
        self._started = time.perf_counter()
        return self

    def keep(self, picture: np.ndarray, losses: Mapping[str, float]) -> None:
        """Record one evaluation: the picture, and its losses by name, `total` among them."""
        values = {name: float(value) for name, value in losses.items()}
        picture = np.array(picture, np.float32)
        if not all(map(math.isfinite, values.values())) or not np.isfinite(picture).all():
            raise _NotFinite
        self.history.append({"seconds": self._elapsed(), **values})
        if values["total"] < self.best or picture.shape != self.picture.shape:
            self.picture, self.best = picture, values["total"]
        if len(self.history) >= self._next_stage:
            self._keep_stage(picture)
            self._next_stage = len(self.history) + self._every if self._every else STAGE * len(self.history)
        fraction = max(len(self.history) / self.evaluations, self._elapsed() / self.seconds)
        self._report(f"loss {values['total']:.4g}", min(1.0, fraction), picture=picture)

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: object) -> bool:
        if self.history:
            self._keep_stage(self.picture)
            if self._bar:
                outcome = f"{len(self.history)} evaluations, loss {self.history[0]['total']:.4g} → {self.best:.4g}"
                self._bar(outcome if self.is_over else f"{outcome}; {self.message}", 1.0)
        if isinstance(error, KeyboardInterrupt):
            reason = "Interrupted."
        elif isinstance(error, _NotFinite):
            reason = "The loss or the picture is no longer a finite number: take smaller weights or smaller steps."
        else:
            return False
        self.is_complete = False
        print(f"{reason} The best picture so far is kept ({len(self.history)} evaluations).")
        return True

    def record(self) -> dict[str, np.ndarray]:
        """Return everything as arrays by name, for `kept`.

        `picture`, `message`, `is_complete`; `seconds`, `total` and the other losses, each `(evaluations,)`; `stages`,
        uint8 `(count, height, width, 3)`, all as large as the picture; and `stage_numbers`, their evaluations.

        Raises:
            UserError: not one evaluation was finished.
        """
        if not self.history:
            raise UserError(
                f"{self.name}: no evaluation was finished. Run the cell again. Take smaller weights if need be."
            )
        stages = [to_uint8(resize(stage, *self.picture.shape[:2])) for stage in self.stages.values()]
        losses = {name: np.array([values[name] for values in self.history]) for name in self.history[0]}
        facts = {"picture": self.picture, "message": np.array(self.message), "is_complete": np.array(self.is_complete)}
        return {**facts, **losses, "stages": np.array(stages), "stage_numbers": np.array(list(self.stages))}

    def _elapsed(self) -> float:
        return time.perf_counter() - self._started

    def _keep_stage(self, picture: np.ndarray) -> None:
        self.stages[len(self.history)] = to_uint8(picture) / np.float32(255)
