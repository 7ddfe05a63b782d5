"""What notebook 01 says, recomputed: its functions are lifted out of the .ipynb, its figures read out of the prose."""

import math
import re
from functools import partial

import keras
import nbformat
import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT

from helpers import datasets, metrics, sampling, text
from helpers.errors import UserError
from tools.lift import code_of, lift

PATH = ROOT / "notebooks" / "01_text_generation.ipynb"
PROSE = "\n".join(cell.source for cell in nbformat.read(PATH, as_version=4).cells if cell.cell_type == "markdown")
FLAT = " ".join(PROSE.split())
nb = lift(
    PATH,
    *("reweight_distribution", "entropy_in_bits", "choose", "temper", "draw", "keep_most_probable", "generate"),
    *("build_character_model", "character_step", "empty_memory", "write_characters", "next_candidates"),
    *("make_vectorizer", "TransformerLanguageModel", "adaptive_cross_entropy", "start_as_unigram", "score_words"),
    *("evaluator", "word_step", "never_written", "empty_cache", "in_columns", "words_in_pieces", "write_words"),
    *("decaying_rate",),
)
EXAMPLE = np.exp(-0.5 * np.arange(12)) / np.exp(-0.5 * np.arange(12)).sum()


def said(pattern):
    """Return the numbers that the groups of `pattern` match in the prose."""
    match = re.search(pattern, FLAT)
    assert match, f"the notebook no longer says {pattern!r}"
    return [float(group.replace(",", "")) for group in match.groups()]


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
    at_most, fair = said(r"At 1\.5 it is ([\d.]+), of the \$\\log_2 12 = ([\d.]+)\$ bits")
    assert nb.entropy_in_bits(nb.reweight_distribution(EXAMPLE, 1.5)) == pytest.approx(at_most, abs=0.005)
    assert nb.entropy_in_bits(np.full(12, 1 / 12)) == pytest.approx(fair, abs=0.005)
    assert nb.entropy_in_bits(nb.reweight_distribution(EXAMPLE, 0.01)) == pytest.approx(0, abs=1e-9)
    assert nb.entropy_in_bits(np.array([1.0, 0.0])) == 0


# Counts


def test_counts_that_the_prose_states():
    [targets, _] = said(r"one every 3.*?next character: ([\d,]+) targets a pass, and each costs (\d+) steps")
    assert len(range(0, datasets.NIETZSCHE_CHARACTERS - 60, 3)) == targets == 200_278
    ours = int(0.95 * datasets.NIETZSCHE_CHARACTERS) // 50 * 50
    [fewer] = said(r"costs about (\d+) times fewer LSTM steps")
    assert targets * 60 / ours == pytest.approx(fewer, rel=0.1)
    assert "nearly three times as many targets" in FLAT and 2.7 < ours / targets < 3
    [symbols, nats] = said(r"\\log (\d+) = ([\d.]+)\$ for one that has no idea")
    assert math.log(symbols) == pytest.approx(nats, abs=0.005)


def test_counts_of_the_text_that_is_there(capsys):
    corpus = datasets.load_nietzsche()
    characters = corpus.text.lower()
    windows = sum(1 for start in range(len(characters)) if start % 3 == 0 and start + 60 < len(characters))
    found = (len(characters), len(set(characters)), windows)
    if corpus.is_real:
        assert found == (600_893, 57, 200_278)
    else:
        assert 150_000 < len(characters) < 400_000 and 40 < len(set(characters)) < 100
    assert "windows_in_the_books = len(range(0, len(characters) - 60, 3))" in code_of(PATH)
    assert len(range(0, len(characters) - 60, 3)) == windows


def test_tied_weights_save_what_the_prose_says():
    saved, untied = said(r"saves ([\d.]+) million of what would be ([\d.]+) million weights")
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
    frequencies = metrics.log_frequencies(ids, 57)
    assert np.exp(frequencies).sum() == pytest.approx(1)
    assert 'get_layer("logits").bias.assign(metrics.log_frequencies(training_ids' in code_of(PATH)
    model.get_layer("logits").bias.assign(frequencies)
    nats = float(tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(ids, model(ids), from_logits=True)))
    assert nats == pytest.approx(metrics.unigram_nats(ids, ids, 57), abs=0.05) and nats < math.log(57) - 0.3


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


