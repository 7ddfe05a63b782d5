"""From a path, an address or bytes, whatever their kind or state, to pixels: bounded, upright, RGB."""

import difflib
import hashlib
import warnings
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from helpers import downloads
from helpers.errors import UserError
from helpers.profiles import CHECKOUT

# Kinds that hold plain pixels. Some that Pillow knows besides start other programs (EPS) or hold no pixels.
KINDS = ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "BMP", "TIFF", "PPM")
LARGEST_PIXELS = 100_000_000  # decoded at once; as RGBA this is 400 MB
LARGEST_DOWNLOAD = 50_000_000  # bytes of a picture from the web
_ORIENTATION, _ON_ITS_SIDE = 0x0112, (5, 6, 7, 8)  # of EXIF


def existing_file(path: Path) -> Path:
    """Return `path` if a file is there, else raise a UserError that names what was probably meant."""
    try:
        if path.is_dir():
            raise UserError(f"{path} is a folder. Name a picture in it.")
        if path.is_file():
            return path
        if path.exists():
            raise UserError(f"{path} is neither a file nor a folder. Name a picture.")
        there = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    except OSError as error:  # a name far too long, as an address that begins with "data:" is, or a closed folder
        shown = str(path) if len(str(path)) < 200 else f"{str(path)[:100]} …"
        raise UserError(
            f"{shown} cannot be looked for ({error.strerror}). Save the picture where you may read it; give its path."
        ) from error
    near = difflib.get_close_matches(path.name, there, cutoff=0.5)
    hint = f" Did you mean {' or '.join(near)}?" if near else " Check the name and the folder it is looked for in."
    raise UserError(f"there is no file {path} (looked for from {Path.cwd()}).{hint}")


def fetched(url: str) -> Path:
    """Return the cached file of a web address, downloading it first if need be; UserError if it cannot be had."""
    try:
        ending = Path(urlsplit(url).path).suffix[:6]
    except ValueError as error:
        raise UserError(f"{url} could not be had: it is no address ({error}). Correct it.") from error
    folder = downloads.writable_cache(CHECKOUT / "data" / "cache" / "pictures")
    path = folder / f"web-{hashlib.sha256(url.encode()).hexdigest()[:20]}{ending}"
    if not path.exists():
        try:
            downloads.fetch(url, path, most=LARGEST_DOWNLOAD)
        except downloads.DownloadError as error:
            raise UserError(
                f"{url} could not be had: {error}. Check the address, or give the path of a picture on this machine."
            ) from error
    return path


def decode(
    file: Path | BytesIO, name: str, new_size: Callable[[int, int], tuple[int, int]]
) -> tuple[np.ndarray, tuple[int, int]]:
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


def _decode_opened(
    image: Image.Image, name: str, new_size: Callable[[int, int], tuple[int, int]]
) -> tuple[np.ndarray, tuple[int, int]]:
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
