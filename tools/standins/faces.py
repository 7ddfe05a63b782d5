"""Faces drawn from known factors, under CelebA's attribute names, for a machine that has no CelebA.

A face is painted in layers, every layer on some faces at once, into a scene, from factors that are float32 `(n, 1, 1)`.
The same seed gives the same bytes on every machine (`canvas.py` says why, and has the units of length).
"""

from dataclasses import fields

import numpy as np

from tools.standins.canvas import SHADOW, Scene, ellipse, hue_colour, lens, ramp, zigzag
from tools.standins.factors import ATTRIBUTES, FaceFactors, sample_factors

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
EYE_ROW, NOSE_ROW, MOUTH_ROW = -0.13, 0.19, 0.42  # below the middle of the face


def draw_faces(count: int, seed: int, size: int = 64) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Draw faces at random: uint8 `(count, size, size, 3)`; int8 `(count, 11)`, 1 or -1; the attributes' names.

    A longer draw with the same seed begins with the shorter. Each attribute is independent of the others, but for the
    colours of the hair, of which every face has one.
    """
    factors = sample_factors(count, seed)
    table = np.stack([np.where(meaning(factors), 1, -1) for meaning in ATTRIBUTES.values()], axis=1)
    return draw_from(factors, size), table.astype(np.int8), list(ATTRIBUTES)


def draw_from(factors: FaceFactors, size: int = 64) -> np.ndarray:
    """Draw the faces whose factors are given as arrays `(n,)`; uint8 `(n, size, size, 3)`, RGB in 0–255."""
    count = len(factors.right)
    pictures = np.empty((count, size, size, 3), np.uint8)
    for start in range(0, count, BATCH):
        some = slice(start, start + BATCH)
        arrays = (np.asarray(getattr(factors, factor.name)[some], np.float32) for factor in fields(factors))
        canvas = _paint(FaceFactors(*(array[:, None, None] for array in arrays)), size)
        pictures[some] = np.moveaxis((np.clip(canvas, 0, 255) + 0.5).astype(np.uint8), 0, -1)
    return pictures


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
    scene = Scene(canvas, x, y, u, v, w, np.float32(2 / size) / face.scale)
    for layer in LAYERS:
        layer(scene, face)
    return canvas


def _background(scene: Scene, face: FaceFactors) -> None:
    level = face.background_light + 0.5 * (face.background_across * scene.x + face.background_down * scene.y)
    colour = hue_colour(face.background_hue, face.background_colour)
    scene.canvas[...] = colour * (255 * np.clip(level, 0, 1)) + 40 * np.clip(level - 0.7, 0, 1)


def _back_hair(scene: Scene, face: FaceFactors) -> None:
    wave = 0.035 * face.hair_wave * face.hair_length * zigzag(2.5 * scene.v + face.parting)
    across = face.width + face.hair_volume + 0.05 * face.hair_length * np.clip(scene.v + 0.2, 0, 1)
    half = np.where(scene.v < -0.2, 0.54 + face.hair_volume, 0.28 + 1.3 * face.hair_length)
    p, q = (scene.u + wave) / across, (scene.v + 0.2) / half
    p, q = p * p, q * q
    radius = np.sqrt(np.where(scene.v < -0.2, p + q, np.sqrt(p * p + q * q)))  # round above, nearly square below
    shade = -0.25 - 0.15 * np.clip(scene.v, -1, 1)
    scene.paint(_hair_colour(scene, face, shade), scene.inside((radius - 1) * across))


def _body(scene: Scene, face: FaceFactors) -> None:
    scene = scene.cut(0.2, 1)
    x, y = scene.x - 0.8 * face.right, scene.y - 0.6 * face.down
    colour = hue_colour(face.clothes_hue, face.clothes_colour) * (40 + 190 * face.clothes_light)
    shadow = 1 - 0.3 * face.contrast * np.clip(0.5 - face.light * x, 0, 1)
    shoulders = 0.8 + 0.34 * x * x - y
    scene.paint(colour * shadow, scene.inside(shoulders))
    neck = 0.42 * face.width + 0.05 + 0.3 * np.square(np.clip(y - 0.6, 0, 1))
    collar = ellipse(x, y - 0.78, neck + 0.05, 0.08 + 0.2 * face.collar)
    cover = scene.inside(np.minimum(np.maximum(np.abs(x) - neck, y - 0.83), np.maximum(collar, shoulders)))
    dark = 0.15 + 0.4 * np.clip(1.2 - 5 * (y - face.height * face.scale), 0, 1) + 0.25 * x * face.light / neck
    scene.paint(_skin_colour(face) * np.stack([1 - share * 0.8 * dark for share in SHADOW]), cover)


def _ears(scene: Scene, face: FaceFactors) -> None:
    scene = scene.cut(-0.4, 0.4, 0.8)
    ear = ellipse(np.abs(scene.u - 0.08 * face.turn) - face.width - 0.01, scene.v + 0.02, 0.06, 0.14)
    scene.paint(_skin_colour(face) * 0.92, scene.inside(ear))
    scene.shade(0.25 * scene.inside(ear + 0.04, 0.05))


def _head(scene: Scene, face: FaceFactors) -> None:
    """Paint the face without what is on it: its outline, light and shade, hollows of the eyes, and cheeks."""
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
    colour = _skin_colour(face) * np.stack([1 - share * dark for share in SHADOW])
    scene.paint(colour, scene.inside((radius - 1) * radius / slope))
    for row, half, amount in ((EYE_ROW - 0.03, 0.4, 0.18), (MOUTH_ROW + 0.14, 0.12, 0.1)):
        scene.shade(amount * scene.inside(ellipse(scene.w, scene.v - row, half, 0.08), 0.12))
    cheek = scene.inside(ellipse(np.abs(scene.w) - 0.27, scene.v - 0.18, 0.1, 0.09), 0.16)
    rosy = _skin_colour(face) * np.array((1.05, 0.8, 0.78), np.float32)[:, None, None, None]
    happy = np.maximum(face.smile, 0)
    scene.paint(rosy, (0.4 * face.ruddiness + 0.1 * happy) * cheek)
    apple = ellipse(np.abs(scene.w) - 0.26, scene.v - 0.12, 0.1, 0.07)
    scene.shade(-0.12 * happy * scene.inside(apple, 0.12))


def _nose(scene: Scene, face: FaceFactors) -> None:
    """Paint the nose: its unlit side, ridge, tip and nostrils."""
    scene = scene.cut(-0.4, 0.5, 0.6)
    half, tip = 0.075 + 0.035 * face.nose_width, NOSE_ROW - 0.03 + 0.06 * face.nose_length
    unlit = np.where(face.light > 0, -1, 1).astype(np.float32)
    ridge = ellipse(unlit * scene.w - 0.05, scene.v - 0.02, 0.035, 0.2)
    scene.shade(0.3 * face.contrast * scene.inside(ridge, 0.1))
    scene.shade(-0.14 * scene.inside(ellipse(scene.w, scene.v - 0.03, 0.025, 0.17), 0.06))
    scene.shade(-0.1 * scene.inside(ellipse(scene.w, scene.v - tip + 0.03, 0.5 * half, 0.04), 0.06))
    scene.shade(0.26 * scene.inside(lens(scene.w, scene.v - tip - 0.03, 1.2 * half, 0.02, 0.03, -4.0), 0.05))
    hole = ellipse(np.abs(scene.w) - 0.5 * half, scene.v - tip - 0.025, 0.3 * half, 0.016)
    scene.shade(0.6 * scene.inside(hole, 0.02))


def _eyes(scene: Scene, face: FaceFactors) -> None:
    """Paint the eyebrows and the eyes, which look to one side together."""
    scene = scene.cut(-0.7, 0.25, 0.75)
    across, down = np.abs(scene.w) - face.eye_spacing, scene.v - EYE_ROW
    side = np.where(scene.w < 0, -1, 1).astype(np.float32)
    brow = down + 0.17 + face.brow_height - face.brow_slope * (across - 0.01)
    thick = 0.014 + 0.022 * face.brow_thickness
    cover = scene.inside(lens(across - 0.01, brow, 0.15, thick, 0.5 * thick, 1.6), 0.02)
    scene.paint(ramp(0.3 * face.hair_shade, *_hair_tones(face)) * 0.8, 0.85 * cover)
    up = face.eye_size * (0.34 + 0.2 * face.eye_openness)
    low = face.eye_size * (0.38 - 0.18 * np.maximum(face.smile, 0))
    down = down + 0.12 * across
    scene.shade(0.7 * scene.inside(lens(across, down, face.eye_size + 0.02, up + 0.022, low, 0.4), 0.01))
    scene.shade(0.2 * scene.inside(lens(across, down + 0.03, face.eye_size + 0.02, up + 0.02, 0, 0.6), 0.05))
    white = scene.inside(lens(across, down, face.eye_size, up, low, 0.0))
    scene.paint(WHITE, white)
    looks = (across * side - 0.03 * face.gaze, down + 0.006)
    iris = ellipse(*looks, 0.054, 0.054)
    scene.paint(ramp(face.eye_colour, *EYES), np.minimum(white, scene.inside(iris)))
    scene.paint((12, 10, 12), np.minimum(white, scene.inside(iris + 0.027)))
    scene.paint(
        (255, 255, 255), 0.9 * scene.inside(ellipse(looks[0] - 0.018 * face.light, looks[1] + 0.02, 0.012, 0.012))
    )


def _mouth(scene: Scene, face: FaceFactors) -> None:
    """Paint the folds beside the mouth, the lips, and teeth where it is open."""
    scene = scene.cut(-0.05, 0.8, 0.6)
    happy = np.maximum(face.smile, 0)
    half = 0.135 + 0.035 * face.mouth_width + 0.085 * happy
    down, bend = scene.v - MOUTH_ROW - 0.01 - 0.055 * face.smile, -0.15 - 1.85 * face.smile
    gap = 0.006 + 0.08 * face.mouth_openness
    above, below = 0.02 + 0.015 * face.lip_fullness, 0.034 + 0.025 * face.lip_fullness
    fold = np.abs(ellipse(scene.w, down, half + 0.08, 0.26))
    fold = np.maximum(fold, 0.4 * np.maximum(0.6 * half - np.abs(scene.w), np.abs(down + 0.18) - 0.06))
    scene.shade(0.18 * happy * scene.inside(fold, 0.07))
    lips = ramp(face.lip_colour, *LIPS) * (0.62 + 0.4 * (1 - face.skin))
    scene.paint(lips * 0.86, scene.inside(lens(scene.w, down, half, above + 0.2 * gap, 0.01, bend, blunt=True)))
    scene.paint(lips, scene.inside(lens(scene.w, down, half, 0.0, below + gap, bend, blunt=True)))
    shine = lens(scene.w, down - gap - 0.4 * below, 0.5 * half, 0.3 * below, 0.3 * below, bend)
    scene.paint((255, 225, 220), 0.25 * scene.inside(shine, 0.02))
    hollow = scene.inside(lens(scene.w, down, 0.9 * half, 0.2 * gap, gap, bend, blunt=True))
    scene.paint(MOUTH, hollow)
    teeth = scene.inside(lens(scene.w, down, 0.84 * half, 0.2 * gap, 0.55 * gap, bend, blunt=True))
    scene.paint(TEETH, np.minimum(hollow, teeth) * np.minimum(1, 2 * face.mouth_openness) * (0.35 + 0.65 * happy))


def _mustache(scene: Scene, face: FaceFactors) -> None:
    """Paint the mustache of those who have one."""
    scene = scene.cut(0, 0.7, 0.5)
    there = np.minimum(1, 4 * face.mustache)
    thick = 0.022 + 0.022 * face.mustache
    row = scene.v - 0.318 - 0.02 * face.nose_length + 0.02 * face.smile
    shape = lens(scene.w, row, 0.2 + 0.02 * face.mouth_width, 0.8 * thick, thick, 1.1 - 0.5 * face.smile)
    bristles = 0.9 + 0.07 * zigzag(17 * scene.w)
    scene.paint(ramp(0.4 * face.hair_shade, *_hair_tones(face)) * 0.72, bristles * there * scene.inside(shape, 0.03))


def _front_hair(scene: Scene, face: FaceFactors) -> None:
    scene = scene.cut(-1, 0.4, 0.9)
    across, half = face.width + face.hair_volume, 0.54 + face.hair_volume
    cap = ellipse(scene.u, scene.v + 0.2, across, half)
    aside = (scene.w - 0.08 * face.parting) / face.width
    fringe = np.minimum(1, 4 * face.bangs)
    high = -0.5 * (1 - fringe) - (0.34 - 0.08 * face.bangs) * fringe
    curve, square = 0.42 - 0.2 * fringe, aside * aside
    jagged = 0.02 * zigzag(1.7 * aside + face.hair_wave) + 0.012 * zigzag(4.3 * aside)
    edge = high + curve * square * square + fringe * jagged
    steep = 4 * curve * square * aside / face.width
    below = (scene.v - edge) / np.sqrt(1 + steep * steep)
    ends = scene.v - 0.02 - 0.35 * face.hair_length
    cover = scene.inside(np.maximum(np.maximum(cap, below), ends))
    scene.shade(0.3 * scene.inside(np.maximum(cap + 0.05, below - 0.02), 0.06) * (1 - cover))
    scene.paint(_hair_colour(scene, face, 0.0), cover)


def _eyeglasses(scene: Scene, face: FaceFactors) -> None:
    scene = scene.cut(-0.5, 0.3, 0.8)
    there = np.minimum(1, 4 * face.eyeglasses)
    across, down = np.abs(scene.w) - face.eye_spacing - 0.005, scene.v - EYE_ROW - 0.015
    wide, tall, thick = 0.165, 0.105 + 0.04 * face.frame_roundness, 0.008 + 0.014 * face.eyeglasses
    rim = ellipse(across, down, wide, tall)
    bridge = np.maximum(np.abs(lens(scene.w, down + 0.03, 0.3, 0.0, 0.0, 2.0)), np.abs(scene.w) - 0.09)
    temple = np.maximum(np.abs(down + 0.03), wide - across)
    temple = np.maximum(temple, np.abs(scene.u) - face.width + 0.01)
    frame = np.minimum(np.minimum(np.abs(rim), bridge), temple) - thick
    scene.paint((235, 242, 250), 0.12 * there * scene.inside(rim))
    scene.paint(ramp(face.frame_colour, (16, 16, 20), (70, 36, 26), (120, 100, 60)), there * scene.inside(frame))


def _hat(scene: Scene, face: FaceFactors) -> None:
    scene = scene.cut(-1, 0.1)
    there = np.minimum(1, 4 * face.hat)
    across = face.width + face.hair_volume + 0.03
    bent = scene.v + 0.46 - 0.25 * scene.u * scene.u
    crown = np.maximum(ellipse(scene.u, scene.v + 0.46, across, 0.3 + 0.25 * face.hat), bent)
    colour = hue_colour(face.hat_hue, 0.6) * (50 + 170 * face.hat_lightness)
    light = 1 - 0.35 * face.contrast * np.clip(0.6 - face.light * scene.u - 0.4 * (scene.v + 0.8), 0, 1)
    under = np.maximum(np.abs(bent - 0.06) - 0.06, np.abs(scene.u) - face.width + 0.02)
    scene.shade(there * 0.35 * scene.inside(under, 0.08))
    scene.paint(colour * light, there * scene.inside(crown))
    brim = ellipse(scene.u, bent - 0.01, across + 0.02 + 0.24 * face.hat_brim, 0.05)
    scene.paint(colour * light * 0.72, there * scene.inside(brim))


def _hair_colour(scene: Scene, face: FaceFactors, lighter) -> np.ndarray:
    """Return the colour of every pixel's hair, in strands that fall from the parting."""
    fall = (scene.w - 0.08 * face.parting) / (scene.v + 1.6)
    wave = 0.5 * face.hair_wave * zigzag(1.7 * scene.v + face.parting)
    strand = zigzag(7 * fall + wave) + 0.5 * zigzag(19 * fall - wave)
    sheen = np.clip(1 - 5 * np.abs(scene.v + 0.55 - 0.3 * scene.u * scene.u), 0, 1)
    level = 0.15 + 0.6 * face.hair_shade + 0.16 * strand + 0.25 * sheen + 0.25 * face.light * scene.u + lighter
    return ramp(np.clip(level, 0, 1.2), *_hair_tones(face))


def _hair_tones(face: FaceFactors) -> tuple[np.ndarray, np.ndarray]:
    """Return the darkest and the lightest tone of each face's hair, `(3, n, 1, 1)` each, RGB in 0–255."""
    tones = np.array(HAIR, np.float32)[face.hair_colour.astype(int)[:, 0, 0]]  # (n, 2, 3)
    return tuple(np.moveaxis(tones, 0, -1)[..., None, None])


def _skin_colour(face: FaceFactors) -> np.ndarray:
    """Return the colour of each face's skin in plain light, `(3, n, 1, 1)`, RGB in about 0–255."""
    warm = 0.04 * (face.ruddiness - 0.5)
    return ramp(face.skin, *SKIN) * np.stack([1 + warm, 1 - warm, 1 - 1.5 * warm])


_BEHIND, _FACE = (_background, _back_hair, _body, _ears), (_head, _nose, _eyes, _mouth, _mustache)
LAYERS = (*_BEHIND, *_FACE, _front_hair, _eyeglasses, _hat)  # from the back to the front
