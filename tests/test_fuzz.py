"""Files from outside, damaged and malicious in thousands of ways: a valid value comes of them, or a UserError.

Nothing is written, deleted or started while a file is read, and memory stays within a bound that each test states.
FUZZ_INPUTS says how many inputs each loader gets (default 200, the same ones each time); with SOAK_SEED they are
drawn anew (`make soak`).
"""

import dataclasses
import gzip
import hashlib
import io
import json
import os
import re
import stat
import struct
import sys
import tarfile
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import h5py
import hypothesis
import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, configuration, given, settings
from hypothesis import strategies as st
from keras.src.legacy.saving import legacy_h5_format
from PIL import Image, features

from helpers import (
    archives,
    attribute_table,
    backbones,
    celeba,
    checkpoints,
    datasets,
    image_datasets,
    images,
    pretrained,
)
from helpers.errors import UserError
from helpers.text import Vocabulary

INPUTS = int(os.environ.get("FUZZ_INPUTS", 200))
SEED = os.environ.get("SOAK_SEED")
MB = 1_000_000
configuration.set_hypothesis_home_dir(Path(os.environ["NB_OUTPUT_DIR"]) / "hypothesis")


# What a loader may not do: Python reports it to this hook, whoever does it.

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.truncate", "os.chmod")
DEEDS = (*CHANGES, "shutil.rmtree", "subprocess.Popen", "os.system", "os.exec", "pickle.find_class", "socket.connect")
watched: list[str] = []
is_watching = False


def _watch(event: str, arguments: tuple) -> None:
    if is_watching and (event in DEEDS or (event == "open" and arguments[2] & WRITING)):
        watched.append(f"{event} {arguments[:2]}")


sys.addaudithook(_watch)


def read(load, bound: int):
    """Return what load() returns, or the UserError that it raises; `bound` bytes is the most it may take meanwhile."""
    global is_watching
    watched.clear()
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    is_watching = True
    try:
        value = load()
    except UserError as error:
        value = error
        assert str(error).encode() and str(error)[-1] in ".)"
    finally:
        is_watching = False
    assert watched == []
    peak = tracemalloc.get_traced_memory()[1] - before
    assert peak < bound, f"{peak:,} bytes"
    return value


@pytest.fixture
def fuzz(record_property):
    """Return a function that hands inputs of a strategy to `load` and what comes of each to `check(value, input)`."""

    def run(strategy, load, check, bound: int) -> None:
        counts = {"inputs": 0, "valid": 0}

        @settings(
            max_examples=INPUTS,
            derandomize=SEED is None,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(strategy)
        def one(drawn):
            counts["inputs"] += 1
            value = read(lambda: load(drawn), bound)
            if not isinstance(value, UserError):
                counts["valid"] += 1
                check(value, drawn)

        if SEED is not None:
            one = hypothesis.seed(int(SEED))(one)
        tracemalloc.start()
        try:
            one()
        finally:
            tracemalloc.stop()
        record_property("inputs", json.dumps(counts))
        assert 0 < counts["valid"] < counts["inputs"]  # both kinds came: neither all too wild nor all too tame

    return run


# Changes of files: a byte, a number, a piece cut out, doubled, or put in from another file; the end cut off.

NUMBERS = [0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 10_000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]


@st.composite
def mutated(draw, samples, most: int = 3):
    """Draw one of the files, with up to `most` changes."""
    content = bytearray(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(0, most))):
        start = draw(st.integers(0, max(0, len(content) - 1)))
        end = start + draw(st.integers(1, 40))
        change = draw(st.sampled_from(["byte", "number", "cut off", "cut out", "double", "foreign"]))
        if change == "byte":
            content[start : start + 1] = draw(st.binary(min_size=1, max_size=1))
        elif change == "number":
            packed = struct.pack(draw(st.sampled_from(["<I", ">I"])), draw(st.sampled_from(NUMBERS)))
            content[start : start + 4] = packed[: draw(st.sampled_from([2, 4]))]
        elif change == "cut off":
            del content[start:]
        elif change == "cut out":
            del content[start:end]
        elif change == "double":
            content[start:start] = content[start:end]
        else:
            other = draw(st.sampled_from(samples))
            content[start:end] = other[start:end]
    return bytes(content)


