"""Pictures: load, resize, save, and turn into the number ranges that pretrained networks expect.

A picture is a float32 array `(height, width, 3)`, RGB in [0, 1], everywhere but inside a network. No function
guesses a range from the values it is given, and none changes its argument.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from helpers.decoding import decode, existing_file, fetched
from helpers.errors import UserError
from helpers.profiles import expanded

LONGEST_SIDE = 3_000  # pixels; a larger picture is shrunk to it, unless the caller says otherwise
LEAST_SIDE = 32  # pixels; below it a network has nothing to see


def load_picture(
    path: Path | str, height: int | None = None, *, longest_side: int = LONGEST_SIDE, least: int = LEAST_SIDE
) -> np.ndarray:
    """Load a picture from a file or from the web (kept in the cache, so the second time needs no network).

    Turned upright as EXIF says; transparent parts become white; of an animation the first frame is taken.

    Args:
        path: a file, or an address that begins with http:// or https://.
        height: of the result in pixels; None keeps the picture's own. The width follows.
        longest_side: pixels; what would be longer is shrunk to it, and one printed line says so.
        least: the fewest pixels accepted, in height and in width, before and after resizing.

    Returns:
        float32 `(height, width, 3)`, RGB in [0, 1].

    Raises:
        UserError: there is no such file or address; it is a folder, no picture, damaged, too small or too
            large; or a size asked for is below 1.
    """
    if not str(path).lower().startswith(("http://", "https://")):
        file = existing_file(expanded(path))
        return _decoded(file, str(path), height, longest_side, least)
    file = fetched(str(path))
    try:
        return _decoded(file, str(path), height, longest_side, least)
    except UserError as error:
        file.unlink(missing_ok=True)  # perhaps a page that said "try again later"
        raise UserError(f"{error} The address has to be that of the picture file itself, not of a page.") from error


def picture_from_bytes(
    content: bytes | bytearray | memoryview,
    height: int | None = None,
    *,
    name: str = "your picture",
    longest_side: int = LONGEST_SIDE,
    least: int = LEAST_SIDE,
) -> np.ndarray:
    """Load a picture from the content of a file, such as an upload widget gives; otherwise as `load_picture`."""
    return _decoded(io.BytesIO(bytes(content)), name, height, longest_side, least)


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

    Raises:
        UserError: a size is below 1, or `picture` has not three axes.
    """
    if min(height, width) < 1:
        raise UserError(f"a picture cannot be {height} high and {width} wide. Give at least 1 for both.")
    if np.ndim(picture) != 3:
        raise UserError(f"one picture (height, width, channels) is expected, not the shape {np.shape(picture)}.")
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


@dataclass(frozen=True)
class Preprocessing:
    """What a network expects: (…, 3) RGB in [0, 1] to its own range and channel order, and back.

    Both functions take NumPy arrays or TensorFlow tensors of floats and return the same kind and dtype. They
    clip nothing: a picture that ascent has pushed out of [0, 1] comes back as it is.
    """

    name: str
    preprocess: Callable
    deprocess: Callable


def _affine(name: str, mean: Sequence[float], scale: float | Sequence[float], reverse: bool = False) -> Preprocessing:
    """Return the pair for (picture - mean) * scale, the channels turned round before that if `reverse`."""
    step = -1 if reverse else 1

    def preprocess(picture):
        return (picture[..., ::step] - _like(mean, picture)) * _like(scale, picture)

    def deprocess(values):
        return (values / _like(scale, values) + _like(mean, values))[..., ::step]

    return Preprocessing(name, preprocess, deprocess)


def _like(constant, values) -> np.ndarray:
    """Return a constant in the dtype of an array or tensor of floats; whole numbers have no range to trust."""
    dtype = np.dtype(getattr(values.dtype, "as_numpy_dtype", values.dtype))
    if np.issubdtype(dtype, np.integer):
        raise UserError(f"a picture of {dtype} is not in [0, 1]. Divide by 255 first, as load_picture does.")
    return np.asarray(constant, dtype)


# To RGB in [-1, 1].
INCEPTION = _affine("inception", (0.5, 0.5, 0.5), 2)
# To BGR in 0–255 minus ImageNet's mean, blue first: these nets were trained in Caffe.
VGG = _affine("vgg", np.divide((103.939, 116.779, 123.68), 255), 255, reverse=True)
# To RGB of mean 0 and standard deviation 1, or nearly so, for the project's own net.
CENTRED = _affine("centred", (0.5, 0.5, 0.5), np.divide(1, (0.25, 0.25, 0.25)))


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


