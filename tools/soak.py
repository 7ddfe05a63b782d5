"""The long form of the tests that look for what breaks only once in a while: `python make.py soak`.

Trainings are killed twenty times each and loaders get a thousand damaged files each, at moments and with damage drawn
anew for each run. What was done is written to build/soak.md, whatever came of it.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
TESTS = (
    "tests/test_kills.py",
    *(f"tests/test_fuzz_{kind}.py" for kind in ("archives", "pictures", "texts", "weights")),
)
LONG = {"SOAK_KILLS": "20", "FUZZ_INPUTS": "1000"}  # for each loop, and for each of the twelve loaders
SECONDS_A_TEST = 3_600
PACKAGES = ("tensorflow", "tensorflow-cpu", "keras", "numpy", "pillow", "hypothesis")


def main(rest: list[str], tests: tuple[str, ...] = TESTS, report: Path = ROOT / "build" / "soak.md") -> int:
    """Run the tests in their long form, write the report, and return pytest's exit status.

    Args:
        rest: further arguments for pytest.
        tests: which tests, each a path from the checkout.
        report: the file to write; its folder is made if need be.
    """
    variables = {**LONG, "SOAK_SEED": str(int(time.time())), **os.environ}  # a seed may be given, to do it again
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.xml"
        options = [f"--junitxml={results}", f"--timeout={SECONDS_A_TEST}", "-o", "junit_family=xunit1"]
        command = [sys.executable, "-m", "pytest", "--durations=0", *options, *tests, *rest]
        status = subprocess.run(command, cwd=ROOT, env=variables, check=False).returncode
        minutes = (time.perf_counter() - started) / 60
        cases = list(read_cases(results)) if results.exists() else []
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(written(cases, minutes, status, variables["SOAK_SEED"]), encoding="utf-8")
    print(f"What was done stands in {report}.")
    return status


def read_cases(results: Path) -> Iterator[dict]:
    """Yield of each test in a JUnit file its name, seconds, outcome, and the JSON that it recorded, by name."""
    for case in ElementTree.parse(results).iter("testcase"):
        faults = [kind for kind in ("failure", "error", "skipped") if case.find(kind) is not None]
        recorded = {item.get("name"): json.loads(item.get("value")) for item in case.iter("property")}
        yield {
            "name": case.get("name"),
            "seconds": float(case.get("time")),
            "outcome": faults[0] if faults else "passed",
            **recorded,
        }


def written(cases: list[dict], minutes: float, status: int, seed: str) -> str:
    """Return the report, in Markdown: when, where and how long; kills by loop; inputs by loader; what failed."""
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


def _machine() -> str:
    packages = [f"{name} {found}" for name in PACKAGES if (found := _version(name))]
    system = f"{platform.system()} {platform.machine()} with {os.cpu_count()} cores"
    return ", ".join([system, f"Python {platform.python_version()}", *packages])


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
