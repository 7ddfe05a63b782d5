"""What depends on the machine: where XLA compiles, and full float32 where a GPU would round.

Measured in November 2026 on two CPU cores: a training step of the VAE or the GAN is slower with XLA than as an ordinary
graph, writing a text is 2 to 7 times as fast. On a GPU the GAN trains three times as fast with it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import tensorflow as tf


def uses_xla() -> bool:
    """Return whether XLA is to compile a model's steps, for `compile(..., jit_compile=uses_xla())`: on a GPU."""
    return bool(tf.config.list_physical_devices("GPU")) and _xla_is_there()


def compiled(function: Callable) -> Callable:
    """Return a TensorFlow function for a loop of many small steps, which XLA makes one program if it is available.

    The first call of each shape takes a few seconds to compile.
    """
    return tf.function(function, jit_compile=_xla_is_there(), reduce_retracing=True)


@cache
def _xla_is_there() -> bool:
    """Return whether XLA can compile for the device in use, by trying it once."""
    try:
        tf.function(lambda x: x + 1, jit_compile=True)(tf.constant(1))
    except (tf.errors.OpError, NotImplementedError):
        return False
    return True


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
