"""What all explorers share: controls set at once, pictures swapped in place, a line of words, and small parts."""

import html
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from math import floor, log10

import ipywidgets
import numpy as np

from helpers.images import png_bytes
from helpers.session import UserError

LARGEST_SEED = 999_999  # far below what an int32 holds, so that a sampler may add to it
REST = 0.25  # seconds without a call, after which delayed work is done
LABEL_WIDTH, CONTROL_WIDTH = "8em", "28em"
FITTING = {"max_width": "calc(100% - 4px)"}  # no wider than its place, less 2 px of margin on each side
WRAPPED = {"flex_flow": "row wrap", "align_items": "flex-start"}
KERNEL_GONE = """<style>
.explore-kernel-gone {display: none}
.jupyter-widgets-disconnected .explore-kernel-gone {display: block}
</style>
<p class="explore-kernel-gone" role="alert">⚠ The kernel that these controls belong to is gone (it was restarted or
shut down), so they do nothing. Run the notebook again down to this cell.</p>"""


class Explorer:
    """Controls, pictures and a line of words; a subclass draws in `_redraw`.

    `controls`: name → ipywidgets control; `pictures`: name → image widget; `status`: the line of words.
    """

    def __init__(self, controls: Mapping[str, ipywidgets.Widget], height: int = 0) -> None:
        """Mark and watch the controls; small pictures are enlarged to about `height` pixels. Nothing is drawn yet."""
        self.controls, self._height = dict(controls), height
        self._first = self._values()
        self._drawn: dict[str, object] = {}
        self._lock, self._is_quiet = threading.RLock(), False
        self.pictures: dict[str, ipywidgets.Image] = {}
        self._captions: dict[str, ipywidgets.HTML] = {}
        self.status = mark(ipywidgets.HTML(layout={"width": CONTROL_WIDTH, "max_width": "100%"}), "status")
        for name, control in self.controls.items():
            if not isinstance(control, ipywidgets.ToggleButtons):
                sized(control)
            mark(control, name).observe(lambda change, name=name: self._moved(name), names="value")

    def set(self, **values) -> None:
        """Set several controls by their names; the pictures are redrawn once."""
        with self._quietly():
            for name, value in values.items():
                self.controls[name].value = value
            self._refresh(set(values))

    def surprise(self) -> None:
        """Choose a random seed."""
        self.set(seed=int(np.random.default_rng().integers(LARGEST_SEED + 1)))

    def reset(self) -> None:
        """Set all controls to their first values."""
        self.set(**self._first)

    def _values(self) -> dict[str, object]:
        return {name: control.value for name, control in self.controls.items()}

    def _moved(self, name: str) -> None:
        with self._lock:
            if not self._is_quiet and not is_same(self._values()[name], self._drawn.get(name)):
                with self._quietly():
                    self._refresh({name})

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Change controls without a redraw for each of them."""
        with self._lock:
            before, self._is_quiet = self._is_quiet, True
            try:
                yield
            finally:
                self._is_quiet = before

    def _refresh(self, names: Set[str]) -> None:
        """Redraw after these controls have moved."""
        is_first, self._drawn = not self._drawn, self._values()
        with self._in_words(raises=is_first):
            self._say(self._redraw(names))

    @contextmanager
    def _in_words(self, raises: bool = False) -> Iterator[None]:
        """Put an error into the status line; log a fault of the program, and raise it too where `raises` is true."""
        try:
            yield
        except UserError as error:
            self._say(str(error), role="alert")
        except Exception as error:
            self._say(logged(error), role="alert")
            if raises:  # in the cell that makes the explorer
                raise

    def _redraw(self, names: Set[str]) -> str:
        """Redraw what depends on the controls of these names; return the text of the status line."""
        raise NotImplementedError

    def _slot(self, name: str, caption: str) -> ipywidgets.VBox:
        """Make the place of a picture, with its caption above it."""
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


class Later:
    """Delays work until no call has come for a while: of many calls in a row, only the last counts."""

    def __init__(self, action: Callable[[], object]) -> None:
        """`action` runs in a thread of its own, or in `now`; it must not raise and has to take its own lock."""
        self._action, self._lock, self._timer = action, threading.Lock(), None

    def call(self) -> None:
        """Ask for the work; an earlier call that still waits is dropped."""
        with self._lock:
            self._drop()
            self._timer = threading.Timer(REST, self._action)
            self._timer.daemon = True
            self._timer.start()

    def now(self) -> None:
        """Do the work at once; a call that still waits is dropped."""
        with self._lock:
            self._drop()
        self._action()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the work; return False if it is not done after `seconds`."""
        if self._timer is not None:
            self._timer.join(seconds)
        return self._timer is None or not self._timer.is_alive()

    def _drop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


def enlarged(picture: np.ndarray, height: int) -> np.ndarray:
    """Repeat the pixels of `(h, w, …)` by a whole factor, up to about `height` rows."""
    factor = max(1, round(height / picture.shape[0]))
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)


