"""What a notebook's run needs first: errors for the reader, the profile, the output folder, the headline.

The profile says how much is done and how long that takes. What is the matter with a GPU is said in a sentence:
a reader on a GPU kernel must not train on the CPU without being told why.
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
    """Something the reader can mend; the message says what is wrong and what to do about it.

    In a notebook only that message is shown: a traceback through the helpers would hide it.
    """

    def _render_traceback_(self) -> list[str]:
        """Called by IPython in place of its own traceback; returns the lines to show."""
        return [f"{type(self).__name__}: {self}"]


PROFILES = ("smoke", "quick", "full")
CHECKOUT = Path(__file__).resolve().parents[1]
DRIVE = Path("/content/drive")  # where Colab mounts Google Drive
# Minutes of a notebook on real data and 2 CPU cores, as measured: (smoke, quick, full). 01 in full: both trainings.
CPU_MINUTES = {
    "01_text_generation": (0.9, 5.1, 60),
    "02_deep_dream": (0.5, 2.8, 8),
    "03_neural_style_transfer": (0.6, 4.5, 66),  # in full: with SciPy's tests of convergence still on
    "04_variational_autoencoder": (1.7, 5.4, 100),
    "05_dcgan": (1.2, 5.5, 53),
}
# Minutes of the full profile on a GPU: an earlier version, while the four others ran there too. None of these ended.
GPU_MINUTES = {("NVIDIA H200", "02_deep_dream"): 4.6}
PATIENCE = 10  # minutes that "auto" may choose
# GB that a notebook's process held at most, in the quick profile on a CPU. The data are part of it.
MEMORY = {
    "01_text_generation": 1.9,
    "02_deep_dream": 1.6,
    "03_neural_style_transfer": 1.2,
    "04_variational_autoencoder": 2.5,
    "05_dcgan": 1.9,
}


def choose_profile(notebook: str, profile: str = "auto", **budgets: tuple) -> SimpleNamespace:
    """Print what a notebook will do and how long that takes; return the budgets of one profile as attributes.

    Args:
        notebook: its file name without ending, such as "02_deep_dream".
        profile: "smoke", "quick" or "full"; "auto" for `full` on a GPU that was measured to do it within 10 minutes,
            and for `quick` elsewhere. The environment variable `NB_PROFILE` wins over it.
        budgets: what differs between the profiles (epochs, steps, examples, image size), each as a row
            `(smoke, quick, full)`. What the model *is* stays the same in all three.

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
    trouble = gpu_trouble(report, MEMORY.get(notebook, 0.0))
    name, reason = _chosen(notebook, profile, report.seen[0] if report.seen else "", bool(trouble))
    run = SimpleNamespace(name=name, **{key: row[PROFILES.index(name)] for key, row in budgets.items()})
    values = ", ".join(
        f"{key.replace('_', ' ')} {value:,}" if isinstance(value, int) else f"{key.replace('_', ' ')} {value}"
        for key, value in list(vars(run).items())[1:]
    )
    print(f"Profile {name} ({reason}): {values}.")
    print(_duration(notebook, name, report.seen[0] if report.seen else ""))
    if trouble:
        print(trouble)
    return run


def _chosen(notebook: str, profile: str, gpu: str, is_troubled: bool) -> tuple[str, str]:
    """Return the profile's name and why it is that; `gpu` is the name of the one that TensorFlow sees, or ""."""
    variable = os.environ.get("NB_PROFILE", "").strip()
    name, origin = (variable, "NB_PROFILE") if variable else (profile, "profile")
    if name in PROFILES:
        return name, "NB_PROFILE" if variable else "as set above"
    if name != "auto":
        raise UserError(f"{origin}={name!r} is not a profile. Set it to one of auto, {', '.join(PROFILES)}.")
    if is_troubled or not gpu:
        return "quick", "auto: see below what is the matter with the GPU" if is_troubled else "auto: no GPU"
    if GPU_MINUTES.get((gpu, notebook), PATIENCE + 1) <= PATIENCE:
        return "full", f"auto: {gpu}"
    return "quick", f"auto: on the {gpu} no full run of this notebook was timed"


def _duration(notebook: str, name: str, gpu: str) -> str:
    """Return how long a notebook takes, in a sentence that says on which machine that was measured."""
    if notebook not in CPU_MINUTES:
        return "How long that takes was not measured."
    if gpu and name == "full" and (gpu, notebook) in GPU_MINUTES:
        return f"An earlier version took {GPU_MINUTES[gpu, notebook]:g} minutes on an {gpu}, beside other work."
    minutes = CPU_MINUTES[notebook][PROFILES.index(name)]
    here = f"a {gpu}, on which it was not timed" if gpu else f"{os.cpu_count()} CPU cores"
    took = (
        f"An earlier version took {minutes:g} minutes or more" if name == "full" else f"That took {minutes:g} minutes"
    )
    return f"{took} on 2 CPU cores with real data. This machine has {here}."


