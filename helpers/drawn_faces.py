"""Faces drawn from known factors, under CelebA's attribute names, for a machine that has no CelebA.

A face is painted in layers: those of the head and what is on it are in `helpers.drawn_features`; those behind it,
the hair, and what is worn are here. Every layer is painted on some faces at once. The same seed gives the same bytes
on every machine (`helpers.drawn_shapes` says why, and has the units of length).
"""

from dataclasses import fields

import numpy as np

from helpers.drawn_features import EYE_ROW, eyes, hair_tones, head, mouth, mustache, nose, skin_colour
from helpers.drawn_shapes import SHADOW, Scene, ellipse, hue_colour, lens, ramp, zigzag
from helpers.errors import UserError
from helpers.face_factors import ATTRIBUTES, FaceFactors, sample_factors

BATCH = 16  # faces painted at a time; more of them leave the processor's cache


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
    scene.paint(skin_colour(face) * np.stack([1 - share * 0.8 * dark for share in SHADOW]), cover)


def _ears(scene: Scene, face: FaceFactors) -> None:
    scene = scene.cut(-0.4, 0.4, 0.8)
    ear = ellipse(np.abs(scene.u - 0.08 * face.turn) - face.width - 0.01, scene.v + 0.02, 0.06, 0.14)
    scene.paint(skin_colour(face) * 0.92, scene.inside(ear))
    scene.shade(0.25 * scene.inside(ear + 0.04, 0.05))


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
    return ramp(np.clip(level, 0, 1.2), *hair_tones(face))


# From the back to the front.
_BEHIND = (_background, _back_hair, _body, _ears)
LAYERS = (*_BEHIND, head, nose, eyes, mouth, mustache, _front_hair, _eyeglasses, _hat)
