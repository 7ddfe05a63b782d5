"""DeepDream: the second edition's recipe and notebook 02's, on one network and with the same settings; and memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import tensorflow as tf

from bench.measure import SEED, Sizes, say, seconds_of
from bench.report import Row
from helpers.data import photographs
from helpers.networks import pretrained
from tools.lift import lift

NOTEBOOK = Path(__file__).resolve().parents[1] / "notebooks" / "02_deep_dream.ipynb"
NAMES = ("dream", "mixture", "compile_gradient", "unit_length", "mean_absolute")
OCTAVES, FACTOR, RATE = 3, 1.4, 20.0  # as the second edition has them


def recipe_dream(net: keras.Model, weights: dict[str, float], picture: np.ndarray, steps: int) -> np.ndarray:
    """Dream as the second edition does, the shrunk original kept up to date (its code misspells that name).

    Args:
        net: InceptionV3 without its classifier, or another that takes (1, height, width, 3) in [-1, 1].
        weights: layer → weight.
        picture: `(height, width, 3)` in [0, 1].
        steps: in each octave.

    Returns:
        `(height, width, 3)`, in [0, 1] but for what the ascent has pushed beyond.
    """
    extractor = keras.Model(inputs=net.inputs, outputs={name: net.get_layer(name).output for name in weights})

    def loss_of(image):
        seen = extractor(image)
        loss = tf.zeros(shape=())
        for name, weight in weights.items():
            loss += weight * tf.reduce_mean(tf.square(seen[name][:, 2:-2, 2:-2, :]))
        return loss

    @tf.function
    def ascent_step(image, rate):
        with tf.GradientTape() as tape:
            tape.watch(image)
            loss = loss_of(image)
        gradient = tf.math.l2_normalize(tape.gradient(loss, image))
        return loss, image + rate * gradient

    original = tf.constant(picture[None] * 2 - 1)
    whole = original.shape[1:3]
    shapes = [tuple(int(side / FACTOR**octave) for side in whole) for octave in range(OCTAVES)][::-1]
    shrunk, image = tf.image.resize(original, shapes[0]), tf.identity(original)
    for shape in shapes:
        image = tf.image.resize(image, shape)
        for _ in range(steps):
            _, image = ascent_step(image, RATE)
        same_size = tf.image.resize(original, shape)
        image += same_size - tf.image.resize(shrunk, shape)
        shrunk = tf.image.resize(original, shape)
    return (image.numpy()[0] + 1) / 2


def our_dream(backbone: pretrained.Backbone, picture: np.ndarray, steps: int, as_the_book: bool) -> np.ndarray:
    """Dream as the notebook does, with the second edition's settings and no roll; compiles anew each time.

    Climbing multiplies the smallest difference: noise of a millionth in the first picture gives another dream, and
    so does another order of rounding. To see whether both do the same, `as_the_book` takes the book's resizing,
    range and function for the length, and the comparison is made after one step in each octave.
    """
    notebook = lift(NOTEBOOK, *NAMES)
    normalise, length = notebook.unit_length, RATE / 2  # the notebook's pictures have half the book's range
    if as_the_book:
        notebook.images = SimpleNamespace(resize=lambda values, *size: tf.image.resize(values, size).numpy())
        backbone = replace(backbone, preprocessing=pretrained.Preprocessing("book", _from_books_range(backbone), _same))
        normalise, length, picture = _books_length, RATE, picture * 2 - 1
    gradient = notebook.compile_gradient(backbone, notebook.mixture(backbone.presets.dream["second edition"]))
    settings = {"step": length, "normalise": normalise}
    dreamed = notebook.dream(gradient, picture, OCTAVES, FACTOR, steps, **settings).picture
    return (dreamed + 1) / 2 if as_the_book else dreamed


def _same(values):
    return values


def _from_books_range(backbone: pretrained.Backbone) -> Callable:
    """Return what turns [-1, 1] into what the net takes: for InceptionV3, nothing."""
    preprocess = backbone.preprocessing.preprocess
    return _same if backbone.preprocessing is pretrained.INCEPTION else lambda values: preprocess(values / 2 + 0.5)


def _books_length(gradient: np.ndarray) -> np.ndarray:
    return tf.math.l2_normalize(gradient).numpy()


def similarity(first: np.ndarray, second: np.ndarray) -> float:
    """Return the structural similarity of two pictures, clipped to [0, 1]."""
    clipped = [tf.clip_by_value(picture, 0.0, 1.0) for picture in (first, second)]
    return float(tf.image.ssim(*clipped, max_val=1.0))


def whole_dream(sizes: Sizes) -> list[Row]:
    """Return the row of the seconds of a whole dream, tracing and compiling included."""
    backbone = pretrained.load_network("inception_v3")
    weights = backbone.presets.dream["second edition"]
    picture = photographs.load_picture("china", sizes.dream_height).pixels
    results: dict[str, np.ndarray] = {}
    net = in_books_range(backbone)
    actions = {
        "recipe": lambda: recipe_dream(net, weights, picture, sizes.dream_steps),
        "ours": lambda: our_dream(backbone, picture, sizes.dream_steps, as_the_book=False),
    }
    seconds: dict[str, list[float]] = {name: [] for name in actions}

    def keep(name: str) -> None:
        results[name] = actions[name]()

    for _ in range(sizes.repeats):  # in turn, so that other work on the machine hits both
        for name in actions:
            seconds[name].append(seconds_of(lambda name=name: keep(name)))
            say(f"dream, {name}: {seconds[name][-1]:.1f} s")
    first = recipe_dream(net, weights, picture, steps=1)
    same = similarity(first, our_dream(backbone, picture, steps=1, as_the_book=True))
    whole = similarity(results["recipe"], our_dream(backbone, picture, sizes.dream_steps, as_the_book=True))
    noise = np.random.default_rng(SEED).normal(scale=1e-6, size=picture.shape).astype(np.float32)
    shaken = similarity(first, recipe_dream(net, weights, picture + noise, steps=1))
    ratios = tuple(book / ours for book, ours in zip(seconds["recipe"], seconds["ours"], strict=True))
    size = f"{picture.shape[0]}x{picture.shape[1]}"
    return [
        Row(
            f"DeepDream: whole dream, {OCTAVES} octaves of {sizes.dream_steps} steps, {size}",
            "s",
            float(np.median(seconds["recipe"])),
            float(np.median(seconds["ours"])),
            ratios,
            "1.3",
            remarks=[
                f"{backbone.name}; tracing and compiling are in the seconds of both.",
                f"structural similarity of the recipe's picture and ours, with the book's range and resizing: "
                f"{same:.5f} after one step in each octave, {whole:.2f} after {sizes.dream_steps} (goal 0.98). The "
                "climb magnifies rounding: the recipe against itself, with noise of 1e-6 added first, is at "
                f"{shaken:.3f} after one step. So no two whole dreams agree that differ in anything.",
            ],
        )
    ]


def in_books_range(backbone: pretrained.Backbone, edition: str = "second edition") -> keras.Model:
    """Return the net itself where it takes [-1, 1], as InceptionV3 does, or else behind a layer that converts."""
    if backbone.preprocessing is pretrained.INCEPTION:
        return backbone.model
    entrance = keras.Input((None, None, 3))
    values = keras.layers.Lambda(_from_books_range(backbone))(entrance)
    names = list(backbone.presets.dream[edition])
    seen = pretrained.features(backbone, names)(values)
    outputs = [keras.layers.Identity(name=name)(seen[name]) for name in names]
    return keras.Model(entrance, outputs)


MEMORY = """
import sys
import numpy as np
import psutil
import helpers
from bench import dream
from helpers import images
from helpers.data import photographs
from helpers.networks import pretrained
from tools.execute import peak_memory
backbone = pretrained.load_network("inception_v3")
notebook = dream.lift(dream.NOTEBOOK, *dream.NAMES)
gradient = notebook.compile_gradient(backbone, notebook.mixture(backbone.presets.dream["first edition"]))
height, width, tile = map(int, sys.argv[1:])
picture = images.resize(photographs.load_picture("china").pixels, height, width)
settings = dict(octaves=2, steps=1, step=0.01, normalise=notebook.mean_absolute, jitter=tile // 2, tile=tile)
made = notebook.dream(gradient, picture, **settings)
assert np.abs(made.picture - picture).max() > 0.005
print(peak_memory(psutil.Process()) / 1e9)
"""


def memory(sizes: Sizes) -> list[Row]:
    """Return the row of the most memory that a dream of a large picture held, with tiles and without."""
    height, width = sizes.large_picture
    whole = _peak_gigabytes(height // 2, width // 2, tile=max(height, width))
    tiled = _peak_gigabytes(height, width, tile=512)
    return [
        Row(
            f"DeepDream: peak memory of {height:,}x{width:,} in tiles, against a quarter of it in one piece",
            "GB",
            whole,
            tiled,
            (whole / tiled,),
            "under 3 GB",
            remarks=["both are ours, of the same network; it is the most that the process held, TensorFlow included."],
        )
    ]


def _peak_gigabytes(height: int, width: int, tile: int) -> float:
    say(f"dream, {height}x{width} in tiles of {tile}")
    command = [sys.executable, "-c", MEMORY, *map(str, (height, width, tile))]
    done = subprocess.run(command, capture_output=True, text=True, cwd=NOTEBOOK.parents[1])
    return float(done.stdout.split()[-1]) if done.returncode == 0 else float("nan")
