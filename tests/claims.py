"""What a notebook says in prose, for the tests that recompute it."""

import functools
import re

import nbformat
from conftest import ROOT


@functools.cache
def cells_of(name: str) -> list:
    """Return the cells of a notebook; all claims of a test session share them."""
    return nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4).cells


class Prose:
    """The prose of one notebook: `text` with its lines, `flat` on one line; `path` is the notebook's."""

    def __init__(self, name: str) -> None:
        self.path = ROOT / "notebooks" / f"{name}.ipynb"
        self.text = "\n".join(cell.source for cell in cells_of(name) if cell.cell_type == "markdown")
        self.flat = " ".join(self.text.split())

    def said(self, pattern: str) -> list[float]:
        """Return the numbers that the groups of `pattern` match in the prose."""
        match = re.search(pattern, self.flat)
        assert match, f"the notebook no longer says {pattern!r}"
        return [float(group.replace("{,}", "").replace(",", "")) for group in match.groups()]

    def answers(self) -> list[str]:
        """Return the Python code in all folded answers to the exercises."""
        folded = "".join(re.findall(r"<details>.*?</details>", self.text, re.DOTALL))
        return re.findall(r"```python\n(.*?)```", folded, re.DOTALL)
