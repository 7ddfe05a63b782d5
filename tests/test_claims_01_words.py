"""What part B of notebook 01 says of words, recomputed: reviews as ids, the Transformer and its loss."""

import math

import keras
import nbformat
import numpy as np
import pytest
import tensorflow as tf
from claims import Prose

from helpers import text
from helpers import text as sampling
from helpers.data import texts
from helpers.metrics import texts as text_metrics
from helpers.session import UserError
from tools.lift import lift

PROSE = Prose("01_text_generation")
nb = lift(
    PROSE.path,
    *("make_vectorizer", "TransformerLanguageModel", "adaptive_cross_entropy", "start_as_unigram", "score_words"),
    *("evaluator", "word_step", "never_written", "empty_cache", "in_columns", "words_in_pieces", "write_words"),
    *("choose", "decaying_rate", "explore_words"),
)


# Reviews as ids


def test_encoded_reviews_have_no_padding_and_unknown_words_are_one():
    vectorizer = nb.make_vectorizer(["a film, a good film", "bad"], vocabulary_size=5)
    words = vectorizer.get_vocabulary()
    assert words[:4] == ["", "[UNK]", "film", "a"]
    first, second, third = text.encode_documents(vectorizer, ["A film!", "a zwieback film film", ""])
    assert first.tolist() == [3, 2] and second.tolist() == [3, 1, 2, 2] and third.tolist() == []
    assert first.dtype == np.int32


def test_a_crop_would_throw_away_what_the_prose_says():
    assert "a crop to its first 100 words would throw away more than half of the text" in PROSE.flat
    reviews = texts.load_imdb(train_limit=500, test_limit=1)
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
    nats = [text_metrics.nats_per_symbol(logits[i, j][None], targets[i, j][None]) for i, j in np.argwhere(targets > 0)]
    loss = nb.adaptive_cross_entropy(transformer)
    assert float(loss(targets, transformer(ids))) == pytest.approx(np.mean(nats), rel=1e-5)
    garbage = np.where((targets > 0)[..., None], transformer(ids), 99.0)  # what stands at padding is no matter
    assert float(loss(targets, garbage.astype(np.float32))) == pytest.approx(np.mean(nats), rel=1e-5)
    assert float(loss(np.zeros((2, 3), np.int32), transformer(ids[:2, :3]))) == 0
    frequent_only = np.full((3, 8), 3, np.int32)  # the second softmax is then empty
    expected = text_metrics.nats_per_symbol(logits.reshape(-1, 12), frequent_only.ravel())
    assert float(loss(frequent_only, transformer(ids))) == pytest.approx(expected, rel=1e-5)


def test_biases_make_the_untrained_model_a_unigram():
    model = make_transformer()
    model.tokens.embeddings.assign(0 * model.tokens.embeddings)
    model.rare.kernel.assign(0 * model.rare.kernel)
    frequencies = text_metrics.log_frequencies(np.random.default_rng(0).geometric(0.3, 400) % 12, 12)
    nb.start_as_unigram(model, frequencies)
    logits = logits_at(model, random_ids((1, 4)))
    np.testing.assert_allclose(tf.nn.log_softmax(logits)[0], np.tile(frequencies, (4, 1)), atol=1e-5)


def test_rare_words_are_as_rare_as_the_prose_says():
    assert "needed only where a rare word comes, which is about one position in seven" in PROSE.flat
    [frequent, rare] = PROSE.said(r"over the ([\d,]+) most frequent words.*?over the ([\d,]+) rare words")
    assert nb.TransformerLanguageModel(15_000).frequent == frequent and frequent + rare == 15_000
    reviews = texts.load_imdb(train_limit=3_000, test_limit=1)
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
    cells = nbformat.read(PROSE.path, as_version=4)
    mask = "visible=time[:, None] >= time[None, :]"
    assert f"`{mask}`" in PROSE.flat
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


# The explorer

WORDS = ["", "[UNK]", "film", "a", "good", "bad", "was", "the", "book", "and", "not", "plot"]


@pytest.fixture(scope="module")
def explore(transformer):
    vectorizer = keras.layers.TextVectorization(vocabulary=WORDS[2:])
    settings = {"temperature": 1.0, "top_k": 5, "top_p": 1.0, "length": 20, "seed": 3}

    def explore(prompt):
        given = transformer, nb.word_step(transformer), text.Vocabulary(WORDS), vectorizer
        return nb.explore_words(*given, prompt=prompt, **settings)

    return explore


def test_the_explorers_pieces_are_what_is_written_at_once(explore, transformer):
    written = explore("A film")
    [row] = nb.write_words(transformer, nb.word_step(transformer), [3, 2], 20, [1.0], seed=3, top_k=5)
    pieces = list(written.continuation)
    assert len(pieces) > 4 and "".join(pieces).split() == [WORDS[i] for i in row]
    assert pieces[0].startswith(" ") and len(written.candidates) == 5 and not written.remark
    assert "".join(pieces).split()[0] in [word for word, _ in written.candidates]


def test_the_explorer_names_unknown_words_and_an_empty_prompt(explore):
    assert "read as unknown: zwieback" in explore("a zwieback").remark
    for prompt in ("", "!"):
        with pytest.raises(UserError, match="prompt is empty"):
            explore(prompt)
