"""A training that is stopped in any way goes on, and ends where one that was never stopped ends."""

import contextlib
import errno
import math
import os
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from trainings import Validation, figures, line_batches, line_model, read_only, start, weights_of

from helpers.errors import UserError
from helpers.training import Training

EPOCHS = 5


def test_the_best_weights_are_kept_not_the_last(tmp_path):
    training, validate = start(tmp_path, [3.0, 1.0, 2.0])
    history = training.fit(line_batches, 3, validate)
    assert [record["validation"] for record in history] == [3.0, 1.0, 2.0]
    assert [record["epoch"] for record in history] == [1, 2, 3]
    np.testing.assert_array_equal(weights_of(training.model), validate.seen[1])
    assert not np.array_equal(validate.seen[1], validate.seen[2])


def test_running_again_says_that_nothing_is_left_and_gives_the_best(tmp_path, capsys):
    first, seen = start(tmp_path, [3.0, 1.0, 2.0])
    first.fit(line_batches, 3, seen)
    again, validate = start(tmp_path, [])
    shown = []
    capsys.readouterr()
    history = again.fit(line_batches, 3, validate, shown.append)
    assert "Found a training of 3 epochs" in (said := capsys.readouterr().out) and "nothing left to do" in said
    assert history == first.history and shown == [history]
    np.testing.assert_array_equal(weights_of(again.model), seen.seen[1])


def test_more_epochs_go_on_from_the_last_weights_not_the_best(tmp_path):
    training, validate = start(tmp_path / "a", [3.0, 1.0, 2.0, 2.5, 2.6])
    training.fit(line_batches, 3, validate)
    training.fit(line_batches, 5, validate)
    whole, reference = start(tmp_path / "b", [3.0, 1.0, 2.0, 2.5, 2.6])
    whole.fit(line_batches, 5, reference)
    np.testing.assert_array_equal(validate.seen, reference.seen)
    np.testing.assert_array_equal(weights_of(training.model), reference.seen[1])


def test_reset_starts_anew_with_the_first_weights(tmp_path, capsys):
    training, validate = start(tmp_path, [3.0, 1.0, 3.0, 1.0])
    untrained = weights_of(training.model)
    first = figures(training.fit(line_batches, 2, validate))
    training.reset()
    assert "Reset" in capsys.readouterr().out
    np.testing.assert_array_equal(weights_of(training.model), untrained)
    assert training.history == [] and training.checkpoints.load() is None
    assert figures(training.fit(line_batches, 2, validate)) == first
    np.testing.assert_array_equal(validate.seen[:2], validate.seen[2:])


def test_an_interrupt_between_epochs_keeps_the_best_and_the_next_fit_goes_on(tmp_path, capsys):
    def interrupt_once(history):
        if len(history) == 3 and not interrupted:
            interrupted.append(True)
            raise KeyboardInterrupt

    interrupted = []
    training, validate = start(tmp_path / "a", [1.0, 2.0, 3.0, 3.0, 4.0])
    history = training.fit(line_batches, 4, validate, interrupt_once)
    assert "Interrupted" in capsys.readouterr().out and len(history) == 3
    np.testing.assert_array_equal(weights_of(training.model), validate.seen[0])
    history = training.fit(line_batches, 4, validate, interrupt_once)
    assert "Found a training of 2 epochs" in capsys.readouterr().out
    whole, reference = start(tmp_path / "b", [1.0, 2.0, 3.0, 4.0])
    assert figures(history) == figures(whole.fit(line_batches, 4, reference))
    np.testing.assert_array_equal([*validate.seen[:2], *validate.seen[3:]], reference.seen)


@pytest.mark.parametrize("call", [2, 5])  # in the middle of the first and of the second epoch of 3 batches
def test_an_interrupt_within_an_epoch_repeats_that_epoch(tmp_path, capsys, call):
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


