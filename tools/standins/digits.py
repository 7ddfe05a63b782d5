"""Digits like those of MNIST, made from the small ones in scikit-learn.

The 1,797 originals are 8x8 pixels (Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak, 1998).
Each is enlarged smoothly, turned, slanted, made thicker or thinner, and then laid out as MNIST's makers did:
into a box of 20x20, its centre of mass in the middle of 28x28 (LeCun et al., 1998, "Gradient-based learning
applied to document recognition", section III.A).
"""

from functools import cache

import numpy as np
from scipy import ndimage
from sklearn.datasets import load_digits

SIDE = 28  # pixels of a finished image
CENTRE = 14  # row and column, counted from 0, of the pixel that has the centre of mass in it; so in MNIST
BOX = 20  # pixels of the longer side of the digit in it
PARTS = {"train": slice(0, 1_500), "test": slice(1_500, 1_797)}  # originals of each part, in the file's own order
SUPERSAMPLING = 2
ENLARGEMENT = 6  # fine cells for each of an original, each way
MARGIN = 2  # empty cells put around an original, to leave room for what jitter pushes outwards


def draw_digits(count: int, seed: int, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Make digits of a part: images uint8 (count, 28, 28), and labels; a longer draw begins with the shorter.

    All originals are used once, in random order, before one is used again. The two parts have disjoint originals, split
    in the file's own order. It keeps the digits of one hand together, so most of those held out are in hands that
    training has not seen.
    """
    profiles, labels = _originals(part)
    shuffled = np.random.default_rng((seed, 0))
    rounds = -(-count // len(profiles))
    order = np.concatenate([shuffled.permutation(len(profiles)) for _ in range(rounds)])[:count]
    made = (_version(profiles[which], np.random.default_rng((seed, 1, place))) for place, which in enumerate(order))
    return np.stack(list(made)), labels[order]


@cache
def _originals(part: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the stroke profiles of a part's originals, float32 `(n, 72, 72)`, and their labels, uint8 `(n,)`."""
    digits = load_digits()
    ink = digits.images[PARTS[part]].astype(np.float32) / 16
    padded = np.pad(ink, ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN)))
    # Spline interpolation is linear and goes by rows, then by columns: one matrix, on either side.
    cells = np.eye(padded.shape[-1], dtype=np.float32)
    spline = ndimage.zoom(cells, (ENLARGEMENT, 1), order=3, grid_mode=True, mode="grid-constant")
    profiles = np.stack([_stroke_profile(smooth) for smooth in spline @ padded @ spline.T])
    return profiles, digits.target[PARTS[part]].astype(np.uint8)


def _stroke_profile(ink: np.ndarray) -> np.ndarray:
    """Return how far inside a stroke each cell is: 1 along its middle, 0 at its edge, below 0 outside.

    Cut off at a higher or lower level, that gives thinner or thicker strokes which stay in one piece; cut off so,
    the ink itself would break where the pen went faintly, and fill the small holes of 6 and 8.
    """
    # Sharpened first: where eight cells a side have run together what lies between two strokes, it opens again.
    inside = ink - 0.8 * ndimage.gaussian_filter(ink, ENLARGEMENT) > 0.14
    depth = np.where(inside, ndimage.distance_transform_edt(inside), 1 - ndimage.distance_transform_edt(~inside))
    half_width = ndimage.gaussian_filter(ndimage.maximum_filter(depth, 2 * ENLARGEMENT + 1), ENLARGEMENT / 2)
    smooth = ndimage.gaussian_filter(depth / np.clip(half_width, 1.5, 4.5), 0.7)  # no steps of the grid
    return smooth.astype(np.float32)


def _version(profile: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return one version of a digit, uint8 (28, 28)."""
    level = random.uniform(0.05, 0.55)  # the higher, the thinner
    slant, turn = random.normal(-0.1, 0.18), np.radians(random.normal(0, 5))
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    shape = rotation @ np.array([[1, 0], [slant, random.uniform(1, 1.35)]])  # of (row, column)
    ink = np.argwhere(profile > level)
    scale = random.uniform(0.94, 1.02) * BOX / np.ptp(ink @ shape.T, axis=0).max()
    # From a fine pixel of the result back to the profile; the centre of mass goes to the middle, nearly.
    back = np.linalg.inv(shape * scale * SUPERSAMPLING)
    middle = (CENTRE + 0.5 + random.normal(0, 0.4, 2)) * SUPERSAMPLING - 0.5
    fine = ndimage.affine_transform(
        profile, back, ink.mean(axis=0) - back @ middle, (SIDE * SUPERSAMPLING,) * 2, order=1, cval=-1
    )
    tone = np.clip((fine - level) / 0.35 + 0.5, 0, 1)  # edges about a pixel wide, as MNIST's are
    small = tone.reshape(SIDE, SUPERSAMPLING, SIDE, SUPERSAMPLING).mean(axis=(1, 3))
    return np.round(small * 255).astype(np.uint8)
