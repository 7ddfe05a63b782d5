"""What notebook 01 says of characters and sampling, recomputed with its own functions."""

import math
from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf
from claims import Prose

from helpers import text
from helpers import text as sampling
from helpers.data import texts
from helpers.metrics import texts as text_metrics
from helpers.session import UserError
from helpers.training.batches import window_batches
from tools.lift import code_of, lift

PROSE = Prose("01_text_generation")
nb = lift(
    PROSE.path,
    *("reweight_distribution", "entropy_in_bits", "choose", "temper", "draw", "keep_most_probable", "generate"),
    *("build_character_model", "character_step", "empty_memory", "write_characters", "next_candidates"),
    "TransformerLanguageModel",
)
EXAMPLE = np.exp(-0.5 * np.arange(12)) / np.exp(-0.5 * np.arange(12)).sum()


# Temperature


def test_temperature_reweights_by_powers():
    squared = EXAMPLE**2 / np.sum(EXAMPLE**2)
    np.testing.assert_allclose(nb.reweight_distribution(EXAMPLE, 1.0), EXAMPLE)
    np.testing.assert_allclose(nb.reweight_distribution(EXAMPLE, 0.5), squared)
    np.testing.assert_allclose(nb.reweight_distribution(EXAMPLE, 1e9), 1 / 12, rtol=1e-6)


@pytest.mark.parametrize("temperature", [0, 1e-12, 1e-3, 0.01])
def test_low_temperatures_are_greedy_and_never_nan(temperature):
    with np.errstate(all="raise", under="ignore"):
        reweighted = nb.reweight_distribution(EXAMPLE[::-1], temperature)
    np.testing.assert_allclose(reweighted, np.eye(12)[11], atol=1e-12)


@pytest.mark.parametrize("temperature", [0, 1e-3, 0.7, 1.5])
def test_an_impossible_symbol_stays_impossible(temperature):
    reweighted = nb.reweight_distribution(np.array([0.0, 0.75, 0.25, 0.0]), temperature)
    assert reweighted[0] == reweighted[3] == 0 and reweighted.sum() == pytest.approx(1)


def test_entropies_that_the_prose_states():
    at_most, fair = PROSE.said(r"At 1\.5 it is ([\d.]+), of the \$\\log_2 12 = ([\d.]+)\$ bits")
    assert nb.entropy_in_bits(nb.reweight_distribution(EXAMPLE, 1.5)) == pytest.approx(at_most, abs=0.005)
    assert nb.entropy_in_bits(np.full(12, 1 / 12)) == pytest.approx(fair, abs=0.005)
    assert nb.entropy_in_bits(nb.reweight_distribution(EXAMPLE, 0.01)) == pytest.approx(0, abs=1e-9)
    assert nb.entropy_in_bits(np.array([1.0, 0.0])) == 0


# Counts


def test_counts_that_the_prose_states():
    [targets, _] = PROSE.said(r"one every 3.*?next character: ([\d,]+) targets a pass, and each costs (\d+) steps")
    assert len(range(0, texts.NIETZSCHE_CHARACTERS - 60, 3)) == targets == 200_278
    ours = int(0.95 * texts.NIETZSCHE_CHARACTERS) // 50 * 50
    [fewer] = PROSE.said(r"costs about (\d+) times fewer LSTM steps")
    assert targets * 60 / ours == pytest.approx(fewer, rel=0.1)
    assert "nearly three times as many targets" in PROSE.flat and 2.7 < ours / targets < 3
    [symbols, nats] = PROSE.said(r"\\log (\d+) = ([\d.]+)\$ for one that has no idea")
    assert math.log(symbols) == pytest.approx(nats, abs=0.005)


def test_counts_of_the_text_that_is_there(capsys):
    corpus = texts.load_nietzsche()
    characters = corpus.text.lower()
    windows = sum(1 for start in range(len(characters)) if start % 3 == 0 and start + 60 < len(characters))
    found = (len(characters), len(set(characters)), windows)
    if corpus.is_real:
        assert found == (600_893, 57, 200_278)
    else:
        assert 150_000 < len(characters) < 400_000 and 40 < len(set(characters)) < 100
    assert "windows_in_the_books = len(range(0, len(characters) - 60, 3))" in code_of(PROSE.path)
    assert len(range(0, len(characters) - 60, 3)) == windows


def test_tied_weights_save_what_the_prose_says():
    saved, untied = PROSE.said(r"saves ([\d.]+) million of what would be ([\d.]+) million weights")
    model = nb.TransformerLanguageModel(15_000)
    model(np.zeros((1, 4), np.int32))
    words = model.tokens.count_params()
    assert words / 1e6 == pytest.approx(saved, abs=0.05)
    assert (model.count_params() + words) / 1e6 == pytest.approx(untied, abs=0.05)


