"""The discriminator's explorer: every source is judged, the verdict is shown in words, and nothing stale stays."""

import contextlib
import threading
import time

import matplotlib.pyplot as plt
import numpy as np
import pytest
from explorer_tools import alert, find, from_browser, is_shown, pixels, upload

from helpers.errors import UserError
from helpers.explorers import enlarged
from helpers.gan_explorer import GeneratorExplorer
from helpers.images import png_bytes
from helpers.judge_explorer import JudgeExplorer, cropped_to
from helpers.latents import fixed_noise
from helpers.pictures import load_picture
from helpers.verdicts import bar, place_among, verdict_chart

DIMENSIONS = 3
REALS = np.linspace(0.3, 0.9, 7, dtype=np.float32)[:, None, None, None] * np.ones((7, 4, 4, 3), np.float32)
FAKES = 60  # more than are judged at once


class Judge:
    """Stands for a discriminator: the brighter, the more real; remembers how many pictures it got in each call."""

    def __init__(self, scale=4.0):
        self.scale, self.calls, self.error = scale, [], None

    def __call__(self, pictures):
        self.calls.append(len(pictures))
        if self.error:
            raise self.error
        return self.scale * (pictures.mean(axis=(1, 2, 3)) - 0.5)


def decode(z):
    """Stands for a generator: pictures of one grey, from the first number of the latent."""
    return np.clip(0.4 + z[:, :1, None, None] / 10, 0, 1) * np.ones((1, 4, 4, 3), np.float32)


@pytest.fixture
def judge():
    return Judge()


@pytest.fixture
def explorer(judge):
    made = JudgeExplorer(judge, REALS, decode, dimensions=DIMENSIONS, fakes=FAKES)
    judge.calls.clear()
    return made


@pytest.mark.parametrize("error", [UserError("no"), ZeroDivisionError("a bug")])
def test_no_verdict_on_another_picture_stays_beside_an_error(explorer, judge, error):
    assert explorer.bar.value and explorer.pictures["verdicts"].value
    judge.error = error
    with contextlib.suppress(ZeroDivisionError):
        explorer.set(real=1)
    assert (explorer.bar.value, explorer.pictures["verdicts"].value) == ("", b"")


def latent(seed):
    return fixed_noise(1, DIMENSIONS, seed)[0]


def verdicts(judge):
    fakes = np.concatenate([judge(decode(latent(seed)[None])) for seed in range(FAKES)])
    return judge(REALS), fakes


def shows(explorer, picture, judge):
    """Say whether picture, bar and sentence are those of this picture; the chart is compared in a test of its own."""
    [logit] = judge(picture[None])
    reals, fakes = verdicts(judge)
    return (
        find(explorer, "judged").value == png_bytes(enlarged(picture, 192))
        and explorer.bar.value == bar(float(logit))
        and place_among(logit, reals, fakes) in explorer.status.value
    )


def test_the_first_real_picture_is_judged_and_its_place_is_marked(explorer, judge):
    assert shows(explorer, REALS[0], judge) and "rather fake" in find(explorer, "verdict").value
    expected = verdict_chart(*verdicts(judge)).marked(float(judge(REALS[:1])[0]))
    np.testing.assert_array_equal(pixels(explorer, "verdicts"), np.float32(np.round(expected * 255) / 255))


@pytest.mark.parametrize(
    "name",
    ["source", "real", "fake", "path", "open", "upload", "surprise", "reset", "status", "verdict", "judged"],
)
def test_everything_can_be_found_in_a_page(explorer, name):
    assert find(explorer, name)
    assert not is_shown(explorer, "model")


def test_a_seed_is_the_same_face_as_in_the_explorer_of_the_generator(explorer):
    other = GeneratorExplorer(decode, dimensions=DIMENSIONS, seed=11)
    explorer.set(fake=11)
    np.testing.assert_array_equal(explorer.picture, decode(other.z[None])[0])


