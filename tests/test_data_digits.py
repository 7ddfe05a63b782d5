"""MNIST and Fashion-MNIST: tiny copies in the official layouts, damaged ones, and the real ones where they are."""

import gzip
import os
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers.data import digits, sources
from helpers.data.digits import load_fashion_mnist, load_mnist
from helpers.session import UserError

REAL_FOLDER = os.environ.get("GENERATIVE_DATA_DIR", "")
LOADERS = {"mnist": load_mnist, "fashion_mnist": load_fashion_mnist}
COUNTS = {
    "mnist": {"train": (3, 1, *[2] * 8), "test": (2, 0, *[1] * 8)},
    "fashion_mnist": {"train": (2,) * 10, "test": (1,) * 10},
}
IDX_FILES = {
    "x_train": "train-images-idx3-ubyte.gz",
    "y_train": "train-labels-idx1-ubyte.gz",
    "x_test": "t10k-images-idx3-ubyte.gz",
    "y_test": "t10k-labels-idx1-ubyte.gz",
}


def tiny(key: str) -> dict[str, np.ndarray]:
    """Return a whole data set of COUNTS images: x_train, y_train, x_test, y_test."""
    random = np.random.default_rng(5)
    arrays = {}
    for part, counts in COUNTS[key].items():
        labels = random.permutation(np.repeat(np.arange(10, dtype=np.uint8), counts))
        arrays[f"x_{part}"] = random.integers(0, 256, (len(labels), 28, 28), np.uint8)
        arrays[f"y_{part}"] = labels
    return arrays


def idx(array: np.ndarray, kind: int = 8) -> bytes:
    """Return an array as the content of an idx file, not yet gzipped."""
    lengths = b"".join(length.to_bytes(4, "big") for length in array.shape)
    return bytes([0, 0, kind, array.ndim]) + lengths + array.tobytes()


def write_idx(folder: Path, arrays: dict[str, np.ndarray]) -> None:
    for name, file in IDX_FILES.items():
        (folder / file).write_bytes(gzip.compress(idx(arrays[name])))


@pytest.fixture(autouse=True)
def few_images(request, monkeypatch):
    """Data sets are complete with COUNTS images, where a test has a folder of the reader's own."""
    if "own_data" in request.fixturenames:
        for name in ("MNIST", "FASHION_MNIST"):
            data_set = getattr(digits, name)
            monkeypatch.setattr(digits, name, replace(data_set, counts=COUNTS[data_set.key]))


def assert_holds(images, arrays: dict[str, np.ndarray]) -> None:
    for name, array in arrays.items():
        found = getattr(images, f"{name[2:]}_{'images' if name[0] == 'x' else 'labels'}")
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("key", LOADERS)
def test_numpy_archive_is_read(own_data, key, capsys):
    np.savez_compressed(own_data / f"{key}.npz", **tiny(key))
    images = LOADERS[key]()
    assert_holds(images, tiny(key))
    assert images.is_real and len(images.names) == 10
    assert capsys.readouterr().out == images.source + "\n"


@pytest.mark.parametrize("place", ["own", "keras/datasets/fashion-mnist"])
def test_the_four_official_files_are_read(own_data, tmp_path, place):
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    write_idx(tmp_path / place, tiny("fashion_mnist"))
    images = load_fashion_mnist()
    assert_holds(images, tiny("fashion_mnist"))
    images.train_images[0] = 0  # a reader may change what was loaded


def test_limits_take_the_first_of_the_order(own_data):
    arrays = tiny("mnist")
    np.savez(own_data / "mnist.npz", **arrays)
    few = load_mnist(train_limit=7, test_limit=3)
    assert_holds(few, {name: array[: 7 if "train" in name else 3] for name, array in arrays.items()})
    assert_holds(load_mnist(train_limit=10**6), arrays)


