"""MNIST and Fashion-MNIST: tiny copies in the official layouts, damaged ones, and the real ones where they are."""

import gzip
import importlib.util
import io
import os
import re
import tracemalloc
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers import archives, image_datasets, sources
from helpers.errors import UserError
from helpers.image_datasets import load_fashion_mnist, load_mnist, to_unit

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


def idx(array: np.ndarray) -> bytes:
    """Return an array as the content of an idx file, not yet gzipped."""
    lengths = b"".join(length.to_bytes(4, "big") for length in array.shape)
    return bytes([0, 0, 8, array.ndim]) + lengths + array.tobytes()


def write_idx(folder: Path, arrays: dict[str, np.ndarray]) -> None:
    for name, file in IDX_FILES.items():
        (folder / file).write_bytes(gzip.compress(idx(arrays[name])))


@pytest.fixture
def own_data(tmp_path, monkeypatch):
    """A folder of the reader's own, and data sets that are complete with COUNTS images."""
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.setenv("GENERATIVE_DATA_DIR", str(folder))
    monkeypatch.setenv("NB_DATA", "real")
    monkeypatch.setenv("NB_OFFLINE", "1")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(sources.downloads, "user_cache", lambda: tmp_path / "none")
    sources.manifest()  # read, and kept, while the real checkout can be seen
    monkeypatch.setattr(sources, "CHECKOUT", tmp_path / "checkout")
    for name in ("MNIST", "FASHION_MNIST"):
        data_set = getattr(image_datasets, name)
        monkeypatch.setattr(image_datasets, name, replace(data_set, counts=COUNTS[data_set.key]))
    return folder


def assert_holds(images, arrays: dict[str, np.ndarray]) -> None:
    for name, array in arrays.items():
        found = getattr(images, f"{name[2:]}_{'images' if name[0] == 'x' else 'labels'}")
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("key", LOADERS)
def test_numpy_archive_is_read(own_data, key, capsys):
    np.savez_compressed(own_data / f"{key}.npz", **tiny(key), about=np.array("an array more does no harm"))
    images = LOADERS[key]()
    assert_holds(images, tiny(key))
    assert images.is_real
    assert images.names == (image_datasets.GARMENTS if key == "fashion_mnist" else tuple("0123456789"))
    assert capsys.readouterr().out == images.source + "\n"
    assert f"{len(images.train_images)} training and 10 test images" in images.source


@pytest.mark.parametrize("place", ["own", "keras/datasets/fashion-mnist"])
def test_the_four_official_files_are_read(own_data, tmp_path, place):
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    write_idx(tmp_path / place, tiny("fashion_mnist"))
    images = load_fashion_mnist()
    assert_holds(images, tiny("fashion_mnist"))
    images.train_images[0] = 0  # a reader may change what was loaded


def test_what_keras_keeps_of_mnist_is_found(own_data, tmp_path):
    (tmp_path / "keras" / "datasets").mkdir(parents=True)
    np.savez(tmp_path / "keras" / "datasets" / "mnist.npz", **tiny("mnist"))
    assert_holds(load_mnist(), tiny("mnist"))


def test_limits_take_the_first_of_the_order(own_data):
    arrays = tiny("mnist")
    np.savez(own_data / "mnist.npz", **arrays)
    few = load_mnist(train_limit=7, test_limit=3)
    assert_holds(few, {name: array[: 7 if "train" in name else 3] for name, array in arrays.items()})
    assert_holds(load_mnist(train_limit=10**6), arrays)


@pytest.mark.parametrize("load", LOADERS.values())
@pytest.mark.parametrize("limits", [{"train_limit": 0}, {"test_limit": -1}])
def test_limit_below_one_is_an_error(load, limits):
    with pytest.raises(UserError, match="at least 1, or None"):
        load(**limits)


