"""Archives and arrays, damaged and malicious: tests/fuzzing.py says how, and what may come of it."""

import dataclasses
import gzip
import io
import stat
import tarfile
import zipfile

import numpy as np
import pytest
from fuzzing import BOMB, LETTERS, MB, check_arrays, few_and_many, fuzz, mutated, npz_files
from hypothesis import strategies as st

from helpers.data import archives, digits

NAMES = st.one_of(
    st.sampled_from(["a.txt", "./b.txt", "c/d.txt", "c/", "", ".", "é.txt", "a" * 300, "a\\b.txt", "con\x00.txt"]),
    st.sampled_from(["../x", "a/../../x", "/tmp/x", "C:/x", "\\x", "..", "c/..", "//host/x", "a\\..\\..\\x"]),
    st.text(LETTERS, max_size=12),
)
SIZES = st.sampled_from([None, None, None, None, 0, 1, 512, 1_000, 2 * MB, 2**31, 2**33, 2**40])
CONTENTS = st.one_of(st.binary(max_size=60), st.binary(max_size=60), st.sampled_from([bytes(3_000), BOMB]))
KINDS_OF_TAR = {
    "folder": tarfile.DIRTYPE,
    "link": tarfile.SYMTYPE,
    "hard link": tarfile.LNKTYPE,
    "pipe": tarfile.FIFOTYPE,
}
KINDS_OF_TAR |= {"pax": tarfile.XHDTYPE, "of all": tarfile.XGLTYPE, "long name": tarfile.GNUTYPE_LONGNAME}
KINDS_OF_TAR |= {"sparse": tarfile.GNUTYPE_SPARSE}
MEMBERS = st.lists(
    st.tuples(NAMES, CONTENTS, SIZES, st.sampled_from(["file"] * 8 + [*KINDS_OF_TAR])),
    max_size=4,
)


@st.composite
def tar_files(draw):
    """Draw a .tar.gz: members of any name and kind, some of which declare another size than they have."""
    raw = bytearray()
    for name, content, size, kind in draw(MEMBERS):
        member = tarfile.TarInfo(name)
        member.type, member.linkname = KINDS_OF_TAR.get(kind, tarfile.REGTYPE), "../x"
        member.size = len(content) if size is None else size
        raw += member.tobuf(tarfile.GNU_FORMAT, errors="replace")
        raw += content + bytes(-len(content) % 512)
    raw = raw * (draw(st.sampled_from([1, 1, 1, 1, 30])) if len(raw) < MB // 10 else 1) + bytes(1024)
    if draw(st.booleans()):  # within the headers, and with the checksum made right again
        places = range(0, len(raw) - 1024, 512)
        place = draw(st.sampled_from(places[:3] or [0])) if places else 0
        field = draw(st.sampled_from([100, 124, 136, 148, 156, 257, 345]))
        values = [b"\x80" + b"\0" * 10 + b"\1", b"\xff" * 12, b"777777777777", b"x" * 12, b"-1" + b"\0" * 10]
        raw[place + field : place + field + 12] = draw(st.sampled_from(values))
        total = sum(raw[place : place + 148]) + 8 * 32 + sum(raw[place + 156 : place + 512])
        raw[place + 148 : place + 156] = b"%06o\0 " % total
    packed = gzip.compress(bytes(raw), 1, mtime=0)
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


def from_zip(path):
    with archives.zip_reader(path, ".*", MB // 10) as (names, content_of):
        return [content_of(name) for name in names]


def from_tar(path):
    return [content for _, content in archives.tar_members(path, ".*", MB // 10)]


def from_npz(path):
    return archives.npz_arrays(path, MB // 10)


KINDS = {"tar.gz": (tar_files(), from_tar), "zip": (zip_files(), from_zip), "npz": (npz_files(), from_npz)}


@few_and_many
@pytest.mark.parametrize("kind", KINDS)
def test_archives(record_property, tmp_path, kind, inputs):
    path, (files, load) = tmp_path / "archive", KINDS[kind]

    def check(found, _):
        if kind == "npz":
            check_arrays(found.values(), _)
        else:
            assert all(len(content) <= MB // 10 for content in found)

    # An array may be asked for that is larger than its file, and is never touched.
    bound = float("inf") if kind == "npz" else 2 * MB
    fuzz(record_property, inputs, files.map(path.write_bytes), lambda _: load(path), check, bound)


@few_and_many
def test_idx_files(record_property, tmp_path, inputs):
    counts = dict.fromkeys(digits.PARTS, (1,) * 10)
    tiny = dataclasses.replace(digits.MNIST, counts=counts)
    arrays = [
        array for part in tiny.counts for array in (np.full((10, 28, 28), 7, np.uint8), np.arange(10, dtype="u1"))
    ]
    paths = tuple(tmp_path / f"{number}.gz" for number in range(4))
    raw = [bytes((0, 0, 8, a.ndim)) + np.array(a.shape, ">u4").tobytes() + a.tobytes() for a in arrays]
    for path, content in zip(paths, raw, strict=True):
        path.write_bytes(gzip.compress(content, mtime=0))

    def put(drawn):
        content, is_packed, number = drawn
        for path, whole in zip(paths, raw, strict=True):
            path.write_bytes(gzip.compress(whole, 1, mtime=0))
        paths[number].write_bytes(content if is_packed else gzip.compress(content, 1, mtime=0))
        return number

    packed = [gzip.compress(content, mtime=0) for content in [*raw[:2], BOMB]]
    choices = st.one_of(
        st.tuples(mutated(raw[:2]), st.just(False), st.sampled_from([0, 1])),
        st.tuples(mutated(packed), st.just(True), st.sampled_from([0, 1])),
    )

    def check(parts, _):
        for images_, labels in parts.values():
            assert images_.shape == (10, 28, 28) and sorted(labels) == list(range(10))

    fuzz(record_property, inputs, choices.map(put), lambda _: digits._read(paths, tiny), check, bound=2 * MB)
