"""Faces drawn from known factors, under CelebA's attribute names, for a machine that has no CelebA.

A face is painted in layers. Each layer is a shape whose edge is given by a distance in closed form, so that a
pixel on the edge is covered in part: smooth edges at any size, without drawing larger and shrinking. Some dozens
of faces are painted at a time, every layer on all of them at once.

The same seed gives the same bytes on every machine: only operations are used that IEEE 754 rounds correctly
(+ - * / and the square root, each by itself), no sine, exponential or power from a mathematical library, and
no sum whose order is left to the machine. Angles are therefore given by the tangent of their half.

Lengths are in halves of a picture's side: a picture reaches from -1 to 1, to the right and downwards.
"""

from dataclasses import dataclass, field, fields, replace

import numpy as np

from helpers.errors import UserError

BATCH = 16  # faces painted at a time; more of them leave the processor's cache

SKIN = ((252, 226, 212), (240, 200, 172), (216, 164, 128), (172, 118, 84), (126, 82, 58), (90, 58, 42))
HAIR = (  # black, blond, brown, grey: each from its darkest to its lightest
    ((10, 9, 12), (44, 36, 36)),
    ((168, 124, 66), (246, 220, 160)),
    ((58, 34, 20), (140, 88, 52)),
    ((120, 120, 126), (222, 222, 226)),
)
EYES = ((58, 36, 22), (92, 64, 34), (92, 110, 66), (84, 124, 150), (106, 150, 188))
LIPS = ((206, 112, 104), (168, 62, 72))
WHITE, TEETH, MOUTH = (236, 232, 228), (250, 247, 240), (74, 22, 26)
SHADOW = (0.78, 0.95, 1.0)  # how much a shadow takes from red, green and blue: skin keeps its warmth in it
EYE_ROW, NOSE_ROW, MOUTH_ROW = -0.13, 0.19, 0.42  # below the middle of the face


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

    Beside each factor stands between what it is drawn at random; where it makes an attribute: how probable that
    is, and between what it is drawn if the face has the attribute and if not.
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

    def __getitem__(self, index: int) -> "FaceFactors":
        """Return the factors of one face, where these are of many."""
        return FaceFactors(**{factor.name: float(getattr(self, factor.name)[index]) for factor in fields(self)})


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


