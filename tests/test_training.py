"""A training that is stopped in any way goes on, and ends where one that was never stopped ends."""

import errno
import math
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from trainings import all_equal, figures, line_batches, line_model, start, weights_of

from helpers.session import UserError
from helpers.training.loop import Training


def test_the_best_weights_are_kept_and_there_is_nothing_left_to_do(tmp_path, capsys):
    training, validate = start(tmp_path, [3.0, 1.0, 2.0])
    history = training.fit(line_batches, 3, validate)
    assert set(history[0]) == {"epoch", "step", "seconds", "loss", "validation"}
    assert [record["step"] for record in history] == [3, 6, 9]
    np.testing.assert_array_equal(weights_of(training.model), validate.seen[1])
    again, _ = start(tmp_path, [])
    shown = []
    assert again.fit(line_batches, 3, on_epoch=shown.append) == history and shown == [history]
    assert "nothing left" in capsys.readouterr().out
    np.testing.assert_array_equal(weights_of(again.model), validate.seen[1])


@pytest.mark.parametrize("is_new_process", [False, True])
def test_more_epochs_go_on_from_the_last_weights_not_the_best(tmp_path, capsys, is_new_process):
    training, validate = start(tmp_path / "a", [3.0, 1.0, 2.0, 2.5, 2.6])
    training.fit(line_batches, 3, validate)
    if is_new_process:
        training, seen = start(tmp_path / "a", [2.5, 2.6])
        validate.seen, validate = [*validate.seen, *seen.seen], seen
    history = training.fit(line_batches, 5, validate)
    assert "going on from epoch 4" in capsys.readouterr().out
    whole, reference = start(tmp_path / "b", [3.0, 1.0, 2.0, 2.5, 2.6])
    assert figures(history) == figures(whole.fit(line_batches, 5, reference))
    np.testing.assert_array_equal(validate.seen[-2:], reference.seen[-2:])
    np.testing.assert_array_equal(weights_of(training.model), reference.seen[1])


@pytest.mark.parametrize("is_new_process", [False, True])
def test_reset_starts_anew_with_the_first_weights(tmp_path, is_new_process):
    training, validate = start(tmp_path, [3.0, 1.0, 3.0, 1.0])
    untrained = weights_of(training.model)
    first = figures(training.fit(line_batches, 2, validate))
    if is_new_process:
        training, validate = start(tmp_path, [3.0, 1.0])
    training.reset()
    np.testing.assert_array_equal(weights_of(training.model), untrained)
    assert training.history == [] and figures(training.fit(line_batches, 2, validate)) == first


@pytest.mark.parametrize("call", [2, 5])  # in the middle of the first and of the second epoch of 3 batches
def test_an_interrupt_keeps_the_best_weights_and_the_epoch_is_repeated(tmp_path, capsys, call):
    def squared(target, output):
        calls.append(True)
        if len(calls) == call:
            raise KeyboardInterrupt
        return keras.ops.square(target - output)

    calls = []
    training, validate = start(tmp_path / "a", [2.0, 1.0, 3.0], loss=squared, eager=True)
    untrained = weights_of(training.model)
    training.fit(line_batches, 3, validate)
    assert "Interrupted" in capsys.readouterr().out
    np.testing.assert_array_equal(weights_of(training.model), validate.seen[0] if call == 5 else untrained)
    history = training.fit(line_batches, 3, validate)
    whole, reference = start(tmp_path / "b", [2.0, 1.0, 3.0], loss=lambda y, z: keras.ops.square(y - z), eager=True)
    assert figures(history) == figures(whole.fit(line_batches, 3, reference))
    np.testing.assert_array_equal(validate.seen, reference.seen)


@pytest.mark.parametrize("bad_epoch", [0, 2])
def test_a_loss_that_is_not_finite_stops_with_the_best_weights(tmp_path, bad_epoch):
    training, validate = start(tmp_path, [1.0, 2.0])
    untrained = weights_of(training.model)
    with pytest.raises(UserError, match=f"finite number in epoch {bad_epoch + 1}"):
        training.fit(lambda epoch: line_batches(epoch, bad_epoch), 4, validate)
    np.testing.assert_array_equal(weights_of(training.model), validate.seen[0] if bad_epoch else untrained)
    assert len(training.history) == bad_epoch


