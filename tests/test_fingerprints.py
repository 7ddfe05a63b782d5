"""What tells one optimisation of a picture from another."""

import dataclasses
import itertools
import linecache
import os
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from helpers.fingerprints import NotUnderstoodError, fingerprint

cells = itertools.count()
START = np.linspace(0, 1, 4 * 5 * 3, dtype=np.float32).reshape(4, 5, 3)


@dataclasses.dataclass
class Point:
    across: float
    up: object = None


def source_of(text, name="loss"):
    """Return a function out of a text, as a cell of a notebook makes it: the file has the kernel's number in it."""
    names, file = {}, f"/kernel_{os.getpid()}_{next(cells)}.py"
    linecache.cache[file] = len(text), None, text.splitlines(keepends=True), file
    exec(compile(text, file, "exec"), names)
    return names[name]


def enclosing(value):
    return lambda x: x * value


def compiled_with(variable):
    @tf.function
    def slope(x):
        return x * variable

    return slope


def network(value, units=2):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(units)])
    model.layers[0].kernel.assign(np.full((3, units), value))
    return model


def wired(scale=2.0, skips=True):
    """Return a functional network with an operation that is no layer."""
    inputs = keras.Input((3,))
    first = dense(3)(inputs)
    second = dense(3)(first) * scale
    return keras.Model(inputs, dense()(first + second if skips else second))


def in_time(*layers):
    return layered(keras.layers.Reshape((3, 1)), *layers)


