"""What part B of notebook 01 says of words, recomputed: reviews as ids, the Transformer, its loss and its cache."""

import math
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from claims import Prose, cells_of

from helpers import metrics, text
from helpers.data import texts
from helpers.networks import load_weights
from helpers.session import UserError
from tools.lift import code_of, lift

PROSE = Prose("01_text_generation")
DIGITS = np.random.default_rng(7).integers(0, 10, (64 * 100, 9))
nb = lift(
    PROSE.path,
    *("softmax", "make_vectorizer", "held_out_reviews", "CausalSelfAttention", "TransformerLanguageModel", "word_loss"),
    *("nats_of_words", "small_model", "without_unknown", "next_word_logits", "word_step"),
    *("empty_cache", "write", "write_fast", "write_carried", "build_character_model"),
    *("decaying_rate", "adamw", "explore_words", "train_second_edition"),
)


def test_encoded_reviews_have_no_padding_and_unknown_words_are_one():
    vectorizer = nb.make_vectorizer(["a film, a good film", "bad"], vocabulary_size=5)
    assert vectorizer.get_vocabulary()[:4] == ["", "[UNK]", "film", "a"]
    first, second, third = text.encode_documents(vectorizer, ["A film!", "a zwieback film film", ""])
    assert (first.tolist(), second.tolist(), third.tolist()) == ([3, 2], [3, 1, 2, 2], []) and first.dtype == np.int32


def test_the_reviews_are_held_out_and_cut_as_the_prose_says():
    share, most = PROSE.said(r"The last (\d+)% of the training reviews \(at most ([\d,]+)\) are for")
    assert nb.held_out_reviews("r" * 6_000) == share / 100 * 6_000 and nb.held_out_reviews("r" * 25_000) == most
    assert "more than half of the text" in PROSE.flat
    reviews = texts.load_imdb(train_limit=500, test_limit=1)
    lengths = np.array([len(review.replace("<br />", " ").split()) for review in reviews.train])
    lost = np.maximum(lengths - 100, 0).sum() / lengths.sum()
    assert lost > 0.5 if reviews.is_real else lost == 0  # the stand-in's reviews are short


@pytest.mark.slow
def test_half_of_the_words_are_as_rare_as_the_prose_says():
    words, times, count = PROSE.said(r"half of the ([\d,]+) occur at most (\d+) times in the ([\d,]+) reviews")
    reviews = texts.load_imdb(test_limit=1)
    if not reviews.is_real:
        pytest.skip("needs the real reviews")
    training = text.without_breaks(reviews.train)[: int(count)]
    assert len(training) == len(reviews.train) - nb.held_out_reviews(reviews.train)
    vectorizer = nb.make_vectorizer(training)
    counts = np.bincount(np.concatenate(text.encode_documents(vectorizer, training)), minlength=int(words))[2:]
    assert len(counts) == words - 2 and np.median(counts) == pytest.approx(times, abs=0.5)


def small_transformer():
    keras.utils.set_random_seed(2)
    model = nb.TransformerLanguageModel(12, context=8, width=16, heads=2, blocks=2)
    model(np.zeros((1, 2), np.int32))
    return model


@pytest.fixture(scope="module")
def transformer():
    model = small_transformer()
    for weight in model.weights:
        weight.assign(weight + 0.3 * np.random.default_rng(weight.shape[0]).normal(size=weight.shape))
    return model


@pytest.fixture(scope="module")
def full_size():
    keras.utils.set_random_seed(2)
    model = nb.TransformerLanguageModel(15_000)
    model(np.zeros((1, 2), np.int32))
    return model


def random_ids(shape, seed=0):
    return np.random.default_rng(seed).integers(2, 12, shape).astype(np.int32)


