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
    *("make_eye", "content_loss", "gram_matrix", "style_distance", "total_variation", "WEIGHTS", "relative_scales"),
    *("measure_targets", "losses_of", "make_objective", "score", "as_tensors", "follow_gradient", "newton_direction"),
    *("lbfgs", "usable", "paint", "paint_coarse_to_fine", "run_race", "keep_colours", "mix_styles"),
    *("paint_first_edition", "paint_second_edition", "paint_paper"),
    *("PRESETS", "CONTENT_LAYERS", "FIRST_OF_EACH_BLOCK", "paper_scales", "book_scales"),
)
random = np.random.default_rng(0)
SILENT = {"report": lambda *_, **__: None}


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
    """Return measure(content, style) and the objective, on the small net, and its eye."""
    layers = [network.presets.content], list(network.presets.style)
    see = nb.make_eye(network, [*layers[0], *layers[1]])
    measure = lambda content, style: nb.measure_targets(see, content, style, *layers)  # noqa: E731
    return measure, nb.make_objective(see), see


WEIGHTS = nb.WEIGHTS


# The eye


@pytest.fixture(scope="module")
def random_vgg16():
    """Return VGG16 with random weights."""
    model, presets = keras.applications.VGG16(include_top=False, weights=None), pretrained._NETS["vgg16"].presets
    return pretrained.Backbone("vgg16", model, pretrained.VGG, presets, "", False)


@pytest.mark.parametrize("name", ["network", "random_vgg16"])
def test_the_eye_with_zeros_at_the_border_is_the_network(name, request, content):
    network = request.getfixturevalue(name)
    layers = list(network.presets.style)
    seen = nb.make_eye(network, layers, border="CONSTANT")(content)
    expected = pretrained.features(network, layers)(network.preprocessing.preprocess(content)[None])
    assert set(seen) == set(layers)
    for layer in layers:
        np.testing.assert_allclose(seen[layer], expected[layer], atol=1e-4 * np.abs(expected[layer]).max())


def test_a_repeated_border_leaves_a_flat_picture_flat(network):
    """With zeros the rim of a flat picture is seen in another way than its middle, with the border repeated not."""
    layer, flat = network.presets.style[-1], np.full((48, 64, 3), 0.6, np.float32)
    spread = {
        border: float(np.std(nb.make_eye(network, [layer], border)(flat)[layer], axis=(1, 2)).max())
        for border in ("SYMMETRIC", "CONSTANT")
    }
    assert spread["SYMMETRIC"] < 1e-4 < 1e-2 < spread["CONSTANT"]


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
    seen = see[2](content)["block1_conv1"]
    shuffled = tf.gather(seen, random.permutation(seen.shape[2]), axis=2)
    np.testing.assert_allclose(nb.gram_matrix(shuffled), nb.gram_matrix(seen), rtol=1e-3, atol=1e-3)
    assert float(nb.content_loss(shuffled, seen)) > 0.05 * float(nb.content_loss(0 * seen, seen))


# Weights and constants


def test_the_table_of_presets_is_what_the_code_uses():
    rows = re.findall(
        r"^\| ([\w ]+?) \| `(\w+)` \| first of each block \| ([^|]+) \| ([^|]+) \| ([^|]+) \|", PROSE.text, re.M
    )
    superscript = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")

    def number(text):
        factor, _, power = text.strip().translate(superscript).rpartition("10") if "10" in text else (text, "", "0")
        return float(factor.rstrip("·") or 1) * 10.0 ** float(power)

    weights = {**nb.PRESETS, "this notebook": WEIGHTS}
    layers = {**nb.CONTENT_LAYERS, "this notebook": "block4_conv2"}
    assert {name for name, *_ in rows} == set(weights)
    for name, layer, *cells in rows:
        expected = [weights[name][loss] for loss in ("content", "style", "variation")]
        assert [number(text) for text in cells] == pytest.approx(expected) and layers[name] == layer
    assert all(f"`{layer}`" in PROSE.flat for layer in nb.FIRST_OF_EACH_BLOCK)


def test_the_second_edition_is_the_first_but_for_the_variation():
    factor, more = 1e-6, PROSE.said(r"with ([\d,]+) times the weight on variation")[0]
    first, second = nb.PRESETS["first edition"], nb.PRESETS["second edition"]
    assert second["content"] == pytest.approx(factor * first["content"])
    assert second["style"] == pytest.approx(factor * first["style"])
    assert second["variation"] == pytest.approx(factor * first["variation"] * more)


def test_relative_losses_are_1_without_any_activation(see, content, style):
    targets = see[0](content, style)
    nothing = lambda picture: {layer: 0 * seen for layer, seen in see[2](picture).items()}  # noqa: E731
    losses = nb.losses_of(nothing, content, targets, WEIGHTS)
    assert float(losses["content"]) == pytest.approx(1, rel=1e-4)
    assert float(losses["style"]) == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("edition", ["first edition", "second edition"])
