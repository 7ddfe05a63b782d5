"""Full float32 for checks, where a GPU would round."""

from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf


@contextmanager
def full_precision() -> Iterator[None]:
    """Compute products in full float32 inside: a GPU's TF32 is off there, and afterwards what it was before.

    NVIDIA's GPUs since 2020 round the inputs of float32 products and convolutions to 10 bits of mantissa. The same
    number computed in two ways then differs by about a thousandth.

    A function that XLA compiled outside keeps the precision it was compiled with. cuDNN's convolutions and LSTM may
    keep theirs for the shapes that a traced function has run outside.
    """
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)