def draw_faces(count: int, seed: int, size: int = 64) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Draw faces at random; a longer draw with the same seed begins with the shorter one.

    Args:
        count: how many, at least 1.
        seed: another one gives other faces.
        size: height and width of a picture in pixels, at least 16.

    Returns:
        uint8 `(count, size, size, 3)`, RGB in 0–255; int8 `(count, 11)`, 1 where a face has the attribute, else
        -1; and the attributes' names. Each is independent of the others, but for the colours of the hair, of
        which every face has one.

    Raises:
        UserError: `count` or `size` is too small.
    """
    if count < 1:
        raise UserError(f"{count} faces cannot be drawn. Ask for at least 1.")
    factors = sample_factors(count, seed)
    table = np.stack([np.where(meaning(factors), 1, -1) for meaning in ATTRIBUTES.values()], axis=1)
    return draw_from(factors, size), table.astype(np.int8), list(ATTRIBUTES)


def draw_face(face: FaceFactors, size: int = 64) -> np.ndarray:
    """Draw one face from numbers; uint8 `(size, size, 3)`, RGB in 0–255. UserError if `size` is below 16."""
    return draw_from(FaceFactors(*(np.array([getattr(face, factor.name)]) for factor in fields(face))), size)[0]


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


def draw_from(factors: FaceFactors, size: int = 64) -> np.ndarray:
    """Draw the faces whose factors are given as arrays `(n,)`; uint8 `(n, size, size, 3)`, RGB in 0–255.

    Raises:
        UserError: `size` is below 16.
    """
    if size < 16:
        raise UserError(f"faces of {size}x{size} pixels are too small. Ask for at least 16.")
    count = len(factors.right)
    pictures = np.empty((count, size, size, 3), np.uint8)
    for start in range(0, count, BATCH):
        some = slice(start, start + BATCH)
        arrays = (np.asarray(getattr(factors, factor.name)[some], np.float32) for factor in fields(factors))
        canvas = _paint(FaceFactors(*(array[:, None, None] for array in arrays)), size)
        pictures[some] = np.moveaxis((np.clip(canvas, 0, 255) + 0.5).astype(np.uint8), 0, -1)
    return pictures


@dataclass(frozen=True)
class _Scene:
    """A canvas float32 `(3, n, rows, columns)` and where its pixels are.

    `x`, `y`: in the picture; `u`, `v`: on the head, level with the eyes; `w`: on the face, which turns with the
    head. `pixel` is the length of a pixel's side.
    """

    canvas: np.ndarray
    x: np.ndarray
    y: np.ndarray
    u: np.ndarray
    v: np.ndarray
    w: np.ndarray
    pixel: np.ndarray

    def cut(self, top: float, bottom: float, side: float = 1.0) -> "_Scene":
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
        self.canvas[...] += (_colour(colour) - self.canvas) * cover

    def shade(self, cover) -> None:
        """Darken by the share `cover`, or lighten where it is negative."""
        for channel, share in zip(self.canvas, SHADOW, strict=True):
            channel *= 1 - share * cover

    def inside(self, distance, soft: float = 0.0):
        """Return how much of a pixel is covered, by its distance from an edge (negative inside), over `soft`."""
        return np.clip(0.5 - distance / (self.pixel + soft), 0, 1)


def _paint(face: FaceFactors, size: int) -> np.ndarray:
    """Return float32 `(3, n, size, size)`, RGB in 0–255, of the faces whose factors are `(n, 1, 1)`."""
    line = ((2 * np.arange(size, dtype=np.float32) + 1) / size - 1)[None]
    x, y = line[:, None], line[:, :, None]
    square = face.tilt * face.tilt
    cosine, sine = (1 - square) / (1 + square), 2 * face.tilt / (1 + square)
    radius = 1.15 * face.width  # of the turning head, a little beyond the face that is seen
    # CelebA's pictures are aligned by the eyes: where the head turns, it is the head that moves, not they.
    right, down = (x - face.right) / face.scale + radius * face.turn, (y - face.down) / face.scale
    u, v = cosine * right + sine * down, cosine * down - sine * right
    depth = np.sqrt(np.maximum(radius * radius - u * u, 0))
    w = u * np.sqrt(1 - face.turn * face.turn) - depth * face.turn
    canvas = np.zeros((3, len(u), size, size), np.float32)
    scene = _Scene(canvas, x, y, u, v, w, np.float32(2 / size) / face.scale)
    for layer in LAYERS:
        layer(scene, face)
    return canvas


def _background(scene: _Scene, face: FaceFactors) -> None:
    level = face.background_light + 0.5 * (face.background_across * scene.x + face.background_down * scene.y)
    colour = _hue(face.background_hue, face.background_colour)
    scene.canvas[...] = colour * (255 * np.clip(level, 0, 1)) + 40 * np.clip(level - 0.7, 0, 1)


def _back_hair(scene: _Scene, face: FaceFactors) -> None:
    wave = 0.035 * face.hair_wave * face.hair_length * _zigzag(2.5 * scene.v + face.parting)
    across = face.width + face.hair_volume + 0.05 * face.hair_length * np.clip(scene.v + 0.2, 0, 1)
    half = np.where(scene.v < -0.2, 0.54 + face.hair_volume, 0.28 + 1.3 * face.hair_length)
    p, q = (scene.u + wave) / across, (scene.v + 0.2) / half
    p, q = p * p, q * q
    radius = np.sqrt(np.where(scene.v < -0.2, p + q, np.sqrt(p * p + q * q)))  # round above, nearly square below
    shade = -0.25 - 0.15 * np.clip(scene.v, -1, 1)
    scene.paint(_hair_colour(scene, face, shade), scene.inside((radius - 1) * across))


def _body(scene: _Scene, face: FaceFactors) -> None:
    scene = scene.cut(0.2, 1)
    x, y = scene.x - 0.8 * face.right, scene.y - 0.6 * face.down
    colour = _hue(face.clothes_hue, face.clothes_colour) * (40 + 190 * face.clothes_light)
    shadow = 1 - 0.3 * face.contrast * np.clip(0.5 - face.light * x, 0, 1)
    shoulders = 0.8 + 0.34 * x * x - y
    scene.paint(colour * shadow, scene.inside(shoulders))
    neck = 0.42 * face.width + 0.05 + 0.3 * np.square(np.clip(y - 0.6, 0, 1))
    collar = _ellipse(x, y - 0.78, neck + 0.05, 0.08 + 0.2 * face.collar)
    cover = scene.inside(np.minimum(np.maximum(np.abs(x) - neck, y - 0.83), np.maximum(collar, shoulders)))
    dark = 0.15 + 0.4 * np.clip(1.2 - 5 * (y - face.height * face.scale), 0, 1) + 0.25 * x * face.light / neck
    scene.paint(_skin(face) * np.stack([1 - share * 0.8 * dark for share in SHADOW]), cover)


def _ears(scene: _Scene, face: FaceFactors) -> None:
    scene = scene.cut(-0.4, 0.4, 0.8)
    ear = _ellipse(np.abs(scene.u - 0.08 * face.turn) - face.width - 0.01, scene.v + 0.02, 0.06, 0.14)
    scene.paint(_skin(face) * 0.92, scene.inside(ear))
    scene.shade(0.25 * scene.inside(ear + 0.04, 0.05))


def _head(scene: _Scene, face: FaceFactors) -> None:
    half = np.where(scene.v > 0, face.height, 0.66)
    chin = 0.3 * face.turn * np.clip(scene.v + 0.1, 0, 0.8)
    p, q = (scene.u - chin) / face.width, scene.v / half
    corner = np.minimum(p * p, 1) * np.minimum(q * q, 1)
    square = p * p + q * q + face.jaw * np.where(scene.v > 0, corner, 0)
    radius = np.sqrt(np.maximum(square, 0))
    slope = np.sqrt(p * p / (face.width * face.width) + q * q / (half * half)) + 1e-3
    towards = np.sqrt(np.maximum(1 - 0.85 * square, 0))
    light = np.clip(0.5 * face.light * p - 0.25 * q + 0.95 * towards, 0, 1.2)
    dark = 0.6 * face.contrast * (0.9 - light)
    colour = _skin(face) * np.stack([1 - share * dark for share in SHADOW])
    scene.paint(colour, scene.inside((radius - 1) * radius / slope))
    for row, half, amount in ((EYE_ROW - 0.03, 0.4, 0.18), (MOUTH_ROW + 0.14, 0.12, 0.1)):
        scene.shade(amount * scene.inside(_ellipse(scene.w, scene.v - row, half, 0.08), 0.12))
    cheek = scene.inside(_ellipse(np.abs(scene.w) - 0.27, scene.v - 0.18, 0.1, 0.09), 0.16)
    rosy = _skin(face) * np.array((1.05, 0.8, 0.78), np.float32)[:, None, None, None]
    happy = np.maximum(face.smile, 0)
    scene.paint(rosy, (0.4 * face.ruddiness + 0.1 * happy) * cheek)
    apple = _ellipse(np.abs(scene.w) - 0.26, scene.v - 0.12, 0.1, 0.07)
    scene.shade(-0.12 * happy * scene.inside(apple, 0.12))


def _nose(scene: _Scene, face: FaceFactors) -> None:
    scene = scene.cut(-0.4, 0.5, 0.6)
    half, tip = 0.075 + 0.035 * face.nose_width, NOSE_ROW - 0.03 + 0.06 * face.nose_length
    unlit = np.where(face.light > 0, -1, 1).astype(np.float32)
    ridge = _ellipse(unlit * scene.w - 0.05, scene.v - 0.02, 0.035, 0.2)
    scene.shade(0.3 * face.contrast * scene.inside(ridge, 0.1))
    scene.shade(-0.14 * scene.inside(_ellipse(scene.w, scene.v - 0.03, 0.025, 0.17), 0.06))
    scene.shade(-0.1 * scene.inside(_ellipse(scene.w, scene.v - tip + 0.03, 0.5 * half, 0.04), 0.06))
    scene.shade(0.26 * scene.inside(_lens(scene.w, scene.v - tip - 0.03, 1.2 * half, 0.02, 0.03, -4.0), 0.05))
    hole = _ellipse(np.abs(scene.w) - 0.5 * half, scene.v - tip - 0.025, 0.3 * half, 0.016)
    scene.shade(0.6 * scene.inside(hole, 0.02))


def _eyes(scene: _Scene, face: FaceFactors) -> None:
    scene = scene.cut(-0.7, 0.25, 0.75)
    across, down = np.abs(scene.w) - face.eye_spacing, scene.v - EYE_ROW
    side = np.where(scene.w < 0, -1, 1).astype(np.float32)
    brow = down + 0.17 + face.brow_height - face.brow_slope * (across - 0.01)
    thick = 0.014 + 0.022 * face.brow_thickness
    cover = scene.inside(_lens(across - 0.01, brow, 0.15, thick, 0.5 * thick, 1.6), 0.02)
    scene.paint(_ramp(0.3 * face.hair_shade, *_hair_tones(face)) * 0.8, 0.85 * cover)
    up = face.eye_size * (0.34 + 0.2 * face.eye_openness)
    low = face.eye_size * (0.38 - 0.18 * np.maximum(face.smile, 0))
    down = down + 0.12 * across
    scene.shade(0.7 * scene.inside(_lens(across, down, face.eye_size + 0.02, up + 0.022, low, 0.4), 0.01))
    scene.shade(0.2 * scene.inside(_lens(across, down + 0.03, face.eye_size + 0.02, up + 0.02, 0, 0.6), 0.05))
    white = scene.inside(_lens(across, down, face.eye_size, up, low, 0.0))
    scene.paint(WHITE, white)
    looks = (across * side - 0.03 * face.gaze, down + 0.006)
    iris = _ellipse(*looks, 0.054, 0.054)
    scene.paint(_ramp(face.eye_colour, *EYES), np.minimum(white, scene.inside(iris)))
    scene.paint((12, 10, 12), np.minimum(white, scene.inside(iris + 0.027)))
    scene.paint(
        (255, 255, 255), 0.9 * scene.inside(_ellipse(looks[0] - 0.018 * face.light, looks[1] + 0.02, 0.012, 0.012))
    )


def _mouth(scene: _Scene, face: FaceFactors) -> None:
    scene = scene.cut(-0.05, 0.8, 0.6)
    happy = np.maximum(face.smile, 0)
    half = 0.135 + 0.035 * face.mouth_width + 0.085 * happy
    down, bend = scene.v - MOUTH_ROW - 0.01 - 0.055 * face.smile, -0.15 - 1.85 * face.smile
    gap = 0.006 + 0.08 * face.mouth_openness
    above, below = 0.02 + 0.015 * face.lip_fullness, 0.034 + 0.025 * face.lip_fullness
    fold = np.abs(_ellipse(scene.w, down, half + 0.08, 0.26))
    fold = np.maximum(fold, 0.4 * np.maximum(0.6 * half - np.abs(scene.w), np.abs(down + 0.18) - 0.06))
    scene.shade(0.18 * happy * scene.inside(fold, 0.07))
    lips = _ramp(face.lip_colour, *LIPS) * (0.62 + 0.4 * (1 - face.skin))
    scene.paint(lips * 0.86, scene.inside(_lens(scene.w, down, half, above + 0.2 * gap, 0.01, bend, blunt=True)))
    scene.paint(lips, scene.inside(_lens(scene.w, down, half, 0.0, below + gap, bend, blunt=True)))
    shine = _lens(scene.w, down - gap - 0.4 * below, 0.5 * half, 0.3 * below, 0.3 * below, bend)
    scene.paint((255, 225, 220), 0.25 * scene.inside(shine, 0.02))
    hollow = scene.inside(_lens(scene.w, down, 0.9 * half, 0.2 * gap, gap, bend, blunt=True))
    scene.paint(MOUTH, hollow)
    teeth = scene.inside(_lens(scene.w, down, 0.84 * half, 0.2 * gap, 0.55 * gap, bend, blunt=True))
    scene.paint(TEETH, np.minimum(hollow, teeth) * np.minimum(1, 2 * face.mouth_openness) * (0.35 + 0.65 * happy))


def _mustache(scene: _Scene, face: FaceFactors) -> None:
    scene = scene.cut(0, 0.7, 0.5)
    there = np.minimum(1, 4 * face.mustache)
    thick = 0.022 + 0.022 * face.mustache
    row = scene.v - 0.318 - 0.02 * face.nose_length + 0.02 * face.smile
    shape = _lens(scene.w, row, 0.2 + 0.02 * face.mouth_width, 0.8 * thick, thick, 1.1 - 0.5 * face.smile)
    bristles = 0.9 + 0.07 * _zigzag(17 * scene.w)
    scene.paint(_ramp(0.4 * face.hair_shade, *_hair_tones(face)) * 0.72, bristles * there * scene.inside(shape, 0.03))


def _front_hair(scene: _Scene, face: FaceFactors) -> None:
    scene = scene.cut(-1, 0.4, 0.9)
    across, half = face.width + face.hair_volume, 0.54 + face.hair_volume
    cap = _ellipse(scene.u, scene.v + 0.2, across, half)
    aside = (scene.w - 0.08 * face.parting) / face.width
    fringe = np.minimum(1, 4 * face.bangs)
    high = -0.5 * (1 - fringe) - (0.34 - 0.08 * face.bangs) * fringe
    curve, square = 0.42 - 0.2 * fringe, aside * aside
    jagged = 0.02 * _zigzag(1.7 * aside + face.hair_wave) + 0.012 * _zigzag(4.3 * aside)
    edge = high + curve * square * square + fringe * jagged
    steep = 4 * curve * square * aside / face.width
    below = (scene.v - edge) / np.sqrt(1 + steep * steep)
    ends = scene.v - 0.02 - 0.35 * face.hair_length
    cover = scene.inside(np.maximum(np.maximum(cap, below), ends))
    scene.shade(0.3 * scene.inside(np.maximum(cap + 0.05, below - 0.02), 0.06) * (1 - cover))
    scene.paint(_hair_colour(scene, face, 0.0), cover)


def _eyeglasses(scene: _Scene, face: FaceFactors) -> None:
    scene = scene.cut(-0.5, 0.3, 0.8)
    there = np.minimum(1, 4 * face.eyeglasses)
    across, down = np.abs(scene.w) - face.eye_spacing - 0.005, scene.v - EYE_ROW - 0.015
    wide, tall, thick = 0.165, 0.105 + 0.04 * face.frame_roundness, 0.008 + 0.014 * face.eyeglasses
    rim = _ellipse(across, down, wide, tall)
    bridge = np.maximum(np.abs(_lens(scene.w, down + 0.03, 0.3, 0.0, 0.0, 2.0)), np.abs(scene.w) - 0.09)
    temple = np.maximum(np.abs(down + 0.03), wide - across)
    temple = np.maximum(temple, np.abs(scene.u) - face.width + 0.01)
    frame = np.minimum(np.minimum(np.abs(rim), bridge), temple) - thick
    scene.paint((235, 242, 250), 0.12 * there * scene.inside(rim))
    scene.paint(_ramp(face.frame_colour, (16, 16, 20), (70, 36, 26), (120, 100, 60)), there * scene.inside(frame))


def _hat(scene: _Scene, face: FaceFactors) -> None:
    scene = scene.cut(-1, 0.1)
    there = np.minimum(1, 4 * face.hat)
    across = face.width + face.hair_volume + 0.03
    bent = scene.v + 0.46 - 0.25 * scene.u * scene.u
    crown = np.maximum(_ellipse(scene.u, scene.v + 0.46, across, 0.3 + 0.25 * face.hat), bent)
    colour = _hue(face.hat_hue, 0.6) * (50 + 170 * face.hat_lightness)
    light = 1 - 0.35 * face.contrast * np.clip(0.6 - face.light * scene.u - 0.4 * (scene.v + 0.8), 0, 1)
    under = np.maximum(np.abs(bent - 0.06) - 0.06, np.abs(scene.u) - face.width + 0.02)
    scene.shade(there * 0.35 * scene.inside(under, 0.08))
    scene.paint(colour * light, there * scene.inside(crown))
    brim = _ellipse(scene.u, bent - 0.01, across + 0.02 + 0.24 * face.hat_brim, 0.05)
    scene.paint(colour * light * 0.72, there * scene.inside(brim))


def _hair_tones(face: FaceFactors) -> tuple[np.ndarray, np.ndarray]:
    """Return the darkest and the lightest tone of each face's hair, `(3, n, 1, 1)`."""
    tones = np.array(HAIR, np.float32)[face.hair_colour.astype(int)[:, 0, 0]]  # (n, 2, 3)
    return tuple(np.moveaxis(tones, 0, -1)[..., None, None])


