"""Pictures of every kind and in every bad state, made on the spot."""

import numpy as np
import pytest
from PIL import Image
from sample_pictures import COLOURED, COLUMNS, KINDS, ROWS, assert_is_picture, content, png, sample

from helpers import images
from helpers.session import UserError


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_picture_is_read(kind):
    file, expected, tolerance = KINDS[kind]
    picture = images.picture_from_bytes(memoryview(file))  # as an upload comes
    assert_is_picture(picture, (ROWS, COLUMNS))
    assert np.abs(picture * 255 - np.asarray(expected.convert("RGB"), np.float32)).max() <= tolerance + 0.01


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("height", [None, 24])
def test_turned_pictures_are_put_upright(kind, orientation, height):
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # orientation → Pillow's number of the turn that causes it
    turned = COLOURED.transpose(undo[orientation]) if orientation > 1 else COLOURED
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = images.picture_from_bytes(content(turned, kind, exif=exif), height, least=8)
    assert_is_picture(picture, (ROWS, COLUMNS) if height is None else (24, 40))
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


@pytest.mark.parametrize("mode", ["I", "F"])
def test_pixels_of_unknown_range_are_refused(mode):
    with pytest.raises(UserError, match="32-bit pixels.*Save it with 8 or 16 bits"):
        images.picture_from_bytes(content(Image.new(mode, (40, 40)), "TIFF"))


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_very_wide_picture_is_bounded_and_that_is_said(kind, capsys):
    file = content(Image.new("RGB", (20_000, 400), (250, 10, 10)), kind)
    picture = images.picture_from_bytes(file, name="wide")
    assert_is_picture(picture, (60, 3_000))
    assert "is shrunk to 3,000 wide and 60 high" in capsys.readouterr().out
    assert_is_picture(images.picture_from_bytes(file, height=400, longest_side=2_000), (40, 2_000))
    assert "2,000 wide" in capsys.readouterr().out
    assert_is_picture(images.picture_from_bytes(file, height=50), (50, 2_500))
    assert_is_picture(images.picture_from_bytes(file, longest_side=20_000), (400, 20_000))
    assert capsys.readouterr().out == ""


def test_asking_for_a_height_keeps_the_aspect_ratio():
    for height, width in ((24, 40), (96, 160), (33, 55), (35, 58)):
        assert_is_picture(images.picture_from_bytes(KINDS["JPEG"][0], height, least=8), (height, width))
    portrait = content(COLOURED.transpose(Image.Transpose.ROTATE_90))
    assert_is_picture(images.picture_from_bytes(portrait, 40, least=8), (40, 24))


@pytest.mark.parametrize(("width", "height"), [(11_000, 11_000), (60_000, 60_000), (2**31 - 1, 2**31 - 1)])
def test_bomb_is_refused_before_it_is_decoded(width, height):
    with pytest.raises(UserError, match="pixels, more than the 100 million decoded here. Shrink it"):
        images.picture_from_bytes(png(width, height))


@pytest.mark.parametrize(
    ("file", "says"),
    [
        (b"", "not a picture of a known kind"),
        (b"<html>Sign in to the network</html>" * 100, "not a picture of a known kind"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "JPEG, PNG.*Give one of these"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n", "not a picture of a known kind"),
        (b"\x89PNG\r\n\x1a\n", "not a picture|damaged"),
        (b"\xff\xd8\xff", "not a picture|damaged"),
        (np.random.default_rng(2).bytes(5_000), "not a picture"),
        (png(100, 100), "damaged or cut off"),
    ],
)
def test_what_is_no_picture_is_an_error(file, says):
    with pytest.raises(UserError, match="(?s)^holiday.bin is.*" + says):
        images.picture_from_bytes(file, name="holiday.bin")


@pytest.mark.parametrize("kind", KINDS)
def test_cut_picture_is_an_error_and_nothing_else(kind):
    whole = KINDS[kind][0]
    with pytest.raises(UserError, match="damaged or cut off|not a picture"):
        images.picture_from_bytes(whole[: len(whole) // 2] if "animated" not in kind else whole[: len(whole) // 8])
    for length in range(0, len(whole), max(1, len(whole) // 10)):
        try:
            assert_is_picture(images.picture_from_bytes(whole[:length]), (ROWS, COLUMNS))
        except UserError:
            continue


@pytest.mark.parametrize(
    ("size", "arguments", "says"),
    [
        ((1, 1), {}, "1 wide and 1 high"),
        ((200, 31), {}, "200 wide and 31 high"),
        ((100, 100), {"least": 128}, "at least 128"),
        ((100, 100), {"height": 16}, "would become 16 wide and 16 high"),
        ((4_000, 40), {}, "would become 3,000 wide and 30 high"),
        ((40, 40), {"height": 0}, "at least 1"),
    ],
)
def test_sizes_that_serve_nothing_are_errors(size, arguments, says):
    with pytest.raises(UserError, match=says):
        images.picture_from_bytes(content(Image.new("RGB", size)), **arguments)
