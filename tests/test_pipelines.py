"""Pipelines: all that are handed to Keras run without tf.data's tuner, whose thread holds up the end of each epoch."""

import numpy as np
import pytest
import tensorflow as tf

from helpers import text
from helpers.batches import PictureBatches, in_order
from helpers.pipelines import untuned

PICTURES = np.zeros((8, 4, 4, 1), np.uint8)
PIPELINES = {
    "batches of pictures": lambda: PictureBatches(PICTURES, 4, seed=1)(epoch=0),
    "pictures in order": lambda: in_order(PICTURES),
    "windows of a long text": lambda: text.window_batches(np.arange(200), 10, 4, seed=1, epoch=0),
    "windows of reviews": lambda: text.sequence_batches(np.ones((20, 6), np.int32), 4, seed=1, step=0, steps=3),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_the_tuner_is_off(name):
    assert PIPELINES[name]().options().autotune.enabled is False


def test_elements_and_their_order_stay():
    numbers = tf.data.Dataset.range(10).map(lambda number: number * number)
    np.testing.assert_array_equal(list(untuned(numbers).as_numpy_iterator()), np.arange(10) ** 2)
    assert numbers.options().autotune.enabled is not False  # it was a copy that was changed
