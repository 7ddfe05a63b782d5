"""What the explorers share: controls set at once, pictures swapped in place, a line of words; and their small parts."""

import html
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager, contextmanager

import ipywidgets
import numpy as np

from helpers.errors import UserError
from helpers.images import png_bytes
from helpers.widgets import CONTROL_WIDTH, FITTING, mark, sized, status_line


class Explorer:
    """Controls that can be set at once, pictures swapped in place, and a line of words; what is drawn is a subclass's.

    `controls`: by name; `pictures`: likewise the image widgets; `status`: the line of words.
    """

    def __init__(
        self, controls: Mapping[str, ipywidgets.Widget], height: int = 0, lock: AbstractContextManager | None = None
    ) -> None:
        """Mark and watch the controls; nothing is drawn yet.

        Args:
            controls: name → ipywidgets control.
            height: pixels, about that of an enlarged picture.
            lock: held while the explorer takes in a change; None for one of its own. It has to be re-entrant.
        """
        self.controls, self._height = dict(controls), height
        self._first = self._values()
        self._drawn: dict[str, object] = {}
        self._lock, self._is_quiet = lock or threading.RLock(), False
        self.pictures: dict[str, ipywidgets.Image] = {}
        self._captions: dict[str, ipywidgets.HTML] = {}
        self.status = mark(ipywidgets.HTML(layout={"width": CONTROL_WIDTH}), "status")
        for name, control in self.controls.items():
            if not isinstance(control, ipywidgets.ToggleButtons):
                sized(control)
            mark(control, name).observe(lambda change, name=name: self._moved(name), names="value")

    def set(self, **values) -> None:
        """Set several controls by their names; the pictures follow once."""
        with self._quietly():
            for name, value in values.items():
                self.controls[name].value = value
            self._refresh(set(values))

    def _values(self) -> dict[str, object]:
        return {name: control.value for name, control in self.controls.items()}

    def _moved(self, name: str) -> None:
        with self._lock:  # waits while a walk is between two of its own changes
            if not self._is_quiet and not is_same(self._values()[name], self._drawn.get(name)):
                with self._quietly():
                    self._refresh({name})

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Let no change of a control be taken for one that the reader made."""
        with self._lock:
            before, self._is_quiet = self._is_quiet, True
            try:
                yield
            finally:
                self._is_quiet = before

    def _refresh(self, names: Set[str]) -> None:
        """Bring the pictures up to date after these controls have moved; say in words what goes wrong."""
        self._drawn = self._values()
        try:
            self._say(self._redraw(names))
        except UserError as error:
            self._say(str(error), role="alert")
        except Exception as error:  # a fault of the program: in words here, in full in the log
            self._say(fault_in_words(error), role="alert")
            raise

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        """Say what goes wrong, a fault of the program too, in words here and in full in the log.

        For work in a thread, where an error that is raised ends up nowhere, and for what a button does.
        """
        try:
            yield
        except UserError as error:
            self._say(str(error), role="alert")
        except Exception as error:
            self._say(logged(error), role="alert")

    def _redraw(self, names: Set[str]) -> str:
        """Redraw what depends on the controls of these names; return what is to be said about it."""
        raise NotImplementedError

    def _slot(self, name: str, caption: str) -> ipywidgets.VBox:
        self.pictures[name] = mark(ipywidgets.Image(format="png", layout=FITTING), name)
        self._captions[name] = ipywidgets.HTML(layout={"min_height": "2em"})
        self._caption(name, caption)
        slot = [self._captions[name], self.pictures[name]]
        return ipywidgets.VBox(slot, layout={"margin": "0 0 0 1em", "align_items": "flex-start"})

    def _show(self, name: str, picture: np.ndarray, caption: str | None = None, height: int | None = None) -> None:
        self.pictures[name].value = png_bytes(enlarged(picture, height or self._height))
        if caption is not None:
            self._caption(name, caption)

    def _caption(self, name: str, text: str) -> None:
        self._captions[name].value = f"<b>{html.escape(text)}</b>"

    def _say(self, text: str, role: str = "status") -> None:
        self.status.value = status_line(text, role)


def enlarged(picture: np.ndarray, height: int) -> np.ndarray:
    """Repeat pixels, so that they can be seen: `(h, w, …)` becomes about `height` pixels high, by a whole factor."""
    factor = max(1, round(height / picture.shape[0]))
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)


def pictures_of(decode: Callable, z: np.ndarray) -> np.ndarray:
    """Return what `decode` makes of latents `(n, d)`, floats, without an axis of one channel; refuse anything else."""
    pictures = np.asarray(decode(z.astype(np.float32)))
    is_grey, is_colour = pictures.ndim == 3, pictures.ndim == 4 and pictures.shape[-1] in (1, 3)
    if len(pictures) != len(z) or not (is_grey or is_colour) or not np.issubdtype(pictures.dtype, np.floating):
        raise UserError(
            f"decode gave {pictures.dtype} {pictures.shape} for {len(z)} latents. It has to return floats in [0, 1], "
            "(n, h, w) or (n, h, w, 1 or 3)."
        )
    return pictures[..., 0] if is_colour and pictures.shape[-1] == 1 else pictures


def by_name(value: object, names: Sequence[str]) -> dict:
    """Return a mapping as it is, and anything else under each of the names."""
    return dict(value) if isinstance(value, Mapping) else dict.fromkeys(names, value)


def is_same(value: object, before: object) -> bool:
    """Say whether a control has only sent back, perhaps less exactly, the value that the kernel gave it."""
    if isinstance(value, float) and isinstance(before, float):
        return abs(value - before) < 1e-6
    return value == before


def in_short(error: Exception) -> str:
    """Return the kind of an error and the first 200 characters of what it says, on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def fault_in_words(error: Exception) -> str:
    """Return a sentence about an error that the reader cannot mend."""
    return f"This went wrong in the program: {in_short(error)}"


def logged(error: Exception) -> str:
    """Write an error that the reader cannot mend to the log, in full, and return a sentence about it."""
    logging.getLogger(__name__).error("A fault in an explorer", exc_info=error)
    return fault_in_words(error)
