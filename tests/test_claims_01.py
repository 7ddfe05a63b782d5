"""What notebook 01 says of sampling and of characters, recomputed with its own functions."""

import math
import re

import keras
import nbformat
import numpy as np
import pytest
import tensorflow as tf
from claims import Prose, cells_of

from helpers import metrics, text
from helpers.data import texts
from helpers.networks import load_weights
from helpers.session import UserError
from helpers.training import window_batches
from tools.execute import execute
from tools.lift import code_of, lift

PROSE = Prose("01_text_generation")
nb = lift(
    PROSE.path,
    *("softmax", "at_temperature", "entropy_in_bits", "next_distribution", "write", "choose", "candidates"),
    *("write_some", "write_in_pieces", "write_fast", "write_carried", "build_character_model", "lstm_step"),
    *("character_step", "empty_memory", "next_character_logits", "nats_of_characters", "counting_nats"),
    *("explore_characters", "train_first_edition"),
)
EXAMPLE = nb.softmax(-0.5 * np.arange(12))
VOCABULARY = text.Vocabulary("abcdefg ")
PROMPT = VOCABULARY.encode("bad cafe")


def test_temperature_takes_powers_and_keeps_the_order():
    np.testing.assert_allclose(nb.at_temperature(np.log(EXAMPLE), 1.0), EXAMPLE)
    np.testing.assert_allclose(nb.at_temperature(np.log(EXAMPLE), 0.5), EXAMPLE**2 / np.sum(EXAMPLE**2))
    np.testing.assert_allclose(nb.at_temperature(np.log(EXAMPLE), 1e9), 1 / 12, rtol=1e-6)
    for temperature in (0.2, 1.0, 5.0):
        assert (np.diff(nb.at_temperature(np.log(EXAMPLE) + 1e4, temperature)) < 0).all()


def test_low_temperatures_are_greedy_and_where_the_books_formula_divides_0_by_0_ours_does_not():
    with np.errstate(all="raise", under="ignore"):
        for temperature in (0, 1e-12, 1e-3, 0.01):
            greedy = nb.at_temperature(np.log(EXAMPLE)[::-1], temperature)
            np.testing.assert_allclose(greedy, np.eye(12)[11], atol=1e-12)
    probability, temperature = PROSE.said(r"a probability of ([\d.]+) each give NaN at <i>T</i> = (\d\.\d+)")
    logits = np.log(np.full(10, probability))
    assert np.exp(logits / temperature).sum() == 0
    np.testing.assert_allclose(nb.at_temperature(logits, temperature), probability)


def test_entropies_that_the_prose_states():
    [fair] = PROSE.said(r"nearly the \$\\log_2 12 = ([\d.]+)\$ bits of a fair")
    bits = {T: nb.entropy_in_bits(nb.at_temperature(np.log(EXAMPLE), T)) for T in (0.01, 1.0, 5.0)}
    assert round(nb.entropy_in_bits(np.full(12, 1 / 12)), 2) == fair and nb.entropy_in_bits(np.array([1.0, 0.0])) == 0
    assert bits[0.01] == pytest.approx(0, abs=1e-9) and fair - 0.1 < bits[5.0] < fair
    assert bits[1.0] == pytest.approx(-np.sum(EXAMPLE * np.log2(EXAMPLE)))


def drawn(logits, settings, uniform):
    """Return what the compiled writer's `choose` draws for each number: (n,)."""
    temperature, top_k, top_p = settings
    rows = tf.tile(tf.constant(logits, tf.float32)[None], (len(uniform), 1))
    heat, uniform = (tf.constant(given, tf.float32) for given in ([temperature] * len(uniform), uniform))
    return nb.choose(rows, heat, top_k or 10**9, top_p, uniform).numpy()


