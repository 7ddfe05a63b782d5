"""The generator's explorer: controls set the latent, small pictures follow at rest, a verdict is a bar."""

import re

import numpy as np
import pytest
from explorer_tools import Decoder, alert, all_of, find, from_browser

from helpers.explorers.base import LARGEST_SEED, enlarged
from helpers.explorers.generator import FRAMES, STRIP, GeneratorExplorer, verdict_bar
from helpers.images import png_bytes
from helpers.latents import fixed_noise, spherical_path
from helpers.session import UserError

DIMENSIONS = 6
SMILE, HAT = np.eye(DIMENSIONS)[1], np.arange(DIMENSIONS) / 2
DIRECTIONS = {"Smiling": SMILE, "Wearing_Hat": HAT}


def noise(seed):
    return fixed_noise(1, DIMENSIONS, seed)[0]


def bright(pictures):
    return 10 * (pictures.mean(axis=(1, 2, 3)) - 0.5)  # of a `Decoder`: above 0 where its latents are


def explorer_of(decoders, directions=None, judges=None):
    directions = directions or dict.fromkeys(decoders, DIRECTIONS)
    judges = judges or dict.fromkeys(decoders, bright)
    return GeneratorExplorer(decoders, directions, dimensions=DIMENSIONS, judge=judges)


@pytest.fixture
def decoder():
    return Decoder(channels=(3,))


@pytest.fixture
def explorer(decoder, timers):
    made = explorer_of({"a": decoder})
    decoder.calls.clear()
    return made


def shows(explorer, decoder, z):
    return find(explorer, "generated").value == png_bytes(enlarged(decoder(np.float32(z)[None])[0], 320))


def test_all_pictures_are_there_at_once(timers, decoder):
    explorer = explorer_of({"a": decoder})
    assert [call.shape for call in decoder.calls] == [(1, DIMENSIONS), (3, DIMENSIONS)]
    assert all(call.dtype == np.float32 for call in decoder.calls)
    assert shows(explorer, decoder, noise(0)) and alert(explorer) == "" and not all_of(explorer, "model")
    for name, truncation in STRIP.items():
        [expected] = decoder(truncation * noise(0)[None])
        assert find(explorer, name).value == png_bytes(enlarged(expected, 106))
    assert "P(real)" in find(explorer, "verdict").value


def test_truncation_scales_the_draw_and_not_the_directions(explorer, decoder):
    explorer.set(seed=7, truncation=0.6, Smiling=2.0, Wearing_Hat=-0.5)
    expected = 0.6 * noise(7) + 2 * SMILE - 0.5 * HAT
    assert len(decoder.calls) == 1
    np.testing.assert_allclose(decoder.calls[0], expected[None], rtol=1e-6)
    np.testing.assert_array_equal(explorer.z, decoder.calls[0][0])
    assert shows(explorer, decoder, explorer.z)
    assert f"{np.linalg.norm(expected):.1f}" in explorer.status.value and "2.4" in explorer.status.value  # √6


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


def test_a_value_that_the_page_sends_back_rounded_is_not_drawn_again(explorer, decoder):
    explorer.set(truncation=0.2)
    from_browser(find(explorer, "truncation"), value=0.20000000000000004)
    assert len(decoder.calls) == 1


def test_surprise_draws_a_seed_and_reset_brings_back_the_first(explorer, decoder):
    first = find(explorer, "generated").value
    find(explorer, "surprise").click()
    seed = explorer.controls["seed"].value
    assert seed != 0 and shows(explorer, decoder, noise(seed))
    explorer.set(truncation=0.5, Smiling=1.0, walk=20)
    decoder.calls.clear()
    find(explorer, "reset").click()
    assert len(decoder.calls) == 1 and find(explorer, "generated").value == first
    assert explorer.controls["seed"].value == 0 and explorer.controls["truncation"].value == 1


