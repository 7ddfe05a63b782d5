"""Named pictures: photographs to dream on and to repaint, and paintings to take a style from."""

import difflib
import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from helpers import sources, standins
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


_PAINTING = "get a reproduction of it, from commons.wikimedia.org for one"
_PHOTOGRAPH = "take any photograph of it that you may use"
_BY_HAND = {  # name → what it shows, and how to get it; only a local copy can give it
    "the_scream": ("The Scream, Edvard Munch, 1893", _PAINTING),
    "kandinsky": ("Composition VII, Wassily Kandinsky, 1913", _PAINTING),
    "golden_gate": ("the Golden Gate Bridge in San Francisco", _PHOTOGRAPH),
    "tubingen": ("the houses at the Neckar in T\u00fcbingen", _PHOTOGRAPH),
}
_STANDINS = {  # name → the picture that stands in for it; what is not in _BY_HAND is in data/manifest.toml
    "starry_night": "painting",
    "the_scream": "embers",
    "kandinsky": "mosaic",
    "coast": "china",
    "san_francisco": "china",
    "golden_gate": "china",
    "tubingen": "flower",
}
_PHOTOGRAPHS = {
    "china": "a temple in China, photograph by danielbuechele (CC BY 2.0), from scikit-learn",
    "flower": "a flower, photograph by vultilion (CC BY 2.0), from scikit-learn",
}
_PAINTED = {  # name → style of helpers/standins.py, and what it shows
    "painting": ("swirls", "blue and yellow swirls, painted by this project"),
    "embers": ("embers", "red and orange waves, painted by this project"),
    "mosaic": ("mosaic", "fans of warm stones, laid by this project"),
}
NAMES = (*_STANDINS, *_PHOTOGRAPHS, *_PAINTED)


def load(name: str, height: int | None = None) -> Picture:
    """Load a picture by its name, and print one line: what was used, and how to get the real one.

    "starry_night", "the_scream" and "kandinsky" are paintings, "coast", "san_francisco", "golden_gate" and
    "tubingen" photographs: a local copy is looked for in the data folders and in their folder pictures/, under that
    name (or with style_ or content_ before it) and .jpg, .jpeg or .png after it. "starry_night", "coast" and
    "san_francisco" (also found as sf.jpg) are downloaded where there is none. "china" and "flower" come with
    scikit-learn, "painting", "embers" and "mosaic" are painted by this project; these five are always there, and
    stand in for the others.

    Args:
        name: one of `NAMES`.
        height: of the result in pixels; None keeps the picture's own. The width follows.

    Raises:
        UserError: there is no such name; the local copy cannot be decoded; or `NB_DATA=real` and it cannot be had.
    """
    if name not in NAMES:
        near = difflib.get_close_matches(name, NAMES) or NAMES
        raise UserError(
            f"there is no picture {name!r}. Did you mean {' or '.join(near)}? For a picture of your own, call "
            "images.load_picture with its path."
        )
    if name not in _STANDINS:
        pixels, what = _always_there(name, height)
        return _report(Picture(pixels, name, True, f"Picture {name}: {what}."))
    title, advice = _described(name)
    lookup = _find(name)
    if lookup.paths:
        source = f"Picture {name}: {title}, {lookup.note}."
        return _report(Picture(load_picture(lookup.paths[0], height), name, True, source))
    pixels, what = _always_there(_STANDINS[name], height)
    source = f"Stand-in: {what}, because {lookup.note}. For the real {name} ({title}) {advice}."
    return _report(Picture(pixels, name, False, source))


def _described(name: str) -> tuple[str, str]:
    """Return what a picture shows, and half a sentence that says how to get it."""
    if name not in _BY_HAND:
        return sources.manifest()[name].title, sources.manifest()[name].by_hand
    title, advice = _BY_HAND[name]
    return title, f"{advice}, and put it as {name}.jpg into a folder that GENERATIVE_DATA_DIR names"


def _find(name: str) -> sources.Lookup:
    """Look for a picture: a local copy under any of its names, then what the manifest's address gives."""
    mode = sources.data_mode()
    path = _local_copy(name) if mode != "standin" else None
    if path:
        return sources.Lookup((path,), f"local copy {path}")
    if name not in _BY_HAND:
        return sources.find(name)
    if mode == "real":
        title, advice = _described(name)
        looked = ", ".join(map(str, _folders()))
        raise UserError(
            f"{name} ({title}) is missing, and NB_DATA=real allows no stand-in. Looked for {name}.jpg or .png "
            f"in {looked}. To have it, {advice}. Or set NB_DATA=auto."
        )
    return sources.Lookup((), "NB_DATA=standin asks for it" if mode == "standin" else "no local copy was found")


def _always_there(name: str, height: int | None) -> tuple[np.ndarray, str]:
    """Return a picture that needs no file of the reader's, and what it shows."""
    if height is not None and height < 1:
        raise UserError(f"a picture cannot be {height} pixels high. Give at least 1, or None for its own height.")
    if name in _PAINTED:
        style, what = _PAINTED[name]
        pixels = standins.painting(style)
    else:
        from sklearn.datasets import load_sample_image  # a second that only these two pictures need

        what = _PHOTOGRAPHS[name]
        pixels = np.asarray(load_sample_image(f"{name}.jpg"), np.float32) / 255
    return (pixels if height is None else fit(pixels, height)), what


def _folders() -> list[Path]:
    return [place for folder in sources.local_folders() for place in (folder, folder / "pictures")]


def _local_copy(name: str) -> Path | None:
    files = () if name in _BY_HAND else sources.manifest()[name].files
    stems = (name, *(Path(file.name).stem for file in files))
    for folder in _folders():
        for stem, prefix, ending in itertools.product(stems, _PREFIXES, _ENDINGS):
            if (path := folder / f"{prefix}{stem}{ending}").is_file():
                return path
    return None


def _report(picture: Picture) -> Picture:
    print(picture.source)
    return picture
