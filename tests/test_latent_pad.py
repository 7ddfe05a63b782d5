"""The latent pad: what reaches the browser, and the way of a walk over the map."""

import re

import numpy as np
import pytest

from helpers.explorers.pad import MOST_POINTS, LatentPad, class_middles, closed_path, packed
from helpers.session import UserError

POINTS = np.array([[0.5, -1], [2, 3], [4, 5]], np.float64)
LABELS = np.array([1, 0, 1])


@pytest.fixture
def pad():
    return LatentPad(POINTS, LABELS, ["cat", "dog"], np.array([-1.0, -2]), np.array([5.0, 6]))


def test_the_browser_gets_points_as_little_endian_floats_labels_as_bytes_and_the_middle(pad):
    state = pad.get_state()
    np.testing.assert_array_equal(np.frombuffer(state["points"], "<f4").reshape(-1, 2), POINTS)
    assert state["labels"] == bytes([1, 0, 1]) and state["names"] == ["cat", "dog"]
    assert state["low"] == [-1, -2] and state["high"] == [5, 6] and (pad.x, pad.y) == (2, 2)
    assert len(set(state["colours"])) == 10, "each of ten classes has a colour of its own"


def test_the_script_reads_only_what_is_sent_and_loads_nothing(pad):
    state = pad.get_state()
    assert set(re.findall(r'model\.get\("(\w+)"\)|change:(\w+)', state["_esm"]))
    for pair in re.findall(r'model\.get\("(\w+)"\)|change:(\w+)', state["_esm"]):
        assert "".join(pair) in state
    assert not re.search(r"https?:|\bimport\b|@import|url\(", state["_esm"] + state["_css"])


def test_both_coordinates_of_a_message_are_in_place_when_it_is_observed(pad):
    places = []
    pad.observe(lambda change: places.append((pad.x, pad.y)), names=["x", "y"])
    pad.set_state({"x": 1.5, "y": -0.5})
    assert set(places) == {(1.5, -0.5)}


def test_of_many_points_an_even_choice_is_shown():
    count = 2 * MOST_POINTS
    many = np.stack([np.arange(count)] * 2, axis=-1)
    points, labels = packed(many, np.arange(count) % 7)
    shown = np.frombuffer(points, "<f4")[::2]
    assert len(shown) == MOST_POINTS and shown[0] == 0 and shown[-1] == count - 1
    assert np.diff(shown).max() <= 3
    np.testing.assert_array_equal(np.frombuffer(labels, np.uint8), shown.astype(int) % 7)


def test_latents_of_a_failed_training_are_refused():
    with pytest.raises(UserError, match="no numbers"):
        packed(POINTS * np.nan, LABELS)


def test_middles_are_medians_in_the_order_of_a_round_trip():
    corners = {4: (1, 1), 0: (-1, 1), 2: (-1, -1), 1: (1, -1)}
    points = np.concatenate([np.add(corner, [[0, 0], [0.1, 0], [-0.1, 90]]) for corner in corners.values()])
    middles = class_middles(points, np.repeat(list(corners), 3))
    assert {tuple(middle) for middle in middles} == set(corners.values())
    sides = np.linalg.norm(middles - np.roll(middles, 1, axis=0), axis=1)
    np.testing.assert_allclose(sides, 2)  # around the square, never across


def test_a_walk_is_closed_even_and_begins_near():
    stops = np.array([[0, 0], [4, 0], [4, 3]], np.float64)
    path = closed_path(stops, np.array([4, 0.5]), frames=13)
    assert path.shape == (13, 2)
    np.testing.assert_allclose(path[[0, 3, 8, 12]], [[4, 0], [4, 3], [0, 0], [4, 0]], atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(np.diff(path, axis=0), axis=1), 1)
    np.testing.assert_array_equal(closed_path(np.array([[1.0, 2]]), np.zeros(2), 4), [[1, 2]] * 4)
