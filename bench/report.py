"""The table: a row of figures for each comparison, then remarks and the circumstances of each run, as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

HEADS = "job", "the book's recipe", "ours", "ratio", "goal", "arithmetic limit", "measured"
INTRODUCTION = """\
Written by `make bench ARGS=--write` from `results.json`, which it keeps; edit neither by hand. The recipe and ours ran
in turn, on the same machine and data.

A ratio is the median of the repeats, the least and the largest in brackets; so is a difference. The figures before it
are medians of their own, so their quotient or difference may be another. Where a repeat is a whole training, each has a
seed of its own. The arithmetic limit is what ours would reach, per second, if all of its arithmetic ran as fast as a
product of two 2,048 x 2,048 matrices (float32) did in that run. It is left out where the operations were not counted
or the product was not timed. A goal is the least ratio, or what its words say; **missed** beside it where the median,
or the one run, does not reach it.
"""
LOWER = {"GB": "under {:g} GB", "nats": "below {:g}"}  # units whose goal is no ratio, and how it is written


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    job: str  # what was compared
    unit: str  # of both figures: "per second" (more is better), or "s", "nats", "KID", "GB" (less is better)
    recipe: float
    ours: float
    ratios: tuple[float, ...] = ()  # one a repeat, above 1 where ours is better; empty: the difference is shown
    goal: float | None = None  # the least ratio; for GB what ours has to be under, for nats the difference
    is_reached: bool = True  # False: `ours` is what was spent without getting there
    remarks: list[str] = field(default_factory=list)  # sentences for below the table
    operations: tuple[float, ...] = ()  # floating-point, for one of what is counted per second: the recipe's and ours
    differences: tuple[float, ...] = ()  # ours less the recipe's, one a repeat; empty: that of the figures

    @property
    def difference(self) -> float:
        """Ours less the recipe's, the median of the repeats."""
        return statistics.median(self.differences or (self.ours - self.recipe,))


@dataclass(frozen=True)
class Measurement:
    """What one run of a job gave, and under what circumstances."""

    rows: list[Row]
    date: str  # as in 2026-11-21
    machine: str
    versions: str
    gflops: float | None = None  # 1e9 operations a second of a product of two matrices in that run, if noted
    repeats: int | None = None  # of its timings, if noted
    note: str = ""  # a sentence on the circumstances


def rate_row(job, unit, recipe: list[float], ours: list[float], goal, remarks, operations=()) -> Row:
    """Return the row of a comparison of rates: medians, and the ratio of each pair of repeats."""
    ratios = tuple(b / a for a, b in zip(recipe, ours, strict=True))
    medians = statistics.median(recipe), statistics.median(ours)
    return Row(job, unit, *medians, ratios, goal, remarks=remarks, operations=operations)


def seconds_row(job, recipe: list[float], ours: list[float], goal, remarks) -> Row:
    """Return the row of a comparison of seconds: medians, and the ratio of each pair of repeats."""
    ratios = tuple(a / b for a, b in zip(recipe, ours, strict=True))
    return Row(job, "s", statistics.median(recipe), statistics.median(ours), ratios, goal, remarks=remarks)


def merged(repeats: Sequence[Row]) -> Row:
    """Return one row of a comparison that was made several times: medians, and the ratios or differences of all.

    It is reached if it was in each of them. Remarks that are the same each time are kept once.
    """
    is_reached = all(row.is_reached for row in repeats)
    ratios = tuple(ratio for row in repeats for ratio in row.ratios) if is_reached else ()
    remarks: dict[str, list[int]] = {}  # each text, and its repeats
    for number, row in enumerate(repeats, 1):
        for text in row.remarks:
            remarks.setdefault(text, []).append(number)
    return replace(
        repeats[0],
        recipe=statistics.median(row.recipe for row in repeats),
        ours=statistics.median(row.ours for row in repeats),
        ratios=ratios,
        is_reached=is_reached,
        remarks=[
            text if len(numbers) == len(repeats) else f"repeat {', '.join(map(str, numbers))}: {text}"
            for text, numbers in remarks.items()
        ],
        differences=() if ratios else tuple(row.ours - row.recipe for row in repeats),
    )


def markdown(measured: Mapping[str, Measurement], jobs: Iterable[str]) -> str:
    """Return the whole report of what was `measured`, in the order of `jobs`, all names on the command line."""
    jobs = list(jobs)
    known = {name: measured[name] for name in jobs if name in measured}
    lines = ["# Benchmarks", "", *INTRODUCTION.splitlines(), "", _line(HEADS), "|---|--:|--:|--:|--:|--:|---|"]
    lines += [_line(_cells(row, run)) for run in known.values() for row in run.rows]
    lines += ["", *(f"- {row.job}: {text}" for run in known.values() for row in run.rows for text in row.remarks)]
    lines += ["", "The runs, by the names that `--only` takes:", "", *_circumstances(known)]
    if missing := [name for name in jobs if name not in measured]:
        lines += ["", f"Not measured yet: {', '.join(missing)}."]
    return "\n".join([*lines, ""])


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(row: Row, run: Measurement) -> tuple[str, ...]:
    ours = _figure(row.ours, row.unit)
    limit = _short(run.gflops * 1e9 / row.operations[1]) if run.gflops and len(row.operations) == 2 else ""
    reached = ours if row.is_reached else f"not reached in {ours}"
    return row.job, _figure(row.recipe, row.unit), reached, _ratio(row), _goal(row), limit, run.date


def misses_goal(row: Row) -> bool:
    """Return whether a row has a goal and does not reach it."""
    if row.goal is None:
        return False
    if row.unit in LOWER:
        return not (row.ours if row.unit == "GB" else row.difference) < row.goal
    return not (row.is_reached and row.ratios and statistics.median(row.ratios) >= row.goal)


def _goal(row: Row) -> str:
    if row.goal is None:
        return ""
    return LOWER.get(row.unit, "{:,g}").format(row.goal) + (", **missed**" if misses_goal(row) else "")


def _ratio(row: Row) -> str:
    if not row.is_reached:
        return "-"
    if not row.ratios:
        least, largest = (f"{pick(row.differences or (0.0,)):+.3f}" for pick in (min, max))
        return f"{row.difference:+.3f} {row.unit} ({f'{least} to {largest}' if row.differences else 'one run'})"
    least, largest = _short(min(row.ratios)), _short(max(row.ratios))
    spread = f"{least}-{largest}" if len(row.ratios) > 1 else "one run"
    return f"**{_short(statistics.median(row.ratios))}** ({spread})"


def _circumstances(measured: Mapping[str, Measurement]) -> list[str]:
    """Return a line for all jobs that were measured under the same circumstances."""
    lines: dict[str, list[str]] = {}
    for name, run in measured.items():
        product = f"{run.gflops:.0f} GFLOP/s" if run.gflops else "not noted"
        repeats = run.repeats or "number not noted"
        note = f" {run.note}" if run.note else ""
        text = f"{run.date}; {run.machine}; {run.versions}; product of matrices: {product}; repeats: {repeats}.{note}"
        lines.setdefault(text, []).append(name)
    return [f"- {', '.join(names)}: {text}" for text, names in lines.items()]


def _figure(value: float, unit: str) -> str:
    return f"{value:.3f} {unit}" if unit in ("nats", "KID") else f"{_short(value)} {unit}"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
