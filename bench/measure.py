"""How things are measured: sizes, interleaved timing, warm-up without a trace in the weights, the machine's limit."""

from __future__ import annotations

import functools
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from helpers.networks.weights import assign, values_of

SEED = 1
_started = time.perf_counter()


@dataclass(frozen=True)
class Sizes:
    """How much is measured; the defaults are those of the table in RESULTS.md."""

    repeats: int = 3
    seed: int = SEED  # of trainings; each repeat of a whole one has the next
    recipe_characters: int = 30  # that the book's loop writes in one repeat
    our_characters: int = 2_000  # in each of four streams
    corpus: int = 600_893  # characters of the text that are used
    windows: int = 100_000  # that the book's model is trained on
    positions: int = 4_000  # of the held-out text that both are scored at
    shares: tuple[float, ...] = (1 / 3, 1 / 2, 3 / 4, 1.0)  # of the book's seconds, tried until its loss is reached
    character_batch: int = 32
    reviews: int = 6_000
    held_out_reviews: int = 300
    vocabulary: int = 15_000
    context: int = 100
    word_batch: int = 64
    recipe_words: int = 20  # that the book's loop writes for each temperature in one repeat
    our_texts: int = 10  # of a whole context in each of five streams, so that one repeat takes about a second
    word_steps: int = 3  # training steps in one repeat
    seconds: float = 120.0  # of training, before both Transformers are scored
    dream_height: int = 300
    dream_steps: int = 20  # in each of three octaves
    large_picture: tuple[int, int] = (2_000, 3_000)  # rows and columns
    style_height: int = 200  # of the picture whose step is timed
    race_height: int = 160  # of the picture that SGD and L-BFGS paint
    style_steps: int = 900  # of SGD
    race_evaluations: int = 70  # of L-BFGS
    first_rounds: int = 5  # of 20 evaluations of L-BFGS, by the first edition
    vae_steps: int = 80  # of training in one repeat; the recipe takes a quarter of them
    vae_predictions: int = 60  # calls of `predict` in one repeat
    face_seconds: float = 120.0  # of training, before rebuilt faces are compared
    autoencoder_seconds: float = 30.0  # of training, before rebuilt garments, and digits, are scored
    autoencoded: tuple[int, int] = (20_000, 3_000)  # pictures that are trained on, and held out
    first_gan_steps: int = 2  # of training with the first edition's network in one repeat
    gan_steps: int = 40  # of training in one repeat; the book's network takes a tenth of them
    gan_batch: int = 32  # as the second edition has it
    gan_faces: int = 8_000  # that both are trained on
    gan_seconds: float = 300.0  # of training, before both are scored
    gan_scored: int = 900  # held-out faces, and as many fakes


SMALL = Sizes(
    repeats=2,
    recipe_characters=2,
    our_characters=20,
    corpus=20_000,
    windows=512,
    positions=50,
    shares=(1.0,),
    reviews=60,
    held_out_reviews=10,
    vocabulary=300,
    context=12,
    word_batch=4,
    recipe_words=1,
    our_texts=1,
    word_steps=1,
    seconds=0.5,
    dream_height=150,
    dream_steps=1,
    large_picture=(220, 330),
    style_height=32,
    race_height=32,
    style_steps=2,
    race_evaluations=8,
    first_rounds=1,
    vae_steps=4,
    vae_predictions=3,
    face_seconds=0.5,
    autoencoder_seconds=0.5,
    autoencoded=(60, 20),
    first_gan_steps=1,
    gan_steps=2,
    gan_batch=2,
    gan_faces=24,
    gan_seconds=0.5,
    gan_scored=24,
)


def say(message: str) -> None:
    """Report progress, with the time since the start, on the error stream."""
    print(f"[{time.perf_counter() - _started:6.0f} s] {message}", file=sys.stderr, flush=True)


def seconds_of(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def interleaved_rates(
    recipe: tuple[Callable, float], ours: tuple[Callable, float], repeats: int
) -> tuple[list[float], list[float]]:
    """Time two actions in turn, A B A B …, after one untimed call of each, and return their rates.

    In turn, so that other work on the machine hits both. Each action comes with the number of things it makes.
    """
    rates: tuple[list[float], list[float]] = ([], [])
    for action, _ in (recipe, ours):
        action()
    for _ in range(repeats):
        for (action, count), found in zip((recipe, ours), rates, strict=True):
            found.append(count / seconds_of(action))
    return rates


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
    """Train until the time is up, the first two steps (compiling) not counted; return the number of steps.

    Args:
        model: compiled.
        batches: an epoch's number → its batches.
        seconds: of training.
    """
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
    extra = f", {graphics} GPU" if graphics else ""
    return f"{os.cpu_count()} cores, {processor()}{extra}"


def processor() -> str:
    """Return the name of this machine's processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def versions() -> str:
    """Return what it is measured with, in words."""
    return f"Python {platform.python_version()}, TensorFlow {tf.__version__}, Keras {keras.__version__}"
