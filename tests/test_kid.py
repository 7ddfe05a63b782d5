"""KID, precision and recall: against brute force, against known distributions; and the features that they compare."""

import math
import os
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from helpers import backbones, celeba, images, kid, progress_line, sources
from helpers.drawn_faces import draw_faces
from helpers.errors import UserError

REAL_FOLDER = os.environ.get("GENERATIVE_DATA_DIR", "")


def rows(count=200, width=8, seed=0, shift=0.0):
    return np.random.default_rng(seed).normal(shift, 1, (count, width))


def noise_pictures(count=7, height=20, width=28, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def brute_force(a, b):
    """The unbiased squared MMD, summed pair by pair."""

    def k(x, y):
        return (sum(p * q for p, q in zip(x, y, strict=True)) / len(x) + 1) ** 3

    def within(s):
        pairs = [k(s[i], s[j]) for i in range(len(s)) for j in range(len(s)) if i != j]
        return sum(pairs) / len(pairs)

    return within(a) + within(b) - 2 * sum(k(x, y) for x in a for y in b) / (len(a) * len(b))


# KID


def test_the_kid_is_the_sum_over_pairs():
    a, b = rows(6, 3), rows(6, 3, seed=1, shift=0.5)
    found = kid.kernel_inception_distance(a, b)
    assert found.mean == pytest.approx(brute_force(a, b), rel=1e-12)
    assert (found.subsets, found.subset_size) == (1, 6)


def test_subsets_are_drawn_from_each_set_without_repetition():
    a, b = np.full((30, 1), 2.0), np.full((40, 1), 3.0)
    a[:15] = 0  # a subset of all 30 has 15 of each; one drawn with repetition has that only by chance
    found = kid.kernel_inception_distance(a, b, subsets=20, subset_size=30)
    assert found.deviation == pytest.approx(0, abs=1e-9)
    assert found.mean == pytest.approx(brute_force(a, b[:30]), rel=1e-9)


def test_mean_and_deviation_are_those_of_the_subsets():
    """Only a subset that takes both odd rows differs from 0: of all, 10 · 9 / (20 · 19) do."""
    a, b = np.zeros((20, 1)), np.zeros((20, 1))
    a[:2] = 3
    with_both = brute_force(a[:10], b[:10])
    found = kid.kernel_inception_distance(a, b, subsets=400, subset_size=10)
    share = found.mean / with_both
    assert share == pytest.approx(90 / 380, abs=0.07)
    assert found.deviation == pytest.approx(with_both * math.sqrt(share * (1 - share) * 400 / 399), rel=1e-9)


def test_the_kid_of_known_gaussians_is_that_of_their_moments():
    """In one dimension MMD² = Σⱼ C(3, j) (E xʲ - E yʲ)²; for N(0, ½²) and N(½, ½²): 3 · ½² + 3 · ¼² + ½² = 1.1875."""
    generator = np.random.default_rng(5)
    a, b = generator.normal(0, 0.5, (40_000, 1)), generator.normal(0.5, 0.5, (40_000, 1))
    found = kid.kernel_inception_distance(a, b, subsets=40, subset_size=1_000)
    assert found.mean == pytest.approx(1.1875, rel=0.06)


def test_the_kid_in_several_dimensions_is_that_of_a_quadrature():
    """Gauss-Hermite nodes give the expectation of the cubic kernel exactly, without drawing anything."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(4)
    grid = np.stack(np.meshgrid(nodes, nodes), axis=-1).reshape(-1, 2)
    weight = np.outer(weights, weights).ravel() / weights.sum() ** 2
    means, deviations = np.array([[0.1, 0.3], [0.6, -0.2]]), np.array([[0.4, 0.5], [0.6, 0.3]])
    p, q = (mean + deviation * grid for mean, deviation in zip(means, deviations, strict=True))
    between = [weight @ (x @ y.T / 2 + 1) ** 3 @ weight for x, y in ((p, p), (q, q), (p, q))]
    population = between[0] + between[1] - 2 * between[2]
    generator = np.random.default_rng(6)
    a, b = (generator.normal(m, d, (40_000, 2)) for m, d in zip(means, deviations, strict=True))
    found = kid.kernel_inception_distance(a, b, subsets=40, subset_size=1_000)
    assert population > 0.3
    assert found.mean == pytest.approx(population, rel=0.06)


def test_sets_of_one_distribution_have_a_kid_of_zero_on_average_and_often_below():
    """Sets of 5 rows, where counting a row as its own pair would add some 3 to each."""
    generator = np.random.default_rng(2)
    drawn = [kid.kernel_inception_distance(*generator.normal(size=(2, 5, 4))).mean for _ in range(3_000)]
    assert abs(np.mean(drawn)) < 4 * np.std(drawn) / math.sqrt(len(drawn)) < 0.2
    assert np.mean(np.array(drawn) < 0) > 0.3


def test_the_size_of_subsets_moves_the_deviation_but_not_the_mean():
    a, b = rows(2_000), rows(2_000, seed=1, shift=0.3)
    small, large = (kid.kernel_inception_distance(a, b, 100, size) for size in (10, 200))
    assert small.mean == pytest.approx(large.mean, abs=4 * small.deviation / math.sqrt(100))
    assert small.deviation > 3 * large.deviation


def test_the_kid_grows_with_a_shift_and_with_a_lost_spread():
    a = rows(400)
    shifted = [kid.kernel_inception_distance(a, rows(400, seed=1, shift=s)).mean for s in (0, 0.3, 0.6, 1)]
    assert sorted(shifted) == shifted and shifted[1] > 5 * abs(shifted[0])
    shrunk = [kid.kernel_inception_distance(a, s * rows(400, seed=1)).mean for s in (1, 0.7, 0.4)]
    assert sorted(shrunk) == shrunk and shrunk[1] > 5 * abs(shrunk[0])


def test_the_kid_is_symmetric_and_knows_no_order():
    a, b = rows(60), rows(60, seed=1, shift=0.4)
    whole = kid.kernel_inception_distance(a, b).mean
    assert kid.kernel_inception_distance(b, a).mean == pytest.approx(whole, rel=1e-12)
    order = np.random.default_rng(3).permutation(60)
    assert kid.kernel_inception_distance(a[order], b).mean == pytest.approx(whole, rel=1e-12)
    subsets = [kid.kernel_inception_distance(*sets, subset_size=30) for sets in ((a, b), (b, a), (a[order], b))]
    for found in subsets:
        assert found.mean == pytest.approx(whole, abs=4 * found.deviation / math.sqrt(50))


def test_the_same_seed_draws_the_same_subsets():
    a, b = rows(100), rows(100, seed=1)
    first, again, other = (kid.kernel_inception_distance(a, b, 5, 20, seed=seed) for seed in (1, 1, 2))
    assert first == again and first.mean != other.mean


def test_large_sets_are_compared_subset_by_subset_with_the_same_result(monkeypatch):
    a, b = rows(70), rows(50, seed=1, shift=0.4)
    at_once = kid.kernel_inception_distance(a, b, 9, 20)
    monkeypatch.setattr(kid, "AT_ONCE", 69)
    calls, kernels = [], kid._kernels
    monkeypatch.setattr(kid, "_kernels", lambda x, y: calls.append((len(x), len(y))) or kernels(x, y))
    one_by_one = kid.kernel_inception_distance(a, b, 9, 20)
    assert calls == [(20, 20)] * 9
    assert one_by_one.mean == pytest.approx(at_once.mean, rel=1e-9)
    assert one_by_one.deviation == pytest.approx(at_once.deviation, rel=1e-9)


def test_subsets_are_no_larger_than_the_smaller_set_and_the_size_is_recorded():
    found = kid.kernel_inception_distance(rows(50), rows(30), subsets=7)
    assert (found.subsets, found.subset_size) == (7, 30) and found.deviation > 0
    assert str(found) == f"{found.mean:.4f} ± {found.deviation:.4f}"


def test_sets_that_are_used_whole_have_no_spread_to_tell():
    found = kid.kernel_inception_distance(rows(30), rows(30, seed=1))
    assert found.subsets == 1 and math.isnan(found.deviation)
    assert str(found) == f"{found.mean:.4f} (one subset)"


def test_float32_features_are_summed_in_float64():
    a, b = (
        rows(300, 16, seed, shift=30).astype(np.float32) for seed in (0, 1)
    )  # kernels near 10⁹, their difference 10³
    exact = kid.kernel_inception_distance(a.astype(np.float64), b.astype(np.float64)).mean
    assert kid.kernel_inception_distance(a, b).mean == exact


@pytest.mark.parametrize(
    ("a", "b", "options", "message"),
    [
        (rows(1), rows(9), {}, "at least 2 pictures"),
        (rows(9), rows(0), {}, "at least 2 pictures"),
        (rows(9)[0], rows(9), {}, "at least 2 pictures"),
        (rows(9, 3), rows(9, 4), {}, "of 3 and 4 numbers are of two nets"),
        (rows(9), np.where(rows(9) > 1, np.nan, rows(9)), {}, "no numbers or infinite"),
        (np.full((9, 8), np.inf), rows(9), {}, "no numbers or infinite"),
        (rows(9), rows(9), {"subsets": 1}, "Give at least 2 of both"),
        (rows(9), rows(9), {"subset_size": 1}, "Give at least 2 of both"),
    ],
)
def test_features_without_a_kid_are_refused(a, b, options, message):
    with pytest.raises(UserError, match=message):
        kid.kernel_inception_distance(a, b, **options)


# Precision and recall


def modes(count, places, seed, width=6):
    """Rows around places far from each other, as many at each: (count * len(places), width)."""
    generator = np.random.default_rng(seed)
    return np.concatenate([generator.normal(0, 1, (count, width)) + 50 * place for place in places])


def test_the_same_rows_are_all_inside():
    assert kid.precision_recall(rows(), rows()) == kid.PrecisionRecall(1.0, 1.0)


def test_one_distribution_drawn_twice_reaches_most_of_it():
    found = kid.precision_recall(rows(500, 3), rows(500, 3, seed=1))
    assert 0.8 < found.precision < 1 and 0.8 < found.recall < 1


def test_sets_far_apart_share_nothing():
    assert kid.precision_recall(rows(), rows(shift=100)) == kid.PrecisionRecall(0.0, 0.0)


def test_half_the_modes_dropped_halve_the_recall_only():
    real, all_modes = modes(100, range(4), 0), modes(100, range(4), 1)
    both, half = kid.precision_recall(real, all_modes), kid.precision_recall(real, all_modes[:200])
    assert half.recall == pytest.approx(both.recall / 2, abs=0.05)
    assert half.precision == pytest.approx(both.precision, abs=0.1) and half.precision > 0.6


def test_fakes_that_look_like_nothing_lower_the_precision_only():
    real, fake = modes(100, range(4), 0), modes(100, range(4), 1)
    odd = fake.copy()
    odd[::2] += 1_000 * (1 + np.arange(len(odd[::2])))[:, None]  # each alone, so that its ball holds no real one
    before, after = kid.precision_recall(real, fake), kid.precision_recall(real, np.concatenate([fake, odd[::2]]))
    assert after.precision == pytest.approx(before.precision * 2 / 3)
    assert after.recall == pytest.approx(before.recall, abs=0.02)


def test_the_ball_reaches_to_the_kth_neighbour_its_edge_included():
    real, fake = np.array([[0.0], [1], [3], [6]]), np.array([[-2.0], [-1], [20], [21]])
    # Radii to the first neighbour: reals 1, 1, 2, 3; fakes 1, 1, 1, 1. To the second: 3, 2, 3, 5 and 22, 21, 21, 22.
    assert kid.precision_recall(real, fake, neighbours=1) == kid.PrecisionRecall(0.25, 0.25)
    assert kid.precision_recall(real, fake, neighbours=2) == kid.PrecisionRecall(0.5, 1.0)


def test_blocks_change_nothing(monkeypatch):
    sets = rows(100, 3), rows(90, 3, seed=1, shift=1)
    whole = kid.precision_recall(*sets)
    monkeypatch.setattr(kid, "BLOCK", 7)
    assert kid.precision_recall(*sets) == whole


@pytest.mark.parametrize(
    ("real", "fake", "neighbours", "message"),
    [
        (rows(9), rows(3), 3, "3 neighbours cannot be found among 3 rows. Give 1 to 2"),
        (rows(9), rows(9), 0, "Give 1 to 8"),
        (rows(9), rows(9, 4), 3, "of 4 and 8 numbers"),
        (rows(9), rows(9) * np.nan, 3, "no numbers"),
    ],
)
def test_sets_without_precision_are_refused(real, fake, neighbours, message):
    with pytest.raises(UserError, match=message):
        kid.precision_recall(real, fake, neighbours)


# Features


def squares(name="inception_v3"):
    """A net whose `mixed8` is the square of what it is given, so that its mean tells how pictures were resized."""
    inputs = keras.Input((None, None, 3))
    outputs = keras.layers.Multiply(name="mixed8")([inputs, inputs])
    model = keras.Model(inputs, keras.layers.Conv2D(2, 1, name="mixed9")(outputs), name=name)
    net = backbones._NETS["inception_v3"]
    return backbones.Backbone("inception_v3", model, net.preprocessing, net.presets, "", False)


@pytest.fixture
def square_model(monkeypatch):
    monkeypatch.setattr(kid.backbones, "load", lambda name: squares())
    return kid.feature_model()


@pytest.fixture(scope="module")
def inception():
    """The real architecture, with random weights."""
    backbone = squares()
    net = backbones._NETS["inception_v3"]
    keras.utils.set_random_seed(1)
    model = net.build(include_top=False, weights=None)
    with pytest.MonkeyPatch.context() as patch:
        whole = backbones.Backbone("inception_v3", model, backbone.preprocessing, net.presets, "", False)
        patch.setattr(kid.backbones, "load", lambda name: whole)
        return kid.feature_model()


@pytest.fixture(scope="module")
def embedded():
    return kid.feature_model("feature_net")


def by_pillow(pictures, size):
    """Resized one by one with Pillow, and in [-1, 1]."""
    return 2 * np.stack([images.resize(picture / 255, size, size) for picture in pictures]) - 1


@pytest.mark.parametrize(("height", "width"), [(64, 64), (20, 28), (150, 150), (300, 201)])
def test_pictures_are_resized_bilinearly_and_preprocessed_as_the_net_expects(square_model, height, width):
    pictures = noise_pictures(3, height, width)
    found = kid.picture_features(square_model, pictures)
    expected = np.mean(by_pillow(pictures, 150) ** 2, axis=(1, 2))
    np.testing.assert_allclose(found.values, expected, atol=1e-3)
    if height < 150:  # Pillow's plain nearest neighbour is far off, so the agreement says something
        nearest = 2 * tf.image.resize(pictures / 255, (150, 150), "nearest") - 1
        assert np.abs(np.mean(nearest**2, axis=(1, 2)) - expected).min() > 0.05


def test_inception_gives_1280_numbers_and_runs_nothing_behind_mixed8(inception):
    assert inception.width == 1_280 and inception.size == 150
    assert inception.name == "InceptionV3 mixed8"
    assert inception.model.layers[-1].name == "mixed8"
    assert not {"mixed9", "mixed9_0", "mixed9_1", "mixed10"} & {layer.name for layer in inception.model.layers}
    full = keras.applications.InceptionV3(include_top=False, weights=None)
    assert len(inception.model.layers) == [layer.name for layer in full.layers].index("mixed8") + 1


def test_the_compiled_function_has_no_more_convolutions_than_lead_to_mixed8(inception):
    assert count_convolutions(inception.compute.get_concrete_function()) == 76  # of 94 in the whole net


def count_convolutions(function):
    graph = function.graph.as_graph_def()
    nodes = [*graph.node, *(node for inner in graph.library.function for node in inner.node_def)]
    return sum(node.op == "Conv2D" for node in nodes)


@pytest.mark.parametrize("net", ["inception", "embedded"])
def test_batches_change_no_result(net, request):
    model = request.getfixturevalue(net)
    pictures = draw_faces(7, seed=4)[0]
    whole = kid.picture_features(model, pictures).values
    assert whole.shape == (7, model.width) and whole.dtype == np.float32
    for size in (1, 3, 100):
        found = kid.picture_features(model, pictures, batch_size=size).values
        np.testing.assert_allclose(found, whole, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(kid.picture_features(model, pictures[4:5]).values, whole[4:5], rtol=1e-3, atol=1e-5)
    assert np.abs(whole[1:] - whole[0]).max(axis=1).min() > 1e-3  # other pictures have other features


def test_all_sizes_share_one_compiled_function(square_model):
    for shape in ((3, 20, 28), (2, 64, 64), (1, 200, 160)):
        kid.picture_features(square_model, noise_pictures(*shape), batch_size=2)
    assert square_model.compute.experimental_get_tracing_count() == 1


def test_the_features_bring_the_name_of_their_net(square_model, embedded):
    assert kid.picture_features(square_model, noise_pictures()).net == square_model.name == "InceptionV3 mixed8"
    assert kid.picture_features(embedded, noise_pictures()).net == embedded.name == "feature_net block4_conv3"
    for model in (square_model, embedded):
        for part in (model.name, f"{model.width:,} numbers", f"{model.size}x{model.size}", "Not comparable"):
            assert part in model.caution


def test_the_embedded_net_is_averaged_over_its_last_convolution(embedded):
    faces = draw_faces(4, seed=3)[0]
    backbone = backbones.load("feature_net")
    activations = backbone.model(backbone.preprocessing.preprocess(faces.astype(np.float32) / 255))
    found = kid.picture_features(embedded, faces).values
    assert found.shape == (4, 256) and embedded.size == 64
    np.testing.assert_allclose(found, np.mean(activations, axis=(1, 2)), rtol=1e-3, atol=1e-4)


def test_without_inceptions_weights_the_embedded_net_stands_in_and_says_so(tmp_path, monkeypatch, capsys):
    sources.manifest()  # read, and kept, while the real checkout can be seen
    monkeypatch.setenv("GENERATIVE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("NB_OFFLINE", "1")
    monkeypatch.setenv("NB_DATA", "auto")
    monkeypatch.setattr(sources, "CHECKOUT", tmp_path / "checkout")
    monkeypatch.setattr(sources.downloads, "user_cache", lambda: tmp_path / "user-cache")
    model = kid.feature_model()
    assert model.name.startswith("feature_net")
    [line] = capsys.readouterr().out.splitlines()
    assert "in place of inception_v3" in line
    monkeypatch.setenv("NB_DATA", "real")
    with pytest.raises(UserError, match="inception_v3"):
        kid.feature_model()


@pytest.mark.parametrize("net", ["vgg16", "inception"])
def test_other_nets_are_refused(net):
    with pytest.raises(UserError, match=f"{net}.*inception_v3 or feature_net"):
        kid.feature_model(net)


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        (noise_pictures()[0], "are expected"),
        (noise_pictures()[..., :1], "are expected"),
        (noise_pictures()[:0], "are expected"),
        (noise_pictures() / 255, "not float64.*to_uint8"),
    ],
)
def test_what_are_no_pictures_is_refused(embedded, pictures, message):
    with pytest.raises(UserError, match=message):
        kid.picture_features(embedded, pictures)


@pytest.mark.parametrize(("count", "shown"), [(300, 0), (301, 1)])
def test_many_pictures_have_a_line_of_progress_that_ends_complete(square_model, monkeypatch, count, shown):
    lines = []

    class Handle:
        def update(self, line):
            lines[-1] = repr(line)

    monkeypatch.setattr(progress_line, "display", lambda line, display_id: lines.append(repr(line)) or Handle())
    kid.picture_features(square_model, noise_pictures(count, 2, 2))
    assert len(lines) == shown and all("7/7" in line for line in lines)


def test_batches_of_nothing_are_refused(embedded):
    with pytest.raises(UserError, match="batches of 0"):
        kid.picture_features(embedded, noise_pictures(), batch_size=0)


def test_drawn_faces_are_nearer_to_drawn_faces_than_blurred_ones_and_noise_are(embedded):
    faces = draw_faces(400, seed=1)[0]
    reals, others = faces[:200], faces[200:]
    sets = {"drawn": others, "blurred": blurred(others), "noise": noise_pictures(200, 64, 64)}
    real = kid.picture_features(embedded, reals).values
    found = {
        name: kid.kernel_inception_distance(real, kid.picture_features(embedded, pictures).values, 20, 100)
        for name, pictures in sets.items()
    }
    assert abs(found["drawn"].mean) < 3 * found["drawn"].deviation
    assert found["noise"].mean > found["blurred"].mean > 10 * abs(found["drawn"].mean)


def blurred(pictures):
    small = [images.resize(picture / 255, 8, 8) for picture in pictures]
    return np.stack([images.to_uint8(images.resize(picture, 64, 64)) for picture in small])


there = all((Path(REAL_FOLDER) / name).exists() for name in ("inception_v3_notop.weights.h5", "img_align_celeba.zip"))


@pytest.mark.skipif(not (REAL_FOLDER and there), reason="the real faces and weights are not here")
def test_with_the_real_net_faces_are_nearer_to_faces_than_blurred_and_drawn_ones_are(monkeypatch):
    monkeypatch.setenv("NB_DATA", "real")
    faces, model = celeba.load_faces(200, 100), kid.feature_model()
    sets = {
        "reals": faces.train_images[:100],
        "others": faces.test_images,
        "blurred": blurred(faces.train_images[100:]),
        "drawn": draw_faces(100, seed=1)[0],
    }
    features = {name: kid.picture_features(model, pictures).values for name, pictures in sets.items()}
    found = {name: kid.kernel_inception_distance(features["reals"], values).mean for name, values in features.items()}
    assert min(found["blurred"], found["drawn"]) > 10 * abs(found["others"])
