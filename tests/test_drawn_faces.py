"""The drawn faces: every factor does what it says, where it says; the same seed gives the same bytes everywhere."""

import hashlib
import time
from dataclasses import fields, replace

import numpy as np
import pytest

from helpers import drawn_faces, drawn_shapes
from helpers.drawn_faces import draw_face, draw_faces, draw_from
from helpers.errors import UserError
from helpers.face_factors import ATTRIBUTES, FaceFactors, sample_factors

HAIR_COLOURS = ("Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair")
# A face on which every factor can be seen.
EVERYTHING = FaceFactors(
    bangs=0.7, mouth_openness=0.7, eyeglasses=0.7, mustache=0.7, hat=0.6, hair_length=0.7, background_colour=0.4
)
# Attribute: the factor, without and with it, and the box where it may be seen (top, bottom, left, right, in halves of
# a picture's side from its middle) on a face that looks straight ahead.
SEEN = {
    "Bangs": ("bangs", 0.0, 0.8, (-0.55, 0.2, -0.62, 0.62)),
    "Black_Hair": ("hair_colour", 2.0, 0.0, (-0.9, 0.7, -0.7, 0.7)),
    "Blond_Hair": ("hair_colour", 2.0, 1.0, (-0.9, 0.7, -0.7, 0.7)),
    "Brown_Hair": ("hair_colour", 0.0, 2.0, (-0.9, 0.7, -0.7, 0.7)),
    "Eyeglasses": ("eyeglasses", 0.0, 0.7, (-0.32, 0.1, -0.55, 0.55)),
    "Gray_Hair": ("hair_colour", 2.0, 3.0, (-0.9, 0.7, -0.7, 0.7)),
    "Mouth_Slightly_Open": ("mouth_openness", 0.0, 0.7, (0.32, 0.68, -0.3, 0.3)),
    "Mustache": ("mustache", 0.0, 0.75, (0.22, 0.48, -0.3, 0.3)),
    "Pale_Skin": ("skin", 0.5, 0.03, (-0.7, 1.0, -0.7, 0.7)),
    "Smiling": ("smile", 0.05, 0.9, (-0.2, 0.68, -0.5, 0.5)),
    "Wearing_Hat": ("hat", 0.0, 0.7, (-1.0, -0.1, -0.85, 0.85)),
}


def outside(box: tuple[float, ...], size: int) -> np.ndarray:
    """Return bool (size, size): the pixels whose middle lies outside a box."""
    place = (2 * np.arange(size) + 1) / size - 1
    top, bottom, left, right = box
    return ~((place >= top) & (place <= bottom))[:, None] | ~((place >= left) & (place <= right))[None]


def test_shapes_and_names():
    images, table, names = draw_faces(5, seed=3, size=32)
    assert images.shape == (5, 32, 32, 3) and images.dtype == np.uint8
    assert table.shape == (5, len(names)) and table.dtype == np.int8
    assert set(np.unique(table)) == {-1, 1}
    assert names == sorted(SEEN)
    assert draw_face(FaceFactors(), 48).shape == (48, 48, 3)


def test_the_same_seed_gives_the_same_bytes_everywhere():
    """The hash is that of x86-64 without and with AVX2 and AVX-512, and of NumPy 2.0 and 2.4.

    A new look of the faces changes it; a new machine or a new version of NumPy must not.
    """
    images, table, _ = draw_faces(40, seed=7, size=32)
    digest = hashlib.sha256(images.tobytes() + table.tobytes()).hexdigest()
    assert digest == "11160524e6738496509e4265c1fce36f868dd5220ab9cfedc813f57e51225e6f"


def test_a_longer_draw_begins_with_the_shorter_and_another_seed_is_another():
    longer, longer_table, _ = draw_faces(drawn_faces.BATCH + 4, seed=5, size=32)
    shorter, shorter_table, _ = draw_faces(10, seed=5, size=32)
    np.testing.assert_array_equal(longer[:10], shorter)
    np.testing.assert_array_equal(longer_table[:10], shorter_table)
    assert (draw_faces(10, seed=6, size=32)[0] != shorter).mean() > 0.5


def test_one_face_of_a_draw_can_be_drawn_by_itself():
    images, table, names = draw_faces(6, seed=9, size=48)
    factors = sample_factors(6, seed=9)
    np.testing.assert_array_equal(draw_face(factors[4], 48), images[4])
    assert [bool(ATTRIBUTES[name](factors[4])) for name in names] == (table[4] > 0).tolist()