def _hair_colour(scene: _Scene, face: FaceFactors, lighter) -> np.ndarray:
    """Return the colour of every pixel's hair, in strands that fall from the parting."""
    fall = (scene.w - 0.08 * face.parting) / (scene.v + 1.6)
    wave = 0.5 * face.hair_wave * _zigzag(1.7 * scene.v + face.parting)
    strand = _zigzag(7 * fall + wave) + 0.5 * _zigzag(19 * fall - wave)
    sheen = np.clip(1 - 5 * np.abs(scene.v + 0.55 - 0.3 * scene.u * scene.u), 0, 1)
    level = 0.15 + 0.6 * face.hair_shade + 0.16 * strand + 0.25 * sheen + 0.25 * face.light * scene.u + lighter
    return _ramp(np.clip(level, 0, 1.2), *_hair_tones(face))


def _skin(face: FaceFactors) -> np.ndarray:
    warm = 0.04 * (face.ruddiness - 0.5)
    return _ramp(face.skin, *SKIN) * np.stack([1 + warm, 1 - warm, 1 - 1.5 * warm])


def _colour(colour) -> np.ndarray:
    colour = np.asarray(colour, np.float32)
    return colour[:, None, None, None] if colour.ndim == 1 else colour


def _ramp(level, *tones) -> np.ndarray:
    """Return the colours `(3, …)` at `level`: 0 is the first tone, 1 the last, evenly between."""
    colour = _colour(tones[0])
    for number, (before, after) in enumerate(zip(tones[:-1], tones[1:], strict=True)):
        share = np.clip(level * (len(tones) - 1) - number, 0, 1 if number < len(tones) - 2 else 2)
        colour = colour + (_colour(after) - _colour(before)) * share
    return colour


