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
THIS_VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
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
    """Return a Python of a version such as "3.13", or None where there is none.

    Looks at this Python, on the PATH, in the Windows launcher, and where pyenv and uv keep their own. Each one is
    asked for its version: a name on the PATH may be a shim that finds nothing.
    """
    home = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    try:
        kept = sorted(map(str, home.glob(f"versions/{version}.*[0-9]/bin/python")), reverse=True)  # no "3.13.0t"
    except OSError:
        kept = []
    commands = [[sys.executable], [f"python{version}"], ["python3"], ["py", f"-{version}"], *([path] for path in kept)]
    if uv := shutil.which("uv"):
        commands.append([uv, "run", "--no-project", "--offline", "--python", version, "python"])
    probe = "import sys; print('%d.%d' % sys.version_info[:2], sys.executable)"
    for command in commands:
        found, _, path = answer_of([*command, "-c", probe]).partition(" ")
        if found == version and path:
            return path
    return None


def has_nvidia_gpu() -> bool:
    """Return whether NVIDIA's own tool lists a graphics card."""
    tool = shutil.which("nvidia-smi")
    return tool is not None and "GPU" in answer_of([tool, "-L"])


def tensorflow_package(system: str, machine: str, gpu: bool) -> str:
    """Return the name under which to install TensorFlow on a machine.

    Without an NVIDIA GPU the CPU wheel is half a gigabyte smaller; it exists for Linux and Windows on
    x86-64 only. With one, on Linux, the CUDA libraries have to be installed too.
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


def this_system() -> dict[str, str]:
    """Return what the wheels of a bundle are tied to: Python's minor version, operating system and processor."""
    return {"python": THIS_VERSION, "system": platform.system(), "machine": platform.machine()}


def check_bundle(wheels: Path) -> None:
    """Raise SetupError unless a bundle's wheels (tools/bundle.py) are for this system and all there."""
    try:
        bundle = json.loads((wheels / "bundle.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SetupError(f"{wheels / 'bundle.json'} cannot be read: copy the bundle again.") from error
    here, form = this_system(), "Python {python} on {system} ({machine})"
    if any(bundle[key] != here[key] for key in here):
        raise SetupError(
            f"this bundle is for {form.format(**bundle)}, and this is {form.format(**here)}. Nothing was installed. "
            f"Use that Python, e.g. `make run PYTHON=python{bundle['python']}`; or make a bundle on a system like this."
        )
    sizes = {path.name: path.stat().st_size for path in wheels.glob("*.whl")}
    if lost := [name for name, size in bundle["wheels"].items() if sizes.get(name) != size]:
        raise SetupError(f"of the bundle's wheels {', '.join(lost)} are missing or cut short: copy the bundle again.")


class Environment:
    """A virtual environment in `folder` holding the packages that `files` (in requirements/) name.

    A Python at the path `maker`, of `version`, makes it. The project itself is installed too if it is `linked`.
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
        self.stamp = folder / "installed.json"  # what an install that came to its end put here
        self.begun = folder / "install-begun"  # there while packages are installed, and after that was killed
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
        found, wanted = self._read_stamp(), self.wanted()
        if found is None or not self.python.exists() or self.begun.exists():
            return False
        enough = set(wanted["packages"]) <= set(found["packages"])
        return enough and found == {**wanted, "packages": found["packages"]}

    def ensure(self) -> Path:
        """Make, fill or repair the environment where needed, and return its Python.

        Raises:
            SetupError: with what to do, when Python is too old, the folder is something else, the wheels of a
                bundle are for another system or not all there, or the install fails.
        """
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
        self.stamp.unlink(missing_ok=True)
        self.begun.touch()
        try:
            self._install(f"installing {len(wanted['packages'])} packages and what they need", wanted["packages"])
            if self.linked:
                self._install("linking the project's helpers", ["--no-deps", "--editable", str(self.root)])
        except SetupError:
            self.begun.unlink()  # the installer gave up in order, so what is there is whole
            raise
        self.stamp.write_text(json.dumps(wanted, indent=1), encoding="utf-8")
        self.begun.unlink()
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
        """Return whether to start from an empty folder; only ever empties a folder that is an environment."""
        if self.folder.exists() and not self.folder.is_dir():
            raise SetupError(f"{self.folder} is a file. Set VENV to a folder that is new or empty.")
        if not self.folder.exists() or not any(self.folder.iterdir()):
            return True
        ours = self.folder.parent == self.root and self.folder.name.startswith(".venv")
        if not ours and not (self.folder / "pyvenv.cfg").exists():
            raise SetupError(f"{self.folder} is no virtual environment. Set VENV to a folder that is new or empty.")
        other_build = (self._read_stamp() or wanted)["tensorflow"] != wanted["tensorflow"]  # they share files
        return self.begun.exists() or other_build or not self._python_works(wanted["python"])

    def _python_works(self, version: str) -> bool:
        probe = "import pip, sys; print('%d.%d' % sys.version_info[:2])"
        return answer_of([str(self.python), "-c", probe], 120) == version


def run_step(what: str, command: list[str], variables: dict[str, str] | None = None) -> None:
    """Run a command with its output in a file, showing `what` and the elapsed time.

    `variables` is its whole environment, or None for that of this process.

    Raises:
        SetupError: the command failed; the message ends in its last lines.
    """
    started, on_terminal = time.monotonic(), sys.stdout.isatty()
    print(f"  {what} ...", end="" if on_terminal else "\n", flush=True)
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        options = {"stdout": log, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL, "env": variables}
        try:
            process = subprocess.Popen(command, **options)
        except OSError as error:
            raise SetupError(f"{what}: {command[0]} cannot be run ({error.strerror}).") from error
        try:
            while process.poll() is None:
                try:
                    process.wait(timeout=1)
                except subprocess.TimeoutExpired:
                    if on_terminal:
                        print(f"\r  {what} ... {time.monotonic() - started:.0f} s", end="", flush=True)
        finally:
            process.kill()
            process.wait()
        seconds = time.monotonic() - started
        print(f"\r  {what}: done, {seconds:.0f} s" if process.returncode == 0 else "", flush=True)
        if process.returncode:
            log.seek(0)
            said = log.read()
            tail = "\n".join("    " + line for line in said.strip().splitlines()[-12:])
            reason = next((text for sign, text in REASONS.items() if re.search(sign, said)), "The reason is above.")
            raise SetupError(f"{what} failed.\n{tail}\n{reason} Nothing is lost: the next call goes on from here.")
