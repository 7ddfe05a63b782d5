"""The form of every notebook; each check also finds one fault in a bad one."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools import notebook_form as form
from tools.pages import mathml
from tools.stamp import settings, stamp

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CHECKS = [form.valid, form.length, form.plain_python, form.repeatable, form.stripped]


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_form(path, check):
    assert check(form.read_as_is(path)) == []


def test_skeleton(path):
    assert form.skeleton(form.read_as_is(path)) == []


def test_pictures(path):
    assert form.pictures(form.read_as_is(path), path.parent) == []


def test_formulas_can_be_written_into_a_page(path):
    prose = "\n\n".join(cell.source for cell in form.read_as_is(path).cells if cell.cell_type == "markdown")
    prose = re.sub(r"```.*?```|`[^`]*`", "", prose, flags=re.DOTALL)
    for formula in re.findall(r"\$\$(.+?)\$\$", prose, re.DOTALL) + re.findall(r"(?<!\$)\$([^$]+)\$(?!\$)", prose):
        written = mathml(formula, "block")
        assert written.startswith("<math") and "<mi>&</mi>" not in written, formula


def test_stamped_cells_come_first(path):
    notebook = form.read_as_is(path)
    assert not stamp(notebook, settings(), path.name), "run `python make.py stamp`"
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code[0].metadata.tags == ["first-cell"]


def ruff(*arguments):
    command = [sys.executable, "-m", "ruff", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8")


@pytest.mark.parametrize("arguments", [["check"], ["format", "--check"]], ids=["lint", "format"])
def test_whole_project_is_ruff_clean(arguments):
    answer = ruff(*arguments, ".")
    assert answer.returncode == 0, answer.stdout + answer.stderr


def code(*sources):
    return new_notebook(cells=[new_code_cell(source) for source in sources])


PARTS = [*form.OPENING, "Part A: x", "Idea: y", *form.MIDDLE, "Part B: z", *form.MIDDLE, *form.CLOSING]


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        (PARTS, None),
        ([*form.OPENING[::-1], *form.MIDDLE, *form.CLOSING], "order"),
        ([*PARTS[:6], *PARTS[7:]], "Part A lacks Model"),
    ],
)
def test_sections(names, fault):
    faults = form.skeleton(new_notebook(cells=[new_markdown_cell(f"## {name}") for name in names]))
    assert fault in faults[0] if fault else faults == []


@pytest.mark.parametrize(
    ("check", "notebook"),
    [
        (form.length, code("\n".join(["x = 1"] * 31))),
        (form.plain_python, code("!ls")),
        (form.repeatable, code("a = 1", "print([b + a for b in (1, 2)])", "for a in 'xy':\n    pass")),
        (form.valid, nbformat.from_dict({"cells": [new_code_cell("x", id="a"), new_code_cell("y", id="a")]})),
        (form.stripped, new_notebook(cells=[new_code_cell("x", execution_count=1)])),
    ],
)
def test_a_fault_is_found(check, notebook):
    assert len(check(notebook)) == 1


def test_names_of_a_cells_own_may_be_used_again():
    cells = "a = b = 1", "a = 2\nprint(a)", "b = [a + 1 for a in (1, 2)]", "f = lambda x: x + a", "def g():\n    f = a"
    assert form.repeatable(code(*cells, "a = b = 3")) == []