# Reviews as ids


def test_encoded_reviews_have_no_padding_and_unknown_words_are_one():
    vectorizer = nb.make_vectorizer(["a film, a good film", "bad"], vocabulary_size=5)
    words = vectorizer.get_vocabulary()
    assert words[:4] == ["", "[UNK]", "film", "a"]
    first, second, third = text.encode_documents(vectorizer, ["A film!", "a zwieback film film", ""])
    assert first.tolist() == [3, 2] and second.tolist() == [3, 1, 2, 2] and third.tolist() == []
    assert first.dtype == np.int32


def test_a_crop_would_throw_away_what_the_prose_says():
    assert "a crop to its first 100 words would throw away more than half of the text" in FLAT
    reviews = datasets.load_imdb(train_limit=500, test_limit=1)
    lengths = np.array([len(review.replace("<br />", " ").split()) for review in reviews.train])
    lost = np.maximum(lengths - 100, 0).sum() / lengths.sum()
    assert lost > 0.5 if reviews.is_real else lost == 0  # the stand-in's reviews are short


# The Transformer

SIZES = {"context": 8, "width": 16, "heads": 2, "blocks": 2}


def make_transformer(vocabulary_size=12, made_by=nb, **changes):
    keras.utils.set_random_seed(2)
    model = made_by.TransformerLanguageModel(vocabulary_size, **{**SIZES, **changes})
    model(np.zeros((1, 2), np.int32))
    return model


@pytest.fixture(scope="module")
def transformer():
    model = make_transformer()
    for weight in model.weights:
        weight.assign(weight + 0.3 * np.random.default_rng(weight.shape[0]).normal(size=weight.shape))
    return model


def logits_at(model, ids):
    """Return the logits at all positions, (batch, time, vocabulary)."""
    states = model(ids)
    flat = model.logits(tf.reshape(states, (-1, states.shape[-1])), nb.in_columns(model.tokens.embeddings))
    return tf.reshape(flat, (*states.shape[:2], -1)).numpy()


def random_ids(shape, vocabulary_size=12, seed=0):
    return np.random.default_rng(seed).integers(2, vocabulary_size, shape).astype(np.int32)


def test_no_position_sees_a_later_one(transformer):
    ids = random_ids((1, 8))
    before = logits_at(transformer, ids)
    for place in range(8):
        changed = ids.copy()
        changed[0, place] = 2 + (ids[0, place] - 1) % 10
        after = logits_at(transformer, changed)
        np.testing.assert_allclose(after[0, :place], before[0, :place], atol=1e-6)
        assert (np.abs(after[0, place:] - before[0, place:]).max(axis=-1) > 1e-4).all()  # and each sees all before it


def test_attention_is_a_distribution_over_the_past(transformer):
    _, attention = transformer(random_ids((3, 8)), return_attention=True)
    assert len(attention) == 2
    for weights in attention:
        assert weights.shape == (3, 2, 8, 8)
        np.testing.assert_allclose(np.sum(weights, axis=-1), 1, atol=1e-5)
        assert np.triu(weights, k=1).max() == 0


def test_attention_equals_the_formula(transformer):
    layer = transformer.blocks[0].attention
    x = np.random.default_rng(1).normal(size=(1, 5, 16)).astype(np.float32)
    query, key, value = (np.array(part)[0] for part in layer.split_heads(tf.constant(x)))
    heads = []
    for q, k, v in zip(query, key, value, strict=True):
        scores = q @ k.T / math.sqrt(8) + np.where(np.tri(5), 0, -np.inf)
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        heads.append(weights / weights.sum(axis=-1, keepdims=True) @ v)
    expected = np.concatenate(heads, axis=-1) @ layer.merge.kernel.numpy() + layer.merge.bias.numpy()
    np.testing.assert_allclose(layer(x)[0][0], expected, atol=1e-5)


