"""The latent explorers: moves reach the decoder once, pictures and words follow, a walk can be stopped, faces morph."""

import io
import threading
import time

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from helpers import latent_explorer
from helpers.errors import UserError
from helpers.latent_explorer import FaceExplorer, MapExplorer, enlarged, nearest_picture

POINTS = np.array([[-2, -1], [2, -1], [2, 1], [-2, 1]], np.float32)
LABELS = np.array([0, 1, 2, 3])
NAMES = ["a", "b", "c", "d"]
SECONDS = 20  # more than any of this needs; only a hang gets there
DIMENSIONS = 6


class Decoder:
    """Stands for a decoder: its pictures hold the first latents as grey levels; remembers its calls."""

    def __init__(self, channels=(), size=4):
        self.channels, self.size, self.calls, self.error = channels, size, [], None

    def __call__(self, z):
        self.calls.append(z)
        if self.error:
            raise self.error
        pictures = np.zeros((len(z), self.size, self.size, *self.channels), np.float32)
        greys = grey(z[:, :2]).reshape(-1, 2, *[1] * len(self.channels))
        pictures[:, 0, :2] = greys
        return pictures


def grey(value):
    return np.clip(0.5 + np.asarray(value, np.float32) / 20, 0, 1)


def walk_through(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from walk_through(child)


def find(explorer, name):
    [widget] = [part for part in walk_through(explorer.view) if f"explore-{name}" in getattr(part, "_dom_classes", ())]
    return widget


def is_shown(explorer, name):
    return any(f"explore-{name}" in getattr(part, "_dom_classes", ()) for part in walk_through(explorer.view))


def pixels(explorer, name):
    return np.asarray(Image.open(io.BytesIO(find(explorer, name).value)), np.float32) / 255


def first_two(explorer, name):
    """Return the two latents that a picture of `Decoder` holds, read back from the PNG."""
    picture = pixels(explorer, name)
    factor = len(picture) // 4
    corner = picture[0, [0, factor]]
    return (corner if corner.ndim == 1 else corner[:, 0]) * 20 - 10


def from_browser(widget, **values):
    """Set traits as a message from the page does."""
    widget.set_state(values)


@pytest.fixture
def decoder():
    return Decoder()


@pytest.fixture
def seen():
    return []


@pytest.fixture
def explorer(decoder, seen):
    def nearest(z):
        seen.append(z)
        return np.full((4, 4), 0.25, np.float32), f"<near {z[0]:.1f}>"

    made = MapExplorer(decoder, POINTS, LABELS, NAMES, nearest, limits=((-5, -4), (5, 4)))
    yield made
    made.stop()
    assert made.wait(SECONDS)


@pytest.fixture
def quick_walk(monkeypatch):
    monkeypatch.setattr(latent_explorer, "SECONDS_A_FRAME", 0)


def test_the_middle_is_decoded_at_once(explorer, decoder, seen):
    assert len(decoder.calls) == 1 and decoder.calls[0].shape == (1, 2) and decoder.calls[0].dtype == np.float32
    np.testing.assert_array_equal(decoder.calls[0], [[0, 0]])
    np.testing.assert_allclose(first_two(explorer, "decoded"), [0, 0], atol=0.05)
    np.testing.assert_allclose(pixels(explorer, "nearest"), 0.25, atol=1 / 255)


@pytest.mark.parametrize("name", ["map", "walk", "surprise", "reset", "decoded", "nearest", "status"])
def test_everything_can_be_found_in_a_page(explorer, name):
    assert find(explorer, name)


def test_the_map_has_room_for_all_points_where_no_limits_are_given(decoder):
    made = MapExplorer(decoder, POINTS, LABELS, NAMES)
    np.testing.assert_allclose([made.pad.low, made.pad.high], [[-2.2, -1.1], [2.2, 1.1]])
    assert not is_shown(made, "nearest") and not is_shown(made, "decoder")


def test_a_move_on_the_map_is_decoded_once(explorer, decoder, seen):
    from_browser(explorer.pad, x=3.0, y=-2.0)
    np.testing.assert_array_equal(decoder.calls[1:], [[[3, -2]]])
    np.testing.assert_array_equal(seen[1:], [[3, -2]])
    np.testing.assert_allclose(first_two(explorer, "decoded"), [3, -2], atol=0.05)
    captions = [part.value for part in walk_through(explorer.view) if isinstance(part, ipywidgets.HTML)]
    assert any("&lt;near 3.0&gt;" in caption for caption in captions)


def test_the_same_place_again_is_not_decoded(explorer, decoder):
    from_browser(explorer.pad, x=3.0, y=-2.0)
    from_browser(explorer.pad, x=3.0 + 1e-9, y=-2.0)
    assert len(decoder.calls) == 2


@pytest.mark.parametrize(
    ("asked", "reached"), [({"z1": 1.5}, (1.5, 0)), ({"z2": -2}, (0, -2)), ({"z1": 99, "z2": -99}, (5, -4))]
)
def test_setting_a_place_moves_the_cross_hair_within_the_map_and_decodes_once(explorer, decoder, asked, reached):
    explorer.set(**asked)
    assert (explorer.pad.x, explorer.pad.y) == reached
    np.testing.assert_array_equal(explorer.z, np.float32(reached))
    np.testing.assert_array_equal(decoder.calls[1:], [[reached]])


def test_a_picture_is_enlarged_by_whole_pixels():
    picture = np.random.default_rng(0).random((28, 20, 3))
    large = enlarged(picture, 200)
    assert large.shape == (7 * 28, 7 * 20, 3)
    np.testing.assert_array_equal(large[3::7, 6::7], picture)
    np.testing.assert_array_equal(large[::7, ::7], picture)
    assert enlarged(picture, 5).shape == picture.shape


@pytest.mark.parametrize("channels", [(), (1,), (3,)])
def test_grey_and_coloured_pictures_are_shown(channels):
    made = MapExplorer(Decoder(channels), POINTS, LABELS, NAMES, limits=(-5, 5))
    made.set(z1=4, z2=-4)
    np.testing.assert_allclose(first_two(made, "decoded"), [4, -4], atol=0.05)
    assert pixels(made, "decoded").shape == (200, 200, *(channels if channels == (3,) else ()))


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda z: np.zeros((2, 4, 4)), "(2, 4, 4)"),
        (lambda z: np.zeros((1, 4, 4, 2)), "4, 2"),
        (lambda z: np.zeros((1, 16)), "16"),
        (lambda z: np.zeros((1, 4, 4), np.uint8), "uint8"),
        (lambda z: np.full((1, 4, 4), np.nan), "NaN"),
    ],
)
def test_what_is_no_picture_is_said_in_words(made, message):
    explorer = MapExplorer(made, POINTS, LABELS, NAMES)
    assert "alert" in explorer.status.value and message in explorer.status.value


