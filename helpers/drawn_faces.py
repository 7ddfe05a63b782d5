"""Faces drawn from known factors, under CelebA's attribute names, for a machine that has no CelebA.

A face is painted in layers. Each layer is a shape whose edge is given by a distance in closed form, so that a
pixel on the edge is covered in part: smooth edges at any size, without drawing larger and shrinking. Some dozens
of faces are painted at a time, every layer on all of them at once.

The same seed gives the same bytes on every machine: only operations are used that IEEE 754 rounds correctly
(+ - * / and the square root, each by itself), no sine, exponential or power from a mathematical library, and
no sum whose order is left to the machine. Angles are therefore given by the tangent of their half.

Lengths are in halves of a picture's side: a picture reaches from -1 to 1, to the right and downwards.
"""

from dataclasses import dataclass, fields, replace

import numpy as np

from helpers.errors import UserError

BATCH = 32  # faces painted at a time; more of them leave the processor's cache

SKIN = ((252, 226, 212), (240, 200, 172), (216, 164, 128), (172, 118, 84), (126, 82, 58), (90, 58, 42))
HAIR = (  # black, blond, brown, grey: each from its darkest to its lightest
    ((10, 9, 12), (44, 36, 36)),
    ((168, 124, 66), (246, 220, 160)),
    ((58, 34, 20), (140, 88, 52)),
    ((120, 120, 126), (222, 222, 226)),
)
EYES = ((58, 36, 22), (92, 64, 34), (92, 110, 66), (84, 124, 150), (106, 150, 188))
LIPS = ((206, 112, 104), (168, 62, 72))
WHITE, TEETH, MOUTH = (246, 244, 240), (250, 247, 240), (74, 22, 26)
SHADOW = (0.78, 0.95, 1.0)  # how much a shadow takes from red, green and blue: skin keeps its warmth in it
EYE_ROW, NOSE_ROW, MOUTH_ROW = -0.13, 0.19, 0.42  # below the middle of the face


@dataclass(frozen=True)
class FaceFactors:
    """What a face is drawn from; the defaults make a plain one. RANGES says between what each is drawn.

    Each is a number, or an array of one number a face.
    """

    right: float = 0.0  # the face's middle, from that of the picture
    down: float = 0.02
    scale: float = 1.0
    tilt: float = 0.0  # to the side; tangent of half the angle, positive clockwise
    turn: float = 0.0  # of the head to the picture's right; sine of the angle
    width: float = 0.48  # half of the face's
    height: float = 0.7  # from its middle to the chin
    jaw: float = 0.0  # negative: square, positive: pointed
    skin: float = 0.35  # 0 the palest, 1 the darkest
    ruddiness: float = 0.5
    light: float = 0.3  # where it comes from: -1 the left, 1 the right
    contrast: float = 0.6  # of light and shade
    hair_colour: float = 2.0  # 0 black, 1 blond, 2 brown, 3 grey
    hair_shade: float = 0.5  # within its colour, 1 the lightest
    hair_volume: float = 0.07
    hair_length: float = 0.3  # 0: ears free, 1: over the shoulders
    hair_wave: float = 0.3
    parting: float = 0.3  # -1 on the left, 1 on the right
    bangs: float = 0.0  # 0 none, else how far down they come
    brow_height: float = 0.0
    brow_thickness: float = 0.5
    brow_slope: float = 0.0  # positive: the outer ends are lower
    eye_spacing: float = 0.25  # of an eye from the middle
    eye_size: float = 0.105  # half of its width
    eye_openness: float = 0.6
    eye_colour: float = 0.3
    gaze: float = 0.0  # -1 to the left, 1 to the right
    nose_width: float = 0.5
    nose_length: float = 0.5
    mouth_width: float = 0.5
    lip_fullness: float = 0.5
    lip_colour: float = 0.3
    smile: float = 0.0  # 1: the corners up; negative: down
    mouth_openness: float = 0.0
    eyeglasses: float = 0.0  # 0 none, else the frame's thickness
    frame_colour: float = 0.2
    frame_roundness: float = 0.5
    mustache: float = 0.0  # 0 none, else its thickness
    hat: float = 0.0  # 0 none, else its height
    hat_hue: float = 0.6
    hat_lightness: float = 0.4
    hat_brim: float = 0.5
    background_hue: float = 0.6
    background_colour: float = 0.3  # saturation
    background_light: float = 0.6
    background_across: float = 0.2  # how much lighter to the right
    background_down: float = -0.3  # and below
    clothes_hue: float = 0.1
    clothes_colour: float = 0.4
    clothes_light: float = 0.5
    collar: float = 0.4  # how deep it is cut

    def __getitem__(self, index: int) -> "FaceFactors":
        """Return the factors of one face, where these are of many."""
        return FaceFactors(**{field.name: float(getattr(self, field.name)[index]) for field in fields(self)})


