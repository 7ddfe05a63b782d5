"""Latents: noise, grids in reading order, paths with exact ends."""

from functools import partial

import numpy as np
import pytest

from helpers import latents
from helpers.session import UserError


def path(start, end, steps, spherical=True):
    return latents.interpolate(start, end, np.linspace(0, 1, steps), spherical)


line = partial(path, spherical=False)


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
    assert grid.dtype == np.float32 and latents.grid_in_box(-4, 4, 9, 9)[0].tolist() == [-4, 4]


@pytest.mark.parametrize("between", [line, path])
@pytest.mark.parametrize("dimensions", [1, 2, 200])
def test_a_path_has_both_ends_exactly(between, dimensions):
    start, end = random(2, dimensions)
    points = between(start, end * 3, 9)
    assert points.shape == (9, dimensions) and points.dtype == np.float32
    np.testing.assert_array_equal(points[[0, -1]], [start, end * 3])


def test_a_line_has_equal_steps_and_a_short_middle():
    start, end = random(2)
    points = line(start, end, 11)
    np.testing.assert_allclose(np.diff(points, axis=0), np.tile((end - start) / 10, (10, 1)), atol=1e-6)
    assert lengths(points[5]) < 0.85 * min(lengths(start), lengths(end))


def test_a_great_circle_turns_evenly_in_the_plane_and_changes_its_length_evenly():
    start, end = random(2)
    points = latents.spherical_path(start, 2 * end, 11)
    np.testing.assert_allclose(lengths(points), np.linspace(lengths(start), lengths(2 * end), 11), rtol=1e-5)
    np.testing.assert_allclose(np.diff(angles(points, start)), angles(end[None], start)[0] / 10, atol=1e-3)
    away = points - points @ np.linalg.pinv(np.stack([start, end])) @ np.stack([start, end])
    assert np.abs(away).max() < 1e-4


def test_vectors_of_one_length_give_the_formula_of_shoemake():
    start, end = (row / np.linalg.norm(row) for row in random(2, 7).astype(np.float64))
    omega, t = np.arccos(start @ end), np.linspace(0, 1, 6)[:, None]
    expected = (np.sin((1 - t) * omega) * start + np.sin(t * omega) * end) / np.sin(omega)
    np.testing.assert_allclose(latents.spherical_path(start, end, 6), expected, atol=1e-6)


@pytest.mark.parametrize("tilt", [0, 1e-7, 1e-4])
@pytest.mark.parametrize("dimensions", [2, 200])
def test_nearly_parallel_latents_are_joined_by_a_line_and_nearly_opposite_ones_by_a_half_circle(tilt, dimensions):
    start, other = random(2, dimensions).astype(np.float64)
    end = 2 * start + tilt * other
    np.testing.assert_allclose(path(start, end, 5), line(start, end, 5), atol=tilt + 1e-5)
    points = path(start, tilt * other - 3 * start, 9)
    np.testing.assert_allclose(lengths(points), np.linspace(1, 3, 9) * np.linalg.norm(start), rtol=1e-4)
    np.testing.assert_allclose(np.diff(angles(points, start)), np.pi / 8, atol=2e-3)


def test_a_zero_latent_has_no_direction_so_the_path_is_a_line():
    [end] = random()
    for ends in [(0 * end, end), (end, 0 * end), (0 * end, 0 * end)]:
        np.testing.assert_array_equal(path(*ends, 5), line(*ends, 5))


def test_checked_latents_are_a_batch_of_float32():
    assert latents.check_latents([1, 2, 3], 3).shape == (1, 3)
    checked = latents.check_latents(np.zeros((4, 3)), 3)
    assert checked.shape == (4, 3) and checked.dtype == np.float32


@pytest.mark.parametrize("z", [np.zeros((2, 4)), np.zeros((1, 2, 3)), 0.5, [0, np.nan, 0], [0, np.inf, 0]])
def test_wrong_latents_are_refused(z):
    with pytest.raises(UserError, match="has 3 numbers|no numbers"):
        latents.check_latents(z, 3)
