"""When an optimisation of a picture is kept, and that it goes on as if never stopped."""

import errno
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from interrupts import InterruptsInstruction
from trainings import read_only

from helpers import resuming
from helpers.checkpoints import Checkpoints
from helpers.errors import UserError
from helpers.resuming import Rounds, Saved

START = np.linspace(0, 1, 4 * 5 * 3, dtype=np.float32).reshape(4, 5, 3)


# When it is kept


class Clock(SimpleNamespace):
    """A clock that the test moves."""

    def perf_counter(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock(now=100.0)
    monkeypatch.setattr(resuming, "time", clock)
    return clock


def kept(saved):
    return [int(path.name[-6:]) for path in sorted(saved.folder.glob("checkpoint-*"))] if saved.folder else []


def test_checkpoints_come_at_the_interval_and_when_asked_for(tmp_path, clock):
    saved, due = Saved(tmp_path, 1, seconds=10), []
    for number in range(1, 60):
        clock.now += 1.0
        saved.keep(number, lambda number=number: due.append(number) or ([START], {}), at_once=number == 25)
    assert due == [10, 20, 25, 35, 45, 55]


def test_where_writing_is_slow_it_takes_no_more_than_its_share(tmp_path, clock):
    def slow_state():
        due.append(clock.now)
        clock.now += 2.0
        return [START], {}

    saved, due = Saved(tmp_path, 1, seconds=10), []
    for number in range(1, 1000):
        clock.now += 1.0
        saved.keep(number, slow_state)
    assert due[0] == 110 and np.diff(due).min() >= 2.0 / resuming.LARGEST_SHARE and len(due) > 15


def test_with_0_seconds_each_step_is_kept_and_without_a_folder_none(tmp_path, clock):
    saved, nowhere = Saved(tmp_path, 1, seconds=0), Saved(None, 1, seconds=0)
    for number in (1, 2, 3):
        for one in (saved, nowhere):
            one.keep(number, lambda: ([START], {}), at_once=True)
    assert kept(saved) == [2, 3] and nowhere.load() is None


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_an_interval_that_is_none_is_refused(tmp_path, seconds):
    with pytest.raises(UserError, match="Give 0 or more"):
        Saved(tmp_path, 1, seconds)


def test_a_full_disk_is_said_once_and_it_goes_on(tmp_path, monkeypatch, capsys):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    whole = climbed_to_the_end(Rounds(None, 1))
    monkeypatch.setattr(Checkpoints, "save", full)
    assert climbed_to_the_end(Rounds(tmp_path, 1, seconds=0)) == whole
    said = capsys.readouterr().out
    assert said.count("No space left on device") == 1 and "NB_OUTPUT_DIR" in said


def test_a_full_disk_stops_it_if_asked_to(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    whole = climbed_to_the_end(Rounds(None, 1))
    monkeypatch.setenv("NB_STOP_UNSAVED", "1")
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", full)
        with pytest.raises(UserError, match="No space left on device.*it stopped, as asked. Make room"):
            climbed_to_the_end(Rounds(tmp_path, 1, seconds=0))
    assert climbed_to_the_end(Rounds(tmp_path, 1, seconds=0)) == whole


def test_what_is_done_is_not_lost_because_its_last_checkpoint_cannot_be_written(tmp_path, monkeypatch, capsys):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    whole = climbed_to_the_end(Rounds(None, 1))
    monkeypatch.setenv("NB_STOP_UNSAVED", "1")
    monkeypatch.setattr(Checkpoints, "save", full)
    assert climbed_to_the_end(Rounds(tmp_path, 1, seconds=1000)) == whole
    assert capsys.readouterr().out.count("No space left on device") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="has no folders of this kind")
def test_in_a_folder_that_became_read_only_it_goes_on_and_the_older_checkpoint_stays(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    saved = Saved(Path("a"), 1, seconds=0)
    saved.keep(1, lambda: ([START], {}))
    with read_only(saved.folder, monkeypatch):
        for number in (2, 3):
            saved.keep(number, lambda: ([START], {}))
    assert capsys.readouterr().out.count("Permission denied") == 1 and kept(saved) == [1]


def test_what_cannot_be_told_apart_has_no_checkpoints(tmp_path, capsys):
    first = climbed_to_the_end(Rounds(tmp_path, [1, threading.Lock()], seconds=0))
    assert first == climbed_to_the_end(Rounds(None, 1)) and not list(tmp_path.iterdir())
    assert capsys.readouterr().out.count("No checkpoints are written") == 1


# Rounds and steps of an ascent

SIZES, STEPS = (2, 3, 4), 5


class Stop(Exception):
    """What ends an ascent in the tests that an interrupt would not end."""


def climb(gradient, picture, steps, random, length):
    """Yield a value and the next picture, both of what was drawn; `gradient` counts, and may end it."""
    for _ in range(steps):
        gradient()
        way = random.normal(size=picture.shape).astype(np.float32)
        value, picture = float(np.sum(way * picture)), picture + length * way
        yield value, picture


def climbed_to_the_end(rounds, gradient=lambda: None, highest=np.inf, after=lambda count: None):
    """Climb in rounds as DeepDream does in octaves; return all values, and the last picture's bytes."""
    random, picture, values = np.random.default_rng(7), START, []
    for size in rounds.each(SIZES):
        picture = np.resize(picture, (size, 5, 3)).astype(np.float32)
        for value, climbed in rounds.steps(climb, gradient, picture, STEPS, random=random, length=0.5):
            if value > highest:
                break
            picture = climbed
            values.append(value)
            after(len(values))
    return values, picture.tobytes()


class Ends:
    """Called at each step; raises `error` at one of them."""

    def __init__(self, at, error):
        self.left, self.calls, self.error = at, 0, error

    def __call__(self, *_):
        self.left -= 1
        if self.left == 0:
            raise self.error
        self.calls += 1


@pytest.mark.parametrize("place", ["in a step", "after a step"])
@pytest.mark.parametrize("at", range(1, len(SIZES) * STEPS + 1))
def test_an_ascent_that_was_interrupted_ends_as_one_that_was_not(tmp_path, capsys, at, place):
    """With an interval that never comes, so that what the interrupt itself keeps is what there is."""
    ends = Ends(at, KeyboardInterrupt())
    where = {"gradient": ends} if place == "in a step" else {"after": ends}
    with pytest.raises(KeyboardInterrupt):
        climbed_to_the_end(Rounds(tmp_path, 1, seconds=1000), **where)
    counted = Ends(0, None)
    assert climbed_to_the_end(Rounds(tmp_path, 1, seconds=1000), counted) == climbed_to_the_end(Rounds(None, 1))
    assert counted.calls == len(SIZES) * STEPS - (at - 1)  # what was done is not done again
    assert f"Found {at - 1} steps" in capsys.readouterr().out


def test_an_interrupt_between_any_two_instructions_keeps_a_whole_step_or_none(tmp_path):
    """The instructions of the first round's first steps; what is done is counted only with its picture."""
    whole = climbed_to_the_end(Rounds(None, 1))
    done, at = 0, 0
    while done < 2:  # how many instructions that takes, Python's version decides
        at += 1
        folder = tmp_path / str(at)
        with pytest.raises(KeyboardInterrupt), InterruptsInstruction(Rounds.steps, at):
            climbed_to_the_end(Rounds(folder, 1, seconds=1000))
        rounds = Rounds(folder, 1, seconds=1000)
        done = rounds.steps_done
        assert climbed_to_the_end(rounds) == whole, at


@pytest.mark.parametrize("at", range(1, 12))
def test_so_does_one_that_was_killed_where_a_brake_ended_rounds_early(tmp_path, at):
    """A kill is an end that writes nothing: the checkpoints are those of the steps."""
    values = climbed_to_the_end(Rounds(None, 1))[0]
    highest = float(np.quantile(values, 0.8))
    whole = climbed_to_the_end(Rounds(None, 1), highest=highest)
    assert 3 < len(whole[0]) < len(values)
    rounds = Rounds(tmp_path, 1, seconds=0)
    with pytest.raises(Stop):
        climbed_to_the_end(rounds, Ends(at, Stop()), highest)
    assert climbed_to_the_end(Rounds(tmp_path, 1, seconds=0), highest=highest) == whole


@pytest.mark.parametrize("share", [0.8, 1.0])
def test_a_finished_ascent_is_not_climbed_again_and_says_how_to_start_anew(tmp_path, capsys, share):
    """Nor is one whose rounds were ended early by a brake."""
    highest = float(np.quantile(climbed_to_the_end(Rounds(None, 1))[0], share))
    whole = climbed_to_the_end(first := Rounds(tmp_path, 1), highest=highest)
    assert (first.steps_done < 15) == (share < 1)
    counted, written = Ends(0, None), max(tmp_path.rglob("state.json"))
    before = written.stat().st_mtime_ns
    for _ in range(2):
        again = Rounds(tmp_path, 1)
        assert climbed_to_the_end(again, counted, highest) == whole and counted.calls == 0
        said = capsys.readouterr().out
        assert f"Found {len(whole[0])} steps" in said and "nothing left to do" in said
        assert str(first._saved.folder) in said
    assert again.steps_done == len(whole[0]) == kept(first._saved)[-1]
    assert written.stat().st_mtime_ns == before  # nor written again


def test_seconds_before_and_after_a_kill_are_added(tmp_path, clock):
    def tick(*_):
        clock.now += 1.0

    with pytest.raises(Stop):
        climbed_to_the_end(Rounds(tmp_path, 1, seconds=0), tick, after=Ends(4, Stop()))
    clock.now += 1000.0
    rounds = Rounds(tmp_path, 1, seconds=0)
    climbed_to_the_end(rounds, tick)
    assert rounds.seconds == 16.0  # the step that was lost took its time as well
    clock.now += 1000.0
    assert Rounds(tmp_path, 1).seconds == 16.0


def test_other_settings_do_not_find_it(tmp_path):
    climbed_to_the_end(Rounds(tmp_path, {"step": 0.01, "picture": START}))
    assert Rounds(tmp_path, {"step": 0.01, "picture": START}).steps_done == 15
    assert Rounds(tmp_path, {"step": 0.02, "picture": START}).steps_done == 0
    assert Rounds(tmp_path, {"step": 0.01, "picture": START + 0.1}).steps_done == 0
