"""The benchmarks run at their smallest size, the recipes do what the books say, and figures are kept whole."""

import dataclasses
import datetime
import functools
import math
import os

import keras
import numpy as np
import pytest
import tensorflow as tf

import bench.__main__ as command
from bench import first_edition, recipes, report, results
from bench.__main__ import JOBS
from bench.characters import held_out_contexts
from bench.measure import SMALL, interleaved_rates, train_for_seconds, warm_up
from helpers.networks.weights import values_of
from helpers.session import UserError


@pytest.mark.slow
@pytest.mark.parametrize("name", JOBS)
def test_every_job_gives_finite_positive_figures(name):
    for row in JOBS[name](dataclasses.replace(SMALL, repeats=1)):
        figures = np.array([row.recipe, row.ours, *row.ratios, *row.operations])
        assert np.isfinite(figures).all() and (figures > 0).all(), row


def test_character_windows_are_the_text():
    ids = np.random.default_rng(0).integers(0, 5, 400).astype(np.int32)
    inputs, targets = recipes.character_windows(ids, symbols=5, count=1_000, seed=0)
    assert inputs.shape == (len(range(0, 340, 3)), 60, 5) and inputs.dtype == bool
    whole = "".join(map(str, ids))
    for window, target in zip(inputs[:5].argmax(-1), targets[:5].argmax(-1), strict=True):
        assert "".join(map(str, [*window, target])) in whole


def test_held_out_contexts_end_before_their_target():
    ids = np.arange(100, 300, dtype=np.int32)
    contexts, targets = held_out_contexts(ids, context=60, positions=30)
    assert contexts.shape == (30, 60)
    np.testing.assert_array_equal(contexts[:, -1] + 1, targets)
    np.testing.assert_array_equal(contexts[:, 0] + 60, targets)
    assert targets[0] == 160 and targets[-1] == 299 and (np.diff(targets) > 0).all()


@pytest.fixture(scope="module")
def word_model():
    keras.utils.set_random_seed(0)
    return recipes.word_model(30, context=8, width=16)


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
    logits = recipes.word_logits(word_model)(inputs)  # by which it is scored beside ours: exact, not only up to a sum
    scored = keras.losses.sparse_categorical_crossentropy(targets, logits, from_logits=True)
    np.testing.assert_allclose(scored, nats, rtol=1e-4)


@pytest.mark.parametrize("still", ["discriminator", "both"])
def test_first_editions_gan_trains_one_player_at_a_time(monkeypatch, still):
    """Keras 3 asks what is to be trained when it traces a step; its first versions asked when a model was compiled."""
    recipe = first_edition.RecipeGAN()
    weights = lambda player: [value.tobytes() for value in values_of(player.weights)]  # noqa: E731
    before = weights(recipe.generator), weights(recipe.discriminator)
    monkeypatch.setattr(getattr(recipe, still), "train_on_batch", lambda *given: None)
    recipe.train(np.zeros((2, first_edition.SIDE, first_edition.SIDE, 3), np.float32))
    is_changed = weights(recipe.generator) != before[0], weights(recipe.discriminator) != before[1]
    assert is_changed == ((True, False) if still == "discriminator" else (False, True))


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


FAST = report.rate_row("speed", "per second", [10, 10, 10], [3_000, 1_000, 2_000], 150, ["a remark."], (9e6, 2e6))
SLOW = report.Row("time", "s", 100.0, 99.0, is_reached=False)
LOSS = report.Row("loss", "nats", 2.0, 1.5)
ONCE = report.Row("seconds", "s", 30.0, 2.0, (15.0,))


def measured(*rows, date="2020-01-02", **details):
    return report.Measurement(list(rows), date, "two cores", "Keras 3", **details)