def test_a_slider_is_the_source_when_it_is_moved(explorer, judge):
    from_browser(find(explorer, "fake"), value=11)
    assert explorer.controls["source"].value == "fake" and shows(explorer, decode(latent(11)[None])[0], judge)
    before = find(explorer, "verdicts").value
    from_browser(find(explorer, "real"), value=5)
    assert explorer.controls["source"].value == "real" and shows(explorer, REALS[5], judge)
    assert "rather real" in explorer.bar.value and find(explorer, "verdicts").value != before
    from_browser(find(explorer, "source"), index=1)
    assert shows(explorer, decode(latent(11)[None])[0], judge)


def test_a_move_judges_one_picture_though_it_moves_the_source_too(explorer, judge):
    from_browser(find(explorer, "fake"), value=11)
    assert judge.calls == [1]
    explorer.set(real=2, fake=3)  # neither slider is the one that was moved
    assert judge.calls == [1, 1] and explorer.controls["source"].value == "fake"


def test_the_sets_are_judged_once_for_each_model():
    first, second = Judge(), Judge(-4.0)
    made = JudgeExplorer({"a": first, "b": second}, REALS, decode, dimensions=DIMENSIONS, fakes=FAKES)
    assert sorted(first.calls) == [1, 7, 10, 50] and second.calls == []
    from_browser(find(made, "model"), index=1)
    assert sorted(second.calls) == [1, 7, 10, 50] and shows(made, REALS[0], second)
    first.calls.clear()
    made.set(model="a", real=3)
    assert first.calls == [1] and shows(made, REALS[3], first)


def test_titles_name_what_is_shown(explorer):
    explorer.set(real=3)
    assert "Real picture 3" in explorer._captions["judged"].value
    explorer.set(fake=4)
    assert "Fake of seed 4" in explorer._captions["judged"].value


def own_file(folder):
    """A picture 80 wide and 40 high: a bright square between dark edges."""
    picture = np.zeros((40, 80, 3), np.float32)
    picture[:, 20:60] = [1, 0.8, 0.6]
    path = folder / "own.png"
    path.write_bytes(png_bytes(picture))
    return path


def test_the_middle_square_of_a_picture_of_ones_own_is_judged(explorer, judge, tmp_path):
    find(explorer, "path").value = f' "{own_file(tmp_path)}" '
    find(explorer, "open").click()
    np.testing.assert_allclose(explorer.own, np.ones((4, 4, 1)) * [1, 0.8, 0.6], atol=1e-2)
    np.testing.assert_array_equal(explorer.own, cropped_to(load_picture(own_file(tmp_path)).pixels, 4, 4))
    assert explorer.controls["source"].value == "own" and shows(explorer, explorer.own, judge)
    assert "framed like" in explorer.status.value


def test_a_picture_of_ones_own_by_upload(explorer, judge, tmp_path):
    upload(explorer, "own.png", own_file(tmp_path).read_bytes())
    assert shows(explorer, explorer.own, judge) and explorer.own.max() > 0.9
    upload(explorer, "", b"")
    assert alert(explorer) == ""


def test_a_picture_that_is_none_is_refused_and_the_last_stays(explorer, judge, tmp_path):
    upload(explorer, "holiday.jpg", b"\xff\xd8\xff")
    assert "holiday.jpg" in alert(explorer) and explorer.own is None
    find(explorer, "path").value = str(tmp_path / "nothing.png")
    find(explorer, "open").click()
    assert "nothing.png" in alert(explorer) and explorer.controls["source"].value == "real"
    find(explorer, "path").value = "  "
    find(explorer, "open").click()
    assert "first" in alert(explorer)
    explorer.set(real=1)
    assert shows(explorer, REALS[1], judge) and alert(explorer) == ""


def test_without_a_picture_of_ones_own_there_is_no_verdict_on_it(explorer, judge):
    from_browser(find(explorer, "source"), index=2)
    assert "no picture of your own" in alert(explorer)
    assert explorer.bar.value == "" and find(explorer, "verdicts").value == b""
    explorer.set(source="real")
    assert shows(explorer, REALS[0], judge)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda some: np.full(len(some), np.nan), "NaN"),
        (lambda some: np.zeros((len(some), 2)), "(1, 2)"),
        (lambda some: some.reshape(len(some), 7), "ValueError"),
    ],
)
def test_a_verdict_that_is_none_is_said_and_the_next_move_mends_it(judge, bad, message):
    made = JudgeExplorer({"good": judge, "bad": bad}, REALS, decode, dimensions=DIMENSIONS, fakes=FAKES)
    made.set(model="bad")
    assert message in alert(made) and made.bar.value == "" and find(made, "verdicts").value == b""
    assert find(made, "judged").value == png_bytes(enlarged(REALS[0], 192))
    made.set(model="good")
    assert alert(made) == "" and shows(made, REALS[0], judge)