def test_attributes_are_neither_rare_nor_everywhere_and_go_their_own_ways():
    factors = sample_factors(20_000, seed=1)
    has = np.stack([ATTRIBUTES[name](factors) for name in SEEN], axis=1)
    assert ((has.mean(axis=0) > 0.15) & (has.mean(axis=0) < 0.5)).all()
    hair = np.isin(list(SEEN), HAIR_COLOURS)
    np.testing.assert_array_equal(has[:, hair].sum(axis=1), 1)
    correlation = np.corrcoef(has.T)
    correlation[np.ix_(hair, hair)] = 0
    assert np.abs(correlation - np.diag(np.diag(correlation))).max() < 5 / np.sqrt(len(has))


def test_factors_are_independent_of_each_other():
    factors = sample_factors(20_000, seed=2)
    columns = np.stack([getattr(factors, factor.name) for factor in fields(factors)])
    correlation = np.corrcoef(columns) - np.eye(len(columns))
    assert np.abs(correlation).max() < 5 / np.sqrt(columns.shape[1])


@pytest.mark.parametrize("attribute", SEEN)
def test_an_attribute_is_seen_where_it_should_be_and_nowhere_else(attribute):
    factor, without, with_it, box = SEEN[attribute]
    for face in (FaceFactors(), FaceFactors(skin=0.9, hair_colour=1.0, contrast=0.3, light=-0.8, mouth_width=0.9)):
        plain, changed = replace(face, **{factor: without}), replace(face, **{factor: with_it})
        difference = draw_face(changed).astype(int) - draw_face(plain)
        elsewhere = outside(box, 64)
        assert not difference[elsewhere].any()
        assert np.abs(difference[~elsewhere]).mean() > 1.5


@pytest.mark.parametrize("attribute", SEEN)
def test_an_attribute_changes_no_other_but_the_colours_of_hair(attribute):
    factor, without, with_it, _ = SEEN[attribute]
    plain, changed = FaceFactors(**{factor: without}), FaceFactors(**{factor: with_it})
    flipped = {name for name, holds in ATTRIBUTES.items() if holds(plain) != holds(changed)}
    assert not ATTRIBUTES[attribute](plain) and ATTRIBUTES[attribute](changed)
    assert flipped - {attribute} <= (set(HAIR_COLOURS) if attribute in HAIR_COLOURS else set())


@pytest.mark.parametrize("factor", [factor.name for factor in fields(FaceFactors)])
def test_every_factor_can_be_seen(factor):
    _, there, missing = FaceFactors.__dataclass_fields__[factor].metadata["ranges"]
    low, high = min(*there, *missing), max(*there, *missing)
    if factor.endswith("_hue") or factor == "hair_colour":
        high /= 2  # the circle of hues ends where it begins, and there is no fifth colour of hair
    first, last = (draw_face(replace(EVERYTHING, **{factor: value})).astype(int) for value in (low, high))
    assert (np.abs(last - first).max(axis=-1) > 8).sum() >= 4


def test_hair_has_the_colour_it_is_called_by():
    black, blond, brown, grey = (
        draw_face(FaceFactors(hair_colour=float(number)))[8:14, 28:36].reshape(-1, 3).mean(axis=0)
        for number in range(4)
    )
    assert black.max() < 60 < brown.mean() < grey.mean()
    assert brown[0] > 1.3 * brown[2] and blond[0] > 1.3 * blond[2] and blond.mean() > brown.mean() + 50
    assert np.ptp(grey) < 12


def test_a_mirrored_face_is_that_of_the_mirrored_factors():
    sides = dict.fromkeys(("right", "tilt", "turn", "light", "gaze", "parting", "background_across"))
    sides = {name: 0.5 * FaceFactors.__dataclass_fields__[name].metadata["ranges"][1][1] for name in sides}
    # Waves of hair are the same to both sides.
    face = replace(EVERYTHING, hair_wave=0.0, **sides)
    mirrored = replace(face, **{name: -value for name, value in sides.items()})
    np.testing.assert_array_equal(draw_face(mirrored), draw_face(face)[:, ::-1])
    assert (draw_face(face) != draw_face(face)[:, ::-1]).mean() > 0.5


