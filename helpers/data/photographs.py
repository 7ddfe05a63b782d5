"""Pictures by name, from a file, from the web, or a whole folder of them to train on."""

import difflib
import hashlib
import itertools
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from tqdm.auto import tqdm

from helpers import images
from helpers.data import downloads, sources, standins
from helpers.session import UserError, expanded

_PREFIXES = ("", "style_", "content_")
_ENDINGS = (".jpg", ".jpeg", ".png")
FOLDER_ENDINGS = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".avif", ".bmp", ".tif", ".tiff", ".ppm")
FEWEST = 10  # pictures in a folder, of which one is held out; a training needs hundreds to be worth looking at
HELD_OUT_ONE_IN = 10
SIDE = 64  # pixels of the squares that are cut out of a folder's pictures
SEED = 0  # of the order in which pictures are held out
THREADS = 4  # at most; each may hold a picture of 100 million pixels


@dataclass(frozen=True)
class Picture:
    """A picture and its source.

    `pixels` is float32 `(height, width, 3)`, RGB in [0, 1]; `source` is one line that names the source; `is_real` is
    False for a stand-in for what `name` promises.
    """

    pixels: np.ndarray
    name: str
    is_real: bool
    source: str


_PAINTING = "get a reproduction of it, from commons.wikimedia.org for one"
_PHOTOGRAPH = "take any photograph of it that you may use"
_BY_HAND = {  # name → its subject, and how to get it; only a local copy can give it
    "the_scream": ("The Scream, Edvard Munch, 1893", _PAINTING),
    "kandinsky": ("Composition VII, Wassily Kandinsky, 1913", _PAINTING),
    "golden_gate": ("the Golden Gate Bridge in San Francisco", _PHOTOGRAPH),
    "tubingen": ("the houses at the Neckar in T\u00fcbingen", _PHOTOGRAPH),
}
_STANDINS = {  # name → the picture that stands in for it; names that are not in _BY_HAND are in data/manifest.toml
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
_PAINTED = {  # name → style of helpers/data/standins.py, and its subject
    "painting": ("swirls", "blue and yellow swirls, painted by this project"),
    "embers": ("embers", "red and orange waves, painted by this project"),
    "mosaic": ("mosaic", "fans of warm stones, laid by this project"),
}
NAMES = (*_STANDINS, *_PHOTOGRAPHS, *_PAINTED)


def load_picture(name: Path | str, height: int | None = None, *, longest_side: int = images.LONGEST_SIDE) -> Picture:
    """Load a picture by its name, from a file, or from the web.

    By name: "starry_night", "the_scream" and "kandinsky" are paintings, "coast", "san_francisco", "golden_gate" and
    "tubingen" photographs. A local copy is looked for in the data folders and in their folder pictures/, under that
    name (or with style_ or content_ before it) and .jpg, .jpeg or .png after it. "starry_night", "coast" and
    "san_francisco" (also found as sf.jpg) are downloaded if there is no copy. "china" and "flower" are part of
    scikit-learn; this project painted "painting", "embers" and "mosaic". These five are always there, and stand in for
    the others. One printed line names the source, and says how to get the real picture.

    Your own: a picture is turned upright as EXIF says, transparent parts become white, and an animation gives its
    first frame. A picture from the web is kept in the cache, so the second time needs no network.

    Args:
        name: one of `NAMES`, a path, or an address that begins with http:// or https://.
        height: of the result in pixels; None keeps the picture's own. The width follows.
        longest_side: pixels; a file's picture that would be longer is shrunk to it, and one printed line says so.

    Returns:
        The `Picture`, with `pixels` float32 `(height, width, 3)`, RGB in [0, 1].

    Raises:
        UserError: there is no such name, file or address; it is a folder, no picture, damaged, too small or too large;
            or `NB_DATA=real` and a named picture is missing.
    """
    text = str(name)
    if text in NAMES:
        picture = _named(text, height)
        print(picture.source)
        return picture
    if text.lower().startswith(("http://", "https://")):
        file = _from_web(text)
    elif Path(text).suffix or os.sep in text or "/" in text:
        file = _existing_file(expanded(text))
    else:
        near = difflib.get_close_matches(text, NAMES) or NAMES
        raise UserError(
            f"there is no picture {text!r}. Did you mean {' or '.join(near)}? For a picture of your own, give its path "
            "with .jpg, .png or the like at its end."
        )
    return Picture(images.picture_from_file(file, text, height, longest_side), text, True, f"Picture {text}.")


def load_folder(folder: Path | str, limit: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Load the pictures in a folder and in those below it; the middle square of each, resized smoothly to 64x64.

    Pictures that cannot be read, or have a side below 64 pixels, are left out; one printed line counts and names them.
    Pictures are turned upright, grey ones become RGB, transparent parts white, as with `load_picture`.

    Args:
        folder: where the pictures are. Only files with the usual endings are looked at, in any case of letters.
        limit: the most pictures wanted, the first by name; None for all.

    Returns:
        (training, held out): uint8 `(n, 64, 64, 3)`, RGB in 0–255. One picture in ten is held out, at least one,
        the same ones each time.

    Raises:
        UserError: there is no such folder, or fewer than 10 of its pictures can be used.
    """
    folder = expanded(folder)
    if not os.path.isdir(folder):  # False, unlike Path.is_dir, where the system allows no look
        raise UserError(f"{folder} is no folder (looked for from {Path.cwd()}). Name one with pictures in it.")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in FOLDER_ENDINGS and os.path.isfile(path))
    paths = [path for path in files if not path.name.startswith(".")][:limit]
    with warnings.catch_warnings(), ThreadPoolExecutor(THREADS) as pool:  # `decode` sets filters that all threads share
        bar = tqdm(pool.map(_square, paths), folder.name, len(paths), unit="picture", leave=False, delay=1)
        squares = list(bar)
    left_out = [str(path.relative_to(folder)) for path, square in zip(paths, squares, strict=True) if square is None]
    squares = [square for square in squares if square is not None]
    note = ""
    if left_out:
        named = ", ".join(left_out[:5]) + (" and others" if len(left_out) > 5 else "")
        note = f"; left out, since unreadable or too small: {len(left_out):,} ({named})"
    if len(squares) < FEWEST:
        raise UserError(
            f"{folder} has {len(squares)} pictures that can be used{note}. Give at least {FEWEST}; some hundred, all "
            "of one kind, are the least to learn from."
        )
    pictures = np.stack(squares)[np.random.default_rng(SEED).permutation(len(squares))]
    held_out = max(1, len(pictures) // HELD_OUT_ONE_IN)
    counts = f"{len(pictures) - held_out:,} training and {held_out:,} held-out pictures"
    print(f"{folder}: {counts}, {SIDE}x{SIDE}{note}.")
    return pictures[:-held_out], pictures[-held_out:]


def _square(path: Path) -> np.ndarray | None:
    """Return the middle square of a picture, uint8 `(64, 64, 3)`; None if it cannot be read or is too small."""

    def short_side_to_square(height: int, width: int) -> tuple[int, int]:
        if min(height, width) < SIDE:
            raise UserError(f"{path} is {width} wide and {height} high, less than {SIDE}.")
        return round(height * SIDE / min(height, width)), round(width * SIDE / min(height, width))

    try:
        pixels, _ = images.decode(path, str(path), short_side_to_square)
    except UserError:
        return None
    return images.to_uint8(images.center_crop(pixels, SIDE, SIDE))


def _named(name: str, height: int | None) -> Picture:
    if name not in _STANDINS:
        pixels, subject = _always_there(name, height)
        return Picture(pixels, name, True, f"Picture {name}: {subject}.")
    if name in _BY_HAND:
        title, advice = _BY_HAND[name]
        advice += f", and put it as {name}.jpg into a folder that GENERATIVE_DATA_DIR names"
    else:
        title, advice = sources.manifest()[name].title, sources.manifest()[name].by_hand
    lookup = _find(name, title, advice)
    if lookup.paths:
        pixels = images.picture_from_file(lookup.paths[0], str(lookup.paths[0]), height)
        return Picture(pixels, name, True, f"Picture {name}: {title}, {lookup.note}.")
    pixels, subject = _always_there(_STANDINS[name], height)
    source = f"Stand-in: {subject}, because {lookup.note}. For the real {name} ({title}) {advice}."
    return Picture(pixels, name, False, source)


def _find(name: str, title: str, advice: str) -> sources.Lookup:
    """Look for a picture: a local copy under any of its names, then the file at the manifest's address."""
    mode = sources.data_mode()
    folders = [place for folder in sources.local_folders() for place in (folder, folder / "pictures")]
    path = _local_copy(name, folders) if mode != "standin" else None
    if path:
        return sources.Lookup((path,), f"local copy {path}")
    if name not in _BY_HAND:
        return sources.find(name)
    if mode == "real":
        raise UserError(
            f"{name} ({title}) is missing, and NB_DATA=real allows no stand-in. Looked for {name}.jpg or .png in "
            f"{', '.join(map(str, folders))}. To have it, {advice}. Or set NB_DATA=auto."
        )
    return sources.Lookup((), "NB_DATA=standin asks for it" if mode == "standin" else "no local copy was found")


def _local_copy(name: str, folders: list[Path]) -> Path | None:
    files = () if name in _BY_HAND else sources.manifest()[name].files
    stems = (name, *(Path(file.name).stem for file in files))
    for folder, stem, prefix, ending in itertools.product(folders, stems, _PREFIXES, _ENDINGS):
        if os.path.isfile(path := folder / f"{prefix}{stem}{ending}"):  # False where the folder may not be read
            return path
    return None


def _always_there(name: str, height: int | None) -> tuple[np.ndarray, str]:
    """Return a picture that needs no file of the reader's, and its subject."""
    if name in _PAINTED:
        style, subject = _PAINTED[name]
        pixels = standins.painting(style)
    else:
        from sklearn.datasets import load_sample_image  # a second that only these two pictures need

        subject, pixels = _PHOTOGRAPHS[name], images.as_floats(load_sample_image(f"{name}.jpg"))
    return (pixels if height is None else images.fit(pixels, height)), subject


def _existing_file(path: Path) -> Path:
    """Return `path` if a file is there, else raise a UserError that names what was probably meant."""
    try:
        if path.is_dir():
            raise UserError(f"{path} is a folder. Name a picture in it.")
        if os.path.isfile(path):
            return path
        neighbours = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    except OSError as error:  # a name that is too long, such as an address that begins with "data:", or a closed folder
        shown = str(path) if len(str(path)) < 200 else f"{str(path)[:100]} …"
        raise UserError(
            f"{shown} cannot be looked for ({error.strerror}). Save the picture where you may read it; give its path."
        ) from error
    near = difflib.get_close_matches(path.name, neighbours, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}?" if near else "Check the name and the folder it is looked for in."
    raise UserError(f"there is no file {path} (looked for from {Path.cwd()}). {hint}")


def _from_web(url: str) -> Path:
    """Return the cached file of a web address, downloading it first if need be; UserError if that fails."""

    def check(received: Path) -> None:
        try:
            images.check_picture(received, url)
        except UserError as error:  # perhaps a page that said "try again later"
            raise UserError(f"{error} The address has to be that of the picture file itself, not of a page.") from error

    try:
        ending = Path(urlsplit(url).path).suffix[:6]
        path = sources.cache_folder("pictures") / f"web-{hashlib.sha256(url.encode()).hexdigest()[:20]}{ending}"
        downloads.download(url, path, most=sources.LARGEST_PICTURE, check=check)
    except (ValueError, downloads.DownloadError) as error:
        raise UserError(
            f"{url} could not be downloaded: {error}. Check the address, or give the path of a picture on this machine."
        ) from error
    return path
