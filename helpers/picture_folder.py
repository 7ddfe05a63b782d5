"""A folder of pictures of your own, made square and small, to train on."""

from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from helpers.decoding import decode
from helpers.errors import UserError
from helpers.images import center_crop, to_uint8

ENDINGS = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".avif", ".bmp", ".tif", ".tiff", ".ppm")
FEWEST = 10  # pictures, of which one is held out; a training needs hundreds to be worth looking at
HELD_OUT_ONE_IN = 10
SEED = 0  # of the order in which pictures are held out


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
    folder = Path(folder).expanduser()
    paths = _picture_paths(folder, size, limit)
    squares, left_out = [], []
    # Nothing is shown of what is done within a second.
    for path in tqdm(paths, desc=folder.name, unit="picture", leave=False, delay=1):
        try:
            squares.append(_square(path, size))
        except UserError:  # decode makes one of whatever ails a file
            left_out.append(str(path.relative_to(folder)))
    said = _say_left_out(left_out)
    if len(squares) < FEWEST:
        raise UserError(
            f"{folder} has {len(squares)} pictures that can be used{said}. Give at least {FEWEST}; some hundred, all "
            "of one kind, are the least to learn from."
        )
    order = np.random.default_rng(SEED).permutation(len(squares))
    pictures, held_out = np.stack(squares)[order], max(1, len(squares) // HELD_OUT_ONE_IN)
    print(f"{folder}: {len(squares) - held_out:,} training and {held_out:,} held-out pictures, {size}x{size}{said}.")
    return pictures[:-held_out], pictures[-held_out:]


def _picture_paths(folder: Path, size: int, limit: int | None) -> list[Path]:
    if size < 16:
        raise UserError(f"pictures of {size}x{size} pixels are too small. Ask for a size of at least 16.")
    if limit is not None and limit < FEWEST:
        raise UserError(f"a limit of {limit} pictures is too low. Give at least {FEWEST}, or None for all.")
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder (looked for from {Path.cwd()}). Name one with pictures in it.")
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file())
    return [path for path in found if not path.name.startswith(".")][:limit]


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