# Pictures


def picture_files() -> list[bytes]:
    """Return a picture of 40 x 30 pixels as a file of each kind."""
    rows, columns = np.mgrid[:30, :40]
    image = Image.fromarray(np.stack([5 * columns, 8 * rows, 100 + rows - columns], axis=-1).astype(np.uint8))
    deep = Image.fromarray((np.asarray(image.convert("L")).astype(np.uint16) * 257).astype("<u2"))
    exif = Image.Exif()
    exif[0x0112] = 6
    kinds = [
        (image, "PNG", {}),
        (image.quantize(16), "PNG", {"transparency": 3}),
        (deep, "PNG", {}),
        (image.convert("LA"), "PNG", {}),
        (image, "JPEG", {"exif": exif}),
        (image, "JPEG", {"progressive": True}),
        (image.convert("CMYK"), "JPEG", {}),
        (image, "GIF", {"save_all": True, "append_images": [image.rotate(180)]}),
        (image, "BMP", {}),
        (image.quantize(16), "BMP", {}),
        (image, "WEBP", {"lossless": True}),
        (image, "WEBP", {"save_all": True, "append_images": [image.rotate(180)]}),
        (image, "TIFF", {"compression": "tiff_lzw"}),
        (image, "PPM", {}),
    ]
    kinds += [(image, "AVIF", {})] if features.check("avif") else []
    files = []
    for picture, kind, options in kinds:
        buffer = io.BytesIO()
        picture.save(buffer, kind, **options)
        files.append(buffer.getvalue())
    return files


def test_pictures(fuzz):
    def check(picture, _):
        assert picture.dtype == np.float32 and picture.ndim == 3 and picture.shape[2] == 3
        assert 0 < max(picture.shape) <= 200
        assert 0 <= picture.min() <= picture.max() <= 1

    def load(content):
        return images.picture_from_bytes(content, longest_side=200, least=1)

    fuzz(mutated(picture_files()), load, check, bound=5 * MB)


def test_faces(fuzz):
    """CelebA's pictures: those that are broken are left out, those of another shape refused."""
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (109, 89, 3)).astype(np.uint8)).save(buffer, "JPEG")

    def check(face, _):
        assert face is None or (face.shape == (32, 32, 3) and face.dtype == np.uint8)

    fuzz(
        mutated([buffer.getvalue(), *picture_files()]),
        lambda content: celeba._face(content, 32, 148 / 178, "000001.jpg"),
        check,
        bound=5 * MB,
    )


# Archives

# A fixed choice: for any letter at all Hypothesis would first make tables of them, for some ten seconds.
LETTERS = "abcXYZ019 ._-/\\:'\"\0\x1b\r\n\té\u0301ßñ“”—\u200f\u2028\ufeff日本語кирилица😀\U0010ffff"
NAMES = st.one_of(
    st.sampled_from(["a.txt", "./b.txt", "c/d.txt", "c/", "", ".", "é.txt", "a" * 300, "a\\b.txt", "con\x00.txt"]),
    st.sampled_from(["../x", "a/../../x", "/tmp/x", "C:/x", "\\x", "..", "c/..", "//host/x", "a\\..\\..\\x"]),
    st.text(LETTERS, max_size=12),
)
BOMB = bytes(3 * MB)  # packs to some kilobytes; thirty times what a member may have in these tests
SIZES = st.sampled_from([None, None, None, None, 0, 1, 512, 1_000, 2 * MB, 2**31, 2**33, 2**40])
CONTENTS = st.one_of(st.binary(max_size=60), st.binary(max_size=60), st.sampled_from([bytes(3_000), BOMB]))
MEMBERS = st.lists(
    st.tuples(NAMES, CONTENTS, SIZES, st.sampled_from(["file"] * 6 + ["folder", "link", "hard link", "pipe", "pax"])),
    max_size=4,
)


