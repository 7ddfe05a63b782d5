"""What the tests of explorers share: a decoder that remembers its calls, and eyes for what a page would show."""

import datetime
import gc
import io

import ipywidgets
import numpy as np
from PIL import Image

SECONDS = 20  # more than any of this needs; only a hang gets there


class Decoder:
    """Stands for a decoder: its pictures hold the first latents as grey levels; remembers its calls."""

    def __init__(self, channels=(), size=4):
        self.channels, self.size, self.calls, self.error = channels, size, [], None

    def __call__(self, z):
        self.calls.append(z)
        if self.error:
            raise self.error
        pictures = np.zeros((len(z), self.size, self.size, *self.channels), np.float32)
        greys = grey(z[:, :2]).reshape(-1, 2, *[1] * len(self.channels))
        pictures[:, 0, :2] = greys
        return pictures


def grey(value):
    return np.clip(0.5 + np.asarray(value, np.float32) / 20, 0, 1)


def walk_through(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from walk_through(child)


def find(explorer, name):
    [widget] = [part for part in walk_through(explorer.view) if f"explore-{name}" in getattr(part, "_dom_classes", ())]
    return widget


def is_shown(explorer, name):
    return any(f"explore-{name}" in getattr(part, "_dom_classes", ()) for part in walk_through(explorer.view))


def pixels(explorer, name):
    return np.asarray(Image.open(io.BytesIO(find(explorer, name).value)), np.float32) / 255


def first_two(explorer, name):
    """Return the two latents that a picture of `Decoder` holds, read back from the PNG."""
    picture = pixels(explorer, name)
    factor = len(picture) // 4
    corner = picture[0, [0, factor]]
    return (corner if corner.ndim == 1 else corner[:, 0]) * 20 - 10


def upload(explorer, name, content):
    """Give a file to the explorer as the upload widget does; no content is what emptying the widget sends."""
    widget, about = find(explorer, "upload"), {"name": name, "type": "", "size": len(content)}
    about["last_modified"] = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    if isinstance(widget.value, dict):  # ipywidgets 7, as in Colab
        value = {name: {"metadata": about, "content": content}} if content else {}
    else:
        value = ({**about, "content": memoryview(content)},) if content else ()
    widget.set_trait("value", value)  # read-only for programs in version 7


def from_browser(widget, **values):
    """Set traits as a message from the page does."""
    widget.set_state(values)


class Timers:
    """Stands for threading.Timer: nothing runs before the test says so."""

    def __init__(self):
        self.made = []

    def __call__(self, seconds, action):
        self.made.append(Timer(seconds, action))
        return self.made[-1]

    def fire(self):
        """Run what waits."""
        for timer in self.made:
            if not timer.is_cancelled:
                timer.is_cancelled = True
                timer.action()


class Timer:
    def __init__(self, seconds, action):
        self.seconds, self.action = seconds, action
        self.daemon = self.is_started = self.is_cancelled = False

    def start(self):
        self.is_started = True

    def cancel(self):
        self.is_cancelled = True


def widgets_alive():
    """Return how many widgets there are; those in use and those that nobody closed."""
    return sum(isinstance(thing, ipywidgets.Widget) for thing in gc.get_objects())


def alert(explorer):
    """Return the explorer's line of words if it is about something that went wrong, else an empty text."""
    return explorer.status.value if "role='alert'" in explorer.status.value else ""