def test_an_error_is_shown_in_words_and_the_next_move_mends_it(explorer, decoder):
    decoder.error = UserError("train <first>")
    explorer.set(z1=1)
    assert "alert" in explorer.status.value and "train &lt;first&gt;" in explorer.status.value
    decoder.error = None
    explorer.set(z1=2)
    assert "alert" not in explorer.status.value and "train" not in explorer.status.value


def test_a_fault_of_the_program_is_not_hidden_and_the_explorer_goes_on(explorer, decoder):
    decoder.error = ZeroDivisionError("a bug")
    with pytest.raises(ZeroDivisionError):
        explorer.set(z1=1)
    decoder.error = None
    from_browser(explorer.pad, x=2.0)
    np.testing.assert_allclose(first_two(explorer, "decoded"), [2, 0], atol=0.05)


def test_decoders_with_maps_of_their_own_can_be_switched_between():
    first, second = Decoder(), Decoder()
    near = {name: nearest_picture(POINTS, np.zeros((4, 4, 4)), [f"{name} {k}" for k in NAMES]) for name in "xy"}
    made = MapExplorer({"x": first, "y": second}, {"x": POINTS, "y": POINTS + 7}, LABELS, NAMES, near)
    np.testing.assert_allclose(made.pad.low, [-2.55, -1.45], atol=1e-6)  # holds both maps
    before = made.pad.points
    from_browser(find(made, "decoder"), index=1)
    np.testing.assert_allclose(np.frombuffer(made.pad.points, "<f4") - np.frombuffer(before, "<f4"), 7, atol=1e-6)
    assert len(first.calls) == len(second.calls) == 1
    assert any("y c" in part.value for part in walk_through(made.view) if isinstance(part, ipywidgets.HTML))
    made.reset()
    assert made.pad.points == before and len(first.calls) == 2


def test_names_that_do_not_fit_are_refused(decoder):
    with pytest.raises(UserError, match="the same names"):
        MapExplorer({"x": decoder}, {"y": POINTS}, LABELS, NAMES)


