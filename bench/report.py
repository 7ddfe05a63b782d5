"""The table: a row a job, then remarks, the machine and the versions, as Markdown."""

from __future__ import annotations

import datetime
import os
import platform
import statistics
from dataclasses import dataclass, field
from pathlib import Path

import keras
import tensorflow as tf


@dataclass(frozen=True)
class Row:
    """One line of the table. Both figures are in `unit`; `remarks` go under the table."""

    job: str
    unit: str
    recipe: float
    ours: float
    ratios: tuple[float, ...] = ()  # one a repeat, above 1 where ours is better; empty: the difference is shown
    goal: str = ""
    is_reached: bool = True  # False: `ours` is what was spent without getting there
    remarks: list[str] = field(default_factory=list)


def rate_row(job: str, unit: str, recipe: list[float], ours: list[float], goal: str, remarks: list[str]) -> Row:
    """Return the row of a comparison of rates: medians, and the ratio of each pair of repeats."""
    ratios = tuple(b / a for a, b in zip(recipe, ours, strict=True))
    return Row(job, unit, statistics.median(recipe), statistics.median(ours), ratios, goal, remarks=remarks)


def markdown(rows: list[Row], title: str = "Benchmarks") -> str:
    """Return the whole report."""
    lines = [f"# {title}", "", "| job | the book's recipe | ours | ratio | goal |", "|---|--:|--:|--:|--:|"]
    lines += [
        f"| {row.job} | {_figure(row.recipe, row.unit)} | {_ours(row)} | {_ratio(row)} | {row.goal} |" for row in rows
    ]
    lines += ["", "A ratio is the median of the repeats, the least and the largest in brackets.", ""]
    lines += [f"- {row.job}: {remark}" for row in rows for remark in row.remarks]
    return "\n".join([*lines, "", *machine(), ""])


def _ours(row: Row) -> str:
    return _figure(row.ours, row.unit) if row.is_reached else f"not reached in {_figure(row.ours, row.unit)}"


def _ratio(row: Row) -> str:
    if not row.is_reached:
        return "-"
    if not row.ratios:
        return f"{row.ours - row.recipe:+.3f} {row.unit}"
    spread = f" ({_short(min(row.ratios))}-{_short(max(row.ratios))})" if len(row.ratios) > 1 else ""
    return f"**{_short(statistics.median(row.ratios))}**{spread}"


def _figure(value: float, unit: str) -> str:
    return f"{value:.3f} {unit}" if unit.startswith("nats") else f"{_short(value)} {unit}"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def machine() -> list[str]:
    """Return lines that say what it was measured on, and when."""
    versions = f"Python {platform.python_version()}, TensorFlow {tf.__version__}, Keras {keras.__version__}"
    graphics = len(tf.config.list_physical_devices("GPU"))
    extra = f", {graphics} GPU" if graphics else ""
    return [
        f"Machine: {os.cpu_count()} cores, {_processor()}{extra}.",
        f"Versions: {versions}.",
        f"Date: {datetime.date.today().isoformat()}.",
    ]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
