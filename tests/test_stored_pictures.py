"""Pictures in one file on the disk: read as an array would be, whole or not there at all."""

import errno
import os
import subprocess
import sys

import numpy as np
import pytest

from helpers import stored_pictures
from helpers.errors import UserError
from helpers.stored_pictures import HEADER, StoredPictures, remove_older, store

PICTURES = np.random.default_rng(0).integers(0, 256, (9, 4, 5, 3), dtype=np.uint8)


@pytest.fixture
def path(tmp_path):
    store(PICTURES, tmp_path / "new" / "pictures.bin")
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
    store(PICTURES, tmp_path / "other.bin")
    assert StoredPictures(tmp_path / "other.bin", (4, 5, 3)).digest == digest
    assert StoredPictures(path, (4, 5, 3), np.arange(9)[::-1]).digest != digest
    changed = PICTURES.copy()
    changed[8, 3, 4, 2] ^= 1
    store(changed, path)
    assert StoredPictures(path, (4, 5, 3)).digest != digest


@pytest.mark.parametrize("length", [0, 7, HEADER - 1, HEADER, HEADER + 61, HEADER + 8 * 60, HEADER + 10 * 60])
def test_a_file_that_was_cut_off_anywhere_or_made_longer_is_an_error_that_says_what_to_do(path, length):
    os.truncate(path, length)
    with pytest.raises(UserError, match="pictures.bin has been cut off or altered. Delete it"):
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


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOSPC, "Make room"),
        (errno.EDQUOT, "Make room"),
        (errno.EROFS, "Give another"),
        (errno.EIO, "Give another"),
    ],
)
def test_what_cannot_be_written_leaves_what_was_there_and_nothing_else(path, monkeypatch, number, hint):
    def fails(*arguments):
        raise OSError(number, "It fails")

    monkeypatch.setattr(stored_pictures.os, "fsync", fails)
    with pytest.raises(UserError, match=f"pictures.bin cannot be written .It fails.. {hint}"):
        store(PICTURES[::-1], path)
    assert os.listdir(path.parent) == ["pictures.bin"]
    np.testing.assert_array_equal(StoredPictures(path, (4, 5, 3))[:], PICTURES)


def test_where_no_folder_can_be_made_another_is_asked_for(tmp_path):
    (tmp_path / "file").write_bytes(b"no folder")
    with pytest.raises(UserError, match="cannot be written .*Give another folder"):
        store(PICTURES, tmp_path / "file" / "pictures.bin")


def test_what_breaks_off_leaves_what_was_there_and_nothing_else(path):
    def pictures():
        yield PICTURES[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store(pictures(), path)
    assert os.listdir(path.parent) == ["pictures.bin"]
    np.testing.assert_array_equal(StoredPictures(path, (4, 5, 3))[:], PICTURES)


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_not(path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    names = (f"pictures-{dead.pid}", f"pictures-old-{dead.pid}", f"pictures-{os.getppid()}", f"x-{dead.pid}")
    parts = [path.with_name(f"{name}.part") for name in names]
    for part in parts:
        part.write_bytes(b"half")
    store(PICTURES, path.with_name("pictures-new.bin"))
    assert [part.exists() for part in parts] == [False, False, True, True]


def test_a_file_that_is_open_is_left_where_the_system_replaces_none_and_only_then(path, monkeypatch):
    def refuses(*arguments):
        raise PermissionError(errno.EACCES, "Access is denied")

    monkeypatch.setattr(stored_pictures.os, "replace", refuses)
    stored = StoredPictures(path, (4, 5, 3))
    store(PICTURES, path)
    np.testing.assert_array_equal(stored[:], PICTURES)
    with pytest.raises(UserError, match="other.bin cannot be written .Access is denied.. Give another"):
        store(PICTURES, path.with_name("other.bin"))
    assert os.listdir(path.parent) == ["pictures.bin"]


def test_older_states_of_the_same_pictures_are_removed_and_others_are_not(path):
    names = ("pictures-1.bin", "pictures-2.bin", "pictures2.bin", "pictures-1.txt")
    for name in names:
        path.with_name(name).write_bytes(b"")
    remove_older(path.with_name("pictures-2.bin"))
    assert sorted(os.listdir(path.parent)) == ["pictures-1.txt", "pictures-2.bin", "pictures2.bin"]
