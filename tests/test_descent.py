"""A descent keeps the best picture and its record, says why it ended early, and shows its stages under a slider."""

import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from interrupts import InterruptsInstruction
from scipy.optimize import minimize

from helpers import images
from helpers.descent import Descent
from helpers.descent_views import StageSlider, chart, loss_table, strip

START = np.full((8, 10, 3), 0.5, np.float32)


def run(totals, start=START, **options):
    """Return a descent that saw these total losses, each with a picture of that brightness."""
    with Descent(start, len(totals), **options) as descent:
        for total in totals:
            descent.note(np.full_like(start, total), {"total": total, "style": 2 * total})
    return descent


def test_the_best_picture_is_kept_and_all_losses():
    descent = run([0.9, 0.2, 0.5])
    assert descent.best == 0.2 and descent.picture.max() == np.float32(0.2) and descent.is_complete
    assert descent.curve()[1] == [0.9, 0.2, 0.5]
    assert descent.curve("style", over="evaluations") == ([1, 2, 3], [1.8, 0.4, 1.0])
    seconds, _ = descent.curve()
    assert seconds == sorted(seconds) and seconds[0] >= 0


def test_another_size_begins_anew():
    descent = Descent(START, 2)
    with descent:
        descent.note(START, {"total": 0.1})
        descent.note(np.zeros((16, 20, 3)), {"total": 0.7})
    assert descent.picture.shape == (16, 20, 3) and descent.best == 0.7


def test_a_picture_noted_may_change_afterwards():
    picture = np.zeros((8, 10, 3), np.float32)
    with Descent(START, 1) as descent:
        descent.note(picture, {"total": 0.1})
        picture += 1
    assert descent.picture.max() == 0 and descent.stages[1].max() == 0


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["total", "style"])
def test_a_loss_that_is_no_number_ends_it(capsys, loss, name):
    with Descent(START, 5) as descent:
        descent.note(START * 0.5, {"total": 0.4, "style": 0.2})
        descent.note(START * 0.1, {"total": 0.3, "style": 0.2, name: loss})
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
    descent = run(list(np.linspace(1, 0.1, 100)), keep=10)
    assert list(descent.stages)[0] == 1 and list(descent.stages)[-1] == 100 and len(descent.stages) <= 12


def test_a_report_takes_the_place_of_the_line(capsys):
    reports = []
    run([0.4, 0.2], report=lambda text, fraction, picture: reports.append((text, fraction, picture.shape)))
    assert [fraction for _, fraction, _ in reports] == [0.5, 1.0] and reports[0][2] == START.shape
    assert capsys.readouterr().out == ""


def test_a_report_that_stops_is_an_interrupt(capsys):
    def stop(text, fraction, picture):
        raise KeyboardInterrupt

    descent = run([0.4, 0.2], report=stop)
    assert not descent.is_complete and len(descent.history) == 1 and descent.picture.max() == np.float32(0.4)


# Going on after a stop

TARGET = np.random.default_rng(0).uniform(0.2, 0.8, START.shape).astype(np.float32)
STRETCH = np.random.default_rng(1).uniform(1, 9, START.shape).astype(np.float32)


class Ends:
    """A descent's report that raises an error at one evaluation; it counts those that went well."""

    def __init__(self, at=0, error=None):
        self.at, self.calls, self.error = at, 0, error

    def __call__(self, text, fraction, picture):
        if self.calls + 1 == self.at:
            raise self.error
        self.calls += 1


def follow(folder, optimizer, ends=None, count=9, seconds=0.0, settings=1):
    """Follow the gradient of a stretched bowl with a Keras optimiser, as notebook 03 does; return the descent."""
    picture, report = keras.Variable(START), ends or Ends()
    options = {"checkpoints": folder, "settings": settings, "seconds": seconds, "keep": 4}
    with Descent(START, count, report=report, **options) as descent:
        for _ in descent.steps(count, picture, optimizer):
            away = STRETCH * (tf.convert_to_tensor(picture) - TARGET)
            descent.note(picture.numpy(), {"total": tf.reduce_sum(away**2)})
            optimizer.apply([2 * STRETCH * away], [picture])
    return descent, picture.numpy(), [variable.numpy() for variable in optimizer.variables]


def came_to(descent):
    """Return all that a descent has come to, but for the seconds."""
    totals = [record["total"] for record in descent.history]
    stages = {number: stage.tobytes() for number, stage in descent.stages.items()}
    return totals, descent.best, descent.picture.tobytes(), stages