@st.composite
def tar_files(draw):
    """Draw a .tar.gz: members of any name and kind, some of which declare another size than they have."""
    kinds = {"folder": tarfile.DIRTYPE, "link": tarfile.SYMTYPE, "hard link": tarfile.LNKTYPE}
    kinds |= {"pipe": tarfile.FIFOTYPE, "pax": tarfile.XHDTYPE}
    raw = bytearray()
    for name, content, size, kind in draw(MEMBERS):
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kinds.get(kind, tarfile.REGTYPE), "../x"
        member.size = len(content) if size is None else size
        raw += member.tobuf(tarfile.GNU_FORMAT, errors="replace")
        raw += content + bytes(-len(content) % 512)
    raw += bytes(1024)
    if draw(st.booleans()):  # within the headers, and with the checksum made right again
        places = range(0, len(raw) - 1024, 512)
        place = draw(st.sampled_from(places[:3] or [0])) if places else 0
        field = draw(st.sampled_from([100, 124, 136, 148, 156, 257, 345]))
        values = [b"\x80" + b"\0" * 10 + b"\1", b"\xff" * 12, b"777777777777", b"x" * 12, b"-1" + b"\0" * 10]
        raw[place + field : place + field + 12] = draw(st.sampled_from(values))
        total = sum(raw[place : place + 148]) + 8 * 32 + sum(raw[place + 156 : place + 512])
        raw[place + 148 : place + 156] = b"%06o\0 " % total
    packed = gzip.compress(bytes(raw), 1)
    return draw(st.one_of(st.just(packed), mutated([packed])))


@st.composite
def zip_files(draw):
    """Draw a .zip: members of any name and kind, some of which declare another size than they have."""
    buffer = io.BytesIO()
    ways = st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
    sizes = []
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content, size, kind in draw(MEMBERS):
            way = draw(ways)
            member = zipfile.ZipInfo(name[:200].replace("\0", "_") or "_")
            member.compress_type = way
            member.external_attr = (stat.S_IFLNK if "link" in kind else 0) << 16
            if not any(member.filename == other.filename for other in archive.infolist()):
                archive.writestr(member, content, compresslevel=1)
                sizes.append(size)
        for member, size in zip(archive.infolist(), sizes, strict=True):
            if size is not None:  # in the list at the end of the file, by which zipfile goes
                member.file_size = size
    content = buffer.getvalue()
    return draw(st.one_of(st.just(content), mutated([content])))


def check_members(members, _):
    for name, content in members.items():
        assert len(content) <= archives.LARGEST_MEMBER
        assert ".." not in re.split(r"[/\\]", name) and not name.startswith(("/", "\\")) and name[1:2] != ":"


KINDS = [("a.tar.gz", tar_files()), ("a.zip", zip_files())]


