"""The picture explorer: values and pictures reach the work, which runs once at a time, can be stopped, and may fail."""

import sys
import threading
import types

import ipywidgets
import numpy as np
import pytest
from explorer_tools import SECONDS, alert, all_of, captions, find, pixels, upload, walk_through

from helpers.explorers.picture import PictureExplorer, uploaded_file
from helpers.images import png_bytes

START = np.full((40, 60, 3), 0.5, np.float32)


class Work:
    """Stands for a dream: remembers its calls, and waits between two reports where it is told to."""

    def __init__(self):
        self.calls, self.error, self.reports = [], None, 1
        self.started, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()
        self.returns_when_stopped = False

    def __call__(self, picture, report, **values):
        self.calls.append((picture, values))
        report("step 1", 0.5, picture=picture * 0.5)
        self.started.set()
        assert self.go_on.wait(SECONDS)
        if self.error:
            raise self.error
        try:
            report("step 2", 0.9, picture=picture * 0.75)
        except KeyboardInterrupt:
            if not self.returns_when_stopped:
                raise
            return {"as far as it came": picture * 0.25}
        return {"dream": 1 - picture, "difference <b>": np.zeros_like(picture)}


@pytest.fixture
def work():
    return Work()


@pytest.fixture
def explorer(work):
    controls = {
        "step": ipywidgets.FloatSlider(0.1, min=0, max=1, description="Step"),
        "layer_mix": ipywidgets.Dropdown(options=["a", "b"], description="Mix"),
        "seed": ipywidgets.BoundedIntText(0, min=0, max=999_999, description="Seed"),
    }
    made = PictureExplorer(work, controls, START)
    yield made
    work.go_on.set()
    assert made.wait(SECONDS)


def run(explorer):
    assert explorer.run()
    assert explorer.wait(SECONDS)


def test_nothing_is_computed_before_the_button_is_pressed(explorer, work):
    assert work.calls == [] and not all_of(explorer, "result-1")
    np.testing.assert_allclose(pixels(explorer, "original"), START, atol=1 / 255)


def test_the_button_runs_with_the_values_of_the_controls(explorer, work):
    run(explorer)
    before = find(explorer, "result-1")
    work.calls.clear()
    explorer.set(step=0.7, layer_mix="b")
    assert work.calls == []
    find(explorer, "run").click()
    assert explorer.wait(SECONDS) and find(explorer, "result-1") is before
    [(picture, values)] = work.calls
    assert values == {"step": 0.7, "layer_mix": "b", "seed": 0} and picture is START
    np.testing.assert_allclose(pixels(explorer, "result-1"), 0.5, atol=1 / 255)
    assert pixels(explorer, "result-2").max() == 0
    assert "difference &lt;b&gt;" in captions(explorer)
    assert "Done in" in find(explorer, "status").value and find(explorer, "progress").value == 1


def test_while_busy_a_second_press_is_ignored_and_the_first_picture_so_far_is_there(explorer, work):
    work.go_on.clear()
    explorer.run()
    assert work.started.wait(SECONDS)
    assert explorer.is_busy and find(explorer, "run").disabled and not find(explorer, "stop").disabled
    np.testing.assert_allclose(pixels(explorer, "result-1"), 0.25, atol=1 / 255)
    assert "step 1" in find(explorer, "status").value and find(explorer, "progress").value == 0.5
    assert not explorer.run()
    find(explorer, "run").click()
    find(explorer, "surprise").click()
    find(explorer, "reset").click()
    find(explorer, "open").click()
    assert explorer.controls["seed"].value == 0 and not explorer.wait(0.01)
    work.go_on.set()
    assert explorer.wait(SECONDS) and len(work.calls) == 1
    assert not find(explorer, "run").disabled and find(explorer, "stop").disabled


