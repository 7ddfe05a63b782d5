"""What notebook 03 says, recomputed: its functions are lifted out of the .ipynb, its figures read out of the prose."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from claims import Prose

from bench.style import recipe_objective
from helpers import images
from helpers.data import standins
from helpers.networks import pretrained
from helpers.session import UserError
from helpers.training.descent import Descent
from tools.lift import lift

PROSE = Prose("03_neural_style_transfer")
nb = lift(
    PROSE.path,
    *("content_loss", "gram_matrix", "style_distance", "total_variation", "PRESETS", "relative", "books"),
    *("measure_targets", "make_objective", "score", "minimise", "paint", "follow_gradient", "keep_colours"),
    *("measure_mixture", "checked_weights"),
)
random = np.random.default_rng(0)


@pytest.fixture(scope="module")
def network():
    return pretrained.load_network("feature_net")


@pytest.fixture(scope="module")
def content():
    return images.fit(images.resize(standins.painting("embers"), 64, 96), 40)


@pytest.fixture(scope="module")
def style():
    return images.fit(images.resize(standins.painting("swirls"), 64, 96), 48)


@pytest.fixture(scope="module")
def see(network):
    """Return measure(content, style, constants) and the objective, on the small net."""
    presets, preprocess = network.presets, network.preprocessing.preprocess
    features = pretrained.features(network, [*presets.style, presets.content])
    layers = (presets.content, presets.style)
    measure = lambda content, style, constants=nb.relative: nb.measure_targets(  # noqa: E731
        features, preprocess, layers, content, style, constants
    )
    return measure, nb.make_objective(features, preprocess), features


WEIGHTS = nb.PRESETS["this notebook"]


# The losses


def test_the_gram_matrix_of_the_prose():
    one, three, two, zero = PROSE.said(r"channel 1 is \((\d), (\d)\), channel 2 is \((\d), (\d)\)")
    stated = PROSE.said(r"\\begin\{pmatrix\} (\d) & (\d) \\\\ (\d) & (\d) \\end\{pmatrix\}")
    positions = tf.constant([[one, two], [three, zero]])
    np.testing.assert_array_equal(nb.gram_matrix(positions[None, None]), np.reshape(stated, (2, 2)))


def test_the_gram_matrix_is_the_sum_of_the_equation():
    F = random.normal(size=(1, 3, 4, 5)).astype(np.float32)
    expected = np.einsum("brci,brck->ik", F, F) / 12
    np.testing.assert_allclose(nb.gram_matrix(tf.constant(F)), expected, rtol=1e-5, atol=1e-6)


def test_content_loss_and_style_distance_by_hand():
    F, P = tf.constant([[1.0, 2.0]]), tf.constant([[3.0, 5.0]])
    assert float(nb.content_loss(F, P)) == 6.5 and float(nb.style_distance(F, P)) == 13


def test_variation_by_a_slow_loop():
    x = random.uniform(size=(4, 5, 3))
    slow = sum(
        ((x[r + 1, c, k] - x[r, c, k]) ** 2 + (x[r, c + 1, k] - x[r, c, k]) ** 2) ** 1.25
        for r in range(3)
        for c in range(4)
        for k in range(3)
    )
    assert float(nb.total_variation(tf.constant(x))) == pytest.approx(slow, rel=1e-6)


def test_variation_of_one_colour_is_0_and_so_is_its_gradient():
    flat = tf.Variable(tf.fill((6, 6, 3), 0.3))
    with tf.GradientTape() as tape:
        variation = nb.total_variation(flat)
    assert float(variation) == 0 and np.all(tape.gradient(variation, flat).numpy() == 0)


def test_places_do_not_matter_to_style_and_do_to_content(see, content):
    seen = see[2](content[None])["block1_conv1"]
    shuffled = tf.gather(seen, random.permutation(seen.shape[2]), axis=2)
    np.testing.assert_allclose(nb.gram_matrix(shuffled), nb.gram_matrix(seen), rtol=1e-3, atol=1e-3)
    assert float(nb.content_loss(shuffled, seen)) > 0.05 * float(nb.content_loss(0 * seen, seen))


# Weights and constants


def test_the_table_of_presets_is_what_the_code_uses():
    rows = re.findall(r"^\| (\w+ \w+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|", PROSE.text, re.M)
    superscript = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")

    def number(text):
        factor, _, power = text.strip().translate(superscript).rpartition("10") if "10" in text else (text, "", "0")
        return float(factor.rstrip("·") or 1) * 10.0 ** float(power)

    table = {name: [number(text) for text in cells] for name, *cells in rows if name in nb.PRESETS}
    assert set(table) == set(nb.PRESETS)
    for name, values in table.items():
        preset = nb.PRESETS[name]
        assert values == pytest.approx([preset["content"], preset["style"], preset["variation"]])


def test_the_second_edition_is_the_first_but_for_the_variation():
    factor, more = 1e-6, PROSE.said(r"with ([\d,]+) times the weight on variation")[0]
    first, second = nb.PRESETS["first edition"], nb.PRESETS["second edition"]
    assert second["content"] == pytest.approx(factor * first["content"])
    assert second["style"] == pytest.approx(factor * first["style"])
    assert second["variation"] == pytest.approx(factor * first["variation"] * more)


def test_relative_losses_are_1_without_any_activation(see, content, style):
    targets = see[0](content, style)
    content_scale, style_scales, _ = targets["scales"]
    [P] = targets["P"].values()
    assert float(content_scale * nb.content_loss(0 * P, P)) == pytest.approx(1, rel=1e-4)
    for layer, scale in style_scales.items():
        A = targets["A"][layer]
        assert float(scale * nb.style_distance(0 * A, A)) == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("edition", ["first edition", "second edition"])
def test_the_books_loss_is_that_of_three_images_at_once(network, see, content, style, edition):
    """An independent recipe, written from the book's description: same loss, same gradient."""
    measure, objective, _ = see
    same_size = images.resize(style, *content.shape[:2])
    preset, preprocess = nb.PRESETS[edition], network.preprocessing.preprocess
    recipe, targets = recipe_objective(network, content, same_size, preset), measure(content, same_size, nb.books)
    noisy = np.clip(content + random.normal(0, 0.1, content.shape), 0, 1).astype(np.float32)
    unit = float(np.ptp(preprocess(np.array([[[0.0] * 3, [1.0] * 3]], np.float32))[..., 0]))  # of the network's range
    for picture in (
        noisy,
        np.full_like(noisy, 0.4),
    ):  # in the noisy one variation outweighs the rest, in the flat it is 0
        losses, gradient = objective(tf.constant(picture), targets, nb.checked_weights(preset))
        loss, slope = recipe(tf.Variable(preprocess(picture)[None]))
        assert float(losses["total"]) == pytest.approx(float(loss), rel=1e-3)
        largest = np.abs(gradient).max()
        np.testing.assert_allclose(gradient, slope[0] * unit, atol=1e-3 * largest)
    assert float(losses["variation"]) == 0 < float(losses["total"])


