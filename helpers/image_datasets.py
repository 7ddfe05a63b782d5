"""Loaders of small labelled images: MNIST's digits and Fashion-MNIST's garments, or stand-ins for them."""

import gzip
import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from helpers import sources
from helpers.archives import archive_members
from helpers.datasets import _report, _standin_line
from helpers.drawn_digits import draw_digits
from helpers.drawn_garments import GARMENTS, draw_garments
from helpers.errors import UserError

SIDE = 28  # pixels
STANDIN_IMAGES = {"train": 6_000, "test": 1_000}
# How many images of each class there are. MNIST and Fashion-MNIST have the same shapes, and their makers gave
# their files the same names: these numbers tell one from the other.
MNIST_COUNTS = {
    "train": (5_923, 6_742, 5_958, 6_131, 5_842, 5_421, 5_918, 6_265, 5_851, 5_949),
    "test": (980, 1_135, 1_032, 1_010, 982, 892, 958, 1_028, 974, 1_009),
}
FASHION_MNIST_COUNTS = {"train": (6_000,) * 10, "test": (1_000,) * 10}
_ARRAYS = ("x_train", "y_train", "x_test", "y_test")
_IDX_MAGIC = {1: 0x0801, 3: 0x0803}  # by the number of axes; 08 says "unsigned bytes"


@dataclass(frozen=True)
class LabelledImages:
    """Grey-level images in ten classes, in a training and a test part.

    Images are uint8 `(n, 28, 28)`, 0 (black) to 255 (white); labels are uint8 `(n,)`, places in `names`. `source`
    is the line that was printed; `is_real` is False for a stand-in.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    names: tuple[str, ...]
    is_real: bool
    source: str


def load_mnist(train_limit: int | None = None, test_limit: int | None = None) -> LabelledImages:
    """Load MNIST: 60,000 and 10,000 handwritten digits, white on black, in the official order.

    The stand-in is made from scikit-learn's 1,797 digits, of which the test images use 297 that no training
    image uses.

    Args:
        train_limit: the most training images wanted (the first of the fixed order); None for all.
        test_limit: likewise for the test images.

    Returns:
        The images as uint8; see `LabelledImages`. Stand-ins are 6,000 and 1,000 unless a limit says otherwise.

    Raises:
        UserError: a limit is below 1; the file found is damaged or is not MNIST; or `NB_DATA=real` and there
            is none.
    """

    def standin(part: str, count: int) -> tuple[np.ndarray, np.ndarray]:
        return draw_digits(count, seed=1, part=part)

    names, what = tuple("0123456789"), "digits made from scikit-learn's 1,797 small ones"
    return _load("mnist", "MNIST", MNIST_COUNTS, names, (train_limit, test_limit), standin, what)


def load_fashion_mnist(train_limit: int | None = None, test_limit: int | None = None) -> LabelledImages:
    """Load Fashion-MNIST: 60,000 and 10,000 photographs of garments on black, in the official order.

    The stand-in is drawn by `helpers.drawn_garments`. Arguments, result and errors as in `load_mnist`.
    """

    def standin(part: str, count: int) -> tuple[np.ndarray, np.ndarray]:
        return draw_garments(count, seed={"train": 1, "test": 2}[part])

    limits, what = (train_limit, test_limit), "garments drawn from random proportions"
    return _load("fashion_mnist", "Fashion-MNIST", FASHION_MNIST_COUNTS, GARMENTS, limits, standin, what)


def _load(
    key: str,
    title: str,
    counts: dict[str, tuple[int, ...]],
    names: tuple[str, ...],
    limits: tuple[int | None, int | None],
    standin: Callable[[str, int], tuple[np.ndarray, np.ndarray]],
    what: str,
) -> LabelledImages:
    for limit in limits:
        if limit is not None and limit < 1:
            raise UserError(f"a limit of {limit} images leaves nothing to see. Give at least 1, or None for all.")
    lookup = sources.find(key)
    if lookup.paths:
        arrays = _read_npz(lookup.paths[0], counts) if len(lookup.paths) == 1 else _read_idx(lookup.paths, counts)
        where = ", ".join(str(path) for path in lookup.paths)
        _check_content(arrays, counts, title, where)
        parts = [(images[:limit], labels[:limit]) for (images, labels), limit in zip(arrays, limits, strict=True)]
    else:
        sizes = [limit or STANDIN_IMAGES[part] for part, limit in zip(STANDIN_IMAGES, limits, strict=True)]
        parts = [standin(part, size) for part, size in zip(STANDIN_IMAGES, sizes, strict=True)]
    (train_images, train_labels), (test_images, test_labels) = parts
    said = f"{len(train_images):,} training and {len(test_images):,} test"
    if lookup.paths:
        checked = ", checked by its content" if lookup.note.startswith("local") else ""
        line = f"{title}: {said} images, {lookup.note}{checked}."
    else:
        line = _standin_line(key, f"{said} {what}", lookup.note)
    return _report(
        LabelledImages(train_images, train_labels, test_images, test_labels, names, bool(lookup.paths), line)
    )


def _read_npz(path: Path, counts: dict[str, tuple[int, ...]]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (images, labels) of both parts from a NumPy archive; nothing in it is unpickled."""
    arrays = {}
    try:
        # Members one by one, and each of bounded size: np.load would read whatever size an archive declares.
        for name, content in archive_members(path, r"[xy]_(train|test)\.npy"):
            arrays[name.removesuffix(".npy")] = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, MemoryError, OSError) as error:
        raise UserError(f"{path} cannot be read ({error}). Delete it and get it again.") from error
    if missing := [name for name in _ARRAYS if name not in arrays]:
        raise UserError(f"{path} lacks {', '.join(missing)}. Delete it and get it again.")
    for name in _ARRAYS:
        total = sum(counts[name[2:]])
        shape = (total, SIDE, SIDE) if name[0] == "x" else (total,)
        if arrays[name].shape != shape or arrays[name].dtype != np.uint8:
            raise UserError(
                f"{path}: {name} is {arrays[name].dtype} {arrays[name].shape} instead of uint8 {shape}. "
                "Delete it and get it again."
            )
    return [(arrays[f"x_{part}"], arrays[f"y_{part}"]) for part in ("train", "test")]


