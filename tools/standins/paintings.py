"""Pictures painted by this project: styles to transfer on a machine that has no painting of a master."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

SUPERSAMPLING = 2  # painted so many times larger, then shrunk: strokes get smooth edges
LIGHT = (-0.7, -0.7)  # where the light comes from, (down, right): the upper left


@dataclass(frozen=True)
class _Palette:
    """Colours as RGB in 0–255: from the darkest tone to the lightest, and the glow around a vortex."""

    tones: tuple[tuple[int, int, int], ...]
    glow: tuple[tuple[int, int, int], ...]


NIGHT = _Palette(
    tones=((8, 16, 46), (16, 38, 96), (30, 72, 150), (66, 118, 186), (138, 176, 206), (206, 216, 196)),
    glow=((66, 118, 186), (168, 190, 150), (232, 200, 84), (250, 218, 96), (255, 240, 170)),
)
EMBERS = _Palette(
    tones=((52, 10, 22), (122, 20, 26), (190, 44, 22), (228, 92, 24), (244, 148, 44), (250, 206, 120)),
    glow=((190, 44, 22), (96, 26, 60), (40, 28, 70), (30, 60, 92), (96, 150, 150)),
)
LAYERS = ((2_600, 11, 30), (5_200, 6, 26), (3_800, 3.5, 20))  # (strokes, breadth, length): broad ones, then finer
# Where a bristle runs (in breadths from the middle), its breadth, how much lighter it is, how thick its paint.
BRISTLES = ((0.0, 1.0, -6, 90), (-0.3, 0.3, 10, 150), (0.08, 0.26, -12, 175), (0.34, 0.22, 16, 160))
STONES = (*EMBERS.tones[1:], (250, 232, 190))
MORTAR = (46, 30, 34, 20)
FAN_RINGS = 6


def paint(style: str, height: int = 480, width: int = 640, seed: int = 1) -> np.ndarray:
    """Paint a picture, uint8 `(height, width, 3)`.

    Styles: "swirls" (curved strokes in blue and yellow), "embers" (the same hand in red and orange, in waves), or
    "mosaic" (fans of coloured stones).
    """
    canvas = STYLES[style](height, width, np.random.default_rng(seed))
    return np.asarray(canvas.resize((width, height), Image.Resampling.BOX))


def _swirls(height: int, width: int, random: np.random.Generator) -> Image.Image:
    """Paint strokes that run around vortices; those that glow have bright rings."""
    across = float(np.hypot(height, width))
    rows, columns = np.mgrid[:height, :width].astype(np.float32) / across
    noise = _noise(random, height, width, 4)
    flow_right, flow_down = np.ones_like(rows), 0.9 * noise
    tone = 0.45 + 0.34 * noise + 0.2 * np.sin(columns * 14 + 7 * noise + rows * 26)
    glow = np.zeros_like(rows)
    for number, (row, column) in enumerate(_scattered(random, 11, height / across, width / across)):
        radius = random.uniform(0.05, 0.1)
        down, right = rows - row, columns - column
        distance = np.hypot(down, right) + 1e-6
        near = np.exp(-((distance / radius) ** 2) / 1.6)
        turn = int(random.choice((-7, 7))) * near / distance
        flow_right, flow_down = flow_right - turn * down, flow_down + turn * right
        rings = 0.62 + 0.38 * np.cos(distance * (2 * np.pi / 0.026))
        if number % 3:
            glow = np.maximum(glow, rings * np.exp(-((distance / (0.7 * radius)) ** 2)))
        else:  # a whirl of the sky itself: a spiral of light and dark
            tone = tone + near * 0.5 * np.sin(2 * np.arctan2(down, right) + distance * 130)
    return _strokes(random, np.arctan2(flow_down, flow_right), tone, glow, NIGHT)


def _embers(height: int, width: int, random: np.random.Generator) -> Image.Image:
    """Paint strokes that run in waves from side to side."""
    across = float(np.hypot(height, width))
    rows, columns = np.mgrid[:height, :width].astype(np.float32) / across
    noise = _noise(random, height, width, 3)
    phase = rows * 34 + 5.5 * noise + 2.2 * np.sin(columns * 11)
    down, right = np.gradient(phase)
    tone = 0.5 + 0.42 * np.sin(phase)
    glow = np.clip(1.3 * np.sin(phase * 0.5 + 1.2) - 0.35, 0, 1)
    return _strokes(random, np.arctan2(-right, down), tone, glow, EMBERS)


def _strokes(
    random: np.random.Generator, angle: np.ndarray, tone: np.ndarray, glow: np.ndarray, palette: _Palette
) -> Image.Image:
    """Paint in three layers, broad to fine, along `angle` (radians, `(height, width)`).

    The alpha channel of the canvas is no transparency but the thickness of the paint: a line drawn into an
    RGBA picture sets all four, so colour and relief come from one drawing.
    """
    height, width = angle.shape
    unit = np.sqrt(height * width) / 550
    colour = _colours(tone, palette.tones)
    colour += (_colours(glow, palette.glow) - colour) * np.clip(glow * 2.2, 0, 1)[..., None]
    ground = np.concatenate([colour * 0.9, np.full((height, width, 1), 60)], axis=-1)
    canvas = Image.fromarray(ground.clip(0, 255).astype(np.uint8))
    canvas = canvas.resize((width * SUPERSAMPLING, height * SUPERSAMPLING), Image.Resampling.NEAREST)
    draw = ImageDraw.Draw(canvas)
    for count, breadth, length in LAYERS:
        start = random.uniform((-0.05 * height, -0.05 * width), (1.05 * height, 1.05 * width), (count, 2))
        paths = _follow(start, angle, steps=7, step=length * unit / 7)
        row, column = paths[:, 3].astype(int).clip(0, (height - 1, width - 1)).T
        paints = colour[row, column] + random.normal(0, 15, (count, 1)) + random.normal(0, 7, (count, 3))
        breadths = breadth * unit * random.uniform(0.7, 1.25, count)
        _draw_strokes(draw, paths * SUPERSAMPLING, paints, breadths * SUPERSAMPLING)
    return _lit(canvas)


def _draw_strokes(draw: ImageDraw.ImageDraw, paths: np.ndarray, paints: np.ndarray, breadths: np.ndarray) -> None:
    """Draw strokes: each a flat bed of paint and on it the ridges that the bristles leave.

    `paths` is `(count, steps, 2)` (row, column) in pixels of the canvas, `paints` `(count, 3)` in 0–255 and
    `breadths` `(count,)` in pixels.
    """
    offset, share, lighter, thickness = np.array(BRISTLES).T
    along = paths[:, -1] - paths[:, 0]
    across = np.stack([-along[:, 1], along[:, 0]], axis=-1) / (np.linalg.norm(along, axis=-1, keepdims=True) + 1e-6)
    shifts = across[:, None] * (breadths[:, None] * offset)[..., None]  # (count, bristles, 2)
    lines = (paths[:, None] + shifts[:, :, None])[..., ::-1]  # (count, bristles, steps, 2) as (column, row)
    colours = (paints[:, None] + lighter[:, None]).clip(0, 255)
    fills = np.concatenate([colours, np.broadcast_to(thickness[:, None], (*colours.shape[:2], 1))], axis=-1)
    widths = np.maximum(1, np.rint(breadths[:, None] * share))
    strokes = zip(
        lines.reshape(*lines.shape[:2], -1).tolist(),
        fills.astype(int).tolist(),
        widths.astype(int).tolist(),
        strict=True,
    )
    for stroke in strokes:
        for number, (line, fill, width) in enumerate(zip(*stroke, strict=True)):
            draw.line(line, tuple(fill), width, joint=None if number else "curve")


def _mosaic(height: int, width: int, random: np.random.Generator) -> Image.Image:
    """Lay fans of stones from the top down, so that every row of fans covers the lower half of the one above."""
    height, width = height * SUPERSAMPLING, width * SUPERSAMPLING
    radius = 0.136 * np.sqrt(height * width)
    canvas = Image.new("RGBA", (width, height), MORTAR)
    draw = ImageDraw.Draw(canvas)
    noise = _noise(random, height, width, 3)
    for line, row in enumerate(np.arange(0, height + 2 * radius, radius / 2)):
        for column in np.arange(-radius + line % 2 * radius, width + 2 * radius, 2 * radius):
            draw.ellipse((column - radius, row - radius, column + radius, row + radius), fill=MORTAR)
            tone = 0.5 + 0.5 * noise[min(int(row), height - 1), int(np.clip(column, 0, width - 1))]
            brighter_outside = 0.5 if line % 2 else -0.5
            for ring in range(FAN_RINGS, 0, -1):
                shade = tone + brighter_outside * (0.5 - ring / FAN_RINGS)
                _ring(draw, random, (row, column), radius * ring / FAN_RINGS, radius / FAN_RINGS, shade)
    return _lit(canvas)


def _ring(
    draw: ImageDraw.ImageDraw,
    random: np.random.Generator,
    centre: tuple[float, float],
    radius: float,
    depth: float,
    tone: float,
) -> None:
    """Lay the upper half of one ring of stones (the lower half is covered later), each with bevelled edges."""
    count = max(3, round(np.pi * radius / depth / 0.95))
    for stone in range(count + 2):
        middle, half = np.pi + np.pi * (stone - 0.5) / count, 0.4 * np.pi / count
        paint = _colours(np.array(tone + random.normal(0, 0.09)), STONES) + random.normal(0, 9, 3)
        uneven = random.normal(0, 0.025 * depth, (4, 2))
        for inset, thickness, lighter in ((0.0, 80, -22), (0.1, 130, 0), (0.22, 165, 8)):
            reach = radius - depth * np.array((0.9 - inset, 0.1 + inset, 0.1 + inset, 0.9 - inset))
            angle = middle + half * (1 - 1.6 * inset) * np.array((-1, -1, 1, 1))
            rows = centre[0] + reach * np.sin(angle) + uneven[:, 0]
            columns = centre[1] + reach * np.cos(angle) + uneven[:, 1]
            colour = (paint + lighter).clip(0, 255).astype(int).tolist()
            draw.polygon(list(zip(columns.tolist(), rows.tolist(), strict=True)), fill=(*colour, thickness))


def _lit(canvas: Image.Image) -> Image.Image:
    """Return the canvas with light from one side on its relief, as RGB."""
    painted = np.asarray(canvas, np.float32)
    down, right = np.gradient(painted[..., 3])
    light = np.clip((down * LIGHT[0] + right * LIGHT[1]) * -0.55, -46, 46)
    return Image.fromarray((painted[..., :3] + light[..., None]).clip(0, 255).astype(np.uint8))


def _follow(start: np.ndarray, angle: np.ndarray, steps: int, step: float) -> np.ndarray:
    """Return paths `(count, steps, 2)` of (row, column) that begin at `start` and follow the angle."""
    path, here = [start], start
    for _ in range(steps - 1):
        row, column = here.astype(int).clip(0, np.array(angle.shape) - 1).T
        turn = angle[row, column]
        here = here + step * np.stack([np.sin(turn), np.cos(turn)], axis=-1)
        path.append(here)
    return np.stack(path, axis=1)


def _scattered(random: np.random.Generator, count: int, height: float, width: float) -> list[tuple[float, float]]:
    """Return `count` points (row, column), each the one of twelve tries that lies farthest from those before."""
    points = [random.uniform((0, 0), (height, width))]
    while len(points) < count:
        tries = random.uniform((0, 0), (height, width), (12, 2))
        distances = np.linalg.norm(tries[:, None] - np.array(points), axis=-1).min(axis=1)
        points.append(tries[distances.argmax()])
    return [(float(row), float(column)) for row, column in points]  # plain numbers leave float32 as it is


def _colours(level: np.ndarray, tones: tuple[tuple[int, int, int], ...]) -> np.ndarray:
    """Return the colours (…, 3) at `level` (0 is the first tone, 1 the last)."""
    knots = np.linspace(0, 1, len(tones))
    return np.stack([np.interp(level, knots, channel) for channel in zip(*tones, strict=True)], axis=-1)


def _noise(random: np.random.Generator, height: int, width: int, waves: int) -> np.ndarray:
    """Return smooth noise `(height, width)` of about [-1, 1], with some `waves` hills from side to side."""
    grid = random.uniform(-1, 1, (waves + 2, waves + 3)).astype(np.float32)
    return np.asarray(Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC))


STYLES: dict[str, Callable[[int, int, np.random.Generator], Image.Image]] = {
    "swirls": _swirls,
    "embers": _embers,
    "mosaic": _mosaic,
}
