"""Draws the stand-ins that ship: `python -m tools.standins` writes them, and their card, into data/standins/."""

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
    """Draw everything and write it, and the card; about seven minutes."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prose.txt.gz").write_bytes(gzip.compress(python_prose().encode(), mtime=0))
    grammar = ReviewGrammar()
    said = {"nats_per_word": grammar.nats_per_word()}
    said |= {part: grammar.sample(count, PARTS[part]) for part, count in zip(PARTS, COUNTS["reviews"], strict=True)}
    (folder / "reviews.json.gz").write_bytes(gzip.compress(json.dumps(said).encode(), mtime=0))
    for style in STYLES:
        write_picture(folder / f"painting_{style}.webp", paint(style))
    for name in ACROSS:
        write_set(folder, name)
    (folder / "README.md").write_text(card(folder, said["nats_per_word"]), encoding="utf-8")


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


def card(folder: Path, nats_per_word: float) -> str:
    """Return the README of the folder: what each file is, how many, how large, and under what terms."""
    rows = (
        ("prose.txt.gz", "English prose from the manual that comes with Python 3.11", "PSF, see LICENCE-PSF.txt"),
        ("reviews.json.gz", f"film reviews drawn from a small grammar: {_counted('reviews')}", "MIT"),
        ("digits.webp", f"digits, 28 x 28: {_counted('digits')}", "CC BY 4.0, see below"),
        ("digits.csv", "their part and label", "CC BY 4.0"),
        ("garments.webp", f"garments of ten classes, 28 x 28: {_counted('garments')}", "MIT"),
        ("garments.csv", "their part and label (0 T-shirt/top to 9 Ankle boot, as in Fashion-MNIST)", "MIT"),
        ("faces.webp", f"faces, 64 x 64: {_counted('faces')}", "MIT"),
        ("faces.csv", "their part and attributes, under CelebA's names", "MIT"),
        *((f"painting_{style}.webp", f"a painting, 640 x 480: {what}", "MIT") for style, what in STYLES_SHOWN.items()),
    )
    lines = "\n".join(f"| `{name}` | {what} | {_size(folder / name)} | {terms} |" for name, what, terms in rows)
    return CARD.format(lines=lines, nats=nats_per_word)


def _counted(name: str) -> str:
    return "{:,} to train on and {:,} to test on".format(*COUNTS[name])


def _size(path: Path) -> str:
    size = path.stat().st_size
    return f"{size / 1e6:.1f} MB" if size > 1e6 else f"{size / 1e3:.0f} kB"


STYLES_SHOWN = {
    "swirls": "blue and yellow swirls",
    "embers": "red and orange waves",
    "mosaic": "fans of warm stones",
}
CARD = """# Stand-ins

What the notebooks use where real data cannot be had. `python -m tools.standins` drew all of it; `helpers/data/standins.py` loads it.

| file | what it is | size | terms |
|---|---|---|---|
{lines}

- Pictures are kept without loss. Those of a set lie side by side in rows; row n of its table is about the n-th of them.
- The grammar of the reviews is known (`tools/standins/phrases.toml`), and with it the entropy of a word: {nats:.4f} nats, averaged over all words but the first of each review. No model can have a lower loss on the test reviews, but for chance.
- The digits are made from the 1,797 of scikit-learn, enlarged, turned, slanted, made thicker or thinner. Those to test on are made from 297 originals that no digit to train on is made from. The originals: E. Alpaydin and C. Kaynak, *Optical Recognition of Handwritten Digits*, UCI Machine Learning Repository, 1998, [CC BY 4.0](https://creativecommons.org/licenses/by/4.0/).
- The faces are drawn from some fifty factors, each independent of the others. They show nobody.
- The prose is changed: whole paragraphs without markup, none twice. Copyright 2001-2023 Python Software Foundation.
"""  # noqa: E501
