"""Garments drawn by this project: ten classes under Fashion-MNIST's names, for a machine that has no Fashion-MNIST.

Every garment is drawn from random proportions, so that a class is a cloud of shapes and not one shape with noise
on it, and neighbouring classes (shirt, coat, pullover; sneaker, boot) run into each other as the real ones do. Tones
are grey levels in 0–255, black to white. Lengths are in sides of the square that the garment is drawn in.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

SIDE = 28  # pixels
SUPERSAMPLING = 4  # drawn so many times larger, then shrunk: outlines get smooth edges

Point = tuple[float, float]
Range = tuple[float, float]
DARK, LIGHT = (40, 120), (120, 245)  # tones of cloth
DARK_SHARE = 0.15  # of the garments: few, for on black a dark one is hardly seen


def draw_garments(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw the ten classes in turn: uint8 (count, 28, 28), and labels; a longer draw begins with the shorter."""
    drawers = tuple(_DRAWERS.values())
    labels = (np.arange(count) % len(drawers)).astype(np.uint8)
    made = [_draw(drawers[label], np.random.default_rng((seed, place))) for place, label in enumerate(labels)]
    return np.stack(made), labels


def _draw(drawer: Callable, random: np.random.Generator) -> np.ndarray:
    pen = Pen(random)
    drawer(pen, random, random.uniform(*(DARK if random.random() < DARK_SHARE else LIGHT)))
    folds = 1 + blotches(random, 4, 7) * random.uniform(0.03, 0.14)
    weave = texture(random, is_cloth=drawer not in (_sandal, _sneaker, _ankle_boot))
    return np.clip(np.round(pen.image() * folds * weave), 0, 255).astype(np.uint8)


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


@dataclass(frozen=True)
class _Cut:
    """Proportions of what is worn above, each a range; widths are half widths, `shoulder` and `hem` beyond the waist.

    `sleeves` says how often there are none, short and long ones.
    """

    waist: Range
    shoulder: Range
    hem: Range
    length: Range
    neck: Range
    depth: Range
    sleeves: tuple[float, float, float]


T_SHIRT = _Cut((0.2, 0.29), (0, 0.07), (-0.01, 0.04), (0.88, 1), (0.08, 0.14), (0.03, 0.15), (0.1, 0.82, 0.08))
PULLOVER = _Cut((0.19, 0.28), (-0.01, 0.06), (-0.02, 0.03), (0.88, 1), (0.07, 0.13), (0.02, 0.13), (0, 0, 1))
DRESS = _Cut((0.09, 0.19), (0, 0.06), (0.01, 0.16), (0.92, 1), (0.05, 0.1), (0.03, 0.16), (0.45, 0.3, 0.25))
COAT = _Cut((0.18, 0.27), (0, 0.06), (-0.01, 0.05), (0.9, 1), (0.06, 0.11), (0.03, 0.3), (0, 0, 1))
SHIRT = _Cut((0.18, 0.28), (0, 0.06), (-0.02, 0.04), (0.88, 1), (0.06, 0.11), (0.02, 0.14), (0.08, 0.27, 0.65))
# Sleeves: length, how far out the shoulder reaches, and by how many degrees they stand off; a long one hangs down.
SHORT = ((0.1, 0.36), (0, 0.06), (12, 35))
LONG = ((0.55, 0.84), (0.05, 0.11), (2, 10))


