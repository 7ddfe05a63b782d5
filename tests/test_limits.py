"""What a run of a notebook may take and leave: no files or processes behind a kill, no other's files, bounded memory.

SOAK_LIMIT_KILLS says how many runs are killed (default 2) and SOAK_LIMIT_SECONDS after how many seconds (default: not
by the clock but at a heading); SOAK_TOGETHER names the profiles, with commas between, in which the five notebooks are
run at the same time (default none). `make soak` sets 30, 20, and smoke and quick.
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

from helpers.data.sources import local_folders
from tools.pages import PEAK_LIMITS

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("helpers", "tools", "notebooks", "data", "tests/guard")
KILLS = int(os.environ.get("SOAK_LIMIT_KILLS", 2))
SECONDS = float(os.environ.get("SOAK_LIMIT_SECONDS", 0))
TOGETHER = [profile for profile in os.environ.get("SOAK_TOGETHER", "").split(",") if profile]
KILLED = "05_dcgan"  # two optimisers, checkpoints, pictures: it leaves the most if anything is left
# In turn, where runs are killed without a clock; by the second TensorFlow has written temporary files.
HEADINGS = ("Train", "The tricks")
PATIENCE = 120  # seconds in which whatever was started by a killed run must have noticed; only a fault takes as long
# What libraries make once in a home folder: caches, and settings.
HOME_CACHES = (".cache/", ".config/matplotlib", ".ipython/", ".keras/")
NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
# Runs in each kernel: writes down what Python code changes in the folder of results, a path a line.
WATCH = """
import os, sys
def _watch():
    log, here = os.environ["LIMITS_LOG"], os.path.join(os.path.abspath(os.environ["NB_OUTPUT_DIR"]), "")
    changes = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree", "open"}
    def hook(event, arguments):
        if event not in changes or not isinstance(arguments[0], (str, bytes, os.PathLike)):
            return
        if event == "open" and not (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            return
        for path in arguments[: 2 if event == "os.rename" else 1]:
            path = os.path.abspath(os.fsdecode(path))
            if path.startswith(here):
                with open(log, "a") as file:
                    file.write(path[len(here):] + "\\n")
    sys.addaudithook(hook)
_watch()
"""


class Place:
    """A copy of the checkout, a home folder and a temporary folder of its own, to run notebooks in."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.mark = folder, uuid.uuid4().hex
        self.copy, self.home, self.temporary = (folder / name for name in ("copy", "home", "temporary"))
        for room in ROOMS:
            left_out = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "cache")
            shutil.copytree(ROOT / room, self.copy / room, ignore=left_out)
        self.home.mkdir()
        self.temporary.mkdir()

    def start(self, name: str, profile: str, **variables: str) -> subprocess.Popen:
        """Start a run of a notebook as `make run` does; what it says goes to a pipe."""
        made = {"HOME": self.home, "TMPDIR": self.temporary, "PYTHONPATH": self.copy / "tests" / "guard"}
        others = {key: value for key, value in os.environ.items() if not key.startswith(("XDG_", "IPYTHON", "JUPYTER"))}
        environment = {**others, **{key: str(path) for key, path in made.items()}, "NB_DATA": "standin", **variables}
        command = [sys.executable, "-m", "tools.run_notebooks", name, "--profile", profile]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen(command, cwd=self.copy, env={**environment, "LIMITS_MARK": self.mark}, **pipes)

    def processes(self) -> list[psutil.Process]:
        """Return all processes that were started from here, and those that these started."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if process.environ().get("LIMITS_MARK") == self.mark:
                    found.append(process)
        return found

    def files(self) -> set[str]:
        """Return all files and folders, from this place, but for Python's own cache of compiled code."""
        found = (str(path.relative_to(self.folder)) for path in self.folder.rglob("*"))
        return {name for name in found if "__pycache__" not in name}

    def clear(self) -> None:
        for process in self.processes():
            with suppress(psutil.Error):
                process.kill()


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path)
    yield place
    place.clear()


