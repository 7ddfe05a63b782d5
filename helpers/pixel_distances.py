"""How far pictures are from each other, pixel by pixel: is a generator copying, does it paint one picture only?"""

from collections.abc import Iterator

import numpy as np
from sklearn.metrics.pairwise import euclidean_distances

from helpers.errors import UserError

BLOCK = 1_000  # pictures compared with as many others at a time: 98 MB on either side for faces of 64x64


def nearest_neighbours(fakes: np.ndarray, training: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each fake which training picture is nearest pixel by pixel, and how far it is: is it a copy?

    Args:
        fakes: uint8 `(n, h, w)` or `(n, h, w, channels)`, 0–255.
        training: uint8 `(m, ...)`, pictures of the same shape.

    Returns:
        int64 `(n,)`, places in `training`; float64 `(n,)`, root mean squared differences of values in [0, 1] (not
        0–255), as in notebook 04: 0 is a copy.

    Raises:
        UserError: a set is empty, no uint8 or no pictures; or the pictures of the two differ in shape.
    """
    distances, places = np.full(len(fakes), np.inf), np.zeros(len(fakes), np.int64)
    for rows, columns, block in _distance_blocks(fakes, training):
        nearest = block.argmin(axis=1)
        least = block[np.arange(len(block)), nearest]
        is_nearer = least < distances[rows]
        places[rows] = np.where(is_nearer, nearest + columns.start, places[rows])
        distances[rows] = np.where(is_nearer, least, distances[rows])
    return places, distances


def mean_pairwise_distance(pictures: np.ndarray) -> float:
    """Return the mean distance of all pairs of different pictures, as `nearest_neighbours` measures distances.

    A score of collapse: for a generator that paints the same picture again and again it falls towards 0, far below
    that of real pictures.

    Args:
        pictures: uint8 `(n, h, w)` or `(n, h, w, channels)`, 0–255. The time grows with n squared; some hundred serve.

    Raises:
        UserError: there are fewer than 2, or they are no uint8 or no pictures.
    """
    count = len(pictures)
    if count < 2:
        raise UserError(f"{count} pictures make no pair. Give at least 2.")
    total = sum(block.sum() for _, _, block in _distance_blocks(pictures, pictures))  # to itself a picture is at 0
    return float(total / (count * (count - 1)))


def _distance_blocks(a: np.ndarray, b: np.ndarray) -> Iterator[tuple[slice, slice, np.ndarray]]:
    """Yield blocks of the distances (n, m) between pictures, with their rows and columns.

    Whole numbers up to 255 times 255 times the number of pixels are exact in float64, so a copy is at exactly 0.
    """
    a, b = _checked_pictures(a), _checked_pictures(b)
    if a.shape[1:] != b.shape[1:]:
        raise UserError(f"pictures of {a.shape[1:]} and of {b.shape[1:]} cannot be compared. Resize one of the sets.")
    scale = 255 * np.sqrt(np.prod(a.shape[1:]))
    for row in range(0, len(a), BLOCK):
        rows = slice(row, row + BLOCK)
        flat = a[rows].reshape(-1, a[0].size).astype(np.float64)
        for column in range(0, len(b), BLOCK):
            columns = slice(column, column + BLOCK)
            yield rows, columns, euclidean_distances(flat, b[columns].reshape(-1, b[0].size).astype(np.float64)) / scale


def _checked_pictures(pictures: np.ndarray) -> np.ndarray:
    pictures = np.asarray(pictures)
    if pictures.dtype != np.uint8 or pictures.ndim not in (3, 4) or not pictures.size:
        raise UserError(
            f"pictures of uint8, (n, h, w) or (n, h, w, channels), are expected, not {pictures.dtype} "
            f"{pictures.shape}. Floats in [0, 1] become such by images.to_uint8."
        )
    return pictures
