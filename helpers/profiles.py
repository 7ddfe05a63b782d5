"""Budgets for a run (smoke, quick, full) and the folder that its results go to."""

import os
import tempfile
from functools import cache
from pathlib import Path
from types import SimpleNamespace

from helpers.errors import UserError

PROFILES = ("smoke", "quick", "full")
CHECKOUT = Path(__file__).resolve().parents[1]


def choose_profile(*, smoke: dict, quick: dict, full: dict) -> SimpleNamespace:
    """Return one of three budgets, its values as attributes and its `name` beside them.

    `NB_PROFILE` names the profile; without it the choice is `full` where TensorFlow sees a GPU and
    `quick` elsewhere. Only budgets belong here (epochs, steps, examples, image size): what the
    model *is* stays the same in all three.

    Raises:
        UserError: `NB_PROFILE` is no profile, or the three do not have the same keys.
    """
    budgets = {"smoke": smoke, "quick": quick, "full": full}
    for name, budget in budgets.items():
        if unequal := set(budget) ^ set(full):
            raise UserError(
                f"the profiles differ in their keys: {sorted(unequal)} stand in only one of '{name}' and 'full'. "
                "Give all three the same keys."
            )
    name = os.environ.get("NB_PROFILE", "").strip()
    reason = "NB_PROFILE"
    if not name:
        gpus = _count_gpus()
        name, reason = ("full", f"{gpus} GPU") if gpus else ("quick", "no GPU")
    if name not in budgets:
        raise UserError(f"NB_PROFILE={name!r} is not a profile. Set it to one of {', '.join(PROFILES)}, or unset it.")
    values = ", ".join(
        f"{key} {value:,}" if isinstance(value, int) else f"{key} {value}" for key, value in budgets[name].items()
    )
    print(f"Profile {name} ({reason}): {values}")
    return SimpleNamespace(name=name, **budgets[name])


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

    It lies in `NB_OUTPUT_DIR` (in Colab a mounted Drive, say) or else in `build/` of the checkout. If it cannot be
    made or written to, a line says so, and it is another one, which is gone when the kernel ends.

    Raises:
        UserError: it cannot be written to, and `NB_STOP_UNSAVED` is set, or nor can any other; or its path is none.
    """
    folder = expanded(os.environ.get("NB_OUTPUT_DIR") or CHECKOUT / "build") / notebook
    mend = "Set NB_OUTPUT_DIR to a folder that can be written to"
    try:
        return _writable(folder)
    except OSError as error:
        fault = f"Results cannot be written to {folder} ({error.strerror})."
        if stops_unsaved():
            raise UserError(f"{fault} {mend}.") from error
    try:
        other = _writable(Path(_passing_folder().name) / notebook)
    except OSError as error:
        raise UserError(f"{fault} {mend}.") from error
    print(f"{fault} They go to {other}, which is gone when the kernel ends. {mend}, or NB_STOP_UNSAVED=1 to stop.")
    return other


def _writable(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / f".writable-{os.getpid()}"
    probe.touch()
    probe.unlink()
    return folder


@cache
def _passing_folder() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="generative-")


def stops_unsaved() -> bool:
    """Say whether long work is to stop where nothing can be saved (`NB_STOP_UNSAVED=1`), not to go on without."""
    return os.environ.get("NB_STOP_UNSAVED", "").strip() not in ("", "0")


def _count_gpus() -> int:
    import tensorflow as tf

    return len(tf.config.list_physical_devices("GPU"))
