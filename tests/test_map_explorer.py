"""The map of a latent space: moves reach the decoder once, pictures and words follow, a walk can be stopped."""

import threading
import time

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pytest
from explorer_tools import SECONDS, Decoder, find, first_two, from_browser, is_shown, pixels, walk_through

from helpers import explorer_threads
from helpers.errors import UserError
from helpers.map_explorer import MapExplorer, nearest_picture

POINTS = np.array([[-2, -1], [2, -1], [2, 1], [-2, 1]], np.float32)
LABELS = np.array([0, 1, 2, 3])
NAMES = ["a", "b", "c", "d"]


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
    monkeypatch.setattr(explorer_threads, "SECONDS_A_FRAME", 0)


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
