"""Batches of pictures in an order that a seed and the number of the epoch decide."""

import hashlib

import numpy as np
import tensorflow as tf

from helpers.errors import UserError
from helpers.pipelines import untuned


class PictureBatches:
    """Gives each epoch's batches of pictures: `batches(epoch)`.

    The pictures stay in memory as bytes, once; a batch is turned into floats when it is due. The same pictures and the
    same seed give the same batches.
    """

    def __init__(self, pictures: np.ndarray, batch_size: int, seed: int, flip: bool = False) -> None:
        """Take the pictures to draw from.

        Args:
            pictures: uint8 `(n, height, width, channels)`, values 0–255.
            batch_size: pictures in a batch; those left over at the end of an epoch wait for the next one.
            seed: another one is another order.
            flip: whether each picture is mirrored, left to right, every other time on average.

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
        said = f"{pictures.shape} {batch_size} {seed} {flip} ".encode()
        self.digest = hashlib.sha256(said + np.ascontiguousarray(pictures).tobytes()).hexdigest()  # names these batches

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
        batch_size: the most pictures in a batch. Where all would fit into one, it has a multiple of four (of fewer
            than four pictures: one).
    """
    # Where two or four devices score, Keras demands that the first batch divides evenly; a later one need not.
    batch_size = min(batch_size, max(1, len(pictures) // 4 * 4))
    batches = tf.data.Dataset.from_tensor_slices(pictures).batch(batch_size)
    return untuned(batches.map(lambda batch: (tf.cast(batch, tf.float32) / 255,) * 2).prefetch(1))
