"""DeepDream: the second edition's recipe and notebook 02's, on one network and with the same settings; and memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from bench.measure import Sizes, interleaved_seconds, say
from bench.report import Row, seconds_row
from helpers.data import photographs
from helpers.networks import pretrained
from tools.lift import lift

NOTEBOOK = Path(__file__).resolve().parents[1] / "notebooks" / "02_deep_dream.ipynb"
NAMES = ("layer_weights", "compile_gradient", "dream", "unit_length", "mean_absolute", "in_tiles")
EDITIONS = ("first edition", "second edition")
OCTAVES, FACTOR, RATE = 3, 1.4, 20.0  # as the second edition has them


def by_octaves(picture: np.ndarray, steps: int, resize: Callable, climb: Callable) -> np.ndarray:
    """Return a picture dreamed in both editions' loop, the shrunk original kept up to date (one misspells its name).

    `picture` is `(height, width, 3)` in [0, 1], and so is the result, except for what the ascent pushes beyond.
    `resize(image, shape)` and `climb(image)` take and give `(1, height, width, 3)` in [-1, 1].
    """
    original = picture[None] * 2 - 1
    shapes = [tuple(int(side / FACTOR**octave) for side in picture.shape[:2]) for octave in range(OCTAVES)][::-1]
    shrunk, image = resize(original, shapes[0]), original
    for shape in shapes:
        image = resize(image, shape)
        for _ in range(steps):
            image = climb(image)
        same_size = resize(original, shape)
        image = image + same_size - resize(shrunk, shape)
        shrunk = same_size
    return (np.asarray(image)[0] + 1) / 2


def looker(net: keras.Model, weights: dict[str, float]) -> keras.Model:
    """Return the net that gives what the layers with a weight see, by their names."""
    return keras.Model(inputs=net.inputs, outputs={name: net.get_layer(name).output for name in weights})


def recipe_dream(net: keras.Model, weights: dict[str, float], picture: np.ndarray, steps: int) -> np.ndarray:
    """Dream as the second edition does: `net` takes [-1, 1], `weights` are by layer, `steps` in each octave."""
    extractor = looker(net, weights)

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

    return by_octaves(picture, steps, tf.image.resize, lambda image: ascent_step(image, RATE)[1])


def similarity(first: np.ndarray, second: np.ndarray) -> float:
    """Return the structural similarity of two pictures, clipped to [0, 1]."""
    clipped = [tf.clip_by_value(picture, 0.0, 1.0) for picture in (first, second)]
    return float(tf.image.ssim(*clipped, max_val=1.0))


def whole_dream(sizes: Sizes) -> list[Row]:
    """Return the row of the seconds of a whole dream by the second edition."""
    return compare("second edition", "DeepDream", recipe_dream, RATE, "unit_length", 1.3, sizes)


def compare(
    edition: str, what: str, recipe: Callable, step: float, normalise: str, goal: float, sizes: Sizes
) -> list[Row]:
    """Return the row of the seconds of a whole dream with an edition's layers, tracing and compiling included."""
    backbone, notebook = pretrained.load_network("inception_v3"), lift(NOTEBOOK, *NAMES)
    weights = notebook.layer_weights(backbone.name)[EDITIONS.index(edition)]
    picture = photographs.load_picture("china", sizes.dream_height).pixels
    net = in_books_range(backbone, list(weights))
    # The notebook's pictures have half the book's range.
    settings = {"step": step / 2, "normalise": getattr(notebook, normalise), "roll": 0}

    def ours() -> None:
        gradient = notebook.compile_gradient(backbone, list(weights))
        notebook.dream(gradient, picture, weights, OCTAVES, FACTOR, steps=sizes.dream_steps, **settings)

    actions = (lambda: recipe(net, weights, picture, sizes.dream_steps)), ours
    size = "x".join(map(str, picture.shape[:2]))
    job = f"{what}: whole dream, {OCTAVES} octaves of {sizes.dream_steps} steps, {size}"
    remark = f"{backbone.name}; tracing and compiling are in the seconds of both; without the first edition's maximum."
    return [seconds_row(job, *interleaved_seconds(actions, sizes.repeats), goal, [remark])]


def in_books_range(backbone: pretrained.Backbone, names: list[str]) -> keras.Model:
    """Return the net itself where it takes [-1, 1], as InceptionV3 does, or else its layers, which convert."""
    if backbone.preprocessing is pretrained.INCEPTION:
        return backbone.model
    entrance = keras.Input((None, None, 3))
    convert = keras.layers.Lambda(lambda values: backbone.preprocessing.preprocess(values / 2 + 0.5))
    seen = pretrained.features(backbone, names)(convert(entrance))
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
weights, _ = notebook.layer_weights(backbone.name)
height, width, tile = map(int, sys.argv[1:])
picture = images.resize(photographs.load_picture("china").pixels, height, width)
gradient = notebook.in_tiles(notebook.compile_gradient(backbone, list(weights)), tile)
made = notebook.dream(gradient, picture, weights, octaves=2, steps=1, roll=tile // 2)
assert np.abs(made - picture).max() > 0.005
print(peak_memory(psutil.Process()) / 1e9)
"""


def memory(sizes: Sizes) -> list[Row]:
    """Return the row of the most memory that a dream of a large picture held, with tiles and without."""
    height, width = sizes.large_picture
    whole = _peak_gigabytes(height // 2, width // 2, tile=max(height, width))
    tiled = _peak_gigabytes(height, width, tile=512)
    job = f"DeepDream: peak memory of {height:,}x{width:,} in tiles, against a quarter of it in one piece"
    remark = "both are ours, of the same network; it is the most that the process held, TensorFlow included."
    return [Row(job, "GB", whole, tiled, (whole / tiled,), 3, remarks=[remark])]


def _peak_gigabytes(height: int, width: int, tile: int) -> float:
    say(f"dream, {height}x{width} in tiles of {tile}")
    command = [sys.executable, "-c", MEMORY, *map(str, (height, width, tile))]
    done = subprocess.run(command, capture_output=True, text=True, cwd=NOTEBOOK.parents[1])
    return float(done.stdout.split()[-1]) if done.returncode == 0 else float("nan")