OPTIMIZERS = {
    "SGD": lambda: keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.005, 3, 0.5), momentum=0.9),
    "Adam": lambda: keras.optimizers.Adam(0.05),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize(("error", "seconds"), [(KeyboardInterrupt(), 1000), (ZeroDivisionError(), 0)])
@pytest.mark.parametrize("at", [1, 2, 5, 9])
def test_steps_of_an_optimiser_go_on_as_if_never_stopped(tmp_path, capsys, name, error, seconds, at):
    """Interrupted, or ended by what writes no checkpoint any more, as a kill does."""
    build = OPTIMIZERS[name]
    whole, last, slots = follow(None, build())
    if isinstance(error, KeyboardInterrupt):
        assert not follow(tmp_path, build(), Ends(at, error), seconds=seconds)[0].is_complete
    else:
        with pytest.raises(ZeroDivisionError):
            follow(tmp_path, build(), Ends(at, error), seconds=seconds)
    counted = Ends()
    descent, again, variables = follow(tmp_path, build(), counted, seconds=seconds)
    assert came_to(descent) == came_to(whole) and descent.is_complete
    np.testing.assert_array_equal(again, last)
    for ours, theirs in zip(variables, slots, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert counted.calls == 9 - (at - 1)
    assert (f"Found {at - 1} evaluations" in capsys.readouterr().out) == (at > 1)


def test_a_gradient_that_is_no_number_is_not_kept(tmp_path):
    """Though the loss before it was one: else each further run would go on from there."""
    build = OPTIMIZERS["SGD"]
    whole, last, _ = follow(None, build())
    broken = build()
    apply = broken.apply
    broken.apply = lambda slopes, variables: apply([slopes[0] * (np.nan if broken.iterations == 3 else 1)], variables)
    stopped, picture, _ = follow(tmp_path, broken)
    assert not stopped.is_complete and np.isnan(picture).all() and len(stopped.history) == 4
    descent, again, _ = follow(tmp_path, build())
    assert came_to(descent) == came_to(whole)
    np.testing.assert_array_equal(again, last)


def test_an_interrupt_between_any_two_instructions_keeps_a_whole_step_or_none(tmp_path):
    """All the instructions of the second step, and a few of the next."""
    build = OPTIMIZERS["SGD"]
    whole, last, _ = follow(None, build(), count=4)
    for at in range(1, 50):
        folder = tmp_path / str(at)
        with InterruptsInstruction(Descent.steps, at, counts=lambda descent: len(descent.history) > 1):
            stopped, _, _ = follow(folder, build(), count=4, seconds=1000)
        assert not stopped.is_complete
        descent, again, _ = follow(folder, build(), count=4, seconds=1000)
        assert came_to(descent) == came_to(whole), at
        np.testing.assert_array_equal(again, last)
    assert len(stopped.history) > 2  # the step was over before the last of the interrupts


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_finished_descent_is_found_and_nothing_is_done(tmp_path, capsys, name):
    first = follow(tmp_path, OPTIMIZERS[name]())
    counted = Ends()
    again = follow(tmp_path, OPTIMIZERS[name](), counted)
    assert came_to(again[0]) == came_to(first[0]) and counted.calls == 0
    np.testing.assert_array_equal(again[1], first[1])
    assert again[0].history == first[0].history  # the seconds, too
    assert "Found 9 evaluations" in (said := capsys.readouterr().out) and "nothing left to do" in said


def test_other_settings_and_another_start_are_other_descents(tmp_path, capsys):
    build = OPTIMIZERS["SGD"]
    follow(tmp_path, build(), settings={"style": 1.0})
    follow(tmp_path, build(), settings={"style": 1.1})
    follow(tmp_path, build(), settings={"style": 1.0}, count=8)
    Descent(START + 0.1, 9, settings={"style": 1.0}, checkpoints=tmp_path)
    assert "Found" not in capsys.readouterr().out
    Descent(START, 9, settings={"style": 1.0}, checkpoints=tmp_path)
    assert "Found 9 evaluations of painting" in capsys.readouterr().out


def minimise_in_rounds(folder, ends=None, seconds=0.0):
    """Minimise the bowl by L-BFGS in two sizes, as notebook 03 does.

    Returns the descent, a list of each round's (step, evaluations left, picture at its begin), and of each
    evaluation's (step, total).
    """
    began, seen = [], []
    with Descent(START[::2, ::2], 12, report=ends or Ends(), checkpoints=folder, seconds=seconds) as descent:
        for step, left in descent.rounds((2, 1), 6):
            target, stretch = TARGET[::step, ::step], STRETCH[::step, ::step]
            begin = images.resize(descent.picture, *target.shape[:2])
            began.append((step, left, begin))

            def bowl(flat, step=step, target=target, stretch=stretch):
                picture = flat.reshape(target.shape).astype(np.float32)
                away = stretch * (picture - target)
                total = float(np.sum(away**2))
                seen.append((step, total))
                descent.note(picture, {"total": total})
                return total, (2 * stretch * away).ravel().astype(np.float64)

            options = {"maxfun": left, "maxiter": left}
            minimize(bowl, begin.ravel().astype(np.float64), jac=True, method="L-BFGS-B", options=options)
    return descent, began, seen


@pytest.mark.parametrize(("error", "seconds"), [(KeyboardInterrupt(), 1000), (ZeroDivisionError(), 0)])
@pytest.mark.parametrize("at", [1, 2, 4, 5, 8, 10])
def test_rounds_go_on_from_the_best_picture_of_the_round(tmp_path, capsys, error, seconds, at):
    """Evaluation `at` is the last that is kept: it is not yet reported then."""
    _, _, seen = minimise_in_rounds(None)
    with contextlib.suppress(ZeroDivisionError):
        minimise_in_rounds(tmp_path, Ends(at, error), seconds)
    descent, began, seen_later = minimise_in_rounds(tmp_path, seconds=seconds)
    assert [record["total"] for record in descent.history] == [total for _, total in seen[:at] + seen_later]
    broken_off, _ = seen[at - 1]
    here = [total for step, total in seen[:at] if step == broken_off]
    assert began[0][:2] == (broken_off, 6 - len(here)) and len(began) == broken_off
    assert seen_later[0] == (broken_off, min(here))  # the best picture, to the last bit
    assert descent.best == min(total for step, total in seen[:at] + seen_later if step == 1)
    assert "going on from the best picture; the optimiser learns the curvature anew" in capsys.readouterr().out


def test_a_round_that_was_over_is_not_taken_up_again(tmp_path):
    _, whole, seen = minimise_in_rounds(None)
    small = sum(step == 2 for step, _ in seen)
    with contextlib.suppress(ZeroDivisionError):
        minimise_in_rounds(tmp_path, Ends(small, ZeroDivisionError()))
    descent, [(step, left, begin)], seen_later = minimise_in_rounds(tmp_path)
    assert (step, left) == (1, 6) and seen_later == seen[small:]  # a new round: nothing was forgotten that it needs
    np.testing.assert_array_equal(begin, whole[1][2])
    again, began, _ = minimise_in_rounds(tmp_path)
    assert not began and came_to(again) == came_to(descent)


def test_the_slider_swaps_the_picture():
    descent = run([0.9, 0.5, 0.2])
    slider = StageSlider(descent.stages)
    assert slider.slider.value == 3
    last = slider.image.value
    slider.slider.value = 1
    assert slider.image.value != last and slider.image.value == images.png_bytes(descent.stages[1])


def test_what_is_shown_has_a_text_for_those_who_cannot_see_it():
    shown = strip({"first": START, "second": START}, "Two greys")
    assert shown.alt == "Two greys. 2 pictures: first, second" and shown.data.startswith(b"\x89PNG")
    assert "Lines: a" in chart({"a": ([1, 2], [3, 4])}, "x", "y", "Rises").alt
    assert run([0.9, 0.2]).strip(2, "Falls").alt.startswith("Falls")


def test_the_table_has_a_row_a_picture():
    lines = loss_table({"a": {"style": 0.5, "total": 1}, "b": {"style": 2, "total": 3}}, "picture").data.splitlines()
    assert lines == ["| picture | style | total |", "|---|--:|--:|", "| a | 0.5 | 1 |", "| b | 2 | 3 |"]


def test_shuffled_squares_are_the_same_squares_elsewhere():
    picture = np.arange(6 * 9 * 3, dtype=np.float32).reshape(6, 9, 3)
    shuffled = images.shuffle_squares(picture, 2, seed=0)
    assert shuffled.shape == (6, 8, 3)
    np.testing.assert_array_equal(np.sort(shuffled.ravel()), np.sort(picture[:, :8].ravel()))
    squares = {picture[r : r + 2, c : c + 2].tobytes() for r in (0, 2, 4) for c in (0, 2, 4, 6)}
    assert {shuffled[r : r + 2, c : c + 2].tobytes() for r in (0, 2, 4) for c in (0, 2, 4, 6)} == squares
    assert not np.array_equal(shuffled, picture[:, :8])