def test_cached_steps_equal_the_full_pass(transformer):
    ids, step = random_ids((3, 8)), nb.word_step(transformer)
    state, stepwise = nb.empty_cache(transformer, 3), []
    for place in range(8):
        logits, state = step(tf.constant(ids[:, place]), state)
        stepwise.append(logits[:, 2:])
    np.testing.assert_allclose(np.stack(stepwise, axis=1), logits_at(transformer, ids)[..., 2:], atol=2e-5)
    assert np.argmin(nb.never_written(transformer)) in (0, 1) and (nb.never_written(transformer).numpy()[2:] == 0).all()


@pytest.mark.parametrize("read", [2, 7, 8, 20])
def test_write_words_equals_a_slow_loop_that_slides_its_window(transformer, read):
    prompt, temperatures = random_ids(read, seed=read), [0.0, 1.0, 1.5]
    step, length = nb.word_step(transformer), 3 * transformer.context
    asked = transformer, step, prompt, length, temperatures
    settings = {"seed": 5, "top_k": 9, "top_p": 0.95}
    fast = nb.write_words(*asked, **settings)
    assert fast.shape == (3, length) and fast.min() > 1
    pieces = list(nb.words_in_pieces(*asked, **settings, size=3))
    assert max(piece.shape[1] for piece in pieces) == 3 and len(pieces) > length / 3
    np.testing.assert_array_equal(np.concatenate(pieces, axis=1), fast)
    ids = np.tile(prompt, (3, 1))
    while ids.shape[1] < read + length:
        window = ids[:, -8:] if ids.shape[1] == read else ids[:, -4:]
        uniform = sampling.request(window, 8, temperatures, seed=5 + ids.shape[1]).uniform
        while window.shape[1] <= 8 and ids.shape[1] < read + length:
            logits = logits_at(transformer, window)[:, -1] + nb.never_written(transformer)
            number = uniform[window.shape[1] - 1]
            chosen = nb.choose(logits, tf.constant(temperatures), number, (9, 0.95)).numpy()[:, None]
            window, ids = np.concatenate([window, chosen], axis=1), np.concatenate([ids, chosen], axis=1)
    np.testing.assert_array_equal(fast, ids[:, read:])


def test_padding_and_unknown_are_never_written(transformer):
    step = nb.word_step(transformer)
    written = nb.write_words(transformer, step, random_ids(2), 3 * transformer.context, [0.0, 1.0, 50.0, 1e9, 1e39])
    assert written.min() > 1 and all(len(set(row)) > 5 for row in written[2:])  # of 10 words


def test_whole_numbers_and_large_seeds_are_accepted(transformer):
    step = nb.word_step(transformer)
    written = nb.write_words(transformer, step, random_ids(2), 4, [1.0], seed=2**31, top_k=3, top_p=1)
    assert written.shape == (1, 4)


def test_bad_input_for_words_is_named(transformer):
    step = nb.word_step(transformer)
    with pytest.raises(UserError, match="prompt is empty"):
        nb.write_words(transformer, step, np.array([], np.int32), 5, [1.0])
    with pytest.raises(UserError, match="temperature of -1"):
        nb.write_words(transformer, step, random_ids(2), 5, [-1.0])


# The loss


def test_all_logits_are_one_distribution(transformer):
    """p(w) of a frequent word is p1(w), of a rare one p1(rare) p2(w); six of the twelve words are frequent."""
    assert transformer.frequent == 6
    states = np.random.default_rng(0).normal(size=(5, 16)).astype(np.float32)
    raw = states @ transformer.tokens.embeddings.numpy().T + transformer.bias.numpy()
    rare = transformer.rare(states).numpy()
    first = np.exp(raw[:, :6]).sum(axis=1, keepdims=True) + np.exp(rare)
    second = np.exp(raw[:, 6:]).sum(axis=1, keepdims=True)
    expected = np.concatenate([np.exp(raw[:, :6]) / first, np.exp(rare) / first * np.exp(raw[:, 6:]) / second], axis=1)
    np.testing.assert_allclose(expected.sum(axis=1), 1, rtol=1e-5)
    logits = transformer.logits(tf.constant(states), nb.in_columns(transformer.tokens.embeddings))
    np.testing.assert_allclose(tf.nn.softmax(logits), expected, rtol=1e-4)


