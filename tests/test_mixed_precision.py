"""The notebooks run to their ends, their proofs included, in mixed precision as well.

In `make test` the first one alone, whose proofs compare most; in `make soak` (SOAK_MIXED=1) all of them. On a CPU
16 bits are slower: convolutions in float16 so much that 04 and 05 are run in bfloat16 only. 02 and 03 train nothing,
and their nets stay in float32: there it is the policy's other effects that must do no harm.
"""

import os

import nbformat
import pytest
from conftest import ROOT

from tools.execute import execute

NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
RUNS = [(name, "mixed_bfloat16") for name in NOTEBOOKS] + [(name, "mixed_float16") for name in NOTEBOOKS[:3]]


@pytest.mark.parametrize(("name", "policy"), RUNS if os.environ.get("SOAK_MIXED") else RUNS[:1])
def test_a_notebook_runs_to_its_end(name, policy, tmp_path, monkeypatch):
    monkeypatch.setenv("NB_PROFILE", "smoke")
    monkeypatch.setenv("NB_OUTPUT_DIR", str(tmp_path))
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    ask = nbformat.v4.new_code_cell(f'import keras\nkeras.config.set_dtype_policy("{policy}")')
    tell = nbformat.v4.new_code_cell("print(keras.layers.ReLU().compute_dtype)")
    imports = next(place for place, cell in enumerate(notebook.cells) if cell.cell_type == "code")
    notebook.cells.insert(imports + 1, ask)
    notebook.cells.append(tell)  # no cell between has set it back
    execute(notebook, ROOT / "notebooks")
    assert notebook.cells[-1].outputs[0].text.strip() == policy.removeprefix("mixed_")