def test_a_first_epoch_broken_off_leaves_nothing_behind_for_a_new_training_of_the_same_model(tmp_path):
    """As when a cell of a notebook is run again: the model is the old one, the Training a new one."""

    def broken(epoch):
        return line_batches(epoch, bad_epoch=0)

    training, validate = start(tmp_path / "a", [2.0, 1.0, 3.0, 2.0])
    with pytest.raises(UserError, match="no longer a finite number"):
        training.fit(broken, 2, validate)
    again = Training(training.model, tmp_path / "a", {}, "validation")
    whole, reference = start(tmp_path / "b", [2.0, 1.0])
    again.fit(line_batches, 2, Validation(training.model, [2.0, 1.0]))
    whole.fit(line_batches, 2, reference)
    for one, other in zip(again._variables, whole._variables, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("bad_epoch", [0, 2])
def test_a_loss_that_is_not_finite_stops_with_the_best_weights(tmp_path, bad_epoch):
    training, validate = start(tmp_path, [1.0, 2.0])
    untrained = weights_of(training.model)
    with pytest.raises(UserError, match=f"no longer a finite number in epoch {bad_epoch + 1}.*start anew"):
        training.fit(lambda epoch: line_batches(epoch, bad_epoch), 4, validate)
    np.testing.assert_array_equal(weights_of(training.model), validate.seen[0] if bad_epoch else untrained)
    assert len(training.history) == bad_epoch


@pytest.mark.parametrize("figure", [math.nan, math.inf])
@pytest.mark.parametrize("before", [[], [1.0]])
def test_a_held_out_figure_that_is_not_finite_stops_as_well(tmp_path, figure, before):
    training, validate = start(tmp_path, [*before, figure])
    untrained = weights_of(training.model)
    with pytest.raises(UserError, match=f"validation is no longer a finite number in epoch {len(before) + 1}"):
        training.fit(line_batches, 3, validate)
    np.testing.assert_array_equal(weights_of(training.model), validate.seen[0] if before else untrained)


def test_a_folder_that_cannot_be_written_to_is_said_once_and_training_goes_on(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    training, validate = start(tmp_path / "file", [2.0, 1.0, 3.0])
    history = training.fit(line_batches, 3, validate)
    assert len(history) == 3
    said = capsys.readouterr().out
    assert said.count("No checkpoint could be written") == 1 and "NB_OUTPUT_DIR" in said and "Training goes on" in said
    np.testing.assert_array_equal(weights_of(training.model), validate.seen[1])


FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.skipif(sys.platform == "win32", reason="has no folders of this kind")
@pytest.mark.parametrize("stop_unsaved", [False, True])
def test_in_a_folder_that_became_read_only_the_older_checkpoint_stays(tmp_path, capsys, monkeypatch, stop_unsaved):
    monkeypatch.setenv("NB_STOP_UNSAVED", str(int(stop_unsaved)))
    monkeypatch.chdir(tmp_path)
    training, validate = start(Path("a"), [3.0, 2.0, 1.0])
    training.fit(line_batches, 1, validate)
    with read_only(training.checkpoints.folder, monkeypatch):
        if stop_unsaved:
            with pytest.raises(UserError, match="Permission denied.*stopped after epoch 2, as asked"):
                training.fit(line_batches, 3, validate)
        else:
            assert len(training.fit(line_batches, 3, validate)) == 3
        said = capsys.readouterr().out
        assert ("Training goes on" in said) != stop_unsaved and said.count("Permission denied") == (not stop_unsaved)
        assert os.listdir(training.checkpoints.folder) == ["checkpoint-000001"]
    again, _ = start(Path("a"), [])
    assert [record["validation"] for record in again.fit(line_batches, 1)] == [3.0]


@pytest.mark.parametrize("stop_unsaved", [False, True])
def test_a_full_disk_stops_the_training_only_if_asked_to_and_it_goes_on_where_it_was(
    tmp_path, capsys, monkeypatch, stop_unsaved
):
    """Without a checkpoint, too, the next call of fit goes on from the last weights, slots and random states."""
    calls = []

    def interrupt_once(history):
        calls.append(len(history))
        if calls == [1, 2, 3]:
            raise KeyboardInterrupt

    training, validate = start(tmp_path / "a", [2.0, 1.0, 3.0, 3.0, 4.0])
    monkeypatch.setenv("NB_STOP_UNSAVED", str(int(stop_unsaved)))
    with monkeypatch.context() as patch:
        patch.setattr(training.checkpoints, "save", raise_full)
        if stop_unsaved:
            with pytest.raises(UserError, match="No space left.*stopped after epoch 1, as asked; the best.*Make room"):
                training.fit(line_batches, 4, validate)
            assert len(training.history) == 1
        else:
            training.fit(line_batches, 4, validate, interrupt_once)
            assert capsys.readouterr().out.count("No checkpoint could be written") == 1
            np.testing.assert_array_equal(weights_of(training.model), validate.seen[1])
    history = training.fit(line_batches, 4, validate, interrupt_once)
    assert f"Found a training of {1 if stop_unsaved else 2} epochs" in capsys.readouterr().out
    whole, reference = start(tmp_path / "b", [2.0, 1.0, 3.0, 3.0] if stop_unsaved else [2.0, 1.0, 3.0, 4.0])
    assert figures(history) == figures(whole.fit(line_batches, 4, reference))
    np.testing.assert_array_equal([*validate.seen[:2], *validate.seen[-2:]], reference.seen)
    for ours, theirs in zip(training.checkpoints.load()[0], whole.checkpoints.load()[0], strict=True):
        np.testing.assert_array_equal(ours, theirs)  # there is room again, so they were written


def raise_full(*_):
    raise FULL


# Checkpoints at longer intervals


def saved_epochs(training):
    """Have a training note the epochs at whose end it wrote a checkpoint."""
    epochs, save = [], training.checkpoints.save
    training.checkpoints.save = lambda number, *rest: epochs.append(number) or save(number, *rest)
    return epochs


@pytest.mark.parametrize(("every", "expected"), [(1, [1, 2, 3, 4, 5]), (2, [2, 4, 5]), (3, [3, 5]), (5, [5]), (9, [5])])
def test_a_checkpoint_comes_after_so_many_epochs_and_after_the_last(tmp_path, every, expected):
    training, validate = start(tmp_path, [5.0, 4.0, 3.0, 2.0, 1.0])
    training = Training(training.model, tmp_path, {"seed": 1}, checkpoint_every=every)
    epochs = saved_epochs(training)
    training.fit(line_batches, 5, validate)
    assert epochs == expected


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), math.nan])
@pytest.mark.parametrize("is_new_process", [False, True])
def test_a_stop_between_two_checkpoints_leaves_one_of_the_last_whole_epoch(tmp_path, stop, is_new_process):
    """An interrupt, or a figure that is not finite, at the end of epoch 4; checkpoints come every 3 epochs."""
    training, validate = start(tmp_path / "a", [1.0, 3.0, 2.0, stop, 4.0, 5.0])
    training = Training(training.model, tmp_path / "a", {"seed": 1}, checkpoint_every=3)
    epochs = saved_epochs(training)
    for total, last in ((2, 2), (6, 3)):  # the first call ends after epoch 2, the second is broken off in epoch 4
        with contextlib.suppress(UserError):
            training.fit(line_batches, total, validate)
        assert epochs[-1] == last == len(training.history)
    if is_new_process:
        model = line_model()
        training, validate = Training(model, tmp_path / "a", {"seed": 1}), Validation(model, [4.0, 5.0])
    training.fit(line_batches, 5, validate)
    whole, reference = start(tmp_path / "b", [1.0, 3.0, 2.0, 4.0])
    assert [record["epoch"] for record in training.history] == [1, 2, 3, 4, 5]
    whole.fit(line_batches, 4, reference)
    np.testing.assert_array_equal(validate.seen[-2], reference.seen[-1])


