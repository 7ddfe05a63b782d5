"""Keeps what each job gave as data, `results.json`: a job that is measured again replaces its own entry only."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path

from bench.report import Measurement, Row
from helpers.session import UserError
from tools.progress import write_whole

SERIES = "ratios", "operations", "differences"


def load(path: Path) -> dict[str, Measurement]:
    """Return the measurements of a file, by the names of their jobs; raise UserError where it cannot be read."""
    try:
        content = json.loads(path.read_bytes())
        return {name: _measurement(entry) for name, entry in content.items()}
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise UserError(
            f"{path} cannot be read ({error}), and the other jobs' figures would be lost. Get it back with "
            f"`git checkout -- {path.name}` in {path.parent}; or delete it and measure all jobs with "
            "`make bench ARGS=--write`."
        ) from error


def _measurement(entry: dict) -> Measurement:
    rows = [Row(**{**row, **{name: tuple(row[name]) for name in SERIES}}) for row in entry["rows"]]
    return Measurement(**{**entry, "rows": rows})


def save(path: Path, measured: Mapping[str, Measurement]) -> None:
    """Write the measurements whole or not at all; raise UserError where a figure is infinite or no number."""
    for name, run in measured.items():
        for row in run.rows:
            series = (number for name in SERIES for number in getattr(row, name))
            if not all(map(math.isfinite, (run.gflops or 0, row.recipe, row.ours, *series))):
                raise UserError(
                    f"{name} gave a figure that is no number ({row.job}). Nothing was written: run it again."
                )
    content = {name: dataclasses.asdict(run) for name, run in measured.items()}
    write_whole(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
