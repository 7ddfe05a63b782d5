"""How things are measured: sizes, interleaved timing, warm-up without a trace in the weights, the machine's limit."""

from __future__ import annotations

import functools
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import make_dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from helpers.networks.weights import assign, values_of

SEED = 1
_started = time.perf_counter()


# How much is measured: for the table in RESULTS.md, and at the smallest, to see that everything runs.
BUDGETS = {
    "repeats": (3, 2),
    "seed": (SEED, SEED),  # of trainings; each repeat of a whole one has the next
    "recipe_characters": (30, 2),  # that the book's loop writes in one repeat
    "our_characters": (2_000, 20),  # in each of four streams
    "corpus": (600_893, 20_000),  # characters of the text that are used
    "windows": (100_000, 512),  # that the book's model is trained on
    "positions": (4_000, 50),  # of the held-out text at which both are scored
    "shares": ((1 / 3, 1 / 2, 3 / 4, 1.0), (1.0,)),  # of the book's seconds, tried until its loss is reached
    "character_batch": (32, 32),
    "reviews": (6_000, 60),
    "held_out_reviews": (300, 10),
    "vocabulary": (15_000, 300),
    "context": (100, 12),
    "word_batch": (64, 4),
    "recipe_words": (20, 1),  # that the book's loop writes for each temperature in one repeat
    "our_texts": (10, 1),  # of a whole context in each of five streams, so that one repeat takes about a second
    "word_steps": (3, 1),  # training steps in one repeat
    "seconds": (120.0, 0.5),  # of training, before both Transformers are scored
    "dream_height": (300, 150),
    "dream_steps": (20, 1),  # in each of three octaves
    "large_picture": ((2_000, 3_000), (220, 330)),  # rows and columns
    "style_height": (200, 32),  # of the picture whose step is timed
    "race_height": (160, 32),  # of the picture that SGD and L-BFGS paint
    "style_steps": (900, 2),  # of SGD
    "race_evaluations": (70, 8),  # of L-BFGS
    "first_rounds": (5, 1),  # of 20 evaluations of L-BFGS, by the first edition
    "vae_steps": (80, 4),  # of training in one repeat; the recipe takes a quarter of them
    "vae_predictions": (60, 3),  # calls of `predict` in one repeat
    "face_seconds": (120.0, 0.5),  # of training, before rebuilt faces are compared
    "autoencoder_seconds": (30.0, 0.5),  # of training, before rebuilt garments, and digits, are scored
    "autoencoded": ((20_000, 3_000), (60, 20)),  # pictures that are trained on, and held out
    "first_gan_steps": (2, 1),  # of training with the first edition's network in one repeat
    "gan_steps": (40, 2),  # of training in one repeat; the book's network takes a tenth of them
    "gan_batch": (32, 2),  # as the second edition has it
    "gan_faces": (8_000, 24),  # that both are trained on
    "gan_seconds": (300.0, 0.5),  # of training, before both are scored
    "gan_scored": (900, 24),  # held-out faces, and as many fakes
}
Sizes = make_dataclass("Sizes", [(name, object, full) for name, (full, _) in BUDGETS.items()], frozen=True)
SMALL = Sizes(**{name: small for name, (_, small) in BUDGETS.items()})


def say(message: str) -> None:
    """Report progress, with the time since the start, on the error stream."""
    print(f"[{time.perf_counter() - _started:6.0f} s] {message}", file=sys.stderr, flush=True)


def seconds_of(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def interleaved_seconds(actions: Sequence[Callable], repeats: int) -> list[list[float]]:
    """Time actions in turn, A B A B …, so that other work on the machine hits all; return the seconds of each."""
    turns = [[seconds_of(action) for action in actions] for _ in range(repeats)]
    return [list(column) for column in zip(*turns, strict=True)]


def interleaved_rates(recipe: tuple[Callable, float], ours: tuple[Callable, float], repeats: int) -> list[list[float]]:
    """Return the rates of two actions, timed in turn after one untimed call of each; each has its count of things."""
    actions = [action for action, _ in (recipe, ours)]
    for action in actions:
        action()
    seconds = interleaved_seconds(actions, repeats)
    return [[count / each for each in column] for (_, count), column in zip((recipe, ours), seconds, strict=True)]


def warm_up(model: keras.Model, action: Callable[[], object]) -> None:
    """Let `action` compile what it needs, then put back the weights, optimiser slots and random states."""
    model.optimizer.build(model.trainable_variables)
    variables = [*model.trainable_variables, *model.non_trainable_variables, *model.optimizer.variables]
    before = values_of(variables)
    action()
    assign(variables, before, "the start")


def seconds_per_step(model: keras.Model, batches: Iterable, steps: int = 5) -> float:
    """Return the median seconds of a training step once it is compiled; the model is as before afterwards."""
    inputs, targets = next(iter(batches))
    times: list[float] = []

    def train() -> None:
        times.extend(seconds_of(lambda: model.train_on_batch(inputs, targets)) for _ in range(steps + 1))

    warm_up(model, train)
    return statistics.median(times[1:])


def train_for_seconds(model: keras.Model, batches: Callable[[int], tf.data.Dataset], seconds: float) -> int:
    """Train a compiled model on `batches(epoch)` until the time is up; return the steps. Compiling is not counted."""
    epoch, steps, spent = 0, 0, 0.0
    model.fit(batches(0).take(2), shuffle=False, verbose=0)
    while spent < seconds:
        watch, dataset = _StopAfter(seconds - spent), batches(epoch)
        spent += seconds_of(lambda: model.fit(dataset, shuffle=False, verbose=0, callbacks=[watch]))  # noqa: B023
        steps, epoch = steps + watch.steps, epoch + 1
    return steps


class _StopAfter(keras.callbacks.Callback):
    """Ends the training once the seconds are over, and counts the steps."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.end, self.steps = time.perf_counter() + seconds, 0

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.steps += 1
        if time.perf_counter() > self.end:
            self.model.stop_training = True


def multiply_adds(model: keras.Model, tied: int = 0) -> int:
    """Return the multiply-adds of one position in one forward pass, those of attention weights left out.

    They are the numbers in all kernels; `tied` adds an embedding that serves as a kernel too.
    """
    return tied + sum(int(np.prod(weight.shape)) for weight in model.weights if weight.path.endswith("kernel"))


@functools.cache
def matmul_gflops(size: int = 2_048, repeats: int = 10) -> float:
    """Return the best GFLOP/s of a float32 matrix product on this machine, measured at the first call in a job."""
    a, b = tf.random.normal((size, size), seed=1), tf.random.normal((size, size), seed=2)
    product = tf.function(lambda a, b: tf.reduce_sum(tf.matmul(a, b)))
    float(product(a, b))
    return 2 * size**3 / min(seconds_of(lambda: float(product(a, b))) for _ in range(repeats)) / 1e9


def machine() -> str:
    """Return what it is measured on, in words."""
    graphics = len(tf.config.list_physical_devices("GPU"))
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    processor = names[0] if names else platform.processor() or platform.machine()
    return f"{os.cpu_count()} cores, {processor}" + (f", {graphics} GPU" if graphics else "")


def versions() -> str:
    """Return what it is measured with, in words."""
    return f"Python {platform.python_version()}, TensorFlow {tf.__version__}, Keras {keras.__version__}"