def _read_idx(paths: tuple[Path, ...], counts: dict[str, tuple[int, ...]]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (images, labels) of both parts from the four official files, in the manifest's order."""
    totals = [sum(counts["train"])] * 2 + [sum(counts["test"])] * 2
    shapes = [(total, SIDE, SIDE) if place % 2 == 0 else (total,) for place, total in enumerate(totals)]
    arrays = [_read_idx_file(path, shape) for path, shape in zip(paths, shapes, strict=True)]
    return [(arrays[0], arrays[1]), (arrays[2], arrays[3])]


def _read_idx_file(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Return the array of a gzipped idx file (http://yann.lecun.com/exdb/mnist/ defines it): header, then bytes.

    The header is big-endian: two zero bytes, the type of the values, the number of axes, and the length of each.
    """
    header = np.array([_IDX_MAGIC[len(shape)], *shape], ">u4").tobytes()
    whole = len(header) + int(np.prod(shape))
    try:
        with gzip.open(path) as file:
            content = file.read(whole + 1)  # one more, to see that it ends there and to have its checksum compared
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path} is damaged ({error}). Delete it and get it again.") from error
    if not content.startswith(header) or len(content) != whole:
        raise UserError(
            f"{path} is not the official file: it begins {content[: len(header)].hex(' ', 4)} and has "
            f"{'more than ' if len(content) > whole else ''}{min(len(content), whole):,} bytes, instead of "
            f"{header.hex(' ', 4)} and {whole:,}. Delete it and get it again."
        )
    return np.frombuffer(content, np.uint8, offset=len(header)).reshape(shape).copy()


def _check_content(
    arrays: list[tuple[np.ndarray, np.ndarray]], counts: dict[str, tuple[int, ...]], title: str, where: str
) -> None:
    for part, (images, labels) in zip(("train", "test"), arrays, strict=True):
        found = tuple(np.bincount(labels, minlength=10).tolist())
        if found != counts[part]:
            raise UserError(
                f"{where} is not {title}: its {part} labels number {found} from class 0 on, instead of "
                f"{counts[part]}. MNIST and Fashion-MNIST name their files alike; put them into different folders, "
                "or get this one again."
            )
        if images.max(initial=0) < 128:
            raise UserError(f"{where} is not {title}: its {part} images are all dark. Delete it and get it again.")
