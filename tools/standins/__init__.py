"""Draws the stand-ins that ship: `python -m tools.standins` writes them into data/standins/, whose README has terms."""

import csv
import gzip
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

from tools.standins.digits import draw_digits
from tools.standins.faces import draw_faces
from tools.standins.garments import draw_garments
from tools.standins.grammar import ReviewGrammar
from tools.standins.paintings import STYLES, paint
from tools.standins.prose import python_prose

COUNTS = {  # training, test
    "reviews": (6_000, 1_000),
    "digits": (6_000, 1_000),
    "garments": (5_000, 1_000),
    "faces": (1_700, 250),
}
PARTS = {"train": 1, "test": 2}  # and their seeds
ACROSS = {"digits": 70, "garments": 60, "faces": 39}  # pictures in a row of a set's file


def draw_part(name: str, part: str, count: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return the first pictures of a part of a set, its table (count, columns), and the columns' names."""
    seed = PARTS[part]
    if name == "faces":
        pictures, table, names = draw_faces(count, seed)
        return pictures, table > 0, names
    pictures, labels = draw_digits(count, seed, part) if name == "digits" else draw_garments(count, seed)
    return pictures, labels[:, None], ["label"]


def write_all(folder: Path) -> None:
    """Draw everything and write it; about seven minutes."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prose.txt.gz").write_bytes(gzip.compress(python_prose().encode(), mtime=0))
    grammar = ReviewGrammar()
    reviews = {"nats_per_word": grammar.nats_per_word()}
    reviews |= {part: grammar.sample(count, PARTS[part]) for part, count in zip(PARTS, COUNTS["reviews"], strict=True)}
    (folder / "reviews.json.gz").write_bytes(gzip.compress(json.dumps(reviews).encode(), mtime=0))
    for style in STYLES:
        write_picture(folder / f"painting_{style}.webp", paint(style))
    for name in ACROSS:
        write_set(folder, name)
    print(f"Entropy of the reviews, for {folder / 'README.md'}: {reviews['nats_per_word']:.4f} nats a word")


def write_set(folder: Path, name: str) -> None:
    """Draw both parts of a set of pictures; write them side by side into one file, and their table."""
    drawn = [draw_part(name, part, count) for part, count in zip(PARTS, COUNTS[name], strict=True)]
    rows = [[part, *row.astype(int)] for part, (_, table, _) in zip(PARTS, drawn, strict=True) for row in table]
    with open(folder / f"{name}.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([["part", *drawn[0][2]], *rows])
    pictures = np.concatenate([pictures for pictures, _, _ in drawn])
    side, across = pictures.shape[1], ACROSS[name]
    blank = np.zeros((-len(pictures) % across, *pictures.shape[1:]), np.uint8)
    lines = np.concatenate([pictures, blank]).reshape(-1, across, *pictures.shape[1:]).swapaxes(1, 2)
    write_picture(folder / f"{name}.webp", lines.reshape(-1, side * across, *pictures.shape[3:]))


def write_picture(path: Path, pixels: np.ndarray) -> None:
    """Write uint8 pixels as WebP without loss."""
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "WEBP", lossless=True, quality=100, method=6)
    path.write_bytes(content.getvalue())