def test_models_have_toggles_and_directions_of_their_own(timers):
    last, average = Decoder(channels=(3,)), Decoder(channels=(3,))
    directions = {"last weights": {"Smiling": SMILE}, "moving average": {"Smiling": HAT}}
    explorer = explorer_of({"last weights": last, "moving average": average}, directions)
    explorer.set(Smiling=1.5)
    np.testing.assert_allclose(last.calls[-1], [noise(0) + 1.5 * SMILE], rtol=1e-6)
    assert average.calls == []
    from_browser(find(explorer, "model"), index=1)
    np.testing.assert_allclose(average.calls, [[noise(0) + 1.5 * HAT]], rtol=1e-6)
    timers.fire()
    assert len(average.calls[-1]) == 3


def test_a_walk_goes_along_the_great_circle_and_arrives_at_the_next_seed(explorer, decoder, timers):
    explorer.set(seed=3, truncation=0.5, Smiling=1.0)
    decoder.calls.clear()
    for step in range(1, FRAMES + 1):
        from_browser(find(explorer, "walk"), value=step)
        assert ("Between the seeds 3 and 4" in explorer.status.value) == (step < FRAMES)
    way = spherical_path(noise(3), noise(4), FRAMES + 1)[1:]
    np.testing.assert_allclose(np.concatenate(decoder.calls), 0.5 * way + SMILE, atol=1e-5)
    assert find(explorer, "play").max == FRAMES
    timers.fire()
    np.testing.assert_allclose(decoder.calls[-1][2], noise(4) + SMILE, rtol=1e-6)


def test_after_the_last_seed_comes_the_first(explorer):
    explorer.set(seed=LARGEST_SEED, walk=FRAMES)
    np.testing.assert_array_equal(explorer.noise, noise(0))


def test_what_goes_wrong_in_the_small_pictures_is_said(explorer, decoder, timers):
    explorer.set(Smiling=1.0)
    decoder.error = UserError("a <word>")
    timers.fire()
    assert "a &lt;word&gt;" in alert(explorer)


@pytest.mark.parametrize(
    ("logit", "number", "words"),
    [
        (0.0, "50.0%", "undecided"),
        (np.log(3), "75.0%", "rather real"),
        ([[-np.log(3)]], "25.0%", "rather fake"),
        (-99.0, "below 0.1%", "rather fake"),
        (99.0, "above 99.9%", "rather real"),
    ],
)
def test_a_verdict_is_a_bar_with_its_number(logit, number, words):
    shown = verdict_bar(logit)
    assert f"P(real) = {number}" in shown and words in shown
    [width] = re.findall(r"width:([\d.]+)%;background", shown)
    assert float(width) == pytest.approx(100 / (1 + np.exp(-np.asarray(logit).item())), abs=0.01)
    assert "role='meter'" in shown and f"aria-valuetext='{number}, {words}'" in shown


def test_the_verdict_follows_the_large_picture(explorer, decoder, timers):
    for smile in (3.0, -3.0):
        from_browser(find(explorer, "smiling"), value=smile)
        timers.fire()
        assert find(explorer, "verdict").value == verdict_bar(bright(decoder(explorer.z[None])))


def test_a_judge_that_fails_leaves_no_verdict(timers, decoder):
    judges = {"good": bright, "bad": lambda pictures: np.array([np.nan])}
    explorer = explorer_of({"good": decoder, "bad": decoder}, judges=judges)
    explorer.set(model="bad")
    timers.fire()
    assert "NaN" in alert(explorer) and find(explorer, "verdict").value == ""
    explorer.set(model="good")
    timers.fire()
    assert not alert(explorer) and "P(real)" in find(explorer, "verdict").value


@pytest.mark.parametrize(
    ("vector", "word"), [(np.ones(5), "has 6 numbers"), (np.full(DIMENSIONS, np.nan), "no numbers")]
)
def test_directions_that_do_not_fit_are_refused(decoder, vector, word):
    with pytest.raises(UserError, match=word):
        explorer_of({"a": decoder}, {"a": {"Smiling": vector}})
