"""The generator's explorer: the latent is what the controls say, small pictures follow at rest, and a walk arrives."""

import threading
import time

import matplotlib.pyplot as plt
import numpy as np
import pytest
from explorer_tools import SECONDS, Decoder, alert, find, from_browser, is_shown, pixels

from helpers import explorer_threads, gan_explorer
from helpers.errors import UserError
from helpers.explorers import enlarged
from helpers.gan_explorer import STRIP, GeneratorExplorer
from helpers.images import png_bytes
from helpers.latents import fixed_noise, spherical_path
from helpers.widgets import LARGEST_SEED

DIMENSIONS = 6
SMILE, HAT = np.eye(DIMENSIONS)[1], np.arange(DIMENSIONS) / 2
DIRECTIONS = {"Smiling": SMILE, "Wearing_Hat": HAT}


def noise(seed, dimensions=DIMENSIONS):
    return fixed_noise(1, dimensions, seed)[0]


@pytest.fixture
def decoder():
    return Decoder(channels=(3,))


@pytest.fixture
def explorer(decoder, timers):
    made = GeneratorExplorer(decoder, DIRECTIONS, dimensions=DIMENSIONS)
    decoder.calls.clear()
    yield made
    made.stop()
    assert explorer_threads.WalkingExplorer.wait(made, SECONDS)


@pytest.fixture
def quick_walk(monkeypatch):
    monkeypatch.setattr(explorer_threads, "SECONDS_A_FRAME", 0)


def shows(explorer, decoder, z):
    return find(explorer, "generated").value == png_bytes(enlarged(decoder(np.float32(z)[None])[0], 320))


def test_all_pictures_are_there_at_once(timers):
    decoder = Decoder(channels=(3,))
    made = GeneratorExplorer(decoder, DIRECTIONS, dimensions=DIMENSIONS, seed=5)
    assert [call.shape for call in decoder.calls] == [(1, DIMENSIONS), (3, DIMENSIONS)]
    assert all(call.dtype == np.float32 for call in decoder.calls)
    assert shows(made, decoder, noise(5)) and alert(made) == ""
    for name, truncation in STRIP.items():
        [expected] = decoder(truncation * noise(5)[None])
        assert find(made, name).value == png_bytes(enlarged(expected, 106))


@pytest.mark.parametrize(
    "name",
    ["seed", "truncation", "smiling", "wearing-hat", "walk", "surprise", "reset", "status", "generated", *STRIP],
)
def test_everything_can_be_found_in_a_page(explorer, name):
    assert find(explorer, name)
    assert not is_shown(explorer, "model")


def test_truncation_scales_the_draw_and_not_the_directions(explorer, decoder):
    explorer.set(seed=7, truncation=0.6, Smiling=2.0, Wearing_Hat=-0.5)
    expected = 0.6 * noise(7) + 2 * SMILE - 0.5 * HAT
    assert len(decoder.calls) == 1
    np.testing.assert_allclose(decoder.calls[0], expected[None], rtol=1e-6)
    np.testing.assert_array_equal(explorer.z, decoder.calls[0][0])
    assert shows(explorer, decoder, explorer.z)
    assert f"{np.linalg.norm(expected):.1f}" in explorer.status.value and "2.4" in explorer.status.value  # √6


def test_a_slider_in_the_page_moves_the_picture(explorer, decoder):
    before = find(explorer, "generated").value
    from_browser(find(explorer, "smiling"), value=3.0)
    assert find(explorer, "generated").value != before and shows(explorer, decoder, noise(0) + 3 * SMILE)


def test_the_small_pictures_follow_once_after_many_moves(explorer, decoder, timers):
    small = {name: find(explorer, name).value for name in STRIP}
    for step in range(1, 6):
        from_browser(find(explorer, "smiling"), value=step / 2)
    assert [len(call) for call in decoder.calls] == [1] * 5
    assert {name: find(explorer, name).value for name in STRIP} == small
    timers.fire()
    expected = [truncation * noise(0) + 2.5 * SMILE for truncation in (0, 0.5, 1)]
    np.testing.assert_allclose(decoder.calls[-1], expected, rtol=1e-6)
    assert all(find(explorer, name).value != small[name] for name in STRIP) and len(decoder.calls) == 6