# Between what a factor is drawn, evenly. Those with an attribute: (probability, between if it is there, if it is not).
RANGES = {
    "right": (-0.06, 0.06),
    "down": (-0.03, 0.07),
    "scale": (0.92, 1.06),
    "tilt": (-0.07, 0.07),
    "turn": (-0.36, 0.36),
    "width": (0.44, 0.52),
    "height": (0.64, 0.74),
    "jaw": (-0.45, 0.35),
    "skin": (0.22, (0.0, 0.06), (0.2, 1.0)),
    "ruddiness": (0, 1),
    "light": (-1, 1),
    "contrast": (0.25, 1),
    "hair_colour": (0, 4),
    "hair_shade": (0, 1),
    "hair_volume": (0.03, 0.13),
    "hair_length": (0, 1),
    "hair_wave": (0, 1),
    "parting": (-1, 1),
    "bangs": (0.3, (0.6, 1.0), (0.0, 0.0)),
    "brow_height": (-0.025, 0.03),
    "brow_thickness": (0.2, 1),
    "brow_slope": (-0.15, 0.2),
    "eye_spacing": (0.23, 0.27),
    "eye_size": (0.092, 0.12),
    "eye_openness": (0.4, 0.85),
    "eye_colour": (0, 1),
    "gaze": (-1, 1),
    "nose_width": (0, 1),
    "nose_length": (0, 1),
    "mouth_width": (0, 1),
    "lip_fullness": (0, 1),
    "lip_colour": (0, 1),
    "smile": (0.46, (0.5, 1.0), (-0.3, 0.15)),
    "mouth_openness": (0.42, (0.4, 1.0), (0.0, 0.0)),
    "eyeglasses": (0.25, (0.4, 1.0), (0.0, 0.0)),
    "frame_colour": (0, 1),
    "frame_roundness": (0, 1),
    "mustache": (0.2, (0.5, 1.0), (0.0, 0.0)),
    "hat": (0.2, (0.4, 1.0), (0.0, 0.0)),
    "hat_hue": (0, 1),
    "hat_lightness": (0, 1),
    "hat_brim": (0, 1),
    "background_hue": (0, 1),
    "background_colour": (0, 0.7),
    "background_light": (0.1, 0.95),
    "background_across": (-0.5, 0.5),
    "background_down": (-0.5, 0.5),
    "clothes_hue": (0, 1),
    "clothes_colour": (0, 0.9),
    "clothes_light": (0, 1),
    "collar": (0, 1),
}
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
    return draw_from(FaceFactors(*(np.array([getattr(face, field.name)]) for field in fields(face))), size)[0]


def sample_factors(count: int, seed: int) -> FaceFactors:
    """Return factors drawn at random from RANGES: float64 arrays `(count,)`."""
    # Not `uniform`: compiled for some processors it rounds once where others round twice.
    draws = np.random.Generator(np.random.PCG64(seed)).random((count, 2 * len(RANGES)))
    columns = {}
    for number, (name, given) in enumerate(RANGES.items()):
        toss, level = draws[:, 2 * number], draws[:, 2 * number + 1]
        probability, there, missing = given if len(given) == 3 else (1.0, given, given)
        low, high = (np.where(toss < probability, *pair) for pair in zip(there, missing, strict=True))
        columns[name] = low + (high - low) * level
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
        arrays = (np.asarray(getattr(factors, field.name)[some], np.float32) for field in fields(factors))
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
    right, down = (x - face.right) / face.scale, (y - face.down) / face.scale
    u, v = cosine * right + sine * down, cosine * down - sine * right
    radius = 1.15 * face.width  # of the turning head, a little beyond the face that is seen
    depth = np.sqrt(np.maximum(radius * radius - u * u, 0))
    w = u * np.sqrt(1 - face.turn * face.turn) - depth * face.turn
    canvas = np.zeros((3, len(u), size, size), np.float32)
    scene = _Scene(canvas, x, y, u, v, w, np.float32(2 / size) / face.scale)
    for layer in (_background, _back_hair, _body, _ears, _head, _nose, _eyes, _mouth, _mustache):
        layer(scene, face)
    for layer in (_front_hair, _eyeglasses, _hat):
        layer(scene, face)
    return canvas