IMAGES = tiny("fashion_mnist")["x_train"]
PACKED = gzip.compress(idx(IMAGES))
DAMAGES = {
    "signed": gzip.compress(idx(IMAGES, kind=9)),
    "a byte less": gzip.compress(idx(IMAGES)[:-1]),
    "far longer": gzip.compress(idx(IMAGES) + bytes(50_000_000)),
    "cut": PACKED[:-900],
    "a bit flipped": PACKED[:-500] + bytes([PACKED[-500] ^ 4]) + PACKED[-499:],
    "empty": b"",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_idx_file_is_an_error(own_data, damage):
    write_idx(own_data, tiny("fashion_mnist"))
    (own_data / IDX_FILES["x_train"]).write_bytes(DAMAGES[damage])
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match="train-images-idx3-ubyte.gz .*again"):
            load_fashion_mnist()
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"x_train": None}, "x_train is missing"),
        ({"x_test": np.zeros((10, 784), np.uint8)}, r"x_test is uint8 \(10, 784\)"),
        ({"y_train": np.zeros(20, np.int64)}, "y_train is int64"),
        ({"y_train": np.zeros(20, np.uint8)}, r"train labels number \(20, 0, 0"),
    ],
)
def test_archive_of_other_content_is_an_error(own_data, change, says):
    arrays = {name: array for name, array in (tiny("mnist") | change).items() if array is not None}
    np.savez(own_data / "mnist.npz", **arrays)
    with pytest.raises(UserError, match=f"{says}.*again"):
        load_mnist()


def test_mnist_under_the_names_of_fashion_mnist_is_recognised(own_data):
    write_idx(own_data, tiny("mnist"))
    with pytest.raises(UserError, match="other data than Fashion-MNIST .*different folders"):
        load_fashion_mnist()


@pytest.mark.parametrize("key", LOADERS)
def test_real_mode_without_files_says_what_is_missing(own_data, key):
    with pytest.raises(UserError) as caught:
        LOADERS[key]()
    for part in (sources.manifest()[key].files[0].name, str(own_data), "https://", "NB_DATA=auto"):
        assert part in str(caught.value)


@pytest.mark.parametrize("key", LOADERS)
def test_standin_has_the_size_asked_for_or_its_most(monkeypatch, key, capsys):
    monkeypatch.setenv("NB_DATA", "standin")
    images = LOADERS[key](40, test_limit=30)
    assert images.train_images.shape == (40, 28, 28) and images.test_images.shape == (30, 28, 28)
    assert images.train_labels.shape == (40,) and images.test_labels.shape == (30,)
    assert images.train_images.dtype == images.train_labels.dtype == np.uint8
    assert not images.is_real and images.source.startswith("Stand-in: 40 training and 30 test")
    assert capsys.readouterr().out == images.source + "\n"
    assert not {image.tobytes() for image in images.train_images} & {image.tobytes() for image in images.test_images}


def test_official_counts_add_up():
    for data_set in (digits.MNIST, digits.FASHION_MNIST):
        assert {part: sum(counts) for part, counts in data_set.counts.items()} == {"train": 60_000, "test": 10_000}
        assert len(data_set.names) == len(data_set.counts["train"]) == len(data_set.counts["test"]) == 10


@pytest.mark.parametrize(
    ("key", "labels", "mean"), [("mnist", (5, 0, 4, 1, 9), 33.318), ("fashion_mnist", (9, 0, 0, 3, 0), 72.940)]
)
def test_real_data(monkeypatch, key, labels, mean):
    """The first labels and the mean grey are those that the literature gives (0.1307 and 0.2860 of 255)."""
    if not (Path(REAL_FOLDER or "nowhere") / f"{key}.npz").exists():
        pytest.skip(f"GENERATIVE_DATA_DIR has no {key}.npz")
    monkeypatch.setenv("NB_DATA", "real")
    images = LOADERS[key]()
    assert images.train_images.shape == (60_000, 28, 28) and images.test_images.shape == (10_000, 28, 28)
    assert tuple(images.train_labels[:5]) == labels
    assert images.train_images.mean() == pytest.approx(mean, abs=0.001)
    assert images.is_real and "local copy" in images.source
