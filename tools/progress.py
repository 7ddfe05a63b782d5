"""What the terminal shows while notebooks run, and the table that closes the run."""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
from pathlib import Path

import nbformat
from nbclient.exceptions import CellExecutionError, DeadKernelError

from tools.pages import Result


class Progress:
    """Shows which cell runs: one line that updates on a terminal, elsewhere a line whenever the heading changes."""

    def __init__(self, name: str):
        self.name, self.started = name, time.monotonic()
        self.on_terminal = sys.stdout.isatty()
        self.number = self.count = 0
        self.label = "starting the kernel"
        self.redraw()

    def at(self, number: int, count: int, label: str) -> None:
        """Take note that cell `number` of `count`, which does `label`, is about to run."""
        is_news = label != self.label
        self.number, self.count, self.label = number, count, label
        if self.on_terminal:
            self.redraw()
        elif is_news:
            print(self._line(), flush=True)

    def redraw(self) -> None:
        """Show the elapsed time anew (on a terminal)."""
        if self.on_terminal:
            width = shutil.get_terminal_size().columns - 1
            print("\r" + self._line()[:width].ljust(width), end="", flush=True)

    def failed(self, summary: str, details: str) -> None:
        """Show the error of a cell, with the cell."""
        self._clear()
        print(f"{self.name}: failed at {self.label}: {summary}\n{details}", file=sys.stderr, flush=True)

    def done(self, result: Result) -> None:
        """Close the notebook's line."""
        self._clear()
        verdict = "failed" if result.error else "done"
        print(f"{self.name}: {verdict}, {result.minutes:.1f} min, peak memory {result.peak}", flush=True)

    def _clear(self) -> None:
        if self.on_terminal:
            print("\r" + " " * (shutil.get_terminal_size().columns - 1) + "\r", end="")

    def _line(self) -> str:
        minutes, seconds = divmod(int(time.monotonic() - self.started), 60)
        return f"{self.name}  cell {self.number}/{self.count}  {minutes}:{seconds:02d}  {self.label}"


def cell_labels(notebook: nbformat.NotebookNode) -> dict[int, tuple[int, int, str]]:
    """Return for the index of each code cell its number, their count, and the heading above it or its first line."""
    heading, found = "", []
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown" and (titles := re.findall(r"^#+\s+(.+)$", cell.source, re.MULTILINE)):
            heading = titles[-1]
        elif cell.cell_type == "code":
            found.append((index, heading or cell.source.strip().split("\n")[0]))
    return {index: (number, len(found), label) for number, (index, label) in enumerate(found, 1)}


def title_of(notebook: nbformat.NotebookNode, default: str) -> str:
    """Return the notebook's first heading."""
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    titles = re.findall(r"^#\s+(.+)$", "\n".join(texts), re.MULTILINE)
    return titles[0].strip() if titles else default


def describe(error: Exception) -> str:
    """Return an error of a run in one line."""
    if isinstance(error, CellExecutionError):
        return f"{error.ename}: {error.evalue}".splitlines()[0]
    if isinstance(error, DeadKernelError):
        return "the kernel died (too little memory?)"
    return f"the kernel did not start ({error})"


def read_headline(path: Path) -> str:
    """Return the headline figure that a notebook wrote, or nothing when it wrote none that can be read."""
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["text"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def table(results: list[Result]) -> str:
    """Return the closing table: notebook, minutes, peak memory, headline figure."""
    rows = [("notebook", "minutes", "peak memory", "headline figure")]
    for result in results:
        headline = f"FAILED: {result.error}" if result.error else result.headline or "-"
        rows.append((result.name, f"{result.minutes:.1f}", result.peak, headline))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [f"{row[0]:<{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]}".rstrip() for row in rows]
    return "\n".join(["", lines[0], "-" * max(map(len, lines)), *lines[1:]])