def test_eyes_stay_where_they_are_when_the_head_turns():
    """As in CelebA, whose pictures are aligned by the eyes: the darkest columns at their height are theirs."""
    face = FaceFactors(skin=0.1, eye_colour=0.0, tilt=0.0, contrast=0.3)
    for turn in (-0.25, 0.25):
        pixels = draw_face(replace(face, turn=turn), 128)[54:62].astype(int).sum(axis=-1).min(axis=0)
        left, right = 30 + pixels[30:60].argmin(), 68 + pixels[68:98].argmin()
        assert abs((left + right) / 2 - 63.5) < 4


@pytest.mark.parametrize("tilt", [-0.05, 0.0, 0.05])
def test_tilt_turns_the_eyes_round_the_middle(tilt):
    """The line from pupil to pupil is as long as ever and rises by the sine of the angle."""
    face = FaceFactors(skin=0.1, eye_colour=0.0, contrast=0.3, tilt=tilt)
    pixels = draw_face(face, 256).astype(int).sum(axis=-1)
    left, right = pixels[90:145, 60:125], pixels[90:145, 132:196]
    left, right = (np.argwhere(eye < eye.min() + 40).mean(axis=0) for eye in (left, right))
    sine, length = 2 * tilt / (1 + tilt**2), 2 * face.eye_spacing * face.scale * 128
    down, across = right - left + (0, 132 - 60)
    assert down == pytest.approx(sine * length, abs=1)
    assert across == pytest.approx(length, abs=2)


def test_a_larger_picture_shrunk_is_the_smaller_one():
    """Edges are smooth: what a pixel shows is about the mean over its area."""
    factors = sample_factors(12, seed=4)
    large = draw_from(factors, 256).astype(float)
    assert np.abs(np.diff(large, axis=2)).max(axis=(1, 2, 3)).min() > 120  # each is as sharp as its pixels allow
    difference = np.abs(large.reshape(12, 64, 4, 64, 4, 3).mean(axis=(2, 4)) - draw_from(factors, 64))
    assert difference.mean() < 2
    assert np.quantile(difference, 0.99) < 25


def test_layers_end_within_the_part_that_is_cut_out_for_them(monkeypatch):
    factors, cut = sample_factors(100, seed=8), drawn_shapes.Scene.cut
    images = draw_from(factors)
    larger = lambda scene, top, bottom, side=1.0: cut(scene, top - 0.1, bottom + 0.1, side + 0.1)  # noqa: E731
    monkeypatch.setattr(drawn_shapes.Scene, "cut", larger)
    np.testing.assert_array_equal(draw_from(factors), images)


def test_faces_are_of_many_kinds():
    images = draw_faces(200, seed=1, size=32)[0].reshape(200, -1).astype(float)
    squares = (images**2).sum(axis=1)
    distances = squares[:, None] + squares[None] - 2 * images @ images.T
    np.fill_diagonal(distances, np.inf)
    assert np.sqrt(distances.min() / images.shape[1]) > 10  # grey levels between the two that are most alike


def test_attributes_can_be_learned_from_the_pixels():
    """By a linear model on 32x32 pixels, better than by always saying no."""
    from sklearn.linear_model import RidgeClassifier

    images, table, names = draw_faces(1_500, seed=1, size=32)
    pixels = images.reshape(len(images), -1) / 255
    for name in ("Pale_Skin", "Wearing_Hat", "Black_Hair", "Eyeglasses", "Mouth_Slightly_Open", "Smiling"):
        target = table[:, names.index(name)]
        score = RidgeClassifier(alpha=10.0).fit(pixels[:1_200], target[:1_200]).score(pixels[1_200:], target[1_200:])
        assert score > (target[1_200:] == -1).mean() + 0.1, name


def test_two_thousand_faces_take_seconds():
    """A quarter of them, with patience for a busy machine: on one core of a quiet one 2,000 take 1.5 s."""
    start = time.process_time()
    draw_faces(500, seed=1)
    assert time.process_time() - start < 2.5


@pytest.mark.parametrize(
    ("count", "size", "says"), [(0, 64, "at least 1"), (-3, 64, "at least 1"), (2, 15, "least 16")]
)
def test_nothing_to_draw_is_an_error(count, size, says):
    with pytest.raises(UserError, match=says):
        draw_faces(count, seed=1, size=size)
