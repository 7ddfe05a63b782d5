"""A training of a linear model, and what is compared of trainings; for the tests."""

import keras
import numpy as np
import tensorflow as tf

from helpers.networks.weights import values_of
from helpers.training.loop import Training


def line_batches(epoch, bad_epoch=None):
    x = np.random.default_rng(epoch).normal(size=(12, 3)).astype(np.float32)
    y = x @ np.array([[1.0], [-2.0], [0.5]], np.float32)
    if epoch == bad_epoch:
        x[7] = np.nan
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(4)


def line_model(loss="mse", eager=False, dropout=0.1):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dropout(dropout), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.1), loss, run_eagerly=eager)
    return model


def weights_of(model):
    return np.concatenate([array.ravel() for array in values_of(model.weights)])


def number_gan(nb, rate=1e-3, **choices):
    """Return notebook 05's GAN of single numbers, from what was lifted out of it."""
    keras.utils.set_random_seed(4)
    gan = nb.GAN(nb.number_generator(), nb.number_discriminator(), **choices)
    gan.compile(rate, rate)
    return gan


def all_equal(ones, others):
    return all(np.array_equal(one, other) for one, other in zip(ones, others, strict=True))


class Validation:
    """Gives the figures it was made with, one a call, and remembers the weights it saw."""

    def __init__(self, model, figures):
        self.model, self.figures, self.seen = model, iter(figures), []

    def __call__(self):
        self.seen.append(weights_of(self.model))
        figure = next(self.figures)
        if isinstance(figure, BaseException):
            raise figure
        return {"validation": figure}


def start(folder, figures, settings=None, **options):
    model = line_model(**options)
    return Training(model, folder, settings or {"seed": 1}), Validation(model, figures)


def figures(history):
    return [{name: value for name, value in record.items() if name != "seconds"} for record in history]
