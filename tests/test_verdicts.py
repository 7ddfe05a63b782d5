"""Verdicts: the words, the bar and the histograms say what the logits say."""

import re

import numpy as np
import pytest

from helpers.errors import UserError
from helpers.verdicts import BATCH, FAKE, REAL, bar, in_words, logits_of, place_among, probability, verdict_chart


def grey(count, level=0.5):
    return np.full((count, 2, 2, 3), level, np.float32)


def test_pictures_are_judged_in_batches_and_in_their_order():
    count, sizes = 2 * BATCH + 7, []
    pictures = np.arange(count, dtype=np.float32)[:, None, None, None] / count * grey(count, 1)

    def judge(some):
        sizes.append(len(some))
        return some.mean(axis=(1, 2, 3))[:, None]

    logits = logits_of(judge, pictures)
    assert sizes == [BATCH, BATCH, 7] and logits.shape == (count,)
    np.testing.assert_allclose(logits, np.arange(count) / count, atol=1e-6)


@pytest.mark.parametrize(
    ("judge", "message"),
    [
        (lambda some: some.mean(), r"the shape \(\) for 3"),
        (lambda some: np.zeros((3, 2)), r"\(3, 2\) for 3"),
        (lambda some: np.zeros(4), r"\(4,\) for 3"),
        (lambda some: np.array([0, np.nan, 0]), "NaN"),
        (lambda some: np.array([0, np.inf, 0]), "infinite"),
        (lambda some: some.reshape(3, 5), r"\(3, 2, 2, 3\) \(ValueError"),
    ],
)
def test_what_is_no_verdict_is_refused_in_plain_words(judge, message):
    with pytest.raises(UserError, match=message):
        logits_of(judge, grey(3))


def test_an_error_for_the_reader_goes_through():
    def judge(some):
        raise UserError("train first")

    with pytest.raises(UserError, match="^train first$"):
        logits_of(judge, grey(1))


@pytest.mark.parametrize(
    ("logit", "words", "share"),
    [
        (np.log(3), "rather real", "75.0%"),
        (-np.log(3), "rather fake", "25.0%"),
        (0.0, "undecided", "50.0%"),
        (np.log(0.999 / 0.001), "rather real", "99.90%"),
        (-1e4, "rather fake", "below 0.01%"),
        (1e4, "rather real", "above 99.99%"),
    ],
)
def test_a_verdict_has_words_and_a_probability(logit, words, share):
    assert in_words(logit) == words and probability(logit) == share
    shown = bar(logit)
    assert f"<b>{words}</b>" in shown and f"P(real) = {share}" in shown and f"aria-valuetext='{words}'" in shown


@pytest.mark.parametrize(("logit", "percent", "colour"), [(np.log(4), 80, REAL), (-np.log(4), 20, FAKE)])
def test_the_bar_is_as_long_as_the_probability(logit, percent, colour):
    [(width, shown)] = re.findall(r"width:([\d.]+)%;background:(#\w+)", bar(logit))
    assert float(width) == percent and shown == colour and f"aria-valuenow='{percent}'" in bar(logit)


def test_the_place_counts_lower_logits_of_either_kind():
    said = place_among(0.5, np.array([0.1, 0.4, 0.5, 0.6]), np.array([-1.0, 0.2]))
    assert "50% of the 4 real" in said and "100% of the 2 fakes" in said


def colour_at(pixels, row, column):
    return pixels[row, column].astype(int)


def test_the_histograms_stand_where_their_logits_are():
    chart = verdict_chart(np.full(30, 3.0), np.full(50, -1.0), width=400, height=190)
    assert chart.pixels.shape == (190, 400, 3) and chart.pixels.dtype == np.uint8
    middle = (chart.top + chart.bottom) // 2
    red, _, blue = colour_at(chart.pixels, middle, chart.column(3.0))
    assert blue > red + 50  # blue for the real ones
    around = chart.pixels[middle - 6 : middle + 6, chart.column(-1.0) - 2 : chart.column(-1.0) + 3].reshape(-1, 3)
    assert around[:, 0].mean() > around[:, 2].mean() + 50  # vermilion for the fakes, hatched
    assert (
        chart.pixels[middle, chart.column(1.0) - 5 : chart.column(1.0) + 5] > 220
    ).all()  # a line of the grid at most
    assert chart.low < -1 and chart.high > 3


def test_a_marker_is_put_on_a_copy_at_its_logit_and_at_the_edge_beyond():
    chart = verdict_chart(np.full(30, 3.0), np.full(50, -1.0))
    before = chart.pixels.copy()
    marked, middle = chart.marked(1.0), (chart.top + chart.bottom) // 2
    assert marked.dtype == np.float32 and (marked[middle, chart.column(1.0)] == 0).all()
    changed = np.flatnonzero((np.round(marked * 255) != before).any(axis=(0, 2)))
    assert set(changed) <= set(range(chart.column(1.0) - 2, chart.column(1.0) + 3)) and len(changed) >= 3
    np.testing.assert_array_equal(chart.pixels, before)
    assert (marked[chart.bottom + 2 :] * 255 == before[chart.bottom + 2 :]).all()  # the numbers below stay
    assert chart.column(99) == chart.column(chart.high) < 400 and chart.column(-99) == chart.column(chart.low) >= 0
    assert chart.column(-99) < chart.column(-1) < chart.column(0) < chart.column(3) < chart.column(99)


def test_verdicts_that_are_all_alike_can_be_drawn():
    chart = verdict_chart(np.zeros(4), np.zeros(4))
    assert chart.low < 0 < chart.high and np.isfinite(chart.marked(0.0)).all()
