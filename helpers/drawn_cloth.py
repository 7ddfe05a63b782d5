"""What drawn garments are made with: a pen, random proportions, and what cloth looks like.

Tones are grey levels in 0–255, black to white. Lengths are in sides of the square that the garment is drawn in.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

SIDE = 28  # pixels
SUPERSAMPLING = 4  # drawn so many times larger, then shrunk: outlines get smooth edges

Point = tuple[float, float]
Range = tuple[float, float]


class Pen:
    """Draws in a square of 1 by 1: x to the right from the middle, y down from the top; all slightly out of true."""

    def __init__(self, random: np.random.Generator) -> None:
        self._large = Image.new("L", (SIDE * SUPERSAMPLING, SIDE * SUPERSAMPLING))
        self._draw = ImageDraw.Draw(self._large)
        width, height = random.uniform((0.86, 0.93), (1.06, 1.02))
        lean, turn = random.normal(0, 0.025, 2)
        self._matrix = np.array([[width, turn], [lean, height]]) * SIDE * SUPERSAMPLING
        self._middle = (0.5 + random.uniform(-0.025, 0.025, 2)) * SIDE * SUPERSAMPLING

    def image(self) -> np.ndarray:
        """Return what has been drawn: float32 (28, 28), whole numbers in 0–255, 0 where nothing is."""
        return np.asarray(self._large.reduce(SUPERSAMPLING), np.float32)

    def fill(self, points: Sequence[Point], tone: float, rounding: int = 0) -> None:
        """Fill an outline with a tone in 0–255, its corners cut off `rounding` times."""
        corners = np.array(points)
        for _ in range(rounding):  # Chaikin's corner cutting, which ends in a quadratic B-spline
            following = np.roll(corners, -1, axis=0)
            cut = [0.75 * corners + 0.25 * following, 0.25 * corners + 0.75 * following]
            corners = np.stack(cut, axis=1).reshape(-1, 2)
        self._draw.polygon(self._pixels(corners), fill=_grey(tone))

    def both(self, points: Sequence[Point], tone: float, rounding: int = 0) -> None:
        """Fill something symmetrical, given its right half from top to bottom."""
        self.fill([*points, *[(-x, y) for x, y in reversed(points)]], tone, rounding)

    def line(self, points: Sequence[Point], tone: float, width: float) -> None:
        """Draw a line of a width in pixels of the finished image."""
        breadth = max(1, round(width * SUPERSAMPLING))
        self._draw.line(self._pixels(np.array(points)), fill=_grey(tone), width=breadth, joint="curve")

    def bow(self, start: Point, top: Point, end: Point, tone: float, width: float) -> None:
        """Draw a line from start to end that is drawn towards `top` (a quadratic Bézier curve)."""
        t = np.linspace(0, 1, 9)[:, None]
        self.line((1 - t) ** 2 * start + 2 * t * (1 - t) * np.array(top) + t**2 * np.array(end), tone, width)

    def _pixels(self, points: np.ndarray) -> list[float]:
        return ((points - (0, 0.5)) @ self._matrix + self._middle).ravel().tolist()


def _grey(tone: float) -> int:
    return max(0, min(255, int(tone)))


def within(random: np.random.Generator, *ranges: Range) -> list[float]:
    """Return a number drawn evenly from each range."""
    return random.uniform(*np.transpose(ranges)).tolist()


def blotches(random: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """Return smooth noise, float32 (28, 28), of mean 0 and standard deviation about 1, of so many blotches each way."""
    coarse = random.standard_normal((rows, columns), np.float32)
    return np.asarray(Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def texture(random: np.random.Generator, is_cloth: bool) -> np.ndarray:
    """Return factors in [0.5, 1] to multiply tones by, (28, 28) or (28, 1).

    Most are plain, some a knit or a print; cloth has stripes and checks too.
    """
    kind, depth = random.random(), random.uniform(0.15, 0.5)
    if kind < 0.13:
        return 1 - depth * random.random((SIDE, SIDE), np.float32)
    if kind < 0.25:
        return 1 - depth * np.clip(blotches(random, *random.integers(7, 15, 2)) - 0.2, 0, 1)
    if kind < 0.4 and is_cloth:
        phases = np.arange(SIDE) * (2 * np.pi / random.uniform(2.5, 7)) + random.uniform(0, 6, (2, 1))
        down, across = 0.5 + 0.5 * np.sin(phases)
        return 1 - depth * down[:, None] if kind < 0.34 else 1 - depth * 0.5 * (down[:, None] + across)
    return 1 - 0.04 * random.random((SIDE, SIDE), np.float32)