def test_truncation_alone_leaves_the_small_pictures(explorer, decoder, timers):
    explorer.set(truncation=0.2)
    timers.fire()
    assert [len(call) for call in decoder.calls] == [1]


def test_a_value_that_only_comes_back_is_not_decoded_again(explorer, decoder):
    explorer.set(truncation=0.3)
    from_browser(find(explorer, "truncation"), value=0.30000000000000004)
    assert len(decoder.calls) == 1


def test_surprise_draws_a_seed_and_reset_brings_back_the_first(explorer, decoder):
    first = find(explorer, "generated").value
    find(explorer, "surprise").click()
    seed = explorer.controls["seed"].value
    assert seed != 0 and shows(explorer, decoder, noise(seed))
    explorer.set(truncation=0.5, Smiling=1.0)
    decoder.calls.clear()
    find(explorer, "reset").click()
    assert len(decoder.calls) == 1 and find(explorer, "generated").value == first
    assert explorer.controls["seed"].value == 0 and explorer.controls["truncation"].value == 1


def test_models_have_toggles_latents_and_directions_of_their_own(timers):
    last, average = Decoder(channels=(3,)), Decoder(channels=(3,))
    directions = {"last weights": {"Smiling": SMILE}, "moving average": {"Smiling": 2 * np.eye(3)[0]}}
    dimensions = {"last weights": DIMENSIONS, "moving average": 3}
    made = GeneratorExplorer({"last weights": last, "moving average": average}, directions, dimensions=dimensions)
    made.set(Smiling=1.5)
    np.testing.assert_allclose(last.calls[-1], [noise(0) + 1.5 * SMILE], rtol=1e-6)
    assert average.calls == []
    from_browser(find(made, "model"), index=1)
    np.testing.assert_allclose(average.calls, [[noise(0, 3) + 3 * np.eye(3)[0]]], rtol=1e-6)
    timers.fire()
    assert len(average.calls[-1]) == 3
    assert find(made, "generated").value == png_bytes(enlarged(average(made.z[None])[0], 320))


def test_without_directions_there_is_the_seed_alone(timers, decoder):
    made = GeneratorExplorer(decoder, dimensions=DIMENSIONS)
    assert set(made.controls) == {"model", "seed", "truncation"}
    np.testing.assert_array_equal(made.z, noise(0))


def test_a_walk_goes_along_the_great_circle_and_arrives_at_the_next_seed(explorer, decoder, timers, quick_walk):
    explorer.set(seed=3, truncation=0.5, Smiling=1.0)
    decoder.calls.clear()
    find(explorer, "walk").click()
    assert explorer_threads.WalkingExplorer.wait(explorer, SECONDS)
    way = spherical_path(noise(3), noise(4), gan_explorer.FRAMES + 1)[1:]
    np.testing.assert_allclose(np.concatenate(decoder.calls), 0.5 * way + SMILE, atol=1e-5)
    assert explorer.controls["seed"].value == 4 and find(explorer, "walk").description == "Walk"
    assert "Between" not in explorer.status.value
    timers.fire()
    np.testing.assert_allclose(decoder.calls[-1][2], noise(4) + SMILE, rtol=1e-6)


def test_after_the_last_seed_comes_the_first(explorer, quick_walk):
    explorer.set(seed=LARGEST_SEED)
    explorer.walk()
    assert explorer_threads.WalkingExplorer.wait(explorer, SECONDS) and explorer.controls["seed"].value == 0


def walk_a_little(explorer):
    """Walk until the third picture, and wait there."""
    there = threading.Event()
    seen = []
    explorer.pictures["generated"].observe(lambda change: seen.append(change) or len(seen) < 3 or there.set(), "value")
    find(explorer, "walk").click()
    assert there.wait(SECONDS)


def test_a_walk_that_is_stopped_stays_and_can_go_on(explorer, decoder, timers):
    walk_a_little(explorer)
    assert find(explorer, "walk").description == "Stop" and not explorer.walk()
    find(explorer, "walk").click()
    assert explorer_threads.WalkingExplorer.wait(explorer, SECONDS)
    where = explorer.noise
    assert explorer.controls["seed"].value == 0 and (where != noise(0)).any() and (where != noise(1)).any()
    assert "Between the seeds 0 and 1." in explorer.status.value
    timers.fire()
    np.testing.assert_allclose(decoder.calls[-1][2], where, rtol=1e-6)
    explorer.set(truncation=0.5)
    np.testing.assert_allclose(explorer.z, 0.5 * where, rtol=1e-6)
    np.testing.assert_allclose(explorer._path()[0], spherical_path(where, noise(1), gan_explorer.FRAMES + 1)[1])


