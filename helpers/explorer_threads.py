"""What explorers do beside the kernel's own thread: walk along a path, and wait until the controls rest."""

import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager

import ipywidgets

from helpers.explorers import Explorer
from helpers.widgets import button

SECONDS_A_FRAME = 0.05  # of a walk
REST = 0.25  # seconds without a call, after which what was put off is done


class Later:
    """Puts off some work until nothing has asked for it for a while: of many calls in a row, only the last counts."""

    def __init__(self, action: Callable[[], object]) -> None:
        """`action` is called in a thread of its own, or by `now`; it must not raise and has to take its own lock."""
        self._action, self._lock, self._timer = action, threading.Lock(), None

    def call(self) -> None:
        """Ask for the work; a call that still waits is forgotten."""
        with self._lock:
            self._forget()
            self._timer = threading.Timer(REST, self._action)
            self._timer.daemon = True
            self._timer.start()

    def now(self) -> None:
        """Do the work at once, and forget a call that still waits."""
        with self._lock:
            self._forget()
        self._action()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until what was asked for is done; return False if it is not after `seconds`."""
        timer = self._timer
        if timer is None:
            return True
        timer.join(seconds)
        return not timer.is_alive()

    def _forget(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


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
