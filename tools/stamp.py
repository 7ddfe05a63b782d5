"""Writes the project's address into the notebooks: badge and first code cell. `python -m tools.stamp [--check]`.

The address stands in pyproject.toml under [tool.generative] and nowhere else by hand.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
FIRST_CELL, BADGE = "first-cell", "badge"  # the tags by which the two cells are known

SOURCE = """\
# Makes `helpers` importable: one folder up, or installed, or else (as in Colab) cloned into this folder.
import importlib.util, os, subprocess, sys  # noqa: E401, I001

save_to_drive = False  # in Colab: True keeps checkpoints and results in your Google Drive
address = os.environ.get("GENERATIVE_REPOSITORY", "{address}")
here = os.path.abspath("{folder}")
if os.path.isdir("../helpers"):
    sys.path.insert(0, os.path.abspath(".."))
elif importlib.util.find_spec("helpers") is None:
    if not os.path.isdir(here):
        clone = ["git", "clone", "--quiet", "--depth", "1", address, here]
        done = subprocess.run(clone, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{{address}} could not be cloned. Is there internet? git says: {{done.stderr}}")
    sys.path.insert(0, here)
    wanted = {packages}
    missing = [name for name in wanted if importlib.util.find_spec(name) is None]
    if missing and subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *missing]).returncode:
        raise RuntimeError(f"pip could not install {{missing}}. Is there internet?")
if save_to_drive:
    from google.colab import drive

    drive.mount("/content/drive")
    os.environ["NB_OUTPUT_DIR"] = "/content/drive/MyDrive/{folder}"
"""


def settings() -> dict:
    """Return [tool.generative] of pyproject.toml: repository, branch, colab_packages."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["generative"]


def first_cell(settings: dict) -> str:
    """Return the source of the first code cell, the same for all notebooks."""
    address = settings["repository"]
    folder = address.rstrip("/").rsplit("/", 1)[-1].removesuffix(".git")
    packages = "[" + ", ".join(f'"{name}"' for name in settings["colab_packages"]) + "]"
    return SOURCE.format(address=address, folder=folder, packages=packages).rstrip()


def badge(settings: dict, name: str) -> str:
    """Return the markdown that opens the notebook `name` (a file name) in Colab, which knows GitHub only."""
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
            return
    notebook.cells.insert(index, new_cell(source, id=tag, metadata={"tags": [tag]}))


def _after_title(notebook: nbformat.NotebookNode) -> int:
    return 1 if notebook.cells and notebook.cells[0].cell_type == "markdown" else 0


def _first_code(notebook: nbformat.NotebookNode) -> int:
    kinds = [cell.cell_type for cell in notebook.cells]
    return kinds.index("code") if "code" in kinds else len(kinds)


def main(arguments: list[str] | None = None) -> int:
    """Stamp every notebook, or with --check say which are not; return 1 if --check found any."""
    parser = argparse.ArgumentParser(prog="make.py stamp", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing, say which notebooks differ")
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
