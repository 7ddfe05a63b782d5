"""The long form of the tests that look for what breaks only once in a while: `python make.py soak`.

Trainings are killed twenty times each and loaders get a thousand damaged files each, at moments and with damage drawn
anew for each run. A training reads 200,000 pictures from the disk, thirty runs of a notebook are killed, and all
notebooks run at the same time. Tests of the same matters that have one form only run as well. What was done is written
to build/soak.md, whatever came of it; or to build/soak-partial.md where further arguments for pytest, such as `-k`, may
have left tests out.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from xml.etree import ElementTree

from tools.environment import processor

ROOT = Path(__file__).resolve().parents[1]
TESTS = (
    *(f"tests/test_fuzz_{kind}.py" for kind in ("archives", "pictures", "texts", "weights")),
    "tests/test_streaming.py",
    "tests/test_limits.py",
    # What has one form only: full disks and damaged checkpoints, bad mirrors, numbers, several devices.
    *(f"tests/test_{name}.py" for name in ("checkpoints", "kept", "descent")),
    *(f"tests/test_training{kind}.py" for kind in ("", "_again", "_killed", "_two_networks")),
    *(f"tests/test_{name}.py" for name in ("downloads", "archives", "code_in_files", "backbones", "stored_pictures")),
)
LONG = {
    "SOAK_KILLS": "20",  # for each training loop
    "FUZZ_INPUTS": "1000",  # for each of the thirteen loaders
    "SOAK_FILES": "200000",  # pictures to train on from the disk
    "SOAK_LIMIT_KILLS": "30",  # runs of a notebook
    "SOAK_LIMIT_SECONDS": "20",  # after which each of them is killed
    "SOAK_TOGETHER": "smoke,quick",  # profiles in which all notebooks run at the same time
    "SOAK_MIXED": "1",  # all notebooks in bfloat16, 01 to 03 in float16 too, and whole models
}
SECONDS_A_TEST = 3_600
STREAMING = ("pictures on the disk", "s to prepare", "s to train", "peak memory", "pictures/s", "the models take")
LIMITS = ("notebook", "runs killed", "when", "left behind", "minutes")
OTHERS = ("other tests", "outcome", "minutes")
RECORDED = {"kills", "inputs", "streaming", "limits", "together"}
TOGETHER = ("at the same time", "on", "notebook", "minutes", "peak memory")
PACKAGES = ("tensorflow", "tensorflow-cpu", "keras", "numpy", "pillow", "hypothesis")


def main(rest: list[str], tests: tuple[str, ...] = TESTS, build: Path = ROOT / "build") -> int:
    """Run the tests in their long form, write the report, and return pytest's exit status.

    Args:
        rest: further arguments for pytest. With any of them the report is `soak-partial.md`, else `soak.md`.
        tests: which tests, each a path from the checkout.
        build: the folder for the report; it is made if need be.
    """
    variables = {**LONG, "SOAK_SEED": str(int(time.time())), **os.environ}  # a seed may be given, to do it again
    report, started = build / ("soak-partial.md" if rest else "soak.md"), time.perf_counter()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        results = Path(folder) / "results.xml"
        options = [f"--junitxml={results}", f"--timeout={SECONDS_A_TEST}", "-o", "junit_family=xunit1"]
        options.append(f"--basetemp={Path(folder) / 'tests'}")  # else pytest keeps gigabytes of the last three runs
        command = [sys.executable, "-m", "pytest", "--durations=0", *options, *tests, *rest]
        status = subprocess.run(command, cwd=ROOT, env=variables, check=False).returncode
        minutes = (time.perf_counter() - started) / 60
        cases = list(read_cases(results)) if results.exists() else []
    build.mkdir(parents=True, exist_ok=True)
    report.write_text(written(cases, minutes, status, variables["SOAK_SEED"]), encoding="utf-8")
    print(f"What was done stands in {report}.")
    return status


def read_cases(results: Path) -> Iterator[dict]:
    """Yield of each test in a JUnit file its name, file, seconds, outcome, and the JSON that it recorded, by name."""
    for case in ElementTree.parse(results).iter("testcase"):
        faults = [kind for kind in ("failure", "error", "skipped") if case.find(kind) is not None]
        recorded = {item.get("name"): json.loads(item.get("value")) for item in case.iter("property")}
        yield {
            "name": case.get("name"),
            "file": case.get("classname").rpartition(".")[2],  # the folders before it depend on where pytest began
            "seconds": float(case.get("time")),
            "outcome": faults[0] if faults else "passed",
            **recorded,
        }


def written(cases: list[dict], minutes: float, status: int, seed: str) -> str:
    """Return the report, in Markdown: when, where and how long; a table for each kind of test; what failed."""
    kills = [case for case in cases if "kills" in case]
    inputs = [case for case in cases if "inputs" in case]
    faults = [case for case in cases if case["outcome"] not in ("passed", "skipped")]
    killed = sum(sum(case["kills"]["before"].values()) for case in kills)
    given = sum(case["inputs"]["inputs"] for case in inputs)
    ended = f", exit status {status}" if status else ""
    parts = [
        "# Soak",
        f"{time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}, {minutes:.1f} minutes, {_machine()}; seed {seed}.",
        f"**{killed:,} kills, {given:,} damaged files; {len(cases)} tests, {len(faults)} failed{ended}.**",
        _table(("loop", "kills", "went on from a checkpoint", "about to", "minutes"), map(_kills_row, kills)),
        _table(("loader", "files", "gave a value", "refused", "minutes"), map(_inputs_row, inputs)),
        _table(STREAMING, [_streaming_row(case) for case in cases if "streaming" in case]),
        _table(LIMITS, [_limits_row(case) for case in cases if "limits" in case]),
        _table(TOGETHER, [row for case in cases if "together" in case for row in _together_rows(case)]),
        _table(OTHERS, _others_rows(cases)),
        "\n".join(f"- {case['outcome']}: {case['name']}" for case in faults),
    ]
    return "\n\n".join(parts).rstrip() + "\n"


def _table(names: Iterable[str], rows: Iterable[Iterable]) -> str:
    names = list(names)
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in [names, ["---"] * len(names), *rows])


def _kills_row(case: dict) -> tuple:
    before = case["kills"]["before"]
    told = ", ".join(f"{event} {count}" for event, count in sorted(before.items()))
    return case["kills"]["loop"], sum(before.values()), case["kills"]["resumed"], told, f"{case['seconds'] / 60:.1f}"


def _inputs_row(case: dict) -> tuple:
    counts = (case["inputs"]["inputs"], case["inputs"]["valid"], case["inputs"]["inputs"] - case["inputs"]["valid"])
    return case["name"].removeprefix("test_"), *(f"{count:,}" for count in counts), f"{case['seconds'] / 60:.1f}"


def _streaming_row(case: dict) -> tuple:
    told = case["streaming"]
    models = ((f"{name} {rate:,.0f}", told["pipeline"] / rate) for name, rate in told["models"].items())
    against = ", ".join(f"{said} ({ratio:.1f} times)" for said, ratio in models)
    seconds = (f"{told[name]:.0f}" for name in ("prepared", "trained"))
    return f"{told['files']:,}", *seconds, _gigabytes(told["peak"]), f"{told['pipeline']:,.0f}", against


def _limits_row(case: dict) -> tuple:
    told = case["limits"]
    moment = f"after {told['after']:g} s" if told["after"] else "at headings"
    left = "results and caches only" if case["outcome"] == "passed" else "see what failed"
    return told["notebook"], f"{told['killed']} of {told['runs']}", moment, left, f"{case['seconds'] / 60:.1f}"


def _together_rows(case: dict) -> Iterator[tuple]:
    profile, data = case["together"]["profile"], case["together"]["data"]
    for name, told in case["together"]["notebooks"].items():
        yield profile, data, name, f"{told['minutes']:.1f}", _gigabytes(told["peak"])


def _others_rows(cases: list[dict]) -> Iterator[tuple]:
    """Yield a row for each file whose tests, or some of them, have recorded nothing."""
    others = [case for case in cases if not case.keys() & RECORDED]
    for file in dict.fromkeys(case["file"] for case in others):
        run = [case for case in others if case["file"] == file]
        outcomes = ", ".join(f"{count} {outcome}" for outcome, count in Counter(c["outcome"] for c in run).items())
        yield file, outcomes, f"{sum(case['seconds'] for case in run) / 60:.1f}"


def _gigabytes(size: int) -> str:
    return f"{size / 2**30:.2f} GB"


def _machine() -> str:
    packages = [f"{name} {found}" for name in PACKAGES if (found := _version(name))]
    system = f"{platform.system()} with {os.cpu_count()} cores, {processor()}"
    return ", ".join([system, f"Python {platform.python_version()}", *packages, f"commit {commit()}"])


def commit() -> str:
    """Return the commit that is checked out, or "unknown"."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
