"""Style transfer: a step and a whole optimisation, by the second edition's recipe and as in notebook 03."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from bench.measure import Sizes, interleaved_rates, say, seconds_of
from bench.report import Row, rate_row
from helpers import backbones, images, pictures
from helpers.descent import Descent
from tools.lift import lift

NOTEBOOK = Path(__file__).resolve().parents[1] / "notebooks" / "03_neural_style_transfer.ipynb"
EDITION = "second edition"


def recipe_objective(network: backbones.Backbone, content: np.ndarray, style: np.ndarray) -> Callable:
    """Return the book's step: (1, height, width, 3) in the network's range → loss, gradient.

    Chollet, *Deep Learning with Python*, 2nd edition, section 12.3, written afresh: the content, the style and
    the picture go through the network together, every time; all is summed; and each layer's style is divided by
    the picture's size and its 3 colours.
    """
    height, width, _ = content.shape
    extract = keras.Model(network.model.input, {layer.name: layer.output for layer in network.model.layers[1:]})
    still = [tf.constant(network.preprocessing.preprocess(picture)[None]) for picture in (content, style)]

    def summed_gram(activations):
        rows = tf.reshape(tf.transpose(activations, (2, 0, 1)), (tf.shape(activations)[-1], -1))
        return tf.matmul(rows, rows, transpose_b=True)

    def loss_of(picture):
        seen = extract(tf.concat([*still, picture], axis=0))
        deep = seen[network.presets.content]
        loss = 2.5e-8 * tf.reduce_sum(tf.square(deep[2] - deep[0]))
        for layer in network.presets.style:
            difference = summed_gram(seen[layer][1]) - summed_gram(seen[layer][2])
            share = 1e-6 / len(network.presets.style)
            loss += share * tf.reduce_sum(tf.square(difference)) / (4.0 * 3**2 * float(height * width) ** 2)
        down = tf.square(picture[:, :-1, :-1] - picture[:, 1:, :-1])
        right = tf.square(picture[:, :-1, :-1] - picture[:, :-1, 1:])
        return loss + 1e-6 * tf.reduce_sum(tf.pow(down + right, 1.25))

    @tf.function
    def objective(picture):
        with tf.GradientTape() as tape:
            loss = loss_of(picture)
        return loss, tape.gradient(loss, picture)

    return objective


class Task:
    """Photograph, painting and network at one height; the book's loss by the notebook's objective and by the recipe."""

    def __init__(self, height: int) -> None:
        self.network = backbones.load_first("vgg19", "vgg16")
        self.content = images.fit(pictures.load("china").pixels, height)
        self.style = images.resize(pictures.load("starry_night").pixels, *self.content.shape[:2])
        names = ("make_objective", "measure_targets", "books", "PRESETS", "minimise", "follow_gradient")
        self.notebook = lift(NOTEBOOK, *names)
        presets, preprocess = self.network.presets, self.network.preprocessing.preprocess
        features = backbones.features(self.network, [*presets.style, presets.content])
        layers = (presets.content, presets.style)
        self.targets = self.notebook.measure_targets(
            features, preprocess, layers, self.content, self.style, self.notebook.books
        )
        self.weights = self.notebook.PRESETS[EDITION]
        self.objective = self.notebook.make_objective(features, preprocess)
        self.recipe = recipe_objective(self.network, self.content, self.style)
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
    return [rate_row(f"style transfer, steps at {height}x{width}", "per second", *rates, "2.4", [remark])]


@dataclass
class Race:
    """Seconds and losses of SGD (all steps) and of several runs of L-BFGS."""

    sgd_seconds: float
    goal: float
    runs: list[Descent]

    def reached(self) -> list[tuple[float, int]]:
        """Return, for each run of L-BFGS that got there, the seconds and the evaluations to the goal."""
        found = []
        for run in self.runs:
            hits = [place for place, record in enumerate(run.history) if record["total"] <= self.goal]
            found += [(run.history[hits[0]]["seconds"], hits[0] + 1)] if hits else []
        return found


def optimisers(sizes: Sizes) -> list[Row]:
    """Return the rows of seconds to the loss of the recipe's SGD: with targets measured once, and as printed."""
    task = Task(sizes.race_height)
    task.our_step(), task.recipe_step()  # traced before the clock runs
    recipe_seconds: list[float] = []
    race = run_race(task, sizes, lambda: recipe_seconds.append(seconds_of(task.recipe_step)))
    reached, height, width = race.reached(), *task.content.shape[:2]
    seconds = [seconds for seconds, _ in reached] or [run.history[-1]["seconds"] for run in race.runs]
    ours, printed = statistics.median(seconds), sizes.style_steps * statistics.median(recipe_seconds)
    goal = (
        f"style transfer, {height}x{width}: seconds to a loss of {race.goal:.4g}, that of {sizes.style_steps} SGD steps"
    )
    remark = f"L-BFGS: {', '.join(str(count) for _, count in reached) or 'no'} evaluations; {task.network.name}."
    note = f"{len(recipe_seconds)} steps were timed (median {statistics.median(recipe_seconds):.3f} s), not all."
    return [
        Row(
            f"{goal}, same targets",
            "s",
            race.sgd_seconds,
            ours,
            tuple(race.sgd_seconds / each for each in seconds if reached),
            "15",
            bool(reached),
            [remark],
        ),
        Row(
            f"{goal}, three images a step",
            "s",
            printed,
            ours,
            tuple(printed / each for each in seconds if reached),
            "40",
            bool(reached),
            [note],
        ),
    ]


def run_race(task: Task, sizes: Sizes, between: Callable[[], object]) -> Race:
    """Run SGD in as many stretches as there are repeats, and after each a whole L-BFGS: other work hits both."""
    given, silent = (task.objective, task.targets, task.weights), lambda *_, **__: None
    picture, seconds, runs = task.content, 0.0, []
    for repeat in range(sizes.repeats):
        done = sizes.style_steps * repeat // sizes.repeats
        count = sizes.style_steps * (repeat + 1) // sizes.repeats - done
        decayed = 100 / 255**2 * 0.96 ** (done / 100)  # as if it had not been interrupted
        rate = keras.optimizers.schedules.ExponentialDecay(decayed, decay_steps=100, decay_rate=0.96)
        optimizer, sgd = keras.optimizers.SGD(rate), Descent(picture, count, report=silent)
        with sgd:
            picture = task.notebook.follow_gradient(*given, picture, count, optimizer, sgd)
        seconds, goal = seconds + sgd.history[-1]["seconds"], sgd.history[-1]["total"]
        say(f"SGD: {goal:.5g} after {seconds:.0f} s")
        runs.append(Descent(task.content, sizes.race_evaluations, report=silent))
        with runs[-1]:
            task.notebook.minimise(*given, task.content, sizes.race_evaluations, runs[-1])
        say(f"L-BFGS: {runs[-1].best:.5g} after {runs[-1].history[-1]['seconds']:.0f} s")
        for _ in range(4):
            between()
    return Race(seconds, goal, runs)
