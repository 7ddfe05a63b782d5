"""Pictures: decode, resize, crop, encode.

A picture is a float32 array `(height, width, 3)`, RGB in [0, 1], everywhere but inside a network. No function
guesses a range from the values it is given, and none changes its argument.
"""

import io
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from helpers.session import UserError

LONGEST_SIDE = 3_000  # pixels; a larger picture is shrunk to it, unless the caller chooses another limit
LEAST_SIDE = 32  # pixels; below it a network has nothing to see
# Kinds that hold plain pixels. Pillow knows others that start another program (EPS) or hold no pixels.
KINDS = ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "BMP", "TIFF", "PPM")
LARGEST_PIXELS = 100_000_000  # decoded at once; as RGBA this is 400 MB
_ORIENTATION, _ON_ITS_SIDE = 0x0112, (5, 6, 7, 8)  # of EXIF
Size = tuple[int, int]  # height and width in pixels


def picture_from_bytes(
    content: bytes, height: int | None = None, *, name: str = "your picture", longest_side: int = LONGEST_SIDE
) -> np.ndarray:
    """Decode the content of a picture file, such as an upload widget gives; the rest is as for `picture_from_file`."""
    return picture_from_file(io.BytesIO(bytes(content)), name, height, longest_side)


def picture_from_file(
    file: Path | io.BytesIO, name: str, height: int | None, longest_side: int = LONGEST_SIDE
) -> np.ndarray:
    """Decode a picture file, resized to `height` pixels (None: its own); `name` begins the messages.

    If a side would be longer than `longest_side` the picture is shrunk to that, and one printed line says so.
    """

    def new_size(rows: int, columns: int) -> Size:
        scale = min((height or rows) / rows, longest_side / max(rows, columns))
        new = max(1, round(rows * scale)), max(1, round(columns * scale))
        _check_least(name, rows, columns)
        if min(new) < LEAST_SIDE:
            raise UserError(
                f"{name} ({columns:,} wide, {rows:,} high) would become {new[1]:,} wide and {new[0]:,} high, less than "
                f"{LEAST_SIDE} pixels. Cut it to a less extreme shape, or ask for a larger height."
            )
        return new

    pixels, (rows, columns) = decode(file, name, new_size)
    if max(rows, columns) * (height or rows) / rows > longest_side:
        print(
            f"{name} ({columns:,} wide, {rows:,} high) is shrunk to {pixels.shape[1]:,} wide and {pixels.shape[0]:,} "
            f"high: no side may be longer than {longest_side:,} pixels here."
        )
    return pixels


def check_picture(file: Path, name: str) -> None:
    """Raise a UserError unless a file is a whole picture of at least `LEAST_SIDE` pixels each way."""

    def small(rows: int, columns: int) -> Size:
        _check_least(name, rows, columns)
        return LEAST_SIDE, LEAST_SIDE

    decode(file, name, small)


def decode(file: Path | io.BytesIO, name: str, new_size: Callable[[int, int], Size]) -> tuple[np.ndarray, Size]:
    """Decode a picture: the first frame, upright as EXIF says, on white where it is transparent.

    No ICC profile is applied, and CMYK becomes RGB by the plain formula. `new_size` maps the (height, width) of the
    upright picture to the size wanted, or raises. Returns float32 `(height, width, 3)` in [0, 1], and the size it had.
    """
    Image.init()
    kinds = [kind for kind in KINDS if kind in Image.OPEN]  # an older Pillow knows fewer
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large pictures and odd metadata, which are checked below
            with Image.open(file, formats=kinds) as image:
                return _decode_opened(image, name, new_size)
    except UserError:
        raise
    except UnidentifiedImageError as error:
        raise UserError(f"{name} is not a picture of a known kind ({', '.join(kinds)}). Give one of these.") from error
    except Image.DecompressionBombError as error:
        raise _too_large(name) from error
    except PermissionError as error:
        raise UserError(f"{name} may not be read ({error.strerror}). Change its permissions, or copy it.") from error
    except Exception as error:  # damaged files make Pillow's decoders raise errors of a dozen kinds
        raise UserError(
            f"{name} is damaged or cut off ({error}). Get it again, or open it elsewhere and save it as PNG."
        ) from error


def _decode_opened(image: Image.Image, name: str, new_size: Callable[[int, int], Size]) -> tuple[np.ndarray, Size]:
    """Decode an opened picture. A JPEG is decoded at 1/2, 1/4 or 1/8 of its size if that is enough."""
    if isinstance(image, JpegImageFile):  # its orientation and size are known before it is decoded
        is_on_its_side = image.getexif().get(_ORIENTATION) in _ON_ITS_SIDE
        size = image.size if is_on_its_side else image.size[::-1]
        wanted = new_size(*size)
        enough = tuple(2 * side for side in (wanted if is_on_its_side else wanted[::-1]))
        image.draft(None, enough)
        _check_pixels(image, name)
        return _pixels(ImageOps.exif_transpose(image), name, *wanted), size
    _check_pixels(image, name)
    kind, image = image.format, ImageOps.exif_transpose(image)
    size = (image.height, image.width)
    return _pixels(image, name, *new_size(*size), kind), size


def _check_pixels(image: Image.Image, name: str) -> None:
    if image.width * image.height > LARGEST_PIXELS:
        raise _too_large(name)


def _too_large(name: str) -> UserError:
    most = f"{LARGEST_PIXELS / 1e6:,.0f} million"
    return UserError(f"{name} has more than the {most} pixels decoded here. Shrink it with another program first.")


