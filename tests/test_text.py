"""Vocabulary, windows and batches, and what may be asked of a sampler."""

import math

import numpy as np
import pytest

from helpers import text
from helpers.session import UserError
from helpers.training import sequence_batches, window_batches

IDS = np.random.default_rng(0).integers(0, 50, 1_000).astype(np.int32)


def as_arrays(batches):
    return [(inputs.numpy(), targets.numpy()) for inputs, targets in batches]


def test_vocabulary_round_trip():
    characters = text.Vocabulary(sorted(set("so, to be!\n")))
    ids = characters.encode("be so")
    assert ids.dtype == np.int32 and characters.decode(ids) == "be so"
    words = text.Vocabulary(["", "[UNK]", "good", "film"])
    assert words.encode(["film", "good"]).tolist() == [3, 2]
    assert words.decode([3, 2], " ") == "film good" and len(words) == 4
    assert words.encode([]).shape == (0,)


def test_unseen_symbols_are_named_and_known_ones_shown():
    with pytest.raises(UserError, match=r"'x', 'z'.*'a' 'b'"):
        text.Vocabulary("ab").encode("azxab")


def test_a_split_keeps_the_order_and_loses_nothing():
    first, last = text.split_off_end(IDS, share=0.05, least=20)
    assert len(last) == 50
    np.testing.assert_array_equal(np.concatenate([first, last]), IDS)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.9])
def test_the_length_that_the_message_asks_for_is_enough(share):
    for least in (1, 2, 7, 59):
        with pytest.raises(UserError, match="at least") as caught:
            text.split_off_end(IDS[: 2 * least - 1], share, least)
        needed = int(str(caught.value).split("at least ")[1].split()[0].replace(",", ""))
        text.split_off_end(np.zeros(needed), share, least)
        with pytest.raises(UserError):
            text.split_off_end(np.zeros(needed - 1), share, least)


def test_targets_are_the_inputs_moved_by_one():
    ids = np.arange(1_000, dtype=np.int32)
    batches = as_arrays(window_batches(ids, length=10, batch_size=4, seed=1, epoch=0))
    assert len(batches) == len(window_batches(ids, length=10, batch_size=4, seed=1, epoch=0)) == 24
    for inputs, targets in batches:
        assert inputs.shape == targets.shape == (4, 10) and inputs.dtype == np.int32
        np.testing.assert_array_equal(targets, inputs + 1)
    seen = np.concatenate([targets.ravel() for _, targets in batches])
    assert len(set(seen)) == len(seen) == 960  # no target twice in an epoch


def test_the_order_depends_on_seed_and_epoch_alone_and_cuts_move():
    def order(**settings):
        np.random.seed(None)
        return np.stack([x for x, _ in as_arrays(window_batches(IDS, length=10, batch_size=4, **settings))])

    first = order(seed=1, epoch=3)
    np.testing.assert_array_equal(first, order(seed=1, epoch=3))
    assert not np.array_equal(first, order(seed=1, epoch=4))
    assert not np.array_equal(first, order(seed=2, epoch=3))
    ids = np.arange(1_000, dtype=np.int32)
    places = {int(next(iter(window_batches(ids, 10, 4, seed=1, epoch=epoch)))[0][0, 0]) % 10 for epoch in range(20)}
    assert len(places) >= 5


def test_a_text_too_short_for_a_batch_is_an_error_in_every_epoch():
    for length in (0, 5, 40):
        with pytest.raises(UserError, match="too few"):
            window_batches(IDS[:length], length=10, batch_size=4, seed=1, epoch=0)

    def works(length, epoch):
        try:
            return len(window_batches(IDS[:length], length=10, batch_size=2, seed=1, epoch=epoch)) >= 1
        except UserError:
            return False

    for length in (20, 21, 29, 30, 31, 32, 40):
        assert len({works(length, epoch) for epoch in range(12)}) == 1, length
    assert works(44, 0)


