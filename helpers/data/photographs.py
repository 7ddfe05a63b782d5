"""Pictures by name, from a file, from the web, or a whole folder of them to train on."""

import difflib
import hashlib
import itertools
import os
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from tqdm.auto import tqdm

from helpers.data import downloads
from helpers import images
from helpers.data import sources
from helpers.data import standins
from helpers.session import UserError
from helpers.session import CHECKOUT, expanded

_PREFIXES = ("", "style_", "content_")
_ENDINGS = (".jpg", ".jpeg", ".png")
FOLDER_ENDINGS = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".avif", ".bmp", ".tif", ".tiff", ".ppm")
FEWEST = 10  # pictures in a folder, of which one is held out; a training needs hundreds to be worth looking at
HELD_OUT_ONE_IN = 10
SEED = 0  # of the order in which pictures are held out
THREADS = 4  # at most; each may hold a picture of 100 million pixels
CHUNK = 32  # pictures decoded before the first of them is used


@dataclass(frozen=True)
class Picture:
    """A picture and where it is from.

    `pixels` is float32 `(height, width, 3)`, RGB in [0, 1]; `source` is one line that says where they are from;
    `is_real` is False when they are a stand-in for what `name` promises.
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
_PAINTED = {  # name → style of helpers/data/standins.py, and what it shows
    "painting": ("swirls", "blue and yellow swirls, painted by this project"),
    "embers": ("embers", "red and orange waves, painted by this project"),
    "mosaic": ("mosaic", "fans of warm stones, laid by this project"),
}
NAMES = (*_STANDINS, *_PHOTOGRAPHS, *_PAINTED)


def load_picture(
    name: Path | str,
    height: int | None = None,
    *,
    longest_side: int = images.LONGEST_SIDE,
    least: int = images.LEAST_SIDE,
) -> Picture:
    """Load a picture by its name, from a file, or from the web.

    By name: "starry_night", "the_scream" and "kandinsky" are paintings, "coast", "san_francisco", "golden_gate" and
    "tubingen" photographs. A local copy is looked for in the data folders and in their folder pictures/, under that
    name (or with style_ or content_ before it) and .jpg, .jpeg or .png after it. "starry_night", "coast" and
    "san_francisco" (also found as sf.jpg) are downloaded where there is none. "china" and "flower" come with
    scikit-learn, "painting", "embers" and "mosaic" are painted by this project; these five are always there, and stand
    in for the others. One printed line says what was used, and how to get the real one.

    Your own: a picture is turned upright as EXIF says; transparent parts become white; of an animation the first frame
    is taken. One from the web is kept in the cache, so the second time needs no network.

    Args:
        name: one of `NAMES`, a path, or an address that begins with http:// or https://.
        height: of the result in pixels; None keeps the picture's own. The width follows.
        longest_side: pixels; a file's picture that would be longer is shrunk to it, and one printed line says so.
        least: the fewest pixels of a file's picture, in height and in width, before and after resizing.

    Returns:
        The `Picture`, with `pixels` float32 `(height, width, 3)`, RGB in [0, 1].

    Raises:
        UserError: there is no such name, file or address; it is a folder, no picture, damaged, too small or too large;
            the height is below 1; or `NB_DATA=real` and a named picture cannot be had.
    """
    text = str(name)
    if text in NAMES:
        return _named(text, height)
    if text.lower().startswith(("http://", "https://")):
        file = _fetched(text)
    elif Path(text).suffix or os.sep in text or "/" in text:
        file = _existing_file(expanded(text))
    else:
        near = difflib.get_close_matches(text, NAMES) or NAMES
        raise UserError(
            f"there is no picture {text!r}. Did you mean {' or '.join(near)}? For a picture of your own, give its path "
            "with .jpg, .png or the like at its end."
        )
    return Picture(images.picture_from_file(file, text, height, longest_side, least), text, True, f"Picture {text}.")


def load_folder(folder: Path | str, size: int = 64, limit: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Load the pictures in a folder and in those below it; the middle square of each, resized smoothly.

    What cannot be read, or has a side below `size`, is left out, and one printed line counts and names it. Pictures
    are turned upright, grey ones become RGB, transparent parts white, as with `load_picture`.

    Args:
        folder: where the pictures are. Only files with the usual endings are looked at, in any case of letters.
        size: height and width of the result, in pixels, at least 16.
        limit: the most pictures wanted, the first by name; None for all.

    Returns:
        (training, held out): uint8 `(n, size, size, 3)`, RGB in 0–255. One picture in ten is held out, at least one,
        the same ones each time.

    Raises:
        UserError: there is no such folder, it has fewer than 10 pictures that can be used, or `size` or `limit` is
            out of range.
    """
    folder, left_out = expanded(folder), []
    squares = list(_squares(folder, _picture_paths(folder, size, limit), size, left_out))
    if len(squares) < FEWEST:
        raise UserError(
            f"{folder} has {len(squares)} pictures that can be used{_say_left_out(left_out)}. Give at least {FEWEST}; "
            "some hundred, all of one kind, are the least to learn from."
        )
    order = np.random.default_rng(SEED).permutation(len(squares))
    pictures, held_out = np.stack(squares)[order], max(1, len(squares) // HELD_OUT_ONE_IN)
    said = f"{len(squares) - held_out:,} training and {held_out:,} held-out pictures, {size}x{size}"
    print(f"{folder}: {said}{_say_left_out(left_out)}.")
    return pictures[:-held_out], pictures[-held_out:]


def _named(name: str, height: int | None) -> Picture:
    if name not in _STANDINS:
        pixels, what = _always_there(name, height)
        return _report(Picture(pixels, name, True, f"Picture {name}: {what}."))
    title, advice = _described(name)
    lookup = _find(name)
    if lookup.paths:
        pixels = images.picture_from_file(lookup.paths[0], str(lookup.paths[0]), height)
        return _report(Picture(pixels, name, True, f"Picture {name}: {title}, {lookup.note}."))
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
    return (pixels if height is None else images.fit(pixels, height)), what


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


def _existing_file(path: Path) -> Path:
    """Return `path` if a file is there, else raise a UserError that names what was probably meant."""
    try:
        if path.is_dir():
            raise UserError(f"{path} is a folder. Name a picture in it.")
        if path.is_file():
            return path
        if path.exists():
            raise UserError(f"{path} is neither a file nor a folder. Name a picture.")
        there = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    except OSError as error:  # a name far too long, as an address that begins with "data:" is, or a closed folder
        shown = str(path) if len(str(path)) < 200 else f"{str(path)[:100]} …"
        raise UserError(
            f"{shown} cannot be looked for ({error.strerror}). Save the picture where you may read it; give its path."
        ) from error
    near = difflib.get_close_matches(path.name, there, cutoff=0.5)
    hint = f" Did you mean {' or '.join(near)}?" if near else " Check the name and the folder it is looked for in."
    raise UserError(f"there is no file {path} (looked for from {Path.cwd()}).{hint}")


def _fetched(url: str) -> Path:
    """Return the cached file of a web address, downloading it first if need be; UserError if it cannot be had."""

    def check(received: Path) -> None:
        try:
            images.check_picture(received, url)
        except UserError as error:  # perhaps a page that said "try again later"
            raise UserError(f"{error} The address has to be that of the picture file itself, not of a page.") from error

    try:
        ending = Path(urlsplit(url).path).suffix[:6]
        folder = downloads.writable_cache(CHECKOUT / "data" / "cache" / "pictures")
        path = folder / f"web-{hashlib.sha256(url.encode()).hexdigest()[:20]}{ending}"
        downloads.download(url, path, most=sources.LARGEST_PICTURE, check=check)
    except (ValueError, downloads.DownloadError) as error:
        raise UserError(
            f"{url} could not be had: {error}. Check the address, or give the path of a picture on this machine."
        ) from error
    return path


def _picture_paths(folder: Path, size: int, limit: int | None) -> list[Path]:
    if size < 16:
        raise UserError(f"pictures of {size}x{size} pixels are too small. Ask for a size of at least 16.")
    if limit is not None and limit < FEWEST:
        raise UserError(f"a limit of {limit} pictures is too low. Give at least {FEWEST}, or None for all.")
    if not os.path.isdir(folder):  # nor is one that may not be looked into
        raise UserError(f"{folder} is no folder (looked for from {Path.cwd()}). Name one with pictures in it.")
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in FOLDER_ENDINGS and os.path.isfile(path))
    return [path for path in found if not path.name.startswith(".")][:limit]


