"""Pictures of one size that lie in one file on the disk, of which only those asked for are read into memory."""

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

HEADER = 64  # bytes before the first picture: what the file was made of (32), and the SHA-256 of its pictures (32)


class StoredPictures:
    """Stands for an array of pictures where `batches.PictureBatches` is given one: a batch at a time is in memory.

    `stored[:100]` is an array of the first hundred, `stored[places]` one of those at the places named;
    `shape` and `dtype` are those of the whole. `digest` names the pictures and their order.
    """

    dtype, ndim = np.dtype(np.uint8), 4

    def __init__(self, path: Path, picture_shape: tuple[int, int, int], order: np.ndarray | None = None) -> None:
        """Open a file that `store` has written.

        Args:
            path: the file. It stays open, so that it may be replaced meanwhile.
            picture_shape: (height, width, channels) of a picture.
            order: whole numbers `(n,)`, the pictures that this object has, by their places in the file; None for all.

        Raises:
            UserError: the file cannot be read, or has been cut off.
        """
        try:
            self._file = path.open("rb", buffering=0)
            weakref.finalize(self, self._file.close)
            header, size = self._file.read(HEADER), os.fstat(self._file.fileno()).st_size
        except OSError as error:
            raise UserError(f"{path} cannot be read ({error.strerror}). Delete it; it is made anew then.") from error
        self._path, self._bytes, self._lock = path, math.prod(picture_shape), threading.Lock()
        count, rest = divmod(size - HEADER, self._bytes)
        if rest or count < 0:
            raise self._cut_off()
        self._order = np.arange(count) if order is None else np.asarray(order, np.int64)
        self.shape = (len(self._order), *picture_shape)
        self.digest = hashlib.sha256(header[32:] + self._order.tobytes()).hexdigest()

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
        return UserError(f"{self._path} has been cut off. Delete it and load the pictures again: it is made anew then.")


def store(pictures: Iterable[np.ndarray], path: Path, key: bytes) -> None:
    """Write pictures one after the other into a file, which gets its name when it is complete.

    Args:
        pictures: uint8 `(height, width, channels)` each, all of one shape; only one is in memory at a time.
        path: the file, replaced if it is there; its folder is made if need be.
        key: 32 bytes that say what the pictures were made of, for `key_of`.

    Raises:
        UserError: the file cannot be written, since the disk is full, say. Nothing of it is left then.
    """
    part, content = path.with_name(f"{path.stem}-{os.getpid()}.part"), hashlib.sha256()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_remains(path)
        with part.open("wb") as file:
            file.write(bytes(HEADER))
            for picture in pictures:
                content.update(picture)
                file.write(picture)
            file.seek(0)
            file.write(key + content.digest())
            file.flush()
            os.fsync(file.fileno())  # else a power cut may leave the name with nothing behind it
        os.replace(part, path)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}). Make room on that disk.") from error
    finally:
        part.unlink(missing_ok=True)


def key_of(path: Path) -> bytes | None:
    """Return the key that a file was stored with, or None where there is no such file or it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(HEADER)[:32]
    except OSError:
        return None


def _remove_remains(path: Path) -> None:
    """Remove what processes that were killed while they wrote this file have left of it."""
    for part in path.parent.glob(f"{path.stem}-*.part"):
        pid = part.stem.rpartition("-")[2]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            part.unlink(missing_ok=True)
