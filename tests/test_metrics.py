"""Held-out figures against hand-worked ones."""

import math

import numpy as np
import pytest

from helpers.metrics import texts


def test_nats_by_hand():
    logits = np.log([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]])
    expected = -(math.log(0.25) + math.log(0.8)) / 2
    assert texts.nats_per_symbol(logits, np.array([1, 2])) == pytest.approx(expected, rel=1e-12)
    assert texts.nats_per_symbol(logits + [[5], [-7]], np.array([1, 2])) == pytest.approx(expected)  # unnormalised


def test_huge_logits_do_not_overflow():
    logits = np.array([[1e4, 0.0], [-1e30, 1e30], [3e38, 3e38]], np.float32)
    assert texts.nats_per_symbol(logits, np.array([0, 1, 0])) == pytest.approx(math.log(2) / 3)
    assert texts.nats_per_symbol(logits[:1], np.array([1])) == pytest.approx(1e4)


def test_a_symbol_held_for_impossible_costs_infinitely_much():
    logits = np.array([[0.0, -np.inf]])
    assert texts.nats_per_symbol(logits, np.array([0])) == 0
    assert texts.nats_per_symbol(logits, np.array([1])) == np.inf


def test_half_precision_is_summed_in_double():
    logits = np.zeros((4096, 70), np.float16)
    assert texts.nats_per_symbol(logits, np.zeros(4096, int)) == pytest.approx(math.log(70), rel=1e-9)


def test_bits_and_perplexity():
    assert texts.bits(math.log(8)) == pytest.approx(3)
    assert texts.perplexity(math.log(8)) == pytest.approx(8)
    assert texts.bits(1) == pytest.approx(1.4427, abs=1e-4)


def test_uniform_is_the_score_of_equal_logits():
    assert texts.uniform_nats(57) == pytest.approx(4.043, abs=5e-4)
    assert texts.uniform_nats(12) == pytest.approx(texts.nats_per_symbol(np.ones((5, 12)), np.arange(5)))


def test_unigram_by_hand():
    training, held_out = np.array([0, 0, 0, 1]), np.array([0, 1, 2])
    # counts 3, 1, 0 and one added to each: 4/7, 2/7, 1/7
    expected = -(math.log(4 / 7) + math.log(2 / 7) + math.log(1 / 7)) / 3
    assert texts.unigram_nats(training, held_out, symbols=3) == pytest.approx(expected)
    assert texts.unigram_nats(training.reshape(2, 2), held_out[None], symbols=3) == pytest.approx(expected)
    assert texts.unigram_nats(np.array([], int), held_out, symbols=3) == pytest.approx(math.log(3))


def test_a_row_has_nats_bits_and_perplexity():
    assert texts.row(math.log(1024), "word") == {
        "nats per word": "6.931",
        "bits per word": "10.000",
        "perplexity": "1,024.0",
    }


def test_a_row_of_many_nats_has_the_standard_error_of_their_mean():
    nats = math.log(1024) + np.array([-0.5, 0.5, 0.5, -0.5])  # their deviation is 0.5, of which the root of 4 is half
    assert texts.row(nats, "word") == {**texts.row(math.log(1024), "word"), "nats per word": "6.931 ± 0.250"}
    assert texts.row(nats[:1], "word")["nats per word"] == "6.431"  # of one symbol nothing is known
