"""What drawn faces are painted with: a canvas for some dozens of pictures at once, shapes, and colours.

A shape is the distance from its edge, negative inside, so a pixel on the edge is covered in part.
The same numbers give the same bytes on every machine: only + - * / and the square root are used.

Numbers are float32, `(n, 1, 1)` for one a picture or `(n, rows, columns)` for one a pixel. Colours have an axis of
three channels before these, RGB in 0–255. Lengths are in halves of a picture's side, to the right and downwards.
"""

from dataclasses import dataclass, replace

import numpy as np

SHADOW = (0.78, 0.95, 1.0)  # how much a shadow takes from red, green and blue: skin keeps its warmth in it


@dataclass(frozen=True)
class Scene:
    """A canvas and the places of its pixels' middles, in lengths from the middle."""

    canvas: np.ndarray  # float32 (3, n, rows, columns)
    x: np.ndarray  # in the picture, (1, 1, columns)
    y: np.ndarray  # (1, rows, 1)
    u: np.ndarray  # on the head, (n, rows, columns)
    v: np.ndarray  # level with the eyes
    w: np.ndarray  # on the face, which turns with the head
    pixel: np.ndarray  # the length of a pixel's side on the head, (n, 1, 1)

    def cut(self, top: float, bottom: float, side: float = 1.0) -> "Scene":
        """Return the part between two rows and `side` from the middle, in lengths; it shares the canvas."""
        size = self.canvas.shape[-1]
        edges = [min(size, max(0, round((edge + 1) * size / 2))) for edge in (top, bottom, -side, side)]
        rows, columns = slice(*edges[:2]), slice(*edges[2:])
        return replace(
            self,
            canvas=self.canvas[..., rows, columns],
            x=self.x[..., columns],
            y=self.y[:, rows],
            **{name: getattr(self, name)[:, rows, columns] for name in "uvw"},
        )

    def paint(self, colour, cover) -> None:
        """Cover with a colour `(3, …)` in 0–255 to the share `cover`, in 0–1."""
        self.canvas[...] += (as_colour(colour) - self.canvas) * cover

    def shade(self, cover) -> None:
        """Darken by the share `cover`, or lighten where it is negative."""
        for channel, share in zip(self.canvas, SHADOW, strict=True):
            channel *= 1 - share * cover

    def inside(self, distance, soft: float = 0.0):
        """Return how much of a pixel is covered, by its distance from an edge (negative inside), over `soft`."""
        return np.clip(0.5 - distance / (self.pixel + soft), 0, 1)


def as_colour(colour) -> np.ndarray:
    """Return three numbers as a colour `(3, 1, 1, 1)`, and colours `(3, n, rows, columns)` as they are; float32."""
    colour = np.asarray(colour, np.float32)
    return colour[:, None, None, None] if colour.ndim == 1 else colour


def ramp(level, *tones) -> np.ndarray:
    """Return the colours `(3, …)` at `level`: 0 is the first tone, 1 the last; above 1 goes on beyond the last."""
    colour = as_colour(tones[0])
    for number, (before, after) in enumerate(zip(tones[:-1], tones[1:], strict=True)):
        share = np.clip(level * (len(tones) - 1) - number, 0, 1 if number < len(tones) - 2 else 2)
        colour = colour + (as_colour(after) - as_colour(before)) * share
    return colour


def hue_colour(hue, saturation) -> np.ndarray:
    """Return colours `(3, …)` in [0, 1]; `hue` 0 and 1 are red, 1/3 green, 2/3 blue; `saturation` 0 is white."""
    place = np.stack([hue * 6, hue * 6 - 2, hue * 6 - 4])  # from red, green, blue
    apart = np.minimum(np.abs(place), 6 - np.abs(place))
    return 1 - saturation * np.clip(apart - 1, 0, 1)


def zigzag(place) -> np.ndarray:
    """Return a wave of period 1 between -1 and 1, made of straight lines."""
    return 4 * np.abs(place - np.floor(place) - 0.5) - 1


def ellipse(x, y, across, down) -> np.ndarray:
    """Return about the distance from an ellipse round (0, 0): f/|f'| of its equation, exact to first order."""
    p, q = x / across, y / down
    radius = np.sqrt(p * p + q * q)
    slope = np.sqrt(p * p / (across * across) + q * q / (down * down))
    return (radius - 1) * radius / (slope + 1e-3)


def lens(x, y, half, up, down, bend, blunt: bool = False) -> np.ndarray:
    """Return about the distance from a shape between two curves that meet at x = -half and half.

    Its middle line is y = bend x². At x = 0 it reaches `up` above and `down` below that. The curves are parabolas, or
    with `blunt` of the fourth degree.
    """
    share = (x / half) * (x / half)
    part, steep = (1 - share * share, 4 * share) if blunt else (1 - share, 2)
    steep = steep * x / (half * half)
    middle, slope = y - bend * x * x, 2 * bend * x
    above, below = slope + up * steep, slope - down * steep
    upper = (-up * part - middle) / np.sqrt(1 + above * above)
    return np.maximum(upper, (middle - down * part) / np.sqrt(1 + below * below))
