"""Batches of pictures: every picture once, in an order that seed and epoch alone decide."""

import numpy as np
import pytest

from helpers.session import UserError
from helpers.training.batches import PictureBatches, in_order


@pytest.fixture
def pictures():
    """Twelve pictures, no two alike, and none like its mirror image."""
    return np.random.default_rng(0).integers(0, 256, (12, 4, 5, 3), dtype=np.uint8)


def all_of(dataset):
    return np.concatenate([inputs.numpy() for inputs, _ in dataset])


def as_set(pictures):
    return {picture.tobytes() for picture in np.round(pictures * 255).astype(np.uint8)}


def test_an_epoch_has_every_picture_once_as_floats_from_0_to_1(pictures):
    batches = PictureBatches(pictures, 4, seed=1)(epoch=0)
    assert len(batches) == 3
    found = all_of(batches)
    assert found.dtype == np.float32
    assert as_set(found) == as_set(pictures / 255)
    for inputs, targets in batches:
        np.testing.assert_array_equal(inputs, targets)


def test_the_order_depends_on_seed_and_epoch_alone(pictures):
    first, again, other_seed = (PictureBatches(pictures, 4, seed, flip=True) for seed in (1, 1, 2))
    _ = all_of(again(5))  # what was drawn before does not matter
    np.testing.assert_array_equal(all_of(first(3)), all_of(again(3)))
    assert (all_of(first(3)) != all_of(first(4))).any()
    assert (all_of(first(3)) != all_of(other_seed(3))).any()


def test_what_does_not_fill_a_batch_waits(pictures):
    assert [len(inputs) for inputs, _ in PictureBatches(pictures, 5, seed=1)(0)] == [5, 5]


def test_flipping_mirrors_some_pictures_and_not_others(pictures):
    batches = PictureBatches(pictures, 12, seed=1, flip=True)
    original, mirrored = as_set(pictures / 255), as_set(pictures[:, :, ::-1] / 255)
    found = as_set(all_of(batches(0)))
    assert found & original and found & mirrored
    assert found <= original | mirrored


def test_scoring_keeps_the_order_and_leaves_nothing_out(pictures):
    dataset = in_order(pictures, batch_size=5)
    assert [len(inputs) for inputs, _ in dataset] == [5, 5, 2]
    np.testing.assert_allclose(all_of(dataset), pictures / 255, atol=1e-7)


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        (lambda p: p.astype(np.float32), "bytes"),
        (lambda p: p[..., 0], "shape"),
        (lambda p: p[:3], "do not fill a batch"),
    ],
)
def test_wrong_pictures_are_refused(pictures, wrong, key):
    with pytest.raises(UserError, match=key):
        PictureBatches(wrong(pictures), 4, seed=1)
