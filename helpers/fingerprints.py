"""What tells one optimisation from another: a digest of the pictures, numbers, networks and functions that make it."""

import dataclasses
import dis
import functools
import hashlib
import sys
import types
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePath

import keras
import numpy as np
import tensorflow as tf

from helpers.checkpoints import values_of
from helpers.recipes import NotUnderstoodError, is_plain, recipe_of, settings_of


def fingerprint(*things: object) -> str:
    """Return 12 hexadecimal digits that are the same wherever `things` are made alike, and else others.

    Numbers, texts, arrays and variables count by their values; lists, dictionaries, dataclasses and other objects by
    what is in them; networks by their layers and weights; functions and classes, compiled ones too, by their code,
    what they enclose, and the values of the global names that they read. So an objective with other weights, or one
    of whose cells was edited, is another one. Functions of an installed library or of `helpers` count by their names
    and their own code, not by what they call; classes of those by their names only. Of what has a `digest`, such as
    batches of pictures, private attributes count only if they are plain: the digest stands for the pictures.

    Raises:
        NotUnderstoodError: there is something else among them, such as an open file.
    """
    digest = hashlib.sha256()
    try:
        for piece in _pieces(things, {}):
            digest.update(len(piece).to_bytes(8, "big") + piece)
    except RecursionError as error:
        raise NotUnderstoodError("something that contains itself") from error
    return digest.hexdigest()[:12]


def made_of(model: keras.Model, *things: object, optimizers: Sequence[keras.optimizers.Optimizer] | None = None) -> str:
    """Return 12 hexadecimal digits for what a compiled model and its optimisers are made of, whatever the weights.

    For the settings of a `Training`, so that with another dropout or learning rate it begins anew. On how many
    devices a batch is shared does not count, so that a training may go on with fewer.

    Args:
        model: its layers, and those of the networks within it, count by their settings, and classes of one's own by
            their code.
        things: what else counts, as in `fingerprint`: the loss, the data, what the model keeps as attributes. If that
            does not understand them, one printed line says so, and the digits are others each time.
        optimizers: what trains it, where that is not the one optimiser of `model.compile`.
    """
    try:
        trained_by = [settings_of(optimizer) for optimizer in optimizers or [model.optimizer]]
        for settings in trained_by:
            if "clipnorm" in settings:  # each device clips its share
                settings["clipnorm"] *= model.distribute_strategy.num_replicas_in_sync
        return fingerprint(recipe_of(model), trained_by, things)
    except NotUnderstoodError as error:
        print(f"This training cannot go on after a kill: it is made of what can not be told from others ({error}).")
        return uuid.uuid4().hex[:12]


_BY_REPR = bool | int | float | complex | str | bytes | None | range | PurePath | np.dtype
_BY_REPR |= types.EllipsisType | types.NotImplementedType | tf.DType | tf.TensorShape | tf.TensorSpec
_ARRAYS = np.ndarray | np.generic | tf.Tensor | tf.Variable | keras.Variable


def _pieces(thing: object, seen: dict[int, tuple[int, object]]) -> Iterator[bytes]:
    """Yield what a thing is made of; one that was `seen` counts by its place among them (kept, so that ids stay)."""
    yield type(thing).__name__.encode()
    if isinstance(thing, _BY_REPR):
        yield repr(thing).encode()
    elif isinstance(thing, _ARRAYS):
        array = np.asarray(keras.ops.convert_to_numpy(thing))
        if array.dtype.hasobject:  # its bytes are addresses
            raise NotUnderstoodError("an array of objects")
        yield from (array.dtype.str.encode(), repr(array.shape).encode(), array.tobytes())
    elif id(thing) in seen:
        yield b"seen as %d" % seen[id(thing)][0]
    else:
        if not isinstance(thing, list | tuple | set | frozenset | Mapping | types.MethodType):
            seen[id(thing)] = len(seen), thing
        for part in _parts(thing):
            yield from _pieces(part, seen)


