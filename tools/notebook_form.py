"""What every notebook must look like: each check takes a notebook and returns what is wrong, a line a fault."""

from __future__ import annotations

import ast
import re
import statistics
from pathlib import Path

import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from nbstripout import strip_output

OPENING = ["Idea", "Setup"]
MIDDLE = [
    "Data",
    "Look at a batch",
    "Model",
    "Loss",
    "Try it untrained",
    "Train",
    "Sample",
    "Explore",
    "Is it correct?",
    "How good is it?",
    "What to notice",
]
CLOSING = ["Exercises", "References"]
CELL_LINES, MEDIAN_LINES, PART_CELLS, PART_LINES = 30, 8, 90, 280
PICTURE_BYTES = 500_000


def skeleton(notebook: nbformat.NotebookNode) -> list[str]:
    """The sections stand in order; a notebook in parts ('# Part A: ...') repeats the middle ones in each part."""
    sections, parts = [], []
    for title in headings(notebook):
        name = title.split(":")[0].strip()
        if name.startswith("Part "):
            parts.append((name, []))
        elif name in OPENING + MIDDLE + CLOSING:
            (parts[-1][1] if parts else sections).append(name)
    if not parts:
        return _differences("the notebook", sections, OPENING + MIDDLE + CLOSING)
    faults = _differences("the opening", sections, OPENING)
    for number, (name, found) in enumerate(parts, 1):
        expected = MIDDLE + (CLOSING if number == len(parts) else [])
        faults += _differences(name, [section for section in found if section != "Idea"], expected)
    return faults


def _differences(where: str, found: list[str], expected: list[str]) -> list[str]:
    if found == expected:
        return []
    missing = [name for name in expected if name not in found]
    what = f"lacks {', '.join(missing)}" if missing else f"has its sections in another order: {', '.join(found)}"
    return [f"{where} {what}"]


def headings(notebook: nbformat.NotebookNode) -> list[str]:
    """Return the text of all headings, in order; lines inside fenced code are no headings."""
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    prose = re.sub(r"^```.*?^```", "", "\n\n".join(texts), flags=re.MULTILINE | re.DOTALL)
    return [title.strip() for title in re.findall(r"^#+\s+(.+)$", prose, re.MULTILINE)]


def length(notebook: nbformat.NotebookNode) -> list[str]:
    """No cell is too long, nor the median cell, nor a part."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    counts = [len(cell.source.splitlines()) for cell in cells]
    faults = [
        f"cell {cell.id} has {count} lines, more than {CELL_LINES}"
        for cell, count in zip(cells, counts, strict=True)
        if count > CELL_LINES
    ]
    if counts and statistics.median(counts) > MEDIAN_LINES:
        faults.append(f"the median cell has {statistics.median(counts)} lines, more than {MEDIAN_LINES}")
    for name, part in parts_of(notebook).items():
        lines = sum(len(code_lines(cell.source)) for cell in part)
        if len(part) > PART_CELLS:
            faults.append(f"{name} has {len(part)} code cells, more than {PART_CELLS}")
        if lines > PART_LINES:
            faults.append(f"{name} has {lines} lines of code, more than {PART_LINES}")
    return faults


def parts_of(notebook: nbformat.NotebookNode) -> dict[str, list[nbformat.NotebookNode]]:
    """Return the code cells by part, less the settings; what stands before the first part counts as the opening."""
    parts, name = {"the opening": []}, "the opening"
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and (found := re.search(r"^#+\s+(Part \w+)", cell.source, re.MULTILINE)):
            name = found[1]
            parts.setdefault(name, [])
        elif cell.cell_type == "code" and not {"first-cell", "settings"} & set(cell.metadata.get("tags", [])):
            parts[name].append(cell)
    return parts


def code_lines(source: str) -> list[str]:
    """Return the lines that are neither blank nor only a comment."""
    return [line for line in source.splitlines() if line.strip() and not line.strip().startswith("#")]


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
    faults = []
    if "widgets" in notebook.metadata:
        faults.append("metadata.widgets is there: it shows controls that do not work")
    bare = strip_output(nbformat.from_dict(notebook), keep_output=False, keep_count=False, keep_id=True)
    for cell, empty in zip(notebook.cells, bare.cells, strict=True):
        counted = cell.get("execution_count") and not empty.get("outputs")  # a kept output keeps its count
        if counted or cell.get("outputs") != empty.get("outputs"):
            faults.append(f"cell {cell.id} has outputs: run nbstripout on the notebook")
    return faults


def valid(notebook: nbformat.NotebookNode) -> list[str]:
    """The file follows the notebook format, with an id of its own for each cell."""
    ids = [cell.get("id") for cell in notebook.cells]
    if None in ids:
        return ["cells without id: save it in notebook format 4.5"]
    twice = sorted({name for name in ids if ids.count(name) > 1})
    if twice:
        return [f"cell ids stand twice: {', '.join(twice)}"]
    try:
        nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        return [f"not a valid notebook: {error.message}"]
    return []


def read_as_is(path: Path) -> nbformat.NotebookNode:
    """Return the notebook in a file without the repairs that nbformat.read makes on the quiet."""
    return nbformat.v4.reads(path.read_text(encoding="utf-8"))


def pictures(notebook: nbformat.NotebookNode, folder: Path) -> list[str]:
    """Pictures that the text shows are files of the project, not too large, and told to those who cannot see them."""
    texts = "\n".join(cell.source for cell in notebook.cells if "badge" not in cell.metadata.get("tags", []))
    told = re.findall(r"!\[([^\]]*)\]\(([^)\s]+)", texts)
    faults = [f"the picture {name} has no text in its brackets" for text, name in told if len(text.split()) < 3]
    for name in re.findall(r"!\[[^\]]*\]\(([^)\s]+)", texts) + re.findall(r"<img[^>]*\bsrc=[\"']([^\"']+)", texts):
        path = folder / name
        if not path.is_file():
            faults.append(f"the picture {name} is no file of the project")
        elif path.stat().st_size > PICTURE_BYTES:
            faults.append(f"the picture {name} is larger than {PICTURE_BYTES // 1000} kB")
    return faults
