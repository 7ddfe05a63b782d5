"""Checkpoints of a training that can go on after a crash: all of its state, written whole or not at all."""

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from helpers.archives import npz_arrays
from helpers.errors import UserError

KEPT = 2  # the newest and, should its file be damaged, the one before


class Checkpoints:
    """Numbered checkpoints in a folder, each a folder of its own with `arrays.npz` and `state.json`.

    A checkpoint is written under another name, flushed to disk, and then renamed: a name that can be
    found stands for a checkpoint that is complete. Its digests are checked when it is read all the same.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self._damaged: set[Path] = set()  # found out by `load`

    def save(self, number: int, arrays: Sequence[np.ndarray], state: dict) -> None:
        """Write checkpoint `number`: arrays, and `state` made of what JSON can hold.

        Raises:
            OSError: the disk is full, or the folder cannot be written to. Older checkpoints stay as they are.
        """
        target = self.folder / f"checkpoint-{number:06d}"
        partial = self.folder / f"partial-{number:06d}-{os.getpid()}"
        aside = self.folder / f"partial-{number:06d}-{os.getpid()}-before"  # removed bit by bit, its name would lie
        try:
            partial.mkdir(parents=True, exist_ok=True)
            digest = write_arrays(partial / "arrays.npz", arrays)
            _write_flushed(partial / "state.json", _sealed({"digest": digest, **state}))
            if target.exists():
                target.rename(aside)
            partial.rename(target)
            self._damaged.discard(target)
        finally:
            for left in (partial, aside):
                shutil.rmtree(left, ignore_errors=True)
        self.tidy()

    def tidy(self) -> None:
        """Delete all checkpoints but the last two, and what processes that were killed had begun up to them.

        What was begun of a later number is not touched: another process may be at it. Nor do damaged ones count:
        they may have the highest numbers, and what is written after them is all that can be read.
        """
        found = [path for path in self._found() if path not in self._damaged]
        begun = [path for path in self.folder.glob("partial-*") if found and _number(path) <= _number(found[-1])]
        for old in [*found[:-KEPT], *begun]:
            shutil.rmtree(old, ignore_errors=True)

    def load(self) -> tuple[list[np.ndarray], dict] | None:
        """Return arrays and state of the newest checkpoint that is undamaged, or None if there is none."""
        # One that was to be replaced, by a process that was killed between two renames, is as good as it was.
        replaced = [path for path in self.folder.glob("partial-*-before") if (path / "state.json").exists()]
        for path in sorted([*self._found(), *replaced], key=_number, reverse=True):  # of equal ones the new one first
            try:
                state = _unsealed((path / "state.json").read_bytes())
                return read_arrays(path / "arrays.npz", state.pop("digest")), state
            except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
                self._damaged.add(path)
                print(f"{path.name} is damaged ({error}); trying the one before.")
        return None

    def delete(self) -> None:
        """Delete all checkpoints of this training.

        Raises:
            UserError: they are still there, in a folder that may not be changed, say.
        """
        shutil.rmtree(self.folder, ignore_errors=True)
        if left := self._found():
            raise UserError(
                f"{left[-1]} cannot be deleted, so the training would go on from it. Delete it by hand, or give the "
                "training another folder."
            )

    def _found(self) -> list[Path]:
        return sorted(self.folder.glob("checkpoint-*"))


def _number(path: Path) -> str:
    return path.name.split("-")[1]  # six digits, so that text compares as numbers do


def values_of(variables: Sequence) -> list[np.ndarray]:
    """Return copies of the variables' values."""
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def assign(variables: Sequence, arrays: Sequence[np.ndarray], source: Path | str) -> None:
    """Assign arrays to variables one by one.

    Raises:
        UserError: their number or a shape differs; it names the first weight that does, and nothing was assigned.
    """
    expected, found = [tuple(variable.shape) for variable in variables], [array.shape for array in arrays]
    if expected != found:
        pairs = zip(variables, found, strict=False)
        odd = next(((variable, shape) for variable, shape in pairs if tuple(variable.shape) != shape), None)
        detail = f"{len(found)} arrays for {len(expected)} weights"
        if odd:
            detail = f"{getattr(odd[0], 'path', 'a weight')} is {tuple(odd[0].shape)} here and {odd[1]} there"
        raise UserError(
            f"{source} belongs to a model of another shape ({detail}). Use the model that it was saved from, "
            "or reset this training."
        )
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def write_arrays(path: Path, arrays: Sequence[np.ndarray]) -> str:
    """Write arrays to an .npz file, in order, flush it to disk, and return its SHA-256."""
    with path.open("wb") as file:
        np.savez(file, **{f"{number:04d}": array for number, array in enumerate(arrays)})
        file.flush()
        os.fsync(file.fileno())
    return digest_of(path)


def read_arrays(path: Path, digest: str) -> list[np.ndarray]:
    """Read what `write_arrays` wrote; nothing is unpickled.

    Raises:
        ValueError: the file's SHA-256 is not `digest`, or it is no .npz file of plain arrays.
    """
    if digest_of(path) != digest:
        raise ValueError("its digest is not the one noted when it was written")
    try:
        # Nothing was compressed when it was written, so all arrays together are no larger than their file.
        arrays = npz_arrays(path, largest=path.stat().st_size)
    except UserError as error:
        raise ValueError(str(error)) from error
    return [arrays[name] for name in sorted(arrays)]


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sealed(state: dict) -> bytes:
    """Return a state as JSON whose last entry is the SHA-256 of what it would be without that entry."""
    seal = hashlib.sha256(json.dumps(state).encode()).hexdigest()
    return json.dumps({**state, "seal": seal}).encode()


def _unsealed(content: bytes) -> dict:
    """Return the state that `_sealed` was given; ValueError if a byte of it has changed since."""
    state = json.loads(content)
    if content != _sealed({name: value for name, value in state.items() if name != "seal"}):
        raise ValueError("its state is not the one that was written")
    del state["seal"]
    return state


def _write_flushed(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
