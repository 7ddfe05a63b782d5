"""Checkpoints and finished pictures are whole or not at all; the digest is the same in every kernel."""

import errno
import functools
import io
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from trainings import all_equal

from helpers.session import UserError
from helpers.training.checkpoints import Checkpoints, kept, settings_digest

ARRAYS = [np.arange(6, dtype=np.float32).reshape(2, 3), np.array(7), np.zeros((0, 2), np.uint8)]


def archive(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


DAMAGE = {
    "empty": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "end cut off": lambda content: content[:-40],
    "a byte turned": lambda content: content.replace(ARRAYS[0].tobytes(), ARRAYS[0][::-1].tobytes()),
    "no archive": lambda content: b"x" * 100,
    "an array": lambda content: b"\x93NUMPY" + content[6:],
    "a pickle": lambda content: b"\x80\x04N.",
    "objects": lambda content: archive(state=np.array([{}])),
    "another archive": lambda content: archive(x=np.ones(1)),
}


def full_disk(file, **arrays):
    file.write(b"half of it")
    raise OSError(errno.ENOSPC, "No space left on device")


# Checkpoints


@pytest.fixture
def checkpoints(tmp_path):
    checkpoints = Checkpoints(tmp_path / "run")
    for number in (1, 2, 3):
        checkpoints.save(number, [*ARRAYS, np.array(number)], {"history": [{"epoch": number}]})
    return checkpoints


def test_what_was_saved_comes_back_and_two_are_kept(checkpoints):
    assert sorted(os.listdir(checkpoints.folder)) == ["checkpoint-000002.npz", "checkpoint-000003.npz"]
    arrays, state = checkpoints.load()
    assert all_equal(arrays, [*ARRAYS, np.array(3)]) and state == {"history": [{"epoch": 3}]}
    assert [array.dtype for array in arrays[:3]] == [array.dtype for array in ARRAYS]
    checkpoints.delete()
    assert checkpoints.load() is None and Checkpoints(checkpoints.folder / "none").load() is None


@pytest.mark.parametrize("damage", DAMAGE)
def test_if_one_is_damaged_the_one_before_is_taken(checkpoints, capsys, damage):
    newest = checkpoints.folder / "checkpoint-000003.npz"
    newest.write_bytes(DAMAGE[damage](newest.read_bytes()))
    assert checkpoints.load()[1] == {"history": [{"epoch": 2}]}
    assert "checkpoint-000003.npz is damaged" in capsys.readouterr().out
    checkpoints.save(3, ARRAYS, {"history": []})
    assert checkpoints.load()[1] == {"history": []}


def test_a_disk_that_cannot_be_read_deletes_nothing(checkpoints, monkeypatch):
    before = sorted(checkpoints.folder.iterdir())

    def fail(path):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "read_bytes", fail)
    with pytest.raises(UserError, match="cannot be read"):
        checkpoints.load()
    assert sorted(checkpoints.folder.iterdir()) == before


def test_if_all_are_damaged_they_give_way_to_new_ones(checkpoints):
    for path in checkpoints.folder.iterdir():
        path.write_bytes(b"")
    assert checkpoints.load() is None
    checkpoints.save(1, ARRAYS, {})
    assert checkpoints.load()[1] == {} and os.listdir(checkpoints.folder) == ["checkpoint-000001.npz"]


def test_a_full_disk_leaves_the_older_ones(checkpoints, monkeypatch):
    monkeypatch.setattr(np, "savez", full_disk)
    with pytest.raises(OSError, match="No space"):
        checkpoints.save(4, ARRAYS, {})
    assert sorted(os.listdir(checkpoints.folder)) == ["checkpoint-000002.npz", "checkpoint-000003.npz"]
    assert checkpoints.load()[1] == {"history": [{"epoch": 3}]}


# Finished pictures

PICTURE = ARRAYS[0]
PAINTING = {"picture": PICTURE, "message": np.array("done"), "is_complete": np.array(True)}
SETTINGS = {"photograph": PICTURE, "steps": 20, "climb": [0.01, np.float32(2)], "normalise": kept}