def kill(process: subprocess.Popen, heading: str) -> bool:
    """Kill a run by SIGKILL after SECONDS or at a heading; return whether it was still running then."""
    said = ""
    if SECONDS:
        with suppress(subprocess.TimeoutExpired):
            said = process.communicate(timeout=SECONDS)[0]
    else:
        for line in process.stdout:
            said += line
            if line.rstrip().endswith(f"  {heading}"):
                break
    running = process.poll() is None
    process.kill()
    process.wait()
    process.stdout.close()  # not read to its end: a kernel that lived on would hold it open
    assert running or process.returncode == 0, said
    return running


def is_allowed(name: str) -> bool:
    """Say whether a run may leave this: results, or a cache."""
    room, _, rest = name.partition("/")
    if room == "copy":
        return rest == "build" or rest.startswith(("build/", "data/cache"))
    parents = [cache[: place + 1] for cache in HOME_CACHES for place, sign in enumerate(cache) if sign == "/"]
    return room == "home" and (rest.startswith(HOME_CACHES) or f"{rest}/" in parents)


@pytest.mark.skipif(sys.platform != "linux", reason="reads the environment of processes, and sends SIGKILL")
def test_runs_that_are_killed_leave_nothing_behind(place, record_property):
    before, caches, killed = place.files(), [], 0
    for number in range(KILLS):
        killed += kill(place.start(KILLED, "smoke"), HEADINGS[number % len(HEADINGS)])
        _, alive = psutil.wait_procs(place.processes(), timeout=PATIENCE)
        assert not alive and not place.processes()
        left = place.files() - before
        assert not {name for name in left if not is_allowed(name)}
        caches.append({name for name in left if name.startswith("home/")})
    assert caches[-1] == caches[(KILLS - 1) // 2]  # made once, not by each run
    assert before <= place.files()  # nor was anything removed
    told = {"notebook": KILLED, "runs": KILLS, "killed": killed, "after": SECONDS, "caches": len(caches[-1])}
    record_property("limits", json.dumps(told))
    assert killed >= 0.9 * KILLS, "a run that ends before its moment shows nothing: set SOAK_LIMIT_SECONDS lower"


@pytest.mark.skipif(not TOGETHER, reason="a matter of many minutes: `make soak` does it")
@pytest.mark.parametrize("profile", TOGETHER or ["quick"])
def test_all_notebooks_at_the_same_time_keep_to_their_own_files_and_to_the_memory(place, profile, record_property):
    startup = place.home / ".ipython" / "profile_default" / "startup" / "00-watch.py"
    startup.parent.mkdir(parents=True)
    startup.write_text(WATCH, encoding="utf-8")
    before, logs = place.files(), {name: place.folder / f"{name}.log" for name in NOTEBOOKS}
    data = {}
    if os.environ.get("GENERATIVE_DATA_DIR"):  # a path from the checkout, it may be; but the copy lies elsewhere
        data = {"NB_DATA": "auto", "GENERATIVE_DATA_DIR": str(local_folders()[0])}
    running = {name: place.start(name, profile, LIMITS_LOG=str(logs[name]), **data) for name in NOTEBOOKS}
    said = {name: process.communicate()[0] for name, process in running.items()}
    assert {name: said[name][-2000:] for name, process in running.items() if process.returncode} == {}

    results = place.copy / "build" / "run" / profile
    assert sorted(path.name for path in results.iterdir()) == NOTEBOOKS
    made = place.files() - before - {log.name for log in logs.values()}
    assert not {name for name in made if not is_allowed(name)} and before <= place.files()
    changed = {name: {line.split("/")[0] for line in logs[name].read_text().splitlines()} for name in NOTEBOOKS}
    assert changed == {name: {name} for name in NOTEBOOKS}
    told = {name: json.loads((results / name / "result.json").read_text(encoding="utf-8")) for name in NOTEBOOKS}
    figures = {name: {"minutes": result["minutes"], "peak": result["peak_bytes"]} for name, result in told.items()}
    used = "real data" if data else "stand-ins"
    record_property("together", json.dumps({"profile": profile, "data": used, "notebooks": figures}))
    peaks = {name: result["peak_bytes"] / 2**30 for name, result in told.items()}
    assert {name: peak for name, peak in peaks.items() if not 0 < peak <= PEAK_LIMITS[profile]} == {}