@pytest.mark.parametrize("stop", [KeyboardInterrupt, UserError])
def test_a_stop_after_epochs_without_a_checkpoint_saves_the_last_of_them(tmp_path, stop):
    def broken_off(epoch):
        if epoch == 4 and stop is KeyboardInterrupt:
            raise KeyboardInterrupt
        return line_batches(epoch, bad_epoch=4)

    training, validate = start(tmp_path, [4.0, 3.0, 2.0, 1.0])
    training = Training(training.model, tmp_path, {"seed": 1}, checkpoint_every=3)
    epochs = saved_epochs(training)
    with contextlib.suppress(UserError):
        training.fit(broken_off, 6, validate)
    assert epochs == [3, 4] and len(training.checkpoints.load()[1]["history"]) == 4


@pytest.mark.parametrize("every", [0, -1, 1.5, "2", None])
def test_an_interval_that_is_none_is_refused(tmp_path, every):
    with pytest.raises(UserError, match="whole number of epochs, at least 1"):
        Training(line_model(), tmp_path, {}, checkpoint_every=every)


def test_other_settings_have_another_folder_and_equal_ones_the_same(tmp_path):
    def folder(settings):
        return start(tmp_path, [], settings)[0].checkpoints.folder

    assert folder({"seed": 1, "epochs": 3}) == folder({"epochs": 3, "seed": 1})
    folders = {folder(settings) for settings in ({"seed": 1}, {"seed": 2}, {"seed": 1, "text": "a"}, {"seed": 1.5})}
    assert len(folders) == 4 and {path.parent for path in folders} == {tmp_path}


