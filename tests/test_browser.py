"""The notebooks as a learner has them: run in JupyterLab in a real browser, their controls moved by keyboard."""

import statistics
import sys

import nbformat
import numpy as np
import pytest
from browser import (
    CHROMIUM,
    COLOUR,
    COUNT_CHANGES,
    DISTORTED,
    FLAGS,
    IDLE,
    OVERFLOWING,
    SECONDS,
    NotebookPage,
    jupyterlab,
)
from conftest import ROOT
from PIL import Image

pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium here: install the package `chromium` to test in a browser"),
    pytest.mark.timeout(900),
]
# Notebook → its explorers: control, what follows it, which of the same name, the key.
MOVES = {
    "01_text_generation": [
        ("temperature", "result", 0, "ArrowRight"),
        ("temperature", "result", 1, "ArrowRight"),
    ],
    "02_deep_dream": [],
    "03_neural_style_transfer": [("frame", "shown", 0, "ArrowLeft")],
    "04_variational_autoencoder": [
        ("z1", "decoded", 0, "ArrowRight"),
        ("z1", "decoded", 1, "ArrowRight"),
        ("smiling", "edited", 0, "ArrowRight"),
    ],
    "05_dcgan": [
        ("smiling", "generated", 0, "ArrowRight"),
        ("truncation", "generated", 0, "ArrowLeft"),
    ],
}
SLOW = {"02_deep_dream", "03_neural_style_transfer"}  # their explorers have a button that starts slow work


# One page with all explorers, on models that take no time.
TRIAL = (
    """import time
from pathlib import Path
import numpy as np
from helpers.explorers import FaceExplorer, FrameSlider, GeneratorExplorer, MapExplorer, PictureExplorer, TextExplorer
from helpers.explorers import Written, nearest_picture, sliders

def decode(z):  # the first columns are a grey that z moves a little, the others waves that show the least move
    z, place = z[:, :1, None, None], np.arange(64)[:, None]
    waves = 0.5 + z / 20 + 0.3 * np.sin(place * z) * (place > 8)
    return np.broadcast_to(np.clip(waves, 0, 1), (len(z), 64, 64, 3)).astype(np.float32)""",
    """def paint(picture, report, strength):
    report("painting", 0.5, picture)
    return {"painted": picture * strength}
PictureExplorer(paint, sliders(strength=("Strength", 0.5, 0, 1, 0.1)), np.full((64, 64, 3), 0.5, np.float32)).view""",
    """FaceExplorer(decode, None, np.zeros((3, 2)), {"Smiling": np.ones(2)}).view""",
    """def in_pieces(words):
    for word in words:
        time.sleep(0.02)
        yield word
def write(temperature, **settings):
    return Written("a", in_pieces([" text", f" at {temperature:.2f}", "."]), [("b", temperature / 2)])
TextExplorer(write, "a", symbols=57, length=40, longest=200).view""",
    """points, kinds = np.random.default_rng(0).normal(size=(300, 2)), np.arange(300) % 3
near = nearest_picture(points, decode(points), [f"point {n}" for n in range(300)])
MapExplorer(decode, points, kinds, ["one", "two", "three"], near).view""",
    """judge = lambda pictures: 20 * pictures.mean(axis=(1, 2, 3)) - 10
GeneratorExplorer({"a": decode}, {"a": {"Hat": np.ones(2)}}, dimensions=2, judge={"a": judge}).view""",
    """FrameSlider([np.full((64, 64, 3), step / 30) for step in range(30)]).view""",
)
TRIAL_MOVES = [
    ("temperature", "result", "ArrowRight"),
    ("z1", "decoded", "ArrowRight"),
    ("smiling", "edited", "ArrowRight"),
    ("hat", "generated", "ArrowRight"),
    ("truncation", "generated", "ArrowLeft"),
    ("hat", "verdict", "ArrowLeft"),
    ("frame", "shown", "ArrowLeft"),
]
PANELS = 5  # that have a kernel to lose


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("lab")


@pytest.fixture(scope="module")
def address(folder):
    with jupyterlab(folder, ROOT / "notebooks") as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.mark.slow