# The objective


def test_a_picture_that_is_its_own_target_has_no_loss(see, content):
    measure, objective, _ = see
    scores = nb.score(objective, content, measure(content, content), WEIGHTS)
    assert scores["content"] < 1e-9 and scores["style"] < 1e-9


def test_the_gradient_agrees_with_finite_differences(see, content, style):
    measure, objective, _ = see
    targets, weights = measure(content, style), nb.checked_weights(WEIGHTS)
    gradient = objective(tf.constant(content), targets, weights)[1].numpy()
    way = (np.sign(gradient) * random.integers(0, 2, gradient.shape)).astype(np.float32)
    at = lambda shift: float(objective(tf.constant(content + shift * way), targets, weights)[0]["total"])  # noqa: E731
    assert float(np.sum(gradient * way)) == pytest.approx((at(2e-4) - at(-2e-4)) / 4e-4, rel=0.02)


def test_new_weights_pictures_and_styles_need_no_new_graph(see, content, style):
    measure, objective, _ = see
    sizes = [(40, 60), (48, 50), (56, 64), (64, 48)]
    counts = []
    for number, size in enumerate(sizes):
        picture = images.resize(content, *size)
        nb.score(objective, picture, measure(picture, style), {**WEIGHTS, "content": 0.1 * number})
        counts.append(objective.experimental_get_tracing_count())
    assert counts[-1] == counts[-2] <= counts[0] + 2


@pytest.mark.parametrize("bad", [-1.0, float("nan")])
def test_a_weight_that_is_none_is_refused(see, content, style, bad):
    measure, objective, _ = see
    with pytest.raises(UserError, match="weight of style"):
        nb.score(objective, content, measure(content, style), {**WEIGHTS, "style": bad})


# The optimisers


def test_l_bfgs_lowers_the_loss_within_the_colours_and_below_sgd_and_adam(see, content, style):
    measure, objective, _ = see
    targets, best = measure(content, style), {}
    for name, optimizer in (
        ("SGD", keras.optimizers.SGD(100.0)),
        ("Adam", keras.optimizers.Adam(0.02)),
        ("L-BFGS", None),
    ):
        with Descent(content, 30, name) as descent:
            if optimizer:
                nb.follow_gradient(objective, targets, WEIGHTS, content, 30, optimizer, descent)
            else:
                nb.minimise(objective, targets, WEIGHTS, content, 30, descent)
        best[name] = descent.best
    assert best["L-BFGS"] < 0.5 * nb.score(objective, content, targets, WEIGHTS)["total"]
    assert best["L-BFGS"] < min(best["SGD"], best["Adam"])
    assert descent.picture.min() >= 0 and descent.picture.max() <= 1 and descent.picture.dtype == np.float32