def _background(scene: _Scene, face: FaceFactors) -> None:
    level = face.background_light + 0.5 * (face.background_across * scene.x + face.background_down * scene.y)
    colour = _hue(face.background_hue, face.background_colour)
    scene.canvas[...] = colour * (255 * np.clip(level, 0, 1)) + 40 * np.clip(level - 0.7, 0, 1)


def _back_hair(scene: _Scene, face: FaceFactors) -> None:
    wave = 0.04 * face.hair_wave * face.hair_length * _zigzag(3 * scene.v + face.parting)
    across = face.width + face.hair_volume + 0.06 * face.hair_length
    middle, half = -0.2 + 0.5 * face.hair_length, 0.54 + face.hair_volume + 0.6 * face.hair_length
    p, q = (scene.u + wave) / across, (scene.v - middle) / half
    radius = np.sqrt(np.sqrt(p * p * p * p + q * q * q * q))
    scene.paint(_hair_colour(scene, face, -0.25 - 0.15 * np.clip(scene.v, -1, 1)), scene.inside((radius - 1) * across))


def _body(scene: _Scene, face: FaceFactors) -> None:
    scene = scene.cut(0.2, 1)
    x, y = scene.x - 0.8 * face.right, scene.y - 0.6 * face.down
    colour = _hue(face.clothes_hue, face.clothes_colour) * (40 + 190 * face.clothes_light)
    shadow = 1 - 0.25 * np.clip(face.contrast * (0.5 - face.light * x), 0, 1)
    scene.paint(colour * shadow, scene.inside(0.8 + 0.34 * x * x - y))
    neck = 0.45 * face.width + 0.03
    collar = _ellipse(x, y - 0.78, neck + 0.08, 0.06 + 0.16 * face.collar)
    scene.paint(_skin(face), scene.inside(np.minimum(np.maximum(np.abs(x) - neck, y - 0.85), collar)))
    under = _ellipse(x, y - face.height + 0.06, neck + 0.14, 0.26)
    scene.shade(0.45 * scene.inside(under, 0.12) * scene.inside(np.minimum(np.abs(x) - neck, collar)))


def _ears(scene: _Scene, face: FaceFactors) -> None:
    scene = scene.cut(-0.4, 0.4, 0.8)
    ear = _ellipse(np.abs(scene.u - 0.08 * face.turn) - face.width - 0.01, scene.v + 0.02, 0.06, 0.14)
    scene.paint(_skin(face) * 0.92, scene.inside(ear))
    scene.shade(0.25 * scene.inside(ear + 0.04, 0.05))


def _head(scene: _Scene, face: FaceFactors) -> None:
    half = np.where(scene.v > 0, face.height, 0.66)
    p, q = scene.u / face.width, scene.v / half
    square = p * p + q * q + face.jaw * np.where(scene.v > 0, p * p * q * q, 0)
    radius = np.sqrt(np.maximum(square, 0))
    slope = np.sqrt(p * p / (face.width * face.width) + q * q / (half * half)) + 1e-3
    towards = np.sqrt(np.maximum(1 - 0.85 * square, 0))
    light = np.clip(0.5 * face.light * p - 0.25 * q + 0.95 * towards, 0, 1.2)
    dark = 0.6 * face.contrast * (0.9 - light)
    colour = _skin(face) * np.stack([1 - share * dark for share in SHADOW])
    scene.paint(colour, scene.inside((radius - 1) * radius / slope))
    for row, amount in ((EYE_ROW - 0.03, 0.18), (MOUTH_ROW + 0.14, 0.1)):
        scene.shade(amount * scene.inside(_ellipse(scene.w, scene.v - row, 0.4 if row < 0 else 0.12, 0.08), 0.12))
    cheek = scene.inside(_ellipse(np.abs(scene.w) - 0.27, scene.v - 0.18, 0.1, 0.09), 0.16)
    rosy = _skin(face) * np.array((1.05, 0.8, 0.78), np.float32)[:, None, None, None]
    scene.paint(rosy, 0.5 * face.ruddiness * cheek)