def test_the_books_loss_is_that_of_three_images_at_once(network, content, style, edition):
    """An independent recipe, written from the book's description: same loss, same gradient."""
    same_size, preset, preprocess = (
        images.resize(style, *content.shape[:2]),
        nb.PRESETS[edition],
        network.preprocessing.preprocess,
    )
    layers = [network.presets.content], list(network.presets.style)
    see = nb.make_eye(network, [*layers[0], *layers[1]], border="CONSTANT")
    objective = nb.make_objective(see)
    targets = nb.measure_targets(see, content, same_size, *layers, nb.book_scales)
    recipe = recipe_objective(network, content, same_size, preset)
    noisy = np.clip(content + random.normal(0, 0.1, content.shape), 0, 1).astype(np.float32)
    unit = float(np.ptp(preprocess(np.array([[[0.0] * 3, [1.0] * 3]], np.float32))[..., 0]))  # of the network's range
    for picture in (
        noisy,
        np.full_like(noisy, 0.4),
    ):  # in the noisy one variation outweighs the rest, in the flat it is 0
        losses, gradient = objective(tf.constant(picture), targets, nb.as_tensors(preset))
        loss, slope = recipe(tf.Variable(preprocess(picture)[None]))
        assert float(losses["total"]) == pytest.approx(float(loss), rel=1e-3)
        largest = np.abs(gradient).max()
        np.testing.assert_allclose(gradient, slope[0] * unit, atol=1e-3 * largest)
    assert float(losses["variation"]) == 0 < float(losses["total"])


def test_the_papers_constants_are_those_of_its_equation(see, content, style):
    """½ Σ (F - P)², and the mean over layers of Σ (G - A)² / (4 N² M²); activations have mean 1."""
    same_size, eye = images.resize(style, *content.shape[:2]), see[2]
    layers = ["block4_conv2"], ["block1_conv1", "block3_conv1"]
    targets = nb.measure_targets(eye, content, same_size, *layers, nb.paper_scales)
    losses = nb.losses_of(eye, 0.5 * content, targets, nb.PRESETS["paper"])
    F, P, S = (eye(picture) for picture in (0.5 * content, content, same_size))
    means = {layer: float(tf.reduce_mean(P[layer])) for layer in [*layers[0], *layers[1]]}
    F, P, S = ({layer: np.asarray(seen[layer], float) / mean for layer, mean in means.items()} for seen in (F, P, S))
    expected = 0.0
    for layer in layers[1]:
        rows = [seen[layer].reshape(-1, seen[layer].shape[-1]) for seen in (F, S)]
        (M, N), grams = rows[0].shape, [one.T @ one for one in rows]
        expected += np.sum((grams[0] - grams[1]) ** 2) / (4 * N**2 * M**2) / len(layers[1])
    assert float(losses["style"]) == pytest.approx(expected, rel=1e-3)
    assert float(losses["content"]) == pytest.approx(np.sum((F["block4_conv2"] - P["block4_conv2"]) ** 2) / 2, rel=1e-3)


def test_the_recipes_keep_to_their_budgets(random_vgg16, content, style):
    for paint, budget, most in (
        (nb.paint_first_edition, 2, 40),
        (nb.paint_second_edition, 3, 3),
        (nb.paint_paper, 5, 5),
    ):
        record = paint(random_vgg16, content, style, budget)
        assert 1 < len(record["total"]) <= most
        assert record["picture"].shape == content.shape and record["is_complete"]


# The objective


def test_a_picture_that_is_its_own_target_has_no_loss(see, content):
    measure, objective, _ = see
    scores = nb.score(objective, content, measure(content, content), WEIGHTS)
    assert scores["content"] < 1e-9 and scores["style"] < 1e-9


def test_the_gradient_agrees_with_finite_differences(see, content, style):
    measure, objective, _ = see
    targets, weights = measure(content, style), nb.as_tensors(WEIGHTS)
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


def test_the_second_derivatives_would_fill_what_is_said():
    height, width, numbers, gigabytes = PROSE.said(
        r"picture of (\d+) x (\d+) pixels is ([\d,]+) numbers, and \$H\$ would fill (\d+) GB"
    )
    assert 3 * height * width == numbers and numbers**2 * 4 / 1e9 == pytest.approx(gigabytes, rel=0.01)