@pytest.mark.parametrize(
    ("top_k", "top_p", "expected"),
    [
        (None, 1.0, [0.125, 0.5, 0.125, 0.25]),
        (2, 1.0, [0, 2 / 3, 0, 1 / 3]),
        (1, 1.0, [0, 1, 0, 0]),
        (None, 0.7, [0, 2 / 3, 0, 1 / 3]),  # 0.5 is not enough
        (None, 0.49, [0, 1, 0, 0]),
        (None, 1e-6, [0, 1, 0, 0]),  # the first is always kept
    ],
)
def test_top_k_and_top_p_by_hand(top_k, top_p, expected):
    logits = np.log([0.125, 0.5, 0.125, 0.25]) + 7  # need not be normalised
    np.testing.assert_allclose(nb.next_distribution(logits, 1.0, top_k, top_p), expected)
    counts = np.bincount(drawn(logits, (1.0, top_k, top_p), (np.arange(6_000) + 0.5) / 6_000), minlength=4)
    np.testing.assert_allclose(counts / 6_000, expected, atol=2e-4)


def test_the_temperature_comes_before_the_cut():
    flat = nb.at_temperature(np.log(EXAMPLE), 5.0)
    kept = np.flatnonzero(nb.next_distribution(np.log(EXAMPLE), 5.0, top_p=0.9))
    assert len(kept) == 1 + np.searchsorted(np.cumsum(flat), 0.9) == 10


def test_of_equal_symbols_the_plain_way_keeps_as_many_as_asked_and_the_compiled_one_all():
    logits = np.log([0.2, 0.3, 0.2, 0.3])
    np.testing.assert_allclose(nb.next_distribution(logits, 1.0, top_k=3), [0.25, 0.375, 0, 0.375])
    assert set(drawn(logits, (1.0, 3, 1.0), np.linspace(0, 0.999, 200))) == {0, 1, 2, 3}
    assert set(drawn(logits, (1.0, 2, 1.0), np.linspace(0, 0.999, 200))) == {1, 3}


@pytest.mark.parametrize("symbols", [1, 57, 1_000])
@pytest.mark.parametrize("settings", [(1.0, None, 1.0), (0.3, None, 0.9), (1.5, 20, 1.0), (0.7, 5, 0.6)])
def test_choose_takes_the_symbol_on_whose_piece_the_number_falls(symbols, settings):
    logits = np.random.default_rng(symbols).normal(size=symbols).astype(np.float32) * 2 - 9
    uniform = np.linspace(0, 1, 3_000, endpoint=False, dtype=np.float32)
    probabilities = nb.next_distribution(logits.astype(np.float64), *settings)
    kept = np.flatnonzero(probabilities)
    expected = np.searchsorted(np.cumsum(probabilities[kept]), uniform, side="right")
    ids = drawn(logits, settings, uniform)
    assert set(ids) <= set(kept)
    places = np.searchsorted(kept, ids)
    assert np.abs(places - expected).max() <= 1 and (places != expected).mean() < 0.002  # float32 at a border


def test_choose_never_takes_what_was_cut_off_or_has_no_probability():
    nearly_one = np.nextafter(np.float32(1), np.float32(0))
    logits = np.full(300, -1e9)
    logits[[131, 255]], logits[40] = 0, -3
    assert drawn(logits, (1.0, None, 1.0), [0, 0.3, nearly_one]).tolist() == [40, 131, 255]
    for settings in [(1.0, 2, 1.0), (1.0, None, 0.9)]:
        assert drawn(logits, settings, [0, 0.3, nearly_one]).tolist() == [131, 131, 255]


def test_each_text_has_its_own_temperature_and_nucleus():
    logits = tf.repeat(tf.math.log([[0.9, 0.06, 0.04], [0.4, 0.35, 0.25]]), 100, axis=0)
    uniform = tf.tile(tf.linspace(0.0, 0.999, 100), [2])
    ids = nb.choose(logits, tf.ones(200), 3, 0.8, uniform).numpy()
    assert (set(ids[:100]), set(ids[100:])) == ({0}, {0, 1, 2})
    ids = nb.choose(logits, tf.constant([5.0] * 100 + [0.0] * 100), 3, 1.0, uniform).numpy()
    assert (set(ids[:100]), set(ids[100:])) == ({0, 1, 2}, {0})


