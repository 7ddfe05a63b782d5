"""How tf.data pipelines are run."""

import tensorflow as tf


def untuned(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Return the dataset with tf.data's own tuning turned off.

    The tuner's thread sleeps for 10 ms, 20 ms, 40 ms and so on, and an iterator that ends waits until it wakes:
    after an epoch of 3 seconds for 2 more, as measured with TensorFlow 2.21. These pipelines state how
    many batches they make ahead, so there is nothing to tune.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)