def expanded(path: Path | str) -> Path:
    """Return a path in which "~" has become the home folder.

    Raises:
        UserError: there is no user of that name, or this user's home folder is not known.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise UserError(f"{path} leads to no folder ({error}). Write it without ~.") from error


def output_folder(notebook: str) -> Path:
    """Return the folder for a notebook's checkpoints and results, made if it is not there.

    It lies in `NB_OUTPUT_DIR`; or else, in Colab, in Google Drive if that is mounted, and a line says so; or else in
    `build/` of the checkout. If it cannot be made or written to, a line says so, and it is another one, which is gone
    when the kernel ends.

    Raises:
        UserError: nor can any other be written to; or its path is none.
    """
    folder = expanded(os.environ.get("NB_OUTPUT_DIR", "").strip() or _results()) / notebook
    mend = "Set NB_OUTPUT_DIR to a folder that can be written to"
    try:
        return _writable(folder)
    except OSError as error:
        fault = f"Results cannot be written to {folder} ({error.strerror})."
    try:
        other = _writable(Path(_passing_folder().name) / notebook)
    except OSError as error:
        raise UserError(f"{fault} {mend}.") from error
    print(f"{fault} They go to {other}, which is gone when the kernel ends. {mend}.")
    return other


def _results() -> Path:
    drive = DRIVE / "MyDrive"
    if "google.colab" not in sys.modules or not drive.is_dir() or drive in CHECKOUT.parents:
        return CHECKOUT / "build"
    print(f"Checkpoints and results go to {(kept := drive / 'generative-notebooks-results')}.")
    return kept


def _writable(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / f".writable-{os.getpid()}"
    probe.touch()
    probe.unlink()
    return folder


@cache
def _passing_folder() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="generative-")


def headline(folder: Path, text: str) -> None:
    """Show a notebook's one most telling figure, and write it to `headline.json` for the table of all notebooks."""
    (Path(folder) / "headline.json").write_text(json.dumps({"text": text}), encoding="utf-8")
    display(Markdown(f"**Headline figure:** {text}"))


# The oldest driver for each version of CUDA, by NVIDIA's page "Minor Version Compatibility".
OLDEST_DRIVER = {11: 450, 12: 525, 13: 580}


@dataclass(frozen=True)
class Gpu:
    """A GPU as NVIDIA's own tool lists it: its name, its driver, free and total memory in GB (infinite if not told)."""

    name: str
    driver: str
    free: float
    total: float


@dataclass(frozen=True)
class Report:
    """What TensorFlow and NVIDIA's own tool say.

    `seen`: names of the GPUs that TensorFlow can use; `cuda`: the version of CUDA that it was built for, "" for a
    build without; `listed`: the GPUs of the machine; `fault`: what the tool said when it failed; `system`: "Linux",
    "Windows" or "Darwin"; `visible`: the environment variable CUDA_VISIBLE_DEVICES, None if it is not set.
    """

    seen: tuple[str, ...] = ()
    cuda: str = ""
    listed: tuple[Gpu, ...] = ()
    fault: str = ""
    system: str = "Linux"
    visible: str | None = None


@cache  # what this kernel takes of the memory later is not what others take
def read_report() -> Report:
    """Return the report of this machine as it was at the first call; TensorFlow is imported for it."""
    import tensorflow as tf

    devices = [tf.config.experimental.get_device_details(one) for one in tf.config.list_physical_devices("GPU")]
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
    """Return why the machine's GPU is not used, or may not do, and what to do about it; "" if nothing is the matter.

    Args:
        report: what this machine reports.
        needed: GB of memory that the notebook's process held on a CPU; how much a GPU needs was not measured.
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
        return ""  # the reader wants none
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
    """Return the GPUs that `nvidia-smi` lists, and what it says if it fails; nothing where there is no such tool."""
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
    said = (answer.stdout.strip() or answer.stderr.strip() or f"exit status {answer.returncode}").splitlines()[0]
    return (), said.rstrip(".") + "."


def parse_listing(text: str) -> tuple[Gpu, ...]:
    """Return the GPUs of `nvidia-smi`'s table; a line that is none is left out, memory that is not told is infinite."""
    gpus = []
    for line in text.splitlines():
        *name, driver, free, total = (part.strip() for part in f",,,{line}".split(","))
        if any(name) and driver.split(".")[0].isdecimal():
            gpus.append(Gpu(", ".join(filter(None, name)), driver, _gigabytes(free), _gigabytes(total)))
    return tuple(gpus)


def _gigabytes(megabytes: str) -> float:
    return float(megabytes) / 1024 if megabytes.isdecimal() else math.inf
