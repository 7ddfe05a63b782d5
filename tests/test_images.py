"""Pictures of every kind and in every bad state are decoded; arrays are resized, cut and encoded."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from sample_pictures import COLOURED, COLUMNS, KINDS, RANDOM, ROWS, assert_is_picture, content, png, sample

from helpers import images
from helpers.session import UserError


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_picture_is_read_and_a_cut_one_is_an_error(kind):
    file, expected, tolerance = KINDS[kind]
    picture = images.picture_from_bytes(memoryview(file))  # as an upload comes
    assert_is_picture(picture, (ROWS, COLUMNS))
    assert np.abs(picture * 255 - np.asarray(expected.convert("RGB"), np.float32)).max() <= tolerance + 0.01
    with pytest.raises(UserError, match="damaged|not a picture"):
        images.picture_from_bytes(file[: len(file) // (8 if "animated" in kind else 2)])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("height", [None, 36])
def test_turned_pictures_are_put_upright(kind, orientation, height):
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # orientation → Pillow's number of the turn that causes it
    turned = COLOURED.transpose(undo[orientation]) if orientation > 1 else COLOURED
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = images.picture_from_bytes(content(turned, kind, exif=exif), height)
    assert_is_picture(picture, (ROWS, COLUMNS) if height is None else (36, 60))
    corners = picture[[0, 0, -1, -1], [0, -1, 0, -1]] * 255
    expected = sample()[[0, 0, -1, -1], [0, -1, 0, -1]].astype(float)
    assert np.abs(corners - expected).max() < 10


def see_through() -> dict[str, Image.Image]:
    half = Image.new("RGBA", (40, 40), (255, 0, 0, 128))
    palette = Image.new("P", (40, 40), 1)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    return {"RGBA": half, "LA": Image.new("LA", (40, 40), (0, 64)), "P": palette, "L": Image.new("L", (40, 40), 9)}


@pytest.mark.parametrize(
    ("mode", "options", "expected"),
    [
        ("RGBA", {}, (1, 0.498, 0.498)),
        ("LA", {}, (0.749, 0.749, 0.749)),
        ("P", {"transparency": 1}, (1, 1, 1)),
        ("P", {}, (1, 0, 0)),
        ("L", {"transparency": 9}, (1, 1, 1)),
    ],
)
def test_transparent_parts_are_white(mode, options, expected):
    picture = images.picture_from_bytes(content(see_through()[mode], **options))
    assert picture[20, 20] == pytest.approx(expected, abs=0.003)


def test_sixteen_bits_keep_their_fine_steps_and_are_not_cut_off():
    deep = Image.fromarray(np.linspace(0, 65_535, 40 * 40).reshape(40, 40).astype("<u2"))
    picture = images.picture_from_bytes(content(deep))
    assert len(np.unique(picture)) > 1_500
    assert (picture.min(), picture.max()) == (0, 1)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_very_wide_picture_is_shrunk_and_a_line_says_so(kind, capsys):
    file = content(Image.new("RGB", (20_000, 400), (250, 10, 10)), kind)
    assert_is_picture(images.picture_from_bytes(file, name="wide"), (60, 3_000))
    assert "3,000 wide and 60 high" in capsys.readouterr().out
    assert_is_picture(images.picture_from_bytes(file, height=400, longest_side=2_000), (40, 2_000))
    assert "2,000 wide" in capsys.readouterr().out
    assert_is_picture(images.picture_from_bytes(file, height=50), (50, 2_500))
    assert_is_picture(images.picture_from_bytes(file, longest_side=20_000), (400, 20_000))
    assert capsys.readouterr().out == ""


def test_asking_for_a_height_keeps_the_aspect_ratio():
    for height, width in ((36, 60), (96, 160), (33, 55), (35, 58)):
        assert_is_picture(images.picture_from_bytes(KINDS["JPEG"][0], height), (height, width))
    portrait = content(COLOURED.transpose(Image.Transpose.ROTATE_90))
    assert_is_picture(images.picture_from_bytes(portrait, 60), (60, 36))


@pytest.mark.parametrize(
    ("file", "part"),
    [
        (b"", "known kind"),
        (b"<html>Sign in to the network</html>" * 100, "known kind"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "JPEG, PNG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n", "known kind"),
        (b"\xff\xd8\xff", "not a picture|damaged"),
        (png(100, 100), "damaged"),
        (png(11_000, 11_000), "100 million"),  # refused before it is decoded
        (png(2**31 - 1, 2**31 - 1), "100 million"),
        (content(Image.new("I", (40, 40)), "TIFF"), "32-bit"),
        (content(Image.new("F", (40, 40)), "TIFF"), "32-bit"),
        (content(Image.new("RGB", (200, 31))), "200 wide and 31 high"),
        (content(Image.new("RGB", (4_000, 40))), "become 3,000 wide and 30 high"),
    ],
)
def test_what_is_no_picture_or_too_small_is_an_error(file, part):
    with pytest.raises(UserError, match="(?s)^holiday.bin .*" + part):
        images.picture_from_bytes(file, name="holiday.bin")


def test_a_file_that_may_not_be_read_is_an_error(tmp_path, monkeypatch):
    def refuse(*_, **__):  # the system itself refuses nothing to its owner, as whom these tests may run
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(UserError, match="may not be read"):
        images.picture_from_file(tmp_path / "closed.png", "closed.png", None)


def test_resizing_has_no_jaggies_keeps_the_range_and_is_linear():
    squares = np.indices((64, 64)).sum(axis=0) % 2
    squares = np.repeat(squares[..., None], 3, axis=-1).astype(np.float32)
    assert np.abs(images.resize(squares, 8, 8) - 0.5).max() < 0.05
    anything = RANDOM.normal(0, 100, (31, 47, 3)).astype(np.float32)
    other = RANDOM.normal(0, 100, (31, 47, 3)).astype(np.float32)
    for height, width in ((13, 90), (70, 20), (1, 1), (31, 47)):
        small = images.resize(anything, height, width)
        assert small.shape == (height, width, 3) and small.dtype == np.float32
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
    ("shape", "height", "width"), [((300, 400), 150, 200), ((400, 300), 200, 150), ((30, 50), 10, 17), ((99, 1), 9, 1)]
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


def test_whole_numbers_are_the_nearest_and_clipped():
    values = np.array([-1, 0, 0.4 / 255, 0.6 / 255, 254.4 / 255, 1, 7, np.inf, -np.inf])
    assert images.to_uint8(values).tolist() == [0, 0, 0, 1, 254, 255, 255, 255, 0]
    floats = images.as_floats(sample())
    assert floats.dtype == np.float32 and floats.min() >= 0 and floats.max() <= 1
    np.testing.assert_array_equal(images.to_uint8(floats), sample())
    with pytest.raises(UserError, match="NaN"):
        images.to_uint8(np.array([0.5, np.nan]))


def test_an_animation_has_every_frame_for_its_time():
    frames = [np.full((20, 30, 3), level, np.float32) for level in (0.0, 0.5, 1.5)]
    with Image.open(BytesIO(images.animation(frames, seconds_per_frame=0.25))) as opened:
        assert (opened.format, opened.n_frames, opened.info["loop"]) == ("WEBP", 3, 0)
        levels = []
        for number in range(3):
            opened.seek(number)
            levels.append(opened.convert("RGB").getpixel((15, 10))[0])
            assert opened.info["duration"] == 250
    assert levels == pytest.approx([0, 128, 255], abs=4)


def test_an_animation_becomes_smaller_when_it_must():
    noise = list(np.random.default_rng(0).random((4, 60, 80, 3)))
    sizes = [len(images.animation(noise, most_bytes=most)) for most in (1_000_000, 20_000, 0)]
    assert sizes[0] > sizes[1] > sizes[2] and sizes[1] <= 20_000


def test_grey_pictures_become_pngs_with_and_without_an_axis_for_the_channel():
    grey = np.linspace(0, 1, 1_600, dtype=np.float32).reshape(40, 40)
    assert images.png_bytes(grey[..., None]) == images.png_bytes(grey)
    picture = images.picture_from_bytes(images.png_bytes(grey))
    np.testing.assert_allclose(picture[..., 0], grey, atol=0.5 / 255 + 1e-6)


def test_pictures_are_laid_row_after_row():
    pictures = np.arange(6 * 2 * 3).reshape(6, 2, 3, 1)
    grid = images.tile_grid(pictures, 2, 3)
    assert grid.shape == (4, 9)
    np.testing.assert_array_equal(grid[2:, 3:6], pictures[4, :, :, 0])
