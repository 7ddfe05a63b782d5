"""What drawn faces are painted with: a canvas for some dozens of pictures at once, shapes, and colours.

A shape is given by the distance from its edge in closed form, negative inside, so that a pixel on the edge is
covered in part: smooth edges at any size, without drawing larger and shrinking.

The same numbers give the same bytes on every machine: only operations are used that IEEE 754 rounds correctly
(+ - * / and the square root, each by itself), no sine, exponential or power from a mathematical library, and
no sum whose order is left to the machine.

Numbers are float32 and may be arrays that broadcast with the canvas: `(n, 1, 1)` for one number a picture,
`(n, rows, columns)` for one a pixel; colours have an axis of three channels before these, RGB in 0–255. Lengths
are in halves of a picture's side: a picture reaches from -1 to 1, to the right and downwards.
"""

from dataclasses import dataclass, replace

import numpy as np

SHADOW = (0.78, 0.95, 1.0)  # how much a shadow takes from red, green and blue: skin keeps its warmth in it


@dataclass(frozen=True)
class Scene:
    """A canvas float32 `(3, n, rows, columns)` and where the middles of its pixels are, in lengths from the middle.

    `x` `(1, 1, columns)` and `y` `(1, rows, 1)`: in the picture. `u` and `v` `(n, rows, columns)`: on the head,
    level with the eyes. `w`, likewise: on the face, which turns with the head. `pixel` `(n, 1, 1)` is the length of
    a pixel's side on the head.
    """

    canvas: np.ndarray
    x: np.ndarray
    y: np.ndarray
    u: np.ndarray
    v: np.ndarray
    w: np.ndarray
    pixel: np.ndarray

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
    """Return the colours `(3, …)` at `level`: 0 is the first of two or more tones, 1 the last, evenly between.

    Levels below 0 are taken as 0; those above 1 go on beyond the last tone, at most as
    far again as that is from the one before.
    """
    colour = as_colour(tones[0])
    for number, (before, after) in enumerate(zip(tones[:-1], tones[1:], strict=True)):
        share = np.clip(level * (len(tones) - 1) - number, 0, 1 if number < len(tones) - 2 else 2)
        colour = colour + (as_colour(after) - as_colour(before)) * share
    return colour


def hue_colour(hue, saturation) -> np.ndarray:
    """Return colours `(3, …)` in [0, 1] round the colour circle, the largest channel being 1.

    `hue` in [0, 1]: 0 and 1 are red, 1/3 is green, 2/3 blue. `saturation` in [0, 1]: 0 is white.
    """
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

    Its middle line is y = bend x²; there it reaches `up` above and `down` below at x = 0. The curves are
    parabolas, or with `blunt` of the fourth degree, which come together later.
    """
    share = (x / half) * (x / half)
    part, steep = (1 - share * share, 4 * share) if blunt else (1 - share, 2)
    steep = steep * x / (half * half)
    middle, slope = y - bend * x * x, 2 * bend * x
    above, below = slope + up * steep, slope - down * steep
    upper = (-up * part - middle) / np.sqrt(1 + above * above)
    return np.maximum(upper, (middle - down * part) / np.sqrt(1 + below * below))
