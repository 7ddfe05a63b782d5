"""What notebook 02 says, recomputed on the embedded net: its functions are lifted out of the .ipynb."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from claims import Prose
from PIL import Image
from scipy.ndimage import zoom

from bench import first_edition
from bench.dream import recipe_dream, similarity
from helpers import images, networks
from helpers.data import photographs
from helpers.metrics.pictures import share_by_size
from helpers.networks import pretrained
from helpers.session import UserError
from tools.lift import lift

PROSE = Prose("02_deep_dream")
NAMES = (
    *("inner", "whole_layer", "mixture", "one_channel", "direction", "features_of", "like_target", "compile_gradient"),
    *("set_mix", "mean_absolute", "unit_length", "ascend", "octave_sizes", "lost_detail", "dream", "zoom"),
    *("Objective", "spans", "gradient_in_tiles"),
)
nb = lift(PROSE.path, *NAMES)
LAYER = "block2_conv1"


@pytest.fixture(scope="module")
def backbone():
    return pretrained.load_network("feature_net")


@pytest.fixture(scope="module")
def picture():
    return photographs.load_picture("china", 110).pixels


@pytest.fixture(scope="module")
def gradient(backbone):
    return nb.compile_gradient(backbone, nb.mixture({LAYER: 1.0}))


CLIMB = {"step": 0.01, "normalise": nb.mean_absolute}


# The objective


def test_borders_stay_out_and_each_layer_is_a_mean():
    seen = np.full((1, 6, 7, 2), 100.0, np.float32)
    seen[0, 2:4, 2:5] = np.arange(12).reshape(2, 3, 2)
    assert float(nb.whole_layer("x").value({"x": seen})) == pytest.approx(np.mean(np.arange(12.0) ** 2))
    assert float(nb.mixture({"x": 3.0}).value({"x": seen})) == pytest.approx(3 * np.mean(np.arange(12.0) ** 2))


@pytest.mark.parametrize("size", range(1, 8))
def test_borders_of_small_layers_leave_something(size):
    left = nb.inner(tf.ones((1, size, 9, 1)))
    assert left.shape[1] == max(size - 4, 2 - size % 2) and left.shape[2] == 5


def test_objectives_add_and_scale_with_their_gradients(backbone, picture):
    a, b = nb.whole_layer(LAYER), nb.one_channel(backbone, "block1_conv2", 3)
    both = 2 * a + b * -3
    assert both.layers == {LAYER, "block1_conv2"} and float(nb.Objective().value({})) == 0
    values, slopes = zip(*(nb.compile_gradient(backbone, it)(picture) for it in (a, b, both)), strict=True)
    assert float(values[2]) == pytest.approx(2 * float(values[0]) - 3 * float(values[1]), rel=1e-4)
    np.testing.assert_allclose(slopes[2], 2 * slopes[0] - 3 * slopes[1], atol=1e-4 * np.abs(slopes[2]).max())


@pytest.mark.parametrize("number", [-1, 64, 10_000])
def test_a_channel_out_of_range_is_refused(backbone, number):
    with pytest.raises(UserError, match="channels 0 to 63"):
        nb.one_channel(backbone, LAYER, number)


def test_an_unknown_layer_is_refused_with_near_names(backbone):
    with pytest.raises(UserError, match="block2_conv1"):
        nb.compile_gradient(backbone, nb.whole_layer("block2_conv9"))


def test_a_direction_and_a_target_by_hand():
    seen = {"x": tf.constant([[[[1.0, 0.0]], [[0.0, 2.0]]]])}  # two places, two channels
    assert float(nb.direction("x", [3.0, 5.0]).value(seen)) == pytest.approx((3 + 10) / 2)
    target = tf.constant([[4.0, 1.0], [0.0, 3.0]])
    assert float(nb.like_target("x", target).value(seen)) == pytest.approx((4 + 6) / 4)  # each finds its own best


def test_the_gradient_of_a_target_makes_the_picture_more_like_it(backbone, picture):
    flower = photographs.load_picture("flower", 110).pixels
    objective = nb.like_target(LAYER, nb.features_of(backbone, LAYER, flower))
    made = nb.dream(nb.compile_gradient(backbone, objective), picture, octaves=1, steps=3, **CLIMB)
    assert made.values[0] < made.values[1] < made.values[2]


# Steps


def test_both_units_of_length_as_the_prose_states_them():
    slope = np.random.default_rng(0).normal(size=(300, 450, 3)).astype(np.float32)
    assert np.abs(0.005 * nb.mean_absolute(slope)).mean() == pytest.approx(0.005, rel=1e-4)
    moved = 10 * nb.unit_length(slope)
    assert np.linalg.norm(moved) == pytest.approx(10, rel=1e-4)
    count, each = PROSE.said(r"= ([\d{},]+)\$ numbers of this picture that is about .*? = ([\d.]+)\$ for each")
    assert count == slope.size and np.sqrt(np.mean(moved**2)) == pytest.approx(each, abs=5e-4)
    assert not nb.unit_length(np.zeros(3)).any() and not nb.mean_absolute(np.zeros(3)).any()


def test_ascent_raises_its_objective_and_a_random_step_as_long_does_less(gradient, picture):
    made = nb.dream(gradient, picture, octaves=1, steps=4, **CLIMB)
    assert made.values == sorted(made.values) and len(made.values) == 4
    noise = np.random.default_rng(0).normal(size=picture.shape).astype(np.float32)
    aside = picture + np.linalg.norm(made.picture - picture) * nb.unit_length(noise)
    assert float(gradient(made.picture)[0]) > max(float(gradient(aside)[0]), made.values[-1])


def test_dreaming_leaves_its_argument_alone_and_is_repeatable(gradient, picture):
    before = picture.copy()
    once, again, other = (
        nb.dream(gradient, picture, octaves=1, steps=2, jitter=9, seed=seed, **CLIMB).picture for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(picture, before)
    np.testing.assert_array_equal(once, again)
    assert np.abs(once - other).max() > 1e-3


# Tiles


@pytest.mark.parametrize("tile", [1, 7, 64, 1_000])
@pytest.mark.parametrize("length", [1, 63, 64, 65, 449])
def test_spans_cover_everything_once_and_evenly(length, tile):
    found = nb.spans(length, tile)
    assert np.concatenate([np.arange(length)[span] for span in found]).tolist() == list(range(length))
    sizes = [span.stop - span.start for span in found]
    assert max(sizes) <= tile and max(sizes) - min(sizes) <= 1


def test_every_pixel_gets_gradient_and_memory_stays_bounded(backbone, picture):
    gradient, seen = nb.compile_gradient(backbone, nb.mixture({"block3_conv2": 1.0})), []

    def watched(part):
        seen.append(part.shape)
        return gradient(part)

    reached = [np.any(nb.gradient_in_tiles(watched, picture, 50, shift)[1], axis=-1) for shift in ((0, 0), (17, -23))]
    assert min(np.mean(part) for every in reached for part in (every, every[-1], every[:, -1])) > 0.98
    assert np.logical_or(*reached).mean() > 0.9999  # the roll moves the cuts, near which a tile sees less
    assert max(max(shape[:2]) for shape in seen) <= 50
    assert sum(height * width for height, width, _ in seen) == 2 * picture.shape[0] * picture.shape[1]


def test_tiles_give_the_gradient_of_what_they_say(picture):
    def mean_square(part):  # its gradient is known, and a mean over tiles weighted by area is the mean over all
        return tf.reduce_mean(part**2), tf.constant(2 * part / part.size)

    for shift in ((0, 0), (31, 8)):
        value, slope = nb.gradient_in_tiles(mean_square, picture, 40, shift)
        assert value == pytest.approx(np.mean(picture**2), rel=1e-4)
        np.testing.assert_allclose(slope, 2 * picture / picture.size, rtol=1e-3, atol=1e-12)


# Octaves


def test_sizes_of_the_octaves_are_the_books():
    assert nb.octave_sizes((300, 450, 3), 3, 1.4) == [(153, 229), (214, 321), (300, 450)]
    with pytest.raises(UserError, match="fewer octaves or a larger picture"):
        nb.octave_sizes((100, 150, 3), 3, 1.4)


def test_lost_detail_is_what_shrinking_lost(picture):
    height, width = picture.shape[:2]
    lost = nb.lost_detail(picture, (height // 2, width // 2), (height, width))
    blurred = images.resize(images.resize(picture, height // 2, width // 2), height, width)
    np.testing.assert_allclose(blurred + lost, picture, atol=1e-6)
    assert not nb.lost_detail(picture, (height, width), (height, width)).any() and np.abs(lost).max() > 0.1


def test_without_steps_the_photograph_comes_back_through_all_octaves(gradient):
    photograph = photographs.load_picture("china", 150).pixels
    made = nb.dream(gradient, photograph, octaves=3, steps=0, **CLIMB)
    np.testing.assert_allclose(made.picture, photograph, atol=1e-5)
    assert [list(stage) for stage in made.stages] == [["shrunk", "upscaled", "dreamed", "lost detail", "put back"]] * 3
    assert np.abs(made.stages[0]["lost detail"] - 0.5).max() == 0 < np.abs(made.stages[1]["lost detail"] - 0.5).max()


def test_one_trace_serves_all_sizes_and_weights(backbone):
    mix = {name: tf.Variable(0.0) for name in (LAYER, "block1_conv2")}
    gradient = nb.compile_gradient(backbone, nb.mixture(mix))
    values = []
    for weights in ({LAYER: 1.0}, {"block1_conv2": 2.0}, {}):
        nb.set_mix(mix, weights)
        values += [float(gradient(images.resize(np.eye(9)[..., None] * np.ones(3), n, n + 9))[0]) for n in (20, 31)]
    assert gradient.experimental_get_tracing_count() == 1
    assert len(set(values[:4])) == 4 and values[4:] == [0, 0]


def zoomed(values, height, width):
    return zoom(values, (height / values.shape[0], width / values.shape[1], 1), order=1)


# Recipe, resizing, weights, length of the gradient, step, and how much one step in each octave changes at least. Of the
# first edition one layer: it weighs them by their whole size, so that two would stand in another ratio.
BOOKS = {
    "first edition": (first_edition.recipe_dream, zoomed, {"block2_conv1": 1.0}, "mean_absolute", 0.01, 0.02),
    "second edition": (
        recipe_dream,
        lambda values, *size: tf.image.resize(values, size).numpy(),
        {"block2_conv1": 1.0, "block3_conv1": 0.5},
        "unit_length",
        20.0,
        0.1,
    ),
}


@pytest.mark.parametrize("edition", BOOKS)
def test_the_dream_is_the_books_with_the_books_range_and_resizing(backbone, edition):
    recipe, resize, weights, normalise, step, least = BOOKS[edition]
    photograph = photographs.load_picture("china", 150).pixels
    same = pretrained.Preprocessing("none", lambda values: values, lambda values: values)
    books = lift(PROSE.path, *NAMES)
    books.images = SimpleNamespace(resize=resize)
    plain = pretrained.Backbone("feature_net", backbone.model, same, backbone.presets, "", True)
    gradient = books.compile_gradient(plain, books.mixture(weights))
    options = {"steps": 1, "step": step, "normalise": getattr(books, normalise)}
    ours = books.dream(gradient, photograph * 2 - 1, **options).picture
    apart = 1 - similarity(recipe(backbone.model, weights, photograph, steps=1), (ours + 1) / 2)
    changed = 1 - similarity(photograph, (ours + 1) / 2)
    assert changed > least and apart < min(0.02, changed / 5), (apart, changed)


# Brakes


def after(gradient, steps, outcome):
    """Return a gradient that works so often, and then gives `outcome` as its objective, or raises it."""
    left = iter(range(steps))

    def limited(part):
        value, slope = gradient(part)
        if next(left, None) is None:
            if isinstance(outcome, BaseException):
                raise outcome
            value = tf.constant(outcome)
        return value, slope

    return limited


@pytest.mark.parametrize(
    ("outcome", "error"), [(np.nan, UserError), (np.inf, UserError), (KeyboardInterrupt(), KeyboardInterrupt)]
)
@pytest.mark.parametrize("steps", [0, 5])
def test_a_dream_that_ends_early_has_reported_its_last_good_picture(gradient, picture, outcome, error, steps):
    reported = []
    with pytest.raises(error, match="finite" if error is UserError else None):
        report = lambda text, fraction, picture: reported.append(picture)  # noqa: E731
        nb.dream(after(gradient, steps, outcome), picture, octaves=2, steps=3, factor=1.2, report=report, **CLIMB)
    assert len(reported) == steps and all(np.isfinite(picture).all() for picture in reported)


def test_the_maximum_is_a_brake_for_each_octave(gradient, picture):
    free = nb.dream(gradient, picture, octaves=2, factor=1.2, steps=5, **CLIMB)
    maximum = np.median(free.values[:5])
    braked = nb.dream(gradient, picture, octaves=2, factor=1.2, steps=5, maximum=maximum, **CLIMB)
    assert max(braked.values) <= maximum < max(free.values)


def test_progress_is_reported_for_each_step(gradient, picture):
    said_so = []
    nb.dream(
        gradient, picture, octaves=1, steps=3, report=lambda text, part, picture: said_so.append((text, part)), **CLIMB
    )
    assert [part for _, part in said_so] == [1 / 3, 2 / 3, 1.0] and "110" in said_so[0][0]


# The rest


def test_the_journey_moves_in_and_can_be_shown(gradient, picture):
    journey = list(nb.zoom(gradient, picture, 3, np.random.default_rng(0), **CLIMB))
    assert len(journey) == 3 and all(frame.shape == picture.shape for frame in journey)
    assert Image.open(io.BytesIO(images.animation(journey, 0.1))).n_frames == 3


def test_shares_by_size_find_the_size():
    rows, columns = np.mgrid[:64, :64]
    fine = np.repeat(((rows + columns) % 2 - 0.5)[..., None], 3, axis=-1)
    coarse = images.resize(np.random.default_rng(0).normal(size=(4, 4, 3)), 64, 64)
    assert share_by_size(fine)[0] > 0.9 and share_by_size(coarse)[:2].sum() < 0.05
    assert share_by_size(fine).sum() == pytest.approx(1) and len(share_by_size(fine, 2)) == 3
    assert not share_by_size(np.zeros((8, 8, 3))).any()


def test_octaves_put_the_dream_into_coarser_bands(gradient):
    photograph = photographs.load_picture("china", 150).pixels
    shares = [
        share_by_size(nb.dream(gradient, photograph, octaves=n, steps=12 // n, **CLIMB).picture - photograph)
        for n in (1, 3)
    ]
    assert shares[1][2:].sum() > shares[0][2:].sum()


# The exercises' answers


@pytest.fixture(scope="module")
def answers():
    given = vars(nb) | {"networks": networks, "np": np}
    names = dict(given)
    for block in PROSE.answers():
        exec(compile(block, "answer", "exec"), names)
    return {name: value for name, value in names.items() if name not in given}


def test_every_answer_with_code_is_tested_here(answers):
    assert set(answers) == {"dream_with", "loudest_channel", "without_its_loudest", "per_number"}


def test_another_network_dreams(answers, picture):
    made = answers["dream_with"]("feature_net", picture, octaves=1, steps=1, **CLIMB)
    assert np.abs(made.picture - picture).max() > 0.005


def test_the_loudest_channel_is_turned_down(answers, backbone, picture):
    loudest = answers["loudest_channel"](backbone, LAYER, picture)
    means = np.mean(nb.features_of(backbone, LAYER, picture), axis=0)
    assert means[loudest] == means.max()
    value, _ = nb.compile_gradient(backbone, answers["without_its_loudest"](backbone, LAYER, picture, 2.0))(picture)
    whole, _ = nb.compile_gradient(backbone, nb.whole_layer(LAYER))(picture)
    assert float(value) == pytest.approx(float(whole) - 2 * means.max(), rel=1e-3)


def test_the_lengths_that_the_answer_states(answers):
    [each, other] = PROSE.said(r"sqrt\{405\{,\}000\} = ([\d.]+)\$\. With .*? so a step of (\d+)\.")
    assert answers["per_number"](10, 300, 450) == pytest.approx(each, abs=5e-4)
    assert answers["per_number"](other, 150, 225) == pytest.approx(answers["per_number"](10, 300, 450), rel=1e-6)
