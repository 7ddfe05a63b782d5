"""Pictures, damaged: tests/fuzzing.py says how, and what may come of it."""

import io

import numpy as np
from fuzzing import MB, few_and_many, fuzz, mutated
from PIL import Image, features

from helpers import images
from helpers.data import faces


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


@few_and_many
def test_pictures(record_property, monkeypatch, inputs):
    monkeypatch.setattr(images, "LARGEST_PIXELS", MB)
    monkeypatch.setattr(images, "LEAST_SIDE", 1)

    def check(picture, _):
        assert picture.dtype == np.float32 and picture.ndim == 3 and picture.shape[2] == 3
        assert 0 < max(picture.shape) <= 200
        assert 0 <= picture.min() <= picture.max() <= 1

    def load(content):
        return images.picture_from_bytes(content, longest_side=200)

    fuzz(record_property, inputs, mutated(picture_files()), load, check, bound=5 * MB)


@few_and_many
def test_faces(record_property, inputs):
    """CelebA's pictures: those that are broken are left out, those of another shape refused."""
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (109, 89, 3)).astype(np.uint8)).save(buffer, "JPEG")

    def check(face, _):
        assert face is None or (face.shape == (64, 64, 3) and face.dtype == np.uint8)

    fuzz(
        record_property,
        inputs,
        mutated([buffer.getvalue(), *picture_files()]),
        lambda content: faces._face(content, "000001.jpg"),
        check,
        bound=5 * MB,
    )
