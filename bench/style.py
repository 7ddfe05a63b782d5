"""Style transfer: a step and a whole optimisation, by the second edition's recipe and as in notebook 03."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from bench.measure import Sizes, interleaved_rates, say, seconds_of
from bench.report import Row, rate_row
from helpers import images
from helpers.data import photographs
from helpers.networks import pretrained
from helpers.training.descent import Descent
from tools.lift import lift

NOTEBOOK = Path(__file__).resolve().parents[1] / "notebooks" / "03_neural_style_transfer.ipynb"


def recipe_objective(
    network: pretrained.Backbone, content: np.ndarray, style: np.ndarray, weights: dict[str, float]
) -> Callable:
    """Return the book's step: (1, height, width, 3) in the network's range → loss, gradient.

    Chollet, *Deep Learning with Python*, 2nd edition, section 12.3, written afresh, and but for the weights the
    1st, section 8.3: the content, the style and the picture go through the network together, every time; all is
    summed; and each layer's style is divided by the picture's size and its 3 colours.
    """
    height, width, _ = content.shape
    extract = keras.Model(network.model.input, {layer.name: layer.output for layer in network.model.layers[1:]})
    preprocess = network.preprocessing.preprocess
    still = [tf.constant(preprocess(picture)[None]) for picture in (content, style)]
    # The book's variation belongs to VGG's range, in which black and white are 255 apart; here it is 1 for VGG.
    black, white = (preprocess(np.full((1, 1, 3), value, np.float32)) for value in (0, 1))
    variation_unit = (255 / float((white - black)[0, 0, 0])) ** 2.5

    def summed_gram(activations):
        rows = tf.reshape(tf.transpose(activations, (2, 0, 1)), (tf.shape(activations)[-1], -1))
        return tf.matmul(rows, rows, transpose_b=True)

    def loss_of(picture):
        seen = extract(tf.concat([*still, picture], axis=0))
        deep = seen[network.presets.content]
        loss = weights["content"] * tf.reduce_sum(tf.square(deep[2] - deep[0]))
        for layer in network.presets.style:
            difference = summed_gram(seen[layer][1]) - summed_gram(seen[layer][2])
            share = weights["style"] / len(network.presets.style)
            loss += share * tf.reduce_sum(tf.square(difference)) / (4.0 * 3**2 * float(height * width) ** 2)
        down = tf.square(picture[:, :-1, :-1] - picture[:, 1:, :-1])
        right = tf.square(picture[:, :-1, :-1] - picture[:, :-1, 1:])
        return loss + weights["variation"] * variation_unit * tf.reduce_sum(tf.pow(down + right, 1.25))

    @tf.function
    def objective(picture):
        with tf.GradientTape() as tape:
            loss = loss_of(picture)
        return loss, tape.gradient(loss, picture)

    return objective


class Task:
    """Photograph, painting and network at one height; the book's loss by the notebook's objective and by the recipe."""

    def __init__(self, height: int, edition: str = "second edition") -> None:
        self.network = pretrained.load_network("vgg19", "vgg16")
        self.content = images.fit(photographs.load_picture("china").pixels, height)
        self.style = images.resize(photographs.load_picture("starry_night").pixels, *self.content.shape[:2])
        names = ("make_objective", "measure_targets", "books", "PRESETS", "minimise", "follow_gradient")
        self.notebook = lift(NOTEBOOK, *names)
        presets, preprocess = self.network.presets, self.network.preprocessing.preprocess
        features = pretrained.features(self.network, [*presets.style, presets.content])
        layers = (presets.content, presets.style)
        self.targets = self.notebook.measure_targets(
            features, preprocess, layers, self.content, self.style, self.notebook.books
        )
        self.weights = self.notebook.PRESETS[edition]
        self.objective = self.notebook.make_objective(features, preprocess)
        self.recipe = recipe_objective(self.network, self.content, self.style, self.weights)
        self.picture = tf.Variable(preprocess(self.content)[None])

    def recipe_step(self) -> float:
        return float(self.recipe(self.picture)[0])

    def our_step(self) -> float:
        weights = {name: tf.constant(weight, tf.float32) for name, weight in self.weights.items()}
        return float(self.objective(tf.constant(self.content), self.targets, weights)[0]["total"])


def step(sizes: Sizes) -> list[Row]:
    """Return the row of a step's seconds at equal loss."""
    task = Task(sizes.style_height)
    losses = task.recipe_step(), task.our_step()
    np.testing.assert_allclose(*losses, rtol=1e-3)
    say(f"style step with {task.network.name}: loss {losses[0]:.6g} and {losses[1]:.6g}")
    rates = interleaved_rates((task.recipe_step, 1), (task.our_step, 1), 3 * sizes.repeats)
    remark = f"the same loss both ways: {losses[0]:.6g} and {losses[1]:.6g}, with {task.network.name}."
    height, width, _ = task.content.shape
    forward = [convolutions(task.network, height, width, whole) for whole in (True, False)]
    flop = 3 * 2 * forward[0], 2 * forward[1]  # to a gradient for the picture is as far back as it was forward
    notes = [remark, f"the convolutions of a step: {flop[0] / 1e9:.3g} and {flop[1] / 1e9:.3g} GFLOP."]
    job = f"style transfer, steps at equal loss, {task.network.name}, {height}x{width}"
    return [rate_row(job, "per second", *rates, "2.4", notes, flop)]


