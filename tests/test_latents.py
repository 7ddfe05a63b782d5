"""Latents: noise, grids in reading order, paths with exact ends, attribute vectors, and pictures side by side."""

import numpy as np
import pytest
from scipy.stats import norm

from helpers import latents
from helpers.errors import UserError

PATHS = [latents.linear_path, latents.spherical_path]


def random(count=1, dimensions=200, seed=0):
    return np.random.default_rng(seed).normal(size=(count, dimensions)).astype(np.float32)


def lengths(points):
    return np.linalg.norm(points.astype(np.float64), axis=-1)


def angles(points, start):
    cosines = points.astype(np.float64) @ start / lengths(points) / np.linalg.norm(start)
    return np.arccos(np.clip(cosines, -1, 1))


def test_noise_is_fixed_standard_normal_and_begins_with_the_shorter_draw():
    many = latents.fixed_noise(2_000, 50, seed=3)
    assert many.dtype == np.float32 and many.shape == (2_000, 50)
    assert abs(many.mean()) < 0.02 and abs(many.std() - 1) < 0.02
    np.testing.assert_array_equal(latents.fixed_noise(10, 50, seed=3), many[:10])
    assert (latents.fixed_noise(10, 50, seed=4) != many[:10]).all()


def test_a_grid_is_read_like_a_page_with_y_upwards():
    grid = latents.grid_in_box((-1, 0), (1, 30), rows=2, columns=3)
    np.testing.assert_array_equal(grid, [[-1, 30], [0, 30], [1, 30], [-1, 0], [0, 0], [1, 0]])
    assert grid.dtype == np.float32


def test_a_box_may_be_given_by_two_numbers_and_a_single_row_lies_in_the_middle():
    np.testing.assert_array_equal(latents.grid_in_box(-4, 2, rows=1, columns=2), [[-4, -1], [2, -1]])
    np.testing.assert_array_equal(latents.quantile_grid(1, 1), [[0, 0]])


@pytest.mark.parametrize(("low", "high"), [(1, 1), ((0, 2), (1, 1)), (np.nan, 1), (0, np.inf)])
def test_what_spans_no_box_is_refused(low, high):
    with pytest.raises(UserError, match="span no box"):
        latents.grid_in_box(low, high, 2, 2)


def test_neighbours_of_a_quantile_grid_have_equal_shares_of_the_normal_distribution():
    grid = latents.quantile_grid(rows=7, columns=5, margin=0.05).reshape(7, 5, 2).astype(np.float64)
    shares = norm.cdf(grid)
    np.testing.assert_allclose(np.diff(shares[..., 0], axis=1), 0.9 / 4, atol=1e-6)
    np.testing.assert_allclose(np.diff(shares[..., 1], axis=0), -0.9 / 6, atol=1e-6)  # downwards in y
    assert np.isfinite(grid).all() and grid.max() < 1.65


@pytest.mark.parametrize("margin", [0, -0.1, 0.5, 1, np.nan])
def test_a_margin_that_reaches_infinity_is_refused(margin):
    with pytest.raises(UserError, match="margin"):
        latents.quantile_grid(3, 3, margin)


@pytest.mark.parametrize("counts", [(0, 2), (2, 0), (-1, 1)])
def test_nothing_is_refused(counts):
    for make in (lambda: latents.fixed_noise(*counts, 0), lambda: latents.grid_in_box(0, 1, *counts)):
        with pytest.raises(UserError, match="at least 1"):
            make()
    with pytest.raises(UserError, match="at least 1"):
        latents.quantile_grid(*counts)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("dimensions", [1, 2, 200])
def test_a_path_has_both_ends_exactly(path, dimensions):
    start, end = random(2, dimensions)
    points = path(start, end * 3, 9)
    assert points.shape == (9, dimensions) and points.dtype == np.float32
    np.testing.assert_array_equal(points[0], start)
    np.testing.assert_array_equal(points[-1], end * 3)


def test_a_linear_path_has_equal_steps_and_a_short_middle():
    start, end = random(2)
    points = latents.linear_path(start, end, 11)
    np.testing.assert_allclose(np.diff(points, axis=0), np.tile((end - start) / 10, (10, 1)), atol=1e-6)
    assert lengths(points[5]) < 0.85 * min(lengths(start), lengths(end))


def test_a_spherical_path_turns_evenly_and_changes_its_length_evenly():
    start, end = random(2)
    points = latents.spherical_path(start, 2 * end, 11)
    np.testing.assert_allclose(lengths(points), np.linspace(lengths(start), lengths(2 * end), 11), rtol=1e-5)
    np.testing.assert_allclose(np.diff(angles(points, start)), angles(end[None], start)[0] / 10, atol=1e-3)
    away = points - points @ np.linalg.pinv(np.stack([start, end])) @ np.stack([start, end])
    assert np.abs(away).max() < 1e-4  # all in the plane of the two


def test_vectors_of_one_length_give_the_formula_of_shoemake():
    start, end = (row / np.linalg.norm(row) for row in random(2, 7).astype(np.float64))
    omega, t = np.arccos(start @ end), np.linspace(0, 1, 6)[:, None]
    expected = (np.sin((1 - t) * omega) * start + np.sin(t * omega) * end) / np.sin(omega)
    np.testing.assert_allclose(latents.spherical_path(start, end, 6), expected, atol=1e-6)


