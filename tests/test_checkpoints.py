"""Checkpoints: whole or not there, damage found and stepped over, nothing assigned that does not fit."""

import errno
import os
import shutil
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from helpers import checkpoints as module
from helpers.checkpoints import Checkpoints, assign, digest_of, read_arrays, values_of, write_arrays
from helpers.errors import UserError

ARRAYS = [np.arange(6, dtype=np.float32).reshape(2, 3), np.array(7, np.int64), np.zeros((0, 4), np.float16)]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_round_trip_keeps_values_shapes_types_and_order(tmp_path):
    checkpoints = Checkpoints(tmp_path / "new" / "folder")
    assert checkpoints.load() is None
    many = [*ARRAYS, *(np.full(2, number) for number in range(20))]  # more than nine: order by number, not by text
    checkpoints.save(3, many, {"history": [{"loss": 0.1 + 0.2}]})
    arrays, state = checkpoints.load()
    assert state == {"history": [{"loss": 0.1 + 0.2}]}
    assert len(arrays) == len(many)
    for found, saved in zip(arrays, many, strict=True):
        assert found.dtype == saved.dtype and found.shape == saved.shape
        np.testing.assert_array_equal(found, saved)


def test_the_newest_is_loaded_and_the_one_before_is_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    for number in (8, 9, 10, 11):
        checkpoints.save(number, ARRAYS, {"number": number})
    assert checkpoints.load()[1] == {"number": 11}
    assert names(tmp_path) == ["checkpoint-000010", "checkpoint-000011"]


def test_the_same_number_again_replaces(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, ARRAYS, {"try": 1})
    checkpoints.save(1, ARRAYS[:1], {"try": 2})
    arrays, state = checkpoints.load()
    assert len(arrays) == 1 and state == {"try": 2}


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_a_stop_between_writing_and_renaming_leaves_the_old_one(tmp_path, monkeypatch, capsys, error):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, ARRAYS, {"number": 1})

    def stop(self, target):
        assert (self / "arrays.npz").exists() and (self / "state.json").exists()
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", stop)
        with pytest.raises(type(error)):
            checkpoints.save(2, ARRAYS[:1], {"number": 2})
    arrays, state = checkpoints.load()
    assert state == {"number": 1} and len(arrays) == len(ARRAYS)
    assert names(tmp_path) == ["checkpoint-000001"]  # nothing half-written stays behind
    assert "damaged" not in capsys.readouterr().out
    checkpoints.save(2, ARRAYS, {"number": 2})
    assert checkpoints.load()[1] == {"number": 2}


@pytest.mark.parametrize("others", [[1], []])
def test_wherever_the_rewriting_of_a_number_ends_there_is_no_half_checkpoint(tmp_path, monkeypatch, capsys, others):
    """As a kill ends it: nothing is tidied up. Renaming a folder and removing a file are what it does to the disk."""
    states = []
    for moment in range(6):
        checkpoints, left = Checkpoints(tmp_path / str(moment)), [moment]
        for number in (*others, 2):
            checkpoints.save(number, ARRAYS, {"number": number})

        def unless_over(deed, left=left):
            def done(*given, **named):
                left[0] -= 1
                return deed(*given, **named) if left[0] >= 0 else None

            return done

        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", unless_over(Path.rename))
            patch.setattr(os, "unlink", unless_over(os.unlink))
            patch.setattr(os, "rmdir", unless_over(os.rmdir))
            checkpoints.save(2, ARRAYS, {"number": "2 again"})
        states.append(checkpoints.load()[1]["number"])
    assert states == [2, 2, *["2 again"] * 4] and "damaged" not in capsys.readouterr().out


def test_what_is_written_below_damaged_ones_stays(tmp_path, capsys):
    """All that were there are damaged, so a training begins anew, with lower numbers; and is killed, and goes on."""
    before = Checkpoints(tmp_path)
    for number in (19, 20):
        before.save(number, ARRAYS, {"number": number})
        (tmp_path / f"checkpoint-{number:06d}" / "state.json").write_text("{}")
    for first, last in ((1, 5), (6, 19)):
        checkpoints = Checkpoints(tmp_path)
        found = checkpoints.load()
        assert found is None if first == 1 else found[1] == {"number": first - 1}
        for number in range(first, last + 1):
            checkpoints.save(number, ARRAYS, {"number": number})
            checkpoints.tidy()
    assert names(tmp_path) == [f"checkpoint-{number:06d}" for number in (18, 19, 20)]
    checkpoints.save(20, ARRAYS, {"number": 20})
    assert names(tmp_path) == ["checkpoint-000019", "checkpoint-000020"]
    capsys.readouterr()
    assert Checkpoints(tmp_path).load()[1] == {"number": 20} and "damaged" not in capsys.readouterr().out