class Around(keras.layers.Layer):
    """A layer around another, which tells nothing of it."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def call(self, x):
        return x + self.inner(x)

    def get_config(self):
        return super().get_config()


class Share(keras.losses.Loss):
    def __init__(self, share):
        super().__init__()
        self.share = share

    def call(self, y_true, y_pred):
        return self.share * y_pred


class Batches:
    def __init__(self, digest, noise=0.0):
        self.digest, self._noise, self._state = digest, noise, object()


class Scaled(keras.layers.Dense):
    def __init__(self, units, scale):
        super().__init__(units)
        self.scale = scale


class Cap(keras.constraints.Constraint):
    def __init__(self, most):
        self.most = most

    def __call__(self, w):
        return w


class Network(keras.Model):
    def __init__(self, frequent, widths):
        super().__init__()
        self.frequent, self.widths = frequent, widths
        self.built = True


class Slip(keras.layers.Layer):
    def get_config(self):
        return {"scale": self.scale}


def two_headed(order):
    inputs = keras.Input((3,))
    heads = [dense()(inputs), dense(activation="relu")(inputs)]
    return keras.Model(inputs, [heads[place] for place in order])


class Weighted(keras.layers.Layer):
    """A layer whose get_config Keras cannot make."""

    def __init__(self, factors):
        super().__init__()
        self.factors = factors


def zeroed(model):
    model.set_weights([np.zeros(weight.shape) for weight in model.weights])
    return model


def layered(*layers):
    """Return a network of 3 numbers with weights that are zero."""
    return zeroed(keras.Sequential([keras.Input((3,)), *layers]))


def dense(units=2, **settings):
    return keras.layers.Dense(units, **settings)


def twice(x):
    return 2 * x


class Scale:
    """A callable object; its method can be had bound, too."""

    def __init__(self, size):
        self.size = size

    def __call__(self, x):
        return x * self.size


def unbound(value=None):
    """Return a function one of whose enclosed names has no value, unless one is given."""
    if value is not None:
        late = value
    return lambda: late


def called_twice(*order):
    made = {"f": source_of("def f(x): return x + 1", "f"), "g": source_of("def g(x): return x + 2", "g")}
    return [made[name] for name in order]


def layered_of_one():
    inputs = keras.Input((1,))
    return keras.Model(inputs, dense()(dense(1)(inputs) + inputs))


def own():
    return source_of("def loss(x): return 3 * x")


def of_a_line():
    return source_of("loss = lambda x, *more, **settings: x")


INITIALISER = "def loss(shape, dtype=None):\n    import numpy\n    return numpy.full(shape, {})"
SHORT = "import numpy\nloss = lambda shape, dtype=None: numpy.ones(shape)"
READS = "LIMIT = {}\ndef loss(x): return (lambda: x + LIMIT)()"
COMPILED = "import tensorflow as tf\n@tf.function\ndef gram(x): return {}\ndef loss(x): return gram(x)"
CLASS = "class Loss:\n    def __call__(self, x): return {}\nloss = Loss()"
CALLED = "def gram(x): return {}\ndef loss(x): return [gram(part) for part in x]\n"
MADE = {
    "number": lambda: 0.1,
    "another number": lambda: 0.2,
    "whole number": lambda: 1,
    "truth": lambda: True,
    "none": lambda: None,
    "text": lambda: "0.1",
    "list": lambda: [1, [2, 3]],
    "other list": lambda: [1, 2, [3]],
    "dictionary": lambda: {"a": 1, "b": 2.5},
    "other dictionary": lambda: {"a": 1, "b": 2.0},
    "set": lambda: frozenset({"mixed3", "mixed4", "mixed5"}),
    "other set": lambda: frozenset({"mixed3", "mixed4"}),
    "picture": lambda: START.copy(),
    "picture, one value by a little": lambda: START + 1e-7 * (np.arange(60).reshape(START.shape) == 30),
    "picture, another shape": lambda: START.reshape(5, 4, 3),
    "picture, another type": lambda: START.astype(np.float64),
    "tensor": lambda: tf.constant(START),
    "variable": lambda: tf.Variable(0.5),
    "other variable": lambda: tf.Variable(0.25),
    "Keras variable": lambda: keras.Variable([1.0, 2.0]),
    "function": lambda: source_of("def loss(x): return x + 1"),
    "edited function": lambda: source_of("def loss(x): return x + 2"),
    "other operation": lambda: source_of("def loss(x): return x - 1"),
    "other attribute": lambda: source_of("def loss(x): return x.a"),
    "other attribute again": lambda: source_of("def loss(x): return x.b"),
    "default": lambda: source_of("def loss(x, y=1): return x + y"),
    "other default": lambda: source_of("def loss(x, y=2): return x + y"),
    "inner function": lambda: source_of("def loss(x): return (lambda: 3)()"),
    "other inner function": lambda: source_of("def loss(x): return (lambda: 4)()"),
    "caller": lambda: source_of(CALLED.format("x")),
    "caller of an edited one": lambda: source_of(CALLED.format("x * x")),
    "calls itself": lambda: source_of("def loss(x): return loss(x - 1) if x else 0"),
    "closure": lambda: enclosing(1.0),
    "other closure": lambda: enclosing(2.0),
    "closure of a variable": lambda: enclosing(tf.Variable(1.0)),
    "closure of another variable": lambda: enclosing(tf.Variable(2.0)),
    "compiled": lambda: compiled_with(tf.Variable(1.0)),
    "compiled, other weight": lambda: compiled_with(tf.Variable(2.0)),
    "partial": lambda: partial(enclosing(1.0), 1, weight=2),
    "other partial": lambda: partial(enclosing(1.0), 1, weight=3),
    "partial of another": lambda: partial(enclosing(3.0), 1, weight=2),
    "dataclass": lambda: Point(1.0, START),
    "other dataclass": lambda: Point(2.0, START),
    "reads a global": lambda: source_of(READS.format(1)),
    "reads another global": lambda: source_of(READS.format(2)),
    "reads a global array": lambda: source_of(f"import numpy\n{READS.format('numpy.ones(3)')}"),
    "reads another global array": lambda: source_of(f"import numpy\n{READS.format('numpy.zeros(3)')}"),
    "calls a compiled function": lambda: source_of(COMPILED.format("x")),
    "calls an edited compiled function": lambda: source_of(COMPILED.format("x * x")),
    "ufunc": lambda: np.sign,
    "other ufunc": lambda: np.tanh,
    "NumPy's function": lambda: np.linalg.norm,
    "other of NumPy's functions": lambda: np.linalg.det,
    "built in": lambda: max,
    "other built in": lambda: min,
    "Keras's function": lambda: keras.ops.sign,
    "other of Keras's functions": lambda: keras.ops.tanh,
    "class of a library": lambda: keras.optimizers.SGD,
    "other class of a library": lambda: keras.optimizers.Adam,
    "callable object": lambda: Scale(1),
    "callable object, other state": lambda: Scale(2),
    "bound method": lambda: Scale(1).__call__,
    "bound method, other state": lambda: Scale(2).__call__,
    "bound method of a list": lambda: [1, 2].index,
    "bound method of another list": lambda: [1, 3].index,
    "object of a class": lambda: source_of(CLASS.format("x")),
    "object of an edited class": lambda: source_of(CLASS.format("x * x")),
    "namespace": lambda: SimpleNamespace(a=1),
    "other namespace": lambda: SimpleNamespace(a=2),
    "range": lambda: range(3),
    "other range": lambda: range(4),
    "slice": lambda: slice(1, 3),
    "other slice": lambda: slice(1, 4),
    "complex": lambda: 1 + 2j,
    "other complex": lambda: 1 + 3j,
    "path": lambda: Path("a"),
    "other path": lambda: Path("b"),
    "Ellipsis": lambda: source_of("def loss(x): return x[..., 0]"),
    "random numbers": lambda: np.random.default_rng(1),
    "other random numbers": lambda: np.random.default_rng(2),
    "module": lambda: np,
    "other module": lambda: tf,
    "first again": lambda: called_twice("f", "g", "f"),
    "second again": lambda: called_twice("f", "g", "g"),
    "encloses nothing": lambda: unbound(),
    "encloses something": lambda: unbound(1),
    "network": lambda: network(0.5),
    "network, other weights": lambda: network(0.25),
    "loss of Keras": lambda: keras.losses.BinaryCrossentropy(from_logits=True),
    "loss of Keras, other setting": lambda: keras.losses.BinaryCrossentropy(),
    "network, other shape": lambda: network(0.5, units=3),
    "dropout": lambda: layered(dense(), keras.layers.Dropout(0.1)),
    "other dropout": lambda: layered(dense(), keras.layers.Dropout(0.2)),
    "activation": lambda: layered(dense(activation="relu")),
    "activation of one's own": lambda: layered(dense(activation=twice)),
    "other activation of one's own": lambda: layered(dense(activation=source_of("def loss(x): return 3 * x"))),
    "initialiser": lambda: layered(dense(kernel_initializer=keras.initializers.RandomNormal(0, 0.02))),
    "other initialiser": lambda: layered(dense(kernel_initializer=keras.initializers.RandomNormal(0, 0.03))),
    "regulariser": lambda: layered(dense(kernel_regularizer=keras.regularizers.L2(0.1))),
    "network in a network": lambda: layered(layered(dense(), dense()), dense()),
    "network in a network, otherwise": lambda: layered(layered(dense(activation="relu"), dense()), dense()),
    "wrapped layer": lambda: in_time(keras.layers.TimeDistributed(dense())),
    "wrapped layer, other": lambda: in_time(keras.layers.TimeDistributed(dense(activation="relu"))),
    "wrapped layer, activation of one's own": lambda: in_time(keras.layers.TimeDistributed(dense(activation=own()))),
    "wrapped layer, lambda": lambda: in_time(keras.layers.TimeDistributed(dense(activation=of_a_line()))),
    "wrapped network": lambda: in_time(keras.layers.TimeDistributed(layered_of_one())),
    "layer around a layer": lambda: layered(Around(dense(3))),
    "layer around another layer": lambda: layered(Around(dense(3, activation="relu"))),
    "recurrent layer": lambda: in_time(keras.layers.Bidirectional(keras.layers.GRU(2))),
    "recurrent layer, other": lambda: in_time(keras.layers.Bidirectional(keras.layers.GRU(2, activation="relu"))),
    "other precision": lambda: layered(dense(dtype="float64")),
    "initialiser of one's own": lambda: layered(dense(kernel_initializer=source_of(INITIALISER.format(0.1)))),
    "edited initialiser of one's own": lambda: layered(dense(kernel_initializer=source_of(INITIALISER.format(0.2)))),
    "lambda as an initialiser": lambda: layered(dense(kernel_initializer=source_of(SHORT))),
    "lambda as a layer": lambda: layered(keras.layers.Lambda(of_a_line())),
    "compiled activation": lambda: layered(dense(activation=source_of(COMPILED.format("x"), "gram"))),
    "edited compiled activation": lambda: layered(dense(activation=source_of(COMPILED.format("x * x"), "gram"))),
    "wired": lambda: zeroed(wired()),
    "wired, other number": lambda: zeroed(wired(scale=3.0)),
    "wired, without a skip": lambda: zeroed(wired(skips=False)),
    "wired within a network": lambda: layered(zeroed(wired())),
    "wired otherwise within a network": lambda: layered(zeroed(wired(skips=False))),
    "loss of one's own": lambda: Share(0.1),
    "loss of one's own, other": lambda: Share(0.2),
    "two outputs": lambda: zeroed(two_headed([0, 1])),
    "two outputs, the other way round": lambda: zeroed(two_headed([1, 0])),
    "own kind of layer": lambda: layered(Scaled(2, 1.0)),
    "own kind of layer, other": lambda: layered(Scaled(2, 2.0)),
    "own constraint": lambda: layered(dense(kernel_constraint=Cap(0.1))),
    "own constraint, other": lambda: layered(dense(kernel_constraint=Cap(0.2))),
    "own kind of network": lambda: Network(3, (1, 2)),
    "own kind of network, other": lambda: Network(4, (1, 2)),
    "own kind of network, other widths": lambda: Network(3, (1, 3)),
    "class with a digest": lambda: source_of('class loss:\n    digest = "a"\n    def __call__(self): return 1'),
    "edited class with a digest": lambda: source_of('class loss:\n    digest = "a"\n    def __call__(self): return 2'),
    "batches": lambda: Batches("a"),
    "batches of others": lambda: Batches("b"),
    "batches with noise": lambda: Batches("a", 0.3),
}


def test_what_is_made_alike_has_one_fingerprint_and_all_else_others():
    once, again = ({name: fingerprint(make()) for name, make in MADE.items()} for _ in range(2))
    assert once == again
    assert len(set(once.values())) == len(MADE)
    assert fingerprint(1, 2) != fingerprint(12) and fingerprint([1], 2) != fingerprint(1, [2])


def test_another_process_finds_the_same_fingerprint():
    """Sets come in another order there, and what is compiled has other numbers."""
    root = str(Path(__file__).resolve().parents[1])
    path = os.pathsep.join([os.environ["PYTHONPATH"], root])
    variables = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "1"}
    done = subprocess.run([sys.executable, __file__], env=variables, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == [fingerprint(make()) for make in MADE.values()]


def test_only_the_globals_that_are_read_count():
    """The attribute `.size` is none of them, though a global of that name came with another cell."""
    texts = "def loss(x): return x.size", "size = 3\nother = 4\ndef loss(x): return x.size"
    assert fingerprint(source_of(texts[0])) == fingerprint(source_of(texts[1]))


def test_over_how_many_devices_a_batch_is_normalised_does_not_count():
    alone, several = (layered(keras.layers.BatchNormalization(synchronized=many)) for many in (False, True))
    assert fingerprint(alone) == fingerprint(several)


NOT_UNDERSTOOD = {
    "object": object,
    "lock": threading.Lock,
    "iterator": lambda: iter([1, 2]),
    "optimiser": lambda: keras.optimizers.SGD(0.1),
    "array of objects": lambda: np.array([object()]),
    "own function": lambda: np.frompyfunc(lambda x: x + 1, 1, 1),
    "layer without settings": lambda: Weighted(np.ones(3)),
    "layer with a slip": Slip,
    "list that contains itself": lambda: (one := []).append(one) or one,
    "function that reads one": lambda: source_of("LOCK = object()\ndef loss(x): return LOCK"),
}


@pytest.mark.parametrize("name", NOT_UNDERSTOOD)
def test_what_is_not_understood_is_an_error(name):
    with pytest.raises(NotUnderstoodError):
        fingerprint(NOT_UNDERSTOOD[name]())


if __name__ == "__main__":
    print(*(fingerprint(make()) for make in MADE.values()))
