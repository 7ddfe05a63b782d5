"""A second `Training` of the same model object, as a cell that is run again makes it: nothing lost or left over."""

import errno

import keras
import numpy as np
import pytest
from trainings import Validation, all_equal, figures, line_batches, line_model, start, weights_of

from helpers.checkpoints import Checkpoints
from helpers.training import Training

FIGURES = [3.0, 2.0, 1.0]
POLICIES = pytest.mark.parametrize("policy", ["float32", "mixed_float16"], indirect=True)


def raise_full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def compile_anew(model):
    model.compile(keras.optimizers.Adam(0.1), "mse")


@POLICIES
@pytest.mark.parametrize("before", [lambda model: None, compile_anew], ids=["as it is", "with another optimiser"])
def test_with_other_settings_it_ends_as_one_of_a_new_model(tmp_path, capsys, before, policy):
    first, validate = start(tmp_path, FIGURES)
    first.fit(line_batches, 2, validate)
    assert "was trained before" not in capsys.readouterr().out
    before(first.model)
    again = Training(first.model, tmp_path, {"seed": 1, "epochs": 3})
    history = again.fit(line_batches, 3, Validation(first.model, FIGURES))
    assert "This model was trained before" in capsys.readouterr().out
    new, validate = start(tmp_path / "new", FIGURES)
    assert figures(history) == figures(new.fit(line_batches, 3, validate))
    assert all_equal(again.checkpoints.load()[0], new.checkpoints.load()[0])


def test_weights_that_were_put_into_a_new_model_are_where_it_begins(tmp_path, capsys):
    model = line_model()
    given = [np.full(weight.shape, 0.25, np.float32) for weight in model.get_weights()]
    model.set_weights(given)
    Training(model, tmp_path, {}).fit(line_batches, 1, Validation(model, FIGURES))
    again = Training(model, tmp_path, {"other": 1})
    again.reset()
    assert all_equal(model.get_weights(), given) and "trained before" not in capsys.readouterr().out


@POLICIES
@pytest.mark.parametrize("before", [lambda model: None, compile_anew], ids=["as it is", "with another optimiser"])
def test_what_found_no_room_on_the_disk_is_gone_on_from(tmp_path, capsys, monkeypatch, before, policy):
    training, validate = start(tmp_path / "a", [*FIGURES[:2], KeyboardInterrupt()])
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", raise_full)
        training.fit(line_batches, 3, validate)
    before(training.model)
    again = Training(training.model, tmp_path / "a", {"seed": 1})
    history = again.fit(line_batches, 3, Validation(training.model, FIGURES[2:]))
    assert "Found a training of 2 epochs" in capsys.readouterr().out
    whole, validate = start(tmp_path / "b", FIGURES)
    assert figures(history) == figures(whole.fit(line_batches, 3, validate))
    assert all_equal(again.checkpoints.load()[0], whole.checkpoints.load()[0])


@pytest.mark.parametrize("stop_unsaved", ["0", "1"])
@pytest.mark.parametrize("is_same", [True, False])
def test_a_training_that_is_over_is_written_once_there_is_room(tmp_path, capsys, monkeypatch, is_same, stop_unsaved):
    training, validate = start(tmp_path, FIGURES[:1])
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", raise_full)
        training.fit(line_batches, 1, validate)
        best = weights_of(training.model)
        assert capsys.readouterr().out.count("No checkpoint could be written") == 1
        monkeypatch.setenv("NB_STOP_UNSAVED", stop_unsaved)
        training.fit(line_batches, 1)  # still no room; nothing is left to be stopped
    again = training if is_same else Training(training.model, tmp_path, {"seed": 1})
    assert again.checkpoints.load() is None
    again.fit(line_batches, 1)
    assert all_equal([best], [weights_of(again.model)])
    elsewhere, _ = start(tmp_path, [])
    assert len(elsewhere.fit(line_batches, 1)) == 1
    assert all_equal([best], [weights_of(elsewhere.model)])


def test_after_a_reset_nothing_unwritten_comes_back(tmp_path, monkeypatch):
    training, validate = start(tmp_path, FIGURES[:1])
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", raise_full)
        training.fit(line_batches, 1, validate)
    training.reset()
    again = Training(training.model, tmp_path, {"seed": 1})
    assert len(again.fit(line_batches, 2, Validation(training.model, FIGURES))) == 2
    whole, validate = start(tmp_path / "whole", FIGURES)
    assert figures(again.history) == figures(whole.fit(line_batches, 2, validate))


@POLICIES
def test_a_learning_rate_that_was_set_since_then_holds(tmp_path, policy):
    first, validate = start(tmp_path, FIGURES)
    first.fit(line_batches, 1, validate)
    first.model.optimizer.learning_rate = 0.03125
    again = Training(first.model, tmp_path, {"rate": 0.03125})
    history = again.fit(line_batches, 2, Validation(first.model, FIGURES))
    assert float(first.model.optimizer.learning_rate) == 0.03125
    new, validate = start(tmp_path / "new", FIGURES)
    new.model.optimizer.learning_rate = 0.03125
    new = Training(new.model, tmp_path / "newer", {})  # the one above has begun with another rate
    assert figures(history) == figures(new.fit(line_batches, 2, validate))


def test_what_found_no_room_is_followed_by_checkpoints_that_stay_below_damaged_ones(tmp_path, monkeypatch):
    training, validate = start(tmp_path, FIGURES[:2])
    for number in (19, 20):
        training.checkpoints.save(number, [], {})
        (training.checkpoints.folder / f"checkpoint-{number:06d}" / "state.json").write_text("{}")
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", raise_full)
        training.fit(line_batches, 2, validate)
    again = Training(training.model, tmp_path, {"seed": 1})
    again.fit(line_batches, 3, Validation(training.model, FIGURES[2:]))
    elsewhere, _ = start(tmp_path, [])
    assert len(elsewhere.fit(line_batches, 3)) == 3
