"""Work put off until the controls rest: of many calls only the last counts, and it can be had at once."""

import threading

import pytest
from explorer_tools import SECONDS

from helpers import explorer_threads
from helpers.explorer_threads import Later


@pytest.fixture
def done():
    return []


@pytest.fixture
def later(done):
    return Later(lambda: done.append("done"))


def test_of_many_calls_only_the_last_counts(timers, later, done):
    for _ in range(5):
        later.call()
    assert [timer.is_cancelled for timer in timers.made] == [True] * 4 + [False] and done == []
    assert all(timer.is_started and timer.daemon and timer.seconds == explorer_threads.REST for timer in timers.made)
    timers.fire()
    assert done == ["done"]


def test_at_once_forgets_what_waits(timers, later, done):
    later.call()
    later.now()
    timers.fire()
    assert done == ["done"]


def test_nothing_asked_for_is_nothing_to_wait_for(later):
    assert later.wait(0)


def test_the_work_is_waited_for(monkeypatch):
    monkeypatch.setattr(explorer_threads, "REST", 0)
    begun, go_on = threading.Event(), threading.Event()
    later = Later(lambda: begun.set() or go_on.wait(SECONDS))
    later.call()
    assert begun.wait(SECONDS) and not later.wait(0.01)
    go_on.set()
    assert later.wait(SECONDS)