class Maker:
    """Makes a result, and counts how often."""

    def __init__(self, result=PICTURE):
        self.result, self.calls = result, 0

    def __call__(self):
        self.calls += 1
        return self.result


@pytest.mark.parametrize("result", [PICTURE, PAINTING], ids=["array", "dictionary"])
def test_what_is_finished_is_not_made_again_and_a_line_says_where_it_is(tmp_path, capsys, result):
    make = Maker(result)
    first = kept(tmp_path / "new", "dream", SETTINGS, make)
    assert capsys.readouterr().out == ""
    again = kept(tmp_path / "new", "dream", dict(SETTINGS), make)
    assert make.calls == 1 and str(tmp_path / "new" / "dream.npz") in capsys.readouterr().out
    np.testing.assert_equal(again, first)
    np.testing.assert_equal(again, result)
    assert os.listdir(tmp_path / "new") == ["dream.npz"]


CHANGES = [{"photograph": PICTURE + 1e-6}, {"steps": 21}, {"climb": [0.01]}, {"new": None}, {"normalise": full_disk}]


@pytest.mark.parametrize("change", CHANGES)
def test_another_setting_makes_it_anew(tmp_path, change):
    kept(tmp_path, "dream", SETTINGS, Maker())
    np.testing.assert_array_equal(kept(tmp_path, "dream", SETTINGS | change, Maker(PICTURE + 1)), PICTURE + 1)


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_made_anew_and_replaced(tmp_path, damage):
    kept(tmp_path, "dream", 1, Maker())
    path, make = tmp_path / "dream.npz", Maker()
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    for _ in range(2):
        np.testing.assert_array_equal(kept(tmp_path, "dream", 1, make), PICTURE)
    assert make.calls == 1


def test_on_a_full_disk_the_picture_is_returned_all_the_same(tmp_path, monkeypatch, capsys):
    kept(tmp_path, "dream", 1, Maker())
    monkeypatch.setattr(np, "savez", full_disk)
    np.testing.assert_array_equal(kept(tmp_path, "dream", 2, Maker(PICTURE + 1)), PICTURE + 1)
    assert capsys.readouterr().out.count("No space left on device") == 1
    assert os.listdir(tmp_path) == ["dream.npz"]
    np.testing.assert_array_equal(kept(tmp_path, "dream", 1, Maker(None)), PICTURE)  # the older one is still there


