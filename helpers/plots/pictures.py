"""Pictures to display, each a file with a text: figures, rows and grids of pictures, and animations."""

import base64
import html
import io
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

from helpers import images

SHOWN = 96  # pixels, the least for the longer side in a row of more than 4 pictures; in a shorter row twice as many
SMALL = 64  # pixels; pictures with a longer side are shrunk until their row is no wider than
WIDEST = 1_200  # pixels
GAP = 6  # pixels
LINE = 19  # pixels from one line of text to the next
NAME_WIDTH = 220  # pixels, at most, for the names on the left


class PictureWithText:
    """A picture file that a cell shows, with a text for those who cannot see it.

    IPython's own `Image` takes a text from version 8 on, and Colab has version 7. JupyterLab never shows that text.
    So the picture is sent as HTML too, which a page prefers.
    """

    def __init__(self, data: bytes, alt: str, kind: str = "png") -> None:
        """Keep a file's content (`data`), its text (`alt`), and its `kind`: "png" or "webp"."""
        self.data, self.alt, self.kind = data, alt, kind

    def __repr__(self) -> str:
        return f"<picture: {self.alt}>"

    def _repr_mimebundle_(self, include=None, exclude=None) -> tuple[dict, dict]:
        mime, content = f"image/{self.kind}", base64.b64encode(self.data).decode()
        shown = f'<img alt="{html.escape(self.alt)}" src="data:{mime};base64,{content}" style="max-width: 100%">'
        return {mime: content, "text/html": shown}, {mime: {"alt": self.alt}}