@pytest.mark.parametrize("name", MOVES)
def test_notebook_runs_and_its_controls_answer(address, browser, name):
    page = browser.new_page(viewport={"width": 1600, "height": 1000})
    notebook = NotebookPage(page, address, name)
    assert notebook.run_all() == []
    for control, watched, number, key in MOVES[name]:
        moves = 3 if control == "frame" else 20
        begun, settled = notebook.move(control, watched, number, moves, key)
        notebook.screenshot(control, number, ROOT / "build" / "screenshots" / f"{name}-{control}-{number}.png")
        assert statistics.median(settled) < 3_000, "far more than a busy machine explains"
        if watched == "result":
            assert statistics.median(begun) < statistics.median(settled), "a text is shown as it is written"
    if name in SLOW:
        for _ in range(3):  # the first press also changes JupyterLab's mode
            assert notebook.press("run", "status") < 3_000
            page.locator(".explore-status", has_text="Done in").first.wait_for(timeout=120 * SECONDS)
        assert page.locator(".explore-result-1[src]").count() == 1
        notebook.screenshot("run", 0, ROOT / "build" / "screenshots" / f"{name}-run.png")
    if sys.platform == "linux":
        assert notebook.peak_memory() < 2, "gigabytes in the smoke profile"
    assert page.evaluate(DISTORTED) == []
    make_narrow(page)
    notebook.screenshot("reset", 0, ROOT / "build" / "screenshots" / f"{name}-narrow.png")
    assert notebook.faults == [] and notebook.outside == []
    notebook.close()


def make_narrow(page):
    page.set_viewport_size({"width": 800, "height": 1000})
    page.wait_for_function(f"() => ({OVERFLOWING})() === 0", timeout=10 * SECONDS)  # JupyterLab lays out anew
    assert page.evaluate(DISTORTED) == []


@pytest.fixture(scope="module")
def trial(address, browser, folder):
    """Open a notebook with all explorers: nothing has to be trained to see how they behave in a page."""
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    notebook.cells = [nbformat.v4.new_code_cell(code) for code in TRIAL]
    nbformat.write(notebook, folder / "notebooks" / "trial.ipynb")
    opened = NotebookPage(browser.new_page(viewport={"width": 1600, "height": 1000}), address, "trial")
    assert opened.run_all() == []
    yield opened
    assert opened.faults == [] and opened.outside == []
    opened.close()


def test_a_control_moved_while_the_kernel_is_busy_has_its_effect_afterwards(trial, folder):
    handle, done = trial.page.locator(".explore-smiling .noUi-handle"), folder / "trained"
    trial.begin(f"while not Path({str(done)!r}).exists(): time.sleep(0.01)")  # stands for a training
    handle.focus()
    for _ in range(7):
        trial.page.keyboard.press("ArrowRight")
    assert float(handle.get_attribute("aria-valuenow")) == pytest.approx(0.7)
    done.touch()
    moved = round(255 * (0.5 + 0.7 / 20))  # the first of the moves may be drawn before the last
    trial.page.wait_for_function(f"() => ({COLOUR})('.explore-edited') === {moved}", timeout=60 * SECONDS)


@pytest.mark.parametrize(("control", "watched", "key"), TRIAL_MOVES)
def test_every_explorer_answers_the_keyboard(trial, control, watched, key):
    begun, settled = trial.move(control, watched, key=key)
    assert statistics.median(settled) < 3_000, "far more than a busy machine explains"
    if watched == "result":
        assert statistics.median(begun) < statistics.median(settled), "a text is shown as it is written"


def test_the_button_of_slow_work_answers(trial):
    for _ in range(2):  # the first press also changes JupyterLab's mode
        assert trial.press("run", "status") < 3_000
        trial.page.locator(".explore-status", has_text="Done in").first.wait_for(timeout=60 * SECONDS)
    assert trial.page.locator(".explore-result-1[src]").count() == 1