def test_temperatures_and_logits_of_any_size_are_followed():
    uniform = np.linspace(0, 0.99, 50)
    assert (drawn([3.0, 3.000001, -1e9], (0.0, None, 1.0), uniform) == 1).all()  # neighbours in float32
    assert all((drawn([-1e4, 1e4, 0.0], (T, None, 1.0), uniform) == 1).all() for T in (0.0, 1e-6, 1e-3))
    assert set(drawn([-1e4, 1e4, 0.0], (1e9, None, 1.0), uniform)) == {0, 1, 2}


@pytest.fixture(scope="module")
def character_model():
    keras.utils.set_random_seed(5)
    model = nb.build_character_model(len(VOCABULARY), width=8, embedding_width=4)
    for weight in model.weights:
        weight.assign(3.0 * weight)  # far from uniform, so that a wrong distribution shows
    return model


def fast(model, prompt, length, temperatures, *settings, **more):
    step = nb.character_step(model)
    return nb.write_fast(step, lambda n: nb.empty_memory(model, n), prompt, length, temperatures, *settings, **more)


@pytest.mark.parametrize(
    "settings", [(0, None, 1.0), (0.5, 5, 0.9), (1.0, None, 1.0), (1.5, 3, 1.0), (1.0, None, 0.8), (5, None, 1.0)]
)
def test_plain_and_fast_choose_the_same_ids(character_model, settings):
    plain = nb.write(nb.next_character_logits(character_model), PROMPT, 45, *settings, seed=7)
    np.testing.assert_array_equal([plain], fast(character_model, PROMPT, 45, [settings[0]], *settings[1:], seed=7))
    if settings[1:] == (None, 1.0):
        asked = nb.character_step(character_model), nb.empty_memory(character_model, 1), PROMPT, 45, settings[0]
        np.testing.assert_array_equal(plain, nb.write_carried(*asked, seed=7))
    assert len(plain) == 45 and (settings[0] == 0 or len(set(plain.tolist())) > 2)


