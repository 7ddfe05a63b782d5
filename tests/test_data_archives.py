"""Archives and arrays, damaged in a dozen ways each: the content is right, or a UserError, within one bound on size."""

import gzip
import io
import os
import struct
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from helpers.data.archives import npz_arrays, read_member, tar_members, zip_reader
from helpers.session import UserError

FILES = {"a/one.txt": os.urandom(5_000), "a/two.txt": b"", "a/three.bin": b"3"}
TEXTS = {name: content for name, content in FILES.items() if name.endswith(".txt")}
BOUND = 100_000


def write_tar(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_npz(path: Path, files: dict[str, bytes]) -> Path:
    np.savez_compressed(path, **{name: np.frombuffer(content, np.uint8) for name, content in files.items()})
    return path


def from_tar(path: Path) -> dict[str, bytes]:
    return dict(tar_members(path, r".*\.txt", BOUND))


def from_zip(path: Path) -> dict[str, bytes]:
    with zip_reader(path, r".*\.txt", BOUND) as (names, read):
        return {name: read(name) for name in reversed(names)}  # in any order


def from_npz(path: Path) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in npz_arrays(path, BOUND).items()}


KINDS = {"a.tar.gz": (write_tar, from_tar), "a.zip": (write_zip, from_zip), "a.npz": (write_npz, from_npz)}
DAMAGES = {
    "empty": lambda content: b"",
    "a page": lambda content: b"<html>Sign in to the network</html>" * 100,
    "cut off": lambda content: content[: len(content) // 2],
    "a byte altered": lambda content: content[:2_500] + bytes([content[2_500] ^ 255]) + content[2_501:],
}


def refused(read, path: Path, bound: int = 1_000_000) -> None:
    """Expect a UserError that names the file, and that reading takes no more than `bound` bytes."""
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match=f"{path.name} .*again"):
            read(path)
        assert tracemalloc.get_traced_memory()[1] < bound
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_written_is_read(tmp_path, kind):
    write, read = KINDS[kind]
    assert read(write(tmp_path / kind, FILES)) == (FILES if kind == "a.npz" else TEXTS)


@pytest.mark.parametrize("damage", [*DAMAGES, "a folder"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_archive_is_refused(tmp_path, kind, damage):
    write, read = KINDS[kind]
    path = write(tmp_path / kind, FILES)
    content = path.read_bytes()
    path.unlink()
    path.mkdir() if damage == "a folder" else path.write_bytes(DAMAGES[damage](content))
    refused(read, path)


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_that_unpacks_to_more_than_the_bound_is_refused(tmp_path, kind):
    write, read = KINDS[kind]
    refused(read, write(tmp_path / kind, {"a.txt": bytes(BOUND + 1)}))


@pytest.mark.parametrize("size", [1_000, 10**8])
def test_a_member_of_a_zip_that_declares_another_size_is_refused(tmp_path, size):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", bytes(30_000_000))
        archive.infolist()[0].file_size = size
    refused(from_zip, path)


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_SPARSE])
@pytest.mark.parametrize("size", [-512, 2**34])
def test_a_header_of_a_tar_that_declares_too_much_is_refused(tmp_path, kind, size):
    member = tarfile.TarInfo("a.txt")
    member.type, member.size = kind, size
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(member.tobuf(tarfile.GNU_FORMAT) + bytes(10_000_000), 1))
    refused(from_tar, path)


def test_arrays_are_read_as_they_were_saved(tmp_path):
    arrays = {"b": np.asfortranarray(np.arange(6.0).reshape(2, 3)), "a": np.zeros((0, 4), np.float16), "c": np.array(7)}
    np.savez(tmp_path / "a.npz", **arrays)
    loaded = npz_arrays(tmp_path / "a.npz")
    assert list(loaded) == list(arrays)
    for name, array in arrays.items():
        assert loaded[name].dtype == array.dtype
        np.testing.assert_array_equal(loaded[name], array)


@pytest.mark.parametrize(
    "array", [np.array([print], dtype=object), np.array(["text"]), np.zeros(2, [("x", "f4")])], ids=str
)
def test_what_is_no_array_of_numbers_is_refused(tmp_path, array):
    np.savez(tmp_path / "a.npz", a=array)
    refused(npz_arrays, tmp_path / "a.npz")


@pytest.mark.parametrize("shape", ["(1000000000000,)", "(-2,)", "((((", "_"])
def test_an_array_of_another_size_than_its_header_says_takes_no_memory(tmp_path, shape):
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".encode()
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + b"ab")
    refused(npz_arrays, tmp_path / "a.npz", bound=2 * 10**12)  # asked for, and never touched


def test_a_file_of_an_unpacked_archive_is_as_bounded_as_in_it(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"x" * 11)
    assert read_member(tmp_path / "a.txt", 11) == b"x" * 11
    refused(lambda path: read_member(path, 10), tmp_path / "a.txt")
    refused(read_member, tmp_path)
