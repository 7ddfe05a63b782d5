"""Pictures that stay on the disk: a training needs no more memory for more of them, and need not wait for them.

SOAK_FILES says how many are trained on (default 600; `make soak` sets 200,000). Rates are always recorded, and compared
only where it is set.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
LONG = "SOAK_FILES" in os.environ
FILES = int(os.environ.get("SOAK_FILES", 600))
GIGABYTE = 2**30


def write_pictures(folder: Path, count: int, side: int) -> Path:
    """Write JPEG files of random soft colours, a thousand to a folder; return the folder over them."""
    random = np.random.default_rng(count)
    for number in range(count):
        place = folder / f"{number // 1000:03d}"
        place.mkdir(parents=True, exist_ok=True)
        colours = Image.fromarray(random.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        colours.resize((side, side), Image.Resampling.BICUBIC).save(place / f"{number:06d}.jpg", quality=80)
    return folder


def train(side: int, cache: Path, *folders: Path) -> list[dict]:
    """Have tests/stream_runner.py train on each folder in turn in a fresh process; return what it tells."""
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join([os.environ["PYTHONPATH"], str(ROOT)])}
    command = [sys.executable, str(ROOT / "tests" / "stream_runner.py"), str(side), str(cache), *map(str, folders)]
    done = subprocess.run(command, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def test_more_pictures_take_no_more_memory(tmp_path):
    side, fewer, more = 256, 200, 1_000  # large ones, so that the difference would be seen
    first, second, large = (write_pictures(tmp_path / f"{n}", n, side) for n in (fewer, fewer + 1, more))
    told = train(side, tmp_path / "cache", first, second, large)  # the first brings what any training brings
    assert [run["files"] for run in told] == [fewer, fewer + 1, more]
    added = (more - fewer) * 3 * side**2
    assert told[2]["peak"] - told[1]["peak"] < added / 3
    assert told[2]["peak"] < 2 * GIGABYTE


def test_memory_is_bounded_and_the_models_need_not_wait(tmp_path, record_property):
    folder = write_pictures(tmp_path / "pictures", FILES, side=64)
    training, rates = train(64, tmp_path / "cache", folder)
    told = {**training, **rates}
    record_property("streaming", json.dumps(told))
    assert told["files"] == FILES
    assert told["peak"] < 2 * GIGABYTE
    if LONG:  # two seconds of a busy machine prove nothing
        assert told["pipeline"] > max(told["models"].values())
