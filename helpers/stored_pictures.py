"""Pictures of one size that lie in one file on the disk, of which only those asked for are read into memory."""

import contextlib
import errno
import hashlib
import math
import os
import threading
import weakref
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import psutil

from helpers.errors import UserError

COUNT = 8  # bytes, the lowest first, that say how many pictures a file has
HEADER = COUNT + 32  # bytes before the first picture: the count, and the SHA-256 of the pictures


class StoredPictures:
    """Stands for an array of pictures where `batches.PictureBatches` is given one: a batch at a time is in memory.

    `stored[:100]` is an array of the first hundred, `stored[places]` one of those at the places named;
    `shape` and `dtype` are those of the whole. `digest` names the pictures and their order.
    """

    dtype, ndim = np.dtype(np.uint8), 4

    def __init__(self, path: Path, picture_shape: tuple[int, int, int], order: np.ndarray | None = None) -> None:
        """Open a file that `store` has written.

        Args:
            path: the file. It stays open: elsewhere than on Windows it can be read on after it has been removed.
            picture_shape: (height, width, channels) of a picture.
            order: whole numbers `(n,)`, the pictures that this object has, by their places in the file; None for all.

        Raises:
            UserError: the file cannot be read, or has not the length that it was written with.
        """
        try:
            self._file = path.open("rb", buffering=0)
            weakref.finalize(self, self._file.close)
            header, size = self._file.read(HEADER), os.fstat(self._file.fileno()).st_size
        except OSError as error:
            raise UserError(f"{path} cannot be read ({error.strerror}). Delete it; it is made anew then.") from error
        self._path, self._bytes, self._lock = path, math.prod(picture_shape), threading.Lock()
        count = int.from_bytes(header[:COUNT], "little")
        if size != HEADER + count * self._bytes:
            self._file.close()  # Windows lets nobody delete a file that is open
            raise self._cut_off()
        self._order = np.arange(count) if order is None else np.asarray(order, np.int64)
        self.shape = (len(self._order), *picture_shape)
        self.digest = hashlib.sha256(header[COUNT:] + self._order.tobytes()).hexdigest()

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, places: slice | np.ndarray) -> np.ndarray:
        """Read pictures: uint8 `(n, height, width, channels)`, for a slice or for whole numbers `(n,)`.

        Raises:
            IndexError: there is no picture at a place.
            UserError: the file has been cut off since it was opened.
        """
        rows = self._order[places]
        pictures = np.empty((len(rows), *self.shape[1:]), np.uint8)
        with self._lock:  # one place in the file for all threads
            for row, picture in zip(rows.tolist(), pictures, strict=True):
                self._file.seek(HEADER + row * self._bytes)
                if self._file.readinto(picture.reshape(-1)) != self._bytes:
                    raise self._cut_off()
        return pictures

    def _cut_off(self) -> UserError:
        return UserError(
            f"{self._path} has been cut off or altered. Delete it and load the pictures again: it is made anew then."
        )


def store(pictures: Iterable[np.ndarray], path: Path) -> None:
    """Write pictures one after the other into a file, which gets its name when it is complete.

    Other pictures should get another name: Windows replaces no file that is open. What has the same name up to the
    first "-" is taken for an earlier state of the same pictures, by `remove_older` too.

    Args:
        pictures: uint8 `(height, width, channels)` each, all of one shape; only one is in memory at a time.
        path: the file; its folder is made if need be. One that is there is replaced if the system allows that, and
            else left, since another process has made it meanwhile.

    Raises:
        UserError: the file cannot be written: a full disk, a read-only folder. Nothing of it is left then.
    """
    part, content, count = path.with_name(f"{path.stem}-{os.getpid()}.part"), hashlib.sha256(), 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_remains(path)
        with part.open("wb") as file:
            file.write(bytes(HEADER))
            for picture in pictures:
                content.update(picture)
                file.write(picture)
                count += 1
            file.seek(0)
            file.write(count.to_bytes(COUNT, "little") + content.digest())
            file.flush()
            os.fsync(file.fileno())  # else a power cut may leave the name with nothing behind it
        _name(part, path)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        hint = "Make room on that disk." if full else "Give another folder as `cache`, one that you may write to."
        raise UserError(f"{path} cannot be written ({error.strerror}). {hint}") from error
    finally:
        _remove(part)


def remove_older(path: Path) -> None:
    """Remove the other files whose names are the same as that of `path` up to the first "-", where that is possible.

    Windows keeps a file that is open; it goes the next time.
    """
    for older in path.parent.glob("*.bin"):
        if older != path and _pictures_of(older) == _pictures_of(path):
            _remove(older)


def _name(part: Path, path: Path) -> None:
    try:
        os.replace(part, path)
    except PermissionError:  # Windows, where the file is there and open
        if not path.exists():
            raise


def _pictures_of(path: Path) -> str:
    return path.stem.partition("-")[0]


def _remove_remains(path: Path) -> None:
    """Remove what processes that were killed while they wrote these pictures have left, in whichever state."""
    for part in path.parent.glob("*.part"):
        pid = part.stem.rpartition("-")[2]
        if _pictures_of(part) == _pictures_of(path) and pid.isdigit() and not psutil.pid_exists(int(pid)):
            _remove(part)


def _remove(path: Path) -> None:
    """Remove a file if it is there and the system allows it."""
    with contextlib.suppress(OSError):
        path.unlink()
