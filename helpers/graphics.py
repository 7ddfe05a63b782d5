"""What TensorFlow and the driver report of the GPU, and what is the matter with it, in a sentence.

A reader on a GPU kernel must not train on the CPU without being told why.
"""

import math
import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache

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


def trouble(report: Report, needed: float) -> str:
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