def test_painting_goes_through_the_heights_and_keeps_the_contents_shape(see, content, style):
    measure, objective, _ = see
    painted = nb.paint(objective, measure, content, style, (20, 40), WEIGHTS, 12)
    assert painted.picture.shape == content.shape
    assert {stage.shape[0] for stage in painted.stages.values()} == {20, 40}
    from_black = nb.paint(objective, measure, content, style, (40,), WEIGHTS, 1, start=0 * content)
    np.testing.assert_array_equal(from_black.stages[1], 0 * content)


def test_too_large_a_weight_stops_with_the_last_good_picture(see, content, style, capsys):
    measure, objective, _ = see
    with Descent(content, 5) as descent:
        nb.minimise(objective, measure(content, style), {**WEIGHTS, "style": 1e39}, content, 5, descent)
    assert not descent.is_complete and "finite" in capsys.readouterr().out
    np.testing.assert_array_equal(descent.picture, content)


def test_interrupting_keeps_the_picture_so_far(see, content, style, capsys):
    measure, objective, _ = see
    calls = []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return objective(*arguments)

    targets = measure(content, style)
    with Descent(content, 50) as descent:
        nb.minimise(interrupted, targets, WEIGHTS, content, 50, descent)
    assert "Interrupted" in capsys.readouterr().out and len(descent.history) == 5
    assert nb.score(objective, descent.picture, targets, WEIGHTS)["total"] == pytest.approx(descent.best, rel=1e-4)
    assert descent.best < descent.history[0]["total"]


# Colours and mixtures


def test_kept_colours_have_the_results_brightness_and_the_contents_colours(content):
    result = np.clip(content + random.normal(0, 0.02, content.shape), 0.1, 0.9).astype(np.float32)
    inner = 0.3 + 0.4 * content
    kept = nb.keep_colours(0.3 + 0.4 * result, inner)
    luminance = np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(kept @ luminance, (0.3 + 0.4 * result) @ luminance, atol=1e-5)
    np.testing.assert_allclose(kept[..., 0] - kept[..., 2], inner[..., 0] - inner[..., 2], atol=1e-5)


def test_a_mixture_begins_and_ends_with_its_styles(see, content, style):
    measure = see[0]
    other = images.resize(standins.painting("mosaic"), 64, 96)
    first, second = measure(content, style), measure(content, images.fit(other, len(style)))
    for share, whole in ((0.0, first), (1.0, second)):
        mixed = nb.measure_mixture(measure, other, share, content, style)
        tf.nest.map_structure(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), mixed, whole)
    half = nb.measure_mixture(measure, other, 0.5, content, style)
    for layer, A in half["A"].items():
        np.testing.assert_allclose(A, (first["A"][layer] + second["A"][layer]) / 2, rtol=1e-4)


# The exercises' answers


@pytest.fixture(scope="module")
def answers():
    """Run the code in all folded answers and return what it defines."""
    given = lift(PROSE.path, "tf", "np", "images")
    names = dict(vars(given))
    for block in PROSE.answers():
        exec(compile(block, "answer", "exec"), names)
    return {name: value for name, value in names.items() if name not in vars(given)}


def test_every_answer_with_code_is_tested_here(answers):
    assert set(answers) == {"channel_statistics", "masked_gram_matrix", "match_colours"}


def test_channel_statistics_are_means_and_deviations_in_fewer_numbers(answers):
    activations = random.normal(size=(1, 6, 7, 512)).astype(np.float32)
    statistics = answers["channel_statistics"](tf.constant(activations)).numpy()
    few, many = PROSE.said(r"([\d,]+) numbers instead of ([\d,]+) \(a symmetric")
    assert statistics.size == few and many == 512 * 513 / 2
    np.testing.assert_allclose(statistics[0], activations.mean((0, 1, 2)), atol=1e-5)
    np.testing.assert_allclose(statistics[1], activations.std((0, 1, 2)), atol=1e-4)


def test_a_mask_of_ones_gives_the_gram_matrix_and_half_a_mask_that_of_half(answers):
    F = tf.constant(random.normal(size=(1, 4, 6, 5)).astype(np.float32))
    masked = answers["masked_gram_matrix"]
    np.testing.assert_allclose(masked(F, np.ones((8, 12), np.float32)), nb.gram_matrix(F), rtol=1e-4, atol=1e-5)
    left = np.concatenate([np.ones((4, 3)), np.zeros((4, 3))], axis=1).astype(np.float32)
    np.testing.assert_allclose(masked(F, left), nb.gram_matrix(F[:, :, :3]), rtol=1e-4, atol=1e-5)


def test_matched_colours_have_the_contents_mean_and_covariance(answers, content, style):
    matched = answers["match_colours"](style, content)
    assert matched.shape == style.shape
    flat, wanted = matched.reshape(-1, 3), content.reshape(-1, 3)
    np.testing.assert_allclose(flat.mean(0), wanted.mean(0), atol=1e-4)
    np.testing.assert_allclose(np.cov(flat.T), np.cov(wanted.T), atol=1e-4)
