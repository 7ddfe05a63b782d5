"""Sizes and ranges of pictures, and what is written of them."""

from io import BytesIO

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from sample_pictures import RANDOM, sample

from helpers import images
from helpers.errors import UserError


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


@pytest.mark.parametrize(("shape", "size"), [((5, 5, 3), (0, 5)), ((5, 5, 3), (5, -1)), ((5, 5), (5, 5))])
def test_resizing_to_nothing_is_an_error(shape, size):
    with pytest.raises(UserError, match="Give at least 1|is expected, not the shape"):
        images.resize(np.zeros(shape), *size)


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


RANGES = [backbones.INCEPTION, backbones.VGG, backbones.CENTRED]


@pytest.mark.parametrize("pair", RANGES, ids=lambda pair: pair.name)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("convert", [np.asarray, tf.constant, tf.Variable])
def test_preprocessing_goes_there_and_back(pair, dtype, convert):
    picture = RANDOM.uniform(-0.2, 1.2, (2, 9, 5, 3)).astype(dtype)
    values = pair.preprocess(convert(picture))
    back = pair.deprocess(values)
    assert isinstance(back, np.ndarray) == (convert is np.asarray)
    assert np.asarray(values).dtype == np.asarray(back).dtype == dtype
    assert np.abs(np.asarray(back) - picture).max() < 1e-6
    assert np.asarray(values) == pytest.approx(pair.preprocess(picture), rel=1e-5, abs=1e-5)


def test_preprocessing_is_that_of_the_networks():
    picture = RANDOM.uniform(0, 1, (4, 5, 3)).astype(np.float32)
    inception = tf.keras.applications.inception_v3.preprocess_input(picture * 255)
    vgg = tf.keras.applications.vgg19.preprocess_input(picture * 255)
    assert backbones.INCEPTION.preprocess(picture) == pytest.approx(inception, abs=1e-4)
    assert backbones.VGG.preprocess(picture) == pytest.approx(vgg, abs=1e-3)
    assert backbones.CENTRED.preprocess(np.array([[0.5, 0.25, 1.0]])).tolist() == [[0, -1, 2]]


@pytest.mark.parametrize("pair", RANGES, ids=lambda pair: pair.name)
def test_preprocessing_refuses_whole_numbers(pair):
    for picture in (sample(), tf.constant(sample())):
        with pytest.raises(UserError, match="uint8 is not in .*Divide by 255"):
            pair.preprocess(picture)


def test_whole_numbers_are_the_nearest_and_clipped():
    values = np.array([-1, 0, 0.4 / 255, 0.6 / 255, 254.4 / 255, 1, 7, np.inf, -np.inf])
    assert images.to_uint8(values).tolist() == [0, 0, 0, 1, 254, 255, 255, 255, 0]
    assert np.array_equal(images.to_uint8(sample() / np.float32(255)), sample())
    with pytest.raises(UserError, match="NaN"):
        images.to_uint8(np.array([0.5, np.nan]))


@pytest.mark.parametrize("name", ["a.png", "deep/folder/a.JPG", "a.jpeg"])
def test_what_is_saved_can_be_loaded(tmp_path, name):
    picture = sample() / np.float32(255)
    path = images.save_picture(picture, tmp_path / name)
    tolerance = 1e-6 if path.suffix == ".png" else 8 / 255
    assert np.abs(images.load_picture(path) - picture).max() < tolerance
    assert np.abs(images.picture_from_bytes(images.png_bytes(picture)) - picture).max() < 1e-6


def test_a_place_that_cannot_be_written_to(tmp_path):
    with pytest.raises(UserError, match="Let the name end in .png or .jpg"):
        images.save_picture(sample() / 255, tmp_path / "a.exe")
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(UserError, match="cannot be written.*Choose another place"):
        images.save_picture(sample() / 255, tmp_path / "file" / "a.png")


def test_animation_has_every_frame_for_its_time():
    frames = [np.full((20, 30, 3), level, np.float32) for level in (0.0, 0.5, 1.5)]
    with Image.open(BytesIO(images.animation(frames, seconds_per_frame=0.25))) as gif:
        assert (gif.n_frames, gif.info["duration"], gif.info["loop"]) == (3, 250, 0)
        levels = []
        for number in range(3):
            gif.seek(number)
            levels.append(gif.convert("RGB").getpixel((15, 10))[0])
    assert levels == pytest.approx([0, 128, 255], abs=2)


@pytest.mark.parametrize(
    ("frames", "seconds", "says"),
    [
        ([], 0.1, "there are: none"),
        ([np.zeros((4, 4, 3)), np.zeros((4, 5, 3))], 0.1, r"\(4, 4, 3\), \(4, 5, 3\)"),
        ([np.zeros((4, 4, 3))], 0.0, "at least 0.02"),
    ],
)
def test_animation_that_cannot_be(frames, seconds, says):
    with pytest.raises(UserError, match=says):
        images.animation(frames, seconds)


def test_grey_pictures_become_pngs_with_and_without_an_axis_for_the_channel():
    grey = np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3)
    with_axis, without = images.png_bytes(grey[..., None]), images.png_bytes(grey)
    assert with_axis == without
    np.testing.assert_allclose(images.picture_from_bytes(with_axis, least=1)[..., 0], grey, atol=0.5 / 255 + 1e-6)
