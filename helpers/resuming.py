"""Optimisations of a picture that go on after a kill: when they are kept, and their steps."""

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from helpers.checkpoints import Checkpoints
from helpers.errors import UserError
from helpers.fingerprints import NotUnderstoodError, fingerprint
from helpers.profiles import stops_unsaved

SECONDS = 15.0  # between two checkpoints
LARGEST_SHARE = 0.05  # of the time that may go into writing them; where a disk is slow they come less often


class Saved:
    """Checkpoints of one optimisation, written at intervals, in a folder that its settings choose."""

    def __init__(self, folder: Path | None, settings: object, seconds: float = SECONDS) -> None:
        """Prepare to write checkpoints below `folder`, or none if that is None.

        Args:
            folder: where they go; an optimisation with other settings, by their `fingerprint`, gets another one in it.
            settings: whatever makes the result what it is: pictures, sizes, weights, the objective. If `fingerprint`
                does not understand them, there are no checkpoints, rather than those of something else.
            seconds: from one checkpoint to the next, which is what a kill costs; 0 writes one at each step.

        Raises:
            UserError: `seconds` is below 0 or no number.
        """
        if not seconds >= 0:
            raise UserError(f"seconds between checkpoints is {seconds}. Give 0 or more.")
        try:
            self.folder = Path(folder) / fingerprint(settings) if folder else None
        except NotUnderstoodError as error:
            print(f"No checkpoints are written: among the settings is one that can not be told from others ({error}).")
            self.folder = None
        self._checkpoints = Checkpoints(self.folder) if self.folder else None
        self.seconds, self._number, self._was_refused = seconds, 0, False
        self._last, self._cost = time.perf_counter(), 0.0

    def load(self) -> tuple[list[np.ndarray], dict] | None:
        """Return arrays and state of the newest undamaged checkpoint, or None."""
        if self._checkpoints is None or (found := self._checkpoints.load()) is None:
            return None
        self._checkpoints.tidy()  # a kill may have come between the last checkpoint and the removal of old ones
        return found

    def keep(self, number: int, state: Callable[[], tuple[list[np.ndarray], dict]], at_once: bool = False) -> None:
        """Write checkpoint `number`, of arrays and a state, if it is time; what cannot be written is said once.

        Raises:
            UserError: it cannot be written on the way, and `NB_STOP_UNSAVED` is set.
        """
        wait = max(self.seconds, self._cost / LARGEST_SHARE) if self.seconds else 0.0
        if self._checkpoints is None or not (at_once or time.perf_counter() - self._last >= wait):
            return
        started = time.perf_counter()
        try:
            self._checkpoints.save(number, *state())
        except OSError as error:
            fault = f"No checkpoint could be written to {self.folder} ({error})."
            mend = "Make room on that disk, or set NB_OUTPUT_DIR to a folder that can be written to"
            if stops_unsaved() and not at_once:  # at an end or an interrupt nothing is saved by stopping
                raise UserError(f"{fault} So it stopped, as asked. {mend}, and run this cell again.") from error
            if not self._was_refused:
                print(f"\n{fault} It goes on without. {mend}; or let it stop where that happens: NB_STOP_UNSAVED=1.")
            self._was_refused = True
        self._last = time.perf_counter()
        self._cost = self._last - started

    def tell(self, found: str, rest: str) -> None:
        """Print what was found, how it goes on, and how to start anew."""
        print(f"Found {found}: {rest}. To start anew, delete {self.folder} and run this cell again.")


class Rounds:
    """The rounds of an ascent (DeepDream's octaves) and the steps in each, which go on after a kill.

    The loop runs again from its first round, but the steps that were done give back what they gave then, without
    any computing, up to the last one that was kept. On a CPU, an ascent that was killed therefore ends with the same
    picture, to the last bit, as one that was not.
    """

    def __init__(self, folder: Path | None, settings: object, seconds: float = SECONDS) -> None:
        """Look for an ascent with these settings below `folder`; the arguments are those of `Saved`."""
        self._saved, self._started = Saved(folder, settings, seconds), time.perf_counter()
        self._number, self._records, self._earlier, self._was_done = 0, [], 0.0, False
        if found := self._saved.load():
            pictures, state = found
            self._records = [one | {"picture": last} for one, last in zip(state["rounds"], pictures, strict=True)]
            self._earlier, self._was_done = state["seconds"], state["is_done"]
            rest = "there is nothing left to do" if self._was_done else "going on from there"
            self._saved.tell(f"{self.steps_done} steps of an ascent ({self._earlier:.0f} s)", rest)

    @property
    def steps_done(self) -> int:
        """How many steps are done, in all rounds."""
        return sum(len(record["values"]) for record in self._records)

    @property
    def seconds(self) -> float:
        """How many seconds the ascent took so far, those before a kill included."""
        return self._earlier + (0.0 if self._was_done else time.perf_counter() - self._started)

    def each(self, items: Iterable) -> Iterator:
        """Yield the items, one for each round; after the last one a checkpoint says that all is done."""
        for number, item in enumerate(items):
            self._number = number
            yield item
        if not self._was_done:
            self._save(at_once=True, is_done=True)

    def steps(
        self,
        climb: Callable[..., Iterator],
        gradient: Callable,
        picture: np.ndarray,
        steps: int,
        random: np.random.Generator,
        **settings: object,
    ) -> Iterator[tuple[float, np.ndarray]]:
        """Yield the steps of this round: the objective, and the picture then.

        Steps that were done before a kill come first, all with the picture after the last of them. A step counts
        as done when the next is asked for, so one after which the loop is left is taken again.

        Args:
            climb: called with the other arguments; yields after each step the objective and the new picture.
            gradient: what `climb` follows.
            picture: `(height, width, 3)`, where the round begins.
            steps: how many there are in the round.
            random: what `climb` draws from; it is put back to where it was.
            settings: further arguments of `climb`.
        """
        if self._number == len(self._records):
            self._records.append({"values": [], "picture": picture, "random": random.bit_generator.state})
        record = self._records[self._number]
        for value in record["values"]:
            yield value, record["picture"]
        if self._was_done:  # a brake may have ended this round early
            return
        random.bit_generator.state = record["random"]
        try:
            left = steps - len(record["values"])
            for value, climbed in climb(gradient, record["picture"], left, random=random, **settings):
                yield value, climbed
                values = [*self._records[self._number]["values"], float(value)]
                record = {"values": values, "picture": climbed, "random": random.bit_generator.state}
                self._records[self._number] = record  # one store: an interrupt finds a whole step or none
                self._save()
        except (KeyboardInterrupt, GeneratorExit):  # interrupted in a step, or the loop was left
            self._save(at_once=True)
            raise

    def _save(self, at_once: bool = False, is_done: bool = False) -> None:
        def state():
            rounds = [{"values": record["values"], "random": record["random"]} for record in self._records]
            pictures = [record["picture"] for record in self._records]
            return pictures, {"rounds": rounds, "seconds": self.seconds, "is_done": is_done}

        self._saved.keep(self.steps_done, state, at_once)
