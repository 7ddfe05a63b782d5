"""What notebook 02 says, recomputed on the embedded net: its functions are lifted out of the .ipynb."""

import io
from types import SimpleNamespace

import keras
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
from helpers.metrics.pictures import share_by_size, side_of_share
from helpers.networks import pretrained
from helpers.session import UserError
from tools.lift import lift

PROSE = Prose("02_deep_dream")
NAMES = (
    *("LAYERS", "layer_weights", "inner", "weighted_squares", "along_vectors", "loudest_match", "activations_of"),
    *("compile_gradient", "mean_absolute", "unit_length", "smoothed", "climb", "octave_sizes", "lost_detail", "dream"),
    *("dream_and_curve", "dream_with_margin", "field_of_view", "spans", "in_tiles", "journey"),
)
nb = lift(PROSE.path, *NAMES)
LAYER = "block2_conv1"
ALONE = {LAYER: 1.0}


@pytest.fixture(scope="module")
def backbone():
    return pretrained.load_network("feature_net")


@pytest.fixture(scope="module")
def picture():
    return photographs.load_picture("china", 110).pixels


@pytest.fixture(scope="module")
def gradient(backbone):
    return nb.compile_gradient(backbone, [LAYER, "block1_conv2"])


def fresh():
    return np.random.default_rng(0)


# The layers


BUILDERS = {name: net.build for name, net in pretrained._NETS.items()}
BOOKS_WEIGHTS = [
    {"mixed2": 0.2, "mixed3": 3.0, "mixed4": 2.0, "mixed5": 1.5},
    {"mixed4": 1.0, "mixed5": 1.5, "mixed6": 2.0, "mixed7": 2.5},
]


def test_the_layers_and_weights_of_both_editions():
    assert list(nb.layer_weights("inception_v3")) == BOOKS_WEIGHTS


def untrained(name):
    model = BUILDERS[name]() if name == "feature_net" else BUILDERS[name](include_top=False, weights=None)
    net = pretrained._NETS[name]
    return pretrained.Backbone(name, model, net.preprocessing, net.presets, "", False)


@pytest.mark.parametrize("name", pretrained.NAMES)
def test_each_network_of_the_table_dreams_at_its_layers_the_shallowest_first(name, picture):
    assert set(nb.LAYERS) == set(pretrained.NAMES)
    keras.utils.set_random_seed(0)
    network, layers = untrained(name), nb.LAYERS[name].split()
    places = [network.layers().index(layer) for layer in layers]
    assert places == sorted(places)
    depths = [network.model.get_layer(layer).output for layer in layers]
    assert all(output.shape[-1] > 30 for output in depths)
    first, second = nb.layer_weights(name)
    gradient, small = nb.compile_gradient(network, layers), images.fit(picture, 76)
    for weights in (first, second):
        value, slope = gradient(small, weights)
        assert value > 0 and np.abs(slope).max() > 0
    made = nb.dream(gradient, small, first, octaves=1, steps=1)
    assert made.shape == small.shape and np.abs(made - small).max() > 0.002


# The objective


def test_borders_stay_out_and_each_layer_is_a_mean():
    seen = np.full((1, 6, 7, 2), 100.0, np.float32)
    seen[0, 2:4, 2:5] = np.arange(12).reshape(2, 3, 2)
    mean = np.mean(np.arange(12.0) ** 2)
    assert float(nb.weighted_squares({"x": seen}, {"x": 3.0})) == pytest.approx(3 * mean)
    assert float(nb.weighted_squares({"x": seen, "y": seen}, {"x": 3.0, "y": -1.0})) == pytest.approx(2 * mean)


@pytest.mark.parametrize("size", range(1, 8))
def test_borders_of_small_layers_leave_something(size):
    left = nb.inner(tf.ones((1, size, 9, 1)))
    assert left.shape[1] == max(size - 4, 2 - size % 2) and left.shape[2] == 5


def test_a_layer_without_a_weight_counts_nothing_and_one_that_was_not_compiled_is_refused(gradient, picture):
    value, slope = gradient(picture, {LAYER: 2.0})
    again, other = gradient(picture, {LAYER: 2.0, "block1_conv2": 0.0})
    assert value == pytest.approx(again, rel=1e-5) and np.allclose(slope, other, atol=1e-4 * np.abs(slope).max())
    assert gradient(picture, {})[0] == 0 and not gradient(picture, {})[1].any()
    with pytest.raises(UserError, match="block3_conv1"):
        gradient(picture, {"block3_conv1": 1.0})


def test_an_unknown_layer_is_refused_with_near_names(backbone):
    with pytest.raises(UserError, match="block2_conv1"):
        nb.compile_gradient(backbone, ["block2_conv9"])