def _check_least(name: str, height: int, width: int) -> None:
    if min(height, width) < LEAST_SIDE:
        size = f"{width:,} wide and {height:,} high"
        raise UserError(f"{name} is {size}, less than {LEAST_SIDE} pixels. Give a larger one.")


def _pixels(image: Image.Image, name: str, height: int, width: int, kind: str | None = None) -> np.ndarray:
    """Return an upright, decoded picture as float32 RGB `(height, width, 3)` in [0, 1]."""
    size, bilinear = (width, height), Image.Resampling.BILINEAR
    if image.mode.startswith("I;16") or (image.mode == "I" and kind in ("PNG", "PPM")):  # these formats have 16 bits
        grey = Image.fromarray(np.asarray(image).astype(np.float32) / 65_535)
        return np.repeat(np.asarray(grey.resize(size, bilinear))[..., None], 3, axis=-1)
    if image.mode in ("I", "F"):
        raise UserError(f"{name} has 32-bit pixels, and nothing says which value is white. Save it with 8 or 16 bits.")
    if image.has_transparency_data:
        drawn = image.convert("RGBA").resize(size, bilinear)
        return as_floats(np.asarray(Image.alpha_composite(Image.new("RGBA", size, "white"), drawn).convert("RGB")))
    return as_floats(np.asarray(image.convert("RGB").resize(size, bilinear)))


def resize(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize bilinearly, antialiased when shrinking.

    By Pillow rather than tf.image, so that no part of a GPU is taken. The weights are never negative, so the values
    stay within the range they had. The function is linear, as adding back lost detail requires.

    Args:
        picture: `(height, width, channels)` floats of any range.
        height: of the result, at least 1.
        width: likewise.

    Returns:
        float32 `(height, width, channels)`.
    """
    channels = [Image.fromarray(channel) for channel in np.moveaxis(np.asarray(picture, np.float32), -1, 0)]
    return np.stack([channel.resize((width, height), Image.Resampling.BILINEAR) for channel in channels], axis=-1)


def fit(picture: np.ndarray, height: int) -> np.ndarray:
    """Resize a picture `(height, width, channels)` to a height in pixels, keeping its aspect ratio; see `resize`."""
    return resize(picture, height, max(1, round(np.shape(picture)[1] * height / np.shape(picture)[0])))


def center_crop(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return a copy of the middle of a picture `(height, width, channels)`; no larger size in pixels than its own."""
    rows, columns = np.shape(picture)[:2]
    top, left = (rows - height) // 2, (columns - width) // 2
    return np.array(picture[top : top + height, left : left + width])


def as_floats(pictures: np.ndarray) -> np.ndarray:
    """Return uint8 in 0–255 as float32 in [0, 1], of the same shape."""
    return pictures.astype(np.float32) / 255


def to_uint8(picture: np.ndarray) -> np.ndarray:
    """Return floats, clipped to [0, 1], as uint8 of the same shape, rounded to the nearest.

    Raises:
        UserError: there are values that are no numbers.
    """
    values = np.asarray(picture, np.float32)
    if np.isnan(values).any():
        raise UserError("the picture has values that are no numbers (NaN). Take smaller steps or smaller weights.")
    return np.round(np.clip(values, 0, 1) * 255).astype(np.uint8)


def png_bytes(picture: np.ndarray) -> bytes:
    """Return a picture `(height, width, 3)`, or grey (1 channel or none), clipped to [0, 1], as a PNG file."""
    pixels = to_uint8(picture)
    buffer = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2:] == (1,) else pixels).save(buffer, "PNG")
    return buffer.getvalue()


def animation(frames: Sequence[np.ndarray], seconds_per_frame: float = 0.1, most_bytes: int = 1_500_000) -> bytes:
    """Return pictures of one shape `(height, width, 3)`, clipped to [0, 1], as an animated WebP that repeats for ever.

    The quality is the highest of four at which the file has at most `most_bytes`, or the lowest of them.
    """
    first, *others = (Image.fromarray(to_uint8(frame)) for frame in frames)
    settings = {"save_all": True, "append_images": others, "duration": round(seconds_per_frame * 1000), "loop": 0}
    for quality in (85, 65, 40, 15):
        buffer = io.BytesIO()
        first.save(buffer, "WEBP", quality=quality, method=2, **settings)
        if buffer.tell() <= most_bytes:
            break
    return buffer.getvalue()


def shuffle_squares(picture: np.ndarray, side: int, seed: int) -> np.ndarray:
    """Return a picture `(height, width, channels)` whose squares of `side` pixels have changed places.

    Pixels at the right and at the bottom that do not fill a square are cut off.
    """
    height, width, channels = np.shape(picture)
    rows, columns = height // side, width // side
    squares = picture[: rows * side, : columns * side].reshape(rows, side, columns, side, channels)
    squares = squares.swapaxes(1, 2).reshape(rows * columns, side, side, channels)
    shuffled = np.random.default_rng(seed).permutation(squares).reshape(rows, columns, side, side, channels)
    return shuffled.swapaxes(1, 2).reshape(rows * side, columns * side, channels)


def tile_grid(pictures: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Return pictures `(rows * columns, h, w)`, or with a last axis of 1 or 3 channels, as one, row after row."""
    height, width, *rest = np.shape(pictures)[1:]
    channels = [size for size in rest if size != 1]
    rowwise = np.reshape(pictures, (rows, columns, height, width, *channels)).swapaxes(1, 2)
    return rowwise.reshape(rows * height, columns * width, *channels)