def test_what_a_killed_process_left_half_written_is_no_checkpoint(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, ARRAYS, {"number": 1})
    (tmp_path / "checkpoint-000001").rename(tmp_path / "partial-000002-4711")
    assert checkpoints.load() is None


def cut(path):
    path.write_bytes(path.read_bytes()[:-20])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


DAMAGE = {
    "arrays cut off": lambda folder: cut(folder / "arrays.npz"),
    "a bit flipped": lambda folder: flip(folder / "arrays.npz"),
    "arrays gone": lambda folder: (folder / "arrays.npz").unlink(),
    "state cut off": lambda folder: cut(folder / "state.json"),
    "state empty": lambda folder: (folder / "state.json").write_bytes(b""),
    "state of another kind": lambda folder: (folder / "state.json").write_text("[]"),
    "no digest": lambda folder: (folder / "state.json").write_text("{}"),
    "not text": lambda folder: (folder / "state.json").write_bytes(b"\xff\xfe\x80"),
    "brackets without end": lambda folder: (folder / "state.json").write_text("[" * 100_000),
    "a folder": lambda folder: (folder / "state.json").unlink() or (folder / "state.json").mkdir(),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_newest_gives_the_one_before_and_says_so(tmp_path, capsys, damage):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, ARRAYS, {"number": 1})
    checkpoints.save(2, ARRAYS, {"number": 2})
    DAMAGE[damage](tmp_path / "checkpoint-000002")
    assert checkpoints.load()[1] == {"number": 1}
    assert "checkpoint-000002 is damaged" in capsys.readouterr().out
    DAMAGE[damage](tmp_path / "checkpoint-000001")
    assert checkpoints.load() is None


def test_no_byte_of_the_state_can_change_unseen(tmp_path, capsys):
    """Not the step, nor the number of an epoch, say: as JSON such a state would be as good as before."""
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, ARRAYS, {"history": [{"epoch": 12, "loss": 0.5}], "best_figure": float("inf")})
    path = tmp_path / "checkpoint-000001" / "state.json"
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert checkpoints.load() is None, content[:place]
    path.write_bytes(content)
    assert checkpoints.load()[1] == {"history": [{"epoch": 12, "loss": 0.5}], "best_figure": float("inf")}


@pytest.mark.parametrize("file", ["arrays.npz", "state.json"])
def test_wherever_a_checkpoint_is_cut_off_it_is_not_loaded(tmp_path, capsys, file):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, ARRAYS, {"number": 1})
    checkpoints.save(2, ARRAYS, {"number": 2})
    path = tmp_path / "checkpoint-000002" / file
    content = path.read_bytes()
    for length in range(0, len(content), 13):
        path.write_bytes(content[:length])
        assert checkpoints.load()[1] == {"number": 1}
        assert "checkpoint-000002 is damaged" in capsys.readouterr().out