def test_a_direction_and_a_target_by_hand():
    seen = {"x": tf.constant([[[[1.0, 0.0]], [[0.0, 2.0]]]])}  # two places, two channels
    assert float(nb.along_vectors(seen, {"x": tf.constant([3.0, 5.0])})) == pytest.approx((3 + 10) / 2)
    target = {"x": tf.constant([[4.0, 1.0], [0.0, 3.0]])}
    assert float(nb.loudest_match(seen, target)) == pytest.approx((4 + 6) / 2)  # each finds its own best


@pytest.mark.parametrize("kind", ["match", "direction", "channel"])
def test_other_objectives_rise_too(backbone, picture, kind):
    channels, values = backbone.channels(LAYER), []
    target = nb.activations_of(backbone, LAYER, photographs.load_picture("flower", 110).pixels)
    objective, shape, weight = {
        "match": (nb.loudest_match, (None, channels), target),
        "direction": (nb.along_vectors, (channels,), target.mean(axis=0)),
        "channel": (nb.along_vectors, (channels,), tf.one_hot(3, channels)),
    }[kind]
    gradient = nb.compile_gradient(backbone, [LAYER], objective, shape)
    nb.climb(gradient, picture, {LAYER: weight}, fresh(), 3, roll=0, watch=lambda value, _: values.append(value))
    assert values[0] < values[1] < values[2]


def test_the_field_of_view_grows_with_depth(backbone, picture):
    sides = [nb.field_of_view(backbone, name, picture) for name in ("block1_conv2", "block2_conv1", "block3_conv1")]
    assert sides[0] <= 5 and sides[0] < sides[1] < sides[2]  # two convolutions of 3 x 3 see 5 pixels


def test_the_side_of_a_share_by_hand():
    strength = np.zeros((9, 11))
    strength[4, 6] = 1.0
    assert side_of_share(strength) == 1
    strength[2:7, 4:9] = 1.0
    assert [side_of_share(strength, share) for share in (1 / 25, 9 / 25, 1.0)] == [1, 3, 5]


# Steps


def test_both_units_of_length_as_the_prose_states_them():
    slope = np.random.default_rng(0).normal(size=(300, 450, 3)).astype(np.float32)
    assert np.abs(0.005 * nb.mean_absolute(slope)).mean() == pytest.approx(0.005, rel=1e-4)
    moved = 10 * nb.unit_length(slope)
    assert np.linalg.norm(moved) == pytest.approx(10, rel=1e-4)
    count, each = PROSE.said(r"= ([\d{},]+)\$ numbers of a picture that is about .*? = ([\d.]+)\$ for each")
    assert count == slope.size and np.sqrt(np.mean(moved**2)) == pytest.approx(each, abs=5e-4)
    assert not nb.unit_length(np.zeros(3)).any() and not nb.mean_absolute(np.zeros(3)).any()


def test_the_smoothed_gradient_is_normalised_and_has_less_grain():
    slope = fresh().normal(size=(60, 80, 3)).astype(np.float32)
    smooth = nb.smoothed(slope)
    assert np.abs(smooth).mean() == pytest.approx(1, rel=1e-4)
    assert share_by_size(smooth)[0] < share_by_size(slope)[0] - 0.2


def test_ascent_raises_its_objective_and_a_random_change_as_long_does_less(gradient, picture):
    values = []
    made = nb.climb(gradient, picture, ALONE, fresh(), 4, roll=0, watch=lambda value, _: values.append(value))
    assert values == sorted(values) and len(values) == 4
    noise = fresh().normal(size=picture.shape).astype(np.float32)
    aside = picture + np.linalg.norm(made - picture) * nb.unit_length(noise)
    assert gradient(made, ALONE)[0] > max(gradient(np.clip(aside, 0, 1), ALONE)[0], values[-1])


