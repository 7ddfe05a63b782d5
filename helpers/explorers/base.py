"""Parts that all explorers share: controls, pictures replaced in place, a status line, and delayed work."""

import html
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from math import floor, log10

import ipywidgets
import numpy as np
from PIL import Image

from helpers.images import png_bytes, to_uint8
from helpers.session import UserError

LARGEST_SEED = 999_999  # far below the largest int32, so that a sampler may add to it
REST = 0.25  # seconds without a call, after which delayed work is done
LABEL_WIDTH, CONTROL_WIDTH = "8em", "28em"
FITTING = {"max_width": "calc(100% - 4px)"}  # 2 px of margin on each side
WRAPPED = {"flex_flow": "row wrap", "align_items": "flex-start"}
KERNEL_GONE = """<style>
.explore-kernel-gone {display: none}
.jupyter-widgets-disconnected .explore-kernel-gone {display: block}
</style>
<p class="explore-kernel-gone" role="alert">⚠ The kernel of these controls is gone (it was restarted or shut down), so
they do nothing. Run the notebook again down to this cell.</p>"""


class Explorer:
    """Controls, pictures and a status line; a subclass draws in `_redraw`.

    `controls`: name → ipywidgets control; `pictures`: name → image widget; `status`: the status line.
    """

    def __init__(self, controls: Mapping[str, ipywidgets.Widget], height: int = 0) -> None:
        """Observe the controls; small pictures are enlarged to about `height` pixels. Nothing is drawn yet."""
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
            if not self._is_quiet and not _is_same(self._values()[name], self._drawn.get(name)):
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
        with self._errors_shown(raises=is_first):
            self._say(self._redraw(names))

    @contextmanager
    def _errors_shown(self, raises: bool = False) -> Iterator[None]:
        """Show an error in the status line; log a fault of the program, and raise it too if `raises` is true."""
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

    def _show(self, name: str, picture: np.ndarray, caption: str = "", height: int = 0) -> None:
        self.pictures[name].value = png_bytes(enlarged(picture, height or self._height))
        if caption:
            self._caption(name, caption)

    def _caption(self, name: str, text: str) -> None:
        self._captions[name].value = f"<b>{html.escape(text)}</b>"

    def _say(self, text: str, role: str = "status") -> None:
        """Show a text in the status line, which screen readers read out; `role` is "alert" for an error."""
        sign = "⚠ " if role == "alert" else ""
        self.status.value = f"<p role='{role}' style='line-height:1.4'>{sign}{html.escape(text)}</p>"


class Later:
    """Delays work until no call has come for a while: of many calls in a row, only the last counts."""

    def __init__(self, action: Callable[[], object]) -> None:
        """`action` runs in a thread of its own, so it has to take its own lock."""
        self._action, self._timer = action, None

    def call(self) -> None:
        """Ask for the work; an earlier call that still waits is dropped."""
        self.drop()
        self._timer = threading.Timer(REST, self._action)
        self._timer.daemon = True
        self._timer.start()

    def drop(self) -> None:
        """Forget a call that still waits."""
        if self._timer is not None:
            self._timer.cancel()


def enlarged(picture: np.ndarray, height: int) -> np.ndarray:
    """Return a picture in [0, 1], enlarged smoothly (Lanczos) by a whole factor to about `height` rows."""
    factor = round(height / len(picture))
    if factor <= 1:
        return picture
    pixels = to_uint8(picture)
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2:] == (1,) else pixels)
    image = image.resize((factor * image.width, factor * image.height), Image.Resampling.LANCZOS)
    return np.asarray(image) / np.float32(255)


def generated(decode: Callable, z: np.ndarray) -> np.ndarray:
    """Return the pictures that `decode` makes of latents `(n, d)`, without an axis of one channel; refuse NaN."""
    pictures = np.asarray(decode(z.astype(np.float32)))
    if not np.isfinite(pictures).all():
        raise UserError(
            "the network gives values that are not numbers (NaN): its training has failed. Choose another model, or "
            "train again with a smaller learning rate."
        )
    return pictures[..., 0] if pictures.shape[-1] == 1 else pictures


def by_name(value: object, names: Sequence[str]) -> dict:
    """Return a mapping as it is, and anything else under each of the names."""
    return dict(value) if isinstance(value, Mapping) else dict.fromkeys(names, value)


