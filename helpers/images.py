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

LONGEST_SIDE = 3_000  # pixels; a larger picture is shrunk to it, unless the caller says otherwise
LEAST_SIDE = 32  # pixels; below it a network has nothing to see
# Kinds that hold plain pixels. Some that Pillow knows besides start other programs (EPS) or hold no pixels.
KINDS = ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "BMP", "TIFF", "PPM")
LARGEST_PIXELS = 100_000_000  # decoded at once; as RGBA this is 400 MB
_ORIENTATION, _ON_ITS_SIDE = 0x0112, (5, 6, 7, 8)  # of EXIF
Size = tuple[int, int]  # height and width in pixels


def picture_from_bytes(
    content: bytes | bytearray | memoryview,
    height: int | None = None,
    *,
    name: str = "your picture",
    longest_side: int = LONGEST_SIDE,
    least: int = LEAST_SIDE,
) -> np.ndarray:
    """Decode the content of a picture file, such as an upload widget gives; the rest is as for `picture_from_file`."""
    return picture_from_file(io.BytesIO(bytes(content)), name, height, longest_side, least)


def picture_from_file(
    file: Path | io.BytesIO, name: str, height: int | None, longest_side: int = LONGEST_SIDE, least: int = LEAST_SIDE
) -> np.ndarray:
    """Decode a picture file: upright as EXIF says, white where it is transparent, of an animation the first frame.

    Args:
        file: where the bytes are.
        name: of the picture, to begin messages with.
        height: of the result in pixels; None keeps the picture's own. The width follows.
        longest_side: pixels; what would be longer is shrunk to it, and one printed line says so.
        least: the fewest pixels accepted, in height and in width, before and after resizing.

    Returns:
        float32 `(height, width, 3)`, RGB in [0, 1].

    Raises:
        UserError: it is no picture, damaged, too small or too large, or the height is below 1.
    """
    if height is not None and height < 1:
        raise UserError(f"a picture cannot be {height} pixels high. Give at least 1, or None for its own height.")

    def new_size(rows: int, columns: int) -> Size:
        scale = min((height or rows) / rows, longest_side / max(rows, columns))
        new = max(1, round(rows * scale)), max(1, round(columns * scale))
        if min(rows, columns) < least:
            raise _too_small(name, rows, columns, least)
        if min(new) < least:
            raise UserError(
                f"{name} ({columns:,} wide, {rows:,} high) would become {new[1]:,} wide and {new[0]:,} high, and it "
                f"takes at least {least} pixels each way. Cut it to a less extreme shape, or ask for a larger height."
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
        if min(rows, columns) < LEAST_SIDE:
            raise _too_small(name, rows, columns, LEAST_SIDE)
        return LEAST_SIDE, LEAST_SIDE

    decode(file, name, small)


def decode(file: Path | io.BytesIO, name: str, new_size: Callable[[int, int], Size]) -> tuple[np.ndarray, Size]:
    """Decode a picture: the first frame, upright as EXIF says, on white where it is transparent.

    Colours are taken as they stand: no ICC profile is applied, and CMYK becomes RGB by the plain formula.

    Args:
        file: a file, or bytes to read from.
        name: of the picture, to begin messages with.
        new_size: gets the (height, width) of the upright picture and returns the (height, width) wanted; an
            error that it raises goes through.

    Returns:
        float32 `(height, width, 3)`, RGB in [0, 1], of the size wanted; and the (height, width) it had.

    Raises:
        UserError: the file is no picture, is damaged, has too many pixels, or pixels of unknown range.
    """
    Image.init()
    kinds = [kind for kind in KINDS if kind in Image.OPEN]  # an older Pillow knows fewer
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large pictures and odd metadata: judged below
            with Image.open(file, formats=kinds) as image:
                return _decode_opened(image, name, new_size)
    except UserError:
        raise
    except UnidentifiedImageError as error:
        raise UserError(f"{name} is not a picture of a known kind ({', '.join(kinds)}). Give one of these.") from error
    except Image.DecompressionBombError as error:
        raise _too_large(name, "far more pixels") from error
    except PermissionError as error:
        raise UserError(f"{name} may not be read ({error.strerror}). Change its permissions, or copy it.") from error
    except Exception as error:  # damaged files make Pillow's decoders raise errors of a dozen kinds
        raise UserError(
            f"{name} is damaged or cut off ({error}). Get it again, or open it elsewhere and save it as PNG."
        ) from error


def _decode_opened(image: Image.Image, name: str, new_size: Callable[[int, int], Size]) -> tuple[np.ndarray, Size]:
    """Decode what has only been opened so far. A JPEG comes at 1/2, 1/4 or 1/8 of its size if that is enough."""
    if isinstance(image, JpegImageFile):  # its orientation and size are known before it is decoded
        on_its_side = image.getexif().get(_ORIENTATION) in _ON_ITS_SIDE
        size = image.size if on_its_side else image.size[::-1]
        wanted = new_size(*size)
        enough = tuple(2 * side for side in (wanted if on_its_side else wanted[::-1]))
        image.draft(None, enough)
        _check_size(image, name)
        return _pixels(ImageOps.exif_transpose(image), name, *wanted), size
    _check_size(image, name)
    kind, image = image.format, ImageOps.exif_transpose(image)
    size = (image.height, image.width)
    return _pixels(image, name, *new_size(*size), kind), size


def _check_size(image: Image.Image, name: str) -> None:
    if image.width * image.height > LARGEST_PIXELS:
        raise _too_large(name, f"{image.width * image.height / 1e6:,.0f} million pixels")


def _too_large(name: str, how_much: str) -> UserError:
    most = f"{LARGEST_PIXELS / 1e6:,.0f} million"
    return UserError(f"{name} has {how_much}, more than the {most} decoded here. Shrink it with another program first.")


def _too_small(name: str, height: int, width: int, least: int) -> UserError:
    said = f"{name} is {width:,} wide and {height:,} high, and it takes at least {least} pixels each way."
    return UserError(f"{said} Give a larger one.")


def _pixels(image: Image.Image, name: str, height: int, width: int, kind: str | None = None) -> np.ndarray:
    """Return an upright, decoded picture as float32 RGB `(height, width, 3)` in [0, 1]."""
    size, bilinear = (width, height), Image.Resampling.BILINEAR
    if image.mode.startswith("I;16") or (image.mode == "I" and kind in ("PNG", "PPM")):  # 16 bits, says the format
        grey = Image.fromarray(np.asarray(image).astype(np.float32) / 65_535)
        return np.repeat(np.asarray(grey.resize(size, bilinear))[..., None], 3, axis=-1)
    if image.mode in ("I", "F"):
        raise UserError(f"{name} has 32-bit pixels, and nothing says which value is white. Save it with 8 or 16 bits.")
    if image.has_transparency_data:
        drawn = image.convert("RGBA").resize(size, bilinear)
        white = Image.new("RGBA", size, "white")
        return np.asarray(Image.alpha_composite(white, drawn).convert("RGB"), np.float32) / 255
    return np.asarray(image.convert("RGB").resize(size, bilinear), np.float32) / 255


def resize(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize, bilinearly, over as many pixels as it takes to leave no jaggies when shrinking.

    By Pillow rather than tf.image: its shrinking is antialiased unasked, and it takes no part of a GPU. The
    weights are never negative, so the values stay within the range they had, whichever that is; and the
    function is linear, as adding back lost detail demands.

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
    """Return a copy of the middle of a picture `(height, width, channels)`, in pixels.

    Raises:
        UserError: the picture is smaller than that, or the size below 1.
    """
    rows, columns = np.shape(picture)[:2]
    if not (1 <= height <= rows and 1 <= width <= columns):
        raise UserError(
            f"{height}x{width} cannot be cut out of a picture of {rows}x{columns} (height x width). Resize it first."
        )
    top, left = (rows - height) // 2, (columns - width) // 2
    return np.array(picture[top : top + height, left : left + width])


def as_floats(pictures: np.ndarray) -> np.ndarray:
    """Return uint8 in 0–255 as float32 in [0, 1], of the same shape."""
    return pictures.astype(np.float32) / 255


def to_uint8(picture: np.ndarray) -> np.ndarray:
    """Return floats in [0, 1] (what lies beyond is clipped) as uint8 of the same shape, rounded to the nearest.

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


def animation(frames: Sequence[np.ndarray], seconds_per_frame: float = 0.1) -> bytes:
    """Return pictures of one shape `(height, width, 3)`, clipped to [0, 1], as a GIF that repeats for ever.

    Each frame has its own 256 colours. GIF counts hundredths of a second, and browsers slow down below 0.02.
    """
    first, *others = (Image.fromarray(to_uint8(frame)).quantize(256) for frame in frames)
    buffer = io.BytesIO()
    milliseconds = round(seconds_per_frame * 100) * 10
    first.save(buffer, "GIF", save_all=True, append_images=others, duration=milliseconds, loop=0)
    return buffer.getvalue()


def shuffle_squares(picture: np.ndarray, side: int, seed: int) -> np.ndarray:
    """Return a picture `(height, width, channels)` whose squares of `side` pixels have changed places.

    What does not fill a square at the right and at the bottom is cut off.
    """
    height, width, channels = np.shape(picture)
    rows, columns = height // side, width // side
    squares = picture[: rows * side, : columns * side].reshape(rows, side, columns, side, channels)
    squares = squares.swapaxes(1, 2).reshape(rows * columns, side, side, channels)
    shuffled = np.random.default_rng(seed).permutation(squares).reshape(rows, columns, side, side, channels)
    return shuffled.swapaxes(1, 2).reshape(rows * side, columns * side, channels)


def tile_grid(pictures: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Lay pictures side by side, row after row, from left to right.

    Args:
        pictures: `(rows * columns, h, w)`, or with a last axis of 1 or 3 channels, of any dtype and range.
        rows: of the result; `columns`: likewise.

    Returns:
        The same dtype, `(rows * h, columns * w)`, or `(rows * h, columns * w, 3)` for three channels.
    """
    pictures = np.asarray(pictures)
    if len(pictures) != rows * columns:
        raise UserError(f"{rows} rows of {columns} want {rows * columns} pictures, and there are {len(pictures)}.")
    height, width, *rest = pictures.shape[1:]
    channels = [size for size in rest if size != 1]
    rowwise = pictures.reshape(rows, columns, height, width, *channels).swapaxes(1, 2)
    return rowwise.reshape(rows * height, columns * width, *channels)