def test_table_shows_medians_spread_limit_and_what_was_not_reached():
    page = report.markdown({"a": measured(FAST, gflops=20.0), "b": measured(SLOW, LOSS, ONCE)}, ["a", "b", "c"])
    row = "| speed | 10.0 per second | 2,000 per second | **200** (100-300) | 150 | 10,000 | 2020-01-02 |"
    assert row in page.splitlines()  # 20 GFLOP/s allow 10,000 times 2 MFLOP
    assert "not reached in 99.0 s | - |" in page and "| -0.500 nats (one run) |" in page
    assert "| **15.0** (one run) |" in page and "- speed: a remark." in page and "Not measured yet: c." in page


def test_each_repeat_of_a_training_has_another_seed_and_all_are_one_row():
    seeds = []

    def job(sizes):
        seeds.append(sizes.seed)
        n = len(seeds) - 1
        once = dataclasses.replace(ONCE, ours=2.0 + n, ratios=(15.0 - n,), remarks=["same.", f"{n}."])
        return [once, dataclasses.replace(LOSS, ours=(1.5, 1.9, 1.75)[n], goal=0)]

    ratio, loss = command.repeated(job)(dataclasses.replace(SMALL, repeats=3, seed=7))
    assert seeds == [7, 8, 9]
    assert (ratio.recipe, ratio.ours, ratio.ratios) == (30.0, 3.0, (15.0, 14.0, 13.0))
    assert ratio.remarks == ["same.", "repeat 1: 0.", "repeat 2: 1.", "repeat 3: 2."]
    np.testing.assert_allclose(loss.differences, (-0.5, -0.1, -0.25))
    page = report.markdown({"a": measured(ratio, loss)}, ["a"])
    assert "| **14.0** (13.0-15.0) |" in page and "| -0.250 nats (-0.500 to -0.100) |" in page
    assert not report.merged([ONCE, dataclasses.replace(ONCE, is_reached=False, ratios=())]).is_reached