# The sampler


def logits_of(*rows):
    return tf.math.log(tf.constant(rows, tf.float32))


def test_choose_is_greedy_at_zero_in_its_own_stream_only():
    logits = tf.tile(logits_of(EXAMPLE), (400, 1))
    temperature = tf.constant([0.0, 5.0] * 200)
    drawn = nb.choose(logits, temperature, np.random.default_rng(1).random(400, np.float32)).numpy()
    assert (drawn[::2] == 0).all() and len(set(drawn[1::2])) > 6
    close = tf.constant([[3.0, 3.000001, -1e9]] * 50)  # neighbours in float32
    assert (nb.choose(close, tf.zeros(50), np.linspace(0, 0.99, 50, dtype=np.float32)).numpy() == 1).all()


@pytest.mark.parametrize("temperature", [0.3, 1.0, 1.5])
def test_choose_draws_from_the_reweighted_distribution(temperature):
    count = 20_000
    uniform = np.random.default_rng(3).random(count, np.float32)
    drawn = nb.choose(tf.tile(logits_of(EXAMPLE), (count, 1)), tf.fill([count], temperature), uniform)
    expected = nb.reweight_distribution(EXAMPLE, temperature)
    deviation = np.sqrt(expected * (1 - expected) / count)
    assert (np.abs(np.bincount(drawn, minlength=12) / count - expected) < 5 * deviation + 1e-4).all()


@pytest.mark.parametrize("symbols", [1, 127, 128, 129, 1_000])
def test_draw_takes_the_first_symbol_at_which_the_running_total_passes_the_number(symbols):
    logits = np.random.default_rng(symbols).normal(size=(1, symbols)).astype(np.float32) * 2 - 9
    uniform = np.linspace(0, 1, 3_000, endpoint=False).astype(np.float32)
    drawn = nb.draw(tf.tile(tf.constant(logits), (3_000, 1)), tf.constant(uniform)).numpy()
    probabilities = np.exp(logits[0].astype(np.float64))
    ends = np.cumsum(probabilities / probabilities.sum())
    expected = np.searchsorted(ends, uniform, side="right")
    assert np.abs(drawn - expected).max() <= 1 and (drawn != expected).mean() < 0.002  # float32 at a border


def test_draw_never_takes_what_has_no_probability():
    logits = np.full((2, 300), -1e9, np.float32)
    logits[0, [0, 200]], logits[1, [131, 255]] = [0, -3], [-5, -5]
    uniform = np.concatenate([[0, np.nextafter(np.float32(1), np.float32(0))], np.linspace(0, 0.99999, 2_000)])
    for row, allowed in enumerate([{0, 200}, {131, 255}]):
        drawn = nb.draw(tf.tile(tf.constant(logits[row : row + 1]), (2_002, 1)), tf.constant(uniform, tf.float32))
        assert set(drawn.numpy()) == allowed


@pytest.mark.parametrize(("top_k", "top_p"), [(7, 1.0), (500, 0.6), (30, 0.9), (1, 1.0), (500, 1.0)])
def test_bisection_keeps_what_sorting_keeps(top_k, top_p):
    logits = np.random.default_rng(top_k).normal(size=(4, 500)).astype(np.float32) * 2
    kept = nb.keep_most_probable(tf.constant(logits), top_k, top_p).numpy() > -1e8
    for row, shown in zip(logits.astype(np.float64), kept, strict=True):
        order = np.argsort(-row)
        probabilities = np.exp(row[order]) / np.exp(row).sum()
        before = np.cumsum(probabilities) - probabilities
        count = int(((np.arange(500) < top_k) & (before < top_p)).sum())
        assert set(np.flatnonzero(shown)) == set(order[:count])


def test_tempered_logits_are_finite_at_any_temperature():
    logits = tf.constant([[1e4, -1e4, 0.0]] * 4)
    tempered = nb.temper(logits, tf.constant([0.0, 1e-6, 1e-3, 1e9])).numpy()
    assert np.isfinite(tempered).all() and (tempered.max(axis=-1) == 0).all()
    for row, temperature in zip(tempered[:3], [1e-12, 1e-6, 1e-3], strict=True):
        np.testing.assert_allclose(row, [0, -2e4 / temperature, -1e4 / temperature], rtol=1e-5)
    np.testing.assert_allclose(tf.nn.softmax(tempered[3]), 1 / 3, atol=0.01)


