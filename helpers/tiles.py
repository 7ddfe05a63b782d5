"""Gradients of pictures too large for the memory: cut into tiles, rolled so that the cuts fall elsewhere each time."""

from collections.abc import Callable, Sequence

import numpy as np


def spans(length: int, tile: int) -> list[slice]:
    """Cut `range(length)` into slices that cover it, of nearly equal length, none above `tile` (at least 1)."""
    edges = np.linspace(0, length, -(-length // tile) + 1).astype(int)
    return [slice(start, stop) for start, stop in zip(edges[:-1], edges[1:], strict=True)]


def gradient_in_tiles(
    gradient: Callable, picture: np.ndarray, tile: int = 512, shift: Sequence[int] = (0, 0)
) -> tuple[float, np.ndarray]:
    """Return the objective of a picture and its gradient, one tile after the other.

    Args:
        gradient: called with a part (height, width, 3); returns its objective and the gradient of it, as tensors.
        picture: `(height, width, 3)` float32; a picture within one tile is not cut.
        tile: pixels, the most rows and columns that `gradient` is given at once.
        shift: rows and columns by which the picture is rolled before it is cut; the gradient is rolled back.

    Returns:
        The mean of the tiles' objectives, weighted by their areas, and its gradient: float32, of the picture's shape.
    """
    rolled = np.roll(picture, shift, axis=(0, 1))
    height, width = rolled.shape[:2]
    total, slope = 0.0, np.zeros_like(rolled)
    for rows in spans(height, tile):
        for columns in spans(width, tile):
            value, part = gradient(rolled[rows, columns])
            share = part.shape[0] * part.shape[1] / (height * width)
            total += share * float(value)
            slope[rows, columns] = share * part.numpy()
    return total, np.roll(slope, np.negative(shift), axis=(0, 1))