def _nose(scene: _Scene, face: FaceFactors) -> None:
    scene = scene.cut(-0.4, 0.5, 0.6)
    half, tip = 0.075 + 0.035 * face.nose_width, NOSE_ROW - 0.03 + 0.06 * face.nose_length
    side = np.where(face.light > 0, -1, 1) * scene.w
    ridge = _ellipse(side - 0.05, scene.v - 0.02, 0.035, 0.2)
    scene.shade(0.3 * face.contrast * scene.inside(ridge, 0.1))
    scene.shade(-0.14 * scene.inside(_ellipse(scene.w, scene.v - 0.03, 0.025, 0.17), 0.06))
    scene.shade(-0.1 * scene.inside(_ellipse(scene.w, scene.v - tip + 0.03, 0.5 * half, 0.04), 0.06))
    scene.shade(0.32 * scene.inside(_lens(scene.w, scene.v - tip - 0.03, 1.2 * half, 0.02, 0.03, -4.0), 0.04))
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
    up = face.eye_size * (0.3 + 0.5 * face.eye_openness)
    low = face.eye_size * (0.42 - 0.14 * np.maximum(face.smile, 0))
    down = down + 0.12 * across
    scene.shade(0.7 * scene.inside(_lens(across, down, face.eye_size + 0.02, up + 0.022, low, 0.4), 0.01))
    scene.shade(0.2 * scene.inside(_lens(across, down + 0.03, face.eye_size + 0.02, up + 0.02, 0, 0.6), 0.05))
    white = scene.inside(_lens(across, down, face.eye_size, up, low, 0.0))
    scene.paint(WHITE, white)
    looks = (across * side - 0.03 * face.gaze, down + 0.006)
    iris = _ellipse(*looks, 0.05, 0.05)
    scene.paint(_ramp(face.eye_colour, *EYES), np.minimum(white, scene.inside(iris)))
    scene.paint((12, 10, 12), np.minimum(white, scene.inside(iris + 0.027)))
    scene.paint(
        (255, 255, 255), 0.9 * scene.inside(_ellipse(looks[0] - 0.018 * face.light, looks[1] + 0.02, 0.012, 0.012))
    )


def _mouth(scene: _Scene, face: FaceFactors) -> None:
    scene = scene.cut(0.1, 0.8, 0.55)
    happy = np.maximum(face.smile, 0)
    half = 0.15 + 0.04 * face.mouth_width + 0.035 * happy
    down, bend = scene.v - MOUTH_ROW - 0.03 * face.smile, -1.9 * face.smile
    gap = 0.006 + 0.075 * face.mouth_openness
    above, below = 0.018 + 0.02 * face.lip_fullness, 0.03 + 0.025 * face.lip_fullness
    scene.shade(0.25 * happy * scene.inside(np.abs(_ellipse(scene.w, down + 0.05, half + 0.09, 0.16)), 0.05))
    lips = _ramp(face.lip_colour, *LIPS) * (0.62 + 0.4 * (1 - face.skin))
    scene.paint(lips * 0.86, scene.inside(_lens(scene.w, down, half, above + 0.2 * gap, 0.01, bend)))
    scene.paint(lips, scene.inside(_lens(scene.w, down, half, 0.0, below + gap, bend)))
    shine = _lens(scene.w, down - gap - 0.4 * below, 0.5 * half, 0.3 * below, 0.3 * below, bend)
    scene.paint((255, 225, 220), 0.25 * scene.inside(shine, 0.02))
    hollow = scene.inside(_lens(scene.w, down, 0.92 * half, 0.2 * gap, gap, bend))
    scene.paint(MOUTH, hollow)
    teeth = scene.inside(_lens(scene.w, down, 0.85 * half, 0.2 * gap, 0.5 * gap, bend))
    scene.paint(TEETH, np.minimum(hollow, teeth) * np.minimum(1, 2 * face.mouth_openness))