def _squares(folder: Path, paths: list[Path], size: int, left_out: list[str]) -> Iterator[np.ndarray]:
    """Yield the square of each picture, in order; names of those that cannot be used are added to `left_out`."""

    def square(path: Path) -> np.ndarray | None:
        try:
            return _square(path, size)
        except UserError:  # decode makes one of whatever ails a file
            return None

    # Nothing is shown of what is done within a second.
    bar = tqdm(total=len(paths), desc=folder.name, unit="picture", leave=False, delay=1)
    with bar, ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as pool:
        for start in range(0, len(paths), CHUNK):
            chunk = paths[start : start + CHUNK]
            with warnings.catch_warnings():  # decode changes the filters, which are one list for all threads
                squares = list(pool.map(square, chunk))
            bar.update(len(chunk))
            left_out += [
                str(path.relative_to(folder)) for path, found in zip(chunk, squares, strict=True) if found is None
            ]
            yield from (found for found in squares if found is not None)


def _square(path: Path, size: int) -> np.ndarray:
    """Return the middle square of a picture, uint8 `(size, size, 3)`.

    Raises:
        UserError: it cannot be read, or a side is below `size`.
    """

    def short_side_to_size(height: int, width: int) -> tuple[int, int]:
        if min(height, width) < size:
            raise UserError(f"{path} is {width} wide and {height} high, less than {size}.")
        return round(height * size / min(height, width)), round(width * size / min(height, width))

    return images.to_uint8(images.center_crop(images.decode(path, str(path), short_side_to_size)[0], size, size))


def _say_left_out(names: list[str]) -> str:
    if not names:
        return ""
    named = ", ".join(names[:5]) + (" and others" if len(names) > 5 else "")
    return f"; left out, since unreadable or too small: {len(names):,} ({named})"
