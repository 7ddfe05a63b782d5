"""Archives read in place: nothing is extracted to disk, so no member can land outside its folder.

The design speaks of extracting safely; reading the few files that are wanted straight from the archive
is simpler, leaves nothing to clean up, and is as fast. Members that would be dangerous to extract are
refused all the same: an archive that has them is not the one that its publisher made.
"""

import gzip
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath

from helpers.errors import UserError

LARGEST_MEMBER = 64 << 20  # bytes of one member that is read
LARGEST_TOTAL = 4 << 30  # bytes of all members together, read or not
# RuntimeError is zipfile's word for a member that is encrypted, or packed in a way it does not know.
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError, RuntimeError)


def archive_members(path: Path, pattern: str) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the members of an archive whose whole name fits a pattern, in the archive's order.

    Args:
        path: a .tar.gz or .zip file; told apart by content, not by name. (A bare .tar has no checksum, and
            cut off between two members it looks whole.)
        pattern: regular expression for whole member names (with "/" between folders, no leading "./").

    Raises:
        UserError: the file is no archive, is cut off or damaged, or declares unreasonable sizes; or it has
            a member with an absolute name, with "..", or that is a link or a device.
    """
    path = Path(path)
    wanted = re.compile(pattern)
    members = _zip_members if zipfile.is_zipfile(path) else _tar_members
    try:
        yield from members(path, wanted)
    except _BROKEN as error:
        raise _not_whole(path, error) from error


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
    try:
        archive = zipfile.ZipFile(path)
    except _BROKEN as error:
        raise _not_whole(path, error) from error
    with archive:
        members = _wanted_of_zip(archive, path, re.compile(pattern))

        def read(name: str) -> bytes:
            try:
                return archive.read(members[name])
            except _BROKEN as error:
                raise _not_whole(path, error) from error

        yield list(members), read


def _not_whole(path: Path, error: Exception) -> UserError:
    return UserError(f"{path} is not a whole archive ({error or type(error).__name__}). Delete it and get it again.")


def _tar_members(path: Path, wanted: re.Pattern) -> Iterator[tuple[str, bytes]]:
    total = 0
    with gzip.open(path) as stream:
        with tarfile.open(fileobj=stream, mode="r:") as archive:
            for member in archive:
                total += member.size
                name = _checked_name(path, member.name, member.isreg() or member.isdir(), total)
                if member.isreg() and wanted.fullmatch(name):
                    _check_size(path, name, member.size)
                    content = archive.extractfile(member).read()
                    yield name, content
                archive.members.clear()  # else it keeps a record of every member passed
        while stream.read(1 << 20):  # to the end, where gzip compares its checksum
            pass


def _zip_members(path: Path, wanted: re.Pattern) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(path) as archive:
        for name, member in _wanted_of_zip(archive, path, wanted).items():
            yield name, archive.read(member)


def _wanted_of_zip(archive: zipfile.ZipFile, path: Path, wanted: re.Pattern) -> dict[str, zipfile.ZipInfo]:
    total, members = 0, {}
    for member in archive.infolist():
        total += member.file_size
        kind = stat.S_IFMT(member.external_attr >> 16)  # 0 where the archive was not made on Unix
        name = _checked_name(path, member.filename, kind in (0, stat.S_IFREG, stat.S_IFDIR), total)
        if not member.is_dir() and wanted.fullmatch(name):
            _check_size(path, name, member.file_size)
            members[name] = member
    return members


def _checked_name(path: Path, name: str, is_plain: bool, total: int) -> str:
    """Return a member's name without a leading "./"; raise UserError if it is not fit to be in a data archive.

    Stricter than tarfile's own "data" filter, which drops a leading "/" and lets inner links pass; and
    the same for zip, which has no such filter.
    """
    windows = PureWindowsPath(name)
    if PurePosixPath(name).is_absolute() or windows.drive or windows.root or ".." in windows.parts:
        fault = "which leads out of its folder"
    elif not is_plain:
        fault = "which is a link or a device"
    elif total > LARGEST_TOTAL:
        fault = f"with which it grows beyond {LARGEST_TOTAL >> 30} GiB"
    else:
        return name.removeprefix("./")
    raise UserError(f"{path} has a member {name!r}, {fault}: not the official archive. Delete it and get it again.")


def _check_size(path: Path, name: str, size: int) -> None:
    if size > LARGEST_MEMBER:
        raise UserError(
            f"{path} has a member {name!r} of {size:,} bytes: not the official archive. Delete it and get it again."
        )
