"""VAE of faces: how well held-out ones are rebuilt, by Foster's recipe and as in notebook 04."""

from __future__ import annotations

import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from PIL import Image

from bench.measure import Sizes, say, train_for_seconds
from bench.report import Row
from bench.vae import NOTEBOOK, RecipeVAE, trained
from helpers.data import faces as face_data
from helpers.training.batches import PictureBatches
from tools.lift import lift

SIDE, LATENT, BATCH, OUR_BATCH = 32, 200, 128, 64  # the book's, and our notebook's batch


def recipe() -> RecipeVAE:
    """Return Foster's model, *Generative Deep Learning*, 2nd edition, chapter 3, the faces; pictures in [0, 1]."""

    def blocks(layer: type) -> list[keras.layers.Layer]:
        triples = [[layer(128, 3, 2, "same"), layers.BatchNormalization(), layers.LeakyReLU()] for _ in range(4)]
        return [each for triple in triples for each in triple]

    start = [layers.Dense(2 * 2 * 128), layers.BatchNormalization(), layers.LeakyReLU(), layers.Reshape((2, 2, 128))]
    end = layers.Conv2DTranspose(3, 3, 1, "same", activation="sigmoid")
    down, up = blocks(layers.Conv2D), blocks(layers.Conv2DTranspose)
    encoder = keras.Sequential([keras.Input((SIDE, SIDE, 3)), *down, layers.Flatten(), layers.Dense(2 * LATENT)])
    model = RecipeVAE(encoder, keras.Sequential([keras.Input((LATENT,)), *start, *up, end]), recipe_loss)
    model.compile(keras.optimizers.Adam(5e-4))
    return model


def recipe_loss(pictures, decoded, mean, log_variance):
    """2,000 times the mean squared error of a number, plus the KL of a picture."""
    divergence = -0.5 * (1 + log_variance - tf.square(mean) - tf.exp(log_variance))
    error = 2_000 * tf.reduce_mean(tf.square(pictures - decoded))
    return error + tf.reduce_mean(tf.reduce_sum(divergence, axis=1))


def rebuilding(sizes: Sizes) -> list[Row]:
    """Return the row of the error of rebuilt held-out faces after the same seconds of training."""
    keras.utils.set_random_seed(sizes.seed)
    faces = face_data.load_faces(sizes.gan_faces, sizes.gan_scored)
    halved = _halved(faces.test_images / np.float32(255))
    book, recipe_pictures = _recipe_trained(faces.train_images, sizes)
    ours, our_pictures = _ours_trained(faces.train_images, sizes)
    rebuilt = tf.sigmoid(ours.predict(faces.test_images / np.float32(255), verbose=0)).numpy()
    errors = _grey_levels(book.predict(halved, verbose=0), halved), _grey_levels(_halved(rebuilt), halved)
    mean = _grey_levels(_halved(faces.train_images.mean(axis=0, keepdims=True) / 255), halved)
    say(f"rebuilt faces: {errors[0]:.2f} and {errors[1]:.2f} grey levels")
    remarks = [
        f"{recipe_pictures:,} and {our_pictures:,} pictures in {sizes.face_seconds:g} s; compiling not counted.",
        f"both rebuild from the means of {len(halved)} held-out faces; ours, of 64x64, are halved before the "
        f"comparison. The mean face is {mean:.1f} grey levels of 255 away.",
    ]
    job = f"VAE of faces, error of rebuilt ones after {sizes.face_seconds:g} s"
    return [Row(job, "grey levels", *errors, (errors[0] / errors[1],), remarks=remarks)]


def _recipe_trained(pictures: np.ndarray, sizes: Sizes) -> tuple[keras.Model, int]:
    """Train as the book does, on JPEG files that are read anew in each epoch."""
    model, batch = recipe(), min(BATCH, len(pictures))
    with tempfile.TemporaryDirectory() as folder:
        for number, picture in enumerate(pictures):
            Image.fromarray(picture).save(Path(folder) / f"{number:06d}.jpg", quality=95)
        options = {"labels": None, "image_size": (SIDE, SIDE), "batch_size": batch, "seed": sizes.seed}
        dataset = keras.utils.image_dataset_from_directory(folder, **options, verbose=False)
        dataset = dataset.map(lambda pictures: pictures / 255)
        return model, train_for_seconds(model, lambda epoch: dataset, sizes.face_seconds) * batch


def _ours_trained(pictures: np.ndarray, sizes: Sizes) -> tuple[keras.Model, int]:
    """Train as notebook 04 does."""
    notebook = lift(NOTEBOOK, "VAE", "build_face_encoder", "build_face_decoder", "gaussian")
    batches = PictureBatches(pictures, min(OUR_BATCH, len(pictures)), sizes.seed, flip=True)

    def built(rate: object) -> keras.Model:
        model = notebook.VAE(notebook.build_face_encoder(), notebook.build_face_decoder(), notebook.gaussian)
        model.compile(keras.optimizers.Adam(rate), jit_compile=False)
        model(np.zeros((1, 64, 64, 3), np.float32))
        return model

    return trained(built, batches, sizes.face_seconds)


def _halved(pictures: np.ndarray) -> np.ndarray:
    """Return pictures (n, 64, 64, 3) at half their height and width; so does the book's bilinear resizing."""
    n, height, width, channels = pictures.shape
    return pictures.reshape(n, height // 2, 2, width // 2, 2, channels).mean(axis=(2, 4))


def _grey_levels(rebuilt: np.ndarray, pictures: np.ndarray) -> float:
    """Return the root of the mean squared difference of pictures in [0, 1], in levels of 255."""
    return 255 * float(np.sqrt(np.mean((rebuilt - pictures) ** 2)))
