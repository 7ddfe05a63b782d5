"""What TensorFlow and the driver report of the GPU, and what is the matter with it, in a sentence.

A reader on a GPU kernel must not train on the CPU without being told why.
"""

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass

# The oldest driver for each version of CUDA, by NVIDIA's page "Minor Version Compatibility".
OLDEST_DRIVER = {11: 450, 12: 525, 13: 580}


@dataclass(frozen=True)
class Report:
    """What TensorFlow and NVIDIA's own tool say.

    `seen`: names of the GPUs that TensorFlow can use; `cuda`: the version of CUDA that it was built for, "" for a
    build without; `listed`: name, driver, free and total memory in GB of each GPU in the machine; `system`: "Linux",
    "Windows" or "Darwin"; `hidden`: whether CUDA_VISIBLE_DEVICES hides all GPUs.
    """

    seen: tuple[str, ...] = ()
    cuda: str = ""
    listed: tuple[tuple[str, str, float, float], ...] = ()
    system: str = "Linux"
    hidden: bool = False


def read_report() -> Report:
    """Return the report of this machine; TensorFlow is imported for it."""
    import tensorflow as tf

    devices = [tf.config.experimental.get_device_details(one) for one in tf.config.list_physical_devices("GPU")]
    return Report(
        seen=tuple(details.get("device_name", "GPU") for details in devices),
        cuda=str(tf.sysconfig.get_build_info().get("cuda_version", "")),
        listed=_listed(),
        system=platform.system(),
        hidden=os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"),
    )


def trouble(report: Report, needed: float) -> str:
    """Return why the machine's GPU is not used, or may not do, and what to do about it; "" if nothing is the matter.

    Args:
        report: what this machine reports.
        needed: GB of memory that the notebook's process held on a CPU; how much a GPU needs was not measured.
    """
    if not report.listed or report.hidden:
        return ""
    name, driver, free, total = report.listed[0]
    if report.seen:
        if free >= needed:
            return ""
        return (
            f"Only {free:.1f} of {total:.1f} GB of the {name}'s memory are free. On a CPU this notebook held up to "
            f"{needed:.1f} GB in the quick profile. Close what else uses the GPU (`nvidia-smi` lists it), or set "
            "CUDA_VISIBLE_DEVICES=-1 before the kernel starts, to train on the CPU."
        )
    begin = f"There is a {name}, but TensorFlow does not use it: "
    if report.system == "Windows":
        return f"{begin}on Windows it does so in WSL 2 only. Install the project there."
    if not report.cuda:
        return f"{begin}this is its build for CPUs. Put `tensorflow[and-cuda]` in place of `tensorflow-cpu`."
    major = int(report.cuda.split(".")[0])
    oldest = OLDEST_DRIVER.get(major, 0)
    if int(driver.split(".")[0]) < oldest:
        return f"{begin}its driver {driver} is older than {oldest}, which CUDA {major} needs. Update the driver."
    return (
        f"{begin}the libraries of CUDA {major}, cuDNN among them, cannot be loaded. "
        "`pip install 'tensorflow[and-cuda]'` brings them. Restart the kernel afterwards."
    )


def _listed() -> tuple[tuple[str, str, float, float], ...]:
    """Return what `nvidia-smi` lists; nothing where it is missing or fails."""
    if (tool := shutil.which("nvidia-smi")) is None:
        return ()
    asked = "--query-gpu=name,driver_version,memory.free,memory.total"
    try:
        answer = subprocess.run(
            [tool, asked, "--format=csv,noheader,nounits"], capture_output=True, text=True, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return parse_listing(answer.stdout) if answer.returncode == 0 else ()


def parse_listing(text: str) -> tuple[tuple[str, str, float, float], ...]:
    """Return name, driver, free and total GB of each line of `nvidia-smi`'s table; a line that is none is left out."""
    rows = []
    for line in text.splitlines():
        try:
            name, driver, free, total = (part.strip() for part in line.split(","))
            int(driver.split(".")[0])
            rows.append((name, driver, float(free) / 1024, float(total) / 1024))
        except ValueError:
            continue
    return tuple(rows)