def test_a_generator_that_fails_is_said(judge):
    made = JudgeExplorer(judge, REALS, lambda z: z @ np.ones(7), dimensions=DIMENSIONS, fakes=FAKES)
    assert "latents of 3 numbers" in alert(made)


def test_surprise_draws_from_either_kind_and_reset_brings_back_the_first(explorer, judge, tmp_path):
    drawn = set()
    for _ in range(60):
        find(explorer, "surprise").click()
        source = explorer.controls["source"].value
        drawn.add((source, explorer.controls[source].value))
    assert {source for source, _ in drawn} == {"real", "fake"} and len({seed for kind, seed in drawn}) > 5
    find(explorer, "path").value = str(own_file(tmp_path))
    find(explorer, "open").click()
    find(explorer, "reset").click()
    assert explorer.own is None and find(explorer, "path").value == "" and shows(explorer, REALS[0], judge)
    assert {name: explorer.controls[name].value for name in ("source", "real", "fake")} == {
        "source": "real",
        "real": 0,
        "fake": 0,
    }


@pytest.mark.parametrize(
    ("pictures", "options", "message"),
    [
        ((REALS * 255).astype(np.uint8), {}, "uint8"),
        (REALS[0], {}, r"\(4, 4, 3\)"),
        (REALS[..., :1], {}, r"4, 1\)"),
        (REALS[:0], {}, "at least one"),
        (REALS, {"fakes": 0}, "0 fakes"),
        (REALS, {"dimensions": {"other": DIMENSIONS}}, "the same names"),
    ],
)
def test_what_does_not_fit_is_refused(judge, pictures, options, message):
    with pytest.raises(UserError, match=message):
        JudgeExplorer(judge, pictures, decode, **{"dimensions": DIMENSIONS, **options})


@pytest.mark.parametrize(("rows", "columns"), [(40, 80), (80, 40), (40, 40), (41, 47)])
def test_the_largest_centred_part_is_kept_unsquashed(rows, columns):
    down, across = np.mgrid[:rows, :columns].astype(np.float32)
    picture = np.stack([down, across, down], axis=-1)
    cut = cropped_to(picture, 8, 8)
    assert cut.shape == (8, 8, 3)
    side = min(rows, columns)
    np.testing.assert_allclose(np.diff(cut[3:5, 0, 0])[0], side / 8, rtol=0.03)
    np.testing.assert_allclose(np.diff(cut[0, 3:5, 1])[0], side / 8, rtol=0.03)
    np.testing.assert_allclose(cut.mean(axis=(0, 1))[:2], [(rows - 1) / 2, (columns - 1) / 2], atol=0.6)


def test_a_part_has_the_aspect_of_the_models_pictures():
    assert cropped_to(np.zeros((90, 50, 3), np.float32), 20, 40).shape == (20, 40, 3)
    across = np.tile(np.arange(100, dtype=np.float32)[None, :, None], (100, 1, 3))
    np.testing.assert_allclose(np.diff(cropped_to(across, 10, 20)[0, 9:11, 0]), 5, rtol=0.03)  # all 100 columns


def test_a_hundred_moves_leave_no_thread_and_no_figure_and_are_quick(judge):
    made = JudgeExplorer(judge, np.ones((101, 64, 64, 3), np.float32) / 2, decode, dimensions=DIMENSIONS, fakes=9)
    threads, figures, durations = threading.active_count(), plt.get_fignums(), []
    for number in range(100):
        started = time.perf_counter()
        from_browser(find(made, "real"), value=number + 1)
        durations.append(time.perf_counter() - started)
    assert threading.active_count() == threads and plt.get_fignums() == figures
    assert np.median(durations) < 0.06
