"""Follows an optimisation of a picture: the losses, some pictures on the way, and what a stop leaves."""

import math
import time
from collections.abc import Callable, Mapping

import numpy as np

from helpers.images import resize, to_uint8
from helpers.training.progress import ProgressLine

STAGES = 24  # that are kept, about


class _NotFinite(Exception):
    """A loss or the picture is no longer finite."""


class Descent:
    """Keeps the best picture of an optimisation, its losses by seconds, and some pictures on the way.

    Used as a context around the optimiser, which calls `keep` at each evaluation of the loss. An interrupt of the
    kernel, or a loss that is NaN or infinite, ends the context only: a line is printed, and `picture` is the
    best so far.

    Attributes:
        picture: float32 `(height, width, 3)`, the one with the least loss of those with the last size.
        best: its loss; infinite before the first evaluation.
        history: a record for each evaluation: `seconds`, `total` and the other losses, as numbers.
        stages: evaluation → picture in [0, 1], rounded to 256 values; about two dozen from first to last.
        is_complete: False if it ended early.
        message: why the optimiser stopped, in its own words; the loop around it sets it.
    """

    def __init__(
        self,
        start: np.ndarray,
        evaluations: int,
        name: str = "painting",
        report: Callable[..., None] | None = None,
    ) -> None:
        """Prepare to follow about `evaluations` evaluations that begin at `start` `(height, width, 3)`.

        Args:
            start: the picture that is kept if no better one follows.
            evaluations: their expected number, for the progress line.
            name: its name in the progress line.
            report: called as `report(text, fraction, picture=)` instead of showing a progress line.
        """
        self.picture, self.best = np.asarray(start, np.float32), math.inf
        self.evaluations, self.name = evaluations, name
        self.history: list[dict[str, float]] = []
        self.stages: dict[int, np.ndarray] = {}
        self.is_complete, self.message = True, "interrupted"
        self._every = max(1, evaluations // STAGES)
        self._line = None if report else ProgressLine(evaluations, "evaluation", note=name)
        self._report = report or self._show

    def __enter__(self) -> "Descent":
        self._started = time.perf_counter()
        return self

    def keep(self, picture: np.ndarray, losses: Mapping[str, float]) -> None:
        """Record one evaluation: the picture, and its losses by name, `total` among them."""
        values = {name: float(value) for name, value in losses.items()}
        picture = np.array(picture, np.float32)
        if not all(map(math.isfinite, values.values())) or not np.isfinite(picture).all():
            raise _NotFinite
        self.history.append({"seconds": time.perf_counter() - self._started, **values})
        if values["total"] < self.best or picture.shape != self.picture.shape:
            self.picture, self.best = picture, values["total"]
        if (len(self.history) - 1) % self._every == 0:
            self._keep_stage(picture)
        fraction = min(1.0, len(self.history) / self.evaluations)
        self._report(f"{self.name}: loss {values['total']:.4g}", fraction, picture=picture)

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: object) -> bool:
        if self.history:
            self._keep_stage(self.picture)
            if self._line:
                self._line.note = f"{self.name}: loss {self.history[0]['total']:.4g} → {self.best:.4g}"
                self._line.show()
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
        """
        stages = [to_uint8(resize(stage, *self.picture.shape[:2])) for stage in self.stages.values()]
        losses = {name: np.array([values[name] for values in self.history]) for name in (self.history or [{}])[0]}
        facts = {"picture": self.picture, "message": np.array(self.message), "is_complete": np.array(self.is_complete)}
        return {**facts, **losses, "stages": np.array(stages), "stage_numbers": np.array(list(self.stages))}

    def _show(self, text: str, fraction: float, picture: np.ndarray) -> None:
        self._line.note = text
        self._line.step()

    def _keep_stage(self, picture: np.ndarray) -> None:
        self.stages[len(self.history)] = to_uint8(picture) / np.float32(255)
