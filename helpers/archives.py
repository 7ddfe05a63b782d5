"""Archives read in place: nothing is extracted to disk, so no member can land outside its folder.

The design speaks of extracting safely; reading the few files that are wanted straight from the archive
is simpler, leaves nothing to clean up, and is as fast. Members that would be dangerous to extract are
refused all the same: an archive that has them is not the one that its publisher made.
"""

import gzip
import io
import math
import re
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np

from helpers.errors import UserError

LARGEST_MEMBER = 64 << 20  # bytes of one member that is read
LARGEST_TOTAL = 4 << 30  # bytes of all members together, read or not
LARGEST_HEADER = 1 << 18  # bytes of all that a .tar says of a member before its content, or of all members
_PLAIN = "biufc"  # NumPy's letters for the kinds of numbers; others would be unpickled, or stand for nothing here


def archive_members(path: Path, pattern: str, largest: int | None = None) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the members of an archive whose whole name fits a pattern, in the archive's order.

    Args:
        path: a .tar.gz or .zip file; told apart by content, not by name. (A bare .tar has no checksum, and
            cut off between two members it looks whole.)
        pattern: regular expression for whole member names (with "/" between folders, no leading "./").
        largest: the most bytes of one member that is read; None for `LARGEST_MEMBER`.

    Raises:
        UserError: the file is no archive, is cut off or damaged, or declares unreasonable sizes; or it has
            a member with an absolute name, with "..", or that is a link, a device or sparse.
    """
    path = Path(path)
    wanted = _Wanted(path, re.compile(pattern), LARGEST_MEMBER if largest is None else largest)
    members = _zip_members if zipfile.is_zipfile(path) else _tar_members
    with _whole(path):
        yield from members(wanted)


def read_member(path: Path) -> bytes:
    """Return the content of a file of an archive that was unpacked, as bounded as in the archive.

    Raises:
        UserError: it cannot be read, or is larger than `LARGEST_MEMBER`.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_MEMBER + 1)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}). Unpack the archive again.") from error
    if len(content) > LARGEST_MEMBER:
        raise UserError(f"{path} is larger than the {LARGEST_MEMBER:,} bytes read here. Unpack the archive again.")
    return content


@contextmanager
def zip_reader(path: Path, pattern: str) -> Iterator[tuple[list[str], Callable[[str], bytes]]]:
    """Open a .zip archive to read some of its members, in any order.

    Args:
        path: the archive, told by its content.
        pattern: regular expression for whole member names, as for `archive_members`.

    Yields:
        The names that fit, in the archive's order, and a function from such a name to its content.

    Raises:
        UserError: as `archive_members`, when opening or when a member is read; a .tar.gz is no archive here.
    """
    path = Path(path)
    with _whole(path):
        archive = zipfile.ZipFile(path)
        members = _wanted_of_zip(archive, _Wanted(path, re.compile(pattern), LARGEST_MEMBER))
    with archive:

        def read(name: str) -> bytes:
            with _whole(path):
                return _content(archive, members[name])

        yield list(members), read


def npz_arrays(path: Path, pattern: str = ".*", largest: int | None = None) -> dict[str, np.ndarray]:
    """Return the arrays of an .npz file by their names, without the ".npy".

    Not by np.load, which takes whatever size a member declares, and opens what is no array.

    Args:
        path: what np.savez or np.savez_compressed wrote.
        pattern: regular expression for the whole names of the arrays that are wanted.
        largest: the most bytes of all these arrays together, or None for `LARGEST_MEMBER`: they are held at once.

    Raises:
        UserError: as `archive_members`; or an array is no plain array of numbers (objects are not unpickled), or
            its header declares another size than it has.
    """
    arrays, left = {}, LARGEST_MEMBER if largest is None else largest
    for name, content in archive_members(path, rf"(?:{pattern})\.npy", left):
        left -= len(content)
        if left < 0:
            raise UserError(f"{path} has arrays that are too large together. Delete it and get it again.")
        try:
            arrays[name.removesuffix(".npy")] = _array_of(content)
        except Exception as error:  # a header is evaluated as a Python literal, which fails in a dozen ways
            raise UserError(f"{path} cannot be read ({name}: {error}). Delete it and get it again.") from error
    return arrays


