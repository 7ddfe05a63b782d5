"""The stand-ins that ship in data/standins/, for a machine without real data: loaded here, drawn by tools/standins.

The pictures of a set lie in one file, side by side in rows; row n of the table beside it (.csv) describes the n-th one.
"""

import csv
import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from helpers.session import CHECKOUT, UserError

FOLDER = CHECKOUT / "data" / "standins"
SIDES = {"digits": 28, "garments": 28, "faces": 64}  # pixels of a picture


def prose() -> str:
    """Return some 200,000 characters of English prose."""
    with _reading("prose.txt.gz") as path:
        return gzip.decompress(path.read_bytes()).decode("utf-8")


def reviews() -> tuple[list[str], list[str], float]:
    """Return film reviews to train on and to test on, and the entropy of their grammar in nats a word after the first."""
    with _reading("reviews.json.gz") as path:
        content = json.loads(gzip.decompress(path.read_bytes()))
        return content["train"], content["test"], float(content["nats_per_word"])


def digits(part: str, limit: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the first `limit` digits of a part ("train", "test"): uint8 (n, 28, 28), and labels uint8 (n,)."""
    pictures, table, _ = _part("digits", part, limit)
    return pictures[..., 0], table[:, 0].astype(np.uint8)


def garments(part: str, limit: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the first `limit` garments of a part, as `digits` does."""
    pictures, table, _ = _part("garments", part, limit)
    return pictures[..., 0], table[:, 0].astype(np.uint8)


def faces(part: str, limit: int | None = None) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return the first faces of a part: uint8 (n, 64, 64, 3), attributes int8 (n, A), 1 or -1, and the A names."""
    pictures, table, names = _part("faces", part, limit)
    return pictures, np.where(table, 1, -1).astype(np.int8), names


def painting(style: str) -> np.ndarray:
    """Return a painting ("swirls", "embers" or "mosaic"), float32 (480, 640, 3), RGB in [0, 1]."""
    return _pixels(f"painting_{style}.webp").astype(np.float32) / 255


def _part(name: str, part: str, limit: int | None) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return a part's pictures (n, side, side, 3), its table of whole numbers (n, columns), and the columns' names."""
    tiles, parts, table, names = _set(name)
    chosen = np.flatnonzero(parts == part)[:limit]
    return tiles[chosen], table[chosen], list(names)


@cache
def _set(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Return all pictures of a set, the part of each, the table, and its columns' names; cached, so never changed."""
    with _reading(f"{name}.csv") as path:
        (_, *names), *rows = csv.reader(path.read_text(encoding="utf-8").splitlines())
        parts = np.array([row[0] for row in rows])
        table = np.array([row[1:] for row in rows]).astype(int).reshape(-1, len(names))
    sheet, side = _pixels(f"{name}.webp"), SIDES[name]
    with _reading(f"{name}.webp"):
        across = sheet.shape[1] // side
        if not 0 <= sheet.size // (3 * side * side) - len(rows) < across:
            raise ValueError(f"{name}.csv has {len(rows)} rows, and {name}.webp other pictures")
        tiles = sheet.reshape(-1, side, across, side, 3).swapaxes(1, 2).reshape(-1, side, side, 3)[: len(rows)]
        return tiles[np.arange(len(rows))], parts, table, names


def _pixels(name: str) -> np.ndarray:
    with _reading(name) as path, Image.open(path, formats=["WEBP"]) as image:
        return np.asarray(image.convert("RGB"))


@contextmanager
def _reading(name: str) -> Iterator[Path]:
    """Yield the path of a file; any error while it is read becomes one UserError."""
    path = FOLDER / name
    try:
        yield path
    except Exception as error:  # decoders raise errors of a dozen kinds
        raise UserError(
            f"{path} is {'damaged' if path.exists() else 'missing'}. Get it again: git checkout data/standins, or get "
            "the project anew."
        ) from error
