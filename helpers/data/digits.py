"""Loaders of small labelled images: MNIST's digits and Fashion-MNIST's garments, or stand-ins for them."""

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from helpers.data import sources, standins
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

    `counts` holds the number of images of each class in a part ("train", "test"). The files of MNIST and Fashion-MNIST
    have the same shapes and the same names: these numbers distinguish them.
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

    The stand-in is made from scikit-learn's 1,797 digits. Its test images use 297 of them that no training image uses.

    Args:
        train_limit: the most training images wanted (the first of the fixed order), at least 1; None for all.
        test_limit: likewise for the test images.

    Returns:
        The images as uint8; see `LabelledImages`. Stand-ins are 6,000 and 1,000 at most.

    Raises:
        UserError: the file is damaged or is not MNIST; or `NB_DATA=real` and there is none.
    """
    return _load(MNIST, {"train": train_limit, "test": test_limit})


def load_fashion_mnist(train_limit: int | None = None, test_limit: int | None = None) -> LabelledImages:
    """Load Fashion-MNIST: 60,000 and 10,000 photographs of garments on black, in the official order.

    The stand-in is drawn, 5,000 and 1,000 at most. Arguments, result and errors are those of `load_mnist`.
    """
    return _load(FASHION_MNIST, {"train": train_limit, "test": test_limit})


def _load(data_set: DataSet, limits: dict[str, int | None]) -> LabelledImages:
    lookup = sources.find(data_set.key)
    if lookup.paths:
        whole = _read(lookup.paths, data_set)
        parts = [tuple(array[: limits[part]] for array in whole[part]) for part in PARTS]
    else:
        parts = [data_set.load_standin(part, limits[part]) for part in PARTS]
    (train_images, train_labels), (test_images, test_labels) = parts
    counts = f"{len(train_images):,} training and {len(test_images):,} test"
    if lookup.paths:
        checked = " (checked by its content)" if lookup.note.startswith("local") else ""
        line = f"{data_set.title}: {counts} images, {lookup.note}{checked}."
    else:
        line = sources.standin_line(data_set.key, f"{counts} {data_set.standin}", lookup.note)
    print(line)
    return LabelledImages(
        train_images, train_labels, test_images, test_labels, data_set.names, bool(lookup.paths), line
    )


def _read(paths: tuple[Path, ...], data_set: DataSet) -> dict[str, Part]:
    """Return both parts from one NumPy archive, or from the four idx files in the manifest's order."""
    arrays = _read_npz(paths[0], data_set) if len(paths) == 1 else _read_idx_files(paths, data_set)
    parts = {"train": (arrays[0], arrays[1]), "test": (arrays[2], arrays[3])}
    for part, (_, labels) in parts.items():
        counts = tuple(np.bincount(labels, minlength=10).tolist())
        if counts != data_set.counts[part]:
            raise UserError(
                f"{paths[0].parent} holds other data than {data_set.title} under the name of {paths[0].name}: its "
                f"{part} labels number {counts} by class, instead of {data_set.counts[part]}. The files of MNIST and "
                "of Fashion-MNIST have the same names, so keep them in different folders; or get this one again."
            )
    return parts


def _read_npz(path: Path, data_set: DataSet) -> list[np.ndarray]:
    """Return the arrays x_train, y_train, x_test and y_test."""
    arrays = npz_arrays(path)
    wanted = {
        f"{kind}_{part}": shape for part in PARTS for kind, shape in zip("xy", data_set.shapes(part), strict=True)
    }
    for name, shape in wanted.items():
        array = arrays.get(name)
        if array is None or array.dtype != np.uint8 or array.shape != shape:
            state = "missing" if array is None else f"{array.dtype} {array.shape}"
            raise UserError(
                f"{path} is not {data_set.title}: {name} is {state} instead of uint8 {shape}. "
                "Delete it and get it again."
            )
    return [arrays[name] for name in wanted]


def _read_idx_files(paths: tuple[Path, ...], data_set: DataSet) -> list[np.ndarray]:
    shapes = [shape for part in PARTS for shape in data_set.shapes(part)]
    return [_read_idx(path, shape) for path, shape in zip(paths, shapes, strict=True)]


def _read_idx(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Return the uint8 array of a gzipped idx file, the format of MNIST's makers (yann.lecun.com/exdb/mnist).

    Its header is two zero bytes, the type of the values, the number of axes, and the length of each, big-endian.
    """
    header = bytes((0, 0, IDX_UNSIGNED_BYTES, len(shape))) + np.array(shape, ">u4").tobytes()
    size = len(header) + int(np.prod(shape))
    try:
        with gzip.open(path) as file:
            content = file.read(size + 1)  # no more than that; gzip compares the checksum at the end
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path} is damaged ({error}). Delete it and get it again.") from error
    if not content.startswith(header) or len(content) != size:
        raise UserError(
            f"{path} is not the official file: unpacked, it does not begin with {header.hex()}, or does not have "
            f"{size:,} bytes. Delete it and get it again."
        )
    return np.frombuffer(content, np.uint8, offset=len(header)).reshape(shape).copy()
