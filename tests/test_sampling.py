"""What a sampler is asked for: shapes that stay the same, and settings that make no sense."""

import math

import numpy as np
import pytest
import tensorflow as tf

from helpers import text
from helpers.session import UserError
from helpers.training import machine


def test_a_prompt_is_the_same_in_all_streams_unless_each_has_its_own():
    shared = text.request([4, 5, 6], 10, [0.0, 1.0])
    assert shared.prompt.shape == (2, text.PLACES) and shared.prompt.dtype == tf.int32
    assert (shared.prompt.numpy()[:, :4] == [4, 5, 6, 0]).all() and int(shared.read) == 3
    own = text.request([[1, 2], [3, 4]], 10, [0.0, 1.0])
    assert own.prompt.numpy()[:, :3].tolist() == [[1, 2, 0], [3, 4, 0]]


@pytest.mark.parametrize(("read", "length", "places"), [(1, 1, 1), (24, 1_000, 1), (25, 1_000, 2), (1, 2_048, 3)])
def test_there_is_room_for_all_that_is_written(read, length, places):
    asked = text.request(np.ones(read, int), length, [1.0])
    assert asked.prompt.shape[1] == places * text.PLACES
    written = tf.range(asked.prompt.shape[1])[None]
    assert text.new_ids(written, asked).tolist() == [list(range(read, read + length))]


def test_limits_are_tensors_so_that_moving_a_slider_compiles_nothing_anew():
    traces = []

    @machine.compiled
    def keep(asked):
        traces.append(1)
        return asked.uniform * asked.narrow[1]

    for top_k, top_p, seed in [(3, 0.5, 0), (None, 0.9, 2**31 + 5), (7, 1, 1)]:
        keep(text.request([1], 4, [1.0], seed, top_k, top_p))
    assert len(traces) == 1


def test_random_numbers_depend_on_the_seed_alone():
    first, again, other = (text.request([1], 4, [1.0, 1.0], seed).uniform.numpy() for seed in (3, 3, 4))
    assert (first == again).all() and (first != other).any() and (first[:, 0] != first[:, 1]).any()
    assert first.shape == (text.PLACES, 2) and first.min() >= 0 and first.max() < 1


def test_a_prompt_needs_a_symbol():
    with pytest.raises(UserError, match="prompt is empty"):
        text.request([], 5, [1.0])


@pytest.mark.parametrize("temperatures", [[0], [0.7, 1e9], [1e-9], [1]])
@pytest.mark.parametrize(("top_k", "top_p", "length"), [(None, 1, 1), (1, 1e-6, 600), (np.int64(3), 0.5, np.int32(2))])
def test_settings_that_make_sense(temperatures, top_k, top_p, length):
    asked = text.request([1, 2], length, temperatures, top_k=top_k, top_p=top_p)
    assert asked.temperature.shape == (len(temperatures),) and int(asked.length) == length
    assert (asked.narrow is None) == (top_k is None and top_p == 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperatures": [0.5, -0.1]}, "temperature of -0.1"),
        ({"temperatures": [math.nan]}, "temperature of nan"),
        ({"temperatures": [math.inf]}, "temperature of inf"),
        ({"temperatures": [-math.inf]}, "temperature of -inf"),
        ({"temperatures": []}, "temperature"),
        ({"top_k": 0}, "top_k=0"),
        ({"top_k": -1}, "top_k=-1"),
        ({"top_k": 1.5}, "top_k=1.5"),
        ({"top_k": 5.0}, "top_k=5.0"),
        ({"top_k": math.nan}, "top_k=nan"),
        ({"top_k": math.inf}, "top_k=inf"),
        ({"top_p": 0}, "top_p=0"),
        ({"top_p": 1.1}, "top_p=1.1"),
        ({"top_p": -0.5}, "top_p=-0.5"),
        ({"top_p": math.nan}, "top_p=nan"),
        ({"length": 0}, "length of 0"),
        ({"length": -5}, "length of -5"),
        ({"length": 2.5}, "length of 2.5"),
        ({"length": math.nan}, "length of nan"),
    ],
)
def test_settings_that_make_none(change, message):
    with pytest.raises(UserError, match=message):
        text.request([1, 2], **{"temperatures": [0.7], "top_k": None, "top_p": 1.0, "length": 10, **change})
