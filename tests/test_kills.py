"""Trainings that are killed at random moments, checkpoint writing included, end as if they had never been.

The models are those of the notebooks, at tiny size; tests/kill_runner.py trains them. SOAK_KILLS says how often each
is killed (default 2; `make soak` sets 20) and SOAK_SEED at which moments.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
KILLS = int(os.environ.get("SOAK_KILLS", 2))
SEED = int(os.environ.get("SOAK_SEED", 1))
# In turn: the event that a kill waits for, and how many further lines may pass: amidst the some hundred pieces in
# which a checkpoint is written; at a training step; and when a checkpoint gets its name and an old one is removed.
PLACES = (("writing", 240), ("step", 5), ("os.rename", 7))
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks a process that has TensorFlow imported")


class Server:
    """Starts trainings, lets them go from line to line, and kills them."""

    def __init__(self, errors: Path) -> None:
        """Start the server; what it writes to stderr goes to the file `errors`."""
        variables = {**os.environ, "PYTHONPATH": os.pathsep.join([os.environ["PYTHONPATH"], str(ROOT)])}
        variables["TMPDIR"] = str(errors.parent)  # TensorFlow writes functions down, and the killed cannot remove them
        command = [sys.executable, str(ROOT / "tests" / "kill_runner.py")]
        self.errors, pipe = errors, subprocess.PIPE
        with errors.open("w") as file:
            self.process = subprocess.Popen(command, env=variables, stdin=pipe, stdout=pipe, stderr=file, text=True)

    def train(self, loop: str, folder: Path, moment: "Moment | None" = None) -> dict:
        """Train a loop in a folder to its end, or until a moment; return what was heard of it.

        That is `events`, all of them; `said`, what was printed; `status`, the exit status; and `end`, what the
        training came to, or None.
        """
        self._write(f"{loop} {folder}\n")
        heard = {"events": [], "said": "", "end": None}
        for line in self.process.stdout:
            kind, _, rest = line.rstrip("\n").partition(" ")
            if kind == "started":
                pid = int(rest)
            elif kind == "ended":
                return {**heard, "status": int(rest)}
            elif kind == "end":
                heard["end"] = json.loads(rest)
            elif kind != "event":
                heard["said"] += line
            else:
                heard["events"].append(rest)
                is_now = moment is not None and moment.has_come(rest)
                if not is_now or not moment.waits:
                    self._write("\n")
                if is_now:
                    with suppress(ProcessLookupError):  # it was at its last line, and has ended of itself
                        os.kill(pid, signal.SIGKILL)
        raise AssertionError(f"the server ended: {self.errors.read_text()[-2000:]}")

    def _write(self, line: str) -> None:
        self.process.stdin.write(line)
        self.process.stdin.flush()

    def close(self) -> None:
        self.process.kill()  # its end would take TensorFlow some seconds
        self.process.communicate()


class Moment:
    """When a process is killed: after so many checkpoints, at an event and some lines later.

    Drawn at random; `waits` says whether the process stands still then or has just gone on.
    """

    def __init__(self, random: np.random.Generator, number: int) -> None:
        self.event, most = PLACES[number % len(PLACES)]
        self.checkpoints = int(random.integers(1, 3) if number == 0 else random.integers(2))
        self.further, self.waits = int(random.integers(most)), bool(random.integers(2))

    def has_come(self, event: str) -> bool:
        """Say whether an event is the moment; to be told of each event in turn."""
        if self.checkpoints:
            self.checkpoints -= event == "os.rename"
        elif self.event in ("", event):
            self.event = ""
            self.further -= 1
            return self.further == -1
        return False


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("server") / "stderr.txt")
    yield server
    server.close()


def killed(server, folder, loop):
    """Train a loop, killed as often as asked for, and each time going on; again from the start where it has ended.

    Returns (trainings, places): of each training that came to its end, what was heard of each process that was at it;
    and the event before each kill. Each process has to go on from the newest checkpoint that it found on the disk.
    """
    random, trainings, places = np.random.default_rng((SEED, *loop.encode())), [[]], []
    while True:
        # One that a kill kept from being replaced, between two renames, counts as well.
        there = [*folder.rglob("checkpoint-*"), *folder.rglob("partial-*-before")]
        newest = max((int(re.search(r"\d{6}", path.name)[0]) for path in there), default=None)
        heard = server.train(loop, folder, Moment(random, len(places)) if len(places) < KILLS else None)
        found = re.search(r"Found \D*(\d+)", heard["said"])
        assert (int(found[1]) if found else None) == newest and "damaged" not in heard["said"]
        trainings[-1].append({**heard, "found": newest})
        if heard["status"] == -signal.SIGKILL:
            places.append(heard["events"][-1])
            continue
        assert heard["status"] == 0, heard["said"]
        if len(places) >= KILLS:
            return trainings, places
        shutil.rmtree(folder)  # it ended before its moment
        trainings.append([])
        assert len(trainings) < 20 + 2 * KILLS, "its moments do not come"


def steps_left(whole, found, every):
    """Return how many steps a whole training took after its checkpoint of this number, one of each `every`-th."""
    renamed = [place for place, event in enumerate(whole["events"]) if event == "os.rename"]
    return whole["events"][renamed[found // every - 1] if found else 0 :].count("step")


def record(record_property, loop, trainings, places):
    """Note for the report how often it was killed, where, and how often it went on; it has to have gone on."""
    resumed = sum(heard["found"] is not None for processes in trainings for heard in processes)
    record_property("kills", json.dumps({"loop": loop, "resumed": resumed, "before": Counter(places)}))
    assert len(places) == KILLS and resumed
    assert set(places) & {"writing", "os.rename"} or KILLS < 20  # of a few, none may come at a checkpoint


# Each loop, how many records its history has (epochs), its last checkpoint's number, and how far
# that is from the one before.
LOOPS = [
    *((name, 4, 4, 1) for name in ("characters", "words", "digits", "faces", "gan")),
    ("seldom", 4, 4, 2),
]


@pytest.mark.parametrize(("loop", "records", "last", "every"), LOOPS)
def test_a_training_killed_at_random_moments_ends_as_one_that_never_was(
    server, tmp_path, loop, records, last, every, record_property
):
    whole = server.train(loop, tmp_path / "whole")
    assert whole["status"] == 0, whole["said"]
    assert len(whole["end"]["digests"]) > 10 and len(whole["end"]["history"]) == records
    assert whole["end"]["files"] == [f"checkpoint-{number:06d}" for number in (last - every, last)]
    trainings, places = killed(server, tmp_path / "killed", loop)
    record(record_property, loop, trainings, places)
    for *_, heard in trainings:
        assert heard["end"] == whole["end"]  # to the last bit; and nothing half-written is left
        left = 0 if "nothing left to do" in heard["said"] else steps_left(whole, heard["found"], every)
        assert heard["events"].count("step") == left  # no step is taken twice