def test_reset_goes_back_to_the_middle_with_one_call(explorer, decoder):
    explorer.set(z1=3, z2=3)
    find(explorer, "reset").click()
    np.testing.assert_array_equal(decoder.calls[2:], [[[0, 0]]])


def test_surprise_goes_somewhere_on_the_map(explorer, decoder):
    for _ in range(20):
        find(explorer, "surprise").click()
    places = np.concatenate(decoder.calls[1:])
    assert len(np.unique(places, axis=0)) == 20
    assert (np.abs(places) <= [5, 4]).all() and (places.max(axis=0) > 0).all() and (places.min(axis=0) < 0).all()


def test_a_walk_visits_every_class_and_comes_back(explorer, decoder, quick_walk):
    explorer.set(z1=2, z2=0.9)
    find(explorer, "walk").click()
    assert explorer.wait(SECONDS)
    way = np.concatenate(decoder.calls[2:])
    np.testing.assert_allclose(way[[0, -1]], [[2, 1], [2, 1]], atol=1e-6)
    for stop in POINTS:
        assert np.linalg.norm(way - stop, axis=1).min() < 0.1
    np.testing.assert_array_equal(explorer.z, way[-1])
    assert find(explorer, "walk").description == "Walk"


def test_a_walk_can_be_stopped(explorer, decoder):
    found = find(explorer, "walk")
    found.click()
    assert found.description == "Stop" and explorer.is_walking and not explorer.walk()
    found.click()
    assert explorer.wait(SECONDS) and found.description == "Walk"
    assert len(decoder.calls) < 100  # of 160 frames


def test_whoever_moves_a_control_ends_the_walk(explorer, decoder):
    begun = threading.Event()
    explorer.pad.observe(lambda change: begun.set(), names="x")
    explorer.walk()
    assert begun.wait(SECONDS)
    from_browser(explorer.pad, x=4.5, y=3.5)
    assert explorer.wait(SECONDS)
    np.testing.assert_array_equal(explorer.z, [4.5, 3.5])
    np.testing.assert_array_equal(decoder.calls[-1], [[4.5, 3.5]])


def test_the_walk_and_the_browser_take_turns(explorer):
    assert explorer._lock is explorer.pad.lock


def test_moving_back_to_where_the_walk_began_ends_it_too(explorer, decoder):
    begun = threading.Event()
    explorer.pad.observe(lambda change: begun.set(), names="x")
    explorer.walk()
    assert begun.wait(SECONDS)
    from_browser(explorer.pad, x=0.0, y=0.0)
    assert explorer.wait(SECONDS)
    np.testing.assert_array_equal(decoder.calls[-1], [[0, 0]])


@pytest.mark.parametrize("error", [UserError("a <word>"), ZeroDivisionError("a <word>")])
def test_what_goes_wrong_on_a_walk_is_said(explorer, decoder, quick_walk, error):
    decoder.error = error
    explorer.walk()
    assert explorer.wait(SECONDS)
    assert "a &lt;word&gt;" in explorer.status.value and "alert" in explorer.status.value
    assert find(explorer, "walk").description == "Walk"


def test_a_hundred_moves_leave_no_thread_and_no_figure_and_are_quick(explorer, decoder):
    threads, figures, widgets = threading.active_count(), plt.get_fignums(), len(list(walk_through(explorer.view)))
    durations = []
    for number in range(100):
        started = time.perf_counter()
        from_browser(explorer.pad, x=number / 50, y=-number / 50)
        durations.append(time.perf_counter() - started)
    assert len(decoder.calls) == 100  # the first place is the one that was there
    assert threading.active_count() == threads and plt.get_fignums() == figures
    assert len(list(walk_through(explorer.view))) == widgets
    assert np.median(durations) < 0.03


def test_the_nearest_picture_is_that_of_the_nearest_latent():
    pictures = np.arange(4, dtype=np.float32)[:, None, None] / 4 * np.ones((4, 2, 2), np.float32)
    nearest = nearest_picture(POINTS, pictures, NAMES)
    picture, caption = nearest(np.array([1.4, 0.2], np.float32))
    assert caption == "c" and (picture == 0.5).all()
    with pytest.raises(UserError, match="do not match"):
        nearest_picture(POINTS, pictures[:3], NAMES)


# ---- faces


@pytest.fixture
def colour_decoder():
    return Decoder(channels=(3,))


