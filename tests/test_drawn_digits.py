"""Digits made from small ones: the same every time, laid out like MNIST, and the held-out ones really held out."""

import numpy as np
import pytest
from scipy import ndimage
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

from helpers import drawn_digits
from helpers.drawn_digits import PARTS, draw_digits
from helpers.errors import UserError

TRAIN, TEST = 1_500, 297  # originals


@pytest.fixture(scope="module")
def train():
    return draw_digits(TRAIN, seed=1, part="train")


@pytest.fixture(scope="module")
def test():
    return draw_digits(2 * TEST, seed=2, part="test")


def test_same_seed_same_bytes_and_a_longer_draw_begins_with_the_shorter(test):
    images, labels = draw_digits(TEST + 20, seed=2, part="test")  # into the second round of originals
    assert images.shape == (TEST + 20, 28, 28) and labels.shape == (TEST + 20,)
    assert images.dtype == labels.dtype == np.uint8
    np.testing.assert_array_equal(images, test[0][: TEST + 20])
    np.testing.assert_array_equal(labels, test[1][: TEST + 20])


def test_another_seed_gives_another_order_and_other_versions(test):
    images, labels = draw_digits(100, seed=3, part="test")
    assert (labels != test[1][:100]).any()
    assert not {image.tobytes() for image in images} & {image.tobytes() for image in test[0]}


def test_no_two_versions_are_the_same(test):
    assert len({image.tobytes() for image in test[0]}) == 2 * TEST


def test_the_parts_use_disjoint_originals_each_once_a_round(train, test):
    assert (PARTS["train"].stop, PARTS["test"].start, PARTS["test"].stop) == (TRAIN, TRAIN, TRAIN + TEST)
    target = load_digits().target
    np.testing.assert_array_equal(np.bincount(train[1]), np.bincount(target[:TRAIN]))
    for labels in (test[1][:TEST], test[1][TEST:]):
        np.testing.assert_array_equal(np.bincount(labels), np.bincount(target[TRAIN:]))


def test_a_version_is_of_the_digit_that_its_label_says(train):
    """Shrunk to 8x8 again, most are still nearest to the originals of their class."""
    images, labels = train[0][:300], train[1][:300]
    small = ndimage.zoom(images[:, 4:24, 4:24].astype(float), (1, 0.4, 0.4), order=1, grid_mode=True, mode="nearest")
    originals = load_digits()
    nearest = KNeighborsClassifier(5).fit(originals.data / 16, originals.target)
    assert nearest.score(small.reshape(len(small), -1) / 255, labels) > 0.6


def test_digits_are_laid_out_like_mnist(train):
    """The longer side is about 20 pixels, the centre of mass about in the middle, as MNIST's makers laid theirs out."""
    ink = train[0] > 127
    sides = [[np.ptp(places) + 1 for places in np.nonzero(image)] for image in ink]
    longer = np.max(sides, axis=1)
    assert 19 <= np.median(longer) <= 21 and (np.abs(longer - 20) <= 2).mean() > 0.97
    centres = np.array([ndimage.center_of_mass(image) for image in train[0]])
    assert np.abs(centres.mean(axis=0) - 14).max() < 0.1  # so MNIST's, measured
    assert centres.std(axis=0).min() > 0.2 and centres.std(axis=0).max() < 0.6
    assert train[0][:, 0].mean() < 1 and train[0][:, -1].mean() < 1  # hardly any is cut off


def test_strokes_are_white_on_black_and_whole(train):
    """Of MNIST's first 6,000, 7% of the pixels are 250 or more, the mean is 34, and 97% of the digits one piece."""
    images, _ = train
    assert 0.05 < (images >= 250).mean() < 0.1
    assert (images == 0).mean() > 0.7
    assert 25 < images.mean() < 45
    pieces = [ndimage.label(image > 127, np.ones((3, 3)))[1] for image in images]
    assert np.mean(np.array(pieces) == 1) > 0.9


@pytest.mark.parametrize("original", [0, 5, 9])
def test_versions_of_one_original_differ_in_thickness(original):
    """Ink over the length of its edge, which neither turning nor slanting alters much."""
    profiles, _ = drawn_digits._originals("test")
    versions = [drawn_digits._version(profiles[original], np.random.default_rng(seed)) for seed in range(60)]
    ink = [version > 127 for version in versions]
    thickness = [image.sum() / (image & ~ndimage.binary_erosion(image)).sum() for image in ink]
    assert np.percentile(thickness, 95) > 1.3 * np.percentile(thickness, 5)


def test_a_simple_classifier_reads_the_held_out_digits_well_but_not_all(train, test):
    nearest = KNeighborsClassifier(3).fit(train[0].reshape(TRAIN, -1), train[1])
    assert 0.85 < nearest.score(test[0].reshape(len(test[0]), -1), test[1]) < 0.99


@pytest.mark.parametrize(
    ("count", "seed", "part", "says"),
    [(0, 1, "train", "at least 1 digit"), (5, -1, "train", "seed 0"), (5, 1, "validation", "Known: train, test")],
)
def test_what_cannot_be_made_is_an_error(count, seed, part, says):
    with pytest.raises(UserError, match=says):
        draw_digits(count, seed, part)