@pytest.mark.parametrize(
    ("top_k", "top_p", "expected"),
    [
        (4, 1.0, [0.125, 0.5, 0.125, 0.25]),
        (2, 1.0, [0, 2 / 3, 0, 1 / 3]),
        (1, 1.0, [0, 1, 0, 0]),
        (4, 0.7, [0, 2 / 3, 0, 1 / 3]),  # 0.5 is not enough
        (4, 0.49, [0, 1, 0, 0]),
        (4, 1e-6, [0, 1, 0, 0]),  # the first is always kept
        (1, 0.7, [0, 1, 0, 0]),
        (99, 0.8, [0.125, 0.5, 0.125, 0.25]),  # needs one of the two eighths; equals stay or go together
    ],
)
def test_top_k_and_top_p_by_hand(top_k, top_p, expected):
    logits = logits_of([0.125, 0.5, 0.125, 0.25]) + 7  # need not be normalised
    kept = nb.keep_most_probable(logits, tf.constant(top_k), tf.constant(top_p))
    np.testing.assert_allclose(tf.nn.softmax(kept)[0], expected, atol=1e-6)


def test_each_stream_has_its_own_nucleus():
    kept = nb.keep_most_probable(logits_of([0.9, 0.06, 0.04], [0.4, 0.35, 0.25]), 3, 0.8)
    np.testing.assert_allclose(tf.nn.softmax(kept), [[1, 0, 0], [0.4, 0.35, 0.25]], atol=1e-6)


# The loop


def sum_step(ids, total):
    """Toy model: the next id is, for certain, the sum of all ids read so far, modulo 11."""
    total = total + ids
    return 50.0 * tf.one_hot(total % 11, 11), total


@pytest.mark.parametrize("prompt", [[4], [4, 9], [1, 2, 3, 4, 5]])
@pytest.mark.parametrize("length", [1, 6])
def test_generate_reads_the_whole_prompt_once_and_then_its_own_ids(prompt, length):
    prompts = np.array([prompt, prompt[::-1]], np.int32) + [[0], [1]]
    asked = sampling.request(prompts, length, temperatures=[0.0, 1.0])
    written, total = nb.generate(sum_step, tf.zeros(2, tf.int32), asked)
    assert total.numpy().tolist() == [sum(row[: len(prompt) + length - 1]) for row in written.numpy().tolist()]
    for row, start in zip(sampling.new_ids(written, asked), prompts.tolist(), strict=True):
        expected = list(start)
        for _ in range(length):
            expected.append(sum(expected) % 11)
        assert row.tolist() == expected[len(start) :]


@pytest.mark.parametrize("size", [1, 4, 7, 30])
def test_pieces_are_together_what_is_written_at_once(character_model, size):
    asked = sampling.request(VOCABULARY.encode("bad cafe"), 21, temperatures=[0.5, 1.0], seed=3, top_p=0.95)
    step, state = nb.character_step(character_model), nb.empty_memory(character_model, 2)
    pieces = list(sampling.in_pieces(partial(nb.generate, step), state, asked, size))
    assert [piece.shape[1] for piece in pieces[:-1]] == [size] * (20 // size)
    written, _ = nb.generate(step, state, asked)
    np.testing.assert_array_equal(np.concatenate(pieces, axis=1), sampling.new_ids(written, asked))


VOCABULARY = text.Vocabulary("abcdefg ")


@pytest.fixture(scope="module")
def character_model():
    keras.utils.set_random_seed(5)
    model = nb.build_character_model(len(VOCABULARY), width=8, embedding_width=4)
    for weight in model.weights:
        weight.assign(3.0 * weight)  # far from uniform, so that a wrong distribution shows
    return model


def test_an_untrained_model_scores_as_unigram_does_once_its_biases_are_set():
    keras.utils.set_random_seed(5)
    model = nb.build_character_model(57)
    ids = np.random.default_rng(1).geometric(0.1, (4, 60)) % 57
    frequencies = text_metrics.log_frequencies(ids, 57)
    assert np.exp(frequencies).sum() == pytest.approx(1)
    assert 'get_layer("logits").bias.assign(metrics.log_frequencies(training_ids' in code_of(PROSE.path)
    model.get_layer("logits").bias.assign(frequencies)
    nats = float(tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(ids, model(ids), from_logits=True)))
    assert nats == pytest.approx(text_metrics.unigram_nats(ids, ids, 57), abs=0.05) and nats < math.log(57) - 0.3