def _is_same(value: object, before: object) -> bool:
    """Return whether the page only sends back the kernel's value, possibly rounded."""
    if isinstance(value, float) and isinstance(before, float):
        return abs(value - before) < 1e-6
    return value == before


def logged(error: Exception) -> str:
    """Log a fault of the program with its traceback, and return a sentence about it."""
    logging.getLogger(__name__).error("A fault in an explorer", exc_info=error)
    return f"This went wrong in the program: {type(error).__name__}: {' '.join(str(error).split())[:200]}"


def mark(widget: ipywidgets.Widget, name: str) -> ipywidgets.Widget:
    """Give a widget the class by which a page finds it, such as `explore-wearing-hat`; return the widget."""
    widget.add_class(f"explore-{name.lower().replace('_', '-')}")
    return widget


def button(description: str, name: str, action: Callable[[], object], **options) -> ipywidgets.Button:
    """Return a button that calls `action()`; `options` are ipywidgets' own."""
    widget = mark(ipywidgets.Button(description=description, layout={"width": "auto"}, **options), name)
    widget.on_click(lambda _: action())
    return widget


def surprise_and_reset(explorer: Explorer) -> list[ipywidgets.Button]:
    """Return the two buttons of most explorers."""
    return [button("Surprise me", "surprise", explorer.surprise), button("Reset", "reset", explorer.reset)]


def seed_field(seed: int = 0) -> ipywidgets.BoundedIntText:
    """Return a field for a seed from 0 to 999,999."""
    return ipywidgets.BoundedIntText(seed, min=0, max=LARGEST_SEED, description="Seed")


def choice(names: Sequence[str]) -> ipywidgets.ToggleButtons:
    """Return buttons of which one is pressed, at first the first."""
    return ipywidgets.ToggleButtons(options=list(names), style={"button_width": "auto"})


def labelled(text: str, control: ipywidgets.ToggleButtons) -> list[ipywidgets.Widget]:
    """Return a row of toggle buttons with a label on their left; no row where there is nothing to choose."""
    if len(control.options) < 2:
        return []
    layout = {"width": LABEL_WIDTH, "flex": "none"}
    return [ipywidgets.HBox([ipywidgets.HTML(f"<div style='text-align:right'>{text}</div>", layout=layout), control])]


def sized(control: ipywidgets.Widget) -> ipywidgets.Widget:
    """Give a control the width that all controls and their labels have; return the control."""
    control.layout.width, control.layout.max_width = CONTROL_WIDTH, "100%"
    control.style.description_width = LABEL_WIDTH
    return control


def player(slider: ipywidgets.Widget, most: int, trait: str = "value", interval: int = 50) -> ipywidgets.Play:
    """Return buttons by which the page itself moves a slider's trait up to `most`, a step each `interval` ms."""
    play = mark(ipywidgets.Play(value=getattr(slider, trait), min=0, max=most, interval=interval), "play")
    ipywidgets.jslink((play, "value"), (slider, trait))
    return play


def view_of(controls: Sequence[ipywidgets.Widget], results: Sequence[ipywidgets.Widget]) -> ipywidgets.VBox:
    """Return an explorer's view: results beside the controls, or below them where the window is narrow.

    A note above them appears once the kernel is gone, because JupyterLab then gives each widget another class.
    """
    left = ipywidgets.VBox(controls, layout={"max_width": "100%"})
    return ipywidgets.VBox([ipywidgets.HTML(KERNEL_GONE), ipywidgets.HBox([left, *results], layout=WRAPPED)])


def sliders(*, seed: int | None = None, **ranges: tuple) -> dict[str, ipywidgets.Widget]:
    """Return controls for a PictureExplorer, by name.

    Args:
        seed: the first value of a field for a seed, from 0 to 999,999; None: there is no field.
        ranges: (label, value, least, most, step) of each slider. It gives whole numbers (int) where value and step
            are whole, and floats otherwise.
    """
    controls: dict[str, ipywidgets.Widget] = {}
    for name, (label, value, least, most, step) in ranges.items():
        is_whole = isinstance(value, int) and isinstance(step, int)
        kind = ipywidgets.IntSlider if is_whole else ipywidgets.FloatSlider
        controls[name] = kind(value, min=least, max=most, step=step, description=label)
        if not is_whole:
            controls[name].readout_format = f".{max(0, -floor(log10(step)))}f"
    if seed is not None:
        controls["seed"] = seed_field(seed)
    return controls
