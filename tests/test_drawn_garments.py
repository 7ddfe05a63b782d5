"""Drawn garments: the same every time, told apart by their shapes, and confused where the real ones are confused."""

import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifier

from helpers.drawn_garments import GARMENTS, draw_garments
from helpers.errors import UserError

TRAIN, TEST = 3_000, 1_000


@pytest.fixture(scope="module")
def garments():
    return draw_garments(TRAIN, seed=1)


@pytest.fixture(scope="module")
def confusion(garments):
    """Where a linear classifier puts the held-out garments of each class: counts `(true class, class said)`."""
    images, labels = draw_garments(TEST, seed=2)
    model = RidgeClassifier(alpha=30)
    model.fit(garments[0].reshape(TRAIN, -1) / 255, garments[1])
    said = model.predict(images.reshape(TEST, -1) / 255)
    counts = np.zeros((10, 10), int)
    np.add.at(counts, (labels, said), 1)
    return counts


def of(garments, name: str) -> np.ndarray:
    """Return the images of one class."""
    return garments[0][garments[1] == GARMENTS.index(name)]


def test_same_seed_same_bytes_and_a_longer_draw_begins_with_the_shorter(garments):
    images, labels = draw_garments(25, seed=1)
    assert images.shape == (25, 28, 28) and images.dtype == labels.dtype == np.uint8
    np.testing.assert_array_equal(images, garments[0][:25])
    np.testing.assert_array_equal(labels, garments[1][:25])
    np.testing.assert_array_equal(labels, [*range(10), *range(10), *range(5)])


def test_no_two_garments_are_the_same_within_a_seed_or_between_seeds(garments):
    other, _ = draw_garments(300, seed=2)
    assert len({image.tobytes() for image in (*garments[0], *other)}) == TRAIN + 300


def test_names_are_those_of_fashion_mnist():
    first, last = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"), ("Sandal", "Shirt", "Sneaker", "Bag")
    assert list(GARMENTS) == [*first, *last, "Ankle boot"]


def test_garments_are_grey_on_black(garments):
    images = garments[0]
    assert (images[:, 0, 0] == 0).mean() > 0.99 and (images[:, -1, 0] == 0).mean() > 0.95
    assert images.max() == 255
    assert 50 < images.mean() < 80  # of Fashion-MNIST it is 73
    brightest = np.percentile(images.reshape(TRAIN, -1), 97, axis=1)
    assert 0.05 < (brightest < 130).mean() < 0.25  # few are dark


def test_outlines_are_smooth(garments):
    levels = [len(np.unique(image)) for image in garments[0]]
    assert np.percentile(levels, 10) > 30


def test_cloth_has_a_grain_and_some_of_it_a_pattern(garments):
    """How far a pixel lies from the mean of its neighbours: a little for all garments, a lot for a quarter of them."""
    tones = garments[0].astype(int)
    left, middle, right = tones[:, :, :-2], tones[:, :, 1:-1], tones[:, :, 2:]
    inside = (left > 0) & (middle > 0) & (right > 0)
    distance = np.abs(2 * middle - left - right) / 2
    roughness = [np.median(values[mask]) for values, mask in zip(distance, inside, strict=True)]
    assert np.percentile(roughness, 10) > 1
    assert np.percentile(roughness, 75) > 8


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("Trouser", 1.7, 4), ("Dress", 1.1, 5), ("Pullover", 0.9, 1.6), ("Sneaker", 0.25, 0.7), ("Sandal", 0.1, 0.9)],
)
def test_classes_have_their_proportions(garments, name, low, high):
    """Height over width, for nine in ten of a class."""
    ratios = []
    for image in of(garments, name):
        rows, columns = np.nonzero(image > 20)
        ratios.append((np.ptp(rows) + 1) / (np.ptp(columns) + 1))
    assert low < np.percentile(ratios, 5) and np.percentile(ratios, 95) < high


def test_garments_have_their_parts(garments):
    def mean(name: str, rows: slice, columns: slice) -> float:
        return of(garments, name)[:, rows, columns].mean()

    middle, sides = slice(12, 16), slice(2, 6)
    assert mean("Trouser", slice(20, 26), middle) < 0.6 * mean("Trouser", slice(3, 8), middle)  # two legs
    assert mean("Pullover", slice(16, 22), sides) > 3 * mean("T-shirt/top", slice(16, 22), sides)  # long sleeves
    assert mean("Bag", slice(18, 25), middle) > 3 * mean("Bag", slice(2, 8), middle)  # all bag below, handle above
    for shoe in ("Sneaker", "Ankle boot", "Sandal"):  # the toe points to the left
        assert mean(shoe, slice(4, 16), slice(18, 26)) > 1.5 * mean(shoe, slice(4, 16), slice(2, 10))
    assert mean("Ankle boot", slice(4, 9), slice(18, 24)) > 3 * mean("Sneaker", slice(4, 9), slice(18, 24))


def test_a_linear_classifier_knows_the_held_out_garments_well_but_not_all(confusion):
    """Of the real ones, from as many, it gets 80% right."""
    assert 0.85 < np.trace(confusion) / TEST < 0.97


def test_every_class_can_be_told(confusion):
    assert (np.diag(confusion) > 0.5 * confusion.sum(axis=1)).all()


def test_classes_run_into_each_other_as_the_real_ones_do(confusion):
    """Tops are taken for tops, and the shirt is the hardest of all, as in Fashion-MNIST."""
    tops = [GARMENTS.index(name) for name in ("T-shirt/top", "Pullover", "Dress", "Coat", "Shirt")]
    wrong = confusion - np.diag(np.diag(confusion))
    assert wrong[np.ix_(tops, tops)].sum() > 0.8 * wrong.sum()
    assert np.argmin(np.diag(confusion)) == GARMENTS.index("Shirt")
    assert wrong[GARMENTS.index("Shirt"), tops].sum() >= 10


@pytest.mark.parametrize(("count", "seed"), [(0, 1), (-3, 1), (5, -1)])
def test_what_cannot_be_drawn_is_an_error(count, seed):
    with pytest.raises(UserError, match="at least 1 garment and seed 0"):
        draw_garments(count, seed)