@pytest.mark.parametrize(("returns", "expected"), [(False, 0.75 * 0.5), (True, 0.25 * 0.5)])
def test_stop_keeps_the_picture_so_far(explorer, work, returns, expected):
    work.returns_when_stopped = returns
    work.go_on.clear()
    explorer.run()
    assert work.started.wait(SECONDS)
    find(explorer, "stop").click()
    work.go_on.set()
    assert explorer.wait(SECONDS)
    np.testing.assert_allclose(pixels(explorer, "result-1"), expected, atol=1 / 255)
    assert "Stopped" in find(explorer, "status").value and not all_of(explorer, "result-2")
    run(explorer)  # and it can be run again
    assert "Done" in find(explorer, "status").value


def test_surprise_draws_a_seed_and_runs(explorer, work):
    find(explorer, "surprise").click()
    assert explorer.wait(SECONDS)
    assert work.calls[0][1]["seed"] == explorer.controls["seed"].value


def test_without_a_seed_there_is_no_surprise(work):
    explorer = PictureExplorer(work, {"step": ipywidgets.FloatSlider(description="Step")}, START, action="Paint")
    assert not all_of(explorer, "surprise") and find(explorer, "run").description == "Paint"


def test_reset_brings_back_values_and_picture(explorer, tmp_path):
    open_own(explorer, tmp_path)
    explorer.set(step=1.0, seed=5)
    find(explorer, "reset").click()
    assert explorer.controls["step"].value == 0.1 and explorer.controls["seed"].value == 0
    assert explorer.picture is START and find(explorer, "path").value == ""


def open_own(explorer, folder, content=None):
    path = folder / "own.png"
    path.write_bytes(png_bytes(np.zeros((80, 80, 3), np.float32)) if content is None else content)
    find(explorer, "path").value = f' "{path}" '
    find(explorer, "open").click()
    assert explorer.wait(SECONDS)


def test_a_picture_of_ones_own_by_path_gets_the_height_of_the_first(explorer, work, tmp_path):
    run(explorer)
    open_own(explorer, tmp_path)
    assert explorer.picture.shape == (40, 40, 3) and not all_of(explorer, "result-1")
    assert pixels(explorer, "original").max() == 0
    run(explorer)
    assert work.calls[1][0].shape == (40, 40, 3)


def test_a_file_that_is_no_picture_is_refused_in_the_view(explorer, tmp_path):
    open_own(explorer, tmp_path, content=b"no picture")
    assert "own.png" in alert(explorer) and explorer.picture is START
    assert explorer.progress.bar_style == "danger"


def test_open_without_a_path_asks_for_one(explorer):
    find(explorer, "open").click()
    assert alert(explorer)


CONTENT = png_bytes(np.ones((80, 120, 3), np.float32))


def test_a_picture_of_ones_own_by_upload(explorer):
    upload(explorer, "a.png", CONTENT)
    assert explorer.wait(SECONDS)
    assert explorer.picture.shape == (40, 60, 3) and explorer.picture.min() == 1


def test_a_damaged_upload_is_refused_in_the_view(explorer):
    upload(explorer, "holiday.jpg", b"\xff\xd8\xff")
    assert explorer.wait(SECONDS)
    assert "holiday.jpg" in find(explorer, "status").value and explorer.picture is START
    upload(explorer, "", b"")
    assert "holiday.jpg" in find(explorer, "status").value


@pytest.mark.parametrize(
    "value",
    [({"name": "a.png", "content": memoryview(b"abc")},), {"a.png": {"content": b"abc"}}],
    ids=["ipywidgets 8", "ipywidgets 7"],
)
def test_an_uploaded_file_has_its_name_and_its_bytes(value):
    assert uploaded_file(value) == ("a.png", b"abc")
    assert uploaded_file(type(value)()) is None


def test_in_colab_the_upload_is_its_own_dialogue(work, monkeypatch):
    chosen = {"large.png": CONTENT, "second.png": b"no picture"}
    colab = types.SimpleNamespace(files=types.SimpleNamespace(upload=lambda: chosen))
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    made = PictureExplorer(work, {}, START)
    button = find(made, "upload")
    assert isinstance(button, ipywidgets.Button)
    for _ in range(2):
        button.click()
        assert made.wait(SECONDS) and made.picture.min() == 1
        chosen.clear()  # the second time the dialogue is cancelled
    assert any(isinstance(part, ipywidgets.Output) for part in walk_through(made.view))