SEQUENCES = np.arange(1, 11, dtype=np.int32)[:, None] * 100 + np.arange(6, dtype=np.int32)  # 10 of length 5 + 1


@pytest.mark.parametrize("batch_size", [2, 3])  # 5 batches a pass; 3 and one sequence left over
def test_batches_from_a_step_equal_the_tail_of_batches_from_the_start(batch_size):
    whole = as_arrays(sequence_batches(SEQUENCES, batch_size, seed=7, step=0, steps=14))
    tail = as_arrays(sequence_batches(SEQUENCES, batch_size, seed=7, step=5, steps=9))
    assert len(whole) == 14 and len(tail) == 9
    np.testing.assert_array_equal(np.array(whole[5:]), np.array(tail))


def test_each_sequence_comes_once_a_pass_in_a_new_order():
    batches = as_arrays(sequence_batches(SEQUENCES, 2, seed=7, step=0, steps=10))
    passes = [np.concatenate([inputs[:, 0] for inputs, _ in part]).tolist() for part in (batches[:5], batches[5:])]
    assert sorted(passes[0]) == sorted(passes[1]) == SEQUENCES[:, 0].tolist()
    assert passes[0] != passes[1]
    for inputs, targets in batches:
        np.testing.assert_array_equal(targets, inputs + 1)
    other = as_arrays(sequence_batches(SEQUENCES, 2, seed=8, step=0, steps=10))
    assert not np.array_equal(np.array(batches), np.array(other))
    with pytest.raises(UserError, match="too few"):
        sequence_batches(SEQUENCES, 11, seed=1, step=0, steps=1)


def test_every_symbol_but_a_documents_first_is_a_target_once():
    lengths = [0, 1, 2, 5, 6, 7, 11, 12, 23]
    ends = np.cumsum(lengths)
    documents = [np.arange(end - length, end) + 1 for length, end in zip(lengths, ends, strict=True)]
    windows = text.pad_windows(documents, length=5)
    assert windows.shape[1] == 6 and windows.dtype == np.int32
    targets = windows[:, 1:][windows[:, 1:] > 0]
    np.testing.assert_array_equal(np.sort(targets), np.concatenate([ids[1:] for ids in documents]))
    follows = windows[:, 1:] - windows[:, :-1]
    assert (follows[windows[:, 1:] > 0] == 1).all()  # a target's input is the symbol before it
    assert (windows[:, 0] > 0).all() and ((windows[:, :-1] > 0) >= (windows[:, 1:] > 0)).all()  # padding at the end


@pytest.mark.parametrize("temperatures", [[0], [0.7, 1e9], [1e-9]])
@pytest.mark.parametrize(("top_k", "top_p", "length"), [(None, 1, 1), (1, 1e-6, 600), (np.int64(3), 0.5, np.int32(2))])
def test_settings_that_make_sense(temperatures, top_k, top_p, length):
    text.check_request([1, 2], length, temperatures, top_k, top_p)  # raises nothing


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"temperatures": [0.5, -0.1]}, "temperature of -0.1"),
        ({"temperatures": [math.nan]}, "temperature of nan"),
        ({"temperatures": [math.inf]}, "temperature of inf"),
        ({"top_k": 0}, "top_k=0"),
        ({"top_k": 1.5}, "top_k=1.5"),
        ({"top_k": math.inf}, "top_k=inf"),
        ({"top_p": 0}, "top_p=0"),
        ({"top_p": 1.1}, "top_p=1.1"),
        ({"top_p": math.nan}, "top_p=nan"),
        ({"length": 0}, "length of 0"),
        ({"length": 2.5}, "length of 2.5"),
        ({"prompt_ids": []}, "prompt is empty"),
    ],
)
def test_settings_that_make_no_sense_are_errors(change, part):
    settings = {"prompt_ids": [1, 2], "temperatures": [0.7], "top_k": None, "top_p": 1.0, "length": 10, **change}
    with pytest.raises(UserError, match=part):
        text.check_request(**settings)
