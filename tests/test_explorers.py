"""What explorers share: enlarged pictures, delayed work, checked pictures, lines of words, uploads, sliders."""

import threading

import ipywidgets
import numpy as np
import pytest
from explorer_tools import SECONDS

from helpers.explorers import base
from helpers.explorers.base import Later, button, enlarged, generated, mark, sliders, status_line
from helpers.session import UserError


def test_a_picture_is_enlarged_by_whole_pixels():
    picture = np.random.default_rng(0).random((28, 20, 3))
    large = enlarged(picture, 200)
    assert large.shape == (7 * 28, 7 * 20, 3)
    np.testing.assert_array_equal(large[3::7, 6::7], picture)
    assert enlarged(picture, 5).shape == picture.shape


@pytest.mark.parametrize(
    ("made", "word"),
    [
        (np.zeros((2, 4, 4)), "2, 4, 4"),
        (np.zeros((1, 4, 4, 2)), "4, 2"),
        (np.zeros((1, 16)), "16"),
        (np.zeros((1, 4, 4), np.uint8), "uint8"),
        (np.full((1, 4, 4), np.nan), "NaN"),
        (np.full((1, 4, 4, 3), np.inf), "NaN"),
    ],
)
def test_what_is_no_picture_is_refused(made, word):
    with pytest.raises(UserError, match=word):
        generated(lambda z: made, np.zeros((1, 2)))


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
    timers.fire()
    assert done == ["done"]


def test_at_once_drops_what_waits(timers, later, done):
    later.call()
    later.now()
    timers.fire()
    assert done == ["done"]


def test_the_work_is_waited_for(monkeypatch):
    assert Later(print).wait(0), "nothing was asked for"
    monkeypatch.setattr(base, "REST", 0)
    begun, go_on = threading.Event(), threading.Event()
    later = Later(lambda: begun.set() or go_on.wait(SECONDS))
    later.call()
    assert begun.wait(SECONDS) and not later.wait(0.01)
    go_on.set()
    assert later.wait(SECONDS)


def test_a_button_calls_its_action_with_nothing_and_has_a_class():
    calls = []
    made = button("Go", "go", lambda: calls.append("called"))
    made.click()
    assert calls == ["called"] and "explore-go" in made._dom_classes
    assert "explore-wearing-hat" in mark(ipywidgets.Button(), "Wearing_Hat")._dom_classes


def test_a_line_of_words_is_no_html_and_says_what_it_is():
    assert "role='status'" in status_line("a <b>") and "a &lt;b&gt;" in status_line("a <b>")
    assert "⚠" in status_line("a", role="alert") and "role='alert'" in status_line("a", role="alert")


def test_sliders_are_whole_where_their_numbers_are():
    made = sliders(steps=("Steps", 10, 1, 60, 1), step=("Step", 0.01, 0.001, 0.05, 0.001), seed=3)
    assert isinstance(made["steps"], ipywidgets.IntSlider) and made["steps"].max == 60
    assert isinstance(made["step"], ipywidgets.FloatSlider) and made["step"].readout_format == ".3f"
    assert made["step"].description == "Step" and made["seed"].value == 3
    assert "seed" not in sliders(steps=("Steps", 10, 1, 60, 1))