def test_dreaming_leaves_its_argument_alone_is_repeatable_and_stays_in_range(gradient, picture):
    before = picture.copy()
    once, again, other = (
        nb.dream(gradient, picture, ALONE, octaves=1, steps=2, step=0.1, roll=9, seed=seed) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(picture, before)
    np.testing.assert_array_equal(once, again)
    assert np.abs(once - other).max() > 1e-3
    assert once.min() == 0 and once.max() == 1  # so large a step would leave the range


def test_a_roll_is_undone(picture):
    """With a gradient that points the same way for each place, rolled or not, the climb is the same."""

    def mean_square(part, weights):
        return float(np.mean(part**2)), part * 2

    still = nb.climb(mean_square, picture * 0.5, {}, fresh(), 3, roll=0)
    rolled = nb.climb(mean_square, picture * 0.5, {}, fresh(), 3, roll=40)
    np.testing.assert_allclose(still, rolled, atol=1e-6)


# Tiles


@pytest.mark.parametrize("tile", [1, 7, 64, 1_000])
@pytest.mark.parametrize("length", [1, 63, 64, 65, 449])
def test_spans_cover_everything_once_and_evenly(length, tile):
    found = nb.spans(length, tile)
    assert np.concatenate([np.arange(length)[span] for span in found]).tolist() == list(range(length))
    sizes = [span.stop - span.start for span in found]
    assert max(sizes) <= tile and max(sizes) - min(sizes) <= 1


def test_every_pixel_gets_gradient_and_memory_stays_bounded(backbone, picture):
    gradient, seen = nb.compile_gradient(backbone, ["block3_conv2"]), []

    def watched(part, weights):
        seen.append(part.shape)
        return gradient(part, weights)

    tiled = nb.in_tiles(watched, 50)
    reached = []
    for shift in ((0, 0), (17, -23)):
        _, slope = tiled(np.roll(picture, shift, axis=(0, 1)), {"block3_conv2": 1.0})
        reached.append(np.any(np.roll(slope, np.negative(shift), axis=(0, 1)), axis=-1))
    assert min(np.mean(part) for every in reached for part in (every, every[-1], every[:, -1])) > 0.98
    assert np.logical_or(*reached).mean() > 0.9999  # the roll moves the cuts, near which a tile sees less
    assert max(max(shape[:2]) for shape in seen) <= 50
    assert sum(height * width for height, width, _ in seen) == 2 * picture.shape[0] * picture.shape[1]


def test_tiles_give_the_gradient_of_what_they_say(picture):
    def mean_square(
        part, weights
    ):  # its gradient is known, and a mean over tiles weighted by area is the mean over all
        return np.mean(part**2), 2 * part / part.size

    value, slope = nb.in_tiles(mean_square, 40)(picture, {})
    assert value == pytest.approx(np.mean(picture**2), rel=1e-4)
    np.testing.assert_allclose(slope, 2 * picture / picture.size, rtol=1e-3, atol=1e-12)


# Octaves


def test_sizes_of_the_octaves_are_the_books():
    assert nb.octave_sizes((300, 450, 3), 3, 1.4) == [(153, 229), (214, 321), (300, 450)]


@pytest.mark.parametrize(
    ("shape", "count"), [((300, 225), 3), ((300, 169), 3), ((150, 84), 1), ((110, 110), 2), ((80, 400), 1)]
)
def test_an_octave_that_is_too_small_is_left_out(shape, count):
    sizes = nb.octave_sizes((*shape, 3), 3, 1.4)
    assert len(sizes) == count and sizes[-1] == shape and min(min(size) for size in sizes) >= 75


def test_a_picture_that_is_too_small_for_any_octave_is_refused():
    with pytest.raises(UserError, match="no side may be below 75"):
        nb.octave_sizes((70, 150, 3), 3, 1.4)


@pytest.mark.parametrize("shape", [(160, 90), (120, 120), (90, 240)], ids=["upright", "square", "wide"])
def test_pictures_of_any_shape_dream_with_margin(gradient, picture, shape):
    own = images.resize(picture, *shape)
    made = nb.dream_with_margin(gradient, own, ALONE, steps=2, normalise=nb.smoothed, roll=32)
    assert made.shape == own.shape
    change = np.abs(made - own).mean(axis=-1)
    rim = np.concatenate([change[:3].ravel(), change[-3:].ravel(), change[:, :3].ravel(), change[:, -3:].ravel()])
    assert 0.5 < rim.mean() / change[10:-10, 10:-10].mean() < 1.5  # neither a dead rim nor a frame


def test_lost_detail_is_what_shrinking_lost(picture):
    height, width = picture.shape[:2]
    lost = nb.lost_detail(picture, (height // 2, width // 2), (height, width))
    blurred = images.resize(images.resize(picture, height // 2, width // 2), height, width)
    np.testing.assert_allclose(blurred + lost, picture, atol=1e-6)
    assert not nb.lost_detail(picture, (height, width), (height, width)).any() and np.abs(lost).max() > 0.1


def test_without_steps_the_photograph_comes_back_through_all_octaves(gradient):
    photograph = photographs.load_picture("china", 150).pixels
    np.testing.assert_allclose(nb.dream(gradient, photograph, ALONE, steps=0), photograph, atol=1e-5)


def test_the_curve_begins_at_the_photograph_in_the_first_octave(gradient):
    photograph = photographs.load_picture("china", 150).pixels
    made, curve = nb.dream_and_curve(gradient, photograph, ALONE, steps=3, roll=0)
    assert len(curve) == 9 and curve[0] == pytest.approx(1, rel=1e-4) and curve[2] > curve[1] > 1
    np.testing.assert_array_equal(made, nb.dream(gradient, photograph, ALONE, steps=3, roll=0))


def test_one_trace_serves_all_sizes_and_weights(backbone):
    gradient, values = nb.compile_gradient(backbone, [LAYER, "block1_conv2"]), []
    for weights in (ALONE, {"block1_conv2": 2.0}, {}):
        for n in (20, 31):
            values.append(gradient(images.resize(np.eye(9)[..., None] * np.ones(3), n, n + 9), weights)[0])
    assert gradient.traced.experimental_get_tracing_count() == 1
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
    books.np = SimpleNamespace(**(vars(np) | {"clip": lambda values, *limits: values}))  # they clip at the end only
    plain = pretrained.Backbone("feature_net", backbone.model, same, backbone.presets, "", True)
    gradient = books.compile_gradient(plain, list(weights))
    options = {"steps": 1, "step": step, "normalise": getattr(books, normalise), "roll": 0}
    ours = books.dream(gradient, photograph * 2 - 1, weights, **options)
    apart = 1 - similarity(recipe(backbone.model, weights, photograph, steps=1), (ours + 1) / 2)
    changed = 1 - similarity(photograph, (ours + 1) / 2)
    assert changed > least and apart < min(0.02, changed / 5), (apart, changed)


# Brakes


@pytest.mark.parametrize("weight", [np.nan, np.inf])
def test_an_objective_that_is_no_finite_number_is_refused(gradient, picture, weight):
    with pytest.raises(UserError, match="infinite"):
        nb.dream(gradient, picture, {LAYER: weight}, octaves=1)


def test_a_stopped_dream_has_shown_each_picture_so_far(gradient, picture):
    shown = []

    def stop(value, so_far):
        shown.append(so_far)
        if len(shown) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        nb.dream(gradient, picture, ALONE, octaves=1, steps=9, watch=stop)
    assert np.array_equal(shown[0], picture) and not np.array_equal(shown[1], shown[2])


def test_a_maximum_ends_the_climb_in_each_octave(gradient):
    photograph = photographs.load_picture("china", 150).pixels
    free, braked = [], []

    def below(maximum):
        def watch(value, so_far):
            braked.append(value)
            return value > maximum

        return watch

    nb.dream(gradient, photograph, ALONE, steps=5, roll=0, watch=lambda value, _: free.append(value))
    maximum = np.median(free[:5])
    nb.dream(gradient, photograph, ALONE, steps=5, roll=0, watch=below(maximum))
    assert len(braked) < len(free) == 15 and sum(value > maximum for value in braked) <= 3


# The rest


def test_a_weight_of_another_shape_is_refused(backbone, picture):
    vectors = nb.compile_gradient(backbone, [LAYER, "block1_conv2"], nb.along_vectors, shape=(None,))
    for weight in (1.0, np.ones((2, 3))):
        with pytest.raises(UserError, match=f"the weight of {LAYER} has the shape"):
            vectors(picture, {LAYER: weight})


def test_the_journey_moves_in_and_can_be_shown(gradient, picture):
    journey = nb.journey(gradient, picture, ALONE, 3)
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
        share_by_size(nb.dream(gradient, photograph, ALONE, octaves=n, steps=12 // n) - photograph) for n in (1, 3)
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
    assert set(answers) == {"dream_with", "loudest_channel", "without_its_loudest", "per_number", "dream_on_detail"}


def test_another_network_dreams(answers, picture):
    made = answers["dream_with"]("feature_net", picture, octaves=1, steps=1)
    assert np.abs(made - picture).max() > 0.005


def test_the_loudest_channel_is_turned_down(answers, backbone, picture):
    loudest = answers["loudest_channel"](backbone, LAYER, picture)
    means = nb.activations_of(backbone, LAYER, picture).mean(axis=0)
    assert means[loudest] == means.max()
    weights = answers["without_its_loudest"](backbone, LAYER, picture, 2.0)
    gradient = nb.compile_gradient(backbone, [LAYER], nb.along_vectors, (len(means),))
    others = np.delete(means, loudest).sum() / len(means)
    assert gradient(picture, weights)[0] == pytest.approx(others - 2 * means.max(), rel=1e-3)


def test_the_lengths_that_the_answer_states(answers):
    [each, other] = PROSE.said(r"sqrt\{405\{,\}000\} = ([\d.]+)\$\. With .*? so a step of (\d+)\.")
    assert answers["per_number"](10, 300, 450) == pytest.approx(each, abs=5e-4)
    assert answers["per_number"](other, 150, 225) == pytest.approx(answers["per_number"](10, 300, 450), rel=1e-6)


def test_detail_that_is_put_back_first_is_dreamed_upon(answers, gradient):
    photograph = photographs.load_picture("china", 150).pixels
    first, last = (make(gradient, photograph, ALONE, steps=4) for make in (answers["dream_on_detail"], nb.dream))
    assert gradient(first, ALONE)[0] > gradient(last, ALONE)[0]
    np.testing.assert_allclose(answers["dream_on_detail"](gradient, photograph, ALONE, steps=0), photograph, atol=1e-5)
