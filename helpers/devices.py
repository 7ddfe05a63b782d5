"""Training on several GPUs at once: each takes its rows of every batch, and all keep the same weights.

On one device nothing here does anything: values are handed back as they came. What must be said to TensorFlow when
there are more is told in "Custom training with tf.distribute.Strategy" (its tutorials): Keras' optimisers *add up*
the slopes of all devices, and each device sees only its own rows.
"""

from collections.abc import Callable, Sequence
from functools import cache

import tensorflow as tf


def strategy(names: tuple[str, ...] = ()) -> tf.distribute.Strategy:
    """Return the strategy to build and compile a model in: `with strategy().scope(): ...`.

    Args:
        names: the devices to train on, such as `("GPU:0", "GPU:1")`; () for the GPUs that TensorFlow sees, 2 of 2 or
            3, and 4 of more, so that the notebooks' batches of 32, 64, 100 and 500 divide evenly.

    Returns:
        A `MirroredStrategy` where there are several devices, always the same object for the same ones, because
        models of two different ones cannot meet; otherwise TensorFlow's default, which changes nothing.

    The first batch that a model is fitted or evaluated on must divide evenly (Keras compares the devices' shapes).
    A later one need not: the last device then has fewer rows, each of which counts a little more in the slopes,
    since these are a mean of the devices' means. (Each of several CPUs needs one: their convolutions fail on none.)

    Two things differ from one device still: `clipnorm` bounds each device's own slopes before they are added, and
    dropout leaves out the same units on all devices.
    """
    if not names:
        graphics = tuple(device.name for device in tf.config.list_logical_devices("GPU"))
        names = graphics[: 4 if len(graphics) >= 4 else 2]
    return _mirrored(tuple(names)) if len(names) > 1 else tf.distribute.get_strategy()


@cache
def _mirrored(names: tuple[str, ...]) -> tf.distribute.Strategy:
    return tf.distribute.MirroredStrategy(list(names))


def count() -> int:
    """Return how many devices train a model that is built here: 1 outside the scope of a strategy for several."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def share(slopes: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Return one device's share of the slopes to apply: its own, divided by the number of devices.

    For a training step that calls `optimizer.apply`, which adds up the shares. Their sum is the slope of the mean
    over the whole batch, if each device's own are those of the mean over its rows.

    Args:
        slopes: gradients of any shapes.
    """
    devices = _context()
    return [slope / devices.num_replicas_in_sync for slope in slopes] if devices else list(slopes)


def total(number: tf.Tensor) -> tf.Tensor:
    """Return the sum of a number (any shape and type) over all devices, as float32; no slope goes through it.

    For a mean over things of which each device has another number, words that are no padding say: each device
    divides its own sum by the total, and the devices' results add up to the mean.
    """
    devices, value = _context(), tf.stop_gradient(tf.cast(number, tf.float32))
    return devices.all_reduce("sum", value) if devices else value


def own_rows(draw: Callable, shape: Sequence[int] | tf.Tensor) -> tf.Tensor:
    """Return random numbers of a shape whose first axis is the batch: on several devices, others on each.

    Seeds are the same on all devices, so that their weights stay the same; a plain draw would give every device
    the same numbers. Here each draws for the whole batch and takes its own rows, so that the devices together have
    the numbers that one alone would have drawn. (If the last device has fewer rows, some of them are not its own.)

    Args:
        draw: called with a shape; takes its seed from a generator, as `partial(keras.random.normal, seed=...)` does.
        shape: of this device's part, `(rows, ...)`.
    """
    devices = _context()
    if not devices:
        return draw(shape)
    whole = draw(tf.concat([[devices.num_replicas_in_sync * shape[0]], shape[1:]], axis=0))
    begin = devices.replica_id_in_sync_group * shape[0]
    return whole[begin : begin + shape[0]]


def _context() -> tf.distribute.ReplicaContext | None:
    """Return TensorFlow's context for one device of several; None where the code runs for all at once or for one."""
    context = tf.distribute.get_replica_context()  # None in a scope, outside of a training step
    return context if context is not None and context.num_replicas_in_sync > 1 else None
