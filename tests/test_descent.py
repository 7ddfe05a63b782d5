"""A descent keeps the best picture and its record, and says why it ended early."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from helpers import images
from helpers.session import UserError
from helpers.training.descent import Descent

START = np.full((8, 10, 3), 0.5, np.float32)


def run(totals, start=START, **options):
    """Return a descent that saw these total losses, each with a picture of that brightness."""
    with Descent(start, len(totals), **options) as descent:
        for total in totals:
            descent.keep(np.full_like(start, total), {"total": total, "style": 2 * total})
    return descent


def test_the_best_picture_is_kept_and_all_losses():
    descent = run([0.9, 0.2, 0.5])
    assert descent.best == 0.2 and descent.picture.max() == np.float32(0.2) and descent.is_complete
    assert [values["total"] for values in descent.history] == [0.9, 0.2, 0.5]
    seconds = [values["seconds"] for values in descent.history]
    assert seconds == sorted(seconds) and seconds[0] >= 0


def test_another_size_begins_anew():
    descent = Descent(START, 2)
    with descent:
        descent.keep(START, {"total": 0.1})
        descent.keep(np.zeros((16, 20, 3)), {"total": 0.7})
    assert descent.picture.shape == (16, 20, 3) and descent.best == 0.7


def test_a_picture_noted_may_change_afterwards():
    picture = np.zeros((8, 10, 3), np.float32)
    with Descent(START, 1) as descent:
        descent.keep(picture, {"total": 0.1})
        picture += 1
    assert descent.picture.max() == 0 and descent.stages[1].max() == 0


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["total", "style"])
def test_a_loss_that_is_no_number_ends_it(capsys, loss, name):
    with Descent(START, 5) as descent:
        descent.keep(START * 0.5, {"total": 0.4, "style": 0.2})
        descent.keep(START * 0.1, {"total": 0.3, "style": 0.2, name: loss})
        raise AssertionError("not reached")
    assert not descent.is_complete and descent.picture.max() == 0.25
    assert "smaller weights" in capsys.readouterr().out


def test_an_interrupt_before_anything_keeps_the_start(capsys):
    with Descent(START, 5) as descent:
        raise KeyboardInterrupt
    assert descent.picture.max() == 0.5 and "Interrupted" in capsys.readouterr().out


def test_other_errors_are_not_swallowed():
    with pytest.raises(ZeroDivisionError), Descent(START, 5):
        1 / 0  # noqa: B018


def test_stages_reach_from_the_first_to_the_last_and_are_few():
    descent = run(list(np.linspace(1, 0.1, 100)))
    assert list(descent.stages)[0] == 1 and list(descent.stages)[-1] == 100 and len(descent.stages) <= 26


def test_it_is_over_when_the_evaluations_are_used_up_and_more_can_be_allowed():
    with Descent(START, 3) as descent:
        seen = []
        for _ in range(3):
            seen.append(descent.is_over)
            descent.keep(START, {"total": 0.3})
        assert seen == [False] * 3 and descent.is_over
        descent.allow(1)
        assert not descent.is_over
        descent.keep(START, {"total": 0.3})
        assert descent.is_over


def test_it_is_over_when_the_seconds_are_used_up(monkeypatch):
    clock = itertools.count()
    monkeypatch.setattr("helpers.training.descent.time", SimpleNamespace(perf_counter=lambda: float(next(clock))))
    fractions = []
    with Descent(START, seconds=6, report=lambda text, fraction, picture: fractions.append(fraction)) as descent:
        while not descent.is_over:
            descent.keep(START, {"total": 0.3})
    assert 2 <= len(descent.history) <= 4 and fractions == sorted(fractions) and fractions[-1] <= 1


def test_stages_at_equal_distances_can_be_asked_for():
    assert list(run(list(np.linspace(1, 0.1, 40)), every=10).stages) == [1, 11, 21, 31, 40]


def test_a_report_takes_the_place_of_the_bar(capsys):
    reports = []
    run([0.4, 0.2], report=lambda text, fraction, picture: reports.append((text, fraction, picture.shape)))
    assert [fraction for _, fraction, _ in reports] == [0.5, 1.0] and reports[0][2] == START.shape
    assert capsys.readouterr().out == ""


def test_a_report_that_stops_is_an_interrupt(capsys):
    def stop(text, fraction, picture):
        raise KeyboardInterrupt

    descent = run([0.4, 0.2], report=stop)
    assert not descent.is_complete and len(descent.history) == 1 and descent.picture.max() == np.float32(0.4)


def test_a_record_has_all_of_it_as_arrays_and_stages_of_one_size():
    with Descent(START, 3) as descent:
        descent.keep(START, {"total": 0.3, "style": 0.2})
        descent.keep(np.full((16, 20, 3), 0.2), {"total": 0.5, "style": 0.1})
        raise KeyboardInterrupt
    record = descent.record()
    assert record["total"].tolist() == [0.3, 0.5] and record["style"].tolist() == [0.2, 0.1]
    assert record["stages"].shape == (2, 16, 20, 3) and record["stage_numbers"].tolist() == [1, 2]
    assert record["stages"][1].max() == 51 and not record["is_complete"] and len(record["seconds"]) == 2
    np.testing.assert_array_equal(record["picture"], descent.picture)


def test_without_an_evaluation_there_is_no_record_and_an_empty_budget_is_refused():
    with Descent(START, 3) as descent:
        raise KeyboardInterrupt
    with pytest.raises(UserError, match="no evaluation was finished"):
        descent.record()
    for budget in ({"evaluations": 0}, {"seconds": 0}):
        with pytest.raises(UserError, match="no budget"):
            Descent(START, **budget)


def test_shuffled_squares_are_the_same_squares_elsewhere():
    picture = np.arange(6 * 9 * 3, dtype=np.float32).reshape(6, 9, 3)
    shuffled = images.shuffle_squares(picture, 2, seed=0)
    assert shuffled.shape == (6, 8, 3)
    np.testing.assert_array_equal(np.sort(shuffled.ravel()), np.sort(picture[:, :8].ravel()))
    squares = {picture[r : r + 2, c : c + 2].tobytes() for r in (0, 2, 4) for c in (0, 2, 4, 6)}
    assert {shuffled[r : r + 2, c : c + 2].tobytes() for r in (0, 2, 4) for c in (0, 2, 4, 6)} == squares
    assert not np.array_equal(shuffled, picture[:, :8])
