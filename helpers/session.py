"""What a notebook needs first: errors for the reader, the profile, the output folder, the headline.

A profile decides how much is done and how long that takes. A fault of the GPU is reported in a sentence: a reader on a
GPU kernel must not train on the CPU without knowing why.
"""

import json
import math
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace

from IPython.display import Markdown, display


class UserError(Exception):
    """An error that the reader can correct; the message says what is wrong and what to do about it.

    A notebook shows only that message: a traceback through the helpers would hide it.
    """

    def _render_traceback_(self) -> list[str]:
        """Called by IPython in place of its own traceback; returns the lines to show."""
        return [f"{type(self).__name__}: {self}"]


PROFILES = ("smoke", "quick", "full")
CHECKOUT = Path(__file__).resolve().parents[1]
DRIVE = Path("/content/drive")  # where Colab mounts Google Drive
# Minutes of a notebook on real data and 2 CPU cores, as measured: (smoke, quick, full). 01 in full: both trainings.
CPU_MINUTES = {
    "01_text_generation": (0.9, 2.1, 88),
    "02_deep_dream": (0.5, 2.4, 8),
    "03_neural_style_transfer": (0.6, 2.4, 66),
    "04_variational_autoencoder": (0.8, 2.3, 100),
    "05_dcgan": (1.2, 2.3, 53),
}
# Minutes of the full profile on a GPU, by an earlier version that shared it with the four others, which did not end.
GPU_MINUTES = {("NVIDIA H200", "02_deep_dream"): 4.6}
PATIENCE = 10  # minutes that "auto" may choose
# GB that a notebook's process held at most, in the quick profile on a CPU. The data are part of it.
MEMORY = {
    "01_text_generation": 1.8,
    "02_deep_dream": 1.7,
    "03_neural_style_transfer": 1.2,
    "04_variational_autoencoder": 2.1,
    "05_dcgan": 1.7,
}


def choose_profile(notebook: str, profile: str = "auto", **budgets: tuple) -> SimpleNamespace:
    """Print what a notebook will do and how long that takes; return the budgets of one profile as attributes.

    Args:
        notebook: its file name without ending, such as "02_deep_dream".
        profile: "smoke", "quick" or "full"; "auto" for `full` on a GPU that was measured to do it within 10 minutes,
            and for `quick` elsewhere. The environment variable `NB_PROFILE` wins over it.
        budgets: what differs between the profiles (epochs, steps, examples, image size), each as a row
            `(smoke, quick, full)`. The model itself is the same in all three.

    Returns:
        The values of one column by their names, and the profile's `name`.

    Raises:
        UserError: there is no such profile; a row has not three values; or the project's folder was moved after
            this kernel had imported `helpers`.
    """
    if not CHECKOUT.is_dir():
        raise UserError(f"the project's folder is no longer at {CHECKOUT}. Restart the kernel and run the first cell.")
    for key, row in budgets.items():
        if not isinstance(row, tuple) or len(row) != len(PROFILES):
            raise UserError(f"{key}={row!r} is no row of budgets. Give three values: ({', '.join(PROFILES)}).")
    report = read_report()
    gpu, trouble = (report.seen or ("",))[0], gpu_trouble(report, MEMORY.get(notebook, 0.0))
    name, reason = _name_and_reason(notebook, profile, gpu, bool(trouble))
    values = {key: row[PROFILES.index(name)] for key, row in budgets.items()}
    listed = (
        f"{key.replace('_', ' ')} {value:,}" if isinstance(value, int) else f"{key.replace('_', ' ')} {value}"
        for key, value in values.items()
    )
    print(f"Profile {name} ({reason}): {', '.join(listed)}.")
    print(_duration(notebook, name, gpu))
    if trouble:
        print(trouble)
    return SimpleNamespace(name=name, **values)


def _name_and_reason(notebook: str, profile: str, gpu: str, is_troubled: bool) -> tuple[str, str]:
    """Return the profile's name and why it was chosen; `gpu` is the name of the one that TensorFlow sees, or ""."""
    variable = os.environ.get("NB_PROFILE", "").strip()
    name = variable or profile
    if name in PROFILES:
        return name, "NB_PROFILE" if variable else "as set above"
    if name != "auto":
        origin = "NB_PROFILE" if variable else "profile"
        raise UserError(f"{origin}={name!r} is not a profile. Set it to one of auto, {', '.join(PROFILES)}.")
    if is_troubled:
        return "quick", "auto: see below what is the matter with the GPU"
    if not gpu:
        return "quick", "auto: no GPU"
    if GPU_MINUTES.get((gpu, notebook), PATIENCE + 1) <= PATIENCE:
        return "full", f"auto: {gpu}"
    return "quick", f"auto: on the {gpu} no full run of this notebook was timed"


