"""Finished pictures are kept: made once with the same settings, made anew with others or where the file is damaged."""

import errno

import numpy as np
import pytest

from helpers.training import checkpoints as module
from helpers.training.checkpoints import kept

PICTURE = np.linspace(0, 1, 4 * 5 * 3, dtype=np.float32).reshape(4, 5, 3)
MADE = {"picture": PICTURE, "total": np.array([3.0, 2.0]), "message": np.array("done"), "is_complete": np.array(True)}
SETTINGS = {"photograph": PICTURE, "steps": 20, "climb": [0.01, np.float32(2)], "normalise": kept}


class Maker:
    """Makes a result, and counts how often."""

    def __init__(self, result=PICTURE):
        self.result, self.calls = result, 0

    def __call__(self):
        self.calls += 1
        return self.result


@pytest.mark.parametrize("result", [PICTURE, MADE], ids=["array", "dictionary"])
def test_what_is_finished_is_not_made_again_and_a_line_says_where_it_is(tmp_path, capsys, result):
    make = Maker(result)
    first = kept(tmp_path / "new", "dream", SETTINGS, make)
    assert capsys.readouterr().out == ""
    again = kept(tmp_path / "new", "dream", dict(SETTINGS), make)
    assert make.calls == 1 and str(tmp_path / "new" / "dream.npz") in capsys.readouterr().out
    np.testing.assert_equal(again, first)
    np.testing.assert_equal(again, result)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["dream.npz"]


def other_code():
    """Stands for a function that was edited."""


@pytest.mark.parametrize(
    "change",
    [{"photograph": PICTURE + 1e-6}, {"photograph": PICTURE[:2]}, {"steps": 21}, {"climb": [0.01]}, {"new": None}]
    + [{"normalise": other_code}],
)
def test_another_setting_makes_it_anew(tmp_path, change):
    kept(tmp_path, "dream", SETTINGS, Maker())
    make = Maker(PICTURE + 1)
    np.testing.assert_array_equal(kept(tmp_path, "dream", SETTINGS | change, make), PICTURE + 1)
    assert make.calls == 1


DAMAGE = {
    "empty": lambda data: b"",
    "cut off": lambda data: data[:-40],
    "a byte turned": lambda data: data[:-400] + bytes([data[-400] ^ 255]) + data[-399:],
    "text": lambda data: b"no picture",
    "a pickle": lambda data: b"\x80\x04N.",
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_file_is_made_anew_and_mended(tmp_path, name):
    kept(tmp_path, "dream", 1, Maker())
    path = tmp_path / "dream.npz"
    path.write_bytes(DAMAGE[name](path.read_bytes()))
    make = Maker()
    for _ in range(2):
        np.testing.assert_array_equal(kept(tmp_path, "dream", 1, make), PICTURE)
    assert make.calls == 1


def test_on_a_full_disk_the_picture_is_returned_all_the_same(tmp_path, monkeypatch, capsys):
    def full(file, **arrays):
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    kept(tmp_path, "dream", 1, Maker())
    monkeypatch.setattr(module.np, "savez", full)
    np.testing.assert_array_equal(kept(tmp_path, "dream", 2, Maker(PICTURE + 1)), PICTURE + 1)
    said = capsys.readouterr().out
    assert said.count("No space left on device") == 1 and "NB_OUTPUT_DIR" in said
    assert [path.name for path in tmp_path.iterdir()] == ["dream.npz"]
    np.testing.assert_array_equal(kept(tmp_path, "dream", 1, Maker(None)), PICTURE)  # the older one stays


def test_a_folder_that_cannot_be_made_keeps_nothing(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    np.testing.assert_array_equal(kept(tmp_path / "file", "dream", 1, Maker()), PICTURE)
    assert "cannot be written" in capsys.readouterr().out


def test_what_was_interrupted_is_returned_and_not_kept(tmp_path):
    unfinished = MADE | {"is_complete": np.array(False)}
    np.testing.assert_equal(kept(tmp_path, "painting", 1, Maker(unfinished)), unfinished)
    assert not list(tmp_path.iterdir())
    with pytest.raises(KeyboardInterrupt):
        kept(tmp_path, "dream", 1, lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    assert not list(tmp_path.iterdir())
