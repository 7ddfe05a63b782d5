"""The picture explorer: sliders, a button that runs slow work beside the kernel's own thread, and pictures."""

import html
import threading
import time
from collections.abc import Callable, Mapping

import ipywidgets
import numpy as np
from IPython.display import HTML, display

from helpers.errors import UserError
from helpers.explorers import logged
from helpers.images import picture_from_bytes, png_bytes
from helpers.pictures import load_picture
from helpers.widgets import (
    CONTROL_WIDTH,
    FITTING,
    LARGEST_SEED,
    WRAPPED,
    button,
    mark,
    own_picture,
    sized,
    status_line,
    typed_path,
    view_of,
)

SECONDS_TO_SHOW = 0.1  # that the page has to say "Working …" before the work takes all cores
SECONDS_BETWEEN_PICTURES = 0.25  # of work in progress; more of them would only wait in the browser


class PictureExplorer:
    """Controls, a picture of the learner's own, and results beside the original; a button starts the slow work.

    Show it with `display(explorer.view)`. Everything is found in a page by its class: `explore-NAME` for a
    control, and `explore-run`, `-stop`, `-surprise`, `-reset`, `-upload`, `-path`, `-open`, `-progress`,
    `-status`, `-original` and `-result-1` (and so on) for the rest.
    """

    def __init__(
        self,
        compute: Callable[..., dict[str, np.ndarray]],
        controls: Mapping[str, ipywidgets.Widget],
        picture: np.ndarray,
        action: str = "Dream",
    ) -> None:
        """Build the view; nothing is computed yet.

        Args:
            compute: called as `compute(picture, report, **values)` in a thread of its own; returns title →
                picture. It should call `report(text, fraction, picture=None)` after each step (`fraction` in
                [0, 1], `picture` the one so far). Once Stop is pressed, `report` raises KeyboardInterrupt, as
                interrupting the kernel would: what `compute` then returns is shown, or else the last picture
                it reported. A UserError that it raises is shown in place.
            controls: name → ipywidgets control with a description; its value is passed under that name.
            picture: float32 `(height, width, 3)` in [0, 1]. A learner's own picture gets its height.
            action: what the button says.
        """
        self._compute, self._first_picture, self.picture = compute, picture, picture
        self.controls = dict(controls)
        self.results: dict[str, np.ndarray] = {}
        self.error: Exception | None = None
        self._thread: threading.Thread | None = None
        self._start, self._stop = threading.Lock(), threading.Event()
        self._first = {name: control.value for name, control in self.controls.items()}
        for name, control in self.controls.items():
            mark(sized(control), name)
        self._build(action)
        self._images[0].value = png_bytes(picture)

    def _build(self, action: str) -> None:
        self._run = button(action, "run", self.run, button_style="primary")
        self._stop_button = button("Stop", "stop", self.stop, disabled=True)
        surprise = button("Surprise me", "surprise", self._surprise)
        reset = button("Reset", "reset", self._reset)
        own = own_picture(self._open, self._uploaded)
        self.path = own.path
        self.progress = mark(ipywidgets.FloatProgress(min=0, max=1, layout={"width": CONTROL_WIDTH}), "progress")
        self.status = mark(ipywidgets.HTML(layout={"width": CONTROL_WIDTH}), "status")
        self._idle_only = [self._run, surprise, reset, *own.buttons]
        buttons = [self._run, self._stop_button, *([surprise] if "seed" in self.controls else []), reset]
        left = [
            *self.controls.values(),
            ipywidgets.HBox(buttons, layout=WRAPPED),
            own.path,
            own.below,
            self.progress,
            self.status,
        ]
        self._captions, self._images = [], []
        self._strip = ipywidgets.HBox(layout={**WRAPPED, "max_width": "100%"})
        self._slot(0, "original")
        self.view = view_of(left, [self._strip])

    def set(self, **values) -> None:
        """Set controls by their names; nothing is computed."""
        for name, value in values.items():
            self.controls[name].value = value

    def run(self) -> bool:
        """Start the work with the values that the controls have now; return False if some is under way already."""
        values = {name: control.value for name, control in self.controls.items()}
        return self._begin("Working …", lambda: self._work(values))

    def stop(self) -> None:
        """Ask the work under way to end; the picture so far is kept."""
        if self.is_busy:
            self._say("Stopping …")
            self._stop.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until no work is under way; return False if some still is after `seconds`."""
        if self._thread is not None:
            self._thread.join(seconds)
        return not self.is_busy

    @property
    def is_busy(self) -> bool:
        return self._start.locked()

    def _begin(self, text: str, work: Callable[[], None]) -> bool:
        """Run `work` in a thread, the buttons turned off meanwhile; a second call while it runs does nothing."""
        if not self._start.acquire(blocking=False):
            return False
        self._stop.clear()
        self.error, self._shown_at = None, 0.0
        self._say(text)  # before all else, since each change is a message of its own to the page
        self._turn_buttons(busy=True)
        self.progress.value, self.progress.bar_style = 0.0, "info"
        self._thread = threading.Thread(target=self._guarded, args=(work,), daemon=True)
        self._thread.start()
        return True

    def _guarded(self, work: Callable[[], None]) -> None:
        self._stop.wait(SECONDS_TO_SHOW)
        try:
            work()
        except UserError as error:
            self._fail(error, str(error))
        except Exception as error:  # a fault of the program; a thread has nowhere else to show it
            self._fail(error, logged(error))
        finally:
            self._turn_buttons(busy=False)
            self._start.release()

    def _fail(self, error: Exception, text: str) -> None:
        self.error, self.progress.bar_style = error, "danger"
        self._say(text, role="alert")

    def _work(self, values: dict) -> None:
        started, self._latest = time.perf_counter(), None
        try:
            results = self._compute(self.picture, self._report, **values)
        except KeyboardInterrupt:
            results = {} if self._latest is None else {"so far": self._latest}
        self._show(results)
        seconds = time.perf_counter() - started
        if self._stop.is_set():
            self.progress.bar_style = "warning"
            self._say(f"Stopped after {seconds:.1f} s. " + ("This is the picture so far." if results else ""))
        else:
            self.progress.value, self.progress.bar_style = 1.0, "success"
            self._say(f"Done in {seconds:.1f} s.")

    def _report(self, text: str, fraction: float, picture: np.ndarray | None = None) -> None:
        """Show how far the work is; raise KeyboardInterrupt once Stop has been pressed."""
        if picture is not None:
            self._latest = picture
        if self._stop.is_set():
            raise KeyboardInterrupt
        now = time.perf_counter()
        if now - self._shown_at >= SECONDS_BETWEEN_PICTURES:
            self._shown_at = now
            self.progress.value = float(np.clip(fraction, 0, 1))
            self._say(text)
            if picture is not None:
                self._slot(1, "so far")
                self._images[1].value = png_bytes(picture)

    def _show(self, results: dict[str, np.ndarray]) -> None:
        """Swap the pictures in place; the image widgets stay, so that nothing is drawn anew."""
        if not results:
            return
        self.results = dict(results)
        for number, (title, picture) in enumerate(results.items(), start=1):
            self._slot(number, title)
            self._images[number].value = png_bytes(picture)
        self._strip.children = self._strip.children[: 1 + len(results)]
        del self._captions[1 + len(results) :], self._images[1 + len(results) :]

    def _slot(self, number: int, title: str) -> None:
        """Give the picture at a place its title, and make the place if there is none yet."""
        if number == len(self._images):
            name = f"result-{number}" if number else "original"
            image = ipywidgets.Image(format="png", layout=FITTING)
            self._images.append(mark(image, name))
            self._captions.append(ipywidgets.HTML())
            self._strip.children += (ipywidgets.VBox([self._captions[-1], image], layout={"margin": "0 0 0 1em"}),)
        self._captions[number].value = f"<b>{html.escape(title)}</b>"

    def _surprise(self) -> None:
        if not self.is_busy:
            self.set(seed=int(np.random.default_rng().integers(LARGEST_SEED + 1)))
            self.run()

    def _reset(self) -> None:
        if not self.is_busy:
            self.set(**self._first)
            self._use(self._first_picture)
            self.path.value, self.progress.value = "", 0.0
            self._say("")

    def _open(self) -> None:
        place = typed_path(self.path.value)
        if place:
            self._begin("Loading …", lambda: self._use(load_picture(place, **self._bounds()).pixels))
        elif not self.is_busy:
            self._say("Give the path or the address of a picture first.", role="alert")

    def _uploaded(self, name: str, content: bytes) -> None:
        self._begin("Loading …", lambda: self._use(picture_from_bytes(content, name=name, **self._bounds())))

    def _bounds(self) -> dict[str, int]:
        height = len(self._first_picture)
        return {"height": height, "longest_side": 4 * height}

    def _use(self, picture: np.ndarray) -> None:
        self.picture, self.results = picture, {}
        self._images[0].value = png_bytes(picture)
        self._strip.children = self._strip.children[:1]
        del self._captions[1:], self._images[1:]
        height, width = picture.shape[:2]
        self._say(f"This picture is {width} wide and {height} high here. Press {self._run.description}.")

    def _turn_buttons(self, busy: bool) -> None:
        for control in self._idle_only:
            control.disabled = busy
        self._stop_button.disabled = not busy

    def _say(self, text: str, role: str = "status") -> None:
        self.status.value = status_line(text, role)


def progress_bar(name: str) -> Callable[..., None]:
    """Return a `report` for work outside the explorer: one bar that is redrawn in place, with the text and the seconds.

    Not tqdm's: written to a page, that leaves a line for each step, or a widget that shows nothing without a kernel.
    """
    started = time.perf_counter()
    shown = [started]
    handle = display(_bar(name, "", 0.0, 0.0), display_id=True)

    def report(text: str, fraction: float, picture: np.ndarray | None = None) -> None:
        now = time.perf_counter()
        if handle is not None and (fraction >= 1 or now - shown[0] >= SECONDS_BETWEEN_PICTURES):
            shown[0] = now
            handle.update(_bar(name, text, fraction, now - started))

    return report


def _bar(name: str, text: str, fraction: float, seconds: float) -> HTML:
    said = html.escape(f"{name}: {min(1.0, fraction):.0%}, {seconds:.0f} s {text and f'({text})'}")
    return HTML(f"<progress value='{fraction:.3f}' max='1' aria-label='{html.escape(name)}'></progress> {said}")
