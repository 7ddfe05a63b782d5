"""Archives read in place: nothing is extracted to disk, nothing is unpickled, and what is unpacked has one bound.

The bound `largest` counts the bytes of all that is unpacked (.tar.gz, .npz) or of one member (.zip).
"""

import gzip
import re
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from helpers.session import UserError

LARGEST = 64 << 20
_PLAIN = "biufc"  # NumPy's letters for the kinds of numbers


def tar_members(path: Path, pattern: str, largest: int) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the files in a .tar.gz whose whole name fits a pattern; UserError if it is damaged."""
    with _readable(path), gzip.open(path) as packed:
        stream = _Bounded(packed, largest)
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                if member.size > largest:  # tarfile would fill a file with holes with so many zeros
                    raise tarfile.ReadError(f"{member.name} declares {member.size:,} bytes")
                if member.isreg() and re.fullmatch(pattern, member.name):
                    yield member.name, archive.extractfile(member).read()
                archive.members.clear()  # else it keeps a record of every member passed
        while stream.read(1 << 16):  # gzip compares its checksum at the end
            pass


@contextmanager
def zip_reader(path: Path, pattern: str, largest: int = LARGEST) -> Iterator[tuple[list[str], Callable[[str], bytes]]]:
    """Yield the names in a .zip that fit a pattern, in order, and a function from such a name to its content."""
    with _readable(path):
        archive = zipfile.ZipFile(path)

    def read(name: str) -> bytes:
        with _readable(path), archive.open(name) as file:
            member = archive.getinfo(name)
            # Only these two methods unpack no more than they are asked for.
            if member.file_size > largest or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise zipfile.BadZipFile(f"{name} is larger than {largest:,} bytes, or packed in an unusual way")
            content = file.read(member.file_size + 1)  # zipfile compares the checksum at the end
            if len(content) != member.file_size:
                raise zipfile.BadZipFile(f"{name} is cut off")
            return content

    with archive:
        yield [name for name in archive.namelist() if re.fullmatch(pattern, name)], read


def read_member(path: Path, largest: int = LARGEST) -> bytes:
    """Return the content of a file of an unpacked archive; UserError if it cannot be read or is larger."""
    try:
        with path.open("rb") as file:
            content = file.read(largest + 1)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}). Unpack the archive again.") from error
    if len(content) > largest:
        raise UserError(f"{path} is larger than the {largest:,} bytes read here. Unpack the archive again.")
    return content


def npz_arrays(path: Path, largest: int = LARGEST) -> dict[str, np.ndarray]:
    """Return the arrays of an .npz file by their names; UserError unless all are whole and of plain numbers."""
    with _readable(path):
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > largest:
                raise ValueError(f"it unpacks to more than {largest:,} bytes")
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        for name, array in arrays.items():
            if not isinstance(array, np.ndarray) or array.dtype.kind not in _PLAIN:
                raise ValueError(f"{name} is no array of plain numbers")
    return arrays


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn whatever a broken archive raises into a UserError."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # tarfile, zipfile, zlib and NumPy raise a dozen kinds for files cut off or altered
        reason = str(error) or type(error).__name__
        raise UserError(f"{path} is damaged or not whole ({reason}). Delete it and get it again.") from error


class _Bounded:
    """A stream that gives no more than `left` bytes in all."""

    def __init__(self, stream: gzip.GzipFile, left: int) -> None:
        self._stream, self.left = stream, left

    def read(self, size: int) -> bytes:
        content = self._stream.read(min(size, self.left + 1))
        self.left -= len(content)
        if self.left < 0:
            raise tarfile.ReadError("it unpacks to more than it should")
        return content
