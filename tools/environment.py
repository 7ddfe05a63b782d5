"""The virtual environment that `make.py` works in: made once, filled once, repaired when it is half made.

Standard library only, because it runs before anything is installed.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SUPPORTED = ((3, 11), (3, 14))  # from, up to but not including


class SetupError(Exception):
    """Something the user can mend; the message says what is wrong and what to do about it."""


def check_python(version: tuple = sys.version_info[:2]) -> None:
    """Raise SetupError unless this Python (its major and minor version) is one the project runs on."""
    first, beyond = SUPPORTED
    if not first <= tuple(version) < beyond:
        raise SetupError(
            f"this is Python {version[0]}.{version[1]}, and the project needs 3.11, 3.12 or 3.13 "
            "(TensorFlow has no builds for others). Run it with one of those, e.g. `python3.12 make.py run` "
            "or `make run PYTHON=python3.12`."
        )
    try:
        import ensurepip  # noqa: F401  (Debian and Ubuntu ship it apart)
        import venv  # noqa: F401
    except ImportError as error:
        raise SetupError(
            f"this Python lacks the module {error.name}, which makes virtual environments. On Debian or Ubuntu: "
            f"`sudo apt install python3.{version[1]}-venv`; elsewhere install Python from python.org."
        ) from error


def has_nvidia_gpu() -> bool:
    """Return whether NVIDIA's own tool lists a graphics card."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return False
    try:
        listing = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return listing.returncode == 0 and "GPU" in listing.stdout


def tensorflow_package(system: str, machine: str, gpu: bool) -> str:
    """Return the name under which to install TensorFlow on a machine.

    Without an NVIDIA GPU the CPU wheel is half a gigabyte smaller; it exists for Linux and Windows on
    x86-64 only. With one, on Linux, pip also has to bring the CUDA libraries.
    """
    if machine.lower() not in ("x86_64", "amd64") or system not in ("Linux", "Windows"):
        return "tensorflow"
    if not gpu:
        return "tensorflow-cpu"
    return "tensorflow[and-cuda]" if system == "Linux" else "tensorflow"


