"""Variational autoencoder: training and a grid of latents, by the second edition's recipe and as in notebook 04."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from bench.measure import (
    SEED,
    Sizes,
    interleaved_rates,
    matmul_gflops,
    say,
    seconds_of,
    seconds_per_step,
    train_for_seconds,
)
from bench.report import Row, rate_row
from helpers.data import digits
from helpers.training.batches import PictureBatches
from tools.lift import lift

NOTEBOOK = Path(__file__).resolve().parents[1] / "notebooks" / "04_variational_autoencoder.ipynb"
BATCH, GRID = 128, 30  # as the second edition has them


class RecipeVAE(keras.Model):
    """A book's variational autoencoder, `loss_of(pictures, decoded, mean, log_variance)` is the book's."""

    def __init__(self, encoder: keras.Model, decoder: keras.Model, loss_of: Callable) -> None:
        super().__init__()
        self.encoder, self.decoder, self.loss_of = encoder, decoder, loss_of

    def call(self, pictures):
        return self.decoder(tf.split(self.encoder(pictures), 2, axis=-1)[0])

    def train_step(self, data):
        pictures = data[0] if isinstance(data, tuple) else data
        with tf.GradientTape() as tape:
            mean, log_variance = tf.split(self.encoder(pictures, training=True), 2, axis=-1)
            z = mean + tf.exp(0.5 * log_variance) * tf.random.normal(tf.shape(mean))
            loss = self.loss_of(pictures, self.decoder(z, training=True), mean, log_variance)
        self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
        return {"loss": loss}


def second_edition_loss(pictures, decoded, mean, log_variance):
    """Chollet, *Deep Learning with Python*, 2nd edition, section 12.4: the divergence is a mean over the latents."""
    crossed = keras.losses.binary_crossentropy(pictures, tf.sigmoid(decoded))
    divergence = -0.5 * (1 + log_variance - tf.square(mean) - tf.exp(log_variance))
    return tf.reduce_mean(tf.reduce_sum(crossed, axis=(1, 2))) + tf.reduce_mean(divergence)


def arithmetic(model: keras.Model) -> float:
    """Return the floating-point operations of one picture's way through a model's convolutions and dense layers."""
    total = 0.0
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2DTranspose):
            total += 2 * np.prod(layer.kernel.shape) * np.prod(layer.input.shape[1:3])
        elif isinstance(layer, keras.layers.Conv2D):
            total += 2 * np.prod(layer.kernel.shape) * np.prod(layer.output.shape[1:3])
        elif isinstance(layer, keras.layers.Dense):
            total += 2 * np.prod(layer.kernel.shape)
    return float(total)


def trained(build: Callable, batches: PictureBatches, seconds: float) -> tuple[keras.Model, int]:
    """Train as notebook 04's `train` does, the rate falling over the steps that the seconds allow.

    `build` makes a compiled model of a schedule of the rate. Returns the model, and the number of pictures seen.
    """
    falling = lambda steps: keras.optimizers.schedules.CosineDecay(0.002, steps, alpha=0.01)  # noqa: E731
    steps = max(1, int(seconds / seconds_per_step(build(falling(1_000)), batches(0))))
    model = build(falling(steps))
    return model, train_for_seconds(model, batches, seconds) * batches.batch_size


def training(sizes: Sizes) -> list[Row]:
    """Return the row of pictures trained on in a second, with the second edition's network both ways."""
    notebook = lift(NOTEBOOK, "VAE", "second_edition", "framed")
    pictures = notebook.framed(digits.load_mnist(sizes.vae_steps * BATCH).train_images)
    dataset = PictureBatches(pictures, BATCH, SEED)(0)
    pipeline = len(pictures) / seconds_of(lambda: [None for _ in PictureBatches(pictures, BATCH, SEED)(1)])
    recipe = RecipeVAE(*notebook.second_edition(2), second_edition_loss)
    ours = notebook.VAE(*notebook.second_edition(2))
    recipe.compile(keras.optimizers.Adam(), run_eagerly=True)  # as the book does
    ours.compile(keras.optimizers.Adam(), jit_compile=False)
    share = dataset.take(max(1, sizes.vae_steps // 4))  # the recipe's steps are slow
    rates = interleaved_rates(
        (lambda: recipe.fit(share, verbose=0), len(share) * BATCH),
        (lambda: ours.fit(dataset, verbose=0), len(dataset) * BATCH),
        sizes.repeats,
    )
    operations = 3 * (arithmetic(ours.encoder) + arithmetic(ours.decoder))  # forward, and twice that backward
    speed, peak = operations * float(np.median(rates[1])) / 1e9, matmul_gflops()
    say(f"VAE training at {speed:.0f} of {peak:.0f} GFLOP/s")
    remarks = [
        f"the second edition's network on 32x32 digits, {operations / 1e6:.0f} MFLOP a picture: {speed:.0f} GFLOP/s, "
        f"{speed / peak:.2f} of the {peak:.0f} that a product of two matrices reached in that run (goal: half). The "
        "step is convolutions all through: what limits it is how well they run, and the recipe, which computes the "
        "same, is held up only by going step by step.",
        f"the input pipeline alone gives {pipeline:,.0f} pictures a second.",
    ]
    return [rate_row("VAE training, pictures", "per second", *rates, 4, remarks, (operations, operations))]


def grid(sizes: Sizes) -> list[Row]:
    """Return the row of decoded pictures in a second: one call of `predict` each, and a 30x30 grid at once."""
    notebook = lift(NOTEBOOK, "second_edition", "make_decode", "quantile_grid")
    decoder = notebook.second_edition(2)[1]
    decode, places = notebook.make_decode(decoder), notebook.quantile_grid(GRID)
    few = places[: sizes.vae_predictions]
    rates = interleaved_rates(
        (lambda: [decoder.predict(place[None], verbose=0) for place in few], len(few)),
        (lambda: decode(places), len(places)),
        sizes.repeats,
    )
    remark = f"{len(few)} calls of `predict` were timed, and the whole grid."
    flop = (arithmetic(decoder),) * 2
    return [rate_row(f"VAE, pictures of a {GRID}x{GRID} grid", "per second", *rates, 400, [remark], flop)]
