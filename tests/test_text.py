"""Vocabulary, windows and batches."""

import numpy as np
import pytest

from helpers import text
from helpers.session import UserError
from helpers.training import sequence_batches, window_batches

IDS = np.random.default_rng(0).integers(0, 50, 1_000).astype(np.int32)


def as_arrays(batches):
    return [(inputs.numpy(), targets.numpy()) for inputs, targets in batches]


# Vocabulary


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
    with pytest.raises(UserError, match="not in the vocabulary"):
        text.Vocabulary("ab").encode("a\n")


def test_unseen_symbols_can_be_replaced():
    words = text.Vocabulary(["", "[UNK]", "good"])
    assert words.encode(["good", "zwieback"], unseen="[UNK]").tolist() == [2, 1]


def test_a_replacement_must_be_known_itself():
    with pytest.raises(UserError, match="'\\?'"):
        text.Vocabulary("ab").encode("axb", unseen="?")


def test_a_symbol_twice_is_an_error():
    with pytest.raises(UserError, match="same symbol twice"):
        text.Vocabulary("aba")


# Splits


def test_split_keeps_the_order_and_loses_nothing():
    first, last = text.split_off_end(IDS, share=0.05, least=20)
    assert len(last) == 50
    np.testing.assert_array_equal(np.concatenate([first, last]), IDS)


@pytest.mark.parametrize(("length", "share", "least"), [(100, 0.05, 20), (0, 0.05, 1), (30, 0.9, 10), (9, 0.5, 5)])
def test_split_too_short(length, share, least):
    with pytest.raises(UserError, match="Give a text of at least"):
        text.split_off_end(IDS[:length], share, least)


@pytest.mark.parametrize("share", [0, 1, -0.1, 5])
def test_a_share_that_leaves_one_part_empty(share):
    with pytest.raises(UserError, match="between 0 and 1"):
        text.split_off_end(IDS, share, least=1)


@pytest.mark.parametrize("share", [0.05, 0.07, 0.1, 0.3, 0.5, 0.9])
def test_the_length_that_the_message_asks_for_is_enough(share):
    for least in range(1, 60):
        with pytest.raises(UserError) as caught:
            text.split_off_end(IDS[:0], share, least)
        needed = int(str(caught.value).split("at least ")[1].split()[0].replace(",", ""))
        text.split_off_end(np.zeros(needed), share, least)


def test_held_out_contexts_end_before_their_target():
    ids = np.arange(100, 300, dtype=np.int32)
    contexts, targets = text.held_out_contexts(ids, context=60, positions=30)
    assert contexts.shape == (30, 60)
    np.testing.assert_array_equal(contexts[:, -1] + 1, targets)
    np.testing.assert_array_equal(contexts[:, 0] + 60, targets)
    assert targets[0] == 160 and targets[-1] == 299 and (np.diff(targets) > 0).all()
    with pytest.raises(UserError, match="too short for a context of 200"):
        text.held_out_contexts(ids, context=200, positions=3)


# Windows out of one long text


def test_targets_are_the_inputs_moved_by_one():
    ids = np.arange(1_000, dtype=np.int32)
    batches = as_arrays(window_batches(ids, length=10, batch_size=4, seed=1, epoch=0))
    assert len(batches) == len(window_batches(ids, length=10, batch_size=4, seed=1, epoch=0)) == 24
    for inputs, targets in batches:
        assert inputs.shape == targets.shape == (4, 10) and inputs.dtype == np.int32
        np.testing.assert_array_equal(targets, inputs + 1)
    seen = np.concatenate([targets.ravel() for _, targets in batches])
    assert len(set(seen)) == len(seen) == 960  # no target twice in an epoch


def test_order_depends_on_seed_and_epoch_alone():
    def order(**settings):
        np.random.seed(None)
        return np.stack([x for x, _ in as_arrays(window_batches(IDS, length=10, batch_size=4, **settings))])

    first = order(seed=1, epoch=3)
    np.testing.assert_array_equal(first, order(seed=1, epoch=3))
    assert not np.array_equal(first, order(seed=1, epoch=4))
    assert not np.array_equal(first, order(seed=2, epoch=3))


