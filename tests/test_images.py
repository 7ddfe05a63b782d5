"""Pictures of every kind and in every bad state, made on the spot."""

import os

import numpy as np
import pytest
from PIL import Image
from sample_pictures import COLOURED, COLUMNS, KINDS, ROWS, assert_is_picture, content, png, sample

from helpers import images
from helpers.errors import UserError


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_picture_is_read(kind):
    file, expected, tolerance = KINDS[kind]
    picture = images.picture_from_bytes(file)
    assert_is_picture(picture, (ROWS, COLUMNS))
    assert np.abs(picture * 255 - np.asarray(expected.convert("RGB"), np.float32)).max() <= tolerance + 0.01


def test_uploads_come_as_bytes_or_as_a_view_of_them(tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(KINDS["PNG"][0])
    expected = images.load_picture(path)
    for upload in (path.read_bytes(), memoryview(path.read_bytes()), bytearray(path.read_bytes())):
        assert np.array_equal(images.picture_from_bytes(upload), expected)
    assert np.array_equal(images.load_picture(str(path)), expected)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("height", [None, 24])
def test_turned_pictures_are_put_upright(kind, orientation, height):
    undo = {
        2: 0,
        3: 3,
        4: 1,
        5: 5,
        6: 2,
        7: 6,
        8: 4,
    }  # orientation → Pillow's number of the turn that causes it
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
    assert capsys.readouterr().out == (
        "wide (20,000 wide, 400 high) is shrunk to 3,000 wide and 60 high: no side may be longer than 3,000 pixels "
        "here.\n"
    )
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
    for length in range(0, len(whole), max(1, len(whole) // 30)):
        try:
            assert_is_picture(images.picture_from_bytes(whole[:length]), (ROWS, COLUMNS))
        except UserError:
            continue


@pytest.mark.parametrize("kind", KINDS)
def test_altered_picture_is_a_picture_or_an_error(kind):
    random = np.random.default_rng(1)
    for _ in range(30):
        altered = bytearray(KINDS[kind][0])
        for place in random.integers(0, min(len(altered), 400), 3):
            altered[place] ^= int(random.integers(1, 256))
        try:
            picture = images.picture_from_bytes(altered, least=1, longest_side=200)
        except UserError:
            continue
        assert_is_picture(picture, picture.shape[:2])


@pytest.mark.parametrize(
    ("size", "arguments", "says"),
    [
        ((1, 1), {}, "1 wide and 1 high, and it takes at least 32 pixels each way. Give a larger one"),
        ((200, 31), {}, "200 wide and 31 high"),
        ((100, 100), {"least": 128}, "at least 128"),
        ((100, 100), {"height": 16}, r"\(100 wide, 100 high\) would become 16 wide and 16 high.*larger height"),
        ((4_000, 40), {}, "would become 3,000 wide and 30 high.*less extreme shape"),
        ((40, 40), {"height": 0}, "at least 1 pixel"),
        ((40, 40), {"longest_side": 0}, "at least 1 pixel"),
    ],
)
def test_sizes_that_serve_nothing_are_errors(size, arguments, says):
    with pytest.raises(UserError, match=says):
        images.picture_from_bytes(content(Image.new("RGB", size)), **arguments)


def test_least_size_is_an_argument():
    assert_is_picture(images.picture_from_bytes(content(Image.new("RGB", (1, 1))), least=1), (1, 1))


def test_paths_that_lead_to_no_picture(tmp_path):
    (tmp_path / "bridge.jpg").write_bytes(KINDS["JPEG"][0])
    with pytest.raises(UserError, match="no file .*brigde.jpg.*Did you mean bridge.jpg"):
        images.load_picture(tmp_path / "brigde.jpg")
    with pytest.raises(UserError, match="no file .*Check the name"):
        images.load_picture(tmp_path / "none" / "bridge.jpg")
    with pytest.raises(UserError, match="is a folder. Name a picture in it"):
        images.load_picture(tmp_path)
    with pytest.raises(UserError, match="no file"):
        images.load_picture("ftp://127.0.0.1/bridge.jpg")
    with pytest.raises(UserError, match="data:image/jpeg;base64,AAA.*A … cannot be looked for .*Save the picture"):
        images.load_picture("data:image/jpeg;base64," + 9_000 * "A")
    with pytest.raises(UserError, match="~no-such-user/bridge.jpg leads to no folder.*without ~"):
        images.load_picture("~no-such-user/bridge.jpg")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(UserError, match="neither a file nor a folder"):
        images.load_picture(tmp_path / "pipe.png")


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    def refuse(*_, **__):  # the system itself refuses nothing to its owner, as whom these tests may run
        raise PermissionError(13, "Permission denied")

    (tmp_path / "closed.png").write_bytes(KINDS["PNG"][0])
    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(UserError, match="closed.png may not be read"):
        images.load_picture(tmp_path / "closed.png")
