"""Points of latent spaces: noise, grids, paths between two points, attribute vectors, and pictures laid side by side.

A latent is a row of floats. All functions are pure NumPy, compute in float64 and return float32.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import norm

from helpers.errors import UserError

LEAST_SINE = 1e-6  # of the angle between two directions; below it they span no plane


def fixed_noise(count: int, dimensions: int, seed: int) -> np.ndarray:
    """Return draws from N(0, I), the same for the same seed: float32 `(count, dimensions)`.

    A longer draw begins with the shorter, so that progress pictures of two sizes show the same latents.

    Raises:
        UserError: `count` or `dimensions` is below 1.
    """
    _at_least_one(count=count, dimensions=dimensions)
    return np.random.default_rng(seed).standard_normal((count, dimensions), dtype=np.float32)


def grid_in_box(low: float | Sequence[float], high: float | Sequence[float], rows: int, columns: int) -> np.ndarray:
    """Return a grid of 2-D latents that spans a box, its edges included, in the order in which a picture is read.

    Args:
        low: the least of both axes, or `(x, y)`.
        high: likewise the greatest.
        rows: of the grid; the first is at the top, where y is greatest. A single one lies in the middle.
        columns: likewise; the first is on the left, where x is least.

    Returns:
        float32 `(rows * columns, 2)` of (x, y), row after row.

    Raises:
        UserError: a number is no number, `low` is not below `high`, or there are no rows or columns.
    """
    _at_least_one(rows=rows, columns=columns)
    (left, bottom), (right, top) = (np.broadcast_to(np.asarray(end, np.float64), 2) for end in (low, high))
    if not (np.isfinite([left, bottom, right, top]).all() and left < right and bottom < top):
        raise UserError(f"low {low} and high {high} span no box. Give a low below the high on both axes.")
    return _mesh(_spread(left, right, columns), _spread(bottom, top, rows))


def quantile_grid(rows: int, columns: int, margin: float = 0.02) -> np.ndarray:
    """Return a grid of 2-D latents with equal shares of N(0, I) between neighbours: z = Φ⁻¹(p).

    From Kingma and Welling (2014), "Auto-Encoding Variational Bayes", appendix A: evenly spaced p in the unit
    square, put through the inverse of the normal distribution function.

    Args:
        rows: of the grid, in the order of `grid_in_box`.
        columns: likewise.
        margin: p runs from `margin` to `1 - margin`, in (0, 0.5): at 0 and 1 the latents would be infinite.
            The default reaches to ±2.05.

    Returns:
        float32 `(rows * columns, 2)` of (x, y), row after row, y greatest at the top.

    Raises:
        UserError: `margin` is not in (0, 0.5), or there are no rows or columns.
    """
    _at_least_one(rows=rows, columns=columns)
    if not 0 < margin < 0.5:
        raise UserError(f"a margin of {margin} reaches infinity or leaves nothing. Give one between 0 and 0.5.")
    across, up = (norm.ppf(_spread(margin, 1 - margin, count)) for count in (columns, rows))
    return _mesh(across, up)


def interpolate(
    start: np.ndarray, end: np.ndarray, fractions: np.ndarray | Sequence[float], spherical: bool = False
) -> np.ndarray:
    """Return points between two latents; fraction 0 is `start` and 1 is `end`, exactly.

    Linear: (1 - t) start + t end. In many dimensions its middle is shorter than nearly all draws from
    N(0, I). Spherical: the *direction* turns evenly along the great circle, Shoemake (1985), "Animating
    rotation with quaternion curves", here as cos(tΩ) u + sin(tΩ) w with w ⊥ u, which divides by no sine. The
    *length* changes evenly. White (2016), "Sampling generative networks", weights the vectors themselves; for
    vectors of one length that is the same, and for nearly opposite ones of different lengths it runs away.
    Parallel latents are joined by a line; opposite ones by a half circle through a direction that is always
    the same; where one is zero there is no direction, and the way is the linear one.

    Args:
        start: floats `(dimensions,)`; `end`: likewise.
        fractions: `(n,)`, of the way from start to end.
        spherical: along the great circle instead of the straight line.

    Returns:
        float32 `(n, dimensions)`.

    Raises:
        UserError: the two differ in length, or have values that are no numbers.
    """
    begin = np.asarray(start, np.float64)
    finish = check_latents(end, begin.size)[0].astype(np.float64)
    begin = check_latents(begin, finish.size)[0].astype(np.float64)
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


def linear_path(start: np.ndarray, end: np.ndarray, steps: int) -> np.ndarray:
    """Return `steps` points (at least 2) evenly along the straight line, both ends included; see `interpolate`."""
    return interpolate(start, end, _spread_of_steps(steps))


def spherical_path(start: np.ndarray, end: np.ndarray, steps: int) -> np.ndarray:
    """Return `steps` points (at least 2) evenly along the great circle, both ends included; see `interpolate`."""
    return interpolate(start, end, _spread_of_steps(steps), spherical=True)


def attribute_vector(means: np.ndarray, has: np.ndarray) -> np.ndarray:
    """Return the step in latent space from "without" to "with" an attribute: the difference of the two groups' means.

    From Larsen et al. (2016), "Autoencoding beyond pixels using a learned similarity metric".
    Encoded means are to be given, not draws: the noise of draws only makes the vector less certain.

    Args:
        means: floats `(n, dimensions)`, one encoded picture a row.
        has: bool `(n,)`. CelebA's own -1 and 1 are refused: both would count as true.

    Returns:
        float32 `(dimensions,)`.

    Raises:
        UserError: `has` is not boolean or of another length, or all or none of the pictures have the attribute.
    """
    means, has = np.asarray(means), np.asarray(has)
    if has.dtype != bool or has.shape != means.shape[:1]:
        raise UserError(
            f"`has` must be one True or False for each of the {len(means):,} latents, not {has.dtype} {has.shape}. "
            "Compare with 1 to make it so."
        )
    if has.all() or not has.any():
        whom = "every picture has" if has.any() else "no picture has"
        raise UserError(f"{whom} the attribute, so there is nothing to compare. Choose another, or more pictures.")
    return (means[has].mean(axis=0, dtype=np.float64) - means[~has].mean(axis=0, dtype=np.float64)).astype(np.float32)


def cosine_similarities(vectors: Mapping[str, np.ndarray]) -> tuple[list[str], np.ndarray]:
    """Return the names and the cosines of the angles between all vectors: a · b / (|a| |b|).

    Args:
        vectors: name → floats `(dimensions,)`, all of one length.

    Returns:
        The names in their order, and float32 `(names, names)` in [-1, 1]: symmetric, 1 on the diagonal.

    Raises:
        UserError: there are none, they differ in length, or one is zero and so has no direction.
    """
    names = list(vectors)
    if not names:
        raise UserError("there are no vectors to compare. Give at least one.")
    dimensions = np.size(vectors[names[0]])
    rows = np.concatenate([check_latents(vectors[name], dimensions) for name in names]).astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not lengths.all():
        raise UserError(f"the vector {names[int(lengths.argmin())]!r} is zero and has no direction. Leave it out.")
    matrix = np.clip((rows / lengths) @ (rows / lengths).T, -1, 1)
    np.fill_diagonal(matrix, 1)
    return names, matrix.astype(np.float32)


def check_latents(z: np.ndarray | Sequence, dimensions: int) -> np.ndarray:
    """Return latents as float32 `(n, dimensions)`; a single one `(dimensions,)` becomes a batch of one.

    Raises:
        UserError: they have another length, another number of axes, or values that are not finite.
    """
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
    """Return two perpendicular unit vectors that span the plane of two directions, and the angle between them.

    The angle is Kahan's 2 atan2(|a - b|, |a + b|), which stays exact where the arc cosine does not.
    """
    angle = 2 * np.arctan2(np.linalg.norm(first - last), np.linalg.norm(first + last))
    other = last
    if np.sin(angle) < LEAST_SINE:
        other = np.zeros_like(first)
        other[np.abs(first).argmin()] = 1  # the axis that the direction is furthest from
    sideways = other - (other @ first) * first
    return first, sideways / np.linalg.norm(sideways), float(angle)


def _mesh(across: np.ndarray, up: np.ndarray) -> np.ndarray:
    return np.stack(np.meshgrid(across, up[::-1]), axis=-1).reshape(-1, 2).astype(np.float32)


def _spread(low: float, high: float, count: int) -> np.ndarray:
    return np.linspace(low, high, count) if count > 1 else np.array([(low + high) / 2])


def _spread_of_steps(steps: int) -> np.ndarray:
    if steps < 2:
        raise UserError(f"a path of {steps} steps cannot include both ends. Give at least 2.")
    return np.linspace(0, 1, steps)


def _at_least_one(**counts: int) -> None:
    for name, count in counts.items():
        if count < 1:
            raise UserError(f"{name} is {count}, which leaves nothing. Give at least 1.")
