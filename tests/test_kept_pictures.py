"""Notebooks 02 and 03 keep what they dream and paint: run again after an end, they find all of it."""

import nbformat
import pytest
from conftest import ROOT

from tools.execute import execute

# How many dreams and paintings differ in smoke. Those of explorers and proofs are not kept, nor is the zoom.
KEPT = {"02_deep_dream": 11, "03_neural_style_transfer": 21}


def printed(name):
    """Run a notebook and return all that its cells print."""
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    execute(notebook, ROOT / "notebooks")
    return "\n".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))


@pytest.mark.parametrize("name", KEPT)
def test_a_notebook_that_runs_again_finds_all_that_it_made(name, tmp_path, monkeypatch):
    monkeypatch.setenv("NB_PROFILE", "smoke")
    monkeypatch.setenv("NB_OUTPUT_DIR", str(tmp_path))
    printed(name)
    folders = list((tmp_path / name / "checkpoints").iterdir())
    assert len(folders) == KEPT[name]
    said = printed(name)
    assert all(f"there is nothing left to do. To start anew, delete {folder} " in said for folder in folders)
    assert len(list((tmp_path / name / "checkpoints").iterdir())) == KEPT[name]