def test_the_loss_is_the_mean_over_words_of_the_cross_entropy_of_all_logits(transformer):
    ids = random_ids((3, 8))
    targets = random_ids((3, 8), seed=1)
    targets[0, 5:] = targets[2, 1:] = 0
    logits = logits_at(transformer, ids)
    nats = [metrics.nats_per_symbol(logits[i, j][None], targets[i, j][None]) for i, j in np.argwhere(targets > 0)]
    loss = nb.adaptive_cross_entropy(transformer)
    assert float(loss(targets, transformer(ids))) == pytest.approx(np.mean(nats), rel=1e-5)
    garbage = np.where((targets > 0)[..., None], transformer(ids), 99.0)  # what stands at padding is no matter
    assert float(loss(targets, garbage.astype(np.float32))) == pytest.approx(np.mean(nats), rel=1e-5)
    assert float(loss(np.zeros((2, 3), np.int32), transformer(ids[:2, :3]))) == 0
    frequent_only = np.full((3, 8), 3, np.int32)  # the second softmax is then empty
    expected = metrics.nats_per_symbol(logits.reshape(-1, 12), frequent_only.ravel())
    assert float(loss(frequent_only, transformer(ids))) == pytest.approx(expected, rel=1e-5)


def test_biases_make_the_untrained_model_a_unigram():
    model = make_transformer()
    model.tokens.embeddings.assign(0 * model.tokens.embeddings)
    model.rare.kernel.assign(0 * model.rare.kernel)
    frequencies = metrics.log_frequencies(np.random.default_rng(0).geometric(0.3, 400) % 12, 12)
    nb.start_as_unigram(model, frequencies)
    logits = logits_at(model, random_ids((1, 4)))
    np.testing.assert_allclose(tf.nn.log_softmax(logits)[0], np.tile(frequencies, (4, 1)), atol=1e-5)


def test_rare_words_are_as_rare_as_the_prose_says():
    assert "needed only where a rare word comes, which is about one position in seven" in FLAT
    [frequent, rare] = said(r"over the ([\d,]+) most frequent words.*?over the ([\d,]+) rare words")
    assert nb.TransformerLanguageModel(15_000).frequent == frequent and frequent + rare == 15_000
    reviews = datasets.load_imdb(train_limit=3_000, test_limit=1)
    if not reviews.is_real:
        return  # a statement about the real reviews
    vectorizer = nb.make_vectorizer(text.without_breaks(reviews.train))
    ids = np.concatenate(text.encode_documents(vectorizer, text.without_breaks(reviews.train)))
    assert (ids >= frequent).mean() == pytest.approx(1 / 7, abs=0.02)