def test_the_worked_example_gives_the_numbers_that_the_prose_states():
    [cell] = [cell.source for cell in cells_of(PROSE.path.stem) if "scores = vectors @ vectors.T" in cell.source]
    worked = {"np": np, "softmax": nb.softmax}
    exec(cell.split("for caption")[0], worked)
    product, score = PROSE.said(r"0 \\cdot 0 \+ 1 \\cdot 2 = (\d)\$, and \$2 / \\sqrt 2 = ([\d.]+)\$")
    assert worked["words"] == ["the", "cat", "sat", "down"] and "*Down* looks at *cat* most" in PROSE.flat
    assert worked["vectors"][3] @ worked["vectors"][1] == product
    assert worked["scores"][3, 1] == pytest.approx(score, abs=0.005)
    assert worked["weights"][0].tolist() == [1, 0, 0, 0] and np.argsort(worked["weights"][3])[-1] == 1
    assert np.sort(worked["weights"][3])[-2] < worked["weights"][3, 1]
    np.testing.assert_allclose(worked["weights"].sum(axis=1), 1)
    np.testing.assert_allclose(worked["outputs"], worked["weights"] @ worked["vectors"])


def test_attention_equals_the_formula(transformer):
    layer = transformer.blocks[0].attention
    x = np.random.default_rng(1).normal(size=(1, 5, 16)).astype(np.float32)
    heads = []
    for query, key, value in zip(*(np.array(part)[0] for part in layer.split_heads(tf.constant(x))), strict=True):
        scores = query @ key.T / math.sqrt(8) + np.where(np.tri(5), 0, -np.inf)
        heads.append(np.apply_along_axis(nb.softmax, 1, scores) @ value)
    expected = np.concatenate(heads, axis=-1) @ layer.merge.kernel.numpy() + layer.merge.bias.numpy()
    np.testing.assert_allclose(layer(x)[0][0], expected, atol=1e-5)


def test_no_position_sees_a_later_one_and_each_sees_all_before_it(transformer):
    ids = random_ids((1, 8))
    before, (_, attention) = transformer(ids), transformer.read(ids)
    assert [weights.shape for weights in attention] == [(1, 2, 8, 8)] * 2
    for weights in attention:
        np.testing.assert_allclose(np.sum(weights, axis=-1), 1, atol=1e-5)
        assert np.triu(weights, k=1).max() == 0
    for place in range(8):
        changed = ids.copy()
        changed[0, place] = 2 + (ids[0, place] - 1) % 10
        moved = np.abs(transformer(changed) - before)[0].max(axis=-1)
        assert moved[:place].max(initial=0) < 1e-6 and moved[place:].min() > 1e-4


def test_sizes_that_the_prose_states(full_size):
    saved, untied = PROSE.said(r"saves ([\d.]+) million of what would be ([\d.]+) million weights")
    words, weights = full_size.tokens.count_params(), full_size.count_params()
    [ours] = PROSE.said(r"one matrix for both \(<b>tied weights</b>\): ([\d.]+) million")
    np.testing.assert_allclose([words / 1e6, (weights + words) / 1e6, weights / 1e6], [saved, untied, ours], atol=0.05)
    numbers, kilobytes = PROSE.said(r"here 2 · 2 · 100 · 192 = ([\d,]+) of 4 bytes, (\d+) kB")
    caches, position = nb.empty_cache(full_size, 1)
    assert sum(np.size(cache) for cache in caches) == numbers and position == 0
    assert sum(np.asarray(cache).nbytes for cache in caches) / 1e3 == pytest.approx(kilobytes, abs=0.5)
    kernels = sum(np.size(weight) for weight in full_size.weights if weight.path.endswith("kernel"))
    [percent] = PROSE.said(r"with 15,000 words, (\d+)% of the products of a step")
    scores = 2 * 2 * 100 * 192  # of two blocks: a query with 100 keys, and the mean of 100 values
    assert 100 * words / (words + kernels + scores) == pytest.approx(percent, abs=5)


def test_the_loss_is_the_mean_over_words_of_the_cross_entropy(transformer):
    logits = np.random.default_rng(0).normal(size=(3, 8, 12)).astype(np.float32)
    targets = random_ids((3, 8), seed=1)
    targets[0, 5:] = targets[2, 1:] = 0
    nats = [metrics.nats_per_symbol(logits[i, j][None], targets[i, j][None]) for i, j in np.argwhere(targets > 0)]
    assert float(nb.word_loss(targets, logits)) == pytest.approx(np.mean(nats), rel=1e-5)
    logits[targets == 0] = 99 * np.arange(12)  # what stands at padding is no matter
    assert float(nb.word_loss(targets, logits)) == pytest.approx(np.mean(nats), rel=1e-5)


