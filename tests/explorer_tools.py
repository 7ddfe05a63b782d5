"""What the tests of explorers share: stand-ins for a decoder and for timers, and functions that read a view."""

import datetime
import io

import ipywidgets
import numpy as np
from PIL import Image

SECONDS = 20  # more than any of this needs; only a hang takes as long


class Decoder:
    """A decoder whose pictures hold the first latent as the grey of their left half, the second on the right."""

    def __init__(self, channels=()):
        self.channels, self.calls, self.error = channels, [], None

    def __call__(self, z):
        self.calls.append(z)
        if self.error:
            raise self.error
        halves = np.clip(0.5 + z[:, :2] / 20, 0, 1).astype(np.float32)
        pictures = np.repeat(np.repeat(halves[:, None], 16, axis=1), 8, axis=2)  # (n, 16, 16)
        return pictures.reshape(*pictures.shape, *[1] * len(self.channels)) * np.ones(self.channels, np.float32)


def walk_through(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from walk_through(child)


def all_of(explorer, name):
    return [part for part in walk_through(explorer.view) if f"explore-{name}" in getattr(part, "_dom_classes", ())]


def find(explorer, name):
    [widget] = all_of(explorer, name)
    return widget


def captions(explorer):
    return " ".join(part.value for part in walk_through(explorer.view) if isinstance(part, ipywidgets.HTML))


def pixels(explorer, name):
    return np.asarray(Image.open(io.BytesIO(find(explorer, name).value)), np.float32) / 255


def first_two(explorer, name):
    """Return the two latents that a picture of `Decoder` holds, read back from the PNG."""
    picture = pixels(explorer, name)
    middles = picture[0, [len(picture) // 4, 3 * len(picture) // 4]]  # far from the edge, which is drawn smoothly
    return (middles if middles.ndim == 1 else middles[:, 0]) * 20 - 10


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
        self.all = []

    def __call__(self, seconds, action):
        self.all.append(Timer(action))
        return self.all[-1]

    def fire(self):
        """Run what waits."""
        for timer in self.all:
            if timer.waits:
                timer.waits = False
                timer.action()


class Timer:
    def __init__(self, action):
        self.action, self.waits, self.daemon = action, False, False

    def start(self):
        self.waits = True

    def cancel(self):
        self.waits = False


def alert(explorer):
    """Return the explorer's status line if it is about an error, else an empty text."""
    return explorer.status.value if "role='alert'" in explorer.status.value else ""
