"""The notebooks as a learner has them: run in JupyterLab in a real browser, their controls moved by keyboard."""

import statistics

import pytest
from browser import CHROMIUM, FLAGS, SECONDS, NotebookPage, jupyterlab
from conftest import ROOT

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


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with jupyterlab(tmp_path_factory.mktemp("lab"), ROOT / "notebooks") as address:
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
        milliseconds = notebook.move(control, watched, number, moves, key)
        notebook.screenshot(control, number, ROOT / "build" / "screenshots" / f"{name}-{control}-{number}.png")
        assert statistics.median(milliseconds) < 3_000, "far more than a busy machine explains"
    if name in SLOW:
        assert notebook.press("run", "status") < 3_000
        page.wait_for_selector(".explore-result-1[src]", timeout=120 * SECONDS)
        page.wait_for_selector(".explore-run:not([disabled])", timeout=120 * SECONDS)
        notebook.screenshot("run", 0, ROOT / "build" / "screenshots" / f"{name}-run.png")
    assert notebook.faults == [] and notebook.outside == []
    notebook.close()
