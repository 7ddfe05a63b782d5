"""Checkpoints are whole or not at all; the digest tells one training from another, in every kernel alike."""

import functools
import os
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
from trainings import all_equal

from helpers.training.checkpoints import Checkpoints, settings_digest

ARRAYS = [np.arange(6, dtype=np.float32).reshape(2, 3), np.array(7), np.zeros((0, 2), np.uint8)]


@pytest.fixture
def kept(tmp_path):
    checkpoints = Checkpoints(tmp_path / "run")
    for number in (1, 2, 3):
        checkpoints.save(number, [*ARRAYS, np.array(number)], {"history": [{"epoch": number}]})
    return checkpoints


def test_what_was_saved_comes_back_and_two_are_kept(kept):
    assert sorted(os.listdir(kept.folder)) == ["checkpoint-000002.npz", "checkpoint-000003.npz"]
    arrays, state = kept.load()
    assert all_equal(arrays, [*ARRAYS, np.array(3)]) and state == {"history": [{"epoch": 3}]}
    assert [array.dtype for array in arrays[:3]] == [array.dtype for array in ARRAYS]
    kept.delete()
    assert kept.load() is None and Checkpoints(kept.folder / "none").load() is None


DAMAGE = {
    "nothing": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "one byte": lambda content: content.replace(b"epoch", b"epock"),
    "no archive": lambda content: b"x" * 100,
    "an array": lambda content: b"\x93NUMPY" + content[6:],
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_of_a_damaged_one_the_one_before_is_taken(kept, capsys, damage):
    newest = kept.folder / "checkpoint-000003.npz"
    newest.write_bytes(DAMAGE[damage](newest.read_bytes()))
    assert kept.load()[1] == {"history": [{"epoch": 2}]}
    assert "checkpoint-000003.npz is damaged" in capsys.readouterr().out
    kept.save(3, ARRAYS, {"history": []})
    assert kept.load()[1] == {"history": []}


def test_without_its_state_or_with_objects_it_is_damaged(kept):
    for path, arrays in zip(
        sorted(kept.folder.iterdir()), ({"state": np.array([{}])}, {"00000": np.ones(1)}), strict=True
    ):
        np.savez(path, **arrays)
    assert kept.load() is None
    kept.save(1, ARRAYS, {})
    assert kept.load()[1] == {} and os.listdir(kept.folder) == ["checkpoint-000001.npz"]


def test_a_disk_that_is_full_leaves_the_older_ones(kept, monkeypatch):
    def full(file, **_):
        file.write(b"half of it")
        raise OSError("full")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="full"):
        kept.save(4, ARRAYS, {})
    assert sorted(os.listdir(kept.folder)) == ["checkpoint-000002.npz", "checkpoint-000003.npz"]
    assert zipfile.is_zipfile(kept.folder / "checkpoint-000003.npz")


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
