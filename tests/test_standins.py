"""The stand-ins: prose that reads as prose, and a grammar whose probabilities and entropy are exact."""

import re

import numpy as np
import pytest

from helpers.grammar import ReviewGrammar
from helpers.standins import python_prose


@pytest.fixture(scope="module")
def grammar():
    return ReviewGrammar()


@pytest.fixture(scope="module")
def reviews(grammar):
    return grammar.sample(1_000, seed=3)


@pytest.fixture(scope="module")
def states(grammar):
    """All states that can be reached, in the order in which they are found."""
    found, waiting = {grammar.start}, [grammar.start]
    while waiting:
        for _, after in grammar.next_words(waiting.pop()).values():
            if after and after not in found:
                found.add(after)
                waiting.append(after)
    return found


def test_prose_is_long_plain_and_new_throughout():
    text = python_prose()
    assert 150_000 < len(text) < 400_000
    assert text.isascii()
    assert text == python_prose()
    paragraphs = text.strip().split("\n\n")
    assert len(set(paragraphs)) == len(paragraphs)
    assert sum(character.isalpha() or character.isspace() for character in text) > 0.9 * len(text)
    assert not re.search(r"::=|>>>|\+--|\*\*\*|===", text)


def test_probabilities_sum_to_one_in_every_state(grammar, states):
    sums = [sum(probability for probability, _ in grammar.next_words(state).values()) for state in states]
    np.testing.assert_allclose(sums, 1, atol=1e-12)
    assert len(states) > 10_000


def test_every_review_has_30_to_100_words(grammar, states):
    longest, shortest = {None: 0}, {None: 0}

    def measure(state):
        if state not in longest:
            after = [measure(target) for _, target in grammar.next_words(state).values()]
            longest[state] = 1 + max(most for most, _ in after)
            shortest[state] = 1 + min(least for _, least in after)
        return longest[state], shortest[state]

    most, least = measure(grammar.start)
    assert 30 <= least < most <= 100


def test_vocabulary_is_small(grammar, states):
    words = {word for state in states for word in grammar.next_words(state)}
    assert 200 <= len(words) <= 400
    assert all(re.fullmatch("[a-z]+", word) for word in words)


def test_sampled_reviews_have_the_exact_entropy(grammar, reviews):
    logs = [grammar.word_log_probabilities(review.split()) for review in reviews]
    assert all(np.isfinite(log).all() for log in logs)
    for given in (0, 1, 5):
        losses = [-log[given:] for log in logs]
        exact = grammar.nats_per_word(given)
        # Standard error of a ratio of sums: total loss of a review against what its length lets expect.
        residuals = np.array([loss.sum() - exact * len(loss) for loss in losses])
        words = np.mean([len(loss) for loss in losses])
        error = residuals.std() / np.sqrt(len(losses)) / words
        assert error < 0.01
        assert abs(residuals.mean() / words) < 4 * error


def test_mean_length_is_exact(grammar, reviews):
    lengths = np.array([len(review.split()) for review in reviews])
    assert abs(lengths.mean() - grammar.expected_words()) < 4 * lengths.std() / np.sqrt(len(lengths))


def test_entropy_of_the_first_words_worked_out_by_hand(grammar):
    """The words not given are all words less the first, whose entropy is that of one distribution."""
    first = np.array([probability for probability, _ in grammar.next_words(grammar.start).values()])
    entropy, length = -np.sum(first * np.log(first)), grammar.expected_words()
    left = grammar.nats_per_word() * length - entropy
    assert grammar.nats_per_word(given=1) == pytest.approx(left / (length - 1), rel=1e-12)


def test_case_and_punctuation_do_not_matter(grammar, reviews):
    words = reviews[0].split()
    bare = [word.lower().strip(".") for word in words]
    assert "." in reviews[0]
    np.testing.assert_array_equal(grammar.word_log_probabilities(words), grammar.word_log_probabilities(bare))


def test_this_movie_opens_a_review(grammar):
    assert np.isfinite(grammar.word_log_probabilities(["This", "movie"])).all()


def test_impossible_word_and_all_after_it_have_no_probability(grammar):
    logs = grammar.word_log_probabilities(["this", "movie", "movie", "is", "the", "best"])
    assert np.isfinite(logs[:2]).all()
    assert np.isneginf(logs[2:]).all()


def test_words_after_the_end_have_no_probability(grammar, reviews):
    logs = grammar.word_log_probabilities([*reviews[0].split(), "this"])
    assert np.isfinite(logs[:-1]).all()
    assert np.isneginf(logs[-1])


def test_the_beginning_decides_words_near_the_end(grammar):
    """The genre and the sentiment of the opening are taken up by the verdict, many words later."""
    text = "i loved this western from the first minute to the last one day in a desert a cowboy fights some bandits "
    text += "as the cowboy anna is very great the music is great and full of wit overall i give this"
    words = text.split()
    assert np.isneginf(grammar.word_log_probabilities([*words, "comedy"])[-1])
    assert grammar.word_log_probabilities([*words, "western"])[-1] == 0
    assert np.isneginf(grammar.word_log_probabilities([*words, "western", "two"])[-1])
    assert np.isfinite(grammar.word_log_probabilities([*words, "western", "nine"])[-1])


def test_no_a_before_a_vowel(reviews):
    assert not re.search(r"\ba [aeiou]", " ".join(reviews), re.IGNORECASE)


def test_samples_repeat_with_their_seed_only(grammar, reviews):
    assert grammar.sample(20, seed=3) == reviews[:20]
    assert grammar.sample(20, seed=4) != reviews[:20]
    assert len(set(reviews)) > 990