def test_padding_changes_no_logit_and_no_loss(transformer):
    short = random_ids((2, 6))
    padded = np.pad(short, [(0, 0), (0, 3)])
    np.testing.assert_allclose(transformer(padded[:, :-1])[:, :5], transformer(short[:, :-1]), atol=1e-5)
    loss = nb.adaptive_cross_entropy(transformer)
    losses = [float(loss(ids[:, 1:].astype(np.int32), transformer(ids[:, :-1]))) for ids in (short, padded)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_batches_count_by_their_words(transformer):
    rows = random_ids((5, 9))
    rows[0, 3:] = rows[4, 6:] = 0
    whole = float(nb.adaptive_cross_entropy(transformer)(rows[:, 1:], transformer(rows[:, :-1])))
    evaluate = nb.evaluator(transformer)
    for batch_size in (1, 2, 64):
        assert nb.score_words(evaluate, rows, batch_size) == pytest.approx(whole, rel=1e-5)


def without_mask(tmp_path):
    """Return the notebook's model with the change that exercise 3 asks for."""
    cells = nbformat.read(PATH, as_version=4)
    mask = "visible=time[:, None] >= time[None, :]"
    assert f"`{mask}`" in FLAT
    assert sum(mask in cell.source for cell in cells.cells if cell.cell_type == "code") == 1
    for cell in cells.cells:
        cell.source = cell.source.replace(mask, "visible=ops.ones((ops.shape(x)[1], ops.shape(x)[1]), dtype='bool')")
    nbformat.write(cells, tmp_path / "unmasked.ipynb")
    return lift(tmp_path / "unmasked.ipynb", "TransformerLanguageModel")


@pytest.mark.parametrize("masked", [True, False])
def test_random_tokens_cannot_be_predicted_unless_the_mask_is_taken_away(tmp_path, masked):
    model = make_transformer(made_by=nb if masked else without_mask(tmp_path), dropout=0.0)
    model.compile(keras.optimizers.Adam(0.01), nb.adaptive_cross_entropy(model))
    tokens = random_ids((64 * 100, 9))
    model.fit(tokens[:, :-1], tokens[:, 1:], batch_size=64, epochs=3, verbose=0)
    fresh = random_ids((1_000, 9), seed=1)
    nats = nb.score_words(nb.evaluator(model), fresh, batch_size=500)
    floor = math.log(10)  # ids 2 to 11, all equally likely
    if masked:
        assert floor - 0.01 < nats < floor + 0.05
    else:
        assert nats < floor - 0.5


@pytest.mark.parametrize("steps", [1, 3, 40, 1_000])
def test_the_rate_rises_for_a_twentieth_and_ends_at_a_hundredth(steps):
    rate = nb.decaying_rate(0.004, steps)
    values = np.array([float(rate(step)) for step in np.unique(np.linspace(0, steps, 41).astype(int))])
    assert np.isfinite(values).all() and values.max() <= 0.004 * 1.0001
    assert values[0] == pytest.approx(0.05 * 0.004)
    if steps >= 40:
        top = 2  # of 41 places, number 2 stands at a twentieth
        assert values[top] == pytest.approx(0.004, rel=1e-3) and values[1] == pytest.approx(0.525 * 0.004, rel=1e-3)
        assert (np.diff(values[top:]) < 0).all()
        assert values[-1] == pytest.approx(0.01 * 0.004, rel=1e-2)
        middle = 0.004 * (0.01 + 0.99 * 0.5)
        assert float(rate(steps // 20 + (steps - steps // 20) // 2)) == pytest.approx(middle, rel=1e-2)


# The exercises' answers


@pytest.fixture(scope="module")
def answers():
    """Run the code in all folded answers and return what it defines."""
    blocks = re.findall(r"```python\n(.*?)```", "".join(re.findall(r"<details>.*?</details>", PROSE, re.S)), re.S)
    given = lift(PATH, "keras", "layers", "tf", "np", "metrics", "ops")
    names = dict(vars(given))
    for block in blocks:
        exec(compile(block, "answer", "exec"), names)
    return {name: value for name, value in names.items() if name not in vars(given)}


def test_every_answer_with_code_is_tested_here(answers):
    assert set(answers) == {"build_convolution_model", "best_temperature"}


def test_the_convolution_sees_as_far_back_as_the_answer_says(answers):
    [sees] = said(r"\+ 64 = (\d+)\$ characters")
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
    before = model.evaluate(text.window_batches(ids, 20, 8, seed=1, epoch=1), verbose=0)
    model.fit(text.window_batches(ids, 20, 8, seed=1, epoch=0), shuffle=False, verbose=0)
    assert model.evaluate(text.window_batches(ids, 20, 8, seed=1, epoch=1), verbose=0) < 0.2 < 1 < before


def test_the_best_temperature_undoes_overconfidence(answers):
    random = np.random.default_rng(0)
    right = random.normal(size=(4_000, 6))
    targets = np.argmax(right + random.gumbel(size=right.shape), axis=-1)  # drawn from softmax(right)
    best, scores = answers["best_temperature"](2 * right, targets, [0.5, 1.0, 2.0, 4.0])
    assert best == 2.0 and set(scores) == {0.5, 1.0, 2.0, 4.0} and scores[2.0] == min(scores.values())
