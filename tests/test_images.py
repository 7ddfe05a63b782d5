"""Pictures of every kind and in every bad state, made on the spot; sizes, ranges and what is written."""

import http.server
import os
import socket
import struct
import threading
import zlib
from io import BytesIO

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from helpers import decoding, downloads, images
from helpers.errors import UserError

RANDOM = np.random.default_rng(0)
ROWS, COLUMNS = 48, 80


def sample() -> np.ndarray:
    """A smooth uint8 picture `(48, 80, 3)` whose four corners and three channels all differ."""
    rows, columns = np.mgrid[:ROWS, :COLUMNS]
    red, green, blue = 40 + columns * 2, 30 + rows * 4, 200 - columns - rows
    return np.stack([red, green, blue], axis=-1).astype(np.uint8)


def content(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(width: int, height: int) -> bytes:
    """The first bytes of a PNG file of that size (one bit a pixel), with almost none of its pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


def assert_is_picture(picture: np.ndarray, shape: tuple[int, int]) -> None:
    assert picture.shape == (*shape, 3)
    assert picture.dtype == np.float32
    assert 0 <= picture.min() <= picture.max() <= 1


COLOURED = Image.fromarray(sample())
GREY = COLOURED.convert("L")
DEEP = Image.fromarray((np.asarray(GREY).astype(np.uint16) * 257).astype("<u2"))
KINDS = {
    "PNG": (content(COLOURED), COLOURED, 0),
    "JPEG": (content(COLOURED, "JPEG", quality=95), COLOURED, 6),
    "JPEG, progressive": (content(COLOURED, "JPEG", quality=95, progressive=True), COLOURED, 6),
    "WEBP": (content(COLOURED, "WEBP", lossless=True), COLOURED, 0),
    "BMP": (content(COLOURED, "BMP"), COLOURED, 0),
    "TIFF": (content(COLOURED, "TIFF", compression="tiff_lzw"), COLOURED, 0),
    "PPM": (content(COLOURED, "PPM"), COLOURED, 0),
    "CMYK": (content(COLOURED.convert("CMYK"), "JPEG", quality=95), COLOURED, 6),
    "CMYK TIFF": (content(COLOURED.convert("CMYK"), "TIFF"), COLOURED, 2),
    "palette": (content(COLOURED.quantize(256)), COLOURED, 24),
    "alpha, opaque": (content(COLOURED.convert("RGBA")), COLOURED, 0),
    "grey": (content(GREY), GREY, 0),
    "grey JPEG": (content(GREY, "JPEG", quality=95), GREY, 6),
    "grey and alpha": (content(GREY.convert("LA")), GREY, 0),
    "black and white": (content(GREY.convert("1", dither=0)), GREY.convert("1", dither=0), 0),
    "16 bits": (content(DEEP), GREY, 0),
    "16 bits TIFF": (content(DEEP, "TIFF"), GREY, 0),
    "animated GIF": (content(GREY, "GIF", save_all=True, append_images=[GREY.point(lambda v: 255 - v)]), GREY, 0),
    "animated PNG": (content(COLOURED, save_all=True, append_images=[COLOURED.rotate(180)]), COLOURED, 0),
}


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


@pytest.fixture
def web(monkeypatch, tmp_path):
    """A web server on this machine: `answers` maps paths to (status, content), `asked` lists the requests."""
    for name in ("NB_OFFLINE", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(downloads, "_offline_because", "")
    monkeypatch.setattr(decoding, "CHECKOUT", tmp_path / "checkout")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            server.asked.append(self.path)
            status, body = server.answers[self.path]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.url = [], f"http://127.0.0.1:{server.server_address[1]}"
    server.answers = {
        "/a.png?size=1": (200, KINDS["PNG"][0]),
        "/gone.png": (404, b""),
        "/page": (200, b"<html>A picture of a bridge</html>"),
        "/huge.png": (200, b"\x89PNG" * 1_000),
    }
    server.cache = tmp_path / "checkout" / "data" / "cache" / "pictures"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_picture_from_the_web_is_fetched_once(web, monkeypatch):
    picture = images.load_picture(f"{web.url}/a.png?size=1", height=24, least=8)
    assert_is_picture(picture, (24, 40))
    monkeypatch.setenv("NB_OFFLINE", "1")
    assert_is_picture(images.load_picture(f"{web.url}/a.png?size=1"), (ROWS, COLUMNS))
    assert web.asked == ["/a.png?size=1"]
    assert len(list(web.cache.iterdir())) == 1


@pytest.mark.parametrize(
    ("page", "says"),
    [
        ("/gone.png", "answered 404.*Check the address, or give the path"),
        ("/page", "not a picture.*that of the picture file itself, not of a page"),
        ("/huge.png", "more than 0 MB"),
    ],
)
def test_address_that_gives_no_picture_leaves_nothing(web, monkeypatch, page, says):
    monkeypatch.setattr(decoding, "LARGEST_DOWNLOAD", 3_000)
    with pytest.raises(UserError, match=says):
        images.load_picture(web.url + page)
    assert not [path for path in web.cache.rglob("*") if path.is_file()]


def test_address_that_does_not_answer_spoils_no_other(web, monkeypatch):
    monkeypatch.setitem(downloads.fetch.__kwdefaults__, "patience", 0.5)
    with socket.socket() as closed, socket.create_server(("127.0.0.1", 0)) as silent:
        closed.bind(("127.0.0.1", 0))  # holds the port, accepts nobody
        for port, says in (
            (closed.getsockname()[1], "could not be reached"),
            (silent.getsockname()[1], "said nothing"),
        ):
            with pytest.raises(UserError, match=says):
                images.load_picture(f"http://127.0.0.1:{port}/a.png")
    assert_is_picture(images.load_picture(f"{web.url}/a.png?size=1"), (ROWS, COLUMNS))


@pytest.mark.parametrize("address", ["http://", "https:///a.png", "http://[::1/a.png"])
def test_address_that_is_none(web, address):
    with pytest.raises(UserError, match="could not be had"):
        images.load_picture(address)


def test_no_network_is_tried_when_it_is_not_wanted(web, monkeypatch):
    monkeypatch.setenv("NB_OFFLINE", "1")
    with pytest.raises(UserError, match="NB_OFFLINE"):
        images.load_picture(f"{web.url}/a.png?size=1")
    assert web.asked == []


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


RANGES = [images.INCEPTION, images.VGG, images.CENTRED]


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
    assert images.INCEPTION.preprocess(picture) == pytest.approx(inception, abs=1e-4)
    assert images.VGG.preprocess(picture) == pytest.approx(vgg, abs=1e-3)
    assert images.CENTRED.preprocess(np.array([[0.5, 0.25, 1.0]])).tolist() == [[0, -1, 2]]


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