def generated(decode: Callable, z: np.ndarray) -> np.ndarray:
    """Return the pictures that `decode` makes of latents `(n, d)`, without an axis of one channel; refuse others."""
    pictures = np.asarray(decode(z.astype(np.float32)))
    is_grey, is_colour = pictures.ndim == 3, pictures.ndim == 4 and pictures.shape[-1] in (1, 3)
    if len(pictures) != len(z) or not (is_grey or is_colour) or not np.issubdtype(pictures.dtype, np.floating):
        raise UserError(
            f"decode gave {pictures.dtype} {pictures.shape} for {len(z)} latents. It has to return floats in [0, 1], "
            "(n, h, w) or (n, h, w, 1 or 3)."
        )
    if not np.isfinite(pictures).all():
        raise UserError(
            "the network gives values that are not numbers (NaN): its training has failed. Choose another model, or "
            "train again with a smaller learning rate."
        )
    return pictures[..., 0] if is_colour and pictures.shape[-1] == 1 else pictures


def by_name(value: object, names: Sequence[str]) -> dict:
    """Return a mapping as it is, and anything else under each of the names."""
    return dict(value) if isinstance(value, Mapping) else dict.fromkeys(names, value)


def is_same(value: object, before: object) -> bool:
    """Return whether the control only echoes the kernel's value, possibly rounded."""
    if isinstance(value, float) and isinstance(before, float):
        return abs(value - before) < 1e-6
    return value == before


def logged(error: Exception) -> str:
    """Log a fault of the program with its traceback, and return a sentence about it."""
    logging.getLogger(__name__).error("A fault in an explorer", exc_info=error)
    return f"This went wrong in the program: {type(error).__name__}: {' '.join(str(error).split())[:200]}"


def status_line(text: str, role: str = "status") -> str:
    """Return a text as HTML that screen readers read out; `role` is "status", or "alert" for an error."""
    sign = "⚠ " if role == "alert" else ""
    return f"<p role='{role}' style='line-height:1.4'>{sign}{html.escape(text)}</p>"


def mark(widget: ipywidgets.Widget, name: str) -> ipywidgets.Widget:
    """Give a widget the class by which a page finds it, such as `explore-wearing-hat`; return the widget."""
    widget.add_class(f"explore-{name.lower().replace('_', '-')}")
    return widget


def button(description: str, name: str, action: Callable[[], object], **options) -> ipywidgets.Button:
    """Return a button that calls `action()`; `options` are ipywidgets' own."""
    made = mark(ipywidgets.Button(description=description, layout={"width": "auto"}, **options), name)
    made.on_click(lambda _: action())
    return made


def choice(options: Sequence[tuple[str, str]]) -> ipywidgets.ToggleButtons:
    """Return buttons of which one is pressed, from (label, value); at first the first."""
    return ipywidgets.ToggleButtons(options=options, style={"button_width": "auto"})


def labelled(text: str, control: ipywidgets.Widget, width: str = LABEL_WIDTH) -> ipywidgets.HBox:
    """Return a control with a label on its left; toggle buttons would put their own above themselves."""
    label = ipywidgets.HTML(f"<div style='text-align:right'>{text}</div>", layout={"width": width, "flex": "none"})
    return ipywidgets.HBox([label, control])


def sized(control: ipywidgets.Widget) -> ipywidgets.Widget:
    """Give a control the width that controls and their labels have in all explorers; return the control."""
    control.layout.width, control.layout.max_width = CONTROL_WIDTH, "100%"
    control.style.description_width = LABEL_WIDTH
    return control


def player(slider: ipywidgets.Widget, trait: str = "value", least: int = 0, most: int = 0, interval: int = 50):
    """Return buttons by which the page itself moves a slider from `least` to `most`, a step each `interval` ms."""
    play = mark(ipywidgets.Play(value=getattr(slider, trait), min=least, max=most, interval=interval), "play")
    ipywidgets.jslink((play, "value"), (slider, trait))
    return play


def view_of(controls: Sequence[ipywidgets.Widget], results: Sequence[ipywidgets.Widget]) -> ipywidgets.VBox:
    """Return an explorer's view: results beside the controls, or below them where the window is narrow.

    A note above them appears once the kernel is gone: JupyterLab then gives each widget a class of its own.
    """
    left = ipywidgets.VBox(controls, layout={"max_width": "100%"})
    return ipywidgets.VBox([ipywidgets.HTML(KERNEL_GONE), ipywidgets.HBox([left, *results], layout=WRAPPED)])


def sliders(*, seed: int | None = None, **ranges: tuple) -> dict[str, ipywidgets.Widget]:
    """Return controls by name: sliders from (label, value, least, most, step), and a field for a seed if one is given.

    A slider gives whole numbers where value and step are whole.
    """
    made: dict[str, ipywidgets.Widget] = {}
    for name, (label, value, least, most, step) in ranges.items():
        is_whole = isinstance(value, int) and isinstance(step, int)
        kind = ipywidgets.IntSlider if is_whole else ipywidgets.FloatSlider
        made[name] = kind(value, min=least, max=most, step=step, description=label)
        if not is_whole:
            made[name].readout_format = f".{max(0, -floor(log10(step)))}f"
    if seed is not None:
        made["seed"] = ipywidgets.BoundedIntText(seed, min=0, max=LARGEST_SEED, description="Seed")
    return made
