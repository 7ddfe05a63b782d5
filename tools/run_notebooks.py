"""Runs the notebooks one after the other and shows how far they are: `python -m tools.run_notebooks [NAMES]`.

Writes build/NAME.ipynb and build/NAME.html for each and build/index.html over them, keeps results and
checkpoints in build/run/PROFILE, and ends with a table. A notebook that fails does not stop the others.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import shutil
import sys
import time
from dataclasses import asdict
from pathlib import Path

import nbformat
import psutil
from nbclient.exceptions import CellExecutionError

from tools.execute import Kernel, execute
from tools.pages import Result, index_page, notebook_page, thumbnail
from tools.progress import Progress, cell_labels, describe, read_headline, table, title_of, write_whole

ROOT = Path(__file__).resolve().parents[1]
PROFILES = ("smoke", "quick", "full")
FIRST = "02_deep_dream"  # it takes the shortest, so there is something to look at while the others run


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line asks for; return 0, or 1 when a notebook failed, 130 after Ctrl-C."""
    options = parse(arguments)
    try:
        paths = choose(options.notebooks, options.names)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    paths.sort(key=lambda path: path.stem != FIRST)
    os.environ["NB_PROFILE"] = options.profile
    # Each profile has its own results: a quick run, when it is done, removes no checkpoints of a long one.
    os.environ["NB_OUTPUT_DIR"] = str(options.build.resolve() / "run" / options.profile)
    logging.getLogger("traitlets").setLevel(logging.ERROR)  # nbconvert warns of each picture without a description
    options.build.mkdir(parents=True, exist_ok=True)
    results, stopped = [], False
    for number, path in enumerate(paths, 1):
        try:
            results.append(run_notebook(path, options.build, Progress(f"[{number}/{len(paths)}] {path.stem}")))
            write_index(options.build, options.notebooks)  # so the first result can be looked at while others run
            if number == 1 < len(paths):
                print(f"To read meanwhile: {options.build / 'index.html'}", flush=True)
        except KeyboardInterrupt:
            stopped = True
            print(f"\nStopped in {path.stem}. Run it again to go on from its last checkpoint.", file=sys.stderr)
            break
    if results:
        print(table(sorted(results, key=lambda result: result.name)))
        for result in results:
            if result.warning:
                print(f"\nWARNING: {result.name}: {result.warning}.")
        print(f"\nTo read: {options.build / 'index.html'}")
    return 130 if stopped else int(any(result.error for result in results))


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make.py run", description="Run the notebooks and write pages of them.")
    profile = os.environ.get("NB_PROFILE") or "quick"
    parser.add_argument("names", nargs="*", help="beginnings of notebook names, e.g. 01 (default: all)")
    parser.add_argument("--profile", choices=PROFILES, default=profile)
    parser.add_argument("--notebooks", type=Path, default=ROOT / "notebooks", help="the folder they lie in")
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="the folder that pages and results go to")
    options = parser.parse_args(arguments)
    if options.profile not in PROFILES:  # argparse does not check a default
        parser.error(f"NB_PROFILE={options.profile} is not a profile. Choose one of {', '.join(PROFILES)}.")
    return options


def choose(folder: Path, names: list[str]) -> list[Path]:
    """Return the notebooks in `folder`, or those whose names begin with one of `names`; raise ValueError for none."""
    paths = sorted(folder.glob("*.ipynb"))
    present = ", ".join(path.stem for path in paths) or "none"
    wanted = tuple(Path(name).stem for name in names)
    for name in wanted or ("",):
        if not any(path.stem.startswith(name) for path in paths):
            raise ValueError(f"no notebook's name in {folder} begins with '{name}'. There are: {present}.")
    return [path for path in paths if not wanted or path.stem.startswith(wanted)]


def run_notebook(path: Path, build: Path, progress: Progress) -> Result:
    """Execute one notebook, write its pages into `build`, also after Ctrl-C, and return what became of it."""
    notebook = nbformat.read(path, as_version=4)
    result = Result(path.stem, title_of(notebook, path.stem), os.environ["NB_PROFILE"])
    output = Path(os.environ["NB_OUTPUT_DIR"]) / path.stem
    output.mkdir(parents=True, exist_ok=True)
    (output / "headline.json").unlink(missing_ok=True)
    temporary = temporary_folder(output)
    labels, kernel = cell_labels(notebook), Kernel()
    try:
        execute(notebook, path.parent, lambda index: progress.at(*labels[index]), progress.redraw, kernel, temporary)
        shutil.rmtree(output / "checkpoints", ignore_errors=True)  # finished, so the next run starts anew
    except (CellExecutionError, RuntimeError) as error:
        result.error = describe(error)
        progress.say(f"failed at {progress.label}: {result.error}\n{error}", sys.stderr)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        result.peak_bytes = kernel.peak_bytes
        result.minutes = (time.monotonic() - progress.started) / 60
        result.headline = read_headline(output / "headline.json")
        result.thumbnail = thumbnail(notebook)
        nbformat.write(notebook, build / path.name)
        page = notebook_page(notebook, result.title, path.parent)
        (build / f"{path.stem}.html").write_text(page, encoding="utf-8")
    write_whole(output / "result.json", json.dumps(asdict(result)))
    verdict = "failed" if result.error else "done"
    progress.say(f"{verdict}, {result.minutes:.1f} min, peak memory {result.peak}")
    return result


def temporary_folder(output: Path) -> Path:
    """Make a folder for a kernel's temporary files, return its absolute path, and remove those of runs that are over.

    TensorFlow writes such files and removes them when Python ends, which a killed one does not.
    """
    for old in output.glob("temporary-*"):
        pid = old.name.rpartition("-")[2]
        if pid.isdigit() and (int(pid) == os.getpid() or not psutil.pid_exists(int(pid))):
            shutil.rmtree(old, ignore_errors=True)
    folder = output.resolve() / f"temporary-{os.getpid()}"
    folder.mkdir()
    return folder


def write_index(build: Path, notebooks: Path) -> None:
    """Write the page over the last results of all notebooks that are there, those of earlier runs too."""
    results = []
    for path in sorted(notebooks.glob("*.ipynb")):
        if files := list((build / "run").glob(f"*/{path.stem}/result.json")):  # one a profile
            newest = max(files, key=lambda file: file.stat().st_mtime_ns)
            with contextlib.suppress(OSError, ValueError, TypeError):  # damaged, or of another version
                results.append(Result(**json.loads(newest.read_text(encoding="utf-8"))))
    write_whole(build / "index.html", index_page(results))


if __name__ == "__main__":
    sys.exit(main())
