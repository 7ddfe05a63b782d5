"""Budgets for a run (smoke, quick, full), the minutes they take, and the folder that its results go to."""

import json
import os
import sys
import tempfile
from functools import cache
from pathlib import Path
from types import SimpleNamespace

from IPython.display import Markdown, display

from helpers import graphics
from helpers.errors import UserError

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
    report = graphics.read_report()
    trouble = graphics.trouble(report, MEMORY.get(notebook, 0.0))
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
