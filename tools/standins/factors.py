"""The factors that a drawn face has, how they are drawn at random, and which of CelebA's attributes they make.

Lengths are in halves of a picture's side, to the right and downwards. Angles are given by their sine or by the
tangent of their half: so no sine or cosine has to be computed (`canvas.py` says why).
"""

from dataclasses import dataclass, field, fields

import numpy as np


def _between(low: float, high: float, plain: float | None = None):
    """A factor that is drawn evenly between two numbers; `plain` (or the middle) is its default."""
    return field(
        default=(low + high) / 2 if plain is None else plain, metadata={"ranges": (1.0, (low, high), (low, high))}
    )


def _either(probability: float, there: tuple[float, float], missing: tuple[float, float], plain: float):
    """A factor behind an attribute: drawn evenly from `there` with a probability, else from `missing`."""
    return field(default=plain, metadata={"ranges": (probability, there, missing)})


@dataclass(frozen=True)
class FaceFactors:
    """What a face is drawn from: numbers, or arrays of one number a face. The defaults make a plain face.

    `_between` has a factor's range. `_either` has the probability of an attribute, and the factor's range with and
    without it.
    """

    right: float = _between(-0.03, 0.03)  # the middle between the eyes, from that of the picture
    down: float = _between(0.0, 0.05)  # the face's middle
    scale: float = _between(0.97, 1.06)
    tilt: float = _between(-0.05, 0.05)  # to the side; tangent of half the angle, positive clockwise
    turn: float = _between(-0.28, 0.28)  # of the head to the picture's right; sine of the angle
    width: float = _between(0.44, 0.52)  # half of the face's
    height: float = _between(0.64, 0.74)  # from its middle to the chin
    jaw: float = _between(-0.6, 0.1)  # negative: square, positive: pointed
    skin: float = _either(0.22, (0.0, 0.06), (0.2, 1.0), 0.35)  # 0 the palest, 1 the darkest
    ruddiness: float = _between(0, 1)
    light: float = _between(-1, 1, 0.3)  # where it comes from: -1 the left, 1 the right
    contrast: float = _between(0.25, 1)  # of light and shade
    hair_colour: float = _between(0, 4, 2)  # rounded down: 0 black, 1 blond, 2 brown, 3 grey
    hair_shade: float = _between(0, 1)  # within its colour, 1 the lightest
    hair_volume: float = _between(0.03, 0.13)
    hair_length: float = _between(0, 1, 0.2)  # 0: to the ears, 1: over the shoulders
    hair_wave: float = _between(0, 1, 0.3)
    parting: float = _between(-1, 1, 0.3)  # -1 on the left, 1 on the right
    bangs: float = _either(0.3, (0.6, 1.0), (0.0, 0.0), 0.0)  # 0 none, else how far down they come
    brow_height: float = _between(-0.025, 0.03)
    brow_thickness: float = _between(0.2, 1)
    brow_slope: float = _between(-0.05, 0.22)  # positive: the outer ends are lower
    eye_spacing: float = _between(0.23, 0.265)  # of an eye from the middle
    eye_size: float = _between(0.092, 0.118)  # half of its width
    eye_openness: float = _between(0, 1)
    eye_colour: float = _between(0, 1)  # from brown over green to blue
    gaze: float = _between(-1, 1, 0)  # -1 to the left, 1 to the right
    nose_width: float = _between(0, 1)
    nose_length: float = _between(0, 1)
    mouth_width: float = _between(0, 1)
    lip_fullness: float = _between(0, 1)
    lip_colour: float = _between(0, 1)
    smile: float = _either(0.46, (0.5, 1.0), (-0.05, 0.2), 0.08)  # 1: the corners up; negative: down
    mouth_openness: float = _either(0.42, (0.4, 1.0), (0.0, 0.0), 0.0)
    eyeglasses: float = _either(0.25, (0.4, 1.0), (0.0, 0.0), 0.0)  # 0 none, else the frame's thickness
    frame_colour: float = _between(0, 1)  # from black over brown to gold
    frame_roundness: float = _between(0, 1)
    mustache: float = _either(0.2, (0.5, 1.0), (0.0, 0.0), 0.0)  # 0 none, else its thickness
    hat: float = _either(0.2, (0.4, 1.0), (0.0, 0.0), 0.0)  # 0 none, else its height
    hat_hue: float = _between(0, 1)
    hat_lightness: float = _between(0, 1)
    hat_brim: float = _between(0, 1)
    background_hue: float = _between(0, 1, 0.6)
    background_colour: float = _between(0, 0.4)  # its saturation
    background_light: float = _between(0.15, 0.95)
    background_across: float = _between(-0.5, 0.5, 0.2)  # how much lighter it is to the right
    background_down: float = _between(-0.5, 0.5, -0.3)  # and below
    clothes_hue: float = _between(0, 1, 0.1)
    clothes_colour: float = _between(0, 0.8)  # their saturation
    clothes_light: float = _between(0, 1)
    collar: float = _between(0, 1)  # how deep it is cut


# CelebA's names, in its order, and what has to hold of the factors.
ATTRIBUTES = {
    "Bangs": lambda face: face.bangs > 0,
    "Black_Hair": lambda face: face.hair_colour == 0,
    "Blond_Hair": lambda face: face.hair_colour == 1,
    "Brown_Hair": lambda face: face.hair_colour == 2,
    "Eyeglasses": lambda face: face.eyeglasses > 0,
    "Gray_Hair": lambda face: face.hair_colour == 3,
    "Mouth_Slightly_Open": lambda face: face.mouth_openness > 0,
    "Mustache": lambda face: face.mustache > 0,
    "Pale_Skin": lambda face: face.skin < 0.1,
    "Smiling": lambda face: face.smile > 0.3,
    "Wearing_Hat": lambda face: face.hat > 0,
}


def sample_factors(count: int, seed: int) -> FaceFactors:
    """Return factors drawn at random, each independent of the others: float64 arrays `(count,)`."""
    factors = fields(FaceFactors)
    # Not `uniform`: compiled for some processors it rounds once where others round twice.
    draws = np.random.Generator(np.random.PCG64(seed)).random((count, len(factors), 2))
    columns = {}
    for factor, (toss, level) in zip(factors, np.moveaxis(draws, 0, -1), strict=True):
        probability, there, missing = factor.metadata["ranges"]
        low, high = (np.where(toss < probability, *pair) for pair in zip(there, missing, strict=True))
        columns[factor.name] = low + (high - low) * level
    columns["hair_colour"] = np.floor(columns["hair_colour"])
    return FaceFactors(**columns)