def _array_of(content: bytes) -> np.ndarray:
    """Return the array of an .npy file (format: numpy.lib.format); ValueError unless it is one of plain numbers."""
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in read_header:
        raise ValueError(f"version {version} of the format is not read here")
    shape, is_fortran, dtype = read_header[version](stream)
    if dtype.kind not in _PLAIN:
        raise ValueError("Object arrays cannot be loaded" if dtype.hasobject else f"{dtype} is no plain number")
    numbers = memoryview(content)[stream.tell() :]
    if min(shape, default=1) < 0 or math.prod(shape) * dtype.itemsize != len(numbers):
        raise ValueError(f"{len(numbers):,} bytes of numbers do not make {dtype} {shape}")
    return np.frombuffer(numbers, dtype).reshape(shape, order="F" if is_fortran else "C").copy()


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    """Turn whatever a broken archive raises into a UserError."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # tarfile, zipfile and zlib raise a dozen kinds for files that are cut off or altered
        said = str(error) or type(error).__name__
        raise UserError(f"{path} is not a whole archive ({said}). Delete it and get it again.") from error


class _Wanted:
    """What is asked of an archive, and the checks that every member of it has to pass."""

    def __init__(self, path: Path, pattern: re.Pattern, largest: int) -> None:
        self.path, self.pattern, self.largest, self.total = path, pattern, largest, 0

    def name(self, name: str, size: int, is_plain: bool) -> str:
        """Return a member's name without a leading "./"; raise UserError if it is not fit to be in a data archive.

        Stricter than tarfile's own "data" filter, which drops a leading "/" and lets inner links pass; and
        the same for zip, which has no such filter.
        """
        self.total += size
        windows = PureWindowsPath(name)
        has_drive = windows.drive or name[1:2] == ":"  # before Python 3.12 only a letter makes a drive
        if PurePosixPath(name).is_absolute() or has_drive or windows.root or ".." in windows.parts:
            fault = "which leads out of its folder"
        elif not is_plain:
            fault = "which is a link, a device or sparse"
        elif self.total > LARGEST_TOTAL:
            fault = f"with which it grows beyond {LARGEST_TOTAL >> 30} GiB"
        elif size < 0:  # tarfile would go back for it, again and again
            fault = "of less than no bytes"
        else:
            return name.removeprefix("./")
        raise self._error(name, f", {fault}")

    def fits(self, name: str, size: int) -> bool:
        """Return whether a member is wanted; raise UserError if it is, and is too large."""
        if self.pattern.fullmatch(name) and size > self.largest:
            raise self._error(name, f" of {size:,} bytes")
        return bool(self.pattern.fullmatch(name))

    def _error(self, name: str, fault: str) -> UserError:
        return UserError(
            f"{self.path} has a member {name!r}{fault}: not the official archive. Delete it and get it again."
        )


def _tar_members(wanted: _Wanted) -> Iterator[tuple[str, bytes]]:
    with gzip.open(wanted.path) as stream:
        bounded = _Bounded(stream)
        with tarfile.open(fileobj=bounded, mode="r:") as archive:
            for member in archive:
                is_plain = member.isdir() or (member.isreg() and not member.issparse())
                name = wanted.name(member.name, member.size, is_plain)
                if sum(len(word) + len(said) for word, said in archive.pax_headers.items()) > LARGEST_HEADER:
                    raise tarfile.ReadError("its headers say too much of all members")
                if member.isreg() and wanted.fits(name, member.size):
                    bounded.left = member.size + LARGEST_HEADER
                    yield name, archive.extractfile(member).read()
                bounded.left = LARGEST_HEADER
                archive.members.clear()  # else it keeps a record of every member passed
        while stream.read(1 << 16):  # to the end, where gzip compares its checksum
            pass


class _Bounded:
    """A stream that hands tarfile no more than the bytes `left` for a member, whatever its headers ask it to read."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        self.seek, self.tell = stream.seek, stream.tell
        self._stream, self.left = stream, LARGEST_HEADER

    def read(self, size: int) -> bytes:
        if not 0 <= size <= self.left:
            raise tarfile.ReadError(f"a header declares {size:,} bytes")
        self.left -= size
        return self._stream.read(size)


def _zip_members(wanted: _Wanted) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(wanted.path) as archive:
        for name, member in _wanted_of_zip(archive, wanted).items():
            yield name, _content(archive, member)


def _wanted_of_zip(archive: zipfile.ZipFile, wanted: _Wanted) -> dict[str, zipfile.ZipInfo]:
    members = {}
    for member in archive.infolist():
        kind = stat.S_IFMT(member.external_attr >> 16)  # 0 where the archive was not made on Unix
        name = wanted.name(member.filename, member.file_size, kind in (0, stat.S_IFREG, stat.S_IFDIR))
        if not member.is_dir() and wanted.fits(name, member.file_size):
            members[name] = member
    return members


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Return a member's content. Unlike `archive.read`, this unpacks no more than the member declares.

    Raises:
        zipfile.BadZipFile: it has less, or other content; or it is packed in a way that knows no such bound.
    """
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise zipfile.BadZipFile(f"{member.filename!r} is packed neither plainly nor by deflate")
    pieces, left = [], member.file_size
    with archive.open(member) as file:
        while left > 0 and (piece := file.read(min(left, 1 << 20))):
            pieces.append(piece)
            left -= len(piece)
        file.read(1)  # at the end, also that of an empty member, zipfile compares its checksum
    if left:
        raise zipfile.BadZipFile(f"{member.filename!r} is shorter than declared")
    return b"".join(pieces)
