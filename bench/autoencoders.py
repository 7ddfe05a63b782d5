"""Garments rebuilt by Foster's autoencoder, digits by the first edition's variational one, beside notebook 04's."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from bench.measure import Sizes, train_for_seconds
from bench.report import Row
from bench.vae import NOTEBOOK, RecipeVAE, trained
from helpers import images
from helpers.data import digits as digit_data
from helpers.training.batches import PictureBatches
from tools.lift import lift

GARMENT_BATCH, DIGIT_BATCH, OUR_BATCH = 100, 16, 64  # the books', and our notebook's


def garment_recipe() -> keras.Model:
    """Foster, *Generative Deep Learning*, 2nd edition, chapter 3: pictures (n, 32, 32, 1) → pictures, by 2 numbers."""
    shape = {"strides": 2, "padding": "same", "activation": "relu"}
    halvings = [layers.Conv2D(channels, 3, **shape) for channels in (32, 64, 128)]
    doublings = [layers.Conv2DTranspose(channels, 3, **shape) for channels in (128, 64, 32)]
    middle = [layers.Flatten(), layers.Dense(2), layers.Dense(4 * 4 * 128), layers.Reshape((4, 4, 128))]
    last = layers.Conv2D(1, 3, padding="same", activation="sigmoid")
    model = keras.Sequential([keras.Input((32, 32, 1)), *halvings, *middle, *doublings, last])
    model.compile("adam", "binary_crossentropy", jit_compile=False)
    return model


def garments(sizes: Sizes) -> list[Row]:
    """Return the row of the cross-entropy of rebuilt held-out garments after the same seconds of training."""
    keras.utils.set_random_seed(sizes.seed)
    notebook = lift(NOTEBOOK, "build_autoencoder", "cross_entropy", "framed")
    data = digit_data.load_fashion_mnist(*sizes.autoencoded)
    pictures, held_out = notebook.framed(data.train_images), images.as_floats(notebook.framed(data.test_images))

    def built(rate: object) -> keras.Model:
        model = notebook.build_autoencoder(2)
        model.compile(keras.optimizers.Adam(rate), notebook.cross_entropy, jit_compile=False)
        return model

    recipe = garment_recipe()
    model, seen = _both_trained((recipe, pictures, GARMENT_BATCH), (built, pictures), sizes)
    rebuilt = recipe.predict(held_out, verbose=0).clip(1e-7, 1 - 1e-7)
    logits = np.log(rebuilt / (1 - rebuilt)), model.predict(held_out, verbose=0)
    nats = [float(notebook.cross_entropy(held_out, one)) for one in logits]
    remark = f"{seen} {len(held_out):,} held-out ones, 32x32, by 2 numbers each."
    job = f"autoencoder of garments, held-out cross-entropy of a pixel after {sizes.autoencoder_seconds:g} s"
    return [Row(job, "nats", *nats, goal=0, remarks=[remark])]


def first_edition_loss(pictures, decoded, mean, log_variance):
    """Chollet, *Deep Learning with Python*, 1st edition, section 8.4, on digits of 28x28.

    The mean cross-entropy of a pixel, less 0.0005 times a mean over the latents.
    """
    crossed = tf.nn.sigmoid_cross_entropy_with_logits(pictures, decoded)
    inside = tf.reduce_mean(1 + log_variance - tf.square(mean) - tf.exp(log_variance))
    return tf.reduce_mean(crossed) - 5e-4 * inside


def digits(sizes: Sizes) -> list[Row]:
    """Return the row of the negative ELBO of held-out digits after the same seconds of training."""
    keras.utils.set_random_seed(sizes.seed)
    notebook = lift(NOTEBOOK, "VAE", "first_edition", "this_notebook", "framed")
    data = digit_data.load_mnist(*sizes.autoencoded)
    small, pictures = data.train_images[..., None], notebook.framed(data.train_images)

    def built(rate: object) -> keras.Model:
        model = notebook.VAE(*notebook.this_notebook(2))
        model.compile(keras.optimizers.Adam(rate), jit_compile=False)
        model(images.as_floats(pictures[:1]))
        return model

    recipe = RecipeVAE(*notebook.first_edition(2, side=28), first_edition_loss)
    recipe.compile(keras.optimizers.RMSprop(), jit_compile=False)
    model, seen = _both_trained((recipe, small, DIGIT_BATCH), (built, pictures), sizes)
    scored = notebook.VAE(recipe.encoder, recipe.decoder)
    held_out = data.test_images[..., None], notebook.framed(data.test_images)
    nats = [_negative_elbo(*pair) for pair in zip((scored, model), map(images.as_floats, held_out), strict=True)]
    remark = (
        f"{seen} Of 28x28 pixels, and the same with a black frame; {len(data.test_images):,} held-out ones. The book "
        "trains with a weight of 0.39 on the KL, and is scored with 1, as ours. It draws as "
        "ours here, not with exp(z_log_var)."
    )
    job = f"VAE, first edition: negative ELBO of held-out digits after {sizes.autoencoder_seconds:g} s"
    return [Row(job, "nats", *nats, goal=0, remarks=[remark])]


def _both_trained(
    recipe: tuple[keras.Model, np.ndarray, int], ours: tuple[Callable, np.ndarray], sizes: Sizes
) -> tuple[keras.Model, str]:
    """Train both for the same seconds; return our model, and how many pictures each was trained on, in words.

    `recipe` is the compiled model, its pictures and its batch; `ours` is what `trained` builds a model with, and its
    pictures.
    """
    model, pictures, batch = recipe
    batches = PictureBatches(pictures, min(batch, len(pictures)), sizes.seed)
    theirs = train_for_seconds(model, batches, sizes.autoencoder_seconds) * batches.batch_size
    build, pictures = ours
    batches = PictureBatches(pictures, min(OUR_BATCH, len(pictures)), sizes.seed)
    model, count = trained(build, batches, sizes.autoencoder_seconds)
    return model, f"{theirs:,} and {count:,} pictures in {sizes.autoencoder_seconds:g} s, compiling not counted."


def _negative_elbo(model: keras.Model, pictures: np.ndarray) -> float:
    """Return the mean negative ELBO in nats a picture, of one draw for each."""
    model.compile(jit_compile=False)
    return float(model.evaluate(pictures, pictures, batch_size=100, verbose=0, return_dict=True)["loss"])
