"""The answers to the exercises of notebook 01 do what they say; each input has a result that is known by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from claims import Prose
from keras import layers, ops

from helpers import metrics
from helpers.data import texts
from helpers.text import Vocabulary

PROSE = Prose("01_text_generation")
TEXT = "the cat sat on the mat. " * 60


def run(number):
    """Run answer `number`, from 1, below the names that the notebook gives it; return all names."""
    vocabulary = Vocabulary(sorted(set(TEXT)))
    given = {"keras": keras, "layers": layers, "ops": ops, "np": np, "tf": tf, "metrics": metrics}
    given |= {"vocabulary": vocabulary, "training_ids": vocabulary.encode(TEXT)}
    given["test_ids"] = given["training_ids"][:650]
    exec(compile(PROSE.answers()[number - 1], f"answer {number}", "exec"), given)
    return given


@pytest.fixture(scope="module")
def convolution():
    assert len(PROSE.answers()) == 4  # each is tested here
    return run(1)


def test_the_convolution_sees_as_far_back_as_the_answer_says_and_not_ahead(convolution):
    sees, last = PROSE.said(r"the \*\*receptive field\*\* is (\d+) characters: \$1 \+ 1 \+ 2 \+ 4 \+ \\dots \+ (\d+)\$")
    assert sees == 1 + sum(2**n for n in range(7)) and last == 2**6
    model, ids = convolution["build_convolution_model"](10), np.ones((1, 300), np.int32)
    logits = model(ids).numpy()  # (1, 300, 10)
    altered = ids.copy()
    altered[0, 150] = 2
    moved = np.abs(model(altered).numpy() - logits).max(axis=(0, 2)) > 0
    np.testing.assert_array_equal(np.flatnonzero(moved), np.arange(150, 150 + int(sees)))


def test_the_convolution_learns_a_text_that_repeats(convolution):
    model, windows = convolution["model"], convolution["windows"]  # the answer has trained it for one epoch
    before = model.evaluate(windows[:, :-1], windows[:, 1:], verbose=0)
    model.fit(windows[:, :-1], windows[:, 1:], batch_size=4, epochs=4, verbose=0)
    assert model.evaluate(windows[:, :-1], windows[:, 1:], verbose=0) < 0.5 * before


@pytest.mark.parametrize(
    ("text", "merges", "tokens"),
    [
        ("aaa", [("a", "a")], ["aa", "a"]),  # of three equal ones the first two
        ("aaaa", [("a", "a"), ("aa", "aa")], ["aaaa"]),
        ("abcbc", [("a", "b"), ("b", "c")], ["ab", "c", "bc"]),  # "b" in "ab" is no token any more
    ],
)
def test_merges_join_whole_tokens_in_their_order(text, merges, tokens):
    assert run(2)["encode"](text, merges) == tokens


def test_the_most_frequent_pairs_are_learned():
    # "ab ab abc": a-b 3 times, blank-a 2, b-c 1. Then blank-ab 2, ab-c 1. Then " ab"-c 1; nothing may end in a blank.
    learn_merges = run(2)["learn_merges"]
    assert learn_merges("ab ab abc", 3) == [("a", "b"), (" ", "ab"), (" ab", "c")]
    assert learn_merges("ab ab", 9) == [("a", "b"), (" ", "ab")]  # no pair is left
    assert learn_merges("x", 9) == learn_merges("", 9) == []


@pytest.mark.parametrize("text", [TEXT, "the cat sat\n\non  the mat", "été (1) [2] \\1 .*", "x", "wörter und wörter"])
def test_encoding_loses_nothing_and_a_blank_only_begins_a_token(text):
    answer = run(2)
    tokens = answer["encode"](text, answer["learn_merges"](TEXT, 20))
    assert "".join(tokens) == text
    assert not any(symbol.isspace() for token in tokens for symbol in token[1:])


def test_the_merges_of_nietzsche_are_those_that_the_answer_names():
    [per_token] = PROSE.said(r'begin with "th", " a" and " th"; a token then has ([\d.]+) characters')
    corpus = texts.load_nietzsche()
    if corpus.is_real:
        characters, answer = corpus.text.lower()[:100_000], run(2)
        merges = answer["learn_merges"](characters, 100)
        assert ["".join(pair) for pair in merges[:3]] == ["th", " a", " th"]
        tokens = answer["encode"](characters, merges)
        assert len(characters) / len(tokens) == pytest.approx(per_token, abs=0.05)


def test_the_longest_copy_is_the_planted_one(capsys):
    answer = run(3)
    assert capsys.readouterr().out == "[300, 300]\n"  # 650 ids of the training text itself: two whole pieces
    longest_copy = answer["longest_copy"]
    training = "0123456789 a long piece of text 0123456789"
    assert longest_copy("zzz a long piece of text zzz", training) == " a long piece of text "
    assert longest_copy("zz 45 zz 3456", training) == "3456"  # at the very end
    assert longest_copy("5678 zz 12", training) == "5678"  # at the very beginning
    assert longest_copy("ZZZ", training) == longest_copy("", training) == ""
    assert answer["copied_lengths"]("abcd" + "xbcd" + "xxxd" + "ab", "..abcd..", length=4) == [1, 3, 4]


@pytest.mark.parametrize("temperature", [0.8, 1.0, 1.6])
def test_the_temperature_that_was_put_in_is_found(temperature):
    shares = np.array([0.5, 0.3, 0.1, 0.1])  # exact in both halves of the targets; the logits are sharper by T
    targets = np.tile(np.repeat(np.arange(4), [5, 3, 1, 1]), 2)
    best, before, after = run(4)["fit_temperature"](np.tile(temperature * np.log(shares), (20, 1)), targets)
    assert best == pytest.approx(temperature)
    assert after == pytest.approx(-np.sum(shares * np.log(shares))) and before >= after