def _top(pen: Pen, random: np.random.Generator, tone: float, cut: _Cut) -> tuple[float, float, float]:
    """Draw body, sleeves and neckline; return half the width of the waist, the length, and the neckline's depth."""
    waist, length, neck, depth = within(random, cut.waist, cut.length, cut.neck, cut.depth)
    shoulder, hem = within(random, cut.shoulder, cut.hem)
    shoulder, hem = waist + shoulder, waist + hem
    armpit, fall, shade, wrist = within(random, (0.26, 0.34), (0.04, 0.1), (0.75, 1), (0.09, 0.14))
    chest = (shoulder + waist) / 2
    kind = random.choice(3, p=cut.sleeves)
    if kind > 0:
        sleeve, spread, angle = within(random, *(SHORT, LONG)[kind - 1])
        along = np.array([np.sin(np.radians(angle)), np.cos(np.radians(angle))])
        joint = np.array([shoulder + spread, 0.06 + fall])
        cuff = joint + sleeve * along
        inner = cuff + wrist * np.array([-along[1], along[0]])
        arm = [(shoulder - 0.06, 0.02), (shoulder + 0.6 * spread, 0.03 + fall)]
        arm += [joint, cuff, inner, (chest - 0.03, armpit)]
        for side in (-1, 1):
            pen.fill(np.array(arm) * (side, 1), tone * shade)
            pen.line([(side * (chest - 0.01), armpit), (side * inner[0], inner[1])], tone * shade * 0.5, 0.5)
    pen.both([(neck, 0.01), (shoulder - 0.02, 0.01 + fall), (chest, armpit), (waist, 0.55), (hem, length)], tone)
    pen.both([(neck, 0), (0.6 * neck, 0.02 + 0.75 * depth), (0, 0.02 + depth)], tone * random.uniform(0, 0.5))
    return waist, length, depth


def _print(pen: Pen, random: np.random.Generator, tone: float) -> None:
    """Draw a printed patch on the chest."""
    x, y, height, strength = within(random, (0.04, 0.14), (0.3, 0.4), (0.05, 0.25), (0.4, 1))
    pen.both([(x, y), (x, y + height)], tone + strength * (-110 if tone > 140 else 110), rounding=int(2 * strength))


def _t_shirt(pen: Pen, random: np.random.Generator, tone: float) -> None:
    _top(pen, random, tone, T_SHIRT)
    if random.random() < 0.35:
        _print(pen, random, tone)


def _trouser(pen: Pen, random: np.random.Generator, tone: float) -> None:
    waist, hips, hem, gap, length, crotch, shade = within(
        random, (0.11, 0.17), (0.14, 0.2), (0.13, 0.25), (0.01, 0.09), (0.9, 1), (0.24, 0.38), (0.85, 1)
    )
    leg = [(0, 0.01), (waist, 0.01), (hips, crotch), (hem, length), (min(gap, hem - 0.07), length), (0, crotch)]
    for side, lit in ((-1, tone), (1, tone * shade)):
        pen.fill([(side * x, y) for x, y in leg], lit)
    pen.line([(0, 0.05), (0, crotch)], tone * 0.6, 0.4)
    pen.line([(-waist, 0.05), (waist, 0.05)], tone * random.uniform(0.6, 1), 0.8)


def _pullover(pen: Pen, random: np.random.Generator, tone: float) -> None:
    waist, length, depth = _top(pen, random, tone, PULLOVER)
    if random.random() < 0.5:  # a ribbed hem
        pen.line([(-waist, length - 0.05), (waist, length - 0.05)], tone * 0.7, 0.6)
    if random.random() < 0.12:  # a zip
        pen.line([(0, depth), (0, length)], tone * random.uniform(0.4, 0.9), 0.5)
    if random.random() < 0.25:
        _print(pen, random, tone)


def _dress(pen: Pen, random: np.random.Generator, tone: float) -> None:
    waist, _, _ = _top(pen, random, tone, DRESS)
    if random.random() < 0.35:  # a belt
        pen.line([(-waist, 0.5), (waist, 0.5)], tone * random.uniform(0.3, 0.8), 1)


