"""What is kept on the disk: checkpoints, finished pictures, and the digest that tells one training from another."""

import functools
import hashlib
import inspect
import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from helpers.session import UserError

KEPT = 2  # the newest and, should its file be damaged, the one before
_LIBRARIES = {"builtins", "keras", "numpy", "tensorflow"}
_PLAIN = bool | int | float | str | None
_DIGEST = "settings of the file"


class Checkpoints:
    """Numbered checkpoints in a folder, each one file, `checkpoint-000012.npz`."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    def save(self, number: int, arrays: Sequence[np.ndarray], state: dict) -> None:
        """Write arrays and a `state` that JSON can hold. Keep the one before, delete all others.

        Raises:
            OSError: the disk is full, or the folder cannot be written. Older checkpoints stay as they are.
        """
        target = self.folder / f"checkpoint-{number:06d}.npz"
        named = {f"{place:05d}": array for place, array in enumerate(arrays)}
        _write(target, {"state": np.frombuffer(json.dumps(state).encode(), np.uint8), **named})
        older = [path for path in self._paths() if path <= target]
        others = {*self._paths(), *self.folder.glob("partial-*.npz")} - {*older[-KEPT:]}
        for path in others:  # older, or damaged (with a higher number), or what a killed kernel left
            path.unlink(missing_ok=True)

    def load(self) -> tuple[list[np.ndarray], dict] | None:
        """Return arrays and state of the newest whole checkpoint, or None; a UserError if the disk cannot be read."""
        for path in reversed(self._paths()):
            try:
                arrays = _read(path)
                state = dict(json.loads(arrays.pop("state").tobytes()))
                return [arrays[name] for name in sorted(arrays)], state
            except OSError as error:  # the disk, not the file: a later try may read it
                raise UserError(f"{path} cannot be read ({error}). Try again; to start anew, delete it.") from error
            except Exception as error:  # zipfile, NumPy and JSON raise a dozen kinds for damaged files
                print(f"{path.name} is damaged ({error}); trying the one before.")
        return None

    def delete(self) -> None:
        """Delete all checkpoints of this training; a UserError if the folder may not be changed."""
        try:
            for path in self._paths():
                path.unlink()
        except OSError as error:
            raise UserError(
                f"{path} cannot be deleted ({error.strerror}), so the training would go on from it. Delete it by hand."
            ) from error

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob("checkpoint-*.npz"))


def kept(folder: Path, name: str, settings: object, make: Callable) -> np.ndarray | dict[str, np.ndarray]:
    """Return what `make()` returns, or the result of an earlier call with the same settings, and print that.

    Args:
        folder: where the file `name`.npz is; it is made if need be.
        name: the file's name, without ending. A result with other settings takes its place.
        settings: everything that the result depends on, as `settings_digest` takes it.
        make: called without arguments; returns an array, or a dictionary name → array. One in which `is_complete` is
            False (an interrupted painting) is returned and not kept.

    Returns:
        The array or the dictionary of arrays. If it cannot be written, a line says so.
    """
    path, digest = Path(folder) / f"{name}.npz", settings_digest(settings)
    try:
        arrays = _read(path)
        if str(arrays.pop(_DIGEST)) == digest:
            print(f"The finished {name} was taken from {path}. To make it anew, delete that file and run this cell.")
            return arrays.get("", arrays)
    except Exception:  # the file is missing, or damaged in any way
        pass
    result = make()
    arrays = {key: np.asarray(value) for key, value in (result if isinstance(result, dict) else {"": result}).items()}
    if arrays.get("is_complete", True):
        try:
            _write(path, {_DIGEST: np.array(digest), **arrays})
        except OSError as error:
            print(f"{path} cannot be written ({error}), so {name} is not kept. Set NB_OUTPUT_DIR elsewhere.")
    return arrays.get("", arrays)


def _write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays under another name and then rename the file, so that a file with this name is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"partial-{os.getpid()}.npz")
    try:
        with partial.open("wb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, np.ndarray]:
    """Return all arrays of a file, whose checksums zipfile compares; an OSError if the file cannot be read."""
    with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def settings_digest(*parts: object) -> str:
    """Return 12 hexadecimal digits that depend on how `parts` are made, and are the same in every kernel.

    Numbers, texts and arrays count by their values. A network counts by its layers: their classes, their weights'
    shapes and their settings. Optimisers and losses count by their settings, functions and the methods of a notebook's
    classes by their source. Neither the values of weights count, nor the functions that a function calls.
    """
    return hashlib.sha256(json.dumps(_describe(parts), sort_keys=True).encode()).hexdigest()[:12]


def _describe(part: object) -> object:
    """Return what a part is made of, in JSON's types."""
    part = getattr(part, "python_function", part)  # of a tf.function
    if isinstance(part, _PLAIN):
        return part
    if isinstance(part, Mapping):
        return {str(name): _describe(value) for name, value in part.items()}
    if isinstance(part, list | tuple):
        return [_describe(value) for value in part]
    if isinstance(part, set | range | Path):
        return repr(sorted(part)) if isinstance(part, set) else repr(part)
    if isinstance(part, np.ndarray | np.generic | tf.Tensor):
        array = np.asarray(part)
        return [str(array.dtype), array.shape, hashlib.sha256(array.tobytes()).hexdigest()]
    if isinstance(part, functools.partial):
        return _describe([part.func, part.args, part.keywords])
    if inspect.isroutine(part):
        return _source(part)
    if isinstance(part, type):
        return _methods(part)
    if isinstance(part, keras.layers.Layer):
        return [_describe_layer(layer) for layer in part._flatten_layers()]
    config = part.get_config() if hasattr(part, "get_config") else _plain_values(getattr(part, "__dict__", {}))
    return [_methods(type(part)), _describe(_without_names(config))]  # of an optimiser, a loss