def test_each_word_is_scored_and_more_padding_changes_no_words_score(transformer):
    rows = random_ids((5, 7))
    rows[0, 3:] = rows[4, 6:] = 0
    logits, words = transformer(rows[:, :-1]), np.argwhere(rows[:, 1:] > 0)
    came = [metrics.nats_per_symbol(logits[i, j][None], rows[i, j + 1][None]) for i, j in words]
    for batch_size in (1, 2, 64):
        np.testing.assert_allclose(nb.nats_of_words(transformer, rows, batch_size), came, rtol=1e-4)
    padded = np.pad(rows, [(0, 0), (0, 2)])
    np.testing.assert_allclose(nb.nats_of_words(transformer, padded), came, rtol=1e-4)


def test_the_untrained_model_is_nearly_the_unigram(full_size):
    assert "word_model.bias.assign(metrics.log_frequencies(word_ids, len(word_vocabulary)))" in code_of(PROSE.path)
    share = 1 / np.arange(1, 14_999)  # as often as words are
    draw = lambda seed, *shape: np.random.default_rng(seed).choice(14_998, shape, p=share / share.sum()) + 2  # noqa: E731
    training, rows = draw(0, 200_000), draw(1, 4, 101).astype(np.int32)
    full_size.bias.assign(metrics.log_frequencies(training, 15_000))
    unigram = metrics.unigram_nats(training, rows[:, 1:], 15_000)
    assert nb.nats_of_words(full_size, rows).mean() == pytest.approx(unigram, abs=0.06)
    assert unigram < math.log(15_000) - 2


def test_random_numbers_are_predicted_only_without_the_mask():
    numbers, nats = PROSE.said(
        r"\*random\* numbers from 0 to 9.*?no model that sees only the past can do better than "
        r"\$\\ln (\d+) = ([\d.]+)\$ nats"
    )
    assert round(math.log(numbers), 2) == nats
    fresh, found = np.random.default_rng(8).integers(0, 10, (500, 9)), []
    for has_mask in (True, False):
        keras.utils.set_random_seed(1)
        model = nb.small_model(has_mask)
        model.fit(DIGITS[:, :-1], DIGITS[:, 1:], batch_size=64, epochs=3, verbose=0)
        found.append(model.evaluate(fresh[:, :-1], fresh[:, 1:], verbose=0))
    assert math.log(10) - 0.01 < found[0] < math.log(10) + 0.05 and found[1] < 1


