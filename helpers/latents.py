"""Points of latent spaces: noise, grids, paths between two points.

A latent is a row of floats. All functions are pure NumPy, compute in float64 and return float32.
"""

from collections.abc import Sequence

import numpy as np

from helpers.session import UserError

LEAST_SINE = 1e-6  # of the angle between two directions; below it they span no plane


def fixed_noise(count: int, dimensions: int, seed: int) -> np.ndarray:
    """Return draws from N(0, I), the same for the same seed: float32 `(count, dimensions)`.

    A longer draw begins with the shorter, so that progress pictures of two sizes show the same latents.
    """
    return np.random.default_rng(seed).standard_normal((count, dimensions), dtype=np.float32)


def grid_in_box(low: float | Sequence[float], high: float | Sequence[float], rows: int, columns: int) -> np.ndarray:
    """Return a grid of 2-D latents that spans a box, its edges included, in the order in which a picture is read.

    Args:
        low: the least of both axes, or `(x, y)`.
        high: the greatest, likewise.
        rows: of the grid; the first is at the top, where y is greatest.
        columns: of the grid; the first is on the left, where x is least.

    Returns:
        float32 `(rows * columns, 2)` of (x, y), row after row.
    """
    (left, bottom), (right, top) = (np.broadcast_to(np.asarray(end, np.float64), 2) for end in (low, high))
    across, up = np.linspace(left, right, columns), np.linspace(top, bottom, rows)
    return np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2).astype(np.float32)


def interpolate(
    start: np.ndarray, end: np.ndarray, fractions: np.ndarray | Sequence[float], spherical: bool = False
) -> np.ndarray:
    """Return points between two latents; fraction 0 is `start` and 1 is `end`, exactly.

    Linear: (1 - t) start + t end. In many dimensions its middle is shorter than nearly all draws from N(0, I).

    Spherical: the *direction* turns evenly along the great circle (Shoemake, 1985, "Animating rotation with quaternion
    curves"), here as cos(tΩ) u + sin(tΩ) w with w ⊥ u, which divides by no sine. The *length* changes evenly.
    White (2016, "Sampling generative networks") weights the vectors themselves. For vectors of one length that is the
    same; for nearly opposite ones of different lengths it runs away. Parallel latents are joined by a line, opposite
    ones by a half circle through a direction that is always the same. A zero latent has no direction: the path is a
    line.

    Args:
        start: floats `(dimensions,)`; `end`: likewise.
        fractions: `(n,)`, of the way from start to end.
        spherical: along the great circle instead of the straight line.

    Returns:
        float32 `(n, dimensions)`.
    """
    begin, finish = np.asarray(start, np.float64), np.asarray(end, np.float64)
    t = np.asarray(fractions, np.float64).reshape(-1, 1)
    lengths = np.linalg.norm(begin), np.linalg.norm(finish)
    if spherical and min(lengths) > 0 and begin.size > 1:
        first, turned, angle = _plane(begin / lengths[0], finish / lengths[1])
        length = (1 - t) * lengths[0] + t * lengths[1]
        points = length * (np.cos(t * angle) * first + np.sin(t * angle) * turned)
    else:
        points = (1 - t) * begin + t * finish
    points = np.where(t == 0, begin, np.where(t == 1, finish, points))
    return points.astype(np.float32)


def spherical_path(start: np.ndarray, end: np.ndarray, steps: int) -> np.ndarray:
    """Return `steps` points (at least 2) evenly along the great circle, both ends included; see `interpolate`."""
    return interpolate(start, end, np.linspace(0, 1, steps), spherical=True)


def check_latents(z: np.ndarray | Sequence, dimensions: int) -> np.ndarray:
    """Return latents as float32 `(n, dimensions)`, a single one as a batch of one; UserError unless all are finite."""
    values = np.atleast_2d(np.asarray(z, np.float32))
    if values.ndim != 2 or values.shape[1] != dimensions:
        raise UserError(
            f"a latent here has {dimensions} numbers, and these have the shape {np.shape(z)}. "
            f"Give ({dimensions},) or (n, {dimensions})."
        )
    if not np.isfinite(values).all():
        raise UserError("the latents have values that are no numbers or infinite. Look at what made them.")
    return values


def _plane(first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Return two perpendicular unit vectors that span the plane of two directions, and the angle between them."""
    angle = 2 * np.arctan2(np.linalg.norm(first - last), np.linalg.norm(first + last))  # Kahan's: exact near 0 and π
    other = last
    if np.sin(angle) < LEAST_SINE:
        other = np.zeros_like(first)
        other[np.abs(first).argmin()] = 1  # the axis that the direction is furthest from
    sideways = other - (other @ first) * first
    return first, sideways / np.linalg.norm(sideways), float(angle)
