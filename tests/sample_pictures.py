"""Pictures of every kind, made on the spot, for the tests."""

import struct
import zlib
from io import BytesIO

import numpy as np
from PIL import Image

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
