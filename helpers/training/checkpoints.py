"""What is kept on the disk: checkpoints, finished pictures, and the digest that tells one training from another."""

import functools
import hashlib
import inspect
import json
import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from helpers.session import UserError

KEPT = 2  # the newest and, should its file be damaged, the one before
_NUMBERED = {"name", "module", "registered_name", "build_config", "shared_object_id"}  # of a configuration
_LIBRARIES = {"builtins", "functools", "keras", "numpy", "tensorflow"}
_PLAIN = bool | int | float | str | None


class Checkpoints:
    """Numbered checkpoints in a folder, each one file, `checkpoint-000012.npz`.

    A checkpoint is written under another name and then renamed, so one that can be found is whole.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self._damaged: set[Path] = set()  # found out by `load`

    def save(self, number: int, arrays: Sequence[np.ndarray], state: dict) -> None:
        """Write checkpoint `number`: arrays, and `state` made of what JSON can hold. Keep it and the one before.

        Raises:
            OSError: the disk is full, or the folder cannot be written to. Older checkpoints stay as they are.
        """
        target = self.folder / f"checkpoint-{number:06d}.npz"
        partial, text = self.folder / "partial.npz", np.frombuffer(json.dumps(state).encode(), np.uint8)
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb") as file:
                np.savez(file, state=text, **{f"{place:05d}": array for place, array in enumerate(arrays)})
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, target)
        finally:
            partial.unlink(missing_ok=True)
        self._damaged.discard(target)
        whole = [path for path in self._found() if path not in self._damaged]
        for old in {*whole[:-KEPT], *self._damaged}:  # damaged ones may have the highest numbers
            old.unlink(missing_ok=True)

    def load(self) -> tuple[list[np.ndarray], dict] | None:
        """Return arrays and state of the newest checkpoint that is whole, or None."""
        for path in reversed(self._found()):
            try:
                with zipfile.ZipFile(path) as file:
                    if odd := file.testzip():
                        raise ValueError(f"the checksum of {odd} is another")
                with np.load(path, allow_pickle=False) as stored:
                    arrays = {name: stored[name] for name in sorted(stored.files)}
                state = json.loads(arrays.pop("state").tobytes())
                return list(arrays.values()), dict(state)
            except Exception as error:  # zipfile, NumPy and JSON raise a dozen kinds for damaged files
                print(f"{path.name} is damaged ({error}); trying the one before.")
                self._damaged.add(path)
        return None

    def delete(self) -> None:
        """Delete all checkpoints of this training.

        Raises:
            UserError: they are in a folder that may not be changed.
        """
        try:
            for path in self._found():
                path.unlink()
        except OSError as error:
            raise UserError(
                f"{path} cannot be deleted ({error.strerror}), so the training would go on from it. Delete it by hand."
            ) from error

    def _found(self) -> list[Path]:
        return sorted(self.folder.glob("checkpoint-*.npz"))


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
    path, digest = Path(folder) / f"{name}.npz", settings_digest(settings)
    if (found := _load_kept(path, digest)) is not None:
        print(f"The finished {name} was taken from {path}. To make it anew, delete that file and run this cell again.")
        return found
    made = make()
    made = {key: np.asarray(value) for key, value in made.items()} if isinstance(made, dict) else np.asarray(made)
    if not isinstance(made, dict) or made.get("is_complete", True):
        try:
            _write_kept(path, {"settings of the file": digest, **(made if isinstance(made, dict) else {"": made})})
        except OSError as error:
            print(f"{path} cannot be written ({error}), so {name} is not kept. Set NB_OUTPUT_DIR elsewhere.")
    return made


def _load_kept(path: Path, digest: str) -> np.ndarray | dict[str, np.ndarray] | None:
    """Return what a file has, or None if it is not there, damaged, or made with other settings."""
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except Exception:  # it is not there, or damaged in whatever way
        return None
    if str(arrays.pop("settings of the file", "")) != digest:
        return None
    return arrays.get("", arrays)


def _write_kept(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays to a file that gets its name once it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    try:
        with partial.open("wb") as file:
            np.savez(file, **arrays)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def settings_digest(*parts: object) -> str:
    """Return 12 hexadecimal digits that are the same in every kernel where `parts` are made alike, and else others.

    Numbers, texts and arrays count by their values. A network counts by the shapes of its weights, by each layer's
    configuration, and, if its class is not from Keras, by the plain arguments it was made with and the source of its
    methods. Optimisers and losses count by their configuration, functions by their source. What such a function
    calls does not count, nor do the values of the weights.
    """
    return hashlib.sha256(json.dumps([_told(part) for part in parts], sort_keys=True).encode()).hexdigest()[:12]


def _told(part: object) -> object:
    """Return what tells a part from others, in JSON's types."""
    part = getattr(part, "python_function", part)  # what tf.function was given
    if isinstance(part, _PLAIN):
        return part
    if isinstance(part, Mapping):
        return {str(name): _told(value) for name, value in part.items()}
    if isinstance(part, list | tuple):
        return [_told(value) for value in part]
    if isinstance(part, np.ndarray | np.generic | tf.Tensor):
        array = np.asarray(part)
        return [str(array.dtype), list(array.shape), hashlib.sha256(array.tobytes()).hexdigest()]
    if isinstance(part, keras.layers.Layer):
        return [_told_of_layer(layer) for layer in part._flatten_layers()]
    if isinstance(part, functools.partial):
        return [_told(part.func), _told(part.args), _told(part.keywords)]
    if inspect.isroutine(part):
        return _source(part)
    if hasattr(part, "get_config") and not isinstance(part, type):  # an optimiser, a loss
        return [_told_of_class(type(part)), _told(_unnumbered(part.get_config()))]
    plain = {name: value for name, value in getattr(part, "__dict__", {}).items() if isinstance(value, _PLAIN)}
    return [_told_of_class(type(part)), {} if isinstance(part, type) else plain]