def _mustache(scene: _Scene, face: FaceFactors) -> None:
    scene = scene.cut(0, 0.7, 0.5)
    there = np.minimum(1, 4 * face.mustache)
    thick = 0.02 + 0.025 * face.mustache
    shape = _lens(scene.w, scene.v - 0.325 - 0.02 * face.nose_length, 0.19, thick, 0.9 * thick, 1.5)
    scene.paint(_ramp(0.4 * face.hair_shade, *_hair_tones(face)) * 0.85, 0.92 * there * scene.inside(shape, 0.02))


def _front_hair(scene: _Scene, face: FaceFactors) -> None:
    scene = scene.cut(-1, 0.4, 0.9)
    across, half = face.width + face.hair_volume, 0.54 + face.hair_volume
    cap = _ellipse(scene.u, scene.v + 0.2, across, half)
    aside = (scene.w - 0.12 * face.parting) / face.width
    high = -0.46 * (1 - np.minimum(1, 4 * face.bangs)) - (0.34 - 0.06 * face.bangs) * np.minimum(1, 4 * face.bangs)
    fringe = np.minimum(1, 4 * face.bangs)
    edge = high + (0.42 - 0.2 * fringe) * aside * aside * aside * aside + 0.025 * fringe * _zigzag(2.6 * aside)
    steep = 4 * (0.42 - 0.2 * fringe) * aside * aside * aside / face.width
    below = (scene.v - edge) / np.sqrt(1 + steep * steep)
    ends = scene.v - 0.02 - 0.35 * face.hair_length
    cover = scene.inside(np.maximum(np.maximum(cap, below), ends))
    scene.shade(0.3 * scene.inside(np.maximum(cap, below - 0.02), 0.06) * (1 - cover))
    scene.paint(_hair_colour(scene, face, 0.0), cover)


def _eyeglasses(scene: _Scene, face: FaceFactors) -> None:
    scene = scene.cut(-0.5, 0.3, 0.8)
    there = np.minimum(1, 4 * face.eyeglasses)
    across, down = np.abs(scene.w) - face.eye_spacing - 0.005, scene.v - EYE_ROW - 0.015
    wide, tall, thick = 0.165, 0.105 + 0.04 * face.frame_roundness, 0.008 + 0.014 * face.eyeglasses
    rim = _ellipse(across, down, wide, tall)
    bridge = np.maximum(np.abs(_lens(scene.w, down + 0.03, 0.3, 0.0, 0.0, 2.0)), np.abs(scene.w) - 0.09)
    temple = np.maximum(np.abs(down + 0.03), wide - across)
    temple = np.maximum(temple, np.abs(scene.u) - face.width - 0.03)
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
    scene.shade(there * 0.35 * scene.inside(bent - 0.1, 0.1) * scene.inside(np.abs(scene.u) - face.width, 0.05))
    scene.paint(colour * light, there * scene.inside(crown))
    brim = _lens(scene.u, scene.v + 0.45, across + 0.02 + 0.3 * face.hat_brim, 0.05, 0.05, 0.25)
    scene.paint(colour * light * 0.72, there * scene.inside(brim))


def _hair_tones(face: FaceFactors) -> tuple[np.ndarray, np.ndarray]:
    """Return the darkest and the lightest tone of each face's hair, `(3, n, 1, 1)`."""
    tones = np.array(HAIR, np.float32)[face.hair_colour.astype(int)[:, 0, 0]]  # (n, 2, 3)
    return tuple(np.moveaxis(tones, 0, -1)[..., None, None])


def _hair_colour(scene: _Scene, face: FaceFactors, lighter) -> np.ndarray:
    """Return the colour of every pixel's hair, in strands that fall from the parting."""
    fall = (scene.w - 0.12 * face.parting) / (scene.v + 1.6)
    strand = _zigzag(9 * fall + face.hair_wave * _zigzag(2.2 * scene.v + face.parting)) + 0.6 * _zigzag(23 * fall)
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


def _lens(x, y, half, up, down, bend) -> np.ndarray:
    """Return about the distance from a shape between two parabolas that meet at x = -half and half.

    Its middle line is y = bend x²; there it reaches `up` above and `down` below at x = 0.
    """
    middle, part = y - bend * x * x, 1 - (x / half) * (x / half)
    above, below = 2 * x * (bend + up / (half * half)), 2 * x * (bend - down / (half * half))
    upper = (-up * part - middle) / np.sqrt(1 + above * above)
    return np.maximum(upper, (middle - down * part) / np.sqrt(1 + below * below))
