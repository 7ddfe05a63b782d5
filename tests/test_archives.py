"""Archives that lie about themselves: what a header declares bounds what is read, and no error is but a UserError."""

import gzip
import io
import struct
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from helpers import archives
from helpers.archives import archive_members, npz_arrays, read_member, zip_reader
from helpers.errors import UserError

BOMB = bytes(30_000_000)


def zip_of(content: bytes, way: int = zipfile.ZIP_DEFLATED, size: int | None = None, name: str = "a.txt") -> bytes:
    """Return a .zip of one member that declares `size` bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", way) as archive:
        archive.writestr(name, content)
        archive.infolist()[0].file_size = len(content) if size is None else size
    return buffer.getvalue()


def tar_of(kind: bytes, size: int, content: bytes = b"") -> bytes:
    """Return a .tar.gz of one member of a kind that declares `size` bytes."""
    member = tarfile.TarInfo("a.txt")
    member.type, member.size = kind, size
    header = member.tobuf(tarfile.GNU_FORMAT)
    return gzip.compress(header + content + bytes(1024), 1)


def peak(path: Path) -> int:
    """Return the most memory, in bytes, that it takes to read an archive, which has to be refused."""
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match="Delete it and get it again"):
            dict(archive_members(path, ".*"))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("way", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_no_member_of_a_zip_unpacks_to_more_than_it_declares(tmp_path, way):
    path = tmp_path / "a.zip"
    path.write_bytes(zip_of(BOMB, way, size=1_000))
    assert peak(path) < 1_000_000


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
@pytest.mark.parametrize("size", [len(BOMB), 2**34, -1])
def test_no_header_of_a_tar_is_read_that_declares_more_than_a_header_has(tmp_path, kind, size):
    path = tmp_path / "a.tar.gz"
    path.write_bytes(tar_of(kind, size, BOMB))
    assert peak(path) < 1_000_000


def raw_member(kind, content=b"", name="a.txt"):
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, len(content)
    return member.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % 512)


def pax(number):
    said = b"comment%d=" % number + b"x" * 200_000 + b"\n"
    return b"%d " % (len(said) + 7) + said  # six digits and a blank count as well


def names_within_names():
    return raw_member(tarfile.GNUTYPE_LONGNAME, b"x" * 200_000) * 100


def headers_of_all_members():
    return b"".join(raw_member(tarfile.XGLTYPE, pax(number)) + raw_member(tarfile.REGTYPE) for number in range(50))


def places_of_holes():
    header = bytearray(raw_member(tarfile.GNUTYPE_SPARSE))
    header[482] = 1  # more such places follow, 21 to a block
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + 8 * 32 + sum(header[156:]))
    return bytes(header) + (b"00000000000\0" * 42 + b"\1" + bytes(7)) * 20_000


@pytest.mark.parametrize("raw", [names_within_names, headers_of_all_members, places_of_holes])
def test_headers_of_a_tar_are_bounded_together_too(tmp_path, raw):
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(raw() + bytes(1024), 1))
    assert peak(path) < 5_000_000


def test_a_file_with_holes_is_refused(tmp_path):
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(raw_member(tarfile.GNUTYPE_SPARSE) + bytes(1024)))
    with pytest.raises(UserError, match="'a.txt', which is a link, a device or sparse"):
        dict(archive_members(path, ".*"))


def test_a_member_of_negative_size_is_refused(tmp_path):
    path = tmp_path / "a.tar.gz"
    path.write_bytes(tar_of(tarfile.REGTYPE, -512, bytes(512)))
    with pytest.raises(UserError, match="'a.txt', of less than no bytes"):
        dict(archive_members(path, ".*"))


def test_an_empty_member_is_compared_with_its_checksum_as_well(tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(zip_of(b"something", size=0))
    with pytest.raises(UserError, match="Bad CRC-32"):
        dict(archive_members(path, ".*"))
    path.write_bytes(zip_of(b""))
    assert dict(archive_members(path, ".*")) == {"a.txt": b""}


def test_a_member_shorter_than_declared_is_refused(tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(zip_of(b"something", size=100))
    with pytest.raises(UserError, match="'a.txt' is shorter than declared|Bad CRC-32"):
        dict(archive_members(path, ".*"))


def test_a_name_that_is_no_text_is_no_crash(tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(zip_of(b"x", name="é.txt").replace("é".encode(), b"\xff\xff"))
    for read in (lambda: dict(archive_members(path, ".*")), lambda: zip_reader(path, ".*").__enter__()):
        with pytest.raises(UserError, match="not a whole archive"):
            read()


def test_zip_reader_reads_single_members_in_any_order(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("b.txt", "a.txt", "c.bin"):
            archive.writestr(name, name * 3)
    with zip_reader(path, r".*\.txt") as (names, read):
        assert names == ["b.txt", "a.txt"]
        assert read("a.txt") == b"a.txt" * 3 and read("b.txt") == b"b.txt" * 3
    content = path.read_bytes()
    path.write_bytes(content.replace(b"a.txta.txta.txt", b"a.txta.txtA.txt"))
    with zip_reader(path, r".*") as (_, read), pytest.raises(UserError, match="not a whole archive"):
        read("a.txt")


@pytest.mark.parametrize("member", ["../out.txt", "/etc/out.txt", "a\\..\\..\\out.txt"])
def test_zip_reader_refuses_what_leads_out_of_its_folder(tmp_path, member):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(member, "")
    with pytest.raises(UserError, match="leads out of its folder"), zip_reader(tmp_path / "a.zip", ".*"):
        pass


def test_zip_reader_refuses_what_is_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "LARGEST_MEMBER", 10)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.txt", "x" * 11)
    with pytest.raises(UserError, match="of 11 bytes"), zip_reader(tmp_path / "a.zip", ".*"):
        pass


def test_a_file_of_an_unpacked_archive_is_as_bounded_as_in_it(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "LARGEST_MEMBER", 10)
    (tmp_path / "a.txt").write_bytes(b"x" * 10)
    assert read_member(tmp_path / "a.txt") == b"x" * 10
    (tmp_path / "a.txt").write_bytes(b"x" * 11)
    with pytest.raises(UserError, match="larger than the 10 bytes"):
        read_member(tmp_path / "a.txt")


@pytest.mark.parametrize("read", [lambda path: dict(archive_members(path, ".*")), npz_arrays])
def test_a_folder_is_no_archive(tmp_path, read):
    with pytest.raises(UserError, match="not a whole archive"):
        read(tmp_path)


ARRAYS = {"b": np.asfortranarray(np.arange(6.0).reshape(2, 3)), "a": np.zeros((0, 4), np.float16), "c": np.array(7)}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_come_as_they_were_saved(tmp_path, save):
    save(tmp_path / "a.npz", **ARRAYS)
    found = npz_arrays(tmp_path / "a.npz")
    assert list(found) == list(ARRAYS) and list(npz_arrays(tmp_path / "a.npz", "[ab]")) == ["b", "a"]
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype and found[name].shape == array.shape
        np.testing.assert_array_equal(found[name], array)
        found[name][...] = 1  # they can be changed


def test_arrays_too_large_together_are_refused(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", **{f"{number}": np.zeros(500, np.uint8) for number in range(4)})
    assert len(npz_arrays(tmp_path / "a.npz", largest=4 * 700)) == 4  # headers count
    with pytest.raises(UserError, match="arrays that are too large together.*Delete it and get it again"):
        npz_arrays(tmp_path / "a.npz", largest=1_500)


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.array([print], dtype=object), "a.npy: Object arrays cannot be loaded"),
        (np.array(["text"]), "<U4 is no plain number"),
        (np.zeros(2, [("x", "f4")]), "is no plain number"),
    ],
)
def test_what_is_no_array_of_numbers_is_refused(tmp_path, array, says):
    np.savez(tmp_path / "a.npz", a=array)
    with pytest.raises(UserError, match=f"{says}.*Delete it and get it again"):
        npz_arrays(tmp_path / "a.npz")


@pytest.mark.parametrize(
    "shape", ["(10**9,)", "(1000000000000,)", "(-2,)", "(1,)", "(2.0,)", "(2, 0)", "2", "((((", "_"]
)
@pytest.mark.parametrize("version", [1, 2, 3, 9])
def test_an_array_of_another_size_than_its_header_says_takes_no_memory(tmp_path, shape, version):
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".encode()
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", b"\x93NUMPY" + bytes([version, 0]) + length + header + b"ab")
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match="a.npy: .*Delete it and get it again"):
            npz_arrays(tmp_path / "a.npz")
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
