"""Garments drawn by this project: ten classes under Fashion-MNIST's names, for a machine that has no Fashion-MNIST.

Every garment is drawn from random proportions, so that a class is a cloud of shapes and not one shape with noise
on it, and neighbouring classes (shirt, coat, pullover; sneaker, boot) run into each other as the real ones do.
"""

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw

from helpers.errors import UserError

GARMENTS = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
SIDE = 28  # pixels
SUPERSAMPLING = 4  # drawn so many times larger, then shrunk: outlines get smooth edges

Points = Sequence[tuple[float, float]]


def draw_garments(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw garments, the ten classes in turn.

    The same seed gives the same bytes, and a longer draw begins with the shorter.

    Args:
        count: how many, at least 1.
        seed: at least 0; another one gives other garments of the same kinds.

    Returns:
        Images, uint8 `(count, 28, 28)`, grey on black in 0–255; and labels, uint8 `(count,)`, places in `GARMENTS`.

    Raises:
        UserError: `count` is below 1 or `seed` below 0.
    """
    if count < 1 or seed < 0:
        raise UserError(f"{count} garments from seed {seed} cannot be drawn. Give a count of at least 1, a seed of 0.")
    labels = (np.arange(count) % len(GARMENTS)).astype(np.uint8)
    images = [_draw(DRAWERS[label], np.random.default_rng((seed, place))) for place, label in enumerate(labels)]
    return np.stack(images), labels


class _Pen:
    """Draws in a square of 1 by 1, x to the right from the middle and y down from the top, slightly out of true."""

    def __init__(self, random: np.random.Generator) -> None:
        self.image = Image.new("L", (SIDE * SUPERSAMPLING, SIDE * SUPERSAMPLING))
        self._draw = ImageDraw.Draw(self.image)
        width, height = random.uniform(0.93, 1.02, 2)
        lean, turn = random.normal(0, 0.02, 2)
        self._matrix = np.array([[width, turn], [lean, height]])
        self._shift = np.array([0.5, 0.5]) + random.uniform(-0.02, 0.02, 2)

    def fill(self, points: Points, tone: float, rounding: int = 0) -> None:
        """Fill an outline with a tone in 0–255; its corners are cut off so many times."""
        corners = np.asarray(points, float)
        for _ in range(rounding):  # Chaikin's corner cutting, which ends in a quadratic B-spline
            following = np.roll(corners, -1, axis=0)
            cut = [0.75 * corners + 0.25 * following, 0.25 * corners + 0.75 * following]
            corners = np.stack(cut, axis=1).reshape(-1, 2)
        self._draw.polygon(self._pixels(corners), fill=_grey(tone))

    def line(self, points: Points, tone: float, width: float) -> None:
        """Draw a line of a width in pixels of the finished image."""
        pixels = self._pixels(np.asarray(points, float))
        self._draw.line(pixels, fill=_grey(tone), width=max(1, round(width * SUPERSAMPLING)), joint="curve")

    def _pixels(self, points: np.ndarray) -> list[float]:
        placed = (points - (0, 0.5)) @ self._matrix + self._shift
        return (placed * SIDE * SUPERSAMPLING).ravel().tolist()


def _grey(tone: float) -> int:
    return int(np.clip(tone, 0, 255))


def _draw(drawer: Callable, random: np.random.Generator) -> np.ndarray:
    pen = _Pen(random)
    # Most garments are light: on a black ground a dark one is hardly seen, and yet there are some.
    tone = random.uniform(40, 120) if random.random() < 0.15 else random.uniform(120, 245)
    drawer(pen, random, tone)
    small = np.asarray(pen.image.reduce(SUPERSAMPLING), np.float32)
    return np.clip(np.round(small * _shading(random) * _texture(random)), 0, 255).astype(np.uint8)


def _shading(random: np.random.Generator) -> np.ndarray:
    """Return factors (28, 28) around 1: soft folds, for the most part upright."""
    coarse = random.normal(0, random.uniform(0.03, 0.14), (4, 7)).astype(np.float32)
    return 1 + np.asarray(Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def _texture(random: np.random.Generator) -> np.ndarray:
    """Return factors (28, 28) from about 0.5 to 1: plain cloth mostly, else stripes, checks, dots or a mottle."""
    kind, depth = random.random(), random.uniform(0.1, 0.5)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    period = random.uniform(2.5, 7)
    stripes = 0.5 + 0.5 * np.sin(rows * (2 * np.pi / period) + random.uniform(0, 6))
    if kind < 0.55:
        return 1 + random.normal(0, 0.02, (SIDE, SIDE))
    if kind < 0.67:
        return 1 - depth * stripes
    if kind < 0.75:
        upright = 0.5 + 0.5 * np.sin(columns * (2 * np.pi / period) + random.uniform(0, 6))
        return 1 - depth * 0.5 * (stripes + upright)
    if kind < 0.87:
        coarse = random.uniform(0, 1, (10, 10)).astype(np.float32)
        spots = np.asarray(Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
        return 1 - depth * (spots > random.uniform(0.5, 0.8))
    return 1 - depth * random.uniform(0, 1, (SIDE, SIDE))


def _mirrored(half: Points) -> list[tuple[float, float]]:
    """Return the whole outline of something symmetrical from its right half, top to bottom."""
    return [*half, *[(-x, y) for x, y in reversed(half)]]


def _top(
    pen: _Pen,
    random: np.random.Generator,
    tone: float,
    *,
    shoulder: float,
    waist: float,
    hem: float,
    length: float,
    sleeve: float,
    neck: float,
    depth: float,
) -> None:
    """Draw what is worn above: a body, two sleeves (of length 0, none) and a neckline. All widths are half widths."""
    armpit, fall = random.uniform(0.26, 0.34), random.uniform(0.05, 0.1)
    chest = 0.5 * (shoulder + waist) + random.uniform(0, 0.02)
    if sleeve > 0.05:
        angle = np.radians(random.uniform(8, 17) if sleeve > 0.45 else random.uniform(15, 38))
        along, across = np.array([np.sin(angle), np.cos(angle)]), np.array([-np.cos(angle), np.sin(angle)])
        outer = np.array([shoulder, 0.03 + fall]) + sleeve * along
        inner = outer + random.uniform(0.08, 0.13) * across
        shade = random.uniform(0.75, 1)
        arm = [(shoulder - 0.06, 0.03), (shoulder, 0.03 + fall), tuple(outer), tuple(inner), (chest - 0.03, armpit)]
        for side in (-1, 1):
            pen.fill([(side * x, y) for x, y in arm], tone * shade)
            pen.line([(side * (chest - 0.01), armpit), (side * inner[0], inner[1])], tone * shade * 0.5, 0.5)
    body = [(neck, 0.02), (shoulder - 0.02, 0.02 + fall), (chest, armpit), (waist, 0.55), (hem, length)]
    pen.fill(_mirrored(body), tone)
    if depth > 0:
        opening = [(neck, 0.0), (0.6 * neck, 0.02 + 0.75 * depth), (0, 0.02 + depth)]
        pen.fill(_mirrored(opening), tone * random.uniform(0, 0.5))


def _t_shirt(pen: _Pen, random: np.random.Generator, tone: float) -> None:
    waist = random.uniform(0.21, 0.29)
    sleeve = 0 if random.random() < 0.12 else random.uniform(0.12, 0.36)
    _top(
        pen,
        random,
        tone,
        shoulder=waist + random.uniform(0.0, 0.07),
        waist=waist,
        hem=waist + random.uniform(-0.01, 0.03),
        length=random.uniform(0.9, 0.99),
        sleeve=sleeve,
        neck=random.uniform(0.08, 0.14),
        depth=random.uniform(0.03, 0.14),
    )
    if random.random() < 0.3:
        _print(pen, random, tone)


def _print(pen: _Pen, random: np.random.Generator, tone: float) -> None:
    """Draw a printed patch on the chest."""
    x, y = random.uniform(0.05, 0.14), random.uniform(0.3, 0.4)
    other = tone - 120 if tone > 150 else tone + 110
    pen.fill(_mirrored([(x, y), (x, y + random.uniform(0.06, 0.25))]), other * random.uniform(0.7, 1))


def _trouser(pen: _Pen, random: np.random.Generator, tone: float) -> None:
    waist, hips = random.uniform(0.12, 0.17), random.uniform(0.15, 0.2)
    hem, gap = random.uniform(0.14, 0.25), random.uniform(0.015, 0.09)
    length, crotch = random.uniform(0.9, 0.99), random.uniform(0.26, 0.38)
    half = [(waist, 0.02), (hips, crotch), (hem, length), (min(gap, hem - 0.07), length), (0.0, crotch)]
    for side in (-1, 1):
        pen.fill([(0, 0.02), *[(side * x, y) for x, y in half]], tone * random.uniform(0.9, 1))
    pen.line([(0, 0.05), (0, crotch)], tone * 0.6, 0.4)
    pen.line([(-waist, 0.05), (waist, 0.05)], tone * random.uniform(0.6, 1), 0.8)


def _pullover(pen: _Pen, random: np.random.Generator, tone: float) -> None:
    waist = random.uniform(0.22, 0.29)
    length = random.uniform(0.9, 0.99)
    _top(
        pen,
        random,
        tone,
        shoulder=waist + random.uniform(-0.01, 0.05),
        waist=waist,
        hem=waist + random.uniform(-0.02, 0.02),
        length=length,
        sleeve=random.uniform(0.62, 0.86),
        neck=random.uniform(0.08, 0.13),
        depth=random.uniform(0.02, 0.1),
    )
    if random.random() < 0.5:
        pen.line([(-waist, length - 0.05), (waist, length - 0.05)], tone * 0.7, 0.6)
    if random.random() < 0.2:
        _print(pen, random, tone)


def _dress(pen: _Pen, random: np.random.Generator, tone: float) -> None:
    waist, kind = random.uniform(0.09, 0.16), random.random()
    _top(
        pen,
        random,
        tone,
        shoulder=waist + random.uniform(0.0, 0.06),
        waist=waist,
        hem=waist + random.uniform(0.02, 0.16),
        length=random.uniform(0.93, 1.0),
        sleeve=0 if kind < 0.5 else random.uniform(0.1, 0.3) if kind < 0.75 else random.uniform(0.5, 0.75),
        neck=random.uniform(0.05, 0.1),
        depth=random.uniform(0.04, 0.16),
    )
    if random.random() < 0.35:
        pen.line([(-waist, 0.5), (waist, 0.5)], tone * 0.5, 1)


def _coat(pen: _Pen, random: np.random.Generator, tone: float) -> None:
    waist, length = random.uniform(0.2, 0.28), random.uniform(0.92, 1.0)
    depth = random.uniform(0.08, 0.35)
    _top(
        pen,
        random,
        tone,
        shoulder=waist + random.uniform(0.0, 0.05),
        waist=waist,
        hem=waist + random.uniform(-0.01, 0.05),
        length=length,
        sleeve=random.uniform(0.65, 0.88),
        neck=random.uniform(0.06, 0.1),
        depth=depth,
    )
    for side in (-1, 1):  # lapels
        pen.line([(side * 0.08, 0.03), (0, 0.02 + depth)], tone * random.uniform(0.5, 1.2), 1)
    pen.line([(0, depth), (0, length)], tone * random.uniform(0.2, 0.7), random.uniform(0.5, 1.4))
    if random.random() < 0.5:
        for side in (-1, 1):
            pen.line([(side * 0.08, 0.65), (side * 0.18, 0.66)], tone * 0.5, 0.5)


def _shirt(pen: _Pen, random: np.random.Generator, tone: float) -> None:
    waist, length = random.uniform(0.2, 0.28), random.uniform(0.9, 0.99)
    kind = random.random()
    _top(
        pen,
        random,
        tone,
        shoulder=waist + random.uniform(0.0, 0.06),
        waist=waist,
        hem=waist + random.uniform(-0.01, 0.04),
        length=length,
        sleeve=0 if kind < 0.08 else random.uniform(0.15, 0.4) if kind < 0.4 else random.uniform(0.55, 0.86),
        neck=random.uniform(0.06, 0.1),
        depth=random.uniform(0.03, 0.12),
    )
    for side in (-1, 1):  # collar
        pen.fill([(side * 0.03, 0.0), (side * 0.11, 0.03), (side * 0.06, 0.12), (0, 0.07)], tone * 1.15)
    if random.random() < 0.7:
        pen.line([(0, 0.1), (0, length)], tone * random.uniform(0.6, 0.85), 0.4)
        for y in np.arange(0.18, length, 0.13):
            pen.line([(0, y), (0.001, y + 0.02)], tone * 0.4, 0.8)


def _sandal(pen: _Pen, random: np.random.Generator, tone: float) -> None:
    heel = random.uniform(0, 0.08) if random.random() < 0.7 else random.uniform(0.15, 0.4)
    floor = 0.62 + 0.5 * heel + random.uniform(0, 0.08)
    thick = random.uniform(0.03, 0.09)
    sole = [(-0.47, floor - thick), (-0.2, floor - thick), (0.2, floor - thick - 0.6 * heel)]
    sole += [(0.46, floor - thick - heel), (0.47, floor - heel), (0.2, floor - 0.6 * heel), (-0.2, floor)]
    pen.fill([*sole, (-0.47, floor)], tone)
    width = random.uniform(0.03, 0.25)
    if heel > 0.03:
        pen.fill([(0.46 - width, floor - heel), (0.46, floor - heel), (0.45, floor), (0.43 - width / 2, floor)], tone)
    for _ in range(random.integers(2, 5)):  # straps over the foot
        start, reach = random.uniform(-0.4, 0.2), random.uniform(0.05, 0.3)
        low = floor - thick - heel * max(0, start + 0.2)
        high = low - random.uniform(0.06, 0.2)
        strap = [(start, low), (start + reach / 2, high), (start + reach, low - heel * reach)]
        pen.line(strap, tone * random.uniform(0.7, 1.2), random.uniform(0.8, 2))
    if random.random() < 0.6:  # a strap round the ankle
        top = floor - heel - random.uniform(0.15, 0.3)
        ankle = [(0.46, floor - heel - thick), (0.44, top), (0.2, top + 0.04), (0.1, floor - thick - 0.5 * heel)]
        pen.line(ankle, tone * random.uniform(0.7, 1.2), random.uniform(0.8, 2))


def _sneaker(pen: _Pen, random: np.random.Generator, tone: float) -> None:
    high = random.uniform(0.0, 0.06) if random.random() < 0.85 else random.uniform(0.06, 0.2)
    floor, thick = random.uniform(0.66, 0.72) + high / 2, random.uniform(0.04, 0.09)
    top = floor - random.uniform(0.26, 0.36) - high
    toe = floor - thick - random.uniform(0.06, 0.12)
    tongue = random.uniform(-0.02, 0.1)
    upper = [(-0.48, floor - thick), (-0.47, toe), (-0.25, toe - 0.05), (tongue, top), (tongue + 0.1, top - 0.02)]
    upper += [(0.24, top + 0.09), (0.38, top + 0.04), (0.46, top + 0.03), (0.47, floor - thick)]
    pen.fill(upper, tone, rounding=1)
    light = random.uniform(120, 250)
    pen.fill([(-0.49, floor - thick), (0.49, floor - thick), (0.47, floor), (-0.46, floor)], light)
    for step in range(random.integers(2, 5)):  # laces
        x, y = -0.22 + 0.07 * step, toe - 0.05 - 0.05 * step
        pen.line([(x, y), (x + 0.06, y + 0.07)], light, 0.6)
    if random.random() < 0.5:
        x = random.uniform(0.0, 0.2)
        pen.line([(x - 0.15, floor - thick - 0.02), (x, top + 0.14)], light, random.uniform(0.8, 2))


def _bag(pen: _Pen, random: np.random.Generator, tone: float) -> None:
    width, height = random.uniform(0.3, 0.48), random.uniform(0.3, 0.62)
    bottom = min(0.98, 0.5 + height / 2 + random.uniform(0.05, 0.25))
    top, taper = bottom - height, random.uniform(-0.04, 0.1)
    if random.random() < 0.75:  # a handle, from a short grip to a long strap
        reach = random.uniform(0.1, width - 0.05)
        rise = min(top - 0.02, random.uniform(0.08, 0.5))
        arc = [(-reach * np.cos(t), top + 0.04 - rise * np.sin(t)) for t in np.linspace(0, np.pi, 13)]
        pen.line(arc, tone * random.uniform(0.6, 1.1), random.uniform(0.7, 2))
    outline = [(width - taper, top), (width, bottom - 0.05), (width - 0.03, bottom)]
    pen.fill(_mirrored(outline), tone)
    if random.random() < 0.5:  # a flap
        y = top + random.uniform(0.2, 0.6) * height
        pen.line([(-width, y), (0, y + random.uniform(0, 0.06)), (width, y)], tone * random.uniform(0.4, 0.75), 0.6)
    if random.random() < 0.6:  # a clasp
        y = top + random.uniform(0.3, 0.6) * height
        pen.fill(_mirrored([(0.04, y), (0.04, y + 0.07)]), 255 if tone < 180 else tone * 0.4)


def _ankle_boot(pen: _Pen, random: np.random.Generator, tone: float) -> None:
    floor, heel = random.uniform(0.8, 0.92), random.uniform(0.0, 0.14)
    top = floor - random.uniform(0.5, 0.75)
    toe = floor - random.uniform(0.13, 0.2)
    instep = random.uniform(-0.08, 0.06)
    shaft = [(-0.47, floor - 0.04), (-0.46, toe), (-0.25, toe - 0.06), (instep, toe - 0.2), (instep + 0.02, top)]
    shaft += [(0.43, top + random.uniform(-0.03, 0.05)), (0.41, toe - 0.1), (0.46, floor - heel)]
    pen.fill([*shaft, (0.1, floor - 0.5 * heel - 0.02), (-0.15, floor - 0.02)], tone, rounding=1)
    dark = tone * random.uniform(0.4, 1.1)
    pen.fill([(-0.47, floor - 0.05), (-0.1, floor - 0.04), (-0.1, floor), (-0.45, floor)], dark)
    width = random.uniform(0.08, 0.3)
    pen.fill(
        [(0.46 - width, floor - heel - 0.06), (0.46, floor - heel - 0.06), (0.44, floor), (0.44 - width, floor)], dark
    )
    if random.random() < 0.4:  # an elastic side
        pen.line([(instep + 0.17, top), (instep + 0.19, toe - 0.15)], tone * 0.5, random.uniform(1, 3))


DRAWERS = (_t_shirt, _trouser, _pullover, _dress, _coat, _sandal, _shirt, _sneaker, _bag, _ankle_boot)
