"""The head of a drawn face and what is on it: nose, eyes, mouth, mustache; and the colours of skin and hair.

Each layer is painted into a scene (`helpers.drawn_shapes`, which has the units and says why the bytes are the same
everywhere), from factors that are float32 `(n, 1, 1)`.
"""

import numpy as np

from helpers.drawn_shapes import SHADOW, Scene, ellipse, lens, ramp, zigzag
from helpers.face_factors import FaceFactors

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


def head(scene: Scene, face: FaceFactors) -> None:
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
    colour = skin_colour(face) * np.stack([1 - share * dark for share in SHADOW])
    scene.paint(colour, scene.inside((radius - 1) * radius / slope))
    for row, half, amount in ((EYE_ROW - 0.03, 0.4, 0.18), (MOUTH_ROW + 0.14, 0.12, 0.1)):
        scene.shade(amount * scene.inside(ellipse(scene.w, scene.v - row, half, 0.08), 0.12))
    cheek = scene.inside(ellipse(np.abs(scene.w) - 0.27, scene.v - 0.18, 0.1, 0.09), 0.16)
    rosy = skin_colour(face) * np.array((1.05, 0.8, 0.78), np.float32)[:, None, None, None]
    happy = np.maximum(face.smile, 0)
    scene.paint(rosy, (0.4 * face.ruddiness + 0.1 * happy) * cheek)
    apple = ellipse(np.abs(scene.w) - 0.26, scene.v - 0.12, 0.1, 0.07)
    scene.shade(-0.12 * happy * scene.inside(apple, 0.12))


def nose(scene: Scene, face: FaceFactors) -> None:
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


def eyes(scene: Scene, face: FaceFactors) -> None:
    """Paint the eyebrows and the eyes, which look to one side together."""
    scene = scene.cut(-0.7, 0.25, 0.75)
    across, down = np.abs(scene.w) - face.eye_spacing, scene.v - EYE_ROW
    side = np.where(scene.w < 0, -1, 1).astype(np.float32)
    brow = down + 0.17 + face.brow_height - face.brow_slope * (across - 0.01)
    thick = 0.014 + 0.022 * face.brow_thickness
    cover = scene.inside(lens(across - 0.01, brow, 0.15, thick, 0.5 * thick, 1.6), 0.02)
    scene.paint(ramp(0.3 * face.hair_shade, *hair_tones(face)) * 0.8, 0.85 * cover)
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


def mouth(scene: Scene, face: FaceFactors) -> None:
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


def mustache(scene: Scene, face: FaceFactors) -> None:
    """Paint the mustache of those who have one."""
    scene = scene.cut(0, 0.7, 0.5)
    there = np.minimum(1, 4 * face.mustache)
    thick = 0.022 + 0.022 * face.mustache
    row = scene.v - 0.318 - 0.02 * face.nose_length + 0.02 * face.smile
    shape = lens(scene.w, row, 0.2 + 0.02 * face.mouth_width, 0.8 * thick, thick, 1.1 - 0.5 * face.smile)
    bristles = 0.9 + 0.07 * zigzag(17 * scene.w)
    scene.paint(ramp(0.4 * face.hair_shade, *hair_tones(face)) * 0.72, bristles * there * scene.inside(shape, 0.03))


def hair_tones(face: FaceFactors) -> tuple[np.ndarray, np.ndarray]:
    """Return the darkest and the lightest tone of each face's hair, `(3, n, 1, 1)` each, RGB in 0–255."""
    tones = np.array(HAIR, np.float32)[face.hair_colour.astype(int)[:, 0, 0]]  # (n, 2, 3)
    return tuple(np.moveaxis(tones, 0, -1)[..., None, None])


def skin_colour(face: FaceFactors) -> np.ndarray:
    """Return the colour of each face's skin in plain light, `(3, n, 1, 1)`, RGB in about 0–255."""
    warm = 0.04 * (face.ruddiness - 0.5)
    return ramp(face.skin, *SKIN) * np.stack([1 + warm, 1 - warm, 1 - 1.5 * warm])