def test_the_two_loops_give_the_inverse_of_a_bowls_second_derivatives():
    """With a pair for each axis of a bowl H⁻¹ is exact (Nocedal and Wright, chapter 7)."""
    axes, bends = np.linalg.qr(random.normal(size=(5, 5)))[0], np.array([1.0, 3.0, 10.0, 40.0, 100.0])
    H = (axes * bends) @ axes.T
    pairs = [[tf.constant(part, tf.float32) for part in (s, H @ s)] for s in axes.T]
    pairs = [(s, y, tf.reduce_sum(s * y)) for s, y in pairs]
    gradient = random.normal(size=5)
    direction = nb.newton_direction(tf.constant(gradient, tf.float32), pairs)
    np.testing.assert_allclose(direction, -np.linalg.solve(H, gradient), rtol=1e-3)


def bowl(middle, bends):
    """Return an objective: half of the bends times the squared distances from `middle`."""

    def objective(picture, targets, weights):
        distance = picture - middle
        return {"total": tf.reduce_sum(bends * distance**2) / 2}, bends * distance

    return objective


def test_l_bfgs_finds_the_lowest_point_within_the_colours():
    """Some of the bowl's values lie outside of [0, 1]; there the lowest picture has 0 or 1."""
    middle = random.uniform(-0.5, 1.5, (6, 7, 3)).astype(np.float32)
    bends = np.exp(random.uniform(0, 5, middle.shape)).astype(np.float32)
    with Descent(0.5 + 0 * middle, 300, **SILENT) as descent:
        message = nb.lbfgs(bowl(middle, bends), {}, WEIGHTS, 0.5 + 0 * middle, descent)
    np.testing.assert_allclose(descent.picture, middle.clip(0, 1), atol=0.02)  # the loss has 24 bits
    assert "slope" in message or "budget" in message


def test_at_the_lowest_point_it_ends_with_a_message():
    middle = np.full((4, 4, 3), 0.5, np.float32)
    with Descent(middle, 100, **SILENT) as descent:
        message = nb.lbfgs(bowl(middle, 1.0), {}, WEIGHTS, middle, descent)
    assert "no step" in message and len(descent.history) < 100 and descent.is_complete


def test_a_budget_of_evaluations_is_kept_to_the_last_one():
    middle, bends = random.uniform(size=(6, 7, 3)).astype(np.float32), np.float32(1)
    for most in (1, 2, 7):
        with Descent(0 * middle, most, **SILENT) as descent:
            assert "budget" in nb.lbfgs(bowl(middle, bends), {}, WEIGHTS, 0 * middle, descent)
        assert len(descent.history) <= most


def test_a_step_that_is_too_long_is_halved():
    """The first step is 0.005 long and the lowest point only 0.0018 away, so the second evaluation is higher."""
    middle = np.full((4, 4, 3), 0.5, np.float32)
    with Descent(middle + 0.0018, 3, **SILENT) as descent:
        nb.lbfgs(bowl(middle, 1.0), {}, WEIGHTS, middle + 0.0018, descent)
    start, whole, half = (values["total"] for values in descent.history)
    assert half < start < whole


def test_a_direction_that_leads_up_is_given_up_for_the_slope():
    """A loss that bends downwards gives no pair, and L-BFGS still reaches its lowest value, at the bounds."""
    start = np.full((4, 4, 3), 0.4, np.float32)
    with Descent(start, 100, **SILENT) as descent:
        nb.lbfgs(bowl(np.full_like(start, 0.5), -1.0), {}, WEIGHTS, start, descent)
    np.testing.assert_array_equal(descent.picture, 0)


def test_l_bfgs_is_the_same_whatever_the_unit_of_the_loss_is():
    """The paper's losses are below 1, the first edition's begin near 10⁹."""
    middle, bends = random.uniform(size=(6, 7, 3)).astype(np.float32), np.exp(random.uniform(0, 4, (6, 7, 3)))
    left = []
    for unit in (1e-6, 1.0, 1e8):
        with Descent(0 * middle, 40, **SILENT) as descent:
            nb.lbfgs(bowl(middle, (unit * bends).astype(np.float32)), {}, WEIGHTS, 0 * middle, descent)
        left.append(descent.best / descent.history[0]["total"])
    assert max(left) < 1e-4


def test_a_pair_is_used_without_the_values_that_would_leave_and_only_if_it_bends_upwards():
    s, y = tf.constant([1.0, 2.0, 3.0]), tf.constant([4.0, 5.0, -6.0])
    [(step, change, product)] = nb.usable([(s, y), (s, -y)], tf.constant([1.0, 1.0, 0.0]))
    np.testing.assert_array_equal((step, change), [[1, 2, 0], [4, 5, 0]])
    assert product == 14