def damaged_idx(kind: str, array: np.ndarray) -> bytes:
    """Return a file of images that has gone wrong in one way."""
    content = bytearray(idx(array))
    if kind == "an axis less":
        content = idx(array.reshape(len(array), 784))
    elif kind == "signed":
        content[2] = 9
    elif kind == "one image less":
        content = idx(array[1:])
    elif kind == "cut before packing":
        content = content[:-1]
    elif kind == "longer":
        content += b"\0"
    packed = bytearray(gzip.compress(bytes(content)))
    if kind == "cut":
        packed = packed[:-900]
    elif kind == "checksum missing":
        packed = packed[:-8]
    elif kind == "a bit flipped":
        packed[-500] ^= 4
    elif kind == "scrambled":
        packed[10:20] = b"\xff" * 10
    elif kind == "wrong checksum":
        packed[-8] ^= 1
    elif kind == "not packed":
        packed = content
    elif kind == "empty":
        packed = b""
    return bytes(packed)


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("an axis less", "begins with 00000802"),
        ("signed", "begins with 00000903"),
        ("one image less", "begins with 0000080300000013.*instead of 0000080300000014"),
        ("cut before packing", "has 15,695 bytes, instead of .* and 15,696"),
        ("longer", "has more than 15,696 bytes"),
        ("cut", "is damaged"),
        ("checksum missing", "is damaged"),
        ("a bit flipped", "is damaged"),
        ("scrambled", "is damaged"),
        ("wrong checksum", "is damaged"),
        ("not packed", "is damaged"),
        ("empty", "has 0 bytes"),
    ],
)
def test_damaged_idx_file_is_an_error(own_data, kind, says):
    arrays = tiny("fashion_mnist")
    write_idx(own_data, arrays)
    (own_data / IDX_FILES["x_train"]).write_bytes(damaged_idx(kind, arrays["x_train"]))
    with pytest.raises(UserError, match=f"train-images-idx3-ubyte.gz .*{says}.*get it again"):
        load_fashion_mnist()


def test_no_more_is_unpacked_than_a_file_may_have(own_data):
    arrays = tiny("fashion_mnist")
    write_idx(own_data, arrays)
    (own_data / IDX_FILES["x_train"]).write_bytes(gzip.compress(idx(arrays["x_train"]) + bytes(50_000_000)))
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match="more than"):
            load_fashion_mnist()
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_objects_are_not_unpickled(own_data, tmp_path):
    trap = np.array([Trap(tmp_path / "sprung")], dtype=object)
    np.savez(own_data / "mnist.npz", **tiny("mnist") | {"y_test": trap})
    with pytest.raises(UserError, match="cannot be read .*Object arrays cannot be loaded.*get it again"):
        load_mnist()
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"x_train": None}, "x_train is missing instead of uint8 .20, 28, 28"),
        ({"y_test": None}, "y_test is missing"),
        ({"x_test": np.zeros((10, 784), np.uint8)}, r"x_test is uint8 \(10, 784\) instead of uint8 \(10, 28, 28\)"),
        ({"x_test": np.zeros((10, 28, 28), np.float32)}, "x_test is float32"),
        ({"x_train": np.zeros((19, 28, 28), np.uint8)}, r"x_train is uint8 \(19, 28, 28\)"),
        ({"y_train": np.zeros(20, np.int64)}, "y_train is int64"),
        ({"y_train": np.zeros(20, np.uint8)}, r"train labels number \(20, 0, 0"),
        ({"y_test": np.full(10, 10, np.uint8)}, r"test labels number \(0, .*, 10\) by class"),
    ],
)
def test_archive_of_other_content_is_an_error(own_data, change, says):
    arrays = {name: array for name, array in (tiny("mnist") | change).items() if array is not None}
    np.savez(own_data / "mnist.npz", **arrays)
    with pytest.raises(UserError, match=f"{says}.*get (it|this one) again"):
        load_mnist()


