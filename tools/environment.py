"""The virtual environment that `make.py` works in: made once, filled once, repaired when it is half made.

Standard library only, because it runs before anything is installed.
"""

from __future__ import annotations

import contextlib
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
THIS_VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
HAS_PIP = "import pip, sys; print('%d.%d' % sys.version_info[:2])"
# A sign in what the installer printed, and what it means.
REASONS = {
    "No space left": "The disk is full: about 3 GB are needed.",
    "NewConnectionError|Failed to establish|ConnectTimeout|Max retries|error sending request": (
        "The package index could not be reached: check the internet connection."
    ),
    "No matching distribution": "A package could not be found: no internet, or no build of it for this system.",
}


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


def answer_of(command: list[str], seconds: float = 60) -> str:
    """Return what a command prints, or "" where it cannot be run, fails, or takes too long."""
    try:
        answer = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=seconds)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return "" if answer.returncode else answer.stdout.strip()


def find_python(version: str) -> str | None:
    """Return a Python of a version such as "3.13" (on the PATH, of the Windows launcher, pyenv or uv), or None."""
    home = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    installed = sorted(map(str, home.glob(f"versions/{version}.*[0-9]/bin/python")), reverse=True)  # no "3.13.0t"
    commands = [[sys.executable], [f"python{version}"], ["python3"], ["py", f"-{version}"], *([p] for p in installed)]
    if uv := shutil.which("uv"):
        commands.append([uv, "run", "--no-project", "--offline", "--python", version, "python"])
    for command in commands:  # each is asked for its version: a name on the PATH may be a shim that finds nothing
        answer = answer_of([*command, "-c", "import sys; print('%d.%d' % sys.version_info[:2], sys.executable)"])
        found, _, path = answer.partition(" ")
        if found == version and path:
            return path
    return None


def has_nvidia_gpu() -> bool:
    """Return whether NVIDIA's own tool lists a graphics card."""
    tool = shutil.which("nvidia-smi")
    return tool is not None and "GPU" in answer_of([tool, "-L"])


def tensorflow_package(system: str, machine: str, gpu: bool) -> str:
    """Return the name under which to install TensorFlow; the build for CPUs is half a gigabyte smaller."""
    if machine.lower() not in ("x86_64", "amd64") or system not in ("Linux", "Windows"):
        return "tensorflow"
    if not gpu:
        return "tensorflow-cpu"
    return "tensorflow[and-cuda]" if system == "Linux" else "tensorflow"


