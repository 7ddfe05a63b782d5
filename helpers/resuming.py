"""Optimisations of a picture that go on after a kill: what tells one from another, when it is kept, and its steps."""

import dataclasses
import dis
import functools
import hashlib
import json
import sys
import time
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePath

import keras
import numpy as np
import tensorflow as tf

from helpers.checkpoints import Checkpoints, recipe_of, values_of
from helpers.errors import UserError

SECONDS = 15.0  # between two checkpoints
LARGEST_SHARE = 0.05  # of the time that may go into writing them; where a disk is slow they come less often


class NotUnderstoodError(Exception):
    """Something can not be told from others of its kind."""


def fingerprint(*things: object) -> str:
    """Return 12 hexadecimal digits that are the same wherever `things` are made alike, and else others.

    Numbers, texts, arrays and variables count by their values; lists, dictionaries, dataclasses and other objects by
    what is in them; networks by their layers and weights; functions and classes, compiled ones too, by their code,
    what they enclose, and the values of the global names that they read. So an objective with other weights, or one
    of whose cells was edited, is another one. What an installed library or `helpers` has counts by its name.

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
        kinds = [type(layer) for layer in (thing, *getattr(thing, "layers", ()))]
        return json.dumps(recipe_of(thing)), values_of(thing.weights), kinds
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


class Saved:
    """Checkpoints of one optimisation, written at intervals, in a folder that its settings choose."""

    def __init__(self, folder: Path | None, settings: object, seconds: float = SECONDS) -> None:
        """Prepare to write checkpoints below `folder`, or none if that is None.

        Args:
            folder: where they go; an optimisation with other settings, by their `fingerprint`, gets another one in it.
            settings: whatever makes the result what it is: pictures, sizes, weights, the objective. If `fingerprint`
                does not understand them, there are no checkpoints, rather than those of something else.
            seconds: from one checkpoint to the next, which is what a kill costs; 0 writes one at each step.

        Raises:
            UserError: `seconds` is below 0 or no number.
        """
        if not seconds >= 0:
            raise UserError(f"seconds between checkpoints is {seconds}. Give 0 or more.")
        try:
            self.folder = Path(folder) / fingerprint(settings) if folder else None
        except NotUnderstoodError as error:
            print(f"No checkpoints are written: among the settings is one that can not be told from others ({error}).")
            self.folder = None
        self.seconds, self._number, self._was_refused = seconds, 0, False
        self._last, self._cost = time.perf_counter(), 0.0

    def load(self) -> tuple[list[np.ndarray], dict] | None:
        """Return arrays and state of the newest undamaged checkpoint, or None."""
        if self.folder is None or (found := Checkpoints(self.folder).load()) is None:
            return None
        Checkpoints(self.folder).tidy()  # a kill may have come between the last checkpoint and the removal of old ones
        return found

    def keep(self, number: int, state: Callable[[], tuple[list[np.ndarray], dict]], at_once: bool = False) -> None:
        """Write checkpoint `number`, of arrays and a state, if it is time; what cannot be written is said once."""
        wait = max(self.seconds, self._cost / LARGEST_SHARE) if self.seconds else 0.0
        if self.folder is None or not (at_once or time.perf_counter() - self._last >= wait):
            return
        started = time.perf_counter()
        try:
            Checkpoints(self.folder).save(number, *state())
        except OSError as error:
            if not self._was_refused:
                print(f"\nNo checkpoint could be written to {self.folder} ({error}). It goes on without. Make room on ")
                print("that disk, or set NB_OUTPUT_DIR to a folder that can be written to.")
            self._was_refused = True
        self._last = time.perf_counter()
        self._cost = self._last - started

    def tell(self, found: str, rest: str) -> None:
        """Print what was found, how it goes on, and how to start anew."""
        print(f"Found {found}: {rest}. To start anew, delete {self.folder} and run this cell again.")


class Rounds:
    """The rounds of an ascent (DeepDream's octaves) and the steps in each, which go on after a kill.

    The loop runs again from its first round, but the steps that were done give back what they gave then, without
    any computing, up to the last one that was kept. On a CPU, an ascent that was killed therefore ends with the same
    picture, to the last bit, as one that was not.
    """

    def __init__(self, folder: Path | None, settings: object, seconds: float = SECONDS) -> None:
        """Look for an ascent with these settings below `folder`; the arguments are those of `Saved`."""
        self._saved, self._started = Saved(folder, settings, seconds), time.perf_counter()
        self._number, self._records, self._earlier, self._was_done = 0, [], 0.0, False
        if found := self._saved.load():
            pictures, state = found
            self._records = [one | {"picture": last} for one, last in zip(state["rounds"], pictures, strict=True)]
            self._earlier, self._was_done = state["seconds"], state["is_done"]
            rest = "there is nothing left to do" if self._was_done else "going on from there"
            self._saved.tell(f"{self.steps_done} steps of an ascent ({self._earlier:.0f} s)", rest)

    @property
    def steps_done(self) -> int:
        """How many steps are done, in all rounds."""
        return sum(len(record["values"]) for record in self._records)

    @property
    def seconds(self) -> float:
        """How many seconds the ascent took so far, those before a kill included."""
        return self._earlier + (0.0 if self._was_done else time.perf_counter() - self._started)

    def each(self, items: Iterable) -> Iterator:
        """Yield the items, one for each round; after the last one a checkpoint says that all is done."""
        for number, item in enumerate(items):
            self._number = number
            yield item
        if not self._was_done:
            self._save(at_once=True, is_done=True)

    def steps(
        self,
        climb: Callable[..., Iterator],
        gradient: Callable,
        picture: np.ndarray,
        steps: int,
        random: np.random.Generator,
        **settings: object,
    ) -> Iterator[tuple[float, np.ndarray]]:
        """Yield the steps of this round: the objective, and the picture then.

        Steps that were done before a kill come first, all with the picture after the last of them. A step counts
        as done when the next is asked for, so one after which the loop is left is taken again.

        Args:
            climb: called with the other arguments; yields after each step the objective and the new picture.
            gradient: what `climb` follows.
            picture: `(height, width, 3)`, where the round begins.
            steps: how many there are in the round.
            random: what `climb` draws from; it is put back to where it was.
            settings: further arguments of `climb`.
        """
        if self._number == len(self._records):
            self._records.append({"values": [], "picture": picture, "random": random.bit_generator.state})
        record = self._records[self._number]
        for value in record["values"]:
            yield value, record["picture"]
        if self._was_done:  # a brake may have ended this round early
            return
        random.bit_generator.state = record["random"]
        try:
            left = steps - len(record["values"])
            for value, climbed in climb(gradient, record["picture"], left, random=random, **settings):
                yield value, climbed
                values = [*self._records[self._number]["values"], float(value)]
                record = {"values": values, "picture": climbed, "random": random.bit_generator.state}
                self._records[self._number] = record  # one store: an interrupt finds a whole step or none
                self._save()
        except (KeyboardInterrupt, GeneratorExit):  # interrupted in a step, or the loop was left
            self._save(at_once=True)
            raise

    def _save(self, at_once: bool = False, is_done: bool = False) -> None:
        def state():
            rounds = [{"values": record["values"], "random": record["random"]} for record in self._records]
            pictures = [record["picture"] for record in self._records]
            return pictures, {"rounds": rounds, "seconds": self.seconds, "is_done": is_done}

        self._saved.keep(self.steps_done, state, at_once)