def _parts(thing: object) -> Iterable:
    """Return what tells a thing from others of its type."""
    if _is_of_a_library(thing):
        code = getattr(thing, "__code__", None)
        return thing.__module__, thing.__qualname__, code and _of_code(code)
    if isinstance(thing, types.ModuleType):
        return [thing.__name__]
    if isinstance(thing, types.FunctionType):
        read = {name: thing.__globals__.get(name, "built in") for name in _globals_of(thing.__code__)}
        return _of_code(thing.__code__), thing.__defaults__, thing.__kwdefaults__, thing.__closure__, read
    if isinstance(thing, types.CellType):
        return [] if thing == types.CellType() else [thing.cell_contents]  # a name may be bound only later, or never
    if isinstance(thing, types.MethodType):
        return thing.__func__, thing.__self__
    if isinstance(thing, types.BuiltinMethodType) and not isinstance(thing.__self__, types.ModuleType | None):
        return thing.__self__, thing.__name__
    if isinstance(thing, np.ufunc) and getattr(np, thing.__name__, None) is thing:
        return [thing.__name__]
    if isinstance(thing, Mapping):
        return sorted(thing.items(), key=lambda item: repr(item[0]))
    if isinstance(thing, set | frozenset):
        return sorted(thing, key=repr)
    if isinstance(thing, list | tuple):
        return thing
    return _parts_of_object(thing)


def _parts_of_object(thing: object) -> Iterable:
    kind = type(thing)
    if isinstance(thing, keras.layers.Layer):
        return recipe_of(thing), values_of(thing.weights)
    if isinstance(thing, keras.losses.Loss):
        own = {} if _is_of_a_library(kind) else _attributes_of(thing)
        return kind, {**thing.get_config(), **own, "name": ""}  # Keras numbers them
    if isinstance(getattr(thing, "__dict__", {}).get("digest"), str) and not isinstance(thing, type):
        return kind, _attributes_of(thing)  # batches of pictures, say: the digest stands for them
    if isinstance(thing, functools.partial):
        return thing.func, thing.args, thing.keywords
    if isinstance(thing, slice):
        return thing.start, thing.stop, thing.step
    if isinstance(thing, property):
        return thing.fget, thing.fset
    if isinstance(thing, staticmethod | classmethod):
        return [thing.__func__]
    if isinstance(thing, np.random.Generator):
        return [thing.bit_generator.state]
    if isinstance(thing, type):
        return thing.__name__, thing.__bases__, _members_of(thing)
    if dataclasses.is_dataclass(thing):
        return kind, [getattr(thing, field.name) for field in dataclasses.fields(thing)]
    if isinstance(getattr(thing, "python_function", None), Callable):  # what tf.function was given
        return [thing.python_function]
    if kind is types.SimpleNamespace or hasattr(thing, "__dict__") and all(map(_is_ours, kind.__mro__[:-1])):
        return kind, vars(thing)
    raise NotUnderstoodError(kind.__name__)


def _attributes_of(thing: object) -> dict[str, object]:
    """Return an object's attributes, of those with an underscore the plain ones only."""
    return {name: value for name, value in vars(thing).items() if not name.startswith("_") or is_plain(value)}


def _members_of(kind: type) -> dict[str, object]:
    """Return what is written in a class, without what Python and `dataclass` make."""

    def is_written(name, member):
        is_method = isinstance(member, types.FunctionType)
        is_made = is_method and dataclasses.is_dataclass(kind) and member.__code__.co_filename == "<string>"
        return is_method and not is_made or not name.startswith("__")

    return {name: member for name, member in vars(kind).items() if is_written(name, member)}


def _is_of_a_library(thing: object) -> bool:
    """Return whether a function or class can be had by its name from Python, `helpers` or an installed library."""
    module, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
    if not (isinstance(module, str) and isinstance(name, str)):
        return False
    named = functools.reduce(lambda within, part: getattr(within, part, None), name.split("."), sys.modules.get(module))
    if named is not thing:
        return False
    folders = Path(getattr(sys.modules[module], "__file__", None) or "").parts
    is_installed = "site-packages" in folders or "dist-packages" in folders
    return is_installed or module.partition(".")[0] in {*sys.stdlib_module_names, __package__}


def _is_ours(kind: type) -> bool:
    return kind.__module__.startswith(f"{__package__}.") or not _is_of_a_library(kind)


def _globals_of(code: types.CodeType) -> set[str]:
    """Return the global names that code reads, that of its inner functions included."""
    inner = [_globals_of(part) for part in code.co_consts if isinstance(part, types.CodeType)]
    loads = [step for step in dis.get_instructions(code) if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")]
    return {step.argval for step in loads}.union(*inner)


def _of_code(code: types.CodeType) -> list:
    """Return what code does: its instructions, names and constants, without the file and lines it stands in."""
    constants = [_of_code(part) if isinstance(part, types.CodeType) else part for part in code.co_consts]
    return [code.co_code, code.co_names, constants]
