"""The benchmarks run at their smallest size, the recipes do what they are said to, and both sides are scored alike."""

import keras
import numpy as np
import pytest

from bench import recipes, report, words
from bench.__main__ import JOBS, main
from bench.measure import SMALL, interleaved_rates, warm_up
from helpers import metrics, text


@pytest.fixture(scope="module")
def results():
    """Each job's rows at the smallest size, and what the two scorers were called with."""
    scored: dict[str, list] = {"characters": [], "words": []}
    nats_per_symbol, score = metrics.nats_per_symbol, words.Task.score
    with pytest.MonkeyPatch.context() as patch:
        spy = lambda logits, targets: scored["characters"].append(targets) or nats_per_symbol(logits, targets)  # noqa: E731
        patch.setattr(metrics, "nats_per_symbol", spy)
        patch.setattr(words.Task, "score", lambda task, model: scored["words"].append(model) or score(task, model))
        return {name: job(SMALL) for name, job in JOBS.items()}, scored


@pytest.mark.parametrize("name", JOBS)
def test_every_job_gives_finite_positive_figures(results, name):
    rows = results[0][name]
    assert rows
    for row in rows:
        figures = np.array([row.recipe, row.ours, *row.ratios])
        assert np.isfinite(figures).all() and (figures > 0).all(), row


def test_both_sides_are_scored_by_one_function_on_the_same_positions(results):
    scored = results[1]
    assert len(scored["characters"]) >= 2 and len(scored["words"]) == 2
    assert all(np.array_equal(targets, scored["characters"][0]) for targets in scored["characters"])


def test_character_windows_are_the_text():
    ids = np.random.default_rng(0).integers(0, 5, 400).astype(np.int32)
    inputs, targets = recipes.character_windows(ids, symbols=5, count=1_000, seed=0)
    assert inputs.shape == (len(range(0, 340, 3)), 60, 5) and inputs.dtype == bool
    whole = "".join(map(str, ids))
    for window, target in zip(inputs[:5].argmax(-1), targets[:5].argmax(-1), strict=True):
        assert "".join(map(str, [*window, target])) in whole


def test_character_recipe_writes_what_was_asked_for():
    vocabulary = text.Vocabulary("ab ")
    model = recipes.character_model(len(vocabulary), width=4)
    written = recipes.write_characters(model, vocabulary, "ab " * 20, 3, temperature=0.2)
    assert len(written) == 3 and set(written) <= set("ab ")


@pytest.fixture(scope="module")
def word_model():
    keras.utils.set_random_seed(0)
    return recipes.word_model(30, context=8, width=16, dropout=0.0)


def test_word_recipe_does_not_see_the_future(word_model):
    ids = np.random.default_rng(0).integers(2, 30, (2, 8)).astype(np.int32)
    changed = ids.copy()
    changed[:, -1] = (changed[:, -1] + 1) % 28 + 2
    first, second = word_model(ids).numpy(), word_model(changed).numpy()
    np.testing.assert_allclose(first[:, :-1], second[:, :-1], atol=1e-6)
    assert np.abs(first[:, -1] - second[:, -1]).max() > 1e-5


def test_word_recipe_leaves_padding_out_of_its_loss(word_model):
    ids = np.random.default_rng(0).integers(2, 30, (2, 9)).astype(np.int32)
    ids[0, 4:] = 0
    inputs, targets = ids[:, :-1], ids[:, 1:]
    # Its mask is that of the inputs: the place of a review's last word, whose target is padding, counts.
    nats = -np.log(np.take_along_axis(word_model(inputs).numpy(), targets[..., None], axis=-1)[..., 0])
    assert word_model.evaluate(inputs, targets, verbose=0) == pytest.approx(nats[inputs > 0].mean(), rel=1e-4)


def test_warming_up_leaves_no_trace():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dropout(0.5), keras.layers.Dense(1)])
    model.compile(optimizer="adam", loss="mse")
    before = [weight.numpy() for weight in model.weights]
    warm_up(model, lambda: model.train_on_batch(np.ones((2, 3)), np.ones((2, 1))))
    for array, weight in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(array, weight.numpy())
    assert int(model.optimizer.iterations.numpy()) == 0


def test_actions_are_timed_in_turn():
    calls = []
    rates = interleaved_rates((lambda: calls.append("a"), 1), (lambda: calls.append("b"), 1), repeats=2)
    assert calls == ["a", "b"] * 3
    assert all(len(found) == 2 and min(found) > 0 for found in rates)


def test_table_shows_medians_spread_and_what_was_not_reached():
    fast = report.rate_row("speed", "per second", [10, 10, 10], [3_000, 1_000, 2_000], "150", ["a remark."])
    slow = report.Row("time", "s", 100.0, 99.0, is_reached=False)
    loss = report.Row("loss", "nats", 2.0, 1.5)
    page = report.markdown([fast, slow, loss])
    assert "| speed | 10.0 per second | 2,000 per second | **200** (100-300) | 150 |" in page
    assert "not reached in 99.0 s" in page and "-0.500 nats" in page
    assert "- speed: a remark." in page and f"Keras {keras.__version__}" in page


def test_command_prints_one_table_and_refuses_unknown_names(capsys, monkeypatch):
    monkeypatch.setitem(JOBS, "word-loss", lambda sizes: [report.Row("job", "s", 2.0, 1.0, (2.0,))])
    assert main(["--small", "--only", "word-loss"]) == 0
    printed = capsys.readouterr()
    assert printed.out.count("|---|") == 1 and "GFLOP/s" in printed.out and "word-loss" in printed.err
    with pytest.raises(SystemExit):
        main(["--only", "nothing"])
    assert "nothing" in capsys.readouterr().err
