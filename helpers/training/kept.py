"""Finished pictures, kept on the disk: what took long is not made twice."""

import hashlib
import inspect
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np


def kept(folder: Path, name: str, settings: object, make: Callable):
    """Return what `make()` returns, or what an earlier call with the same settings has kept of it, and say so.

    Args:
        folder: where the file `name`.npz is; it is made if need be.
        name: of the file, without ending; other settings under that name take its place.
        settings: what makes the result what it is: numbers, texts, arrays, functions (by their source), and
            dictionaries and lists of them.
        make: called without arguments; returns an array, or a dictionary name → array. One in which `is_complete` is
            False (an interrupted painting) is returned and not kept.

    Returns:
        The array or the dictionary of arrays. Where nothing can be written, a line says so.
    """
    path, digest = Path(folder) / f"{name}.npz", _digest(settings)
    if (found := _load(path, digest)) is not None:
        print(f"The finished {name} was taken from {path}. To make it anew, delete that file and run this cell again.")
        return found
    made = make()
    made = {key: np.asarray(value) for key, value in made.items()} if isinstance(made, dict) else np.asarray(made)
    if not isinstance(made, dict) or made.get("is_complete", True):
        try:
            _write(path, {"settings of the file": digest, **(made if isinstance(made, dict) else {"": made})})
        except OSError as error:
            print(f"{path} cannot be written ({error}), so {name} is not kept. Set NB_OUTPUT_DIR elsewhere.")
    return made


def _digest(settings: object) -> str:
    """Return a digest of settings, the same in every session."""

    def plain(value: object) -> object:
        if inspect.isfunction(value):
            return inspect.getsource(value)
        array = np.ascontiguousarray(value)
        if array.dtype.hasobject:
            raise TypeError(f"{value!r} is no setting. Give numbers, texts, arrays and functions.")
        return [array.shape, str(array.dtype), hashlib.sha256(array.tobytes()).hexdigest()]

    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=plain).encode()).hexdigest()


def _load(path: Path, digest: str) -> np.ndarray | dict[str, np.ndarray] | None:
    """Return what a file has, or None if it is not there, damaged, or made with other settings."""
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except Exception:  # it is not there, or damaged in whatever way
        return None
    if str(arrays.pop("settings of the file", "")) != digest:
        return None
    return arrays.get("", arrays)


def _write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays to a file that gets its name once it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    try:
        with partial.open("wb") as file:
            np.savez(file, **arrays)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