def convolutions(network: pretrained.Backbone, height: int, width: int, whole: bool) -> float:
    """Return the floating-point operations of a picture's way through the convolutions of a network without branches.

    Args:
        network: VGG, say.
        height, width: of the picture, in pixels.
        whole: through all layers, as the recipe goes; otherwise as far as the last layer that the losses look at.
    """
    used, shape, total = {*network.presets.style, network.presets.content}, (1, height, width, 3), 0.0
    for layer in network.model.layers[1:]:
        shape = layer.compute_output_shape(shape)
        if isinstance(layer, keras.layers.Conv2D):
            total += 2.0 * np.prod(layer.kernel.shape) * shape[1] * shape[2]
        used.discard(layer.name)
        if not used and not whole:
            break
    return total


class Race:
    """L-BFGS, SGD and the recipe's step in turn, in small portions, so that other work on the machine hits all alike.

    Attributes:
        reached: (loss, seconds) of L-BFGS at each of its evaluations; seconds are its own only.
        sgd_seconds, goal: SGD's own seconds, and the loss at its last step.
        recipe_seconds: of each step of the recipe that was timed.
    """

    def __init__(self, task: Task, sizes: Sizes) -> None:
        self.task, self.sizes = task, sizes
        self.picture, self.done, self.goal = task.content, 0, np.inf
        self.sgd_seconds, self.seconds, self.recipe_seconds = 0.0, 0.0, []
        self.reached: list[tuple[float, float]] = []

    def run(self) -> None:
        task, count = self.task, self.sizes.race_evaluations
        given = (task.objective, task.targets, task.weights, task.content, count)
        self.descent = Descent(task.content, count, report=self._turn)
        self._resumed = time.perf_counter()
        with self.descent:
            task.notebook.minimise(*given, self.descent)
        _stop_if_interrupted(self.descent)
        while self.done < self.sizes.style_steps:  # L-BFGS may end before its budget does
            self._follow(self.sizes.style_steps - self.done)

    def _turn(self, text: str, fraction: float, picture: np.ndarray) -> None:
        """Stop L-BFGS's clock after an evaluation, let the two others run for a while, and start it again."""
        self.seconds += time.perf_counter() - self._resumed
        self.reached.append((self.descent.history[-1]["total"], self.seconds))
        self._follow(round(fraction * self.sizes.style_steps) - self.done)
        if len(self.reached) % 5 == 1:
            self.recipe_seconds.append(seconds_of(self.task.recipe_step))
            say(f"SGD {self.goal:.5g} after {self.sgd_seconds:.0f} s, L-BFGS {text} after {self.seconds:.0f} s")
        self._resumed = time.perf_counter()

    def _follow(self, steps: int) -> None:
        """Take SGD's next steps, its rate where it was left."""
        if steps <= 0:
            return
        task, rate = self.task, 100 / 255**2 * 0.96 ** (self.done / 100)
        schedule = keras.optimizers.schedules.ExponentialDecay(rate, decay_steps=100, decay_rate=0.96)
        descent = Descent(self.picture, steps, report=lambda *_, **__: None)
        optimizer = keras.optimizers.SGD(schedule)
        with descent:
            given = (task.objective, task.targets, task.weights, self.picture, steps)
            self.picture = task.notebook.follow_gradient(*given, optimizer, descent)
        _stop_if_interrupted(descent)
        self.done += steps
        if descent.history:
            self.sgd_seconds += descent.history[-1]["seconds"]
            self.goal = descent.history[-1]["total"]


def _stop_if_interrupted(descent: Descent) -> None:
    """A descent keeps its picture when it is interrupted, and goes on; a measurement ends."""
    if not descent.is_complete:
        raise KeyboardInterrupt


def optimisers(sizes: Sizes) -> list[Row]:
    """Return the rows of seconds to the loss of the recipe's SGD: with targets measured once, and as printed."""
    task = Task(sizes.race_height)
    task.our_step(), task.recipe_step()  # traced before the clock runs
    race = Race(task, sizes)
    race.run()
    hits = [place for place, (loss, _) in enumerate(race.reached) if loss <= race.goal]
    ours = race.reached[hits[0] if hits else -1][1]
    printed = sizes.style_steps * statistics.median(race.recipe_seconds)
    height, width, _ = task.content.shape
    job = f"style transfer, {height}x{width}: seconds to the loss of {sizes.style_steps} SGD steps"
    remark = (
        f"L-BFGS: {hits[0] + 1 if hits else 'no'} evaluations to a loss of {race.goal:.4g}, with {task.network.name}; "
        "the three took turns."
    )
    note = f"{len(race.recipe_seconds)} steps of the recipe were timed (median {printed / sizes.style_steps:.2f} s)."
    rows = (("same targets", race.sgd_seconds, "15", remark), ("three images a step", printed, "40", note))
    return [
        Row(f"{job}, {way}", "s", theirs, ours, (theirs / ours,) if hits else (), goal, bool(hits), [text])
        for way, theirs, goal, text in rows
    ]
