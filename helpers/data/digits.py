"""Loaders of small labelled images: MNIST's digits and Fashion-MNIST's garments, or stand-ins for them."""

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from helpers.data import sources
from helpers.data import standins
from helpers.data.archives import npz_arrays
from helpers.session import UserError

SIDE = 28  # pixels
PARTS = ("train", "test")
GARMENTS = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
IDX_UNSIGNED_BYTES = 0x08  # the third byte of an idx file
Part = tuple[np.ndarray, np.ndarray]  # images and labels


@dataclass(frozen=True, eq=False)
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


@dataclass(frozen=True)
class DataSet:
    """What is known of a data set beforehand.

    `counts` says how many images of each class a part ("train", "test") has. MNIST and Fashion-MNIST have the same
    shapes, and their makers gave their files the same names: these numbers tell one from the other.
    `load_standin(part, limit)` gives the first pictures of a stand-in, which `standin` describes.
    """

    key: str
    title: str
    names: tuple[str, ...]
    counts: dict[str, tuple[int, ...]]
    load_standin: Callable[[str, int | None], Part]
    standin: str

    def shapes(self, part: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the shape of a part's images and of its labels."""
        total = sum(self.counts[part])
        return (total, SIDE, SIDE), (total,)


MNIST = DataSet(
    key="mnist",
    title="MNIST",
    names=tuple("0123456789"),
    counts={
        "train": (5_923, 6_742, 5_958, 6_131, 5_842, 5_421, 5_918, 6_265, 5_851, 5_949),
        "test": (980, 1_135, 1_032, 1_010, 982, 892, 958, 1_028, 974, 1_009),
    },
    load_standin=standins.digits,
    standin="digits made from scikit-learn's 1,797 small ones",
)
FASHION_MNIST = DataSet(
    key="fashion_mnist",
    title="Fashion-MNIST",
    names=GARMENTS,
    counts={"train": (6_000,) * 10, "test": (1_000,) * 10},
    load_standin=standins.garments,
    standin="garments drawn by this project from random proportions",
)


def load_mnist(train_limit: int | None = None, test_limit: int | None = None) -> LabelledImages:
    """Load MNIST: 60,000 and 10,000 handwritten digits, white on black, in the official order.

    The stand-in is made from scikit-learn's 1,797 digits, of which the test images use 297 that no training
    image uses.

    Args:
        train_limit: the most training images wanted (the first of the fixed order); None for all.
        test_limit: likewise for the test images.

    Returns:
        The images as uint8; see `LabelledImages`. Stand-ins are 6,000 and 1,000 at most.

    Raises:
        UserError: a limit is below 1; the file found is damaged or is not MNIST; or `NB_DATA=real` and there
            is none.
    """
    return _load(MNIST, {"train": train_limit, "test": test_limit})


def load_fashion_mnist(train_limit: int | None = None, test_limit: int | None = None) -> LabelledImages:
    """Load Fashion-MNIST: 60,000 and 10,000 photographs of garments on black, in the official order.

    The stand-in is drawn, 5,000 and 1,000 at most. Arguments, result and errors are those of `load_mnist`.
    """
    return _load(FASHION_MNIST, {"train": train_limit, "test": test_limit})


def _load(data_set: DataSet, limits: dict[str, int | None]) -> LabelledImages:
    for limit in limits.values():
        if limit is not None and limit < 1:
            raise UserError(f"a limit of {limit} images leaves nothing to see. Give at least 1, or None for all.")
    lookup = sources.find(data_set.key)
    if lookup.paths:
        whole = _read(lookup.paths, data_set)
        parts = {part: (images[: limits[part]], labels[: limits[part]]) for part, (images, labels) in whole.items()}
    else:
        parts = {part: data_set.load_standin(part, limits[part]) for part in PARTS}
    (train_images, train_labels), (test_images, test_labels) = parts["train"], parts["test"]
    said = f"{len(train_images):,} training and {len(test_images):,} test"
    if lookup.paths:
        checked = " (checked by its content)" if lookup.note.startswith("local") else ""
        line = f"{data_set.title}: {said} images, {lookup.note}{checked}."
    else:
        line = sources.standin_line(data_set.key, f"{said} {data_set.standin}", lookup.note)
    print(line)
    return LabelledImages(
        train_images, train_labels, test_images, test_labels, data_set.names, bool(lookup.paths), line
    )


def _read(paths: tuple[Path, ...], data_set: DataSet) -> dict[str, Part]:
    """Return both parts from one NumPy archive, or from the four idx files in the manifest's order."""
    if len(paths) == 1:
        parts = _read_npz(paths[0], data_set)
    else:
        shapes = [shape for part in PARTS for shape in data_set.shapes(part)]
        arrays = [_read_idx(path, shape) for path, shape in zip(paths, shapes, strict=True)]
        parts = {"train": (arrays[0], arrays[1]), "test": (arrays[2], arrays[3])}
    for part, (_, labels) in parts.items():
        found = tuple(np.bincount(labels, minlength=10).tolist())
        if found != data_set.counts[part]:
            raise UserError(
                f"{paths[0].parent} holds other data than {data_set.title} under the name of {paths[0].name}: its "
                f"{part} labels number {found} by class, instead of {data_set.counts[part]}. The files of MNIST and "
                "of Fashion-MNIST have the same names, so keep them in different folders; or get this one again."
            )
    return parts


def _read_npz(path: Path, data_set: DataSet) -> dict[str, Part]:
    """Return both parts from the arrays x_train, y_train, x_test and y_test; nothing is unpickled."""
    arrays = npz_arrays(path)
    wanted = {
        f"{kind}_{part}": shape for part in PARTS for kind, shape in zip("xy", data_set.shapes(part), strict=True)
    }
    for name, shape in wanted.items():
        array = arrays.get(name)
        if array is None or array.dtype != np.uint8 or array.shape != shape:
            found = "missing" if array is None else f"{array.dtype} {array.shape}"
            raise UserError(
                f"{path} is not {data_set.title}: {name} is {found} instead of uint8 {shape}. "
                "Delete it and get it again."
            )
    return {part: (arrays[f"x_{part}"], arrays[f"y_{part}"]) for part in PARTS}


def _read_idx(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Return the uint8 array of a gzipped idx file, the format of MNIST's makers (yann.lecun.com/exdb/mnist).

    Its header is two zero bytes, the type of the values, the number of axes, and the length of each, big-endian.
    """
    header = bytes((0, 0, IDX_UNSIGNED_BYTES, len(shape))) + np.array(shape, ">u4").tobytes()
    size = len(header) + int(np.prod(shape))
    try:
        with gzip.open(path) as file:
            content = file.read(size + 1)  # no more than that; and at its end gzip compares the checksum
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path} is damaged ({error}). Delete it and get it again.") from error
    if not content.startswith(header) or len(content) != size:
        more = "more than " if len(content) > size else ""
        raise UserError(
            f"{path} is not the official file: unpacked it begins with {content[: len(header)].hex()} and has "
            f"{more}{min(len(content), size):,} bytes, instead of {header.hex()} and {size:,}. "
            "Delete it and get it again."
        )
    return np.frombuffer(content, np.uint8, offset=len(header)).reshape(shape).copy()