def test_whoever_moves_a_control_ends_the_walk_where_it_is(explorer):
    walk_a_little(explorer)
    from_browser(find(explorer, "smiling"), value=1.0)
    assert explorer_threads.WalkingExplorer.wait(explorer, SECONDS)
    assert explorer.controls["seed"].value == 0 and (explorer.noise != noise(0)).any()
    explorer.set(seed=9)
    np.testing.assert_array_equal(explorer.noise, noise(9))


@pytest.mark.parametrize("error", [UserError("a <word>"), ZeroDivisionError("a <word>")])
def test_what_goes_wrong_on_a_walk_or_in_the_small_pictures_is_said(explorer, decoder, timers, quick_walk, error):
    decoder.error = error
    explorer.walk()
    assert explorer_threads.WalkingExplorer.wait(explorer, SECONDS) and "a &lt;word&gt;" in alert(explorer)
    explorer._say("")
    timers.fire()
    assert "a &lt;word&gt;" in alert(explorer)


def test_a_latent_of_the_wrong_length_is_said_in_words_with_the_length(timers):
    weights = np.ones((5, 12))
    made = GeneratorExplorer(lambda z: (z @ weights).reshape(-1, 2, 2, 3) / 99, dimensions=DIMENSIONS)
    assert "latents of 6 numbers" in alert(made) and "ValueError" in alert(made) and "`dimensions`" in alert(made)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda z: np.full((len(z), 4, 4, 3), np.nan, np.float32), "NaN"),
        (lambda z: np.full((len(z), 4, 4, 3), np.inf, np.float32), "no numbers"),
        (lambda z: np.zeros((len(z), 4, 4, 3), np.uint8), "uint8"),
        (lambda z: np.zeros((len(z), 48), np.float32), "48"),
    ],
)
def test_what_is_no_picture_is_said_and_the_next_move_mends_it(timers, decoder, bad, message):
    made = GeneratorExplorer({"good": decoder, "bad": bad}, DIRECTIONS, dimensions=DIMENSIONS)
    made.set(model="bad")
    assert message in alert(made)
    made.set(model="good")
    assert alert(made) == "" and shows(made, decoder, noise(0))


@pytest.mark.parametrize(
    ("directions", "options", "message"),
    [
        ({"Smiling": np.ones(5)}, {}, r"'Smiling' has the shape \(5,\), and latents here have 6"),
        ({"Smiling": np.full(DIMENSIONS, np.nan)}, {}, "no numbers"),
        ({"seed": SMILE}, {}, "cannot be called 'seed'"),
        ({"a": {"Smiling": SMILE}}, {}, "the same names"),
        ({"a": {"Smiling": SMILE}, "b": {"Hat": SMILE}}, {}, "differ in their names"),
        ({"a": {"Smiling": SMILE}, "b": {"Smiling": np.ones(7)}}, {}, r"\(7,\)"),
        (DIRECTIONS, {"dimensions": {"a": DIMENSIONS}}, "the same names"),
    ],
)
def test_directions_that_do_not_fit_are_refused(decoder, directions, options, message):
    with pytest.raises(UserError, match=message):
        GeneratorExplorer({"a": decoder, "b": decoder}, directions, **{"dimensions": DIMENSIONS, **options})


def test_a_hundred_moves_leave_no_thread_and_no_figure_and_are_quick():
    made = GeneratorExplorer(Decoder(channels=(3,), size=64), DIRECTIONS, dimensions=DIMENSIONS)
    threads, figures, durations = threading.active_count(), plt.get_fignums(), []
    for number in range(100):
        started = time.perf_counter()
        from_browser(find(made, "smiling"), value=number / 50 + 0.01)
        durations.append(time.perf_counter() - started)
    assert made.wait(SECONDS)
    assert threading.active_count() <= threads and plt.get_fignums() == figures
    assert np.median(durations) < 0.06  # one picture of 320 x 320
    assert pixels(made, "full").shape == (128, 128, 3)