def npy_that_claims(shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return buffer.getvalue() + b"few"


@pytest.mark.parametrize(
    "member",
    [b"", b"no array", npy_that_claims((10,)), npy_that_claims((10**10, 28, 28)), npy_that_claims((10**18, 10**18))],
)
def test_member_that_is_no_array_is_an_error(own_data, member):
    np.savez(own_data / "mnist.npz", **{name: array for name, array in tiny("mnist").items() if name != "x_test"})
    with zipfile.ZipFile(own_data / "mnist.npz", "a") as archive:
        archive.writestr("x_test.npy", member)
    with pytest.raises(UserError, match="cannot be read.*get it again"):
        load_mnist()


@pytest.mark.parametrize("kind", ["cut", "a folder", "empty", "text", "larger than any official member"])
def test_file_that_is_no_archive_is_an_error(own_data, kind, monkeypatch):
    path = own_data / "mnist.npz"
    np.savez(path, **tiny("mnist"))
    content = path.read_bytes()
    if kind == "a folder":
        path.unlink()
        path.mkdir()
    elif kind.startswith("larger"):
        monkeypatch.setattr(archives, "LARGEST_MEMBER", 10_000)
    else:
        path.write_bytes({"cut": content[:-100], "empty": b"", "text": b"404: not found"}[kind])
    with pytest.raises(UserError, match="mnist.npz .*get it again"):
        load_mnist()


def test_mnist_under_the_names_of_fashion_mnist_is_recognised(own_data):
    digits = tiny("mnist")
    np.savez(own_data / "mnist.npz", **digits)
    write_idx(own_data, digits)
    assert load_mnist().is_real
    with pytest.raises(UserError, match="other data than Fashion-MNIST .*different folders"):
        load_fashion_mnist()


@pytest.mark.parametrize(
    ("key", "name", "host"),
    [("mnist", "mnist.npz", "storage.googleapis.com"), ("fashion_mnist", IDX_FILES["y_test"], "github.com")],
)
def test_real_mode_without_files_says_what_is_missing(own_data, key, name, host):
    with pytest.raises(UserError) as caught:
        LOADERS[key]()
    for part in (name, str(own_data), f"https://{host}", "NB_DATA=auto"):
        assert part in str(caught.value)


@pytest.mark.parametrize("key", LOADERS)
def test_standin_has_the_size_asked_for(monkeypatch, key, capsys):
    monkeypatch.setenv("NB_DATA", "standin")
    images = LOADERS[key](40, test_limit=30)
    assert images.train_images.shape == (40, 28, 28) and images.test_images.shape == (30, 28, 28)
    assert images.train_labels.shape == (40,) and images.test_labels.shape == (30,)
    assert images.train_images.dtype == images.train_labels.dtype == np.uint8
    assert not images.is_real
    assert capsys.readouterr().out == images.source + "\n"
    data_set = getattr(image_datasets, key.upper())
    what = f"40 training and 30 test {data_set.standin}"
    assert images.source == sources.standin_line(key, what, "NB_DATA=standin asks for it")
    assert not {image.tobytes() for image in images.train_images} & {image.tobytes() for image in images.test_images}


def test_official_counts_add_up():
    for data_set in (image_datasets.MNIST, image_datasets.FASHION_MNIST):
        assert {part: sum(counts) for part, counts in data_set.counts.items()} == {"train": 60_000, "test": 10_000}
        assert len(data_set.names) == len(data_set.counts["train"]) == len(data_set.counts["test"]) == 10


def test_manifest_says_what_keras_and_the_makers_say():
    folder = Path(importlib.util.find_spec("keras").origin).parent / "src" / "datasets"
    manifest, addresses = sources.manifest(), "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
    (mnist,) = manifest["mnist"].files
    assert mnist.sha256 in (folder / "mnist.py").read_text() and len(mnist.sha256) == 64
    source = (folder / "fashion_mnist.py").read_text()
    assert [file.name for file in manifest["fashion_mnist"].files] == list(IDX_FILES.values())  # the order matters
    for file in manifest["fashion_mnist"].files:  # Keras' copies have no hashes; the makers publish those of theirs
        assert file.name in source and re.fullmatch("[0-9a-f]{32}", file.md5)
        assert file.url == f"https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/{file.name}"
    assert addresses in (folder / "mnist.py").read_text() and mnist.url == addresses + mnist.name
    first, second = manifest["fashion_mnist"].keras_cache.split("/")
    assert f'os.path.join("{first}", "{second}")' in source


@pytest.mark.parametrize(("shape", "expected"), [((2, 28, 28), 1), ((2, 5, 4, 1), 1), ((2, 5, 4, 3), 3)])
def test_to_unit(shape, expected):
    images = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    images.flat[:2] = 0, 255
    before = images.copy()
    unit = to_unit(images)
    assert unit.dtype == np.float32 and unit.shape == (*shape[:3], expected)
    np.testing.assert_allclose(unit.ravel() * 255, images.ravel(), atol=1e-4)
    assert unit.min() == 0 and unit.max() == 1
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize(
    ("images", "says"),
    [
        (np.zeros((2, 28, 28), np.float32), "not as float32"),
        (np.zeros((2, 28, 28), np.int64), "not as int64"),
        (np.zeros((28, 28), np.uint8), r"images\[None\]"),
        (np.zeros((2, 28, 28, 2), np.uint8), r"shape \(2, 28, 28, 2\)"),
    ],
)
def test_to_unit_guesses_no_range(images, says):
    with pytest.raises(UserError, match=says):
        to_unit(images)


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
