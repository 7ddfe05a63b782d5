"""The form of every notebook, and proof that each check finds its fault in a bad one."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools import notebook_form as form
from tools.stamp import settings, stamp

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CHECKS = [form.valid, form.skeleton, form.length, form.plain_python, form.repeatable, form.stripped]


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_form(path, check):
    assert check(form.read_as_is(path)) == []


def test_pictures(path):
    assert form.pictures(form.read_as_is(path), path.parent) == []


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


@pytest.mark.parametrize("source", ["import os", "x = undefined"])
def test_ruff_sees_faults_in_cells(write_notebook, source):
    bad = write_notebook("01_bad", source)
    assert ruff("check", "--config", ROOT / "pyproject.toml", bad).returncode == 1


def sections(*names):
    return new_notebook(cells=[new_markdown_cell(f"## {name}") for name in names])


WHOLE = [*form.OPENING, *form.MIDDLE, *form.CLOSING]
PARTS = [*form.OPENING, "Part A: x", "Idea: y", *form.MIDDLE, "Part B: z", *form.MIDDLE, *form.CLOSING]


@pytest.mark.parametrize("names", [WHOLE, PARTS, [*WHOLE[:5], "An aside", *WHOLE[5:]]])
def test_skeleton_accepts(names):
    assert form.skeleton(sections(*names)) == []


@pytest.mark.parametrize("missing", WHOLE)
def test_skeleton_misses_a_section(missing):
    assert form.skeleton(sections(*(name for name in WHOLE if name != missing))) == [f"the notebook lacks {missing}"]


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        ([*WHOLE[:-1], "Train", "References"], "the notebook has its sections in another order"),
        ([WHOLE[1], WHOLE[0], *WHOLE[2:]], "the notebook has its sections in another order"),
        ([name for name in PARTS if name != "Setup"], "the opening lacks Setup"),
        ([*PARTS[:6], *PARTS[7:]], "Part A lacks Model"),
        ([name for name in PARTS if name != "Exercises"], "Part B lacks Exercises"),
    ],
)
def test_skeleton_refuses(names, fault):
    assert fault in form.skeleton(sections(*names))[0]


def as_is(*cells):
    """Return a notebook that nbformat has not repaired."""
    return nbformat.from_dict({"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def code(*sources, **metadata):
    return new_notebook(cells=[new_code_cell(source, metadata=metadata) for source in sources])


@pytest.mark.parametrize(
    ("check", "notebook", "fault"),
    [
        (form.length, code(*["x"] * 3, "\n".join(["x = 1"] * 31)), "has 31 lines, more than 30"),
        (form.length, code(*["x = 1\n" * 9] * 3), "the median cell has 9 lines"),
        (form.length, code(*["x = 1"] * 91), "the opening has 91 code cells"),
        (form.length, code(*["x = 1\n" * 7] * 41), "the opening has 287 lines of code"),
        (form.plain_python, code("%matplotlib inline"), "magic or a shell escape"),
        (form.plain_python, code("!ls"), "magic or a shell escape"),
        (form.plain_python, code("%%time\nx = 1"), "magic or a shell escape"),
        (form.plain_python, code("print?"), "magic or a shell escape"),
        (form.plain_python, code("x = = 1"), "invalid syntax, line 1"),
        (
            form.repeatable,
            code("a = 1", "print([b + a for b in (1, 2)])", "for a in 'xy':\n    pass"),
            "reads a, which",
        ),
        (form.repeatable, code("def f(): pass", "f()", "f = 1"), "reads f, which"),
        (form.valid, as_is(new_code_cell("x", id="a"), new_code_cell("y", id="a")), "stand twice: a"),
        (form.valid, as_is({"cell_type": "code"}), "cells without id"),
        (form.valid, as_is({"cell_type": "unknown", "id": "a", "metadata": {}, "source": ""}), "not a valid"),
        (form.stripped, new_notebook(metadata={"widgets": {}}), "metadata.widgets is there"),
        (form.stripped, new_notebook(cells=[new_code_cell("x", execution_count=1)]), "has outputs"),
    ],
)
def test_checks_refuse(check, notebook, fault):
    assert fault in check(notebook)[0]


def test_names_of_a_cells_own_may_be_used_again():
    cells = "a = b = 1", "a = 2\nprint(a)", "b = [a + 1 for a in (1, 2)]", "f = lambda x: x + a", "def g():\n    f = a"
    assert form.repeatable(code(*cells, "a = b = 3")) == []


@pytest.mark.parametrize(("tags", "faults"), [([], 1), (["keep_output"], 0)])
def test_outputs_stay_only_where_tagged(tags, faults):
    printed = new_output("stream", text="1")
    cell = new_code_cell("1", outputs=[printed], execution_count=1, metadata={"tags": tags})
    assert len(form.stripped(new_notebook(cells=[cell]))) == faults


def test_stripping_check_leaves_the_notebook_alone():
    cell = new_code_cell("1", outputs=[new_output("stream", text="1")])
    notebook = new_notebook(cells=[cell])
    form.stripped(notebook)
    assert len(notebook.cells[0].outputs) == 1


def test_pictures_must_be_there_and_small(tmp_path):
    (tmp_path / "large.png").write_bytes(bytes(form.PICTURE_BYTES + 1))
    (tmp_path / "small.png").write_bytes(b"x")
    text = "![a b c](small.png) ![a b c](large.png) ![a b c](https://example.org/x.png) <img src='absent.png'>"
    faults = form.pictures(new_notebook(cells=[new_markdown_cell(text)]), tmp_path)
    assert [fault.split()[2] for fault in faults] == ["large.png", "https://example.org/x.png", "absent.png"]


@pytest.mark.parametrize("text", ["", "figure", "small.png "])
def test_pictures_must_be_told(tmp_path, text):
    (tmp_path / "small.png").write_bytes(b"x")
    cell = new_markdown_cell(f"![{text}](small.png)")
    assert form.pictures(new_notebook(cells=[cell]), tmp_path) == ["the picture small.png has no text in its brackets"]


def test_headings_inside_code_do_not_count():
    notebook = new_notebook(cells=[new_markdown_cell("# Title\n```\n# no heading\n```\n## Data")])
    assert form.headings(notebook) == ["Title", "Data"]
