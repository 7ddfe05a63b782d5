"""The faces: only what depends on a control is decoded, attributes add up, and faces morph."""

import numpy as np
import pytest
from explorer_tools import Decoder, all_of, find, first_two, from_browser, pixels

from helpers.explorers.faces import FaceExplorer
from helpers.session import UserError

DIMENSIONS = 6

LATENTS = np.zeros((5, DIMENSIONS), np.float32)
LATENTS[:, 0] = [-4, 4, 0, 2, -2]
LATENTS[:, 2] = [1, 2, 3, 4, 5]
FACES = np.linspace(0, 1, 5, dtype=np.float32)[:, None, None, None] * np.ones((5, 4, 4, 3), np.float32)
VECTORS = {"Smiling": np.eye(DIMENSIONS)[1], "Wearing_Hat": np.eye(DIMENSIONS)[0] / 2}


@pytest.fixture
def decoder():
    return Decoder(channels=(3,))


@pytest.fixture
def faces(decoder):
    return FaceExplorer(decoder, FACES, LATENTS, VECTORS)


def test_the_first_face_is_shown_with_its_reconstruction_and_the_second(faces, decoder):
    np.testing.assert_allclose(first_two(faces, "reconstruction"), [-4, 0], atol=0.1)
    np.testing.assert_allclose(first_two(faces, "edited"), [-4, 0], atol=0.1)
    np.testing.assert_allclose(first_two(faces, "morphed"), [0, 0], atol=0.1)
    np.testing.assert_allclose(pixels(faces, "original"), 0, atol=1 / 255)
    np.testing.assert_allclose(pixels(faces, "other"), 0.25, atol=1 / 255)
    assert len(decoder.calls) == 1


def test_an_attribute_is_added_as_often_as_its_slider_says(faces, decoder):
    faces.set(morph=0.0)
    from_browser(find(faces, "smiling"), value=2.0)
    faces.set(Wearing_Hat=-3.0)
    np.testing.assert_allclose(faces.edited, LATENTS[0] + 2 * VECTORS["Smiling"] - 3 * VECTORS["Wearing_Hat"])
    np.testing.assert_allclose(first_two(faces, "edited"), [-5.5, 2], atol=0.1)
    np.testing.assert_allclose(first_two(faces, "morphed"), [-5.5, 2], atol=0.1)
    np.testing.assert_allclose(first_two(faces, "reconstruction"), [-4, 0], atol=0.1)


@pytest.mark.parametrize(
    ("name", "value", "count"),
    [("face", 3, 3), ("Smiling", 1.0, 2), ("second", 4, 1), ("morph", 0.25, 1), ("path", "great circle", 1)],
)
def test_only_what_depends_on_a_control_is_decoded_and_in_one_batch(faces, decoder, name, value, count):
    before = len(decoder.calls)
    faces.controls[name].value = value
    assert len(decoder.calls) == before + 1
    assert decoder.calls[-1].shape == (count, DIMENSIONS) and decoder.calls[-1].dtype == np.float32


def test_choosing_faces_shows_their_originals(faces):
    from_browser(find(faces, "face"), value=4)
    from_browser(find(faces, "second"), value=2)
    np.testing.assert_allclose(pixels(faces, "original"), 1, atol=1 / 255)
    np.testing.assert_allclose(pixels(faces, "other"), 0.5, atol=1 / 255)


def test_a_morph_goes_from_the_edited_face_to_the_second(faces):
    faces.set(Smiling=2.0)
    for fraction, expected in [(0.0, (-4, 2)), (0.5, (0, 1)), (1.0, (4, 0))]:
        faces.controls["morph"].value = fraction
        np.testing.assert_allclose(first_two(faces, "morphed"), expected, atol=0.1)
    np.testing.assert_array_equal(faces.morphed, LATENTS[1])


def test_a_morph_along_a_great_circle_keeps_its_length(faces):
    faces.set(morph=0.5)
    short = np.linalg.norm(faces.morphed)
    faces.set(path="great circle")
    ends = np.linalg.norm(LATENTS[:2], axis=1)
    assert np.linalg.norm(faces.morphed) == pytest.approx(ends.mean(), rel=1e-5) and short < 0.5 * ends.mean()


def test_values_beyond_the_usual_are_marked(faces):
    smile = find(faces, "smiling")
    faces.set(Smiling=2.0)
    assert smile.description == "Smiling" and "Beyond" not in faces.status.value
    faces.set(Smiling=-2.1, Wearing_Hat=3.0)
    assert smile.description == "⚠ Smiling" and find(faces, "wearing-hat").description == "⚠ Wearing Hat"
    assert "Smiling, Wearing Hat" in faces.status.value
    faces.set(Smiling=0.0, Wearing_Hat=0.0)
    assert smile.description == "Smiling" and "Beyond" not in faces.status.value


def test_surprise_draws_a_latent_until_a_face_is_chosen(faces, decoder):
    faces.set(Smiling=1.0)
    find(faces, "surprise").click()
    drawn = faces.z
    assert not (drawn == LATENTS).all(axis=1).any()
    np.testing.assert_allclose(faces.edited, drawn + VECTORS["Smiling"], atol=1e-6)
    np.testing.assert_array_equal(decoder.calls[-1][0], drawn)
    assert len(np.unique(pixels(faces, "original"))) == 1
    find(faces, "surprise").click()
    assert (faces.z != drawn).all()
    faces.controls["face"].value = 2
    np.testing.assert_array_equal(faces.z, LATENTS[2])


def test_reset_of_the_faces_brings_back_the_first_picture_with_one_call(faces, decoder):
    first = {name: find(faces, name).value for name in ("original", "reconstruction", "edited", "morphed", "other")}
    faces.set(face=3, second=4, Smiling=2.0, morph=0.9, path="great circle")
    faces.surprise()
    before = len(decoder.calls)
    find(faces, "reset").click()
    assert len(decoder.calls) == before + 1
    assert {name: find(faces, name).value for name in first} == first


def test_latents_without_originals_are_shown(decoder):
    explorer = FaceExplorer(decoder, None, LATENTS, VECTORS)
    explorer.set(face=3)
    np.testing.assert_allclose(first_two(explorer, "reconstruction"), [2, 0], atol=0.1)
    assert not all_of(explorer, "original") and not all_of(explorer, "other")
    explorer.surprise()
    assert "N(0, I)" in explorer.status.value


@pytest.mark.parametrize(
    ("latents", "vectors", "word"),
    [(LATENTS, {"Smiling": np.zeros(3)}, "has 6 numbers"), (LATENTS * np.nan, VECTORS, "no numbers")],
)
def test_latents_that_do_not_fit_are_refused(decoder, latents, vectors, word):
    with pytest.raises(UserError, match=word):
        FaceExplorer(decoder, FACES, latents, vectors)
