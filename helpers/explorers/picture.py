"""The picture explorer: sliders, a button that starts slow work in a thread, and pictures."""

import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence, Set

import ipywidgets
import numpy as np

from helpers.data.photographs import load_picture
from helpers.explorers.base import (
    CONTROL_WIDTH,
    WRAPPED,
    Explorer,
    button,
    mark,
    sized,
    surprise_and_reset,
    view_of,
)
from helpers.images import picture_from_bytes

CONTENT_TYPES = ".png,.jpg,.jpeg,.gif,.bmp,.webp,.tif,.tiff"  # of pictures that can be uploaded
SECONDS_TO_SHOW = 0.1  # time for the page to show "Working …" before the work takes all cores
SECONDS_BETWEEN_PICTURES = 0.25  # of work in progress; with less, pictures would queue in the browser


class PictureExplorer(Explorer):
    """Controls, a picture of the learner's own, and results beside the original; a button starts the slow work.

    Show it with `display(explorer.view)`. The classes in a page are `explore-NAME` for a control, and `explore-run`,
    `-stop`, `-surprise`, `-reset`, `-upload`, `-path`, `-open`, `-progress`, `-status`, `-original` and `-result-1`
    (and so on) for the rest.
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
            compute: called as `compute(picture, report, **values)` in a thread of its own; returns title → picture,
                floats `(height, width, 3)` in [0, 1]. It calls `report(text, fraction, picture=None)` after each step
                (`fraction` in [0, 1], `picture` the one so far). After Stop, `report` raises KeyboardInterrupt, as an
                interrupt of the kernel does. Then the result of `compute` is shown, or the last picture reported. A
                UserError that it raises is shown in the status line.
            controls: name → ipywidgets control with a description; its value is passed under that name.
            picture: float32 `(height, width, 3)` in [0, 1]. A learner's own picture gets its height.
            action: the text of the button.
        """
        super().__init__(controls)
        self._compute, self._first_picture, self.picture = compute, picture, picture
        self._thread: threading.Thread | None = None
        self._start, self._stop = threading.Lock(), threading.Event()
        self._build(action)
        self._show("original", picture)

    def _build(self, action: str) -> None:
        self._run = button(action, "run", self.run, button_style="primary")
        self._stop_button = button("Stop", "stop", self.stop, disabled=True)
        surprise, reset = surprise_and_reset(self)
        path = ipywidgets.Text(placeholder="path or address of a picture", description="Your own")
        self.path, opening = mark(sized(path), "path"), button("Open", "open", self._open)
        upload, *dialogue = _colab_upload(self._uploaded) if _in_colab() else [_upload(self._uploaded)]
        self.progress = mark(ipywidgets.FloatProgress(min=0, max=1, layout={"width": CONTROL_WIDTH}), "progress")
        self._idle_only = [self._run, surprise, reset, opening, upload]
        buttons = [self._run, self._stop_button, *([surprise] if "seed" in self.controls else []), reset]
        rows = [ipywidgets.HBox(row, layout=WRAPPED) for row in (buttons, [opening, upload, *dialogue])]
        left = [*self.controls.values(), rows[0], self.path, rows[1], self.progress, self.status]
        self._strip = ipywidgets.HBox([self._slot("original", "original")], layout={**WRAPPED, "max_width": "100%"})
        self.view = view_of(left, [self._strip])

    def _refresh(self, names: Set[str]) -> None:
        """Do nothing: the button starts the work."""

    def run(self) -> bool:
        """Start the work with the controls' values; return False if the explorer is busy."""
        values = self._values()
        return self._begin("Working …", lambda: self._work(values))

    def stop(self) -> None:
        """Ask the work to end; the picture so far is kept."""
        if self.is_busy:
            self._say("Stopping …")
            self._stop.set()

    def surprise(self) -> None:
        """Choose a random seed and run."""
        if not self.is_busy:
            super().surprise()
            self.run()

    def reset(self) -> None:
        """Set the first values and the first picture."""
        if not self.is_busy:
            super().reset()
            self._use(self._first_picture)
            self.path.value, self.progress.value = "", 0.0
            self._say("")

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the work is done; return False if it is not after `seconds`."""
        if self._thread is not None:
            self._thread.join(seconds)
        return not self.is_busy

    @property
    def is_busy(self) -> bool:
        return self._start.locked()

    def _begin(self, text: str, work: Callable[[], None]) -> bool:
        """Run `work` in a thread, with the buttons disabled; a second call while it runs does nothing."""
        if not self._start.acquire(blocking=False):
            return False
        self._stop.clear()
        self._shown_at = 0.0
        self._say(text)  # first, because each change is a message of its own to the page
        self._set_busy(True)
        self.progress.value, self.progress.bar_style = 0.0, "info"
        self._thread = threading.Thread(target=self._guarded, args=(work,), daemon=True)
        self._thread.start()
        return True

    def _guarded(self, work: Callable[[], None]) -> None:
        self._stop.wait(SECONDS_TO_SHOW)
        try:
            with self._errors_shown():
                work()
        finally:
            self._set_busy(False)
            self._start.release()

    def _say(self, text: str, role: str = "status") -> None:
        super()._say(text, role)
        if role == "alert":
            self.progress.bar_style = "danger"

    def _work(self, values: dict) -> None:
        started, self._latest = time.perf_counter(), None
        try:
            results = self._compute(self.picture, self._report, **values)
        except KeyboardInterrupt:
            results = {} if self._latest is None else {"so far": self._latest}
        for number, (title, picture) in enumerate(results.items(), start=1):
            self._show_result(number, title, picture)
        if results:
            self._keep(1 + len(results))
        seconds = time.perf_counter() - started
        if self._stop.is_set():
            self.progress.bar_style = "warning"
            self._say(f"Stopped after {seconds:.1f} s. " + ("This is the picture so far." if results else ""))
        else:
            self.progress.value, self.progress.bar_style = 1.0, "success"
            self._say(f"Done in {seconds:.1f} s.")

    def _report(self, text: str, fraction: float, picture: np.ndarray | None = None) -> None:
        """Show the progress; raise KeyboardInterrupt once Stop has been pressed."""
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
                self._show_result(1, "so far", picture)

    def _show_result(self, number: int, title: str, picture: np.ndarray) -> None:
        """Replace a picture in place; its widget is made once."""
        name = f"result-{number}"
        if name not in self.pictures:
            self._strip.children += (self._slot(name, title),)
        self._show(name, picture, title)

    def _keep(self, count: int) -> None:
        """Remove all pictures but the first ones."""
        self._strip.children = self._strip.children[:count]
        for name in list(self.pictures)[count:]:
            del self.pictures[name], self._captions[name]

    def _open(self) -> None:
        place = self.path.value.strip().strip("\"'")  # of a pasted path
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
        self.picture = picture
        self._show("original", picture)
        self._keep(1)
        height, width = picture.shape[:2]
        self._say(f"This picture is {width} wide and {height} high here. Press {self._run.description}.")

    def _set_busy(self, is_busy: bool) -> None:
        for control in self._idle_only:
            control.disabled = is_busy
        self._stop_button.disabled = not is_busy


def _in_colab() -> bool:
    return "google.colab" in sys.modules  # Colab's kernels import it at their start


def _upload(uploaded: Callable[[str, bytes], object]) -> ipywidgets.Widget:
    """Return ipywidgets' upload, which calls `uploaded(file name, content)`."""

    def take(change: Mapping) -> None:
        if file := uploaded_file(change["new"]):
            uploaded(*file)

    # Above 10 MB, Jupyter's connection between page and kernel breaks without a message, except with `make lab`.
    upload = ipywidgets.FileUpload(
        accept=CONTENT_TYPES, multiple=False, description="Upload, to 10 MB", layout={"width": "auto"}
    )
    upload.observe(take, names="value")
    return mark(upload, "upload")


def _colab_upload(uploaded: Callable[[str, bytes], object]) -> list[ipywidgets.Widget]:
    """Return a button for Colab's own dialogue, and its place; ipywidgets' upload loses large files in Colab."""
    dialogue = ipywidgets.Output()

    def ask() -> None:
        dialogue.clear_output()
        with dialogue:
            files = sys.modules["google.colab"].files.upload()
        dialogue.clear_output()
        for name, content in list(files.items())[:1]:
            uploaded(name, content)

    return [button("Upload", "upload", ask), dialogue]


def uploaded_file(files: Mapping | Sequence) -> tuple[str, bytes] | None:
    """Return the name and the content of the first file in the value of a FileUpload, or None."""
    if not files:
        return None
    # ipywidgets 7, which Colab has, gives a dictionary by file name; 8 gives a tuple.
    name, file = next(iter(files.items())) if isinstance(files, Mapping) else (files[0]["name"], files[0])
    return name, bytes(file["content"])