def test_a_held_out_figure_that_is_not_finite_stops_as_well(tmp_path):
    training, validate = start(tmp_path, [1.0, math.nan])
    with pytest.raises(UserError, match="validation is no longer a finite number in epoch 2"):
        training.fit(line_batches, 3, validate)
    np.testing.assert_array_equal(weights_of(training.model), validate.seen[0])


def test_a_full_disk_is_said_once_and_the_next_call_goes_on_all_the_same(tmp_path, capsys, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    training, validate = start(tmp_path / "a", [2.0, 1.0, 3.0, 4.0])
    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", full)
        training.fit(line_batches, 2, validate)
    assert capsys.readouterr().out.count("No space left") == 1
    assert not list((tmp_path / "a").rglob("*.npz"))
    history = training.fit(line_batches, 4, validate)
    whole, reference = start(tmp_path / "b", [2.0, 1.0, 3.0, 4.0])
    assert figures(history) == figures(whole.fit(line_batches, 4, reference))
    assert all_equal(training.checkpoints.load()[0], whole.checkpoints.load()[0])


def test_a_damaged_checkpoint_costs_one_epoch(tmp_path, capsys):
    training, validate = start(tmp_path, [1.0, 2.0])
    training.fit(line_batches, 2, validate)
    (training.checkpoints.folder / "checkpoint-000002.npz").write_bytes(b"")
    again, seen = start(tmp_path, [2.0, 3.0])
    again.fit(line_batches, 3, seen)
    assert "damaged" in (said := capsys.readouterr().out) and "going on from epoch 2" in said
    np.testing.assert_array_equal(seen.seen[0], validate.seen[1])


def add_a_layer(model):
    model.add(keras.layers.Dense(1))
    model.compile("adam", "mse")


@pytest.mark.parametrize("change", [lambda model: model.compile(keras.optimizers.Adam(0.2), "mse"), add_a_layer])
def test_a_model_that_was_rebuilt_needs_a_new_training(tmp_path, change):
    training, validate = start(tmp_path, [1.0])
    training.fit(line_batches, 1, validate)
    change(training.model)
    with pytest.raises(UserError, match="made anew"):
        training.fit(line_batches, 2, validate)


def test_a_new_training_of_a_trained_model_says_that_it_goes_on_from_there(tmp_path, capsys):
    training, validate = start(tmp_path, [1.0, 1.0])
    training.fit(line_batches, 1, validate)
    assert "trained before" not in capsys.readouterr().out
    Training(training.model, tmp_path, {"seed": 2}).fit(line_batches, 1, validate)
    assert "trained before" in capsys.readouterr().out


def test_another_training_has_another_folder(tmp_path):
    def folder(batches=line_batches, settings=None, **options):
        training, _ = start(tmp_path, [], settings, **options)
        training.fit(batches, 0)
        return training.checkpoints.folder

    same = folder(settings={"seed": 1}), folder(settings={"seed": 1})
    others = {folder(settings={"seed": 2}), folder(dropout=0.2), folder(lambda epoch: line_batches(epoch + 7))}
    assert same[0] == same[1] and len({same[0], *others}) == 4


def test_a_model_without_weights_or_without_an_optimiser_is_refused(tmp_path):
    model = keras.Sequential([keras.layers.Dense(1)])
    with pytest.raises(UserError, match="no weights"):
        Training(model, tmp_path, {})
    model.build((None, 3))
    with pytest.raises(UserError, match="Compile"):
        Training(model, tmp_path, {})


def test_two_devices_train_one_model_as_one_does(tmp_path):
    """In a process of its own, since logical devices are set before TensorFlow begins to work."""
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, __file__, str(tmp_path)]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    one, two = (np.array(line.split(), float) for line in done.stdout.splitlines() if line[0].isdigit())
    assert len(one) == 3 and one == pytest.approx(two, rel=1e-4)


def print_losses_of_one_and_two_devices(folder):
    import tensorflow as tf

    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )
    for strategy in (tf.distribute.get_strategy(), tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])):
        with strategy.scope():
            model = line_model(dropout=0.0)
        training = Training(model, f"{folder}/{strategy.num_replicas_in_sync}", {}, monitor=None)
        print(*(record["loss"] for record in training.fit(line_batches, 3)), flush=True)


if __name__ == "__main__":
    print_losses_of_one_and_two_devices(sys.argv[1])