def _hue(hue, saturation) -> np.ndarray:
    """Return colours `(3, …)` in [0, 1] round the colour circle (0 and 1 are red), the largest channel being 1."""
    place = np.stack([hue * 6, hue * 6 - 2, hue * 6 - 4])  # from red, green, blue
    apart = np.minimum(np.abs(place), 6 - np.abs(place))
    return 1 - saturation * np.clip(apart - 1, 0, 1)


def _zigzag(place) -> np.ndarray:
    """Return a wave of period 1 between -1 and 1, made of straight lines."""
    return 4 * np.abs(place - np.floor(place) - 0.5) - 1


def _ellipse(x, y, across, down) -> np.ndarray:
    """Return about the distance from an ellipse round (0, 0): f/|f'| of its equation, exact to first order."""
    p, q = x / across, y / down
    radius = np.sqrt(p * p + q * q)
    slope = np.sqrt(p * p / (across * across) + q * q / (down * down))
    return (radius - 1) * radius / (slope + 1e-3)


def _lens(x, y, half, up, down, bend, blunt: bool = False) -> np.ndarray:
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


# From the back to the front.
_BEHIND = (_background, _back_hair, _body, _ears)
LAYERS = (*_BEHIND, _head, _nose, _eyes, _mouth, _mustache, _front_hair, _eyeglasses, _hat)
