"""Batches of pictures and of text, in an order that a seed and the number of the epoch decide."""

import numpy as np
import tensorflow as tf

from helpers.session import UserError


class PictureBatches:
    """Gives each epoch's batches of pictures: `batches(epoch)`.

    The pictures are in memory once, as bytes; a batch becomes floats when it is used. The same pictures and the same
    seed give the same batches.
    """

    def __init__(self, pictures: np.ndarray, batch_size: int, seed: int, flip: bool = False) -> None:
        """Take the pictures to draw from.

        Args:
            pictures: uint8 `(n, height, width, channels)`, values 0–255.
            batch_size: pictures in a batch; an epoch leaves out those that do not fill a batch.
            seed: of the order and of the mirroring.
            flip: whether to mirror each picture, left to right, every other time on average.

        Raises:
            UserError: the pictures have another shape or type, or are too few for a batch.
        """
        pictures = np.asarray(pictures)
        if pictures.ndim != 4 or pictures.dtype != np.uint8:
            raise UserError(
                f"pictures must be bytes (uint8) of shape (n, height, width, channels), not {pictures.dtype} "
                f"{pictures.shape}. Add the last axis, or turn values in 0-1 into 0-255."
            )
        if len(pictures) < batch_size:
            raise UserError(
                f"{len(pictures)} pictures do not fill a batch of {batch_size}. Give more, or a smaller batch."
            )
        self._pictures = tf.constant(pictures)
        self.batch_size, self._seed, self._flip = batch_size, seed, flip

    def __call__(self, epoch: int) -> tf.data.Dataset:
        """Return the batches of an epoch, from 0: float32 pictures in [0, 1], each as input and as target."""
        generator = np.random.default_rng((self._seed, epoch))
        order = generator.permutation(len(self._pictures))
        mirrored = generator.random(len(order)) < (0.5 if self._flip else 0.0)
        rows = tf.data.Dataset.from_tensor_slices((order, mirrored)).batch(self.batch_size, drop_remainder=True)
        return untuned(rows.map(self._batch, num_parallel_calls=2, deterministic=True).prefetch(2))

    def _batch(self, rows: tf.Tensor, mirrored: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        batch = tf.gather(self._pictures, rows)
        if self._flip:  # as long as they are bytes: a quarter of the memory to move
            batch = tf.where(mirrored[:, None, None, None], batch[:, :, ::-1], batch)
        batch = tf.cast(batch, tf.float32) / 255
        return batch, batch


def in_order(pictures: np.ndarray, batch_size: int = 500) -> tf.data.Dataset:
    """Return all pictures as batches in their own order, for scoring: float32 in [0, 1], input and target the same.

    Args:
        pictures: uint8 `(n, height, width, channels)`, values 0–255.
        batch_size: the most pictures in a batch.
    """
    batches = tf.data.Dataset.from_tensor_slices(pictures).batch(batch_size)
    return untuned(batches.map(lambda batch: (tf.cast(batch, tf.float32) / 255,) * 2).prefetch(1))


def window_batches(ids: np.ndarray, length: int, batch_size: int, seed: int, epoch: int) -> tf.data.Dataset:
    """Cut a text into windows and return shuffled batches of (inputs, targets), each `(batch_size, length)` int32.

    A target is the symbol that follows its input, so the targets are the inputs moved by one place.
    The windows lie side by side. Their order and the place of the first depend on `seed` and `epoch` alone, so an epoch
    can be repeated exactly. Every epoch has the same number of batches.

    Raises:
        UserError: the text is too short for one batch of windows.
    """
    generator = np.random.default_rng((seed, epoch))
    starts = np.arange(generator.integers(length), len(ids) - length, length)
    generator.shuffle(starts)
    batches = (len(ids) // length - 1) // batch_size  # for the last possible place of the first window
    if batches < 1:
        raise UserError(
            f"the text has {len(ids):,} symbols, too few for a batch of {batch_size} windows of {length}. "
            "Give a longer text, shorter windows or a smaller batch."
        )
    starts = starts[: batches * batch_size].reshape(batches, batch_size, 1)
    return _shifted_batches(starts, lambda start: tf.gather(ids, start + np.arange(length + 1)))


def sequence_batches(sequences: np.ndarray, batch_size: int, seed: int, step: int, steps: int) -> tf.data.Dataset:
    """Return `steps` batches of (inputs, targets) from padded sequences, from training step `step` on.

    The sequences are shuffled anew for each pass over them, by `seed` and the number of the pass.

    Args:
        sequences: `(sequences, length + 1)` int32, padded with 0.
        step: how many batches were drawn before; the same step always gives the same batches.
    """
    per_pass = len(sequences) // batch_size
    if not per_pass:
        raise UserError(f"{len(sequences):,} sequences are too few for a batch of {batch_size}. Give more text.")
    first_pass, last_pass = step // per_pass, (step + steps - 1) // per_pass
    orders = [
        np.random.default_rng((seed, number)).permutation(len(sequences))[: per_pass * batch_size]
        for number in range(first_pass, last_pass + 1)
    ]
    order = np.concatenate(orders).reshape(-1, batch_size)[step - first_pass * per_pass :][:steps]
    return _shifted_batches(order, lambda rows: tf.gather(sequences, rows))


def _shifted_batches(index: np.ndarray, gather) -> tf.data.Dataset:
    def inputs_and_targets(item):
        window = gather(item)
        return window[:, :-1], window[:, 1:]

    return untuned(tf.data.Dataset.from_tensor_slices(index).map(inputs_and_targets).prefetch(2))


def untuned(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Return the dataset with tf.data's own tuning turned off.

    The tuner's thread sleeps for 10 ms, 20 ms, 40 ms and so on, and an iterator that ends waits until it wakes:
    after an epoch of 3 seconds for 2 more, as measured with TensorFlow 2.21. These pipelines state how
    many batches they make ahead, so there is nothing to tune.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)
