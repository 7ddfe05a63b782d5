"""A character model with dropout, slots, a schedule and clipping, trained in processes that are killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from trainings import figures

from helpers import text
from helpers.training import Training

EPOCHS = 5

IDS = np.random.default_rng(0).integers(0, 6, 200).astype(np.int32)


def character_batches(epoch):
    return text.window_batches(IDS, length=8, batch_size=6, seed=5, epoch=epoch)


def train_characters(folder, batches=character_batches):
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            keras.layers.Embedding(6, 4),
            keras.layers.Dropout(0.3),
            keras.layers.LSTM(5, return_sequences=True),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(6),
        ]
    )
    rate = keras.optimizers.schedules.CosineDecay(0.001, 18, alpha=0.1, warmup_target=0.05, warmup_steps=2)
    model.compile(
        keras.optimizers.AdamW(rate, weight_decay=0.01, clipnorm=1.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    contexts, targets = text.held_out_contexts(IDS, context=8, positions=20)

    def validate():
        return {"validation": keras.losses.sparse_categorical_crossentropy(targets, model(contexts)[:, -1], True)}

    training = Training(model, folder, {"seed": 3})
    training.fit(batches, EPOCHS, lambda: {"validation": float(np.mean(validate()["validation"]))})
    return training


def train_until_killed(folder, moment):
    """Train, and end this process by SIGKILL in the middle of epoch 3 or while checkpoint 4 is being written."""

    def die(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    def dying_batches(epoch):
        def last_words(inputs, targets):
            tf.py_function(die, [], [])
            return inputs, targets

        batches = character_batches(epoch)
        return batches.take(2).concatenate(batches.skip(2).map(last_words)) if epoch == 2 else batches

    if moment == "writing":
        rename = Path.rename
        Path.rename = lambda self, target: die() if "000004" in target.name else rename(self, target)
    train_characters(Path(folder), dying_batches if moment == "training" else character_batches)


def test_a_killed_training_ends_as_one_that_was_not(tmp_path, capsys):
    root = str(Path(__file__).resolve().parents[1])
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join([os.environ["PYTHONPATH"], root])}
    variables["TMPDIR"] = str(tmp_path)  # TensorFlow writes functions down, and the killed cannot remove them
    outputs = []
    for moment, survived in [("training", ["checkpoint-000001", "checkpoint-000002"]), ("writing", None)]:
        command = [sys.executable, __file__, str(tmp_path / "killed"), moment]
        done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120)
        assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
        outputs.append(done.stdout)
        [folder] = (tmp_path / "killed").iterdir()
        assert survived in (None, sorted(path.name for path in folder.iterdir()))
    assert any(path.name.startswith("partial-000004") for path in folder.iterdir())
    assert "Found" not in outputs[0] and "Found a training of 2 epochs" in outputs[1] and "epoch 5." in outputs[1]

    resumed = train_characters(tmp_path / "killed")
    assert "Found a training of 3 epochs" in capsys.readouterr().out
    whole = train_characters(tmp_path / "whole")
    assert figures(resumed.history) == figures(whole.history)
    assert [record["step"] for record in whole.history] == [4, 8, 12, 16, 20]
    for ours, theirs in zip(resumed.checkpoints.load()[0], whole.checkpoints.load()[0], strict=True):
        np.testing.assert_array_equal(ours, theirs)  # last weights, slots, random states, best weights
    for ours, theirs in zip(resumed.model.weights, whole.model.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


if __name__ == "__main__":
    train_until_killed(*sys.argv[1:])
