"""The notebooks as a learner has them: run in JupyterLab in a real browser, their controls moved by keyboard."""

import statistics
import sys

import nbformat
import numpy as np
import pytest
from browser import CHROMIUM, COLOUR, DISTORTED, FLAGS, OVERFLOWING, SECONDS, NotebookPage, jupyterlab
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
    "03_neural_style_transfer": [("stage", "stage-picture", 0, "ArrowLeft")],
    "04_variational_autoencoder": [
        ("z1", "decoded", 0, "ArrowRight"),
        ("z1", "decoded", 1, "ArrowRight"),
        ("smiling", "edited", 0, "ArrowRight"),
    ],
    "05_dcgan": [
        ("smiling", "generated", 0, "ArrowRight"),
        ("truncation", "generated", 0, "ArrowLeft"),
        ("real", "judged", 0, "ArrowRight"),
    ],
}
SLOW = {"02_deep_dream", "03_neural_style_transfer"}  # their explorers have a button that starts slow work


TRIAL = (
    """import time
from pathlib import Path
import numpy as np
from helpers.face_explorer import FaceExplorer
from helpers.picture_explorer import PictureExplorer
from helpers.explorers import sliders""",
    """def decode(z):
    return np.broadcast_to(0.5 + z[:, :1, None, None] / 20, (len(z), 8, 8, 3)).astype(np.float32)
FaceExplorer(decode, None, np.zeros((3, 2)), {"Smiling": np.ones(2)}, height=64).view""",
    """def paint(picture, report, strength):
    return {"painted": picture * strength}
PictureExplorer(paint, sliders(strength=("Strength", 0.5, 0, 1, 0.1)), np.full((64, 64, 3), 0.5, np.float32)).view""",
)


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


@pytest.mark.parametrize("name", MOVES)
def test_notebook_runs_and_its_controls_answer(address, browser, name):
    page = browser.new_page(viewport={"width": 1600, "height": 1000})
    notebook = NotebookPage(page, address, name)
    assert notebook.run_all() == []
    for control, watched, number, key in MOVES[name]:
        moves = 3 if control == "stage" else 20
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
    page.set_viewport_size({"width": 800, "height": 1000})
    page.wait_for_function(f"() => ({OVERFLOWING})() === 0", timeout=10 * SECONDS)  # JupyterLab lays out anew
    assert page.evaluate(DISTORTED) == []
    notebook.screenshot("reset", 0, ROOT / "build" / "screenshots" / f"{name}-narrow.png")
    assert notebook.faults == [] and notebook.outside == []
    notebook.close()


@pytest.fixture(scope="module")
def trial(address, browser, folder):
    """Open a notebook with two quick explorers: nothing has to be trained to see how they behave in a page."""
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    notebook.cells = [nbformat.v4.new_code_cell(code) for code in TRIAL]
    nbformat.write(notebook, folder / "notebooks" / "trial.ipynb")
    opened = NotebookPage(browser.new_page(viewport={"width": 1600, "height": 1000}), address, "trial")
    assert opened.run_all() == []
    yield opened
    opened.close()


def test_a_control_moved_while_the_kernel_is_busy_has_its_effect_afterwards(trial, folder):
    handle, done = trial.page.locator(".explore-smiling .noUi-handle"), folder / "trained"
    trial.begin(f"while not Path({str(done)!r}).exists(): time.sleep(0.01)")  # stands for a training
    handle.focus()
    for _ in range(7):
        trial.page.keyboard.press("ArrowRight")
    assert float(handle.get_attribute("aria-valuenow")) == pytest.approx(0.7)
    assert trial.page.evaluate(COLOUR, ".explore-edited") == 128
    done.touch()
    moved = round(255 * (0.5 + 0.7 / 20))  # the first of the moves may be drawn before the last
    trial.page.wait_for_function(f"() => ({COLOUR})('.explore-edited') === {moved}", timeout=60 * SECONDS)


def test_uploads_that_are_large_or_no_pictures(trial, folder):
    noise = np.random.default_rng(0).integers(0, 256, (2_000, 2_400, 3), np.uint8)
    large, text, bomb = folder / "large.png", folder / "text.png", folder / "bomb.png"
    Image.fromarray(noise).save(large)
    text.write_text("no picture")
    Image.new("1", (11_000, 11_000)).save(bomb)
    assert large.stat().st_size > 12e6
    for path, words in ((text, "not a picture"), (large, "77 wide and 64 high"), (bomb, "⚠"), (large, "77 wide")):
        assert words in trial.upload(path)


def test_an_explorer_says_that_its_kernel_is_gone(trial):
    notes = trial.page.locator(".explore-kernel-gone")
    assert notes.count() == 2 and not any(note.is_visible() for note in notes.all())
    trial.restart()
    for note in notes.all():
        note.wait_for(state="visible", timeout=60 * SECONDS)
    assert "Run the notebook again" in notes.first.inner_text()
