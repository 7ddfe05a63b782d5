"""Style transfer: a step and a whole optimisation, by the second edition's recipe and as in notebook 03."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from scipy.optimize import Bounds, minimize

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
        names = ("make_eye", "make_objective", "measure_targets", "book_scales", "PRESETS", "as_tensors")
        self.notebook = lift(NOTEBOOK, *names, "lbfgs", "follow_gradient")
        layers = [self.network.presets.content], list(self.network.presets.style)
        see = self.notebook.make_eye(self.network, [*layers[0], *layers[1]], border="CONSTANT")  # as in the book
        self.targets = self.notebook.measure_targets(see, self.content, self.style, *layers, self.notebook.book_scales)
        self.weights = self.notebook.PRESETS[edition]
        self.objective = self.notebook.make_objective(see)
        self.recipe = recipe_objective(self.network, self.content, self.style, self.weights)
        self.picture = tf.Variable(self.network.preprocessing.preprocess(self.content)[None])

    def recipe_step(self) -> float:
        return float(self.recipe(self.picture)[0])

    def our_step(self) -> float:
        weights = self.notebook.as_tensors(self.weights)
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
    return [rate_row(job, "per second", *rates, 2.4, notes, flop)]


def convolutions(network: pretrained.Backbone, height: int, width: int, whole: bool) -> float:
    """Return the floating-point operations of a picture's way through the convolutions of VGG.

    The recipe goes the `whole` way, ours to the last layer that the losses look at.
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


def descend(task: Task, method: Callable, evaluations: int, *optimizer: keras.optimizers.Optimizer) -> list[dict]:
    """Return the records ("total", "seconds") of a descent by a function of the notebook; Ctrl-C ends the bench."""
    with Descent(task.content, evaluations, report=lambda *_, **__: None) as descent:
        method(task.objective, task.targets, task.weights, task.content, *optimizer, descent)
    if not descent.is_complete:  # interrupted: a notebook would keep the picture and go on
        raise KeyboardInterrupt
    return descent.history


def scipy_lbfgs(objective: Callable, targets: dict, weights: dict, start: np.ndarray, descent: Descent) -> None:
    """Change `start` within [0, 1] by SciPy's L-BFGS-B, without its tests of convergence."""
    tensors = {name: tf.constant(weight, tf.float32) for name, weight in weights.items()}

    def loss_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
        picture = tf.constant(flat.reshape(start.shape), tf.float32)
        losses, gradient = objective(picture, targets, tensors)
        descent.keep(picture, losses)
        return float(losses["total"]), gradient.numpy().ravel().astype(np.float64)

    most = int(descent.evaluations)
    options = {"maxfun": most, "maxiter": most, "maxcor": 10, "gtol": 0, "ftol": 0}
    minimize(loss_and_gradient, start.ravel(), jac=True, method="L-BFGS-B", bounds=Bounds(0, 1), options=options)


def race_row(job: str, theirs: float, history: list[dict], loss: float, goal: float, remark: str) -> Row:
    """Return the row of `theirs`, the seconds of a recipe to a loss, and of L-BFGS's seconds to the same loss."""
    hits = [place for place, record in enumerate(history) if record["total"] <= loss]
    ours = history[hits[0] if hits else -1]["seconds"]
    remark += f" Ours: {hits[0] + 1 if hits else f'not after {len(history)}'} evaluations."
    return Row(job, "s", theirs, ours, (theirs / ours,) if hits else (), goal, bool(hits), [remark])


def optimisers(sizes: Sizes) -> list[Row]:
    """Return the rows of seconds to the loss of the recipe's SGD: with targets measured once, and as printed."""
    task = Task(sizes.race_height)
    task.our_step(), task.recipe_step()  # traced before the clock runs
    schedule = keras.optimizers.schedules.ExponentialDecay(100 / 255**2, decay_steps=100, decay_rate=0.96)
    by_sgd = descend(task, task.notebook.follow_gradient, sizes.style_steps, keras.optimizers.SGD(schedule))
    loss, seconds = by_sgd[-1]["total"], by_sgd[-1]["seconds"]
    say(f"SGD: {loss:.5g} after {seconds:.0f} s")
    history = descend(task, task.notebook.lbfgs, sizes.race_evaluations)
    step_seconds = statistics.median(seconds_of(task.recipe_step) for _ in range(5 * sizes.repeats))
    height, width, _ = task.content.shape
    job = f"style transfer, {height}x{width}: seconds to the loss of {sizes.style_steps} SGD steps"
    remark = f"{task.network.name}; a loss of {loss:.4g}."
    note = f"{5 * sizes.repeats} steps of the recipe were timed (median {step_seconds:.2f} s)."
    return [
        race_row(f"{job}, same targets", seconds, history, loss, 15, remark),
        race_row(f"{job}, three images a step", sizes.style_steps * step_seconds, history, loss, 40, note),
    ]


def beside_scipy(sizes: Sizes) -> list[Row]:
    """Return the row of seconds to the loss of SciPy's L-BFGS, by SciPy's and by the notebook's."""
    task = Task(sizes.style_height)
    task.our_step()  # traced before the clock runs
    by_scipy = descend(task, scipy_lbfgs, sizes.race_evaluations)
    ours = descend(task, task.notebook.lbfgs, sizes.race_evaluations * 5 // 4)  # about as many seconds
    evaluation = statistics.median(seconds_of(task.our_step) for _ in range(5 * sizes.repeats))
    own = [history[-1]["seconds"] / len(history) - evaluation for history in (by_scipy, ours)]
    loss, seconds = min(record["total"] for record in by_scipy), by_scipy[-1]["seconds"]
    height, width, _ = task.content.shape
    job = f"style transfer, {height}x{width}: seconds to the loss of {len(by_scipy)} evaluations of SciPy's L-BFGS"
    remark = f"an evaluation with {task.network.name} takes {evaluation:.3f} s, own work {own[0]:.3f} and {own[1]:.3f}."
    return [race_row(job, seconds, ours, loss, 1, remark)]
