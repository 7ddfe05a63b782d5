"""Named pictures: photographs to dream on and to repaint, and paintings to take a style from."""

import difflib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from helpers import painting, sources
from helpers.errors import UserError
from helpers.images import fit, load_picture

_PREFIXES = ("", "style_", "content_")
_ENDINGS = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True)
class Picture:
    """A picture and where it is from.

    `pixels` is float32 `(height, width, 3)`, RGB in [0, 1]; `source` is the line that was printed; `is_real` is
    False when `pixels` are a stand-in for what `name` promises.
    """

    pixels: np.ndarray
    name: str
    is_real: bool
    source: str


@dataclass(frozen=True)
class _Wanted:
    """A picture that only a local copy can give: what it shows, how to get it, and which one stands in for it."""

    title: str
    advice: str
    standin: str


_PAINTING = "get a reproduction of it, from commons.wikimedia.org for one"
_PHOTOGRAPH = "take any photograph of it that you may use"
_WANTED = {
    "starry_night": _Wanted("The Starry Night, Vincent van Gogh, 1889", _PAINTING, "painting"),
    "the_scream": _Wanted("The Scream, Edvard Munch, 1893", _PAINTING, "embers"),
    "kandinsky": _Wanted("Composition VII, Wassily Kandinsky, 1913", _PAINTING, "mosaic"),
    "golden_gate": _Wanted("the Golden Gate Bridge in San Francisco", _PHOTOGRAPH, "china"),
    "tubingen": _Wanted("the houses at the Neckar in T\u00fcbingen", _PHOTOGRAPH, "flower"),
}
_PHOTOGRAPHS = {
    "china": "a temple in China, photograph by danielbuechele (CC BY 2.0), from scikit-learn",
    "flower": "a flower, photograph by vultilion (CC BY 2.0), from scikit-learn",
}
_PAINTED = {  # name → style of helpers/painting.py, and what it shows
    "painting": ("swirls", "blue and yellow swirls, painted by this project"),
    "embers": ("embers", "red and orange waves, painted by this project"),
    "mosaic": ("mosaic", "fans of warm stones, laid by this project"),
}
NAMES = (*_WANTED, *_PHOTOGRAPHS, *_PAINTED)


def load(name: str, height: int | None = None) -> Picture:
    """Load a picture by its name, and print one line: what was used, and how to get the real one.

    "starry_night", "the_scream" and "kandinsky" are paintings, "golden_gate" and "tubingen" photographs: a
    local copy is looked for in the data folders and in their folder pictures/, under that name (or with
    style_ or content_ before it) and .jpg, .jpeg or .png after it. "china" and "flower" come with scikit-learn,
    "painting", "embers" and "mosaic" are painted on the spot; these five are always there, and stand in for the
    others.

    Args:
        name: one of `NAMES`.
        height: of the result in pixels; None keeps the picture's own. The width follows.

    Raises:
        UserError: there is no such name; the local copy cannot be decoded; or `NB_DATA=real` and there is none.
    """
    if name not in NAMES:
        near = difflib.get_close_matches(name, NAMES) or NAMES
        raise UserError(
            f"there is no picture {name!r}. Did you mean {' or '.join(near)}? For a picture of your own, call "
            "images.load_picture with its path."
        )
    if name not in _WANTED:
        pixels, what = _always_there(name, height)
        return _report(Picture(pixels, name, True, f"Picture {name}: {what}."))
    mode, wanted = sources.data_mode(), _WANTED[name]
    path = _local_copy(name) if mode != "standin" else None
    if path:
        source = f"Picture {name}: {wanted.title}, local copy {path}."
        return _report(Picture(load_picture(path, height), name, True, source))
    by_hand = f"{wanted.advice}, and put it as {name}.jpg into a folder that GENERATIVE_DATA_DIR names"
    if mode == "real":
        looked = ", ".join(map(str, _folders()))
        raise UserError(
            f"{name} ({wanted.title}) is missing, and NB_DATA=real allows no stand-in. Looked for {name}.jpg or .png "
            f"in {looked}. To have it, {by_hand}. Or set NB_DATA=auto."
        )
    reason = "NB_DATA=standin asks for it" if mode == "standin" else "no local copy was found"
    pixels, what = _always_there(wanted.standin, height)
    source = f"Stand-in: {what}, because {reason}. For the real {name} ({wanted.title}) {by_hand}."
    return _report(Picture(pixels, name, False, source))


def _always_there(name: str, height: int | None) -> tuple[np.ndarray, str]:
    """Return a picture that needs no file of the reader's, and what it shows."""
    if height is not None and height < 1:
        raise UserError(f"a picture cannot be {height} pixels high. Give at least 1, or None for its own height.")
    if name in _PAINTED:
        style, what = _PAINTED[name]
        pixels = _painted(style).copy()
    else:
        from sklearn.datasets import load_sample_image  # a second that only these two pictures need

        what = _PHOTOGRAPHS[name]
        pixels = np.asarray(load_sample_image(f"{name}.jpg"), np.float32) / 255
    return (pixels if height is None else fit(pixels, height)), what


@cache
def _painted(style: str) -> np.ndarray:
    """Return a painting that takes a second or two to paint, and is kept; not to be changed."""
    return painting.paint(style)


def _folders() -> list[Path]:
    return [place for folder in sources.local_folders() for place in (folder, folder / "pictures")]


def _local_copy(name: str) -> Path | None:
    for folder in _folders():
        for prefix in _PREFIXES:
            for ending in _ENDINGS:
                if (path := folder / f"{prefix}{name}{ending}").is_file():
                    return path
    return None


def _report(picture: Picture) -> Picture:
    print(picture.source)
    return picture