def _coat(pen: Pen, random: np.random.Generator, tone: float) -> None:
    _, length, depth = _top(pen, random, tone, COAT)
    lapel, front, width, pocket = within(random, (0.5, 1.15), (0.25, 0.95), (0.4, 1.2), (0.45, 0.9))
    if random.random() < 0.6:
        for side in (-1, 1):
            pen.line([(side * 0.08, 0.03), (0, 0.02 + depth)], tone * lapel, 1)
    pen.line([(0, depth), (0, length)], tone * front, width)
    if random.random() < 0.4:
        for side in (-1, 1):
            pen.line([(side * 0.08, 0.65), (side * 0.18, 0.66)], tone * pocket, 0.5)


def _shirt(pen: Pen, random: np.random.Generator, tone: float) -> None:
    _, length, _ = _top(pen, random, tone, SHIRT)
    if random.random() < 0.85:  # a collar
        for side in (-1, 1):
            collar = [(side * 0.03, 0), (side * 0.11, 0.03), (side * 0.06, 0.12), (0, 0.07)]
            pen.fill(collar, tone * random.uniform(0.8, 1.2))
    if random.random() < 0.85:  # buttons
        front, button = within(random, (0.6, 0.95), (0.3, 0.9))
        pen.line([(0, 0.1), (0, length)], tone * front, 0.4)
        for y in np.arange(0.18, length, 0.13):
            pen.line([(0, y), (0.001, y + 0.02)], tone * button, 0.8)


def _sandal(pen: Pen, random: np.random.Generator, tone: float) -> None:
    heel = random.uniform(*((0, 0.1) if random.random() < 0.65 else (0.15, 0.5)))
    floor, thick, block = within(random, (0.6, 0.7), (0.03, 0.09), (0.03, 0.3))
    floor += 0.5 * heel

    def ground(x: float) -> float:
        """Return where the sole's top is: level under the ball of the foot, then rising to the heel."""
        return floor - thick - heel * float(np.interp(x, (-0.2, 0.4), (0, 1)))

    places = np.linspace(-0.47, 0.46, 8).tolist()
    pen.fill([(x, ground(x)) for x in places] + [(x, ground(x) + thick) for x in reversed(places)], tone)
    if heel > 0.04:
        inner = 0.46 - block
        pen.fill([(inner, ground(inner)), (0.46, ground(0.46)), (0.45, floor), (0.42 - block / 2, floor)], tone)
    for _ in range(random.integers(1, 5)):  # straps over the foot
        start, reach, rise = within(random, (-0.4, 0.2), (0.1, 0.4), (0.1, 0.32))
        shade, width = within(random, (0.7, 1.2), (0.8, 2.6))
        end = min(0.44, start + reach)
        top = ((start + end) / 2 + 0.05, ground(end) - rise)
        pen.bow((start, ground(start)), top, (end, ground(end)), tone * shade, width)
    if random.random() < 0.6:  # a strap round the ankle
        front, rise, shade, width = within(random, (-0.1, 0.2), (0.2, 0.5), (0.7, 1.2), (0.8, 2))
        pen.bow((front, ground(front)), (0.3, ground(0.3) - rise - 0.1), (0.45, ground(0.45)), tone * shade, width)


def _sneaker(pen: Pen, random: np.random.Generator, tone: float) -> None:
    high = random.uniform(*((0, 0.07) if random.random() < 0.8 else (0.07, 0.3)))
    floor, thick, rise, toe, tongue, light = within(
        random, (0.65, 0.72), (0.04, 0.1), (0.24, 0.36), (0.06, 0.13), (-0.04, 0.1), (90, 250)
    )
    floor += high / 2
    top, toe = floor - rise - high, floor - thick - toe
    upper = [(-0.49, floor - thick), (-0.48, toe), (-0.25, toe - 0.04), (tongue, top), (tongue + 0.1, top - 0.03)]
    upper += [(0.24, top + 0.09), (0.4, top + 0.03), (0.47, top + 0.03), (0.49, floor - thick)]
    pen.fill(upper, tone, rounding=2)
    sole = [(-0.48, floor - thick), (0.48, floor - thick), (0.47, floor), (-0.3, floor), (-0.46, floor - 0.02)]
    pen.fill(sole, light)
    for step in range(random.integers(0, 5)):  # laces, up from the toe
        x, y = np.interp(step, (0, 5), (-0.24, tongue)), np.interp(step, (0, 5), (toe - 0.03, top))
        pen.line([(x + 0.02, y), (x + 0.08, y + 0.07)], light, 0.6)
    if random.random() < 0.5:  # a maker's stripe
        x, width = within(random, (0, 0.2), (0.8, 2))
        pen.line([(x - 0.15, floor - thick - 0.02), (x, top + 0.14)], light, width)