def _duration(notebook: str, name: str, gpu: str) -> str:
    """Return a sentence that says how long a notebook takes, and on which machine that was measured."""
    if notebook not in CPU_MINUTES:
        return "How long that takes was not measured."
    if name == "full" and (gpu, notebook) in GPU_MINUTES:
        return f"An earlier version took {GPU_MINUTES[gpu, notebook]:g} minutes on an {gpu}, beside other work."
    minutes = f"{CPU_MINUTES[notebook][PROFILES.index(name)]:g} minutes"
    took = f"An earlier version took {minutes} or more" if name == "full" else f"That took {minutes}"
    machine = f"a {gpu}, on which it was not timed" if gpu else f"{os.cpu_count()} CPU cores"
    return f"{took} on 2 CPU cores with real data. This machine has {machine}."


def expanded(path: Path | str) -> Path:
    """Return a path in which "~" has become the home folder; UserError if that folder is not known."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise UserError(f"{path} leads to no folder ({error}). Write it without ~.") from error


def output_folder(notebook: str) -> Path:
    """Return the folder for a notebook's checkpoints and results, made if it is not there.

    It lies in `NB_OUTPUT_DIR`; if that is not set, in Google Drive if Colab has mounted it, and a line says so; else in
    `build/` of the checkout. If it cannot be created or written, a message says so and a temporary folder is used,
    which is deleted when the kernel ends.

    Raises:
        UserError: no temporary folder can be written either; or the path is invalid.
    """
    folder = expanded(os.environ.get("NB_OUTPUT_DIR", "").strip() or _results()) / notebook
    remedy = "Set NB_OUTPUT_DIR to a folder that can be written to"
    try:
        return _writable(folder)
    except OSError as error:
        fault = f"Results cannot be written to {folder} ({error.strerror})."
    try:
        temporary = _writable(Path(_temporary_folder().name) / notebook)
    except OSError as error:
        raise UserError(f"{fault} {remedy}.") from error
    print(f"{fault} They go to {temporary}, which is deleted when the kernel ends. {remedy}.")
    return temporary


def _results() -> Path:
    drive = DRIVE / "MyDrive"
    if "google.colab" not in sys.modules or not drive.is_dir() or drive in CHECKOUT.parents:
        return CHECKOUT / "build"
    print(f"Checkpoints and results go to {drive / 'generative-notebooks-results'}.")
    return drive / "generative-notebooks-results"


def _writable(folder: Path) -> Path:
    """Return a folder, made if need be, after a file was written to it; OSError if that fails."""
    folder.mkdir(parents=True, exist_ok=True)
    tempfile.TemporaryFile(dir=folder).close()
    return folder


@cache
def _temporary_folder() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="generative-")


def headline(folder: Path, text: str) -> None:
    """Show a notebook's most important figure, and write it to `headline.json` for the table of all notebooks."""
    (Path(folder) / "headline.json").write_text(json.dumps({"text": text}), encoding="utf-8")
    display(Markdown(f"**Headline figure:** {text}"))


# The oldest driver for each version of CUDA, by NVIDIA's page "Minor Version Compatibility".
OLDEST_DRIVER = {11: 450, 12: 525, 13: 580}


@dataclass(frozen=True)
class Gpu:
    """A GPU as `nvidia-smi` lists it; free and total memory in GB, infinite where it is not known."""

    name: str
    driver: str
    free: float
    total: float


@dataclass(frozen=True)
class Report:
    """What TensorFlow and `nvidia-smi` report about this machine."""

    seen: tuple[str, ...] = ()  # names of the GPUs that TensorFlow can use
    cuda: str = ""  # the version of CUDA that TensorFlow was built for, "" for a build without
    listed: tuple[Gpu, ...] = ()  # the GPUs of the machine
    fault: str = ""  # the message of `nvidia-smi` when it failed
    system: str = "Linux"  # or "Windows" or "Darwin"
    visible: str | None = None  # CUDA_VISIBLE_DEVICES, None if it is not set


