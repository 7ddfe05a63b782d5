"""Pictures in one file on the disk: read as an array would be, whole or not there at all."""

import errno
import os
import subprocess
import sys

import numpy as np
import pytest

from helpers import stored_pictures
from helpers.errors import UserError
from helpers.stored_pictures import HEADER, StoredPictures, key_of, store

KEY = bytes(range(32))
PICTURES = np.random.default_rng(0).integers(0, 256, (9, 4, 5, 3), dtype=np.uint8)


@pytest.fixture
def path(tmp_path):
    store(PICTURES, tmp_path / "new" / "pictures.bin", KEY)
    return tmp_path / "new" / "pictures.bin"


def test_what_was_stored_is_read_by_slices_and_by_places(path):
    stored = StoredPictures(path, (4, 5, 3))
    assert stored.shape == PICTURES.shape and len(stored) == 9 and stored.ndim == 4
    for places in (slice(None), slice(2, 7, 2), slice(-3, None), np.array([8, 0, 0, 3])):
        np.testing.assert_array_equal(stored[places], PICTURES[places])
    with pytest.raises(IndexError):
        stored[np.array([9])]


def test_an_order_chooses_pictures_and_their_places(path):
    order = np.array([7, 1, 4])
    stored = StoredPictures(path, (4, 5, 3), order)
    assert stored.shape == (3, 4, 5, 3)
    np.testing.assert_array_equal(stored[:], PICTURES[order])
    np.testing.assert_array_equal(stored[np.array([2])], PICTURES[[4]])


def test_the_digest_names_pictures_and_order_and_not_the_file(path, tmp_path):
    digest = StoredPictures(path, (4, 5, 3)).digest
    store(PICTURES, tmp_path / "other.bin", KEY[::-1])
    assert StoredPictures(tmp_path / "other.bin", (4, 5, 3)).digest == digest
    assert StoredPictures(path, (4, 5, 3), np.arange(9)[::-1]).digest != digest
    changed = PICTURES.copy()
    changed[8, 3, 4, 2] ^= 1
    store(changed, path, KEY)
    assert StoredPictures(path, (4, 5, 3)).digest != digest


def test_the_key_says_what_a_file_was_made_of(path, tmp_path):
    assert key_of(path) == KEY and key_of(tmp_path / "none.bin") is None


@pytest.mark.parametrize("length", [0, HEADER - 1, HEADER + 61])
def test_a_file_that_was_cut_off_is_an_error_that_says_what_to_do(path, length):
    os.truncate(path, length)
    with pytest.raises(UserError, match="pictures.bin has been cut off. Delete it"):
        StoredPictures(path, (4, 5, 3))


def test_a_file_that_is_cut_off_later_gives_no_wrong_pictures(path):
    stored = StoredPictures(path, (4, 5, 3))
    os.truncate(path, HEADER + 61)
    np.testing.assert_array_equal(stored[:1], PICTURES[:1])
    with pytest.raises(UserError, match="has been cut off"):
        stored[:2]


def test_no_file_is_an_error(tmp_path):
    with pytest.raises(UserError, match="cannot be read .No such file"):
        StoredPictures(tmp_path / "none.bin", (4, 5, 3))


def test_a_full_disk_leaves_what_was_there_and_nothing_else(path, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(stored_pictures.os, "fsync", full)
    with pytest.raises(UserError, match="cannot be written .No space left on device.. Make room"):
        store(PICTURES[::-1], path, KEY[::-1])
    assert key_of(path) == KEY and os.listdir(path.parent) == ["pictures.bin"]


def test_what_breaks_off_leaves_what_was_there_and_nothing_else(path):
    def pictures():
        yield PICTURES[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store(pictures(), path, KEY[::-1])
    assert key_of(path) == KEY and os.listdir(path.parent) == ["pictures.bin"]


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_not(path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left, written, other = (
        path.with_name(f"{name}.part") for name in (f"pictures-{dead.pid}", f"pictures-{os.getppid()}", "x-1")
    )
    for part in (left, written, other):
        part.write_bytes(b"half")
    store(PICTURES, path, KEY)
    assert [part.exists() for part in (left, written, other)] == [False, True, True]


def test_a_file_may_be_replaced_while_it_is_read(path):
    stored = StoredPictures(path, (4, 5, 3))
    store(PICTURES[::-1], path, KEY)
    np.testing.assert_array_equal(stored[:], PICTURES)
    np.testing.assert_array_equal(StoredPictures(path, (4, 5, 3))[:], PICTURES[::-1])
