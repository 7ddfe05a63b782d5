"""A folder of pictures of your own, made square and small, to train on: all in memory, or on the disk."""

import hashlib
import os
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from helpers import downloads
from helpers.decoding import decode
from helpers.errors import UserError
from helpers.images import center_crop, to_uint8
from helpers.profiles import CHECKOUT, expanded
from helpers.stored_pictures import StoredPictures, remove_older, store

ENDINGS = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".avif", ".bmp", ".tif", ".tiff", ".ppm")
FEWEST = 10  # pictures, of which one is held out; a training needs hundreds to be worth looking at
HELD_OUT_ONE_IN = 10
SEED = 0  # of the order in which pictures are held out
THREADS = 4  # at most; each may hold a picture of 100 million pixels
CHUNK = 32  # pictures decoded before the first of them is used


def load_folder(folder: Path | str, size: int = 64, limit: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Load the pictures in a folder and in those below it; the middle square of each, resized smoothly.

    What cannot be read, or has a side below `size`, is left out, and one printed line counts and names it. Pictures
    are turned upright, grey ones become RGB, transparent parts white, as with `images.load_picture`.

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
    _check_enough(folder, len(squares), left_out)
    order = np.random.default_rng(SEED).permutation(len(squares))
    pictures, held_out = np.stack(squares)[order], max(1, len(squares) // HELD_OUT_ONE_IN)
    _say_found(folder, len(squares), held_out, size, _say_left_out(left_out))
    return pictures[:-held_out], pictures[-held_out:]


def stream_folder(
    folder: Path | str, size: int = 64, most_held_out: int = 1_000, cache: Path | None = None
) -> tuple[StoredPictures, np.ndarray]:
    """Prepare the pictures in a folder as `load_folder` does, but keep those for training on the disk.

    For sets larger than memory. Decoding photographs again in each epoch would hold up the training, so each is
    decoded once: the squares go into one file of 3 * size * size bytes a picture (2.5 GB for 200,000 of 64x64), whose
    place is printed. It is used again as long as names, sizes and dates of the files are what they were; afterwards
    there is a new one, and the old one is removed (on Windows when nothing has it open any more, the next time).

    Args:
        folder, size: as with `load_folder`.
        most_held_out: the most pictures held out, at least 1. They are in memory.
        cache: the folder for that file; None for `data/cache/own_pictures`, or the user's cache folder where the
            checkout cannot be written to.

    Returns:
        (training, held out): for `batches.PictureBatches`, a slice of it being an array; and uint8
        `(n, size, size, 3)`, RGB in 0–255. Where `most_held_out` takes none away they are those of `load_folder`.

    Raises:
        UserError: as with `load_folder`; or the file cannot be written.
    """
    if most_held_out < 1:
        raise UserError(f"{most_held_out} pictures held out score nothing. Let most_held_out be 1 or more.")
    folder, left_out = expanded(folder), []
    paths = _picture_paths(folder, size, None)
    cache = cache or downloads.writable_cache(CHECKOUT / "data" / "cache" / "own_pictures")
    name = hashlib.sha256(f"{folder.resolve()} {size}".encode()).hexdigest()[:20]
    path = cache / f"{name}-{_state(folder, paths)[:20]}.bin"
    if is_new := not os.path.exists(path):
        store(_squares(folder, paths, size, left_out), path)
    remove_older(path)
    shape = (size, size, 3)
    count = len(StoredPictures(path, shape))
    if count < FEWEST:
        path.unlink(missing_ok=True)  # so that what is wrong with the others is said the next time, too
    _check_enough(folder, count, left_out)
    order = np.random.default_rng(SEED).permutation(count)
    held_out = min(most_held_out, max(1, count // HELD_OUT_ONE_IN))
    earlier = f"; left out earlier: {len(paths) - count:,}" if not is_new and count < len(paths) else ""
    said = f"{_say_left_out(left_out)}{earlier}; kept in {path} ({path.stat().st_size / 1e6:,.0f} MB)"
    _say_found(folder, count, held_out, size, said)
    return StoredPictures(path, shape, order[:-held_out]), StoredPictures(path, shape, order[-held_out:])[:]


def _picture_paths(folder: Path, size: int, limit: int | None) -> list[Path]:
    if size < 16:
        raise UserError(f"pictures of {size}x{size} pixels are too small. Ask for a size of at least 16.")
    if limit is not None and limit < FEWEST:
        raise UserError(f"a limit of {limit} pictures is too low. Give at least {FEWEST}, or None for all.")
    if not os.path.isdir(folder):  # nor is one that may not be looked into
        raise UserError(f"{folder} is no folder (looked for from {Path.cwd()}). Name one with pictures in it.")
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS and os.path.isfile(path))
    return [path for path in found if not path.name.startswith(".")][:limit]


def _state(folder: Path, paths: list[Path]) -> str:
    """Return a hexadecimal number that changes when a picture comes, goes, or is changed."""
    digest = hashlib.sha256()
    for path in paths:
        try:
            status = path.stat()
        except OSError:  # it has gone since the folder was listed
            continue
        digest.update(f"{path.relative_to(folder)}\0{status.st_size} {status.st_mtime_ns}\0".encode(errors="replace"))
    return digest.hexdigest()


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


def _check_enough(folder: Path, count: int, left_out: list[str]) -> None:
    if count < FEWEST:
        raise UserError(
            f"{folder} has {count} pictures that can be used{_say_left_out(left_out)}. Give at least {FEWEST}; some "
            "hundred, all of one kind, are the least to learn from."
        )


def _say_found(folder: Path, count: int, held_out: int, size: int, said: str) -> None:
    print(f"{folder}: {count - held_out:,} training and {held_out:,} held-out pictures, {size}x{size}{said}.")


def _square(path: Path, size: int) -> np.ndarray:
    """Return the middle square of a picture, uint8 `(size, size, 3)`.

    Raises:
        UserError: it cannot be read, or a side is below `size`.
    """

    def short_side_to_size(height: int, width: int) -> tuple[int, int]:
        if min(height, width) < size:
            raise UserError(f"{path} is {width} wide and {height} high, less than {size}.")
        return round(height * size / min(height, width)), round(width * size / min(height, width))

    return to_uint8(center_crop(decode(path, str(path), short_side_to_size)[0], size, size))


def _say_left_out(names: list[str]) -> str:
    if not names:
        return ""
    named = ", ".join(names[:5]) + (" and others" if len(names) > 5 else "")
    return f"; left out, since unreadable or too small: {len(names):,} ({named})"