@cache  # memory that this kernel takes later is not taken by others
def read_report() -> Report:
    """Return the report of this machine as it was at the first call; TensorFlow is imported for it."""
    import tensorflow as tf

    devices = [tf.config.experimental.get_device_details(device) for device in tf.config.list_physical_devices("GPU")]
    listed, fault = _listed()
    return Report(
        seen=tuple(details.get("device_name", "GPU") for details in devices),
        cuda=str(tf.sysconfig.get_build_info().get("cuda_version", "")),
        listed=listed,
        fault=fault,
        system=platform.system(),
        visible=os.environ.get("CUDA_VISIBLE_DEVICES"),
    )


def gpu_trouble(report: Report, needed: float) -> str:
    """Return why the machine's GPU is not used, or may not do, and what to do about it; "" if nothing is wrong.

    `needed` is the GB of memory that the notebook's process held on a CPU; the need of a GPU was not measured.
    """
    if report.seen:
        used = [gpu for gpu in report.listed if gpu.name == report.seen[0]]
        roomiest = max(used, key=lambda gpu: gpu.free, default=None)
        if roomiest is None or roomiest.free >= needed:
            return ""
        return (
            f"Only {roomiest.free:.1f} of {roomiest.total:.1f} GB of the {roomiest.name}'s memory are free. On a CPU "
            f"this notebook held up to {needed:.1f} GB in the quick profile. Close what else uses the GPU "
            "(`nvidia-smi` lists it), or set CUDA_VISIBLE_DEVICES=-1 before the kernel starts, to train on the CPU."
        )
    if report.visible is not None and report.visible.strip() in ("", "-1"):
        return ""  # the reader has turned it off
    if report.fault:
        return f"`nvidia-smi` fails: {report.fault} A GPU cannot be used until its driver works; often a restart helps."
    if not report.listed:
        return ""
    begin, driver = f"There is a {report.listed[0].name}, but TensorFlow does not use it: ", report.listed[0].driver
    if report.system == "Windows":
        return f"{begin}on Windows it does so in WSL 2 only. Install the project there."
    if not report.cuda:
        return (
            f"{begin}this is its build for CPUs. `pip uninstall -y tensorflow-cpu`, then "
            "`pip install 'tensorflow[and-cuda]'`, and restart the kernel."
        )
    major = int(report.cuda.split(".")[0])
    oldest = OLDEST_DRIVER.get(major, 0)
    if int(driver.split(".")[0]) < oldest:
        return f"{begin}its driver {driver} is older than {oldest}, which CUDA {major} needs. Update the driver."
    if report.visible is not None:
        return f"{begin}CUDA_VISIBLE_DEVICES={report.visible} probably hides it. Unset that, and restart the kernel."
    return (
        f"{begin}probably the libraries of CUDA {major}, cuDNN among them, cannot be loaded. "
        "`pip install 'tensorflow[and-cuda]'` brings them. Restart the kernel afterwards."
    )


def _listed() -> tuple[tuple[Gpu, ...], str]:
    """Return the GPUs that `nvidia-smi` lists, and its message if it fails; nothing if there is no such tool."""
    if (tool := shutil.which("nvidia-smi")) is None:
        return (), ""
    command = [tool, "--query-gpu=name,driver_version,memory.free,memory.total", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=30)
    except subprocess.TimeoutExpired:
        return (), "it gave no answer within 30 s."
    except OSError as error:
        return (), f"it cannot be run ({error.strerror})."
    if answer.returncode == 0:
        return parse_listing(answer.stdout), ""
    lines = (answer.stdout.strip() or answer.stderr.strip() or f"exit status {answer.returncode}").splitlines()
    return (), lines[0].rstrip(".") + "."


def parse_listing(text: str) -> tuple[Gpu, ...]:
    """Return the GPUs of `nvidia-smi`'s table; other lines are left out, and memory that is not given is infinite."""
    gpus = []
    for line in text.splitlines():
        *name, driver, free, total = (part.strip() for part in f",,,{line}".split(","))
        if any(name) and driver.split(".")[0].isdecimal():
            gpus.append(Gpu(", ".join(filter(None, name)), driver, _gigabytes(free), _gigabytes(total)))
    return tuple(gpus)


def _gigabytes(megabytes: str) -> float:
    return float(megabytes) / 1024 if megabytes.isdecimal() else math.inf