LATENTS = np.zeros((5, DIMENSIONS), np.float32)
LATENTS[:, 0] = [-4, 4, 0, 2, -2]
LATENTS[:, 2] = [1, 2, 3, 4, 5]
FACES = np.linspace(0, 1, 5, dtype=np.float32)[:, None, None, None] * np.ones((5, 4, 4, 3), np.float32)
VECTORS = {"Smiling": np.eye(DIMENSIONS)[1], "Wearing_Hat": np.eye(DIMENSIONS)[0] / 2}


@pytest.fixture
def faces(colour_decoder):
    return FaceExplorer(colour_decoder, FACES, LATENTS, VECTORS)


def decoded(decoder):
    """Return the latents of the last call as sets of rows."""
    return {tuple(np.round(row, 4).tolist()) for row in decoder.calls[-1]}


def row(*first, third=0):
    return tuple(np.round(np.float32([*first, third, 0, 0, 0]), 4).tolist())


def test_the_first_face_is_shown_with_its_reconstruction_and_the_second(faces, colour_decoder):
    np.testing.assert_allclose(first_two(faces, "reconstruction"), [-4, 0], atol=0.1)
    np.testing.assert_allclose(first_two(faces, "edited"), [-4, 0], atol=0.1)
    np.testing.assert_allclose(first_two(faces, "morphed"), [0, 0], atol=0.1)
    np.testing.assert_allclose(pixels(faces, "original"), 0, atol=1 / 255)
    np.testing.assert_allclose(pixels(faces, "other"), 0.25, atol=1 / 255)
    assert len(colour_decoder.calls) == 1


@pytest.mark.parametrize(
    "name", ["face", "smiling", "wearing-hat", "second", "morph", "path", "surprise", "reset", "status"]
)
def test_every_control_of_the_faces_can_be_found(faces, name):
    assert find(faces, name)


def test_an_attribute_is_added_as_often_as_its_slider_says(faces, colour_decoder):
    faces.set(morph=0.0)
    from_browser(find(faces, "smiling"), value=2.0)
    faces.set(Wearing_Hat=-3.0)
    np.testing.assert_allclose(faces.edited, LATENTS[0] + 2 * VECTORS["Smiling"] - 3 * VECTORS["Wearing_Hat"])
    np.testing.assert_allclose(first_two(faces, "edited"), [-5.5, 2], atol=0.1)
    np.testing.assert_allclose(first_two(faces, "morphed"), [-5.5, 2], atol=0.1)
    np.testing.assert_allclose(first_two(faces, "reconstruction"), [-4, 0], atol=0.1)


@pytest.mark.parametrize(
    ("name", "value", "count"),
    [("face", 3, 3), ("Smiling", 1.0, 2), ("second", 4, 1), ("morph", 0.25, 1), ("path", "spherical", 1)],
)
def test_only_what_depends_on_a_control_is_decoded_and_in_one_batch(faces, colour_decoder, name, value, count):
    before = len(colour_decoder.calls)
    faces.controls[name].value = value
    assert len(colour_decoder.calls) == before + 1
    assert colour_decoder.calls[-1].shape == (count, DIMENSIONS) and colour_decoder.calls[-1].dtype == np.float32


def test_a_value_that_only_comes_back_is_not_decoded_again(faces, colour_decoder):
    faces.set(Smiling=0.3)
    before = len(colour_decoder.calls)
    from_browser(find(faces, "smiling"), value=0.30000000000000004)
    assert len(colour_decoder.calls) == before


def test_choosing_faces_shows_their_originals(faces):
    from_browser(find(faces, "face"), value=4)
    from_browser(find(faces, "second"), value=2)
    np.testing.assert_allclose(pixels(faces, "original"), 1, atol=1 / 255)
    np.testing.assert_allclose(pixels(faces, "other"), 0.5, atol=1 / 255)
    np.testing.assert_allclose(first_two(faces, "reconstruction"), [-2, 0], atol=0.1)


def test_a_morph_goes_from_the_edited_face_to_the_second(faces, colour_decoder):
    faces.set(Smiling=2.0)
    for fraction, expected in [(0.0, (-4, 2)), (0.5, (0, 1)), (1.0, (4, 0))]:
        faces.controls["morph"].value = fraction
        np.testing.assert_allclose(first_two(faces, "morphed"), expected, atol=0.1)
    np.testing.assert_array_equal(faces.morphed, LATENTS[1])


