"""Distances between pictures: nearest training pictures, exact copies, and the mean over pairs."""

import numpy as np
import pytest

from helpers import pixel_distances
from helpers.errors import UserError


def pictures(count=6, seed=0, shape=(5, 4, 3)):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def rmse(a, b):
    return np.sqrt(np.mean((a / 255 - b / 255) ** 2))


@pytest.mark.parametrize("block", [1_000, 4])
@pytest.mark.parametrize("shape", [(5, 4, 3), (5, 4, 1), (5, 4)])
def test_the_nearest_is_that_of_all_pairs(shape, block, monkeypatch):
    monkeypatch.setattr(pixel_distances, "BLOCK", block)
    fakes, training = pictures(6, 1, shape), pictures(10, 2, shape)
    table = np.array([[rmse(fake, picture) for picture in training] for fake in fakes])
    places, distances = pixel_distances.nearest_neighbours(fakes, training)
    np.testing.assert_array_equal(places, table.argmin(axis=1))
    np.testing.assert_allclose(distances, table.min(axis=1), rtol=1e-12)
    assert len(set(places.tolist())) > 2 and max(places) >= 4  # in several blocks


def test_a_copy_is_found_at_exactly_zero_and_a_changed_pixel_is_not():
    training = np.tile(pictures(1, shape=(64, 64, 3)), (9, 1, 1, 1))
    training[:, 10, 10, 1] = np.arange(9)
    fake = training[6:7].copy()
    places, distances = pixel_distances.nearest_neighbours(fake, training)
    assert (places.tolist(), distances.tolist()) == ([6], [0.0])
    _, distances = pixel_distances.nearest_neighbours(fake, training[7:])
    assert distances[0] == pytest.approx(1 / 255 / np.sqrt(64 * 64 * 3))


def test_black_and_white_are_at_distance_one():
    black = np.zeros((1, 3, 3), np.uint8)
    assert pixel_distances.nearest_neighbours(black, black + np.uint8(255))[1].tolist() == [1.0]


@pytest.mark.parametrize("block", [1_000, 4])
def test_the_mean_is_over_all_pairs_of_different_pictures(block, monkeypatch):
    monkeypatch.setattr(pixel_distances, "BLOCK", block)
    some = pictures(7)
    expected = np.mean([rmse(some[i], some[j]) for i in range(7) for j in range(i)])
    assert pixel_distances.mean_pairwise_distance(some) == pytest.approx(expected, rel=1e-12)


def test_a_collapsed_set_is_at_zero():
    assert pixel_distances.mean_pairwise_distance(np.tile(pictures(1), (8, 1, 1, 1))) == 0


@pytest.mark.parametrize(
    ("fakes", "training", "message"),
    [
        (pictures(), pictures(shape=(4, 5, 3)), "cannot be compared"),
        (pictures() / 255, pictures(), "not float64.*to_uint8"),
        (pictures(), pictures() / 255, "not float64.*to_uint8"),
        (pictures(0), pictures(), "are expected"),
        (pictures(), pictures(0), "are expected"),
        (pictures()[0, 0], pictures(), "are expected"),
    ],
)
def test_sets_that_cannot_be_compared_are_refused(fakes, training, message):
    with pytest.raises(UserError, match=message):
        pixel_distances.nearest_neighbours(fakes, training)


@pytest.mark.parametrize(("some", "message"), [(pictures(1), "no pair"), (pictures() / 255, "to_uint8")])
def test_sets_without_pairs_are_refused(some, message):
    with pytest.raises(UserError, match=message):
        pixel_distances.mean_pairwise_distance(some)