def pins(files: list[Path], tensorflow: str) -> list[str]:
    """Return the requirements in `files` without their comments, TensorFlow under the name `tensorflow`."""
    lines = [line.split("#")[0].strip() for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return [re.sub(r"^tensorflow(?===)", tensorflow, line) for line in lines if line]


class Environment:
    """A virtual environment in `folder` holding the packages that `files` (in requirements/) name."""

    def __init__(self, folder: Path, files: list[str], root: Path = ROOT):
        self.folder, self.root = folder, root
        self.files = [root / "requirements" / name for name in files]
        self.python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        self.stamp = folder / "installed.json"  # what an install that came to its end put here
        self.begun = folder / "install-begun"  # there while pip works, and after it was killed

    def wanted(self) -> dict:
        """Return what decides whether an install is still good."""
        import tomllib  # here, because an older Python has to come as far as check_python

        tensorflow = tensorflow_package(platform.system(), platform.machine(), has_nvidia_gpu())
        project = tomllib.loads((self.root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        return {
            "python": f"{sys.version_info.major}.{sys.version_info.minor}",
            "tensorflow": tensorflow,
            "packages": pins(self.files, tensorflow),
            "project": project,
            "checkout": str(self.root),
        }

    def is_ready(self) -> bool:
        """Return whether the environment holds what is wanted now, or more."""
        found, wanted = self._read_stamp(), self.wanted()
        if found is None or not self.python.exists() or self.begun.exists():
            return False
        enough = set(wanted["packages"]) <= set(found["packages"])
        return enough and found == {**wanted, "packages": found["packages"]}

    def ensure(self) -> Path:
        """Make, fill or repair the environment where needed, and return its Python.

        Raises:
            SetupError: with what to do, when Python is too old, the folder is something else, or pip fails.
        """
        check_python()
        if self.is_ready():
            return self.python
        started, wanted = time.monotonic(), self.wanted()
        print(f"Setting up {self.folder}", flush=True)
        if self._must_be_made(wanted):
            print("  (this once; about two minutes and 2 GB)", flush=True)
            run_step("making the virtual environment", [sys.executable, "-m", "venv", "--clear", str(self.folder)])
        self.stamp.unlink(missing_ok=True)
        self.begun.touch()
        pip = [str(self.python), "-m", "pip", "install", "--disable-pip-version-check"]
        try:
            run_step(f"installing {len(wanted['packages'])} packages and what they need", [*pip, *wanted["packages"]])
            run_step("linking the project's helpers", [*pip, "--no-deps", "--editable", str(self.root)])
        except SetupError:
            self.begun.unlink()  # pip gave up in order, so what is there is whole
            raise
        self.stamp.write_text(json.dumps(wanted, indent=1), encoding="utf-8")
        self.begun.unlink()
        print(f"Ready after {time.monotonic() - started:.0f} s. The next call installs nothing.\n", flush=True)
        return self.python

    def _read_stamp(self) -> dict | None:
        try:
            return json.loads(self.stamp.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def _must_be_made(self, wanted: dict) -> bool:
        """Return whether to start from an empty folder; only ever empties a folder that is an environment."""
        if not self.folder.exists() or not any(self.folder.iterdir()):
            return True
        ours = self.folder.parent == self.root and self.folder.name.startswith(".venv")
        if not ours and not (self.folder / "pyvenv.cfg").exists():
            raise SetupError(f"{self.folder} is no virtual environment. Set VENV to a folder that is new or empty.")
        other_build = (self._read_stamp() or wanted)["tensorflow"] != wanted["tensorflow"]  # they share files
        return self.begun.exists() or other_build or not self._python_works(wanted["python"])

    def _python_works(self, version: str) -> bool:
        probe = "import pip, sys; print('%d.%d' % sys.version_info[:2])"
        try:
            answer = subprocess.run([str(self.python), "-c", probe], capture_output=True, text=True, timeout=120)
        except (OSError, subprocess.TimeoutExpired):
            return False
        return answer.returncode == 0 and answer.stdout.strip() == version


def run_step(what: str, command: list[str]) -> None:
    """Run a command with its output in a file, showing `what` and the elapsed time.

    Raises:
        SetupError: the command failed; the message ends in its last lines.
    """
    started, on_terminal = time.monotonic(), sys.stdout.isatty()
    print(f"  {what} ...", end="" if on_terminal else "\n", flush=True)
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        try:
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        except OSError as error:
            raise SetupError(f"{what}: {command[0]} cannot be run ({error.strerror}).") from error
        try:
            while process.poll() is None:
                _wait_a_second(process)
                if on_terminal:
                    print(f"\r  {what} ... {time.monotonic() - started:.0f} s", end="", flush=True)
        finally:
            process.kill()
            process.wait()
        print(f"\r  {what}: done, {time.monotonic() - started:.0f} s" if process.returncode == 0 else "", flush=True)
        log.seek(0)
        if process.returncode:
            raise SetupError(f"{what} failed.\n{_explain(log.read())}")


def _wait_a_second(process: subprocess.Popen) -> None:
    try:
        process.wait(timeout=1)
    except subprocess.TimeoutExpired:
        return


def _explain(output: str) -> str:
    tail = "\n".join("    " + line for line in output.strip().splitlines()[-12:])
    advice = "The reason stands above."
    if "No space left" in output:
        advice = "The disk is full: about 3 GB are needed."
    elif any(sign in output for sign in ("NewConnectionError", "Failed to establish", "ConnectTimeout", "Max retries")):
        advice = "The package index could not be reached: check the internet connection."
    elif "No matching distribution" in output:
        advice = "A package could not be found: no internet, or no build of it for this system."
    return f"{tail}\n{advice} Nothing is lost: the next call goes on from here."