def test_another_model_under_the_same_settings_is_refused(tmp_path):
    training, validate = start(tmp_path, [1.0])
    training.fit(line_batches, 1, validate)
    wider = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dense(1)])
    wider.compile("adam", "mse")
    before = weights_of(wider)
    with pytest.raises(UserError, match="model of another shape.*reset"):
        Training(wider, tmp_path, {"seed": 1}).fit(line_batches, 2, validate)
    np.testing.assert_array_equal(weights_of(wider), before)


def test_a_damaged_checkpoint_costs_one_epoch(tmp_path, capsys):
    training, validate = start(tmp_path / "a", [1.0, 2.0])
    training.fit(line_batches, 2, validate)
    (training.checkpoints.folder / "checkpoint-000002" / "arrays.npz").write_bytes(b"")
    again, seen = start(tmp_path / "a", [2.0, 3.0])
    again.fit(line_batches, 3, seen)
    assert "damaged" in (said := capsys.readouterr().out) and "Found a training of 1 epochs" in said
    np.testing.assert_array_equal(seen.seen[0], validate.seen[1])


def test_what_a_kill_after_the_last_checkpoint_left_is_cleared_away(tmp_path, capsys):
    training, validate = start(tmp_path, [1.0, 2.0, 3.0])
    training.fit(line_batches, 3, validate)
    folder = training.checkpoints.folder
    (folder / "checkpoint-000001").mkdir()  # as if nothing had been removed yet when the process ended
    (folder / "partial-000003-4711").mkdir()
    start(tmp_path, [])[0].fit(line_batches, 3, validate)
    assert "nothing left to do" in capsys.readouterr().out
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoint-000002", "checkpoint-000003"]


def test_a_model_without_weights_is_refused(tmp_path):
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("adam", "mse")
    with pytest.raises(UserError, match="no weights yet"):
        Training(model, tmp_path, {})


def test_progress_is_a_record_an_epoch(tmp_path):
    def add(history):
        history[-1]["samples"] = {"T": f"text {len(history)}"}

    training, validate = start(tmp_path, [2.0, 1.0])
    training.fit(line_batches, 2, validate, add)
    assert set(training.history[0]) == {"epoch", "step", "seconds", "loss", "validation", "samples"}
    assert [record["step"] for record in training.history] == [3, 6]
    again, _ = start(tmp_path, [])
    assert again.fit(line_batches, 2, validate)[0]["samples"] == {"T": "text 1"}  # what was added was kept