def test_training_ends_when_the_seconds_are_over():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    epochs = []
    batches = lambda epoch: epochs.append(epoch) or tf.data.Dataset.from_tensors(2 * (np.ones((4, 1)),)).repeat(3)  # noqa: E731
    assert train_for_seconds(model, batches, 0.3) > 3 and epochs[:3] == [0, 0, 1]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder for the results, that of the day before in it, and jobs that give at once what the test says."""
    monkeypatch.setattr(command, "FOLDER", tmp_path)
    monkeypatch.setattr(command, "matmul_gflops", functools.cache(lambda: 123.0))
    monkeypatch.setenv("NB_DATA", "auto")
    rows = {"one": [FAST], "two": [SLOW, LOSS], "three": [ONCE]}
    monkeypatch.setattr(command, "JOBS", {name: lambda sizes, given=given: given for name, given in rows.items()})
    results.save(tmp_path / "results.json", {name: measured(LOSS, note=f"Old {name}.") for name in ("one", "two")})
    command.main(["--table"])
    return tmp_path


def everything(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_jobs_measured_again_replace_their_own_entries_only(folder):
    assert command.main(["--write", "--only", "three", "one", "--note", "New."]) == 0
    kept = results.load(folder / "results.json")
    assert kept["two"] == measured(LOSS, note="Old two.")
    assert kept["one"].rows == [FAST] and kept["three"].rows == [ONCE]
    today = datetime.date.today().isoformat()
    for name, repeats in (("one", 3), ("three", 1)):
        assert kept[name].note == "New." and kept[name].gflops == 123.0 and kept[name].repeats == repeats
        assert kept[name].date == today and f"Keras {keras.__version__}" in kept[name].versions
        assert "cores" in kept[name].machine
    page = (folder / "RESULTS.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ")][1:]
    assert [row.split(" | ")[-1] for row in rows] == [f"{today} |", "2020-01-02 |", f"{today} |"]  # in the jobs' order


@pytest.mark.parametrize(("failure", "status"), [(KeyboardInterrupt(), 130), (UserError("no data"), 1)])
def test_a_job_that_does_not_end_keeps_its_entry_and_those_before_it_are_kept(folder, monkeypatch, failure, status):
    def breaks(sizes):
        raise failure

    monkeypatch.setitem(command.JOBS, "two", breaks)
    assert command.main(["--write"]) == status
    kept = results.load(folder / "results.json")
    assert kept["one"].rows == [FAST] and kept["two"] == measured(LOSS, note="Old two.") and "three" not in kept
    assert (folder / "RESULTS.md").read_text(encoding="utf-8") == report.markdown(kept, command.JOBS)


@pytest.mark.parametrize("figures", [{"ours": math.nan}, {"ratios": (1.0, math.inf)}, {"operations": (math.nan, 1.0)}])
def test_a_figure_that_is_no_number_is_not_kept(folder, monkeypatch, capsys, figures):
    before = everything(folder)
    monkeypatch.setitem(command.JOBS, "one", lambda sizes: [dataclasses.replace(FAST, job="memory", **figures)])
    assert command.main(["--write", "--only", "one"]) == 1
    assert "memory" in capsys.readouterr().err
    assert everything(folder) == before


@pytest.mark.parametrize(
    ("given", "data"), [(["--small", "--write"], "auto"), (["--write"], "standin"), (["--table", "--only", "one"], "")]
)
def test_what_may_not_be_kept_is_refused_before_anything_is_measured(folder, monkeypatch, given, data):
    before = everything(folder)
    monkeypatch.setenv("NB_DATA", data)
    monkeypatch.setattr(command, "measure", lambda *_: pytest.fail("it was measured"))
    with pytest.raises(SystemExit):
        command.main(given)
    assert everything(folder) == before


def test_what_is_kept_is_measured_on_real_data_and_nothing_is_kept_without_write(folder, monkeypatch):
    seen, before = [], everything(folder)
    monkeypatch.setitem(command.JOBS, "one", lambda sizes: seen.append(os.environ["NB_DATA"]) or [FAST])
    assert command.main(["--small"]) == command.main(["--only", "one"]) == 0
    assert everything(folder) == before
    assert command.main(["--write", "--only", "one"]) == 0
    assert seen == ["auto", "auto", "real"]


@pytest.mark.parametrize("content", [None, "[1]", '{"one": {}}'])
def test_results_that_cannot_be_read_stop_before_anything_is_measured(folder, monkeypatch, capsys, content):
    path = folder / "results.json"
    path.unlink()
    if content is not None:
        path.write_text(content, encoding="utf-8")
    before = everything(folder)
    monkeypatch.setattr(command, "measure", lambda *_: pytest.fail("it was measured"))
    for given in (["--write", "--only", "one"], ["--table"]):
        assert command.main(given) == 1
        assert "git checkout" in capsys.readouterr().err
    assert everything(folder) == before


def test_committed_table_is_what_the_command_writes_from_the_committed_results():
    kept = results.load(command.FOLDER / "results.json")
    assert (command.FOLDER / "RESULTS.md").read_text(encoding="utf-8") == report.markdown(kept, command.JOBS)
    assert set(kept) <= set(JOBS)


@pytest.mark.parametrize(
    ("goal", "changes", "is_missed"),
    [
        (200, {}, False),
        (1_500, {}, True),
        (1, {"is_reached": False}, True),
        (2_000.1, {"unit": "GB"}, False),
        (2_000, {"unit": "GB"}, True),
        (0, {"unit": "nats", "recipe": 2_000.0}, True),
        (None, {"ratios": (0.5,)}, False),
    ],
)
def test_a_goal_that_is_missed_is_marked(goal, changes, is_missed):
    row = dataclasses.replace(FAST, goal=goal, **changes)  # ours is 2,000, and the median of the ratios 200
    assert report.misses_goal(row) == is_missed
    assert ("**missed**" in report.markdown({"one": measured(row)}, ["one"]).partition("| speed |")[2]) == is_missed
