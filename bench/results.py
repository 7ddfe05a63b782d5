"""Keeps what each job gave as data, `results.json`: a job that is measured again replaces its own entry only."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path

from bench.report import Measurement, Row
from helpers.errors import UserError


def load(path: Path) -> dict[str, Measurement]:
    """Return the measurements of a file, by the names of their jobs.

    Raises:
        UserError: there is no such file, it is not JSON, or an entry has other fields or types than a measurement.
    """
    try:
        content = json.loads(path.read_bytes(), parse_constant=_refuse)
        return {name: _measurement(name, entry) for name, entry in content.items()}
    except FileNotFoundError:
        fault = "is missing"
    except OSError as error:
        fault = f"cannot be read ({error.strerror})"
    except (ValueError, TypeError, AttributeError) as error:
        fault = f"is damaged ({error})"
    raise UserError(
        f"{path} {fault}, so the other jobs' figures would be lost. Bring it back with `git checkout -- {path.name}` "
        f"in {path.parent}; or delete it and measure all jobs with `make bench ARGS=--write`."
    )


def save(path: Path, measured: Mapping[str, Measurement]) -> None:
    """Write the measurements whole or not at all.

    Raises:
        UserError: a figure is infinite or no number; the file is as it was.
    """
    for name, run in measured.items():
        for row in run.rows:
            series = (number for name in SERIES for number in getattr(row, name))
            if not all(map(math.isfinite, (run.gflops or 0, row.recipe, row.ours, *series))):
                raise UserError(
                    f"{name} gave a figure that is no number ({row.job}), so it was not written. Run it again."
                )
    content = {name: dataclasses.asdict(run) for name, run in measured.items()}
    write_whole(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def write_whole(path: Path, content: str) -> None:
    """Replace a file's text whole or not at all, whatever interrupts it."""
    partial = path.with_name(f"{path.name}.partial-{os.getpid()}")
    try:
        partial.write_text(content, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _measurement(name: str, entry: dict) -> Measurement:
    _check(name, entry, Measurement)
    for row in entry["rows"]:
        _check(name, row, Row)
    rows = [Row(**{**row, **{name: tuple(row[name]) for name in SERIES}}) for row in entry["rows"]]
    return Measurement(**{**entry, "rows": rows})


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no figure")


NUMBER = int, float
SERIES = "ratios", "operations", "differences"
TYPES = {
    **dict.fromkeys(("recipe", "ours"), NUMBER),
    **dict.fromkeys(("rows", "remarks", *SERIES), (list,)),
    **dict.fromkeys(("gflops", "repeats"), (*NUMBER, type(None))),
    "is_reached": (bool,),
}  # of all other fields: text
WITHIN = {**dict.fromkeys(SERIES, NUMBER), "remarks": (str,), "rows": (dict,)}


def _check(name: str, entry: dict, kind: type) -> None:
    """Raise ValueError unless an entry has exactly the fields of a dataclass, each of its type."""
    expected = {each.name for each in dataclasses.fields(kind)}
    if set(entry) != expected:
        raise ValueError(f"{name}: {kind.__name__} with other fields: {', '.join(sorted(set(entry) ^ expected))}")
    for field, value in entry.items():
        parts = value if isinstance(value, list) else []
        if type(value) not in TYPES.get(field, (str,)) or any(type(part) not in WITHIN[field] for part in parts):
            raise ValueError(f"{name}: {field} is {value!r}")