def pins(files: list[Path], tensorflow: str) -> list[str]:
    """Return the requirements in `files` without their comments, TensorFlow under the name `tensorflow`."""
    lines = [line.split("#")[0].strip() for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return [re.sub(r"^tensorflow(?===)", tensorflow, line) for line in lines if line]


def this_system() -> dict[str, str]:
    """Return what the wheels of a bundle are tied to: Python's minor version, operating system and processor."""
    return {"python": THIS_VERSION, "system": platform.system(), "machine": platform.machine()}


def check_bundle(wheels: Path) -> None:
    """Raise SetupError unless a bundle's wheels (tools/bundle.py) are for this system and all there."""
    try:
        bundle = json.loads((wheels / "bundle.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SetupError(f"{wheels / 'bundle.json'} cannot be read: copy the bundle again.") from error
    this, form = this_system(), "Python {python} on {system} ({machine})"
    if any(bundle[key] != this[key] for key in this):
        raise SetupError(
            f"this bundle is for {form.format(**bundle)}, and this is {form.format(**this)}. Nothing was installed. "
            f"Use that Python, e.g. `make run PYTHON=python{bundle['python']}`; or make a bundle on a system like this."
        )
    sizes = {path.name: path.stat().st_size for path in wheels.glob("*.whl")}
    if lost := [name for name, size in bundle["wheels"].items() if sizes.get(name) != size]:
        raise SetupError(f"of the bundle's wheels {', '.join(lost)} are missing or cut short: copy the bundle again.")


class Environment:
    """A virtual environment in `folder` with the packages that `files` (in requirements/) name.

    The Python `maker`, of `version`, makes it. If it is `linked`, the project itself is installed too.
    """

    def __init__(
        self,
        folder: Path,
        files: list[str],
        root: Path = ROOT,
        maker: str = sys.executable,
        version: str = THIS_VERSION,
        linked: bool = True,
    ):
        self.folder, self.root, self.maker, self.version, self.linked = folder, root, maker, version, linked
        self.files = [root / "requirements" / name for name in files]
        self.python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        self.stamp = folder / "installed.json"  # what is installed; {} while an install runs, or after it broke off
        self.wheels = root / "wheels"  # there in a bundle only, and then all that is installed from

    def wanted(self) -> dict:
        """Return what decides whether an install is still good."""
        import tomllib  # here, because an older Python has to come as far as check_python

        gpu = not self.wheels.exists() and has_nvidia_gpu()  # a bundle has the build for the CPU
        tensorflow = tensorflow_package(platform.system(), platform.machine(), gpu)
        project = tomllib.loads((self.root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        packages = pins(self.files, tensorflow)
        facts = {"python": self.version, "tensorflow": tensorflow, "packages": packages}
        return {**facts, "project": project, "checkout": str(self.root)}

    def is_ready(self) -> bool:
        """Return whether the environment holds what is wanted now, or more."""
        installed, wanted = self._read_stamp(), self.wanted()
        if not installed or not self.python.exists():
            return False
        has_all = set(wanted["packages"]) <= set(installed["packages"])
        return has_all and installed == {**wanted, "packages": installed["packages"]}

    def ensure(self) -> Path:
        """Make, fill or repair the environment where needed; return its Python, or raise SetupError."""
        check_python()
        if self.wheels.exists():
            check_bundle(self.wheels)
        if self.is_ready():
            return self.python
        started, wanted = time.monotonic(), self.wanted()
        print(f"Setting up {self.folder}", flush=True)
        if self._must_be_made(wanted):
            print("  (this once; about two minutes, half a minute with uv, and 2 GB)", flush=True)
            run_step("making the virtual environment", [self.maker, "-m", "venv", "--clear", str(self.folder)])
        self.stamp.write_text("{}", encoding="utf-8")
        self._install(f"installing {len(wanted['packages'])} packages and what they need", wanted["packages"])
        if self.linked:
            self._install("linking the project's helpers", ["--no-deps", "--editable", str(self.root)])
        self.stamp.write_text(json.dumps(wanted, indent=1), encoding="utf-8")
        print(f"Ready after {time.monotonic() - started:.0f} s. The next call installs nothing.\n", flush=True)
        return self.python

    def _install(self, what: str, packages: list[str]) -> None:
        """Install with uv where it is found and can, else with pip; in a bundle with pip, from its wheels alone."""
        pip = [str(self.python), "-m", "pip", "install", "--disable-pip-version-check"]
        if self.wheels.exists():
            variables = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
            source = ["--no-index", "--find-links", str(self.wheels)]
            return run_step(what, [*pip, *source, *packages], {**variables, "PIP_CONFIG_FILE": os.devnull})
        if uv := shutil.which("uv"):
            try:
                return run_step(f"{what}, with uv", [uv, "pip", "install", "--python", str(self.python), *packages])
            except SetupError:
                print("  uv could not: it may have other settings than pip, which tries now", flush=True)
        return run_step(what, [*pip, *packages])

    def _read_stamp(self) -> dict | None:
        try:
            return json.loads(self.stamp.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def _must_be_made(self, wanted: dict) -> bool:
        """Return whether to start from an empty folder; a folder that is no environment is never emptied."""
        if not self.folder.exists() or (self.folder.is_dir() and not any(self.folder.iterdir())):
            return True
        ours = self.folder.parent == self.root and self.folder.name.startswith(".venv")
        if not self.folder.is_dir() or not (ours or (self.folder / "pyvenv.cfg").exists()):
            raise SetupError(f"{self.folder} is no virtual environment. Set VENV to a folder that is new or empty.")
        stamp = self._read_stamp()
        if stamp is not None and stamp.get("tensorflow") != wanted["tensorflow"]:  # broken off, or another build
            return True
        return answer_of([str(self.python), "-c", HAS_PIP], 120) != self.version


def run_step(what: str, command: list[str], variables: dict[str, str] | None = None) -> None:
    """Run a command, its output in a file, and show `what` and the elapsed time; raise SetupError if it fails."""
    started, on_terminal = time.monotonic(), sys.stdout.isatty()
    print(f"  {what} ...", end="" if on_terminal else "\n", flush=True)
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        options = {"stdout": log, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL, "env": variables}
        process = subprocess.Popen(command, **options)
        try:
            while process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=1)
                if on_terminal:
                    print(f"\r  {what} ... {time.monotonic() - started:.0f} s", end="", flush=True)
        finally:
            process.kill()
            process.wait()
        if process.returncode == 0:
            print(f"\r  {what}: done, {time.monotonic() - started:.0f} s", flush=True)
            return
        log.seek(0)
        output = log.read().strip()
    tail = "\n".join("    " + line for line in output.splitlines()[-12:])
    reason = next((text for sign, text in REASONS.items() if re.search(sign, output)), "The reason is above.")
    raise SetupError(f"{what} failed.\n{tail}\n{reason} Nothing is lost: the next call goes on from here.")
