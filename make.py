"""What `make` does, for every system: `python make.py TARGET`. Needs Python 3.11-3.13 and nothing else.

  run [NAMES]     set up once, then run the notebooks (or only those named, e.g. 01) in the quick profile;
                  results and an index page in build/. --profile smoke|quick|full chooses another.
  test [PATHS]    style, unit tests, claims and all notebooks in the smoke profile, without network
  test-all        the same and the tests marked slow: whole notebooks in the browser, kills, installs, bench jobs
  test-colab      explorers and notebooks with the packages that Colab has; needs Python 3.13 (finds it by itself)
  lab             open JupyterLab on notebooks/
  data            fetch every real data set that can be fetched
  bundle          pack the project, its packages and what data may be passed on into build/bundle/generative/,
                  a folder that installs and runs without a network
  bench           time the books' recipes and ours side by side
  stamp           write the project's address into the notebooks' first cells and badges
  clean           remove build/ and caches (data and the environment stay)
  help            this text

VENV names another folder for the virtual environment (default: .venv).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from tools.colab import lay_out, make_repository
from tools.environment import Environment, SetupError, find_python

ROOT = Path(__file__).resolve().parent
GUARD_TEST = "tests/test_network_guard.py"
COLAB_PYTHON = "3.13"
# An upload in a widget is one message, and beyond Tornado's 10 MiB the connection to the kernel breaks.
LAB_OPTIONS = ['--ServerApp.tornado_settings={"websocket_max_message_size": 268435456}']


def main(arguments: list[str]) -> int:
    """Carry out the target that the command line names and return the exit status."""
    target, rest = (arguments[0] if arguments else "help"), arguments[1:]
    if target in ("help", "-h", "--help"):
        print(__doc__)
        return 0
    if target not in TARGETS:
        print(f"'{target}' is not a target. There are: {', '.join(TARGETS)}, help.", file=sys.stderr)
        return 2
    try:
        return TARGETS[target](rest)
    except SetupError as error:
        print(f"\nmake.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. The next call goes on from here.", file=sys.stderr)
        return 130


def environment(*files: str) -> Environment:
    """Return the environment in the folder that VENV names (default: .venv), with the packages of `files`."""
    folder = os.environ.get("VENV")
    return Environment(Path(folder).expanduser().absolute() if folder else ROOT / ".venv", ["default.txt", *files])


def run_module(name: str, rest: list[str]) -> int:
    """Run a module in the environment with the arguments of the command line."""
    options = ["--notebook-dir", ROOT / "notebooks", *LAB_OPTIONS] if name == "jupyterlab" else []
    return hand_over([environment().ensure(), "-m", name, *options, *rest])


def test(rest: list[str]) -> int:
    """Run pytest, with the network guard, on the paths in `rest` or else on everything."""
    python = environment("test.txt").ensure()
    has_paths = any(argument and (ROOT / argument.split("::")[0]).exists() for argument in rest)
    selection = [*rest, GUARD_TEST] if has_paths else [*rest, "tests", "notebooks"]
    with tempfile.TemporaryDirectory(prefix="generative-") as scratch:
        return hand_over([python, "-m", "pytest", *selection], testing_variables(dict(os.environ), scratch))


def test_all(rest: list[str]) -> int:
    return test(["-m", "", *rest])


def test_colab(rest: list[str]) -> int:
    """Run what depends on the versions of IPython and ipywidgets, with those that Colab has."""
    maker = find_python(COLAB_PYTHON)
    if maker is None:
        raise SetupError(f"test-colab needs Python {COLAB_PYTHON}, as Colab has it, and found none on this machine.")
    files = ["colab.txt", "test.txt"]
    python = Environment(ROOT / ".venv-colab", files, maker=maker, version=COLAB_PYTHON, linked=False).ensure()
    folder = ROOT / "build" / "colab"
    shutil.rmtree(folder, ignore_errors=True)
    notebooks = lay_out(folder / "content", rest)
    if not notebooks:
        raise SetupError(f"no notebook begins with {' or '.join(rest)}. Name some by their numbers: test-colab 02 05.")
    names = ("*explorer*", "*frames*", "*pad*", "*plots*")
    tests = sorted({path for name in names for path in (ROOT / "tests").glob(f"test_{name}.py")})
    variables = testing_variables(dict(os.environ), str(folder))
    variables["GENERATIVE_REPOSITORY"] = make_repository(folder / "repository")
    variables["ROUND_PRODUCTS"] = "1"  # as on GPUs: tests/guard/rounding.py
    return hand_over([python, "-m", "pytest", GUARD_TEST, *tests, *notebooks], variables)


def testing_variables(variables: dict[str, str], scratch: str) -> dict[str, str]:
    """Return `variables` with what tests need: smallest budgets, no network, results in `scratch`.

    Real data is used if GENERATIVE_DATA_DIR names a folder of it, else the stand-ins.
    """
    changed = dict(variables, NB_PROFILE="smoke", NB_OFFLINE="1", NB_OUTPUT_DIR=scratch)
    changed["NB_DATA"] = "auto" if variables.get("GENERATIVE_DATA_DIR") else "standin"
    changed["PYTHONPATH"] = str(ROOT / "tests" / "guard")
    changed["NETWORK_GUARD_LOG"] = str(Path(scratch) / "network.log")
    changed["GIT_ALLOW_PROTOCOL"] = "file"  # git is no Python program, so the guard does not see it
    changed.pop("MPLBACKEND", None)
    # Two workers share two cores, so TensorFlow has one thread in each.
    threads = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
    return {**dict.fromkeys(threads, "1"), **changed}


def clean(rest: list[str]) -> int:
    folders = [ROOT / name for name in ("helpers", "tools", "tests", "bench")]
    caches = [cache for folder in folders for cache in folder.rglob("__pycache__")]
    for folder in [ROOT / "build", ROOT / ".pytest_cache", ROOT / ".ruff_cache", *caches]:
        shutil.rmtree(folder, ignore_errors=True)
    print("Removed build/ and the caches. Data (data/cache/) and the environment (.venv/) stay.")
    return 0


def hand_over(command: list, variables: dict[str, str] | None = None) -> int:
    """Run the last command of a target in the checkout and return its exit status.

    Ctrl-C reaches that command as well, so it can finish in its own way.
    """
    process = subprocess.Popen([str(part) for part in command], cwd=ROOT, env=variables)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


TARGETS = {
    "run": partial(run_module, "tools.run_notebooks"),
    "test": test,
    "test-all": test_all,
    "test-colab": test_colab,
    "lab": partial(run_module, "jupyterlab"),
    "data": partial(run_module, "helpers.data.sources"),
    "bundle": partial(run_module, "tools.bundle"),
    "bench": partial(run_module, "bench"),
    "stamp": partial(run_module, "tools.stamp"),
    "clean": clean,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