@pytest.mark.parametrize(("number", "watched"), [(0, "decoded"), (1, "generated")])
def test_play_walks_and_can_be_stopped(trial, number, watched):
    walk, play = (trial.page.locator(f".explore-{name}").nth(number) for name in ("walk", "play"))
    handle, picture = walk.locator(".noUi-handle"), trial.page.locator(f".explore-{watched}")
    before, button = picture.get_attribute("src"), play.locator("button").first
    button.focus()
    trial.page.keyboard.press("Enter")
    reached = "([handle]) => Number(handle.getAttribute('aria-valuenow')) >= 5"
    trial.page.wait_for_function(reached, arg=[handle.element_handle()], timeout=60 * SECONDS)
    if watched == "decoded":
        trial.page.locator(".latent-pad canvas").press("ArrowRight")  # who points at a place ends the walk
    else:
        button.focus()
        trial.page.keyboard.press("Enter")
    trial.page.wait_for_timeout(0.5 * SECONDS)
    rests = handle.get_attribute("aria-valuenow")
    assert picture.get_attribute("src") != before
    trial.page.wait_for_timeout(0.3 * SECONDS)
    assert handle.get_attribute("aria-valuenow") == rests


def test_a_walk_while_the_kernel_is_busy_can_be_stopped_and_leaves_no_queue(trial, folder):
    walk, play = (trial.page.locator(f".explore-{name}").nth(1) for name in ("walk", "play"))
    handle, button, done = walk.locator(".noUi-handle"), play.locator("button").first, folder / "worked"
    begin = int(float(handle.get_attribute("aria-valuenow")))
    trial.page.evaluate(COUNT_CHANGES, ".explore-generated")
    trial.begin(f"while not Path({str(done)!r}).exists(): time.sleep(0.01)")
    button.focus()
    trial.page.keyboard.press("Enter")
    reached = f"([handle]) => Number(handle.getAttribute('aria-valuenow')) >= {begin + 15}"
    trial.page.wait_for_function(reached, arg=[handle.element_handle()], timeout=60 * SECONDS)
    trial.page.keyboard.press("Enter")
    rests = handle.get_attribute("aria-valuenow")
    trial.page.wait_for_timeout(0.3 * SECONDS)
    assert handle.get_attribute("aria-valuenow") == rests
    done.touch()
    trial.page.wait_for_function("() => window.changes > 0", timeout=60 * SECONDS)
    trial.page.wait_for_function(IDLE, timeout=60 * SECONDS)
    trial.page.wait_for_timeout(0.5 * SECONDS)
    changes = trial.page.evaluate("window.changes")
    trial.page.wait_for_timeout(0.5 * SECONDS)
    assert trial.page.evaluate("window.changes") == changes <= 20, "no more pictures than steps"


def test_uploads_that_are_large_or_no_pictures(trial, folder):
    noise = np.random.default_rng(0).integers(0, 256, (2_000, 2_400, 3), np.uint8)
    large, text, bomb = folder / "large.png", folder / "text.png", folder / "bomb.png"
    Image.fromarray(noise).save(large)
    text.write_text("no picture")
    Image.new("1", (11_000, 11_000)).save(bomb)
    assert large.stat().st_size > 12e6
    for path, words in ((text, "not a picture"), (large, "77 wide and 64 high"), (bomb, "⚠"), (large, "77 wide")):
        assert words in trial.upload(path)


def test_nothing_overflows_or_is_distorted(trial):
    assert trial.page.evaluate(DISTORTED) == []
    for name in ("map", "verdict", "frame"):
        trial.screenshot(name, 0, ROOT / "build" / "screenshots" / f"trial-{name}.png")
    make_narrow(trial.page)
    trial.screenshot("reset", 0, ROOT / "build" / "screenshots" / "trial-narrow.png")


def test_an_explorer_says_that_its_kernel_is_gone(trial):
    notes = trial.page.locator(".explore-kernel-gone")
    assert notes.count() == PANELS and not any(note.is_visible() for note in notes.all())
    trial.restart()
    for note in notes.all():
        note.wait_for(state="visible", timeout=60 * SECONDS)
    assert "Run the notebook again" in notes.first.inner_text()
