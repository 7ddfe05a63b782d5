"""KID, precision and recall against brute force and known distributions; features; distances between pictures."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from helpers import images
from helpers.metrics import pictures as pm
from helpers.networks import pretrained
from helpers.session import UserError
from tools.standins.faces import draw_faces


def rows(count=200, width=8, seed=0, shift=0.0):
    return np.random.default_rng(seed).normal(shift, 1, (count, width))


def brute_force(a, b):
    """The unbiased squared MMD, summed pair by pair."""

    def k(x, y):
        return (sum(p * q for p, q in zip(x, y, strict=True)) / len(x) + 1) ** 3

    def within(s):
        pairs = [k(s[i], s[j]) for i in range(len(s)) for j in range(len(s)) if i != j]
        return sum(pairs) / len(pairs)

    return within(a) + within(b) - 2 * sum(k(x, y) for x in a for y in b) / (len(a) * len(b))


# KID


def test_the_kid_is_the_sum_over_pairs_and_of_whole_sets_has_no_spread():
    a, b = rows(6, 3), rows(6, 3, seed=1, shift=0.5)
    found = pm.kernel_inception_distance(a, b)
    assert found.mean == pytest.approx(brute_force(a, b), rel=1e-12)
    assert (found.subsets, found.subset_size) == (1, 6) and math.isnan(found.deviation)
    assert str(found) == f"{found.mean:.4f} (one subset)"


def test_mean_and_deviation_are_those_of_the_subsets():
    """Only a subset that takes both odd rows differs from 0: of all, 10 · 9 / (20 · 19) do."""
    a, b = np.zeros((20, 1)), np.zeros((20, 1))
    a[:2] = 3
    with_both = brute_force(a[:10], b[:10])
    found = pm.kernel_inception_distance(a, b, subsets=400, subset_size=10)
    share = found.mean / with_both
    assert share == pytest.approx(90 / 380, abs=0.07)
    assert found.deviation == pytest.approx(with_both * math.sqrt(share * (1 - share) * 400 / 399), rel=1e-9)
    assert str(found) == f"{found.mean:.4f} ± {found.deviation:.4f}"


def test_the_kid_of_known_gaussians_is_that_of_their_moments():
    """In one dimension MMD² = Σⱼ C(3, j) (E xʲ - E yʲ)²; for N(0, ½²) and N(½, ½²): 3 · ½² + 3 · ¼² + ½² = 1.1875."""
    generator = np.random.default_rng(5)
    a, b = generator.normal(0, 0.5, (40_000, 1)), generator.normal(0.5, 0.5, (40_000, 1))
    found = pm.kernel_inception_distance(a, b, subsets=40, subset_size=1_000)
    assert found.mean == pytest.approx(1.1875, rel=0.06)


def test_sets_of_one_distribution_have_a_kid_of_zero_on_average_and_often_below():
    """Sets of 5 rows, where counting a row as its own pair would add some 3 to each."""
    generator = np.random.default_rng(2)
    drawn = [pm.kernel_inception_distance(*generator.normal(size=(2, 5, 4))).mean for _ in range(3_000)]
    assert abs(np.mean(drawn)) < 4 * np.std(drawn) / math.sqrt(len(drawn)) < 0.2
    assert np.mean(np.array(drawn) < 0) > 0.3


def test_large_sets_are_compared_subset_by_subset_with_the_same_result(monkeypatch):
    a, b = rows(70), rows(50, seed=1, shift=0.4)
    at_once = pm.kernel_inception_distance(a, b, 9, 20)
    monkeypatch.setattr(pm, "AT_ONCE", 69)
    one_by_one = pm.kernel_inception_distance(a, b, 9, 20)
    assert one_by_one.mean == pytest.approx(at_once.mean, rel=1e-9)
    assert one_by_one.deviation == pytest.approx(at_once.deviation, rel=1e-9)
    assert pm.kernel_inception_distance(a, b, 9, 20, seed=1).mean != one_by_one.mean
    assert pm.kernel_inception_distance(a, b, 9).subset_size == 50


def test_float32_features_are_summed_in_float64():
    a, b = (rows(300, 16, seed, shift=30).astype(np.float32) for seed in (0, 1))  # kernels near 10⁹, differing by 10³
    exact = pm.kernel_inception_distance(a.astype(np.float64), b.astype(np.float64)).mean
    assert pm.kernel_inception_distance(a, b).mean == exact


@pytest.mark.parametrize("a", [rows(1), rows(0), rows(9) * np.nan, np.full((9, 8), np.inf)])
@pytest.mark.parametrize("measure", [pm.kernel_inception_distance, pm.precision_recall])
def test_features_of_a_failed_training_are_refused(measure, a):
    with pytest.raises(UserError, match="finite"):
        measure(a, rows(9))


# Precision and recall


def modes(count, places, seed, width=6):
    """Rows around places far from each other, as many at each: (count * len(places), width)."""
    generator = np.random.default_rng(seed)
    return np.concatenate([generator.normal(0, 1, (count, width)) + 50 * place for place in places])


def test_precision_and_recall_of_the_same_and_of_strangers():
    assert pm.precision_recall(rows(), rows()) == pm.PrecisionRecall(1.0, 1.0)
    assert pm.precision_recall(rows(), rows(shift=100)) == pm.PrecisionRecall(0.0, 0.0)
    found = pm.precision_recall(rows(500, 3), rows(500, 3, seed=1))
    assert 0.8 < found.precision < 1 and 0.8 < found.recall < 1


def test_half_the_modes_dropped_halve_the_recall_only():
    real, all_modes = modes(100, range(4), 0), modes(100, range(4), 1)
    both, half = pm.precision_recall(real, all_modes), pm.precision_recall(real, all_modes[:200])
    assert half.recall == pytest.approx(both.recall / 2, abs=0.05)
    assert half.precision == pytest.approx(both.precision, abs=0.1) and half.precision > 0.6


def test_the_ball_reaches_to_the_kth_neighbour_its_edge_included(monkeypatch):
    real, fake = np.array([[0.0], [1], [3], [6]]), np.array([[-2.0], [-1], [20], [21]])
    # Radii to the first neighbour: reals 1, 1, 2, 3; fakes 1, 1, 1, 1. To the second: 3, 2, 3, 5 and 22, 21, 21, 22.
    for block in (1_000, 3):
        monkeypatch.setattr(pm, "BLOCK", block)
        assert pm.precision_recall(real, fake, neighbours=1) == pm.PrecisionRecall(0.25, 0.25)
        assert pm.precision_recall(real, fake, neighbours=2) == pm.PrecisionRecall(0.5, 1.0)


# Features


def noise_pictures(count=7, height=20, width=28, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


@pytest.fixture
def square_model(monkeypatch):
    """A net whose `mixed8` is the square of what it is given, so that its mean tells how pictures were resized."""
    inputs = keras.Input((None, None, 3))
    outputs = keras.layers.Multiply(name="mixed8")([inputs, inputs])
    model = keras.Model(inputs, keras.layers.Conv2D(2, 1, name="mixed9")(outputs))
    backbone = pretrained.Backbone("inception_v3", model, pretrained._NETS["inception_v3"].preprocessing, {}, "", False)
    monkeypatch.setattr(pm.pretrained, "load_network", lambda name: backbone)
    return pm.feature_model()


@pytest.fixture(scope="module")
def embedded():
    return pm.feature_model("feature_net")


@pytest.mark.parametrize(("height", "width"), [(64, 64), (20, 28), (300, 201)])
def test_pictures_are_resized_bilinearly_and_preprocessed_as_the_net_expects(square_model, height, width):
    pictures = noise_pictures(3, height, width)
    resized = 2 * np.stack([images.resize(picture / 255, 150, 150) for picture in pictures]) - 1
    found = pm.picture_features(square_model, pictures)
    np.testing.assert_allclose(found, np.mean(resized**2, axis=(1, 2)), atol=1e-3)
    assert "InceptionV3 mixed8" in square_model.caution and "Not comparable" in square_model.caution


def test_the_embedded_net_is_averaged_over_its_last_convolution_in_batches(embedded):
    faces = draw_faces(103, seed=3)[0]
    backbone = pretrained.load_network("feature_net")
    activations = backbone.model(backbone.preprocessing.preprocess(faces[-4:].astype(np.float32) / 255))
    found = pm.picture_features(embedded, faces)
    assert found.shape == (103, 256) == (103, embedded.width) and found.dtype == np.float32
    np.testing.assert_allclose(found[-4:], np.mean(activations, axis=(1, 2)), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("pictures", [noise_pictures()[0], noise_pictures()[:0], noise_pictures() / 255])
def test_what_are_no_pictures_is_refused(embedded, pictures):
    with pytest.raises(UserError, match="uint8"):
        pm.picture_features(embedded, pictures)
    with pytest.raises(UserError, match="uint8"):
        pm.nearest_neighbours(noise_pictures(), pictures)


def test_drawn_faces_are_nearer_to_drawn_faces_than_blurred_ones_and_noise_are(embedded):
    faces = draw_faces(400, seed=1)[0]
    small = tf.image.resize(faces[200:] / 255, (8, 8), antialias=True)
    blurred = images.to_uint8(tf.image.resize(small, (64, 64)).numpy())
    sets = {"drawn": faces[200:], "blurred": blurred, "noise": noise_pictures(200, 64, 64)}
    features = {name: pm.picture_features(embedded, pictures) for name, pictures in sets.items()}
    real = pm.picture_features(embedded, faces[:200])
    found = {name: pm.kernel_inception_distance(real, values, 20, 100) for name, values in features.items()}
    assert abs(found["drawn"].mean) < 3 * found["drawn"].deviation
    assert found["noise"].mean > found["blurred"].mean > 10 * abs(found["drawn"].mean)


# Distances between pictures


def rmse(a, b):
    return np.sqrt(np.mean((a / 255 - b / 255) ** 2))


@pytest.mark.parametrize("block", [1_000, 4])
def test_the_nearest_and_the_mean_are_those_of_all_pairs(block, monkeypatch):
    monkeypatch.setattr(pm, "BLOCK", block)
    fakes, training = noise_pictures(6, 5, 4, seed=1), noise_pictures(10, 5, 4, seed=2)
    table = np.array([[rmse(fake, picture) for picture in training] for fake in fakes])
    places, distances = pm.nearest_neighbours(fakes, training)
    np.testing.assert_array_equal(places, table.argmin(axis=1))
    np.testing.assert_allclose(distances, table.min(axis=1), rtol=1e-12)
    expected = np.mean([rmse(fakes[i], fakes[j]) for i in range(6) for j in range(i)])
    assert pm.mean_pairwise_distance(fakes) == pytest.approx(expected, rel=1e-12)


def test_a_copy_is_found_at_exactly_zero_and_a_changed_pixel_is_not():
    training = np.tile(noise_pictures(1, 64, 64), (9, 1, 1, 1))
    training[:, 10, 10, 1] = np.arange(9)
    fake = training[6:7].copy()
    places, distances = pm.nearest_neighbours(fake, training)
    assert (places.tolist(), distances.tolist()) == ([6], [0.0])
    _, distances = pm.nearest_neighbours(fake, training[7:])
    assert distances[0] == pytest.approx(1 / 255 / np.sqrt(64 * 64 * 3))
    assert pm.mean_pairwise_distance(np.tile(fake, (8, 1, 1, 1))) == 0
