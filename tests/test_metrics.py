"""Held-out figures against hand-worked ones."""

import json
import math

import numpy as np
import pytest

from helpers import metrics
from helpers.errors import UserError


def test_nats_by_hand():
    logits = np.log([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]])
    expected = -(math.log(0.25) + math.log(0.8)) / 2
    assert metrics.nats_per_symbol(logits, np.array([1, 2])) == pytest.approx(expected, rel=1e-12)
    assert metrics.nats_per_symbol(logits + [[5], [-7]], np.array([1, 2])) == pytest.approx(expected)  # unnormalised


def test_huge_logits_do_not_overflow():
    logits = np.array([[1e4, 0.0], [-1e30, 1e30], [3e38, 3e38]], np.float32)
    assert metrics.nats_per_symbol(logits, np.array([0, 1, 0])) == pytest.approx(math.log(2) / 3)
    assert metrics.nats_per_symbol(logits[:1], np.array([1])) == pytest.approx(1e4)


def test_a_symbol_held_for_impossible_costs_infinitely_much():
    logits = np.array([[0.0, -np.inf]])
    assert metrics.nats_per_symbol(logits, np.array([0])) == 0
    assert metrics.nats_per_symbol(logits, np.array([1])) == np.inf


def test_half_precision_is_summed_in_double():
    logits = np.zeros((4096, 70), np.float16)
    assert metrics.nats_per_symbol(logits, np.zeros(4096, int)) == pytest.approx(math.log(70), rel=1e-9)


def test_bits_and_perplexity():
    assert metrics.bits(math.log(8)) == pytest.approx(3)
    assert metrics.perplexity(math.log(8)) == pytest.approx(8)
    assert metrics.bits(1) == pytest.approx(1.4427, abs=1e-4)


def test_uniform_is_the_score_of_equal_logits():
    assert metrics.uniform_nats(57) == pytest.approx(4.043, abs=5e-4)
    assert metrics.uniform_nats(12) == pytest.approx(metrics.nats_per_symbol(np.ones((5, 12)), np.arange(5)))


def test_unigram_by_hand():
    training, held_out = np.array([0, 0, 0, 1]), np.array([0, 1, 2])
    # counts 3, 1, 0 and one added to each: 4/7, 2/7, 1/7
    expected = -(math.log(4 / 7) + math.log(2 / 7) + math.log(1 / 7)) / 3
    assert metrics.unigram_nats(training, held_out, symbols=3) == pytest.approx(expected)
    assert metrics.unigram_nats(training.reshape(2, 2), held_out[None], symbols=3) == pytest.approx(expected)
    assert metrics.unigram_nats(np.array([], int), held_out, symbols=3) == pytest.approx(math.log(3))


def test_table_has_a_row_for_each_model():
    lines = metrics.table([("uniform", math.log(1024)), ("ours", math.log(2))], "word").data.splitlines()
    assert lines[0].split(" | ")[1:3] == ["nats per word", "bits per word"]
    assert lines[2:] == ["| uniform | 6.931 | 10.000 | 1,024.0 |", "| ours | 0.693 | 1.000 | 2.0 |"]


def test_headline_is_written_for_the_table_of_all_notebooks(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(metrics, "display", shown.append)
    metrics.headline(tmp_path, "held out: 1.30 nats – “good”")
    written = json.loads((tmp_path / "headline.json").read_text(encoding="utf-8"))
    assert written == {"text": "held out: 1.30 nats – “good”"}
    assert "1.30 nats" in shown[0].data


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_headline_is_refused_and_the_old_one_stays(tmp_path, monkeypatch, text):
    monkeypatch.setattr(metrics, "display", lambda _: None)
    metrics.headline(tmp_path, "first")
    with pytest.raises(UserError, match="needs a text"):
        metrics.headline(tmp_path, text)
    assert "first" in (tmp_path / "headline.json").read_text()
