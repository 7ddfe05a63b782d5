"""Pictures, damaged: tests/fuzzing.py says how, and what may come of it."""

import io
import mmap
import os
import tracemalloc
import zlib

import numpy as np
import pytest
from fuzzing import MB, fuzz, mutated, read, resident
from PIL import Image, features

from helpers import celeba, decoding, images


def picture_files() -> list[bytes]:
    """Return a picture of 40 x 30 pixels as a file of each kind."""
    rows, columns = np.mgrid[:30, :40]
    image = Image.fromarray(np.stack([5 * columns, 8 * rows, 100 + rows - columns], axis=-1).astype(np.uint8))
    deep = Image.fromarray((np.asarray(image.convert("L")).astype(np.uint16) * 257).astype("<u2"))
    exif = Image.Exif()
    exif[0x0112] = 6
    kinds = [
        (image, "PNG", {}),
        (image.quantize(16), "PNG", {"transparency": 3}),
        (deep, "PNG", {}),
        (image.convert("LA"), "PNG", {}),
        (image, "JPEG", {"exif": exif}),
        (image, "JPEG", {"progressive": True}),
        (image.convert("CMYK"), "JPEG", {}),
        (image, "GIF", {"save_all": True, "append_images": [image.rotate(180)]}),
        (image, "BMP", {}),
        (image.quantize(16), "BMP", {}),
        (image, "WEBP", {"lossless": True}),
        (image, "WEBP", {"save_all": True, "append_images": [image.rotate(180)]}),
        (image, "TIFF", {"compression": "tiff_lzw"}),
        (image, "PPM", {}),
    ]
    kinds += [(image, "AVIF", {})] if features.check("avif") else []
    files = []
    for picture, kind, options in kinds:
        buffer = io.BytesIO()
        picture.save(buffer, kind, **options)
        files.append(buffer.getvalue())
    return files


def test_pictures(record_property, monkeypatch):
    monkeypatch.setattr(decoding, "LARGEST_PIXELS", MB)

    def check(picture, _):
        assert picture.dtype == np.float32 and picture.ndim == 3 and picture.shape[2] == 3
        assert 0 < max(picture.shape) <= 200
        assert 0 <= picture.min() <= picture.max() <= 1

    def load(content):
        return images.picture_from_bytes(content, longest_side=200, least=1)

    fuzz(record_property, mutated(picture_files()), load, check, bound=5 * MB)


def test_faces(record_property):
    """CelebA's pictures: those that are broken are left out, those of another shape refused."""
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (109, 89, 3)).astype(np.uint8)).save(buffer, "JPEG")

    def check(face, _):
        assert face is None or (face.shape == (32, 32, 3) and face.dtype == np.uint8)

    fuzz(
        record_property,
        mutated([buffer.getvalue(), *picture_files()]),
        lambda content: celeba._face(content, 32, 148 / 178, "000001.jpg"),
        check,
        bound=5 * MB,
    )


def hold_64_megabytes():
    """Hold memory of which Python does not know."""
    pages = mmap.mmap(-1, 64 * MB)
    for place in range(0, len(pages), mmap.PAGESIZE):
        pages[place] = 1


def test_the_watch_sees_what_a_loader_may_not_do(tmp_path):
    for deed in (lambda: (tmp_path / "a").write_text("x"), lambda: (tmp_path / "b").mkdir(), lambda: os.system("true")):
        with pytest.raises(AssertionError):
            read(deed, 10**9)
    tracemalloc.start()
    try:
        with pytest.raises(AssertionError, match="bytes"):
            read(lambda: bytes(2 * MB), MB)
        sizes = iter([2 * MB, 1])  # as when Python enlarges a table of its own, and has then done so
        assert read(lambda: len(bytes(next(sizes))), MB) == 2 * MB
        sizes = iter([20 * MB, 1])  # too much for that
        with pytest.raises(AssertionError, match="20,000,"):
            read(lambda: len(bytes(next(sizes))), MB)
        if resident("VmRSS"):
            with pytest.raises(AssertionError, match="by libraries"):
                read(hold_64_megabytes, MB)
        with pytest.raises(zlib.error):
            read(lambda: zlib.decompress(b"x"), MB)
    finally:
        tracemalloc.stop()
