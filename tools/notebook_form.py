"""What every notebook must look like: each check takes a notebook and returns what is wrong, a line a fault."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from nbstripout import strip_output

OPENING = ["Idea", "Setup"]
# A notebook in parts repeats these in each.
MIDDLE = ["Data", "Look at a batch", "Model", "Loss", "Try it untrained", "Train", "Sample", "Explore"]
MIDDLE += ["How good is it?", "What to notice"]
CLOSING = ["From the books to here", "Checks", "Exercises", "Where it went next", "References"]
CELL_LINES, PICTURE_BYTES = 30, 500_000


def skeleton(notebook: nbformat.NotebookNode) -> list[str]:
    """The sections are in order; a notebook in parts ('# Part A: ...') repeats the middle ones in each part."""
    parts = [("the opening", [])]
    for title in headings(notebook):
        name = title.split(":")[0].strip()
        if name.startswith("Part "):
            parts.append((name, []))
        elif name in [*OPENING, *MIDDLE, *CLOSING] and not (name == "Idea" and len(parts) > 1):
            parts[-1][1].append(name)
    expected = [OPENING, *[MIDDLE for _ in parts[1:]]]
    expected[-1] = expected[-1] + (CLOSING if len(parts) > 1 else MIDDLE + CLOSING)
    return [
        f"{where} lacks {', '.join(missing)}"
        if (missing := [name for name in wanted if name not in found])
        else f"{where} has its sections in another order: {', '.join(found)}"
        for (where, found), wanted in zip(parts, expected, strict=True)
        if found != wanted
    ]


def headings(notebook: nbformat.NotebookNode) -> list[str]:
    """Return the text of all headings, in order; lines inside fenced code are no headings."""
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    prose = re.sub(r"^```.*?^```", "", "\n\n".join(texts), flags=re.MULTILINE | re.DOTALL)
    return [title.strip() for title in re.findall(r"^#+\s+(.+)$", prose, re.MULTILINE)]


def length(notebook: nbformat.NotebookNode) -> list[str]:
    """No cell is too long."""
    counts = [(cell.id, len(cell.source.splitlines())) for cell in notebook.cells if cell.cell_type == "code"]
    return [f"cell {name} has {count} lines, more than {CELL_LINES}" for name, count in counts if count > CELL_LINES]


def plain_python(notebook: nbformat.NotebookNode) -> list[str]:
    """No line magics, shell escapes or help marks (nbval would swallow their errors), and no syntax errors."""
    faults = []
    for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
        if TransformerManager().transform_cell(cell.source).strip() != cell.source.strip():
            faults.append(f"cell {cell.id} uses a magic or a shell escape")
            continue
        try:
            ast.parse(cell.source)
        except SyntaxError as error:
            faults.append(f"cell {cell.id}: {error.msg}, line {error.lineno}")
    return faults


def repeatable(notebook: nbformat.NotebookNode) -> list[str]:
    """No name that a cell reads is given to something else further down: the cell could not be run again."""
    cells = [(cell.id, *_written_and_read(cell.source)) for cell in notebook.cells if cell.cell_type == "code"]
    faults = []
    for place, (reader, _, read) in enumerate(cells):
        above = set().union(*(written for _, written, _ in cells[:place]))
        for writer, written, _ in cells[place + 1 :]:
            faults += [f"cell {reader} reads {name}, which cell {writer} rebinds" for name in read & written & above]
    return faults


def _written_and_read(source: str) -> tuple[set[str], set[str]]:
    """Return the names that a cell binds, outside of functions, and those that it reads and does not bind."""
    outside, nodes = [ast.parse(source)], []
    while outside:
        nodes.append(node := outside.pop())
        if not isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Lambda):
            outside += ast.iter_child_nodes(node)
    names = [node for node in nodes if isinstance(node, ast.Name)]
    loops = [name for node in nodes if isinstance(node, ast.comprehension) for name in ast.walk(node.target)]
    inner = {node.id for node in loops if isinstance(node, ast.Name)}
    written = {node.id for node in names if isinstance(node.ctx, ast.Store)} - inner
    written |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    return written, {node.id for node in names} - written - inner


def stripped(notebook: nbformat.NotebookNode) -> list[str]:
    """No outputs and execution counts (but in cells tagged keep_output), and no state of sliders."""
    faults = ["metadata.widgets is there: it shows controls that do not work"] if "widgets" in notebook.metadata else []
    bare = strip_output(nbformat.from_dict(notebook), keep_output=False, keep_count=False, keep_id=True)
    for cell, empty in zip(notebook.cells, bare.cells, strict=True):
        counted = cell.get("execution_count") and not empty.get("outputs")  # a kept output keeps its count
        if counted or cell.get("outputs") != empty.get("outputs"):
            faults.append(f"cell {cell.id} has outputs: run nbstripout on the notebook")
    return faults


def valid(notebook: nbformat.NotebookNode) -> list[str]:
    """The file follows the notebook format, with an id of its own for each cell."""
    ids = [cell.get("id") for cell in notebook.cells]
    if None in ids or len(set(ids)) < len(ids):
        return ["a cell has no id, or that of another"]
    try:
        nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        return [f"not a valid notebook: {error.message}"]
    return []


def read_as_is(path: Path) -> nbformat.NotebookNode:
    """Return the notebook in a file without the repairs that nbformat.read makes."""
    return nbformat.v4.reads(path.read_text(encoding="utf-8"))


def pictures(notebook: nbformat.NotebookNode, folder: Path) -> list[str]:
    """Pictures in the text are files of the project, not too large, with a text for those who cannot see them."""
    texts = "\n".join(cell.source for cell in notebook.cells if "badge" not in cell.metadata.get("tags", []))
    shown = re.findall(r"!\[([^\]]*)\]\(([^)\s]+)", texts)
    faults = [f"the picture {name} has no text in its brackets" for text, name in shown if len(text.split()) < 3]
    for name in [name for _, name in shown] + re.findall(r"<img[^>]*\bsrc=[\"']([^\"']+)", texts):
        path = folder / name
        if not path.is_file():
            faults.append(f"the picture {name} is no file of the project")
        elif path.stat().st_size > PICTURE_BYTES:
            faults.append(f"the picture {name} is larger than {PICTURE_BYTES // 1000} kB")
    return faults