@pytest.mark.parametrize("steps", [1, 3, 40, 1_000])
def test_the_rate_rises_for_a_twentieth_and_ends_at_a_hundredth(steps):
    rate = nb.decaying_rate(0.004, steps)
    values = np.array([float(rate(step)) for step in np.unique(np.linspace(0, steps, 41).astype(int))])
    assert np.isfinite(values).all() and values.max() <= 0.004 * 1.0001 and values[0] == pytest.approx(0.05 * 0.004)
    if steps >= 40:
        # Of 41 places, number 2 stands at a twentieth.
        np.testing.assert_allclose(values[[1, 2, -1]] / 0.004, [0.525, 1, 0.01], rtol=1e-2)
        assert (np.diff(values[2:]) < 0).all()
        middle = 0.004 * (0.01 + 0.99 * 0.5)
        assert float(rate(steps // 20 + (steps - steps // 20) // 2)) == pytest.approx(middle, rel=1e-2)


@pytest.mark.parametrize("kind", ["LSTM", "Transformer"])
def test_matrices_decay_and_biases_and_scales_do_not_and_gradients_are_clipped_together(kind):
    lstm = kind == "LSTM"
    model = nb.build_character_model(8, width=8) if lstm else small_transformer()
    variables = model.trainable_variables
    for variable in variables:
        variable.assign(variable + 1.0)
    before = [variable.numpy() for variable in variables]
    nb.adamw(0.1, weight_decay=0.5).apply([tf.zeros(variable.shape) for variable in variables], variables)
    decayed = {v.name for v, old in zip(variables, before, strict=True) if not np.array_equal(v, old)}
    kept = {v.name for v, old in zip(variables, before, strict=True) if np.array_equal(v, old)}
    assert decayed == {"embeddings", "kernel", *["recurrent_kernel"] * lstm}
    assert kept == ({"bias"} if lstm else {"bias", "gamma", "beta"})
    optimizer = nb.adamw(0.1)
    optimizer.apply([tf.fill(variable.shape, 7.0) for variable in variables], variables)
    moments = np.concatenate([np.ravel(moment) for moment in optimizer._momentums]) / (1 - optimizer.beta_1)
    np.testing.assert_allclose(moments, 1 / math.sqrt(len(moments)), rtol=1e-4)  # one length, the directions kept


def fast(model, prompt, length, temperatures, *settings, **more):
    empty = lambda texts: nb.empty_cache(model, texts)  # noqa: E731
    return nb.write_fast(nb.word_step(model), empty, prompt, length, temperatures, *settings, context=8, **more)


def test_cached_steps_equal_the_full_pass(transformer):
    ids, step = random_ids((3, 8)), nb.word_step(transformer)
    state, stepwise = nb.empty_cache(transformer, 3), []
    for place in range(8):
        logits, state = step(tf.constant(ids[:, place]), state)
        stepwise.append(logits)
    whole = nb.without_unknown(transformer(ids))
    np.testing.assert_allclose(np.stack(stepwise, axis=1), whole, atol=2e-5)
    assert (np.array(whole)[..., :2] < -1e29).all() and np.min(np.array(whole)[..., 2:]) > -1e3
    plain = nb.next_word_logits(transformer)(np.concatenate([random_ids(5), ids[0]]))
    np.testing.assert_allclose(plain, whole[0, -1], atol=2e-5)  # of a longer text the last 8 words are read


@pytest.mark.parametrize(
    ("read", "size", "length", "settings"),
    [
        (2, 3, 26, (1.0, 9, 0.95)),
        (7, 4, 26, (1.5, None, 0.8)),
        (8, 1, 26, (1.0, None, 1.0)),
        (20, 4, 26, (0, None, 1.0)),
    ],
)
def test_the_fast_way_writes_what_the_plain_way_does_with_its_windows(transformer, read, size, length, settings):
    """A window that another piece would not fit into is followed by one that begins with the last half of a context."""
    prompt, start = random_ids(read, seed=read), None

    def next_logits(ids):
        nonlocal start
        if (len(ids) - read) % size == 0 and (start is None or len(ids) - start + size > 8):
            start = max(0, len(ids) - 4)
        return nb.without_unknown(transformer(ids[None, start:]))[0, -1].numpy()

    plain = nb.write(next_logits, prompt, length, *settings, seed=5)
    np.testing.assert_array_equal(fast(transformer, prompt, length, settings[:1], *settings[1:], 5, size), [plain])


def test_plain_and_fast_choose_the_same_words_while_the_context_lasts(transformer):
    plain = nb.write(nb.next_word_logits(transformer), random_ids(2), 6, 1.5, seed=5)
    np.testing.assert_array_equal(fast(transformer, random_ids(2), 6, [1.5], seed=5, size=3), [plain])
    given = nb.word_step(transformer), nb.empty_cache(transformer, 1), random_ids(2), 6, 1.5
    np.testing.assert_array_equal(nb.write_carried(*given, seed=5), plain)


def test_padding_and_unknown_are_never_written(transformer):
    written = fast(transformer, random_ids(2), 60, [0.0, 1.0, 50.0, 1e6], size=4)
    assert written.min() > 1 and all(len(set(row)) > 5 for row in written[2:])  # of 10 words
    assert min(nb.write(nb.next_word_logits(transformer), random_ids(2), 30, 1e6)) > 1


def test_the_explorer_writes_what_the_fast_way_writes_and_names_unknown_words(transformer):
    words = ["", "[UNK]", "film", "a", "good", "bad", "was", "the", "book", "and", "not", "plot"]
    vectorizer = keras.layers.TextVectorization(vocabulary=words[2:])
    explore = nb.explore_words(transformer, text.Vocabulary(words), vectorizer)
    settings = {"temperature": 1.0, "top_k": 5, "top_p": 1.0, "length": 20, "seed": 3}
    written = explore(prompt="A film", **settings)
    pieces, [row] = list(written.continuation), fast(transformer, np.array([3, 2]), 20, [1.0], 5, seed=3, size=4)
    assert "".join(pieces).split() == [words[number] for number in row] and len(pieces) == 5
    assert all(piece.startswith(" ") for piece in pieces) and not written.remark
    assert row[0] in [words.index(word) for word, _ in written.candidates] and len(written.candidates) == 5
    assert explore(prompt="a zwieback", **settings).remark.endswith("read as unknown: zwieback")
    for prompt in ("", "!"):
        with pytest.raises(UserError, match="prompt is empty"):
            explore(prompt=prompt, **settings)


def test_the_second_editions_recipe_has_its_weights(monkeypatch):
    total, two, words, width = PROSE.said(
        r"one block: ([\d.]+) million weights\..*?([\d.]+) million of them are in two matrices of ([\d,]+) × (\d+)"
    )
    monkeypatch.setattr(keras.Model, "train_on_batch", lambda self, *batch: None)  # only built
    model = nb.train_second_edition(np.ones((1, 101), np.int32), np.ones((1, 101), np.int32), int(words), 0)
    assert model.count_params() / 1e6 == pytest.approx(total, abs=0.05)
    assert 2 * words * width / 1e6 == pytest.approx(two, abs=0.05)
    [steps] = PROSE.said(r"about ([\d,]+) steps over 100,000 reviews")
    assert steps == pytest.approx(200 * 100_000 / 256, rel=0.005)


def test_the_second_editions_recipe_sees_no_future_and_is_scored_by_its_words(capsys):
    rows = random_ids((300, 9))
    rows[::3, 5:] = 0
    model = nb.train_second_edition(rows, rows[:40], 12, seconds=0)
    came = np.take_along_axis(model.predict(rows[:40, :-1], verbose=0), rows[:40, 1:, None], axis=-1)[..., 0]
    printed = float(re.search(r"([\d.]+) nats per word", capsys.readouterr().out).group(1))
    assert printed == pytest.approx(-np.log(came[rows[:40, 1:] > 0]).mean(), abs=0.002)
    changed = rows[:8, :-1].copy()
    changed[:, 4] = 2 + (changed[:, 4] + 1) % 10
    moved = np.abs(model(changed) - model(rows[:8, :-1])).max(axis=(0, 2))
    assert moved[:4].max() < 1e-6 < 1e-4 < moved[4]


def test_a_prompt_of_two_words_has_its_last_one_a_place_further_on(transformer):
    assert "The prompt has two words, so the last word stands at place <code>i + 1</code>" in PROSE.flat
    [prompt] = text.encode_documents(nb.make_vectorizer(["this movie was good"]), ["This movie"])
    for i in range(3):
        ids = np.append(prompt, random_ids(i))  # of which i were written
        assert len(ids) - 1 == i + 1
        other = np.append(ids[:-1], ids[-1] % 11 + 1)
        np.testing.assert_array_equal(transformer(ids[None])[0, i], transformer(other[None])[0, i])


def test_two_of_the_shipped_heads_put_half_of_their_weight_on_the_first_two_words():
    [first, second] = PROSE.said(r"heads (\d) and (\d) put half of their weight or more on the first two words")
    shipped = load_weights("imdb_transformer")
    model = nb.TransformerLanguageModel(len(shipped.symbols))
    model(np.zeros((1, 100), np.int32))
    shipped.put_into(model)
    vectorizer = keras.layers.TextVectorization(vocabulary=shipped.symbols[2:])
    [ids] = text.encode_documents(vectorizer, ["this movie was not as good as the book but i liked it"])
    _, attention = model.read(ids[None])
    shares = attention[-1][0].numpy()[:, 2:, :2].sum(axis=-1).mean(axis=-1)
    assert {int(first), int(second)} == {number for number, share in enumerate(shares, start=1) if share >= 0.5}


def test_steps_and_perplexity_that_the_prose_states():
    [total] = PROSE.said(r"Validation loss of the Transformer over ([\d,]+) steps")
    full = re.findall(r"word_(?:epochs|steps)=\(\d+, \d+, (\d+)\)", code_of(PROSE.path))
    assert len(full) == 2 and int(full[0]) * int(full[1]) == total
    perplexity, words = PROSE.said(r"a perplexity of (\d+): as unsure.*?out of ([\d,]+)\.")
    shipped = load_weights("imdb_transformer")
    assert len(shipped.symbols) == words
    if scored := re.search(r"perplexity ([\d.]+)", shipped.facts.get("held out", "")):
        assert float(scored.group(1)) == pytest.approx(perplexity, abs=0.5)