def test_a_folder_that_cannot_be_made_keeps_nothing(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    np.testing.assert_array_equal(kept(tmp_path / "file", "dream", 1, Maker()), PICTURE)
    assert "NB_OUTPUT_DIR" in capsys.readouterr().out


def test_what_was_interrupted_is_returned_and_not_kept(tmp_path):
    unfinished = PAINTING | {"is_complete": np.array(False)}
    np.testing.assert_equal(kept(tmp_path, "painting", 1, Maker(unfinished)), unfinished)
    assert not list(tmp_path.iterdir())


# The digest


class Weighted(keras.Model):
    def __init__(self, weight, inner, penalty=None):
        super().__init__()
        self.weight, self.inner, self.penalty = weight, inner, penalty

    def call(self, x):
        return self.inner(x) * self.weight


class Doubled(Weighted):
    def call(self, x):
        return 2 * self.inner(x)


def network(dropout=0.1, activation="relu", units=3):
    layers = [keras.layers.Dense(units, activation), keras.layers.Dropout(dropout), keras.layers.Dense(2)]
    return keras.Sequential([keras.Input((4,)), *layers])


def scaled(factor):
    return lambda targets, outputs: factor * keras.ops.mean(keras.ops.square(targets - outputs))


def weighted(weight=1.0, penalty=scaled, kind=Weighted, **options):
    return kind(weight, network(**options), penalty)


def joined(join):
    inputs = keras.Input((4,))
    return keras.Model(inputs, join(keras.layers.Dense(4)(inputs), inputs))


class Scaling(keras.layers.Layer):
    def call(self, x):
        return x


class Doubling(Scaling):
    factor = 2.0


class Tripling(Scaling):
    factor = 3.0


class Traced(Scaling):
    @tf.function
    def scale(self, x):
        return 2 * x

    @staticmethod
    def limit(x):
        return x


class TracedOtherwise(Scaling):
    @tf.function
    def scale(self, x):
        return 3 * x

    @staticmethod
    def limit(x):
        return x


class Limited(Scaling):
    @tf.function
    def scale(self, x):
        return 2 * x

    @staticmethod
    def limit(x):
        return -x


for kind in (Doubling, Tripling, Traced, TracedOtherwise, Limited):
    kind.__name__ = "Scaling"  # as if a reader had edited one class


def squashed(x):
    return keras.ops.tanh(x)


rate = keras.optimizers.schedules.CosineDecay
cross_entropy = keras.losses.SparseCategoricalCrossentropy
MADE = {
    "settings": lambda: {"epochs": 3, "name": "smoke", "weights": (1, 0.5), "none": None},
    "other settings": lambda: {"epochs": 4, "name": "smoke", "weights": (1, 0.5), "none": None},
    "profile": lambda: {"epochs": 3, "name": "quick", "weights": (1, 0.5), "none": None},
    "array": lambda: np.arange(4),
    "other array": lambda: np.arange(4) + 1,
    "network": network,
    "dropout": lambda: network(dropout=0.2),
    "activation": lambda: network(activation="tanh"),
    "own activation": lambda: network(activation=squashed),
    "units": lambda: network(units=4),
    "own network": weighted,
    "weight of the loss": lambda: weighted(2.0),
    "another function": lambda: weighted(penalty=squashed),
    "dropout within": lambda: weighted(dropout=0.2),
    "another method": lambda: weighted(kind=Doubled),
    "joined by a sum": lambda: joined(lambda new, old: new + old),
    "joined by a product": lambda: joined(lambda new, old: new * old),
    "with itself": lambda: joined(lambda new, old: new + new),
    "with a number": lambda: joined(lambda new, old: new * 2.0),
    "with another": lambda: joined(lambda new, old: new * 3.0),
    "value of a class": Doubling,
    "another value of a class": Tripling,
    "traced method": Traced,
    "another traced method": TracedOtherwise,
    "another static method": Limited,
    "enclosed list": lambda: scaled([1.0, 2.0]),
    "another enclosed list": lambda: scaled([1.0, 3.0]),
    "enclosed array": lambda: scaled(np.arange(2)),
    "another enclosed array": lambda: scaled(np.arange(3)),
    "folder": lambda: {"folder": Path("a")},
    "another folder": lambda: {"folder": Path("b")},
    "adam": lambda: keras.optimizers.Adam(0.1),
    "learning rate": lambda: keras.optimizers.Adam(0.2),
    "beta": lambda: keras.optimizers.Adam(0.1, 0.5),
    "clipped": lambda: keras.optimizers.Adam(0.1, clipnorm=1.0),
    "adamw": lambda: keras.optimizers.AdamW(0.1),
    "schedule": lambda: keras.optimizers.Adam(rate(0.1, 100)),
    "longer schedule": lambda: keras.optimizers.Adam(rate(0.1, 200)),
    "loss": lambda: cross_entropy(from_logits=True),
    "loss of probabilities": lambda: cross_entropy(from_logits=False),
    "loss by name": lambda: "mse",
    "loss function": lambda: scaled(1.0),
    "its weight": lambda: scaled(2.0),
    "partial": lambda: functools.partial(scaled, 2.0),
    "of a library": lambda: keras.losses.mean_squared_error,
}


def digests():
    return {name: settings_digest(make()) for name, make in MADE.items()}


def test_each_choice_has_a_digest_of_its_own_which_is_the_same_in_another_kernel():
    here = digests()
    assert len(set(here.values())) == len(MADE) and digests() == here  # Keras has numbered other names by now
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "7"}
    done = subprocess.run([sys.executable, __file__], env=variables, capture_output=True, text=True, check=True)
    assert done.stdout.split() == list(here.values())


def test_training_changes_no_digest():
    model = network()
    model.compile(keras.optimizers.Adam(0.1), "mse")
    before = settings_digest(model, model.optimizer, model.loss)
    model.fit(np.ones((4, 4)), np.ones((4, 2)), verbose=0)
    assert settings_digest(model, model.optimizer, model.loss) == before


if __name__ == "__main__":
    print(*digests().values())