def picture(figure: Figure, alt: str) -> PictureWithText:
    """Return a matplotlib figure as a PNG with a text."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, facecolor="white")
    return PictureWithText(buffer.getvalue(), alt)


def picture_table(
    pictures: Mapping[str, np.ndarray] | np.ndarray,
    title: str,
    alt: str = "",
    captions: Sequence[str] = (),
    columns: int = 0,
) -> PictureWithText:
    """Return rows of pictures on one sheet, under a title.

    Small pictures are enlarged by a whole factor, smoothly (Lanczos), so that their longer side has at least 96 pixels,
    or 192 where a row has no more than 4. Those above 64 are shrunk where a row would be wider than 1,200.

    Args:
        pictures: one of three. Name → `(n, height, width, channels)`: a row each, its name on the left. Name →
            `(height, width, channels)`, of any sizes: in rows of `columns`, at one height, each under its name.
            `(n, height, width, channels)`: in rows of `columns`. Floats in [0, 1] (values beyond are clipped) or
            uint8 in 0–255; 1 channel (grey) or 3 (RGB).
        title: what the sheet shows.
        alt: the same for those who cannot see it; without it, the title and the names.
        captions: texts under the columns.
        columns: pictures in a row; 0 for all of them in one.
    """
    lines = _lines(pictures, columns)
    if not alt:
        names = [name for names, _, above in lines for name in (names, *above) if name.strip()]
        alt = f"{title}. {sum(len(row) for _, row, _ in lines)} pictures" + f": {', '.join(names)}" * bool(names)
    buffer = io.BytesIO()
    _sheet(lines, title, captions).save(buffer, "PNG")
    return PictureWithText(buffer.getvalue(), alt)


def animation(frames: Sequence[np.ndarray], seconds: float, alt: str, columns: int = 1) -> PictureWithText:
    """Return an animated picture (WebP, at most 1.5 MB unless it is long) that repeats for ever.

    Args:
        frames: pictures `(height, width, 3)`, or sets of them `(n, height, width, 3)` that are laid in rows of
            `columns`; all of one shape; floats in [0, 1] or uint8. Small sets are shown at twice their size.
        seconds: that each frame is shown.
        alt: what it shows, for those who cannot see it.
        columns: pictures in a row.
    """
    factor = 2 if np.ndim(frames[0]) == 4 and max(frames[0].shape[1:3]) <= SMALL else 1
    frames = [
        images.tile_grid(frame, len(frame) // columns, columns) if np.ndim(frame) == 4 else frame for frame in frames
    ]
    floats = [images.as_floats(frame) if frame.dtype == np.uint8 else frame for frame in frames]
    floats = [images.resize(frame, factor * len(frame), factor * frame.shape[1]) for frame in floats]
    return PictureWithText(images.animation(floats, seconds), alt, "webp")


def _lines(pictures: Mapping | np.ndarray, columns: int) -> list[tuple[str, list[Image.Image], list[str]]]:
    """Return rows, each of a name on the left, pictures at their final size, and the names above these."""
    if isinstance(pictures, Mapping) and np.ndim(next(iter(pictures.values()))) == 4:
        return [(name, _enlarged(row), [""] * len(row)) for name, row in pictures.items()]
    names = list(pictures) if isinstance(pictures, Mapping) else [""] * len(pictures)
    shown = list(pictures.values()) if isinstance(pictures, Mapping) else list(pictures)
    columns = columns or len(shown)
    starts = range(0, len(shown), columns)
    return [("", _enlarged(shown[k : k + columns], columns), names[k : k + columns]) for k in starts]


def _enlarged(row: Sequence[np.ndarray], columns: int = 0) -> list[Image.Image]:
    """Return pictures at one height: a multiple of their own, or one at which `columns` of them fit into a row."""
    height, side = max(len(pixels) for pixels in row), max(max(pixels.shape[:2]) for pixels in row)
    height *= -(-(SHOWN if max(columns, len(row)) > 4 else 2 * SHOWN) // side)
    if side > SMALL:
        aspects = [pixels.shape[1] / len(pixels) for pixels in row]
        height = min(height, int(WIDEST / np.mean(aspects) / max(columns, len(row))))
    enlarged = []
    for pixels in row:
        values = pixels if pixels.dtype == np.uint8 else images.to_uint8(pixels)
        image = Image.fromarray(values[..., 0] if values.shape[-1] == 1 else values).convert("RGB")
        size = max(1, round(height * image.width / image.height)), height
        enlarged.append(image if image.size == size else image.resize(size, Image.Resampling.LANCZOS))
    return enlarged


def _sheet(lines: Sequence[tuple[str, list, list[str]]], title: str, captions: Sequence[str]) -> Image.Image:
    """Draw the title, the rows and their names on white."""
    rows = [row for _, row, _ in lines]
    wide = [max(row[k].width for row in rows if k < len(row)) for k in range(max(map(len, rows)))]
    left = max(max(_width(part) for part in _wrapped(name, NAME_WIDTH)) for name, _, _ in lines)
    left += 2 * GAP if left else 0
    places = left + GAP + np.cumsum([0, *(width + GAP for width in wide)])
    width = max(int(places[-1]), 420)
    places, left = places + (width - places[-1]) // 2, left + (width - places[-1]) // 2
    sheet = Image.new("RGB", (width, 4_000 + sum(row[0].height for row in rows)), "white")
    draw = ImageDraw.Draw(sheet)

    def write(text: str, x: float, y: int, limit: int, anchor: str = "ma", size: int = 15) -> int:
        for part in _wrapped(text, limit, size):
            draw.text((x, y), part, "black", _font(size), anchor)
            y += LINE + size - 15
        return y

    y = write(title, width / 2, GAP, width - 2 * GAP, size=17) + GAP
    for name, row, above in lines:
        if any(above):
            ends = [write(text, places[k] + wide[k] / 2, y, wide[k]) for k, text in enumerate(above)]
            y = max(ends) + 2
        for k, image in enumerate(row):
            sheet.paste(image, (int(places[k]) + (wide[k] - image.width) // 2, y))
        write(name, left, y + (row[0].height - LINE * len(_wrapped(name, NAME_WIDTH))) // 2, NAME_WIDTH, "ra")
        y += row[0].height + GAP
    ends = [write(text, places[k] + wide[k] / 2, y, wide[k]) for k, text in enumerate(captions)]
    return sheet.crop((0, 0, width, max([y, *ends]) + GAP))


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """Return the font of matplotlib's figures."""
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")), size)


def _width(text: str, size: int = 15) -> int:
    return int(np.ceil(_font(size).getlength(text)))


def _wrapped(text: str, limit: int, size: int = 15) -> list[str]:
    """Cut a text into lines of at most `limit` pixels; only a single word may be wider."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        lines = [*lines[:-1], longer] if not lines[-1] or _width(longer, size) <= limit else [*lines, word]
    return lines