def _told_of_layer(layer: keras.layers.Layer) -> list:
    """Return class, shapes of weights, and the settings: of Keras' layers the configuration, else the arguments."""
    is_ours = type(layer).__module__.partition(".")[0] not in _LIBRARIES
    names = inspect.signature(type(layer).__init__).parameters if is_ours else {}
    config = {} if is_ours or isinstance(layer, keras.Model) else _unnumbered(layer.get_config())
    held = {name: getattr(layer, name, None) for name in {**names, **config}}
    own = {name: value for name, value in held.items() if inspect.isroutine(value) or name in names}
    own = {name: value for name, value in own.items() if not isinstance(value, keras.layers.Layer) and name != "name"}
    weights = [list(weight.shape) for weight in layer.weights]
    return [_told_of_class(type(layer)), weights, _told({**config, **own})]


def _told_of_class(kind: type) -> list:
    """Return the name of a class, and the source of the methods of those of its bases that are no library's."""
    ours = [base for base in kind.__mro__ if base.__module__.partition(".")[0] not in _LIBRARIES]
    methods = [member for base in ours for member in vars(base).values() if inspect.isfunction(member)]
    return [kind.__name__, [_source(method) for method in methods]]


def _source(function: object) -> list:
    """Return the source of a function and the plain values that it encloses; of a library's function the name."""
    name = f"{function.__module__}.{function.__qualname__}"
    if (function.__module__ or "builtins").partition(".")[0] in _LIBRARIES:
        return [name]
    try:
        enclosed = inspect.getclosurevars(function).nonlocals
        plain = {name: value for name, value in enclosed.items() if isinstance(value, _PLAIN)}
        return [inspect.getsource(function), plain]
    except (OSError, TypeError, ValueError):  # it was not written in a file or a cell
        return [name]


def _unnumbered(config: object) -> object:
    """Return a configuration without names, which Keras numbers."""
    if isinstance(config, dict):
        return {name: _unnumbered(value) for name, value in config.items() if name not in _NUMBERED}
    return [_unnumbered(value) for value in config] if isinstance(config, list | tuple) else config
