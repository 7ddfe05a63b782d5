"""The latent pad: what reaches the browser, what is refused, and the way of a walk over the map."""

import re

import numpy as np
import pytest

from helpers.explorers.pad import MOST_POINTS, LatentPad, class_middles, closed_path, packed
from helpers.session import UserError

POINTS = np.array([[0.5, -1], [2, 3], [4, 5]], np.float64)
LABELS = np.array([1, 0, 1])


def pad(points=POINTS, labels=LABELS, names=("cat", "dog"), low=(-1, -2), high=(5, 6), **options):
    return LatentPad(points, labels, names, low, high, **options)


def test_the_browser_gets_points_as_little_endian_floats_and_labels_as_bytes():
    state = pad().get_state()
    np.testing.assert_array_equal(np.frombuffer(state["points"], "<f4").reshape(-1, 2), POINTS)
    assert state["labels"] == bytes([1, 0, 1]) and state["names"] == ["cat", "dog"]
    assert state["low"] == [-1, -2] and state["high"] == [5, 6]


def test_every_trait_that_the_script_reads_is_sent():
    state = pad().get_state()
    script = state["_esm"]
    read = set(re.findall(r'model\.get\("(\w+)"\)', script))
    assert read >= {"points", "labels", "names", "colours", "marks", "low", "high", "x", "y", "axes", "size"}
    assert read <= state.keys()
    assert set(re.findall(r"change:(\w+)", script)) <= state.keys()


def test_the_script_reaches_for_nothing_outside():
    state = pad().get_state()
    assert "export default" in state["_esm"]
    assert not re.search(r"https?:|\bimport\b|@import|url\(", state["_esm"] + state["_css"])


def test_the_cross_hair_begins_in_the_middle_unless_told_otherwise():
    assert (pad().x, pad().y) == (2, 2)
    assert (pad(x=0.25, y=-1.0).x, pad(y=-1.0).y) == (0.25, -1)


def test_what_the_browser_sends_is_seen_with_both_coordinates_in_place():
    made, seen = pad(), []
    made.observe(lambda change: seen.append((made.x, made.y)), names=["x", "y"])
    made.set_state({"x": 1.5, "y": -0.5})
    assert set(seen) == {(1.5, -0.5)}


def test_there_are_a_colour_and_a_mark_for_each_of_ten_classes_and_no_two_classes_look_alike():
    names = [str(number) for number in range(10)]
    made = pad(names=names)
    assert len(made.colours) == len(made.marks) == 10
    assert len(set(zip(made.colours, made.marks, strict=True))) == 10
    assert len(pad(names=names[:3], labels=LABELS).colours) == 3


def test_of_many_points_an_even_choice_is_shown():
    count = 2 * MOST_POINTS
    many = np.stack([np.arange(count)] * 2, axis=-1)
    sent = packed(many, np.arange(count) % 7, 7)
    shown = np.frombuffer(sent["points"], "<f4")[::2]
    assert len(shown) == MOST_POINTS and shown[0] == 0 and shown[-1] == count - 1
    assert np.diff(shown).max() <= 3
    np.testing.assert_array_equal(np.frombuffer(sent["labels"], np.uint8), shown.astype(int) % 7)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"points": np.zeros((3, 3))}, "has 2 numbers"),
        ({"points": [[0, 0], [0, np.nan], [1, 1]]}, "no numbers"),
        ({"points": np.zeros((0, 2)), "labels": np.zeros(0, int)}, "no points"),
        ({"labels": LABELS[:2]}, "want as many labels"),
        ({"labels": LABELS / 2}, "whole numbers"),
        ({"labels": np.array([0, 1, 2])}, "do not fit 2 names"),
        ({"labels": np.array([0, -1, 1])}, "do not fit 2 names"),
        ({"names": [str(number) for number in range(11)]}, "want as many colours"),
        ({"low": (5, -2)}, "span no box"),
        ({"high": (5, -2)}, "span no box"),
    ],
)
def test_what_makes_no_map_is_refused(change, message):
    with pytest.raises(UserError, match=message):
        pad(**change)


def test_middles_are_medians_in_the_order_of_a_round_trip():
    corners = {4: (1, 1), 0: (-1, 1), 2: (-1, -1), 1: (1, -1)}
    points = np.concatenate([np.add(corner, [[0, 0], [0.1, 0], [-0.1, 90]]) for corner in corners.values()])
    labels = np.repeat(list(corners), 3)
    middles = class_middles(points, labels)
    assert {tuple(middle) for middle in middles} == set(corners.values())
    sides = np.linalg.norm(middles - np.roll(middles, 1, axis=0), axis=1)
    np.testing.assert_allclose(sides, 2)  # around the square, never across


def test_a_walk_is_closed_even_and_begins_near():
    stops = np.array([[0, 0], [4, 0], [4, 3]], np.float64)
    path = closed_path(stops, np.array([4, 0.5]), frames=13)
    assert path.shape == (13, 2)
    np.testing.assert_allclose(path[[0, 3, 8, 12]], [[4, 0], [4, 3], [0, 0], [4, 0]], atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(np.diff(path, axis=0), axis=1), 1)


def test_a_single_stop_is_a_walk_on_the_spot():
    np.testing.assert_array_equal(closed_path(np.array([[1.0, 2]]), np.zeros(2), 4), [[1, 2]] * 4)
