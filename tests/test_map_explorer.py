"""The map of a latent space: moves reach the decoder once, pictures and words follow, and the walk leads round."""

import ipywidgets
import numpy as np
import pytest
from explorer_tools import Decoder, alert, find, first_two, from_browser, is_shown, pixels, walk_through

from helpers.explorers.map import FRAMES, MapExplorer, nearest_picture
from helpers.session import UserError

POINTS = np.array([[-2, -1], [2, -1], [2, 1], [-2, 1]], np.float32)
LABELS = np.array([0, 1, 2, 3])
NAMES = ["a", "b", "c", "d"]


@pytest.fixture
def decoder():
    return Decoder()


@pytest.fixture
def explorer(decoder):
    def nearest(z):
        return np.full((4, 4), 0.25, np.float32), f"<near {z[0]:.1f}>"

    return MapExplorer(decoder, POINTS, LABELS, NAMES, nearest, limits=((-5, -4), (5, 4)))


def test_the_middle_is_decoded_at_once(explorer, decoder):
    assert len(decoder.calls) == 1 and decoder.calls[0].dtype == np.float32
    np.testing.assert_array_equal(decoder.calls[0], [[0, 0]])
    np.testing.assert_allclose(first_two(explorer, "decoded"), [0, 0], atol=0.05)
    np.testing.assert_allclose(pixels(explorer, "nearest"), 0.25, atol=1 / 255)


def test_the_map_has_room_for_all_points_where_no_limits_are_given(decoder):
    made = MapExplorer(decoder, POINTS, LABELS, NAMES)
    np.testing.assert_allclose([made.pad.low, made.pad.high], [[-2.2, -1.1], [2.2, 1.1]])
    assert not is_shown(made, "nearest") and not is_shown(made, "decoder")


def test_a_move_on_the_map_is_decoded_once(explorer, decoder):
    from_browser(explorer.pad, x=3.0, y=-2.0)
    from_browser(explorer.pad, x=3.0 + 1e-9, y=-2.0)
    np.testing.assert_array_equal(decoder.calls[1:], [[[3, -2]]])
    np.testing.assert_allclose(first_two(explorer, "decoded"), [3, -2], atol=0.05)
    captions = [part.value for part in walk_through(explorer.view) if isinstance(part, ipywidgets.HTML)]
    assert any("&lt;near 3.0&gt;" in caption for caption in captions)


@pytest.mark.parametrize(
    ("asked", "reached"), [({"z1": 1.5}, (1.5, 0)), ({"z2": -2}, (0, -2)), ({"z1": 99, "z2": -99}, (5, -4))]
)
def test_setting_a_place_moves_the_cross_hair_within_the_map_and_decodes_once(explorer, decoder, asked, reached):
    explorer.set(**asked)
    assert (explorer.pad.x, explorer.pad.y) == reached
    np.testing.assert_array_equal(decoder.calls[1:], [[reached]])


@pytest.mark.parametrize("channels", [(), (1,), (3,)])
def test_grey_and_coloured_pictures_are_shown(channels):
    made = MapExplorer(Decoder(channels), POINTS, LABELS, NAMES, limits=(-5, 5))
    made.set(z1=4, z2=-4)
    np.testing.assert_allclose(first_two(made, "decoded"), [4, -4], atol=0.05)
    assert pixels(made, "decoded").shape == (200, 200, *(channels if channels == (3,) else ()))


def test_an_error_is_shown_in_words_and_the_next_move_mends_it(explorer, decoder):
    decoder.error = UserError("train <first>")
    explorer.set(z1=1)
    assert "train &lt;first&gt;" in alert(explorer)
    decoder.error = None
    explorer.set(z1=2)
    assert not alert(explorer)
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
    with pytest.raises(UserError, match="names"):
        MapExplorer({"x": decoder}, {"y": POINTS}, LABELS, NAMES)


def test_reset_goes_back_to_the_middle_with_one_call(explorer, decoder):
    explorer.set(z1=3, z2=3)
    explorer.set(walk=9)
    find(explorer, "reset").click()
    np.testing.assert_array_equal(decoder.calls[3:], [[[0, 0]]])
    assert explorer.controls["walk"].value == 0


def test_surprise_goes_somewhere_on_the_map(explorer, decoder):
    for _ in range(20):
        find(explorer, "surprise").click()
    places = np.concatenate(decoder.calls[1:])
    assert len(np.unique(places, axis=0)) == 20
    assert (np.abs(places) <= [5, 4]).all() and (places.max(axis=0) > 0).all() and (places.min(axis=0) < 0).all()


def test_a_walk_visits_every_class_and_comes_back(explorer, decoder):
    for step in range(1, FRAMES + 1):
        from_browser(find(explorer, "walk"), value=step)
    way = np.concatenate(decoder.calls[1:])
    assert len(way) == FRAMES and explorer.controls["walk"].max == find(explorer, "play").max
    np.testing.assert_allclose(
        np.linalg.norm(np.diff(way, axis=0), axis=1), np.linalg.norm(way[-1] - way[-2]), rtol=0.3
    )
    for stop in POINTS:
        assert np.linalg.norm(way - stop, axis=1).min() < 0.1
    np.testing.assert_array_equal(explorer.z, way[-1])


def test_who_points_at_a_place_ends_the_walk(explorer, decoder):
    play = find(explorer, "play")
    play.playing = True
    from_browser(find(explorer, "walk"), value=9)
    assert play.playing
    from_browser(explorer.pad, x=0.0, y=0.0)  # where the walk began
    np.testing.assert_array_equal(decoder.calls[-1], [[0, 0]])
    assert not play.playing and not play._playing


def test_the_nearest_picture_is_that_of_the_nearest_latent():
    pictures = np.arange(4, dtype=np.float32)[:, None, None] / 4 * np.ones((4, 2, 2), np.float32)
    nearest = nearest_picture(POINTS, pictures, NAMES)
    picture, caption = nearest(np.array([1.4, 0.2], np.float32))
    assert caption == "c" and (picture == 0.5).all()
    with pytest.raises(UserError, match="match"):
        nearest_picture(POINTS, pictures[:3], NAMES)