@pytest.mark.parametrize("size", [1, 4, 7, 30])
def test_pieces_are_together_what_each_text_is_by_itself(character_model, size):
    temperatures, uniform = [0, 0.5, 1.0], np.random.default_rng(3).random((60, 3))
    step, empty = nb.character_step(character_model), lambda texts: nb.empty_memory(character_model, texts)
    pieces = list(nb.write_in_pieces(step, empty, PROMPT, 21, temperatures, top_p=0.95, seed=3, size=size))
    assert [piece.shape for piece in pieces[:-1]] == [(3, size)] * (20 // size)
    for column, row in enumerate(np.concatenate(pieces, axis=1)):
        ids = list(PROMPT)
        for number in uniform[:21, column]:
            logits = character_model(np.array([ids]))[0, -1].numpy()
            pieces_end = np.cumsum(nb.next_distribution(logits, temperatures[column], top_p=0.95))
            ids.append(int(np.searchsorted(pieces_end, number, side="right")))
        assert row.tolist() == ids[len(PROMPT) :]


def test_a_moved_slider_traces_nothing_anew_and_the_seed_alone_decides(character_model):
    step, empty = nb.character_step(character_model), lambda texts: nb.empty_memory(character_model, texts)
    traces = nb.write_some.experimental_get_tracing_count
    before = traces()
    for read, *settings in [(1, 1.0, None, 1.0, 3), (2, 0.2, 7, 1, 2**31 + 5), (8, 2, 1, 0.1)]:
        nb.write_fast(step, empty, PROMPT[:read], 17 + read, settings[:1] * 2, *settings[1:])
    assert traces() == before + 1
    first, again, other = (fast(character_model, PROMPT, 20, [1.0, 1.0], seed=seed).tolist() for seed in (3, 3, 4))
    assert first == again != other and first[0] != first[1]


@pytest.mark.parametrize("change", [{"prompt": []}, {"length": 0}, {"temperature": -1}, {"top_k": 0}, {"top_p": 1.5}])
def test_settings_without_sense_are_named_by_both_ways(character_model, change):
    settings = {"prompt": PROMPT, "length": 5, "temperature": 1.0, "top_k": None, "top_p": 1.0, **change}
    (prompt, length, temperature, *narrow), message = settings.values(), next(iter(change))
    with pytest.raises(UserError, match=message):
        nb.write(nb.next_character_logits(character_model), prompt, length, temperature, *narrow)
    with pytest.raises(UserError, match=message):
        fast(character_model, prompt, length, [temperature], *narrow)


def test_a_step_by_hand_is_a_step_of_keras(character_model):
    lstm = keras.layers.LSTM(6, return_sequences=True, return_state=True)
    x = (random := np.random.default_rng(0)).normal(size=(3, 9, 4)).astype(np.float32)
    lstm.build(x.shape)
    lstm.set_weights([random.normal(size=weight.shape) for weight in lstm.weights])
    h, c, shown = tf.zeros((3, 6)), tf.zeros((3, 6)), []
    for place in range(9):
        h, c = nb.lstm_step(lstm.cell, x[:, place], h, c)
        shown.append(h)
    for ours, theirs in zip((np.stack(shown, axis=1), h, c), lstm(x), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    step, state, ids = nb.character_step(character_model), nb.empty_memory(character_model, 1), PROMPT[None]
    for place in range(len(PROMPT)):
        logits, state = step(tf.constant(ids[:, place]), state)
        np.testing.assert_allclose(logits, character_model(ids)[:, place], atol=1e-5)


@pytest.mark.parametrize(("count", "length"), [(2, 500), (37, 500), (60, 20), (61, 20), (62, 20), (75, 20)])
def test_each_character_but_the_first_is_scored_once(character_model, count, length):
    ids = np.random.default_rng(count).integers(0, 8, count).astype(np.int32)
    expected = []
    for start in range(0, count - 1, length):  # each row is read from its first character on
        piece = ids[start : start + length + 1]
        log_probabilities = tf.nn.log_softmax(character_model(piece[None, :-1]))[0].numpy()
        expected += [-log_probabilities[place, came] for place, came in enumerate(piece[1:])]
    np.testing.assert_allclose(nb.nats_of_characters(character_model, ids, length), expected, rtol=1e-4)


def test_an_untrained_model_is_the_unigram_once_its_biases_are_set():
    assert 'get_layer("logits").bias.assign(metrics.log_frequencies(training_ids' in code_of(PROSE.path)
    keras.utils.set_random_seed(5)
    model = nb.build_character_model(57)
    training, held_out = (np.random.default_rng(n).geometric(0.1, 700).astype(np.int32) % 57 for n in (1, 2))
    model.get_layer("logits").bias.assign(metrics.log_frequencies(training, 57))
    unigram = metrics.unigram_nats(training, held_out[1:], 57)
    assert nb.nats_of_characters(model, held_out).mean() == pytest.approx(unigram, abs=0.01) and unigram < 3.5


def test_counting_by_hand():
    # "aab" has a twice of 3, and of the two characters after which one comes both are a: one a follows, and one b.
    a, b = (2 + 5 / 2) / (3 + 5), (1 + 5 / 2) / (3 + 5)
    ab = (1 + 5 * b) / (2 + 5)
    expected = -np.log([[a, b], [a, ab]])
    np.testing.assert_allclose(nb.counting_nats("aab", "ab", 2, longest=2), expected)
    counted = nb.counting_nats("aab", "ab", 2)  # longer pieces than the text has change nothing
    named = lift(PROSE.path, "baselines", counted=counted, vocabulary=text.Vocabulary("ab")).baselines(slice(1, None))
    kinds = ("uniform", "unigram", "bigram", "5-gram", "7-gram")
    np.testing.assert_allclose([named[kind] for kind in kinds], -np.log([1 / 2, b, ab, ab, ab]))


@pytest.mark.parametrize("before", ["abca", "ccca", "dddd", "bd"])
def test_the_probabilities_of_counting_add_up_to_1(before):
    training = "".join(np.random.default_rng(0).choice(list("abc"), 300, p=[0.6, 0.3, 0.1]))
    for nats in np.transpose([nb.counting_nats(training, before + symbol, 4)[:, -1] for symbol in "abcd"]):
        assert np.exp(-nats).sum() == pytest.approx(1) and nats.min() > 0


def test_figures_of_the_loss_that_the_prose_states():
    [bit] = PROSE.said(r"divided by \$\\ln 2 = ([\d.]+)\$")
    symbols, nats, perplexity = PROSE.said(r"\$\\ln (\d+) = ([\d.]+)\$ nats and a perplexity of (\d+)")
    fair, in_nats, in_bits, among = PROSE.said(
        r"perplexity of (\d+) \(([\d.]+) nats, (\d+) bits\).*?among (\d+) symbols"
    )
    assert (round(math.log(2), 3), round(math.log(symbols), 2), symbols) == (bit, nats, perplexity)
    assert (round(math.log(fair), 2), math.log2(fair), fair) == (in_nats, in_bits, among)


def test_counts_that_the_prose_states():
    targets, steps = PROSE.said(r"one every 3.*?next character: ([\d,]+) targets a pass.*?each costs (\d+) steps")
    assert len(range(0, texts.NIETZSCHE_CHARACTERS - 60, 3)) == targets == 200_278 and steps == 60
    assert "costs a twentieth of the LSTM steps and has three times as many targets" in PROSE.flat
    assert texts.NIETZSCHE_CHARACTERS / (targets * steps) == pytest.approx(1 / 20, rel=0.01)
    assert texts.NIETZSCHE_CHARACTERS / targets == pytest.approx(3, rel=0.01)
    rows, places, symbols, megabytes, false, of = PROSE.said(
        r"array of ([\d,]+) × (\d+) × (\d+) truth values.*?takes (\d+) MB, and (\d+) of every (\d+) values are false"
    )
    assert (rows, places, false, of) == (targets, 60, symbols - 1, symbols)
    assert rows * places * symbols / 1e6 == pytest.approx(megabytes, abs=0.5)
    [total] = PROSE.said(r"full profile gave.{0,60}!\[Validation loss over ([\d,]+) steps")
    epochs = int(re.search(r"character_epochs=\(\d+, \d+, (\d+)\)", code_of(PROSE.path)).group(1))
    training, _ = text.split_off_end(np.zeros(texts.NIETZSCHE_CHARACTERS, np.int32), share=0.05, least=100)
    assert total == epochs * len(window_batches(training, length=50, batch_size=32, seed=1, epoch=0))


def test_the_text_and_the_shipped_weights_are_as_the_prose_says():
    corpus = texts.load_nietzsche()
    if not corpus.is_real:
        return  # statements about Nietzsche
    characters, shipped = corpus.text.lower(), load_weights("nietzsche_lstm")
    vocabulary = text.Vocabulary(sorted(set(characters)))
    assert (len(characters), len(vocabulary)) == (texts.NIETZSCHE_CHARACTERS, 57)
    training, held_out = text.split_off_end(vocabulary.encode(characters), share=0.05, least=100)
    test = np.array_split(held_out, 2)[1]
    model = nb.build_character_model(57)
    shipped.put_into(model)
    counted = nb.counting_nats(vocabulary.decode(training), vocabulary.decode(held_out), 57)[:, -len(test) :].mean(
        axis=1
    )
    perplexities = np.exp([np.log(57), *counted[[0, 1, 4]], nb.nats_of_characters(model, test).mean()])
    listed = r"it is (\d+) for .*?, then (\d+) \(unigram\), (\d+) \(bigram\), ([\d.]+) \(5-gram\), and ([\d.]+) for the"
    np.testing.assert_allclose(perplexities, PROSE.said(listed), rtol=0.03)
    seven, five = PROSE.said(r"7-grams do worse than 5-grams \(test text: ([\d.]+) against ([\d.]+) nats\)")
    np.testing.assert_allclose(counted[[6, 4]], [seven, five], atol=0.0006)


def test_the_first_editions_recipe_has_its_weights_and_is_scored_as_it_says(capsys):
    training, test = (np.random.default_rng(n).integers(0, 57, 300).astype(np.int32) for n in (1, 2))
    model = nb.train_first_edition(training, test, 57, seconds=0)
    [weights] = PROSE.said(r"<code>LSTM\(128\)</code>: ([\d,]+) weights, with the output layer")
    assert model.count_params() == weights
    windows = np.stack([test[start : start + 60] for start in range(240)])
    came = model.predict(np.eye(57)[windows], verbose=0)[np.arange(240), test[60:]]
    printed = float(re.search(r"([\d.]+) nats per character", capsys.readouterr().out).group(1))
    assert printed == pytest.approx(-np.log(came).mean(), abs=0.01)  # the places are spread evenly over the test text


@pytest.mark.slow
def test_part_a_runs_on_the_shortest_text_of_ones_own(tmp_path, monkeypatch):
    own = tmp_path / "my text.txt"
    own.write_text("Ünder 5 %, ö / “quotes” – every one of them. " * 45, encoding="utf-8")  # 2,025 characters
    monkeypatch.setenv("NB_PROFILE", "smoke")
    cells = [nbformat.from_dict(cell) for cell in cells_of(PROSE.path.stem)]
    part_b = next(place for place, cell in enumerate(cells) if cell.source.startswith("# Part B"))
    [settings] = [cell for cell in cells if "settings" in cell.metadata.get("tags", [])]
    settings.source = settings.source.replace('own_text = ""', f"own_text = {str(own)!r}")
    notebook = nbformat.v4.new_notebook(cells=cells[:part_b])
    execute(notebook, PROSE.path.parent)
    shown = [
        output.get("data", {}).get("text/html", "") for cell in notebook.cells for output in cell.get("outputs", [])
    ]
    tables = " ".join(shown)
    assert "LSTM, smoke profile" in tables and ">nan" not in tables and "LSTM, shipped weights" not in tables


def test_candidates_are_what_the_settings_leave():
    given = np.log([0.1, 0.6, 0.3]), text.Vocabulary("abc")
    left = lambda *settings: nb.candidates(given[0], *settings, given[1])  # noqa: E731
    assert left(1.0, 2, 1.0) == [("b", pytest.approx(2 / 3)), ("c", pytest.approx(1 / 3))]
    assert left(0, None, 1.0) == [("b", 1.0)] and len(left(1.0, None, 1.0)) == 3


def test_the_explorer_writes_what_the_fast_way_writes_and_names_unseen_symbols(character_model):
    explore = nb.explore_characters(character_model, VOCABULARY)
    settings = {"temperature": 1.0, "top_k": 99, "top_p": 1.0, "length": 50, "seed": 3}
    written = explore(prompt="Bad Cafe", **settings)
    pieces = list(written.continuation)
    assert "".join(pieces) == VOCABULARY.decode(fast(character_model, PROMPT, 50, [1.0], seed=3)[0])
    assert (written.prompt, written.remark, len(pieces)) == ("bad cafe", "", 3)
    probabilities = nb.softmax(nb.next_character_logits(character_model)(PROMPT))
    assert dict(written.candidates) == pytest.approx(dict(zip(VOCABULARY.symbols, probabilities, strict=True)))
    odd = explore(prompt="Üß bad", **settings)
    assert odd.prompt == "   bad" and odd.remark.endswith("read as a space: ß ü")
    assert len("".join(odd.continuation)) == 50 == len("".join(explore(prompt="", **settings).continuation))