class FullDisk:
    """A file open for writing on a disk with room for `left` more bytes."""

    def __init__(self, file, room):
        self.file, self.room = file, room

    def __getattr__(self, name):
        return getattr(self.file, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def write(self, data):
        self.room[0] -= len(data)
        if self.room[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.file.write(data)


def fill_disk(patch, left):
    """Let all that is opened for writing share `left` bytes."""
    room, opened = [left], Path.open

    def open_on_full_disk(self, mode="r", **options):
        file = opened(self, mode, **options)
        return FullDisk(file, room) if "w" in mode else file

    patch.setattr(Path, "open", open_on_full_disk)


def test_wherever_the_disk_becomes_full_the_old_checkpoints_stay(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path)
    for number in (1, 2):
        checkpoints.save(number, ARRAYS, {"number": number})
    size = sum(path.stat().st_size for path in (tmp_path / "checkpoint-000002").iterdir())
    for left in range(0, size, 97):
        with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
            fill_disk(patch, left)
            checkpoints.save(3, ARRAYS, {"number": 3})
        assert names(tmp_path) == ["checkpoint-000001", "checkpoint-000002"]
        assert checkpoints.load()[1] == {"number": 2}
    checkpoints.save(3, ARRAYS, {"number": 3})
    assert checkpoints.load()[1] == {"number": 3}


def test_what_killed_processes_began_is_cleared_away_and_what_others_do_is_not(tmp_path):
    for name in ("partial-000001-4711", "partial-000002-17", "partial-000003-99"):
        (tmp_path / name).mkdir()
    Checkpoints(tmp_path).tidy()
    assert len(names(tmp_path)) == 3  # there is nothing yet by which they are out of date
    Checkpoints(tmp_path).save(2, ARRAYS, {})
    assert names(tmp_path) == ["checkpoint-000002", "partial-000003-99"]


def test_what_cannot_be_deleted_is_said(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, ARRAYS, {})
    monkeypatch.setattr(shutil, "rmtree", lambda path, ignore_errors: None)  # as in a folder that is read-only
    with pytest.raises(UserError, match="checkpoint-000001 cannot be deleted.*by hand"):
        checkpoints.delete()


def test_delete_deletes_this_training_only(tmp_path):
    first, second = Checkpoints(tmp_path / "a"), Checkpoints(tmp_path / "b")
    for checkpoints in (first, second):
        checkpoints.save(1, ARRAYS, {})
    first.delete()
    first.delete()
    assert first.load() is None and second.load() is not None


def test_objects_are_not_unpickled(tmp_path):
    path = tmp_path / "arrays.npz"
    np.savez(path, **{"0000": np.array([{"a": 1}], dtype=object)})
    with pytest.raises(ValueError, match="Object arrays cannot be loaded"):
        read_arrays(path, digest_of(path))


@pytest.mark.parametrize("content", [b"", b"PK", b"\x93NUMPY", b"PK\x05\x06" + bytes(17)])
def test_what_is_no_archive_of_arrays_is_one_kind_of_error(tmp_path, content):
    path = tmp_path / "arrays.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not a whole archive"):
        read_arrays(path, digest_of(path))


def test_an_array_larger_than_its_file_is_not_unpacked(tmp_path):
    path = tmp_path / "arrays.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0000.npy", bytes(10_000_000))
    with pytest.raises(ValueError, match="has a member '0000.npy' of 10,000,000 bytes"):
        read_arrays(path, digest_of(path))


def test_a_checkpoint_with_objects_counts_as_damaged(tmp_path, capsys):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, ARRAYS, {"number": 1})
    checkpoints.save(2, ARRAYS, {"number": 2})
    path = tmp_path / "checkpoint-000002" / "arrays.npz"
    np.savez(path, **{"0000": np.array([print], dtype=object)})
    (path.parent / "state.json").write_bytes(module._sealed({"digest": digest_of(path), "number": 2}))
    assert checkpoints.load()[1] == {"number": 1}
    assert "Object arrays" in capsys.readouterr().out


def test_digest_is_that_of_the_file(tmp_path):
    path = tmp_path / "arrays.npz"
    digest = write_arrays(path, ARRAYS)
    assert digest == digest_of(path) and len(digest) == 64
    with pytest.raises(ValueError, match="digest"):
        read_arrays(path, digest.replace(digest[0], "f" if digest[0] != "f" else "0"))


def test_digest_of_known_bytes(tmp_path):
    (tmp_path / "empty").touch()
    assert digest_of(tmp_path / "empty") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(
    ("arrays", "detail"),
    [
        ([np.ones((2, 3)), np.ones(4)], r"is \(3,\) here and \(4,\) there"),
        ([np.ones((2, 3))], "1 arrays for 2 weights"),
        ([np.ones((2, 3)), np.ones(3), np.ones(1)], "3 arrays for 2 weights"),
        ([np.ones((3, 2)), np.ones(3)], r"is \(2, 3\) here and \(3, 2\) there"),
    ],
)
def test_other_shapes_assign_nothing(arrays, detail):
    variables = [keras.Variable(np.zeros((2, 3))), keras.Variable(np.zeros(3))]
    with pytest.raises(UserError, match=detail) as caught:
        assign(variables, arrays, "that file")
    assert "that file" in str(caught.value)
    assert not any(np.any(value) for value in values_of(variables))


def test_values_are_copies():
    variable = keras.Variable(np.zeros(3))
    [before] = values_of([variable])
    assign([variable], [np.ones(3)], "ones")
    np.testing.assert_array_equal(before, np.zeros(3))
    np.testing.assert_array_equal(variable, np.ones(3))
