"""The LSTM of notebook 01 and the GAN of notebook 05 are killed, go on, and end as if they never had been."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from trainings import all_equal, figures, number_gan

from helpers import latents
from helpers.training.batches import window_batches
from helpers.training.loop import Training
from tools.lift import lift

ROOT = Path(__file__).resolve().parents[1]
EPOCHS = 4
IDS = np.random.default_rng(0).integers(0, 6, 400).astype(np.int32)


def train_characters(folder, batches_of):
    names = "build_character_model", "decaying_rate", "adamw", "nats_of_characters"
    nb = lift(ROOT / "notebooks" / "01_text_generation.ipynb", *names)
    keras.utils.set_random_seed(3)
    model = nb.build_character_model(6, width=8, embedding_width=4)
    optimizer = nb.adamw(nb.decaying_rate(0.05, 5 * EPOCHS), weight_decay=0.01)
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    batches = batches_of(lambda epoch: window_batches(IDS, length=10, batch_size=6, seed=1, epoch=epoch))
    training = Training(model, folder, {"seed": 3})
    training.fit(batches, EPOCHS, lambda: {"validation": nb.nats_of_characters(model, IDS[:60], 20).mean()})
    return training


def train_gan(folder, batches_of):
    names = "GAN", "number_generator", "number_discriminator", "number_batches", "train"
    nb = lift(ROOT / "notebooks" / "05_dcgan.ipynb", *names, folder=folder)
    gan = number_gan(nb)
    picture = lambda: gan.averaged(latents.fixed_noise(9, 4, 1)).numpy()  # noqa: E731
    return nb.train(gan, "numbers", batches_of(lambda epoch: nb.number_batches(epoch).take(5)), EPOCHS, picture)


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def dying_in_epoch_3(batches):
    def last_words(inputs, targets):
        tf.py_function(die, [], [])
        return inputs, targets

    def dying(epoch):
        return batches(epoch).take(2).concatenate(batches(epoch).skip(2).map(last_words))

    return lambda epoch: dying(epoch) if epoch == 2 else batches(epoch)


LOOPS = {"characters": train_characters, "gan": train_gan}


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGKILL")
@pytest.mark.parametrize(("name", "moment"), [("characters", "training"), ("gan", "writing")])
def test_a_killed_training_ends_as_one_that_was_not(tmp_path, capsys, name, moment):
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(ROOT)]), "TMPDIR": str(tmp_path)}
    command = [sys.executable, __file__, name, moment, str(tmp_path / "killed")]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
    left = sorted(path.name for path in (tmp_path / "killed").rglob("*.npz"))
    partial = [name for name in left if name.startswith("partial-")]
    assert left == ["checkpoint-000001.npz", "checkpoint-000002.npz", *partial]
    assert len(partial) == (moment == "writing")

    resumed = LOOPS[name](tmp_path / "killed", lambda batches: batches)
    assert "going on from epoch 3" in capsys.readouterr().out
    assert not list((tmp_path / "killed").rglob("partial-*"))
    whole = LOOPS[name](tmp_path / "whole", lambda batches: batches)
    assert figures(resumed.history) == figures(whole.history)
    assert all_equal(resumed.checkpoints.load()[0], whole.checkpoints.load()[0])  # weights, slots, random states, best
    assert all_equal(resumed.model.get_weights(), whole.model.get_weights())
    assert not list((tmp_path / "killed").rglob("partial*"))


if __name__ == "__main__":
    loop, when, where = sys.argv[1:]
    if when == "writing":
        replace = os.replace
        os.replace = lambda one, other: die() if "000003" in str(other) else replace(one, other)
    LOOPS[loop](Path(where), dying_in_epoch_3 if when == "training" else lambda batches: batches)