def _describe_layer(layer: keras.layers.Layer) -> list:
    """Return class, shapes of weights and settings: Keras' configuration, or the arguments of a notebook's class."""
    if not _is_of_library(type(layer)):
        arguments = {name: getattr(layer, name, None) for name in inspect.signature(type(layer).__init__).parameters}
        config = {name: value for name, value in arguments.items() if not isinstance(value, keras.layers.Layer)}
    else:
        config = {"graph": _graph(layer)} if isinstance(layer, keras.Model) else layer.get_config()
    return [_methods(type(layer)), [tuple(weight.shape) for weight in layer.weights], _describe(_without_names(config))]


def _graph(model: keras.Model) -> list:
    """Return a functional model's operations in order; each takes earlier ones, by their numbers, or plain values."""
    operations = getattr(model, "operations", [])
    places = {id(operation): place for place, operation in enumerate(operations)}
    graph = []
    for operation in operations:
        taken = [(node.arguments.args, node.arguments.kwargs) for node in operation._inbound_nodes]
        inputs = [
            places.get(id(value._keras_history.operation), "") if isinstance(value, keras.KerasTensor) else value
            for value in keras.tree.flatten(taken)
        ]
        graph.append([type(operation).__name__, [value for value in inputs if isinstance(value, _PLAIN)]])
    return graph


def _methods(kind: type) -> list:
    """Return a class's name, and the source of the methods and the plain values that a notebook gave it."""
    own = [base for base in kind.__mro__ if not _is_of_library(base)]
    members = {name: _unwrapped(member) for base in own for name, member in vars(base).items()}
    functions = [member for member in members.values() if inspect.isfunction(member)]
    values = {name: value for name, value in _plain_values(members).items() if not name.startswith("__")}
    return [kind.__name__, *map(_source, functions), values]


def _unwrapped(member: object) -> object:
    """Return the function inside a method's decorator: tf.function, property, staticmethod or classmethod."""
    for name in ("python_function", "fget", "__func__"):
        member = getattr(member, name, member)
    return member


def _source(function: Callable) -> list:
    """Return a function's name, and of one from no library the source and the plain values that it encloses."""
    name = f"{function.__module__}.{function.__qualname__}"
    if _is_of_library(function):
        return [name]
    try:
        return [inspect.getsource(function), _plain_values(inspect.getclosurevars(function).nonlocals)]
    except (OSError, TypeError, ValueError):  # it was not written in a file or a cell
        return [name]


def _is_of_library(thing: type | Callable) -> bool:
    return (thing.__module__ or "builtins").partition(".")[0] in _LIBRARIES


def _plain_values(named: Mapping) -> dict:
    kinds = _PLAIN | list | tuple | np.ndarray | np.generic
    return {name: _describe(value) for name, value in named.items() if isinstance(value, kinds)}


def _without_names(config: object) -> object:
    """Return a configuration without names, because Keras numbers those."""
    if isinstance(config, Mapping):
        return {key: _without_names(value) for key, value in config.items() if key != "name"}
    return [_without_names(value) for value in config] if isinstance(config, list | tuple) else config
