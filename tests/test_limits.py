"""What a run of a notebook may leave behind and take: nothing outside its own folders, no process, bounded memory.

CONTRIBUTING.md has the long form: SOAK_LIMIT_KILLS runs are killed (2 without it), after SOAK_LIMIT_SECONDS each (at a
heading without it), and the five notebooks run at the same time in the profiles that SOAK_TOGETHER names.
"""

import json
import os
import shutil
import subprocess
import sys
import uuid
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tools.pages import PEAK_LIMITS

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[1]
KILLS = int(os.environ.get("SOAK_LIMIT_KILLS", 2))
SECONDS = float(os.environ.get("SOAK_LIMIT_SECONDS", 0))
TOGETHER = [profile for profile in os.environ.get("SOAK_TOGETHER", "").split(",") if profile]
KILLED = "05_dcgan"  # two optimisers, checkpoints, pictures: it leaves the most if anything is left
HEADINGS = ("Train", "Failures, on purpose")  # in turn, where runs are killed without a clock
# Results, and what libraries make once in a home folder: caches and settings.
ALLOWED = ("copy/build", "copy/data/cache", "home/.cache", "home/.config", "home/.ipython", "home/.keras")
NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))


class Place:
    """A copy of the checkout, a home folder and a temporary folder of its own, to run notebooks in."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.mark = folder, uuid.uuid4().hex
        for room in ("helpers", "tools", "notebooks", "data", "tests/guard"):
            left_out = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "cache")
            shutil.copytree(ROOT / room, folder / "copy" / room, ignore=left_out)
        (folder / "home").mkdir()
        (folder / "temporary").mkdir()
        self.before = self.files()

    def start(self, name: str, profile: str) -> subprocess.Popen:
        """Start a run of a notebook as `make run` does; its output goes to a pipe."""
        own = {"HOME": "home", "TMPDIR": "temporary", "PYTHONPATH": "copy/tests/guard"}
        others = {key: value for key, value in os.environ.items() if not key.startswith(("XDG_", "IPYTHON", "JUPYTER"))}
        variables = {**others, **{key: str(self.folder / path) for key, path in own.items()}, "NB_DATA": "standin"}
        command = [sys.executable, "-m", "tools.run_notebooks", name, "--profile", profile]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen(command, cwd=self.folder / "copy", env={**variables, "LIMITS_MARK": self.mark}, **pipes)

    def processes(self) -> list[psutil.Process]:
        """Return all processes that were started from here, and those that these started."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if process.environ().get("LIMITS_MARK") == self.mark:
                    found.append(process)
        return found

    def files(self) -> set[str]:
        names = (path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*"))
        return {name for name in names if "__pycache__" not in name}

    def check_files(self) -> None:
        """No file has been removed, and only results and caches were added."""
        files = self.files()
        assert self.before <= files
        assert not {name for name in files - self.before if not name.startswith(ALLOWED)}


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path)
    yield place
    for process in place.processes():
        with suppress(psutil.Error):
            process.kill()


def kill(process: subprocess.Popen, heading: str) -> bool:
    """Kill a run after SECONDS or at a heading; return whether it was still running then."""
    if SECONDS:
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=SECONDS)
    else:
        next((line for line in process.stdout if line.rstrip().endswith(f"  {heading}")), None)
    is_running = process.poll() is None
    process.kill()
    process.wait()
    process.stdout.close()  # not read to its end: a kernel that lived on would hold it open
    return is_running


@pytest.mark.skipif(sys.platform != "linux", reason="reads the environment of processes, and sends SIGKILL")
def test_runs_that_are_killed_leave_nothing_behind(place):
    caches, killed = [], 0
    for number in range(KILLS):
        killed += kill(place.start(KILLED, "smoke"), HEADINGS[number % len(HEADINGS)])
        _, alive = psutil.wait_procs(place.processes(), timeout=120)  # only a fault takes as long
        assert not alive and not place.processes()
        place.check_files()
        caches.append({name for name in place.files() if name.startswith("home/")})
    assert caches[-1] == caches[(KILLS - 1) // 2]  # made once, not by each run
    assert killed >= 0.9 * KILLS, "a run that ends before its moment shows nothing: set SOAK_LIMIT_SECONDS lower"


@pytest.mark.skipif(not TOGETHER, reason="takes many minutes: SOAK_TOGETHER asks for it")
@pytest.mark.parametrize("profile", TOGETHER or ["quick"])
def test_all_notebooks_at_the_same_time_keep_to_their_own_files_and_to_the_memory(place, profile):
    running = {name: place.start(name, profile) for name in NOTEBOOKS}
    output = {name: process.communicate()[0] for name, process in running.items()}
    assert {name: output[name][-2000:] for name, process in running.items() if process.returncode} == {}
    place.check_files()
    results = place.folder / "copy" / "build" / "run" / profile
    assert sorted(path.name for path in results.iterdir()) == NOTEBOOKS
    for name in NOTEBOOKS:
        peak = json.loads((results / name / "result.json").read_text(encoding="utf-8"))["peak_bytes"] / 2**30
        assert 0 < peak <= PEAK_LIMITS[profile], name