def test_all_optimisers_lower_the_loss_and_stay_within_the_colours(see, content, style):
    measure, objective, _ = see
    targets, best = measure(content, style), {}
    before = nb.score(objective, content, targets, WEIGHTS)["total"]
    for name, optimizer in (
        ("SGD", keras.optimizers.SGD(30.0)),
        ("Adam", keras.optimizers.Adam(0.03)),
        ("L-BFGS", None),
    ):
        with Descent(content, 30, name, **SILENT) as descent:
            if optimizer:
                nb.follow_gradient(objective, targets, WEIGHTS, content, optimizer, descent)
            else:
                nb.lbfgs(objective, targets, WEIGHTS, content, descent)
        best[name] = descent.best
        assert descent.picture.min() >= 0 and descent.picture.max() <= 1 and descent.picture.dtype == np.float32
    assert all(loss < before for loss in best.values()) and best["L-BFGS"] < 0.6 * before


def test_the_race_gives_each_the_same_seconds_and_start(see, content, style):
    measure, objective, _ = see
    rivals = {"Adam": keras.optimizers.Adam(0.02), "SGD": keras.optimizers.SGD(30.0)}
    race = nb.run_race(objective, measure(content, style), WEIGHTS, content, rivals, 0.5)
    assert len(race) == 3 and len({record["total"][0] for record in race.values()}) == 1
    for record in race.values():
        assert 0.3 < record["seconds"][-1] < 2 and len(record["total"]) > 1


@pytest.mark.parametrize("shape", [(96, 54), (64, 64), (48, 150)], ids=["upright", "square", "wide"])
def test_painting_goes_through_the_heights_and_keeps_the_photographs_shape(see, network, style, shape):
    objective, eye = see[1:]
    layers = [network.presets.content], list(network.presets.style)
    photograph = images.resize(standins.painting("embers"), *shape)
    painted = nb.paint_coarse_to_fine(eye, objective, photograph, style, layers, WEIGHTS, (32, 64), 4)
    assert painted.picture.shape[:2] == (64, round(64 * shape[1] / shape[0])) and len(painted.history) == 8
    assert {stage.shape[0] for stage in painted.stages.values()} == {32, 64} and "budget" in painted.message


def test_too_large_a_weight_stops_with_the_last_good_picture(see, content, style, capsys):
    measure, objective, _ = see
    with Descent(content, 5) as descent:
        nb.lbfgs(objective, measure(content, style), {**WEIGHTS, "style": 1e39}, content, descent)
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
        nb.lbfgs(interrupted, targets, WEIGHTS, content, descent)
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


def test_a_mixture_begins_and_ends_with_its_styles_and_1_is_still_no_activation(see, content, style):
    measure = see[0]
    other = images.resize(standins.painting("mosaic"), 64, 96)
    first, second = measure(content, style), measure(content, images.fit(other, len(style)))
    for share, whole in ((0.0, first), (1.0, second)):
        mixed = nb.mix_styles(first, second, share)
        tf.nest.map_structure(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), mixed, whole)
    half = nb.mix_styles(first, second, 0.5)
    for layer, A in half["style"].items():
        np.testing.assert_allclose(A, (first["style"][layer] + second["style"][layer]) / 2, rtol=1e-4)
    nothing = lambda picture: {layer: 0 * seen for layer, seen in see[2](picture).items()}  # noqa: E731
    assert float(nb.losses_of(nothing, content, half, WEIGHTS)["style"]) == pytest.approx(1, rel=1e-4)


# The exercises' answers


@pytest.fixture(scope="module")
def answers(see, content, style):
    """Run the code in all folded answers below the names that the notebook gives it; return what it defines."""
    given = {name: getattr(nb, name) for name in ("tf", "np", "measure_targets", "paint", "WEIGHTS")}
    given |= {"see": see[2], "objective": see[1], "small_photo": content, "small_style": style}
    names = dict(given)
    for block in PROSE.answers():
        exec(compile(block, "answer", "exec"), names)
    return {name: value for name, value in names.items() if name not in given}


def test_every_answer_with_code_is_tested_here(answers):
    functions = {name for name, value in answers.items() if callable(value)}
    assert functions == {"adaptive_instance_normalisation", "adain_targets", "masked_gram_matrix", "match_colours"}


def test_adain_gives_each_channel_the_means_and_deviations_of_the_style(answers):
    one, other = (random.normal(size, 2.0, (1, 6, 7, 512)).astype(np.float32) for size in (0.5, 3.0))
    changed = answers["adaptive_instance_normalisation"](tf.constant(one), tf.constant(other)).numpy()
    np.testing.assert_allclose(changed.mean((1, 2)), other.mean((1, 2)), atol=1e-3)
    np.testing.assert_allclose(changed.std((1, 2)), other.std((1, 2)), atol=1e-3)
    few, many = PROSE.said(r"([\d,]+) numbers instead of ([\d,]+) \(a symmetric")
    assert few == 2 * 512 and many == 512 * 513 / 2


def test_the_picture_of_adain_is_nearer_to_its_activations_than_the_photograph(answers, see, content):
    before, after = (nb.score(see[1], one, answers["adain"], WEIGHTS) for one in (content, answers["picture"]))
    assert after["content"] < 0.5 * before["content"]


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
