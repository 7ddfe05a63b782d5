"""GAN on faces: the second edition's recipe as printed, with a shared fake, and notebook 05's own networks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from bench.measure import SEED, Sizes, interleaved_rates, matmul_gflops, say, train_for_seconds
from bench.report import Row, rate_row
from helpers import images, latents
from helpers.data import faces as face_data
from helpers.metrics.pictures import feature_model, kernel_inception_distance, picture_features
from helpers.training.batches import PictureBatches
from tools.lift import lift

NOTEBOOK = Path(__file__).resolve().parents[1] / "notebooks" / "05_dcgan.ipynb"
LATENT = 128  # as the second edition has it
LIFTED = ("book_generator", "book_discriminator", "book_gan", "face_gan", "paint", "operations", "step_operations")


class RecipeGAN(keras.Model):
    """Chollet, *Deep Learning with Python*, 2nd edition, section 12.5, written afresh: there 1 stands for fake."""

    def __init__(self, generator: keras.Model, discriminator: keras.Model) -> None:
        super().__init__()
        self.generator, self.discriminator, self.built = generator, discriminator, True
        self.compile(optimizer=None, jit_compile=False)
        self.players = keras.optimizers.Adam(1e-4), keras.optimizers.Adam(1e-4)
        self.loss_of = keras.losses.BinaryCrossentropy(from_logits=True)

    def train_step(self, data):
        count = tf.shape(data[0])[0]
        fakes = self.generator(tf.random.normal((count, LATENT)))
        labels = tf.concat([tf.ones((count, 1)), tf.zeros((count, 1))], axis=0)
        labels += 0.05 * tf.random.uniform(tf.shape(labels))
        with tf.GradientTape() as tape:
            loss = self.loss_of(labels, self.discriminator(tf.concat([fakes, data[0]], axis=0), training=True))
        weights = self.discriminator.trainable_weights
        self.players[0].apply(tape.gradient(loss, weights), weights)
        with tf.GradientTape() as tape:
            fakes = self.generator(tf.random.normal((count, LATENT)))
            fooling = self.loss_of(tf.zeros((count, 1)), self.discriminator(fakes))
        weights = self.generator.trainable_weights
        self.players[1].apply(tape.gradient(fooling, weights), weights)
        return {"discriminator_loss": loss, "generator_loss": fooling}


def _models() -> tuple[object, dict[str, keras.Model]]:
    """Return the notebook's functions, and the three models by name."""
    notebook = lift(NOTEBOOK, *LIFTED)
    recipe = RecipeGAN(notebook.book_generator(LATENT), notebook.book_discriminator())
    return notebook, {"recipe": recipe, "shared": notebook.book_gan(), "ours": notebook.face_gan()}


def training(sizes: Sizes) -> list[Row]:
    """Return the rows of pictures trained on in a second: the book's network with a shared fake, and ours."""
    notebook, models = _models()
    faces = face_data.load_faces(sizes.gan_steps * sizes.gan_batch, 1)
    dataset = PictureBatches(faces.train_images, sizes.gan_batch, SEED, flip=True)(0)
    few = dataset.take(max(1, sizes.gan_steps // 10))  # the book's steps take seconds

    def trains(name: str, share: tf.data.Dataset) -> tuple[Callable, float]:
        return (lambda: models[name].fit(share, shuffle=False, verbose=0)), len(share) * sizes.gan_batch

    peak, rows = matmul_gflops(), []
    for name, share, goal, job in (
        ("shared", few, 1.2, "GAN training, the book's network, pictures"),
        ("ours", dataset, 30, "GAN training, faces"),
    ):
        rates = interleaved_rates(trains("recipe", few), trains(name, share), sizes.repeats)
        recipe, ours = (models[each] for each in ("recipe", name))
        costs = (
            notebook.step_operations(recipe.generator, recipe.discriminator, paintings=2),
            notebook.step_operations(ours.generator, ours.discriminator),
        )
        speeds = [cost * float(np.median(found)) / 1e9 for cost, found in zip(costs, rates, strict=True)]
        say(f"{job}: {speeds[0]:.0f} and {speeds[1]:.0f} of {peak:.0f} GFLOP/s")
        remarks = [
            f"arithmetic a picture: {costs[0] / 1e9:.2f} and {costs[1] / 1e9:.2f} GFLOP, so "
            f"{speeds[0] / peak:.2f} and {speeds[1] / peak:.2f} of what a product of two matrices reached "
            f"({peak:.0f} GFLOP/s). The arithmetic alone would allow {costs[0] / costs[1]:.3g} times.",
        ]
        rows.append(rate_row(job, "per second", *rates, goal, remarks, costs))
    return rows


def quality(sizes: Sizes) -> list[Row]:
    """Return the row of KIDs to held-out faces after the same seconds of training, compiling not counted."""
    keras.utils.set_random_seed(sizes.seed)
    notebook, models = _models()
    faces = face_data.load_faces(sizes.gan_faces, sizes.gan_scored)
    net = feature_model()
    held_out = picture_features(net, faces.test_images)
    z = latents.fixed_noise(len(held_out), LATENT, sizes.seed + 5)
    found, remarks = {}, []
    for name in ("recipe", "ours"):
        batches = PictureBatches(faces.train_images, sizes.gan_batch, sizes.seed, flip=True)
        pictures = train_for_seconds(models[name], batches, sizes.gan_seconds) * sizes.gan_batch
        painted = _painted(notebook, models[name], z)
        features = picture_features(net, painted)
        found[name] = kernel_inception_distance(held_out, features, subset_size=max(2, len(held_out) // 2))
        remarks.append(f"{name}: {pictures:,} pictures in {sizes.gan_seconds:.0f} s, KID {found[name]}.")
        say(remarks[-1])
    floor = kernel_inception_distance(
        held_out, picture_features(net, faces.train_images[: len(held_out)]), subset_size=len(held_out) // 2
    )
    remarks += [
        f"real faces against real faces: KID {floor}. Subsets of {len(held_out) // 2}; compiling not counted.",
        net.caution,
    ]
    job, theirs, ours = f"GAN, KID to held-out faces after {sizes.gan_seconds:.0f} s", found["recipe"], found["ours"]
    # Both KIDs are far above 0, where a ratio would mean nothing.
    return [Row(job, "KID", theirs.mean, ours.mean, (theirs.mean / ours.mean,), 2, remarks=remarks)]


def _painted(notebook: object, model: keras.Model, z: np.ndarray) -> np.ndarray:
    if isinstance(model, RecipeGAN):
        some = [model.generator(part).numpy() for part in np.split(z, range(20, len(z), 20))]
        return images.to_uint8(np.concatenate(some))
    return notebook.paint(model.averaged, z)