def test_a_morph_along_a_great_circle_keeps_its_length(faces):
    faces.set(morph=0.5)
    short = np.linalg.norm(faces.morphed)
    faces.set(path="spherical")
    ends = np.linalg.norm(LATENTS[:2], axis=1)
    assert np.linalg.norm(faces.morphed) == pytest.approx(ends.mean(), rel=1e-5) and short < 0.5 * ends.mean()


def test_values_beyond_the_usual_are_marked(faces):
    smile = find(faces, "smiling")
    faces.set(Smiling=3.0)
    assert smile.description == "Smiling" and "Beyond" not in faces.status.value
    faces.set(Smiling=-3.1, Wearing_Hat=4.0)
    assert smile.description == "⚠ Smiling" and find(faces, "wearing-hat").description == "⚠ Wearing Hat"
    assert "Smiling, Wearing Hat" in faces.status.value
    faces.set(Smiling=0.0, Wearing_Hat=0.0)
    assert smile.description == "Smiling" and "Beyond" not in faces.status.value


def test_surprise_draws_a_latent_until_a_face_is_chosen(faces, colour_decoder):
    faces.set(Smiling=1.0)
    find(faces, "surprise").click()
    drawn = faces.z
    assert not (drawn == LATENTS).all(axis=1).any() and np.abs(drawn).max() < 6
    np.testing.assert_allclose(faces.edited, drawn + VECTORS["Smiling"], atol=1e-6)
    np.testing.assert_array_equal(colour_decoder.calls[-1][0], drawn)
    assert len(np.unique(pixels(faces, "original"))) == 1
    find(faces, "surprise").click()
    assert (faces.z != drawn).all()
    faces.controls["face"].value = 2
    np.testing.assert_array_equal(faces.z, LATENTS[2])


def test_drawn_latents_are_standard_normal(colour_decoder):
    wide = FaceExplorer(colour_decoder, None, np.zeros((2, 5_000)), {})
    wide.surprise()
    assert abs(wide.z.mean()) < 0.1 and abs(wide.z.std() - 1) < 0.1


def test_reset_of_the_faces_brings_back_the_first_picture_with_one_call(faces, colour_decoder):
    first = {name: find(faces, name).value for name in ("original", "reconstruction", "edited", "morphed", "other")}
    faces.set(face=3, second=4, Smiling=2.0, morph=0.9, path="spherical")
    faces.surprise()
    before = len(colour_decoder.calls)
    find(faces, "reset").click()
    assert len(colour_decoder.calls) == before + 1
    assert {name: find(faces, name).value for name in first} == first
    assert all(control.value == faces._first[name] for name, control in faces.controls.items())


def test_latents_without_originals_and_without_attributes_are_shown(colour_decoder):
    made = FaceExplorer(colour_decoder, None, LATENTS)
    made.set(face=3)
    np.testing.assert_allclose(first_two(made, "reconstruction"), [2, 0], atol=0.1)
    assert not any(is_shown(made, name) for name in ("original", "other", "edited"))
    made.surprise()
    assert "N(0, I)" in made.status.value


def test_a_single_face_serves(colour_decoder):
    made = FaceExplorer(colour_decoder, FACES[:1], LATENTS[:1], VECTORS)
    np.testing.assert_array_equal(made.morphed, LATENTS[0])


@pytest.mark.parametrize(
    ("faces", "latents", "vectors", "message"),
    [
        (FACES[:4], LATENTS, VECTORS, "want as many faces"),
        ((FACES * 255).astype(np.uint8), LATENTS, VECTORS, "uint8"),
        (FACES, LATENTS, {"Smiling": np.zeros(3)}, "has 6 numbers"),
        (FACES, LATENTS * np.nan, VECTORS, "no numbers"),
    ],
)
def test_faces_that_do_not_fit_are_refused(colour_decoder, faces, latents, vectors, message):
    with pytest.raises(UserError, match=message):
        FaceExplorer(colour_decoder, faces, latents, vectors)


def test_a_hundred_moves_of_faces_are_quick_and_leave_nothing():
    decoder = Decoder(channels=(3,), size=64)
    made = FaceExplorer(decoder, np.zeros((5, 64, 64, 3), np.float32), LATENTS, VECTORS)
    threads, figures, durations = threading.active_count(), plt.get_fignums(), []
    for number in range(100):
        started = time.perf_counter()
        from_browser(find(made, "smiling"), value=number / 50 + 0.01)
        durations.append(time.perf_counter() - started)
    assert threading.active_count() == threads and plt.get_fignums() == figures
    assert np.median(durations) < 0.06  # two pictures of 192 x 192
