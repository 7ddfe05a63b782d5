"""What explorers do beside the kernel's own thread: walk along a path."""

import threading
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager

import ipywidgets

from helpers.explorers import Explorer, button

SECONDS_A_FRAME = 0.05  # of a walk


class WalkingExplorer(Explorer):
    """An explorer with a button to walk along a path, in a thread of its own, until its end or until told to stop.

    A subclass says what the path is and what a step does. `walk_button` is to be put into its view, and its
    `_redraw` has to call `stop`, so that whoever moves a control ends the walk.
    """

    def __init__(
        self, controls: Mapping[str, ipywidgets.Widget], height: int, lock: AbstractContextManager | None = None
    ) -> None:
        """Make the button; for the arguments see Explorer."""
        self._thread, self._stop = None, threading.Event()
        super().__init__(controls, height, lock)
        self.walk_button = button("Walk", "walk", self._walk_or_stop, button_style="primary")

    def _path(self) -> Iterable:
        """Return the places to go to, in their order."""
        raise NotImplementedError

    def _step(self, place: object) -> None:
        """Go to a place of the path and draw it; called with the lock held and all controls quiet."""
        raise NotImplementedError

    def walk(self) -> bool:
        """Walk along the path, in a thread of its own; return False if a walk is under way already."""
        with self._lock:
            if self.is_walking:
                return False
            self._stop.clear()
            path = self._path()
            self.walk_button.description = "Stop"
            self._thread = threading.Thread(target=self._step_along, args=(path,), daemon=True)
            self._thread.start()
        return True

    def stop(self) -> None:
        """End the walk under way, where it is."""
        self._stop.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until no walk is under way; return False if one still is after `seconds`."""
        if self._thread is not None:
            self._thread.join(seconds)
        return not self.is_walking

    @property
    def is_walking(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _walk_or_stop(self) -> None:
        if not self.walk():
            self.stop()

    def _step_along(self, path: Iterable) -> None:
        try:
            with self._in_words():
                for place in path:
                    with self._quietly():
                        if self._stop.is_set():
                            break
                        self._step(place)
                    self._stop.wait(SECONDS_A_FRAME)
        finally:
            self.walk_button.description = "Walk"
