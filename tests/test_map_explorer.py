"""The map of a latent space: moves reach the decoder once, pictures and words follow, and the walk leads round."""

import numpy as np
import pytest
from explorer_tools import Decoder, all_of, captions, find, first_two, from_browser, pixels

from helpers.explorers.map import FRAMES, MapExplorer, nearest_picture

HIGH = np.array([5.0, 4.0])  # of the map, which goes on for a twentieth beyond the points
POINTS = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * HIGH / 1.1
LABELS = np.array([0, 1, 2, 3])
NAMES = ["a", "b", "c", "d"]


@pytest.fixture
def decoder():
    return Decoder()


def near(z):
    return np.full((4, 4), 0.25, np.float32), f"<near {z[0]:.1f}>"


@pytest.fixture
def explorer(decoder):
    return MapExplorer(decoder, POINTS, LABELS, NAMES, near)


def test_the_middle_is_decoded_at_once(explorer, decoder):
    [call] = decoder.calls
    assert call.dtype == np.float32 and not all_of(explorer, "decoder")
    np.testing.assert_allclose(call, [[0, 0]], atol=1e-6)
    np.testing.assert_allclose(first_two(explorer, "decoded"), [0, 0], atol=0.05)
    np.testing.assert_allclose(pixels(explorer, "nearest"), 0.25, atol=1 / 255)
    np.testing.assert_allclose([explorer.pad.low, explorer.pad.high], [-HIGH, HIGH])


def test_a_move_on_the_map_is_decoded_once(explorer, decoder):
    from_browser(explorer.pad, x=3.0, y=-2.0)
    from_browser(explorer.pad, x=3.0 + 1e-9, y=-2.0)
    np.testing.assert_array_equal(decoder.calls[1:], [[[3, -2]]])
    np.testing.assert_allclose(first_two(explorer, "decoded"), [3, -2], atol=0.05)
    assert "&lt;near 3.0&gt;" in captions(explorer)


@pytest.mark.parametrize(
    ("asked", "reached"), [({"z1": 1.5}, (1.5, 0)), ({"z2": -2}, (0, -2)), ({"z1": 99, "z2": -99}, (5, -4))]
)
def test_setting_a_place_moves_the_cross_hair_within_the_map_and_decodes_once(explorer, decoder, asked, reached):
    explorer.set(**asked)
    np.testing.assert_allclose([explorer.pad.x, explorer.pad.y], reached, atol=1e-6)
    np.testing.assert_allclose(decoder.calls[1:], [[reached]], atol=1e-6)


@pytest.mark.parametrize("channels", [(), (1,), (3,)])
def test_grey_and_coloured_pictures_are_shown(channels):
    explorer = MapExplorer(Decoder(channels), POINTS, LABELS, NAMES, near)
    explorer.set(z1=4, z2=-4)
    np.testing.assert_allclose(first_two(explorer, "decoded"), [4, -4], atol=0.05)
    assert pixels(explorer, "decoded").shape == (192, 192, *(channels if channels == (3,) else ()))


def test_decoders_with_maps_of_their_own_can_be_switched_between():
    first, second = Decoder(), Decoder()
    nearest = {name: nearest_picture(POINTS, np.zeros((4, 4, 4)), [f"{name} {k}" for k in NAMES]) for name in "xy"}
    explorer = MapExplorer({"x": first, "y": second}, {"x": POINTS, "y": POINTS + 7}, LABELS, NAMES, nearest)
    assert (np.array(explorer.pad.low) < POINTS.min(0)).all() and (explorer.pad.high > POINTS.max(0) + 7).all()
    before = explorer.pad.points
    from_browser(find(explorer, "decoder"), index=1)
    np.testing.assert_allclose(np.frombuffer(explorer.pad.points, "<f4") - np.frombuffer(before, "<f4"), 7, atol=1e-5)
    assert len(first.calls) == len(second.calls) == 1 and "<b>y " in captions(explorer)
    explorer.reset()
    assert explorer.pad.points == before and len(first.calls) == 2


def test_reset_goes_back_to_the_middle_with_one_call(explorer, decoder):
    explorer.set(z1=3, z2=3)
    explorer.set(walk=9)
    find(explorer, "reset").click()
    np.testing.assert_array_equal(decoder.calls[3:], [decoder.calls[0]])
    assert explorer.controls["walk"].value == 0


def test_surprise_goes_somewhere_on_the_map(explorer, decoder):
    for _ in range(20):
        find(explorer, "surprise").click()
    places = np.concatenate(decoder.calls[1:])
    assert len(np.unique(places, axis=0)) == 20
    assert (np.abs(places) <= HIGH).all() and (places.max(axis=0) > 0).all() and (places.min(axis=0) < 0).all()


def test_a_walk_visits_every_class_and_comes_back(explorer, decoder):
    for step in range(1, FRAMES + 1):
        from_browser(find(explorer, "walk"), value=step)
    places = np.concatenate(decoder.calls[1:])
    assert len(places) == FRAMES and explorer.controls["walk"].max == find(explorer, "play").max
    steps = np.linalg.norm(np.diff(places, axis=0), axis=1)
    np.testing.assert_allclose(steps, steps[-1], rtol=0.3)
    for stop in POINTS:
        assert np.linalg.norm(places - stop, axis=1).min() < 0.12
    np.testing.assert_array_equal(explorer.z, places[-1])


def test_pointing_at_a_place_ends_the_walk(explorer, decoder):
    play = find(explorer, "play")
    play.playing = True
    from_browser(find(explorer, "walk"), value=9)
    assert play.playing
    from_browser(explorer.pad, x=0.0, y=0.0)  # where the walk began
    np.testing.assert_array_equal(decoder.calls[-1], [[0, 0]])
    assert not play.playing and not play._playing


def test_the_nearest_picture_is_that_of_the_nearest_latent():
    pictures = np.arange(4, dtype=np.float32)[:, None, None] / 4 * np.ones((4, 2, 2), np.float32)
    picture, caption = nearest_picture(POINTS, pictures, NAMES)(np.array([1.4, 0.2], np.float32))
    assert caption == "c" and (picture == 0.5).all()
