"""What the terminal and the files show of a run of notebooks."""

from __future__ import annotations

import json
import os
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
        self.number, self.count, self.label = 0, 0, "starting the kernel"
        self.redraw()

    def at(self, number: int, count: int, label: str) -> None:
        """Show that cell `number` of `count`, which does `label`, is about to run."""
        is_news = label != self.label
        self.number, self.count, self.label = number, count, label
        if is_news and not self.on_terminal:
            print(self._line(), flush=True)
        self.redraw()

    def redraw(self) -> None:
        """Show the elapsed time (on a terminal)."""
        if self.on_terminal:
            width = shutil.get_terminal_size().columns - 1
            print("\r" + self._line()[:width].ljust(width), end="", flush=True)

    def say(self, text: str, stream=None) -> None:
        """Print a line about the notebook in place of the one that updates."""
        if self.on_terminal:
            print("\r" + " " * (shutil.get_terminal_size().columns - 1) + "\r", end="")
        print(f"{self.name}: {text}", file=stream or sys.stdout, flush=True)

    def _line(self) -> str:
        minutes, seconds = divmod(int(time.monotonic() - self.started), 60)
        return f"{self.name}  cell {self.number}/{self.count}  {minutes}:{seconds:02d}  {self.label}"


def cell_labels(notebook: nbformat.NotebookNode) -> dict[int, tuple[int, int, str]]:
    """Return for the index of each code cell its number, their count, and the heading above it or its first line."""
    heading, labels = "", {}
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown" and (titles := re.findall(r"^#+\s+(.+)$", cell.source, re.MULTILINE)):
            heading = titles[-1]
        elif cell.cell_type == "code":
            labels[index] = heading or cell.source.strip().split("\n")[0]
    return {index: (number, len(labels), label) for number, (index, label) in enumerate(labels.items(), 1)}


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
    """Return the headline figure that a notebook wrote, or nothing when there is none that can be read."""
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


def write_whole(path: Path, text: str) -> None:
    """Replace a file's text whole or not at all: other runs may write it too."""
    partial = path.with_name(f"{path.name}-{os.getpid()}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