def save_picture(picture: np.ndarray, path: Path | str) -> Path:
    """Write a picture `(height, width, 3)`, clipped to [0, 1], as PNG or JPEG; return the path.

    Its folder is made if need be.

    Raises:
        UserError: the name ends in neither .png, .jpg nor .jpeg, or cannot be written to.
    """
    path = expanded(path)
    if path.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise UserError(f"{path} says no kind of picture. Let the name end in .png or .jpg.")
    image = Image.fromarray(to_uint8(picture))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path, quality=92)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror or error}). Choose another place.") from error
    return path


def animation(frames: Sequence[np.ndarray], seconds_per_frame: float = 0.1) -> bytes:
    """Return pictures of one shape `(height, width, 3)`, clipped to [0, 1], as a GIF that repeats for ever.

    Each frame has its own 256 colours. GIF counts hundredths of a second, and browsers slow down below 0.02.

    Raises:
        UserError: there is no frame, the frames differ in shape, or `seconds_per_frame` is below 0.02.
    """
    if not frames or len({np.shape(frame) for frame in frames}) > 1:
        shapes = ", ".join(sorted({str(np.shape(frame)) for frame in frames})) or "none"
        raise UserError(f"an animation needs frames, all of one shape; there are: {shapes}.")
    if not seconds_per_frame >= 0.02:
        raise UserError(f"{seconds_per_frame:g} seconds a frame are too few to show. Give at least 0.02.")
    first, *others = (Image.fromarray(to_uint8(frame)).quantize(256) for frame in frames)
    buffer = io.BytesIO()
    milliseconds = round(seconds_per_frame * 100) * 10
    first.save(buffer, "GIF", save_all=True, append_images=others, duration=milliseconds, loop=0)
    return buffer.getvalue()


def _decoded(file: Path | io.BytesIO, name: str, wanted: int | None, longest_side: int, least: int) -> np.ndarray:
    if (wanted is not None and wanted < 1) or longest_side < 1:
        raise UserError(f"a picture of height {wanted}, longest side {longest_side}, is none. Give at least 1 pixel.")

    def new_size(height: int, width: int) -> tuple[int, int]:
        scale = min((wanted or height) / height, longest_side / max(height, width))
        return max(1, round(height * scale)), max(1, round(width * scale))

    def checked_size(height: int, width: int) -> tuple[int, int]:
        too_small = f"and it takes at least {least} pixels each way"
        if min(height, width) < least:
            raise UserError(f"{name} is {width:,} wide and {height:,} high, {too_small}. Give a larger one.")
        new_height, new_width = new_size(height, width)
        if min(new_height, new_width) < least:
            raise UserError(
                f"{name} ({width:,} wide, {height:,} high) would become {new_width:,} wide and {new_height:,} high, "
                f"{too_small}. Cut it to a less extreme shape, or ask for a larger height or longest_side."
            )
        return new_height, new_width

    pixels, (height, width) = decode(file, name, checked_size)
    if max(height, width) * (wanted or height) / height > longest_side:
        print(
            f"{name} ({width:,} wide, {height:,} high) is shrunk to {pixels.shape[1]:,} wide and {pixels.shape[0]:,} "
            f"high: no side may be longer than {longest_side:,} pixels here."
        )
    return pixels


def shuffle_squares(picture: np.ndarray, side: int, seed: int) -> np.ndarray:
    """Return a picture `(height, width, channels)` whose squares of `side` pixels have changed places.

    What does not fill a square at the right and at the bottom is cut off.

    Raises:
        UserError: `side` is below 1, or no square fits.
    """
    height, width, channels = np.shape(picture)
    if not 1 <= side <= min(height, width):
        raise UserError(
            f"a picture of {height}x{width} has no squares of {side} pixels. Give 1 to {min(height, width)}."
        )
    rows, columns = height // side, width // side
    squares = picture[: rows * side, : columns * side].reshape(rows, side, columns, side, channels)
    squares = squares.swapaxes(1, 2).reshape(rows * columns, side, side, channels)
    shuffled = np.random.default_rng(seed).permutation(squares).reshape(rows, columns, side, side, channels)
    return shuffled.swapaxes(1, 2).reshape(rows * side, columns * side, channels)