@pytest.mark.parametrize("tilt", [0, 1e-12, 1e-7, 1e-4])
def test_nearly_parallel_latents_are_joined_by_a_line(tilt):
    start = random()[0].astype(np.float64)
    end = 2 * start + tilt * random(seed=1)[0]
    np.testing.assert_allclose(
        latents.spherical_path(start, end, 5), latents.linear_path(start, end, 5), atol=tilt + 1e-5
    )


@pytest.mark.parametrize("tilt", [0, 1e-12, 1e-7, 1e-4])
@pytest.mark.parametrize("dimensions", [2, 200])
def test_nearly_opposite_latents_are_joined_by_a_half_circle(tilt, dimensions):
    start = random(dimensions=dimensions)[0].astype(np.float64)
    end = -3 * start + tilt * random(dimensions=dimensions, seed=1)[0]
    points = latents.spherical_path(start, end, 9)
    np.testing.assert_allclose(lengths(points), np.linspace(lengths(start), lengths(end), 9), rtol=1e-5)
    np.testing.assert_allclose(np.diff(angles(points, start)), np.pi / 8, atol=2e-3)
    np.testing.assert_array_equal(points, latents.spherical_path(start, end, 9))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_exactly_opposite_axes_are_joined_by_a_half_circle(axis):
    start = np.eye(3)[axis]
    points = latents.spherical_path(start, -start, 5)
    np.testing.assert_allclose(lengths(points), 1, atol=1e-6)
    np.testing.assert_allclose(angles(points, start), np.linspace(0, np.pi, 5), atol=1e-3)
    assert latents.spherical_path(start, start, 3).tolist() == [start.tolist()] * 3


def test_the_ends_are_exact_where_rounding_would_show():
    start, end = np.array([1, 1e-18, 0], np.float32), np.array([1e-18, 3, 1e-20], np.float32)
    for path in PATHS:
        np.testing.assert_array_equal(path(start, end, 4)[[0, -1]], [start, end])


def test_a_zero_latent_has_no_direction_so_the_way_is_a_line():
    [end] = random()
    for ends in [(0 * end, end), (end, 0 * end), (0 * end, 0 * end)]:
        np.testing.assert_array_equal(latents.spherical_path(*ends, 5), latents.linear_path(*ends, 5))


@pytest.mark.parametrize("path", PATHS)
def test_a_path_that_cannot_be_is_refused(path):
    with pytest.raises(UserError, match="Give at least 2"):
        path([1, 0], [0, 1], 1)
    with pytest.raises(UserError, match="has 2 numbers"):
        path([1, 0], [0, 1, 2], 3)
    for ends in [([1, 0], [0, np.nan]), ([np.nan, 0], [0, 1])]:
        with pytest.raises(UserError, match="no numbers"):
            path(*ends, 3)


def test_an_attribute_vector_is_the_difference_of_two_means():
    means = np.array([[1, 10], [3, 10], [0, 4], [0, 2], [0, 0]], np.float32)
    vector = latents.attribute_vector(means, np.array([True, True, False, False, False]))
    np.testing.assert_array_equal(vector, [2, 8])
    assert vector.dtype == np.float32


def test_an_attribute_vector_finds_the_direction_that_was_added():
    means, has = random(400, 20), np.arange(400) % 3 == 0
    direction = np.eye(20)[4] * 5
    found = latents.attribute_vector(means + has[:, None] * direction, has)
    np.testing.assert_allclose(found, direction, atol=0.4)


@pytest.mark.parametrize(
    ("has", "message"),
    [
        ([True] * 4, "every picture has"),
        ([False] * 4, "no picture has"),
        ([True, False], "one True or False for each"),
        ([1, -1, 1, -1], "Compare with 1"),
    ],
)
def test_groups_that_cannot_be_compared_are_refused(has, message):
    with pytest.raises(UserError, match=message):
        latents.attribute_vector(random(4, 3), np.array(has))


def test_cosines_are_those_of_the_angles():
    vectors = {"right": [2, 0], "up": [0, 0.5], "left": [-1, 0], "between": [1, 1]}
    names, matrix = latents.cosine_similarities(vectors)
    assert names == list(vectors) and matrix.dtype == np.float32
    half = np.sqrt(0.5)
    expected = [[1, 0, -1, half], [0, 1, 0, half], [-1, 0, 1, -half], [half, half, -half, 1]]
    np.testing.assert_allclose(matrix, expected, atol=1e-7)


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        ({}, "no vectors"),
        ({"a": [1, 0], "b": [0, 0]}, "'b' is zero"),
        ({"a": [1, 0], "b": [1, 0, 0]}, "has 2 numbers"),
    ],
)
def test_vectors_without_a_cosine_are_refused(vectors, message):
    with pytest.raises(UserError, match=message):
        latents.cosine_similarities(vectors)


def test_checked_latents_are_a_batch_of_float32():
    assert latents.check_latents([1, 2, 3], 3).shape == (1, 3)
    checked = latents.check_latents(np.zeros((4, 3)), 3)
    assert checked.shape == (4, 3) and checked.dtype == np.float32


@pytest.mark.parametrize(
    ("z", "message"),
    [
        (np.zeros((2, 4)), r"has 3 numbers.*\(2, 4\)"),
        (np.zeros((1, 2, 3)), r"\(1, 2, 3\)"),
        (0.5, "has 3 numbers"),
        ([0, np.nan, 0], "no numbers or infinite"),
        ([0, np.inf, 0], "no numbers or infinite"),
    ],
)
def test_wrong_latents_are_refused(z, message):
    with pytest.raises(UserError, match=message):
        latents.check_latents(z, 3)