def test_cuts_move_between_epochs():
    ids = np.arange(1_000, dtype=np.int32)
    places = {int(next(iter(window_batches(ids, 10, 4, seed=1, epoch=epoch)))[0][0, 0]) % 10 for epoch in range(20)}
    assert len(places) >= 5


def test_text_too_short_for_a_batch():
    for length in (0, 5, 40):
        with pytest.raises(UserError, match="too few for a batch of 4 windows of 10"):
            window_batches(IDS[:length], length=10, batch_size=4, seed=1, epoch=0)


def test_whether_a_text_is_long_enough_does_not_depend_on_the_epoch():
    def works(length, epoch):
        try:
            return len(window_batches(IDS[:length], length=10, batch_size=2, seed=1, epoch=epoch)) >= 1
        except UserError:
            return False

    for length in range(15, 45):
        assert len({works(length, epoch) for epoch in range(12)}) == 1, length
    assert works(44, 0)


def test_a_text_of_one_symbol_gives_batches():
    inputs, targets = next(iter(window_batches(np.zeros(100, np.int32), 10, 4, seed=1, epoch=0)))
    assert inputs.shape == (4, 10) and not inputs.numpy().any() and not targets.numpy().any()


# Padded sequences

SEQUENCES = np.arange(1, 11, dtype=np.int32)[:, None] * 100 + np.arange(6, dtype=np.int32)  # 10 of length 5 + 1


@pytest.mark.parametrize("batch_size", [2, 3])  # 5 batches a pass; 3 and one sequence left over
def test_batches_from_a_step_equal_the_tail_of_batches_from_the_start(batch_size):
    whole = as_arrays(sequence_batches(SEQUENCES, batch_size, seed=7, step=0, steps=14))
    tail = as_arrays(sequence_batches(SEQUENCES, batch_size, seed=7, step=5, steps=9))
    assert len(whole) == 14 and len(tail) == 9
    np.testing.assert_array_equal(np.array(whole[5:]), np.array(tail))


def test_each_sequence_once_a_pass_in_a_new_order():
    batches = as_arrays(sequence_batches(SEQUENCES, 2, seed=7, step=0, steps=10))
    passes = [np.concatenate([inputs[:, 0] for inputs, _ in part]).tolist() for part in (batches[:5], batches[5:])]
    assert sorted(passes[0]) == sorted(passes[1]) == SEQUENCES[:, 0].tolist()
    assert passes[0] != passes[1]
    for inputs, targets in batches:
        np.testing.assert_array_equal(targets, inputs + 1)
    other = as_arrays(sequence_batches(SEQUENCES, 2, seed=8, step=0, steps=10))
    assert not np.array_equal(np.array(batches), np.array(other))


def test_too_few_sequences_for_a_batch():
    with pytest.raises(UserError, match="too few for a batch of 11"):
        sequence_batches(SEQUENCES, 11, seed=1, step=0, steps=1)


def test_every_symbol_but_a_documents_first_is_a_target_once():
    lengths = [0, 1, 2, 5, 6, 7, 11, 12, 23]
    ends = np.cumsum(lengths)
    documents = [np.arange(end - length, end) + 1 for length, end in zip(lengths, ends, strict=True)]
    windows = text.pad_windows(documents, length=5)
    assert windows.shape[1] == 6 and windows.dtype == np.int32
    targets = windows[:, 1:][windows[:, 1:] > 0]
    expected = np.concatenate([ids[1:] for ids in documents])
    np.testing.assert_array_equal(np.sort(targets), expected)
    follows = windows[:, 1:] - windows[:, :-1]
    assert (follows[windows[:, 1:] > 0] == 1).all()  # a target's input is the symbol before it
    assert (windows[:, 0] > 0).all() and ((windows[:, :-1] > 0) >= (windows[:, 1:] > 0)).all()  # padding at the end


def test_documents_without_two_words_leave_nothing_to_predict():
    for documents in ([], [np.array([5])], [np.array([], int)]):
        with pytest.raises(UserError, match="two words"):
            text.pad_windows(documents, length=5)