@pytest.mark.parametrize(("name", "files"), KINDS, ids=["tar.gz", "zip"])
def test_archives(fuzz, tmp_path, monkeypatch, name, files):
    monkeypatch.setattr(archives, "LARGEST_MEMBER", MB // 10)
    monkeypatch.setattr(archives, "LARGEST_HEADER", MB // 100)
    path = tmp_path / name

    def load(content):
        return dict(archives.archive_members(path, ".*"))

    fuzz(files.map(path.write_bytes), load, check_members, bound=2 * MB)


# Arrays


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __reduce__(self):
        return (Path.touch, (Path("sprung"),))


HEADERS = st.builds(
    "{{'descr': {}, 'fortran_order': {}, 'shape': {}, }}".format,
    st.sampled_from(["'<f4'", "'|u1'", "'|O'", "'<U3'", "'|V0'", "'|S0'", "[('a', '<f4')]", "'f' * 9", "1"]),
    st.sampled_from(["True", "False", "None", "1"]),
    st.sampled_from(["(3,)", "()", "(0, 2)", "(-1,)", "(10**9,)", "(1000000000000, 4)", "(2.0,)", "3", "(((" * 90]),
)


@st.composite
def npz_files(draw):
    """Draw an .npz: arrays of several kinds, objects, and members whose headers say anything."""
    arrays = {"x": np.arange(6, dtype=np.float32).reshape(2, 3), "y": np.asfortranarray(np.ones((2, 3), np.int64))}
    arrays["none"] = np.zeros((0, 4), np.float16)
    if draw(st.booleans()):
        arrays["trap"] = np.array([Trap()], dtype=object)
    buffer = io.BytesIO()
    draw(st.sampled_from([np.savez, np.savez_compressed]))(buffer, **arrays)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
        if draw(st.booleans()):
            header, version = draw(HEADERS).encode(), draw(st.sampled_from([1, 1, 1, 2, 3, 9]))
            length = struct.pack("<H" if version == 1 else "<I", len(header))
            numbers = draw(st.binary(max_size=16))
            archive.writestr("made.npy", b"\x93NUMPY" + bytes([version, 0]) + length + header + numbers)
        if draw(st.integers(0, 9)) == 9:
            archive.writestr("bomb.npy", BOMB)
    content = buffer.getvalue()
    return draw(st.one_of(st.just(content), mutated([content])))


def check_arrays(arrays, _):
    for array in arrays:
        assert array.dtype.kind in "biufc" and array.nbytes < MB


def test_numpy_archives(fuzz, tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "LARGEST_MEMBER", MB // 10)
    path = tmp_path / "arrays.npz"
    files = npz_files().map(path.write_bytes)
    fuzz(files, lambda _: archives.npz_arrays(path), lambda arrays, _: check_arrays(arrays.values(), _), bound=MB)


def test_idx_files(fuzz, tmp_path):
    counts = dict.fromkeys(image_datasets.PARTS, (1,) * 10)
    tiny = dataclasses.replace(image_datasets.MNIST, counts=counts)
    arrays = [
        array for part in tiny.counts for array in (np.full((10, 28, 28), 7, np.uint8), np.arange(10, dtype="u1"))
    ]
    paths = tuple(tmp_path / f"{number}.gz" for number in range(4))
    raw = [bytes((0, 0, 8, a.ndim)) + np.array(a.shape, ">u4").tobytes() + a.tobytes() for a in arrays]
    for path, content in zip(paths, raw, strict=True):
        path.write_bytes(gzip.compress(content))

    def put(drawn):
        content, is_packed, number = drawn
        for path, whole in zip(paths, raw, strict=True):
            path.write_bytes(gzip.compress(whole, 1))
        paths[number].write_bytes(content if is_packed else gzip.compress(content, 1))
        return number

    packed = [gzip.compress(content) for content in raw[:2]] + [gzip.compress(BOMB)]
    choices = st.one_of(
        st.tuples(mutated(raw[:2]), st.just(False), st.sampled_from([0, 1])),
        st.tuples(mutated(packed), st.just(True), st.sampled_from([0, 1])),
    )

    def check(parts, _):
        for images_, labels in parts.values():
            assert images_.shape == (10, 28, 28) and sorted(labels) == list(range(10))

    fuzz(choices.map(put), lambda _: image_datasets._read(paths, tiny), check, bound=2 * MB)


# Texts

TABLE = b"3\nSmiling Male  Young\n000001.jpg  1 -1  1\n000002.jpg -1 -1 -1\r\n000003.jpg 1 1 1\n"
WIDE = b"2\n" + b"a " * 3_000 + b"\n" + b"x\n" * 3_000  # 9 million values, were it what it says


def test_attribute_tables(fuzz, tmp_path):
    path = tmp_path / "table.txt"
    samples = [TABLE, b"\xef\xbb\xbf" + TABLE, TABLE.decode().encode("utf-16"), b"9" * 5_000 + TABLE[1:], WIDE]
    samples += [("\u0663" + TABLE.decode()[1:]).encode(), b"1\n\nx\n"]

    def check(table, _):
        assert table.values.shape == (len(table.rows), len(table.columns)) and len(set(table.columns)) > 0
        assert set(np.unique(table.values)) <= {-1, 1} and table.values.dtype == np.int8

    files = mutated(samples).map(path.write_bytes)
    fuzz(files, lambda _: attribute_table.read_table(path), check, bound=2 * MB)


ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252", "cp037", "koi8-r"]
ENCODINGS += ["shift_jis", "gb18030", "big5", "euc-kr", "utf-7", "mac-roman", "ascii"]


@st.composite
def text_files(draw):
    """Draw a text in any encoding, or any bytes."""
    letters = st.one_of(*map(st.text, (LETTERS, "abc xyz\r\n\t", "äöüß“”—éñ日本語кирилица ")))
    content = draw(letters).encode(draw(st.sampled_from(ENCODINGS)), "ignore")
    return draw(st.one_of(st.just(content), st.just(content), mutated([content or b"a"]), st.binary()))


def test_texts_of_your_own(fuzz, tmp_path, capsys):
    path = tmp_path / "text.txt"

    def put(content):
        path.write_bytes(content)
        return content

    def check(corpus, content):
        assert corpus.text.strip() and "\0" not in corpus.text
        assert corpus.text == content.decode("utf-8-sig").replace("\r\n", "\n")
        vocabulary = Vocabulary(sorted(set(corpus.text)))
        assert vocabulary.decode(vocabulary.encode(corpus.text)) == corpus.text

    fuzz(text_files().map(put), lambda _: datasets.read_corpus(path, least=1), check, bound=MB)


# Weights


@st.composite
def weight_files(draw):
    """Draw the .npz and the card of shipped weights; the card may hold the digest of whatever the .npz is."""
    words = np.frombuffer(json.dumps(["a", "é"]).encode(), np.uint8)
    arrays = {"0000": np.ones((2, 3), np.float16), "0001": np.zeros(3, np.float16)}
    others = [{}, {"symbols": words[:-1]}, {"symbols": np.ones(3)}, {"symbols": np.frombuffer(b"[1]", np.uint8)}]
    others += [{"0001": np.array([Trap()], dtype=object)}, {"x": np.ones(2, np.complex64)}]
    buffer = io.BytesIO()
    kept = arrays | {"symbols": words} | draw(st.sampled_from([{}, {}, *others]))
    np.savez_compressed(buffer, **{name: kept[name] for name in list(kept)[draw(st.sampled_from([0, 0, 0, 1, 3])) :]})
    packed = draw(st.one_of(st.just(buffer.getvalue()), mutated([buffer.getvalue()])))
    facts = draw(st.sampled_from([{"trained on": "x"}, {"trained on": "x"}, {}, [], "x", {"a": 1}, None]))
    card = json.dumps({"facts": facts, "sha256": hashlib.sha256(packed).hexdigest()}).encode()
    card = draw(st.one_of(st.just(card), st.just(card), mutated([card]), st.sampled_from([b"[" * 100_000, b"null"])))
    if draw(st.booleans()):
        return packed, card
    return draw(mutated([packed])), card


def test_shipped_weights(fuzz, tmp_path):
    def put(drawn):
        (tmp_path / "tiny.npz").write_bytes(drawn[0])
        (tmp_path / "tiny.json").write_bytes(drawn[1])

    def check(loaded, _):
        assert all(isinstance(symbol, str) for symbol in loaded.symbols)
        assert all(array.dtype == np.float32 for array in loaded.arrays)
        assert loaded.card().data.startswith("| tiny |")

    fuzz(weight_files().map(put), lambda _: pretrained.load("tiny", tmp_path), check, bound=8 * MB)


def test_weights_of_nets(fuzz, tmp_path):
    """Both kinds of HDF5 files that Keras has made; libhdf5 itself reads them, and must not fall either."""
    layers = [keras.layers.Conv2D(2, 3, name="block1_conv1"), keras.layers.BatchNormalization(name="block1_norm")]
    net = keras.Sequential([keras.Input((8, 8, 3)), *layers])
    net.save_weights(tmp_path / "new.weights.h5")
    with h5py.File(tmp_path / "old.h5", "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, net)
    samples = {name: (tmp_path / name).read_bytes() for name in ("new.weights.h5", "old.h5")}
    files = st.sampled_from(list(samples)).flatmap(
        lambda name: st.tuples(st.just(tmp_path / name), mutated([samples[name]], most=6))
    )

    def put(drawn):
        drawn[0].write_bytes(drawn[1])
        return drawn[0]

    def build(include_top, weights):
        for weight in net.weights:
            weight.assign(np.zeros(weight.shape))
        return net

    def check(model, _):
        assert any(values.any() for values in checkpoints.values_of(model.weights))  # something was read

    fuzz(files.map(put), lambda path: backbones._with_weights(build, path), check, bound=20 * MB)


OLD, NEW = [np.zeros(2, np.float32)], [np.arange(6, dtype=np.float32).reshape(2, 3), np.array(7), np.zeros((0, 2))]


def test_checkpoints(fuzz, tmp_path, capsys):
    """What is damaged is never loaded: there come the newest as it was written, or the one before, or none."""
    kept = checkpoints.Checkpoints(tmp_path)
    kept.save(1, OLD, {"history": [{"epoch": 1}]})
    kept.save(2, NEW, {"history": [{"epoch": 2, "loss": 0.5}]})
    paths = [tmp_path / "checkpoint-000002" / name for name in ("arrays.npz", "state.json")]
    whole = [path.read_bytes() for path in paths]

    def put(drawn):
        for path, content in zip(paths, drawn, strict=True):
            path.write_bytes(content)

    def check(loaded, _):
        arrays, state = loaded
        assert state["history"][-1] in ({"epoch": 1}, {"epoch": 2, "loss": 0.5})
        for found, saved in zip(arrays, (OLD, NEW)[len(state["history"][0]) - 1], strict=True):
            assert found.dtype == saved.dtype and found.shape == saved.shape and np.array_equal(found, saved)

    def load(_):
        found = kept.load()
        assert found is not None  # the one before is whole
        if "damaged" in capsys.readouterr().out and len(found[0]) == len(OLD):
            raise UserError("damaged.")
        return found

    damaged = st.tuples(*(st.one_of(st.just(content), mutated([content])) for content in whole))
    fuzz(damaged.map(put), load, check, bound=2 * MB)


def test_checkpoints_that_were_made_to_deceive(fuzz, tmp_path, capsys):
    """Their digests are right; they are loaded, or the one before is, and nothing else happens."""
    kept = checkpoints.Checkpoints(tmp_path)
    kept.save(1, OLD, {"history": []})
    (tmp_path / "checkpoint-000002").mkdir()
    path = tmp_path / "checkpoint-000002" / "arrays.npz"

    def put(content):
        path.write_bytes(content)
        state = {"digest": checkpoints.digest_of(path)}
        (path.parent / "state.json").write_bytes(checkpoints._sealed(state))

    def load(_):
        found = kept.load()
        if found[1]:
            raise UserError("the one before.")
        return found

    fuzz(npz_files().map(put), load, lambda found, _: check_arrays(found[0], _), bound=70 * MB)


def test_the_watch_sees_what_a_loader_may_not_do(tmp_path):
    for deed in (lambda: (tmp_path / "a").write_text("x"), lambda: (tmp_path / "b").mkdir(), lambda: os.system("true")):
        with pytest.raises(AssertionError):
            read(deed, 10**9)
    tracemalloc.start()
    try:
        with pytest.raises(AssertionError, match="bytes"):
            read(lambda: bytes(2 * MB), MB)
        with pytest.raises(zlib.error):
            read(lambda: zlib.decompress(b"x"), MB)
    finally:
        tracemalloc.stop()
