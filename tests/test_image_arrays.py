"""Sizes and ranges of pictures, and what is written of them."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from sample_pictures import RANDOM, sample

from helpers import images
from helpers.session import UserError


def test_resizing_has_no_jaggies_keeps_the_range_and_is_linear():
    squares = np.indices((64, 64)).sum(axis=0) % 2
    squares = np.repeat(squares[..., None], 3, axis=-1).astype(np.float32)
    assert np.abs(images.resize(squares, 8, 8) - 0.5).max() < 0.05
    anything = RANDOM.normal(0, 100, (31, 47, 3)).astype(np.float32)
    other = RANDOM.normal(0, 100, (31, 47, 3)).astype(np.float32)
    for height, width in ((13, 90), (70, 20), (1, 1), (31, 47)):
        small = images.resize(anything, height, width)
        assert small.shape == (height, width, 3)
        assert small.dtype == np.float32
        assert anything.min() <= small.min() <= small.max() <= anything.max()
        both = images.resize(2 * anything - other, height, width)
        assert both == pytest.approx(2 * small - images.resize(other, height, width), abs=1e-3)
    assert np.array_equal(images.resize(anything, 31, 47), anything)
    assert images.resize(anything[..., :1], 5, 6).shape == (5, 6, 1)


def test_resizing_keeps_the_middle_in_the_middle():
    ramp = np.tile(np.linspace(0, 1, 100, dtype=np.float32)[:, None, None], (1, 100, 3))
    assert images.resize(ramp, 50, 50)[:, 0, 0].mean() == pytest.approx(0.5, abs=1e-4)
    assert images.resize(ramp, 237, 100)[118, 0, 0] == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize(
    ("shape", "height", "width"),
    [((300, 400), 150, 200), ((400, 300), 200, 150), ((30, 50), 10, 17), ((3, 1_000), 1, 333), ((99, 1), 9, 1)],
)
def test_fit_keeps_the_aspect_ratio(shape, height, width):
    assert images.fit(np.zeros((*shape, 3)), height).shape == (height, width, 3)


def test_the_middle_is_cut_out_as_a_copy():
    picture = np.arange(5 * 7 * 3, dtype=np.float32).reshape(5, 7, 3)
    middle = images.center_crop(picture, 3, 3)
    assert np.array_equal(middle, picture[1:4, 2:5])
    middle[:] = 0
    assert picture[2, 3, 0] == (2 * 7 + 3) * 3
    assert np.array_equal(images.center_crop(picture, 5, 7), picture)
    for height, width in ((6, 3), (3, 8), (0, 3)):
        with pytest.raises(UserError, match="of a picture of 5x7"):
            images.center_crop(picture, height, width)


def test_whole_numbers_are_the_nearest_and_clipped():
    values = np.array([-1, 0, 0.4 / 255, 0.6 / 255, 254.4 / 255, 1, 7, np.inf, -np.inf])
    assert images.to_uint8(values).tolist() == [0, 0, 0, 1, 254, 255, 255, 255, 0]
    assert np.array_equal(images.to_uint8(sample() / np.float32(255)), sample())
    with pytest.raises(UserError, match="NaN"):
        images.to_uint8(np.array([0.5, np.nan]))


def test_animation_has_every_frame_for_its_time():
    frames = [np.full((20, 30, 3), level, np.float32) for level in (0.0, 0.5, 1.5)]
    with Image.open(BytesIO(images.animation(frames, seconds_per_frame=0.25))) as gif:
        assert (gif.n_frames, gif.info["duration"], gif.info["loop"]) == (3, 250, 0)
        levels = []
        for number in range(3):
            gif.seek(number)
            levels.append(gif.convert("RGB").getpixel((15, 10))[0])
    assert levels == pytest.approx([0, 128, 255], abs=2)


def test_grey_pictures_become_pngs_with_and_without_an_axis_for_the_channel():
    grey = np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3)
    with_axis, without = images.png_bytes(grey[..., None]), images.png_bytes(grey)
    assert with_axis == without
    np.testing.assert_allclose(images.picture_from_bytes(with_axis, least=1)[..., 0], grey, atol=0.5 / 255 + 1e-6)


def test_bytes_become_floats_and_back():
    floats = images.as_floats(sample())
    assert floats.dtype == np.float32 and floats.min() >= 0 and floats.max() <= 1
    np.testing.assert_array_equal(images.to_uint8(floats), sample())


@pytest.mark.parametrize(("last", "kept"), [((), ()), ((1,), ()), ((3,), (3,))])
def test_tiles_stand_in_reading_order(last, kept):
    pictures = np.arange(6, dtype=np.uint8).reshape(6, 1, 1, *[1] * len(last)) * np.ones((1, 2, 4, *last), np.uint8)
    pictures[:, 0, 0] += 10  # the top left pixel of each
    tiled = images.tile_grid(pictures, rows=2, columns=3)
    assert tiled.shape == (4, 12, *kept) and tiled.dtype == np.uint8
    flat = tiled if not kept else tiled[..., 1]
    np.testing.assert_array_equal(flat[1::2, 1::4], [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(flat[::2, ::4], [[10, 11, 12], [13, 14, 15]])