def test_write_characters_equals_a_slow_loop(character_model):
    temperatures, narrow = [0, 0.5, 1.0], (5, 0.9)
    step = nb.character_step(character_model)
    fast = nb.write_characters(character_model, step, VOCABULARY, "bad cafe", 12, temperatures, 7, *narrow)
    ids = np.tile(VOCABULARY.encode("bad cafe"), (3, 1))
    uniform = sampling.request(ids, 12, temperatures, seed=7).uniform
    for place in range(12):
        logits = character_model(ids)[:, -1]
        number = uniform[7 + place]  # the step at which the prompt's last character is read is number 7
        chosen = nb.choose(logits, tf.constant(temperatures, tf.float32), number, narrow)
        ids = np.concatenate([ids, chosen[:, None]], axis=1)
    assert fast == [VOCABULARY.decode(row[8:]) for row in ids]
    assert [len(row) for row in fast] == [12] * 3 and len(set(fast)) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompt": "cab ü"}, "not in the vocabulary: 'ü'"),
        ({"prompt": ""}, "prompt is empty"),
        ({"length": 0}, "length of 0"),
        ({"temperatures": [-1]}, "temperature of -1"),
        ({"temperatures": [math.nan]}, "temperature of nan"),
        ({"top_k": 0}, "top_k=0"),
        ({"top_p": 1.5}, "top_p=1.5"),
    ],
)
def test_bad_input_for_characters_is_named(character_model, change, message):
    settings = {"prompt": "cab", "length": 5, "temperatures": [1.0], **change}
    step = nb.character_step(character_model)
    with pytest.raises(UserError, match=message):
        nb.write_characters(character_model, step, VOCABULARY, **settings)


def test_candidates_are_what_the_settings_leave():
    logits = logits_of([0.1, 0.6, 0.3])
    candidates = nb.next_candidates(logits, 1.0, (2, 1.0), text.Vocabulary("abc"))
    assert [symbol for symbol, _ in candidates] == ["b", "c"]
    np.testing.assert_allclose([probability for _, probability in candidates], [2 / 3, 1 / 3], rtol=1e-5)
    assert nb.next_candidates(logits, 0, None, text.Vocabulary("abc")) == [("b", 1.0)]
    assert len(nb.next_candidates(logits, 1.0, None, text.Vocabulary("abc"), count=1)) == 1


# The exercises' answers


@pytest.fixture(scope="module")
def answers():
    """Run the code in all folded answers and return what it defines."""
    given = lift(PROSE.path, "keras", "layers", "tf", "np", "metrics", "ops")
    names = dict(vars(given))
    for block in PROSE.answers():
        exec(compile(block, "answer", "exec"), names)
    return {name: value for name, value in names.items() if name not in vars(given)}


def test_every_answer_with_code_is_tested_here(answers):
    assert set(answers) == {"build_convolution_model", "best_temperature"}


def test_the_convolution_sees_as_far_back_as_the_answer_says(answers):
    [sees] = PROSE.said(r"\+ 64 = (\d+)\$ characters")
    sees = int(sees)
    model = answers["build_convolution_model"](10, width=8)
    ids = np.random.default_rng(0).integers(0, 10, (1, 150))
    logits = model(ids).numpy()
    assert logits.shape == (1, 150, 10)
    last = logits[0, -1]

    def change_at(distance):
        changed = ids.copy()
        changed[0, 149 - distance] = (ids[0, 149 - distance] + 1) % 10
        return model(changed).numpy()[0]

    assert np.abs(change_at(sees - 1)[-1] - last).max() > 1e-6
    np.testing.assert_array_equal(change_at(sees)[-1], last)
    np.testing.assert_array_equal(change_at(0)[:-1], logits[0, :-1])  # and nothing that is to come


def test_the_convolution_learns_with_the_notebooks_loss(answers):
    keras.utils.set_random_seed(0)
    model = answers["build_convolution_model"](5, width=8, dilations=(1, 2))
    model.compile(keras.optimizers.Adam(0.02), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    ids = np.arange(4_000) % 5
    before = model.evaluate(window_batches(ids, 20, 8, seed=1, epoch=1), verbose=0)
    model.fit(window_batches(ids, 20, 8, seed=1, epoch=0), shuffle=False, verbose=0)
    assert model.evaluate(window_batches(ids, 20, 8, seed=1, epoch=1), verbose=0) < 0.2 < 1 < before


def test_the_best_temperature_undoes_overconfidence(answers):
    random = np.random.default_rng(0)
    right = random.normal(size=(4_000, 6))
    targets = np.argmax(right + random.gumbel(size=right.shape), axis=-1)  # drawn from softmax(right)
    best, scores = answers["best_temperature"](2 * right, targets, [0.5, 1.0, 2.0, 4.0])
    assert best == 2.0 and set(scores) == {0.5, 1.0, 2.0, 4.0} and scores[2.0] == min(scores.values())
