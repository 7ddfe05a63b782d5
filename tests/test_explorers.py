"""What explorers share: enlarged pictures."""

import numpy as np

from helpers.explorers import enlarged


def test_a_picture_is_enlarged_by_whole_pixels():
    picture = np.random.default_rng(0).random((28, 20, 3))
    large = enlarged(picture, 200)
    assert large.shape == (7 * 28, 7 * 20, 3)
    np.testing.assert_array_equal(large[3::7, 6::7], picture)
    np.testing.assert_array_equal(large[::7, ::7], picture)
    assert enlarged(picture, 5).shape == picture.shape