def _bag(pen: Pen, random: np.random.Generator, tone: float) -> None:
    width, height, drop, taper, shade, strap = within(
        random, (0.3, 0.48), (0.3, 0.75), (0.02, 0.25), (-0.04, 0.1), (0.6, 1.1), (0.7, 2)
    )
    bottom = min(0.99, 0.5 + height / 2 + drop)
    top = bottom - height
    if random.random() < 0.75:  # a handle, from a short grip to a long strap
        reach, rise = within(random, (0.1, width - 0.05), (0.08, 0.5))
        root, peak = top + 0.04, max(0.02, top - rise)
        for x in (-reach, reach):
            pen.bow((x, root), (x, peak), (0, peak), tone * shade, strap)
    pen.both([(width - taper, top), (width, bottom - 0.05), (width - 0.03, bottom)], tone, int(random.integers(2)))
    flap, dip, clasp, dark = within(random, (0.2, 0.6), (0, 0.08), (0.3, 0.6), (0.4, 0.75))
    if random.random() < 0.5:
        y = top + flap * height
        pen.line([(-width, y), (0, y + dip), (width, y)], tone * dark, 0.6)
    if random.random() < 0.5:
        y = top + clasp * height
        pen.both([(0.04, y), (0.04, y + 0.07)], 255 if tone < 180 else tone * dark)


def _ankle_boot(pen: Pen, random: np.random.Generator, tone: float) -> None:
    floor, heel, rise, toe, instep, slope, dark, block = within(
        random,
        (0.82, 0.95),
        (0, 0.12),
        (0.46, 0.82),
        (0.11, 0.2),
        (-0.1, 0.06),
        (-0.04, 0.05),
        (0.5, 1.1),
        (0.08, 0.32),
    )
    top, toe = floor - rise, floor - toe
    upper = [(-0.49, floor - 0.03), (-0.48, toe), (-0.25, toe - 0.06), (instep, min(toe - 0.05, top + 0.3))]
    upper += [(instep + 0.02, top), (0.43, top + slope), (0.41, toe - 0.08), (0.48, floor - heel)]
    pen.fill([*upper, (0.1, floor - 0.5 * heel - 0.02), (-0.15, floor - 0.02)], tone, rounding=2)
    pen.fill([(-0.47, floor - 0.05), (0, floor - 0.05), (0, floor - 0.02), (-0.1, floor), (-0.45, floor)], tone * dark)
    high = floor - heel - 0.05
    pen.fill([(0.45 - block, high), (0.46, high), (0.44, floor), (0.45 - block, floor)], tone * dark)
    if random.random() < 0.3:  # an elastic side
        shade, width = within(random, (0.4, 0.9), (1, 3))
        pen.line([(instep + 0.17, top + 0.02), (instep + 0.19, toe - 0.12)], tone * shade, width)


_DRAWERS: dict[str, Callable[[Pen, np.random.Generator, float], None]] = {
    "T-shirt/top": _t_shirt,
    "Trouser": _trouser,
    "Pullover": _pullover,
    "Dress": _dress,
    "Coat": _coat,
    "Sandal": _sandal,
    "Shirt": _shirt,
    "Sneaker": _sneaker,
    "Bag": _bag,
    "Ankle boot": _ankle_boot,
}
GARMENTS = tuple(_DRAWERS)
