"""Writes the project's address into the notebooks: badge and first code cell. `python -m tools.stamp [--check]`.

The address is in pyproject.toml under [tool.generative]. While it is the placeholder, no notebook links to it or clones
from it.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
FIRST_CELL, BADGE = "first-cell", "badge"  # the tags by which the two cells are known

PLACEHOLDER = "your-account"  # in the address of a project that has none of its own yet
SOURCE = """\
# @title Get the project: the folder above this notebook's, or one beside it or in Google Drive, or a clone
import os, shlex, subprocess, sys  # noqa: E401, I001

name, address, said = "{folder}", os.environ.get("GENERATIVE_REPOSITORY", "{address}").strip(), ""
places = "..", ".", name, f"/content/drive/MyDrive/{{name}}"
if address and not any(os.path.exists(f"{{place}}/helpers/__init__.py") for place in places):
    said = subprocess.getoutput(f"git clone --quiet --depth 1 -- {{shlex.quote(address)}} {{name}}")
sys.path[:0] = [os.path.abspath(place) for place in places if os.path.exists(f"{{place}}/helpers/__init__.py")]
if not os.path.exists(f"{{sys.path[0]}}/helpers/__init__.py"):
    raise RuntimeError(f"Upload the folder {{name}} (Colab: mount its Drive) or set GENERATIVE_REPOSITORY. {{said}}")
"""
WORDS = """\
**In Colab**: name the project's folder `{folder}` and upload it whole to *My Drive* in Google Drive. Open this
notebook there (*Open with → Google Colaboratory*), choose a GPU (*Runtime → Change runtime type*), and mount the Drive:
the folder symbol on the left, then the symbol of Drive. Then run the cells.\
"""


def settings() -> dict:
    """Return [tool.generative] of pyproject.toml: repository and branch."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["generative"]


def folder_of(settings: dict) -> str:
    """Return the name of the project's folder, the last part of its address."""
    return settings["repository"].rstrip("/").rsplit("/", 1)[-1].removesuffix(".git")


def has_address(settings: dict) -> bool:
    """Return whether the project has an address, or only the placeholder for one."""
    return PLACEHOLDER not in settings["repository"]


def first_cell(settings: dict) -> str:
    """Return the source of the first code cell, the same for all notebooks."""
    address = settings["repository"] if has_address(settings) else ""
    return SOURCE.format(address=address, folder=folder_of(settings)).rstrip()


def badge(settings: dict, name: str) -> str:
    """Return the markdown that opens the notebook `name` (a file name) in Colab, which knows GitHub only."""
    if not has_address(settings):
        return WORDS.format(folder=folder_of(settings))
    address = settings["repository"].rstrip("/").removesuffix(".git")
    if not address.startswith("https://github.com/"):
        return f"This notebook belongs to [{address}]({address})."
    target = f"{address.removeprefix('https://github.com/')}/blob/{settings['branch']}/notebooks/{name}"
    # Words rather than Colab's picture: a notebook that is only opened asks nothing of the network.
    return f"[Open in Colab](https://colab.research.google.com/github/{target})"


def stamp(notebook: nbformat.NotebookNode, settings: dict, name: str) -> bool:
    """Bring the two cells of a notebook up to date, putting in those it lacks; return whether anything changed."""
    before = nbformat.writes(notebook)
    _place(notebook, BADGE, nbformat.v4.new_markdown_cell, badge(settings, name), _after_title(notebook))
    _place(notebook, FIRST_CELL, nbformat.v4.new_code_cell, first_cell(settings), _first_code(notebook))
    return nbformat.writes(notebook) != before


def _place(notebook: nbformat.NotebookNode, tag: str, new_cell, source: str, index: int) -> None:
    for cell in notebook.cells:
        if tag in cell.metadata.get("tags", []):
            cell.source = source
            break
    else:
        notebook.cells.insert(index, cell := new_cell(source, id=tag, metadata={"tags": [tag]}))
    if tag == FIRST_CELL:  # folded, in Colab and in JupyterLab
        cell.metadata.update({"cellView": "form", "jupyter": {"source_hidden": True}})


def _after_title(notebook: nbformat.NotebookNode) -> int:
    return 1 if notebook.cells and notebook.cells[0].cell_type == "markdown" else 0


def _first_code(notebook: nbformat.NotebookNode) -> int:
    kinds = [cell.cell_type for cell in notebook.cells]
    return kinds.index("code") if "code" in kinds else len(kinds)


def main(arguments: list[str] | None = None) -> int:
    """Stamp every notebook; with --check only print which are not stamped, and return 1 if there are any."""
    parser = argparse.ArgumentParser(prog="make.py stamp", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing, print which notebooks differ")
    parser.add_argument("--notebooks", type=Path, default=ROOT / "notebooks")
    options = parser.parse_args(arguments)
    current, changed = settings(), []
    for path in sorted(options.notebooks.glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        if stamp(notebook, current, path.name):
            changed.append(path)
            if not options.check:
                nbformat.write(notebook, path)
    what = "not stamped (`python make.py stamp` mends it)" if options.check else "stamped"
    for path in changed:
        print(f"{path.name}: {what}")
    return int(options.check and bool(changed))


if __name__ == "__main__":
    sys.exit(main())
