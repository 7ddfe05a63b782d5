"""Compiles a loop into one program, with XLA where it is to be had."""

from collections.abc import Callable
from functools import cache

import tensorflow as tf


def compiled(function: Callable) -> Callable:
    """Return a TensorFlow function that runs as one program, loops included.

    XLA turns it into machine code without a stop between operations. That pays where a loop makes many
    small steps, such as the writing of a text; the first call of each shape takes a few seconds to compile.
    Where TensorFlow was built without XLA, an ordinary graph does the same, more slowly.
    """
    return tf.function(function, jit_compile=xla_is_there(), reduce_retracing=True)


@cache
def xla_is_there() -> bool:
    """Return whether XLA can compile for the device in use, found out by trying it once."""
    try:
        tf.function(lambda x: x + 1, jit_compile=True)(tf.constant(1))
    except (tf.errors.OpError, NotImplementedError):
        return False
    return True
