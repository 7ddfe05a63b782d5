"""CelebA: photographs of faces with 40 attributes each (Liu et al., 2015), or drawn faces where it is missing.

The photographs show real people, and the attributes are what annotators thought they saw.
"""

import difflib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from helpers.data import sources, standins
from helpers.data.archives import read_member, zip_reader
from helpers.session import UserError

PICTURES = "img_align_celeba"
TABLE, KAGGLE_TABLE = "list_attr_celeba.txt", "list_attr_celeba.csv"
SIDE = 64  # pixels of the squares that are returned
WIDTH, HEIGHT = 178, 218  # pixels of an official picture; others of this shape serve, whatever their size
# The square that is cut out: its side in pixels of 178, its centre in rows of 218, as Karras et al. (2018, "Progressive
# growing of GANs") cut CelebA. Eyes are at about row 112, mouths at 152.
CROPPED_WIDTH, CENTRE_ROW = 148, 121
OFFICIAL_COUNT, OFFICIAL_TRAIN, OFFICIAL_TEST = 202_599, 162_770, 182_638  # pictures; last of train, first of test
LARGEST_TEST = 20_000
KINDS = {"auto": "auto", "photographs": "real", "drawn": "standin"}  # `wanted` → value of NB_DATA
LARGEST_WIDTH = 10 * WIDTH  # pixels of a picture; decoding one takes 50 MB then
BROKEN_ONE_IN = 10  # a copy with more broken pictures than one in so many is refused
_MEMBERS = r"(?:.*/)?(\d{6}\.jpg)"

Read = Callable[[str], bytes]


@dataclass(frozen=True, eq=False)
class Faces:
    """Pictures of faces and their attributes.

    `train_images`, `test_images`: uint8 `(n, 64, 64, 3)`, RGB in 0–255.
    `train_attributes`, `test_attributes`: int8 `(n, A)`, 1 where the face has the attribute, else -1.
    `attribute_names`: the A names, in the order of the columns.
    `train_names`, `test_names`: the file of each picture.
    `is_real` is False for a stand-in; `source` is the line that was printed.
    """

    train_images: np.ndarray
    test_images: np.ndarray
    train_attributes: np.ndarray
    test_attributes: np.ndarray
    attribute_names: list[str]
    train_names: list[str]
    test_names: list[str]
    is_real: bool
    source: str

    def has(self, attribute: str, part: str = "train") -> np.ndarray:
        """Return bool `(n,)`: which faces of a part ("train" or "test") have an attribute, such as "Smiling".

        Raises:
            UserError: there is no such attribute.
        """
        if attribute not in self.attribute_names:
            lower = {name.lower(): name for name in self.attribute_names}
            near = difflib.get_close_matches(attribute.lower(), lower, n=3, cutoff=0.5)
            meant = f"Did you mean {' or '.join(lower[name] for name in near)}?"
            every = f"There are {', '.join(self.attribute_names)}."
            raise UserError(f"there is no attribute {attribute!r}. {meant if near else every}")
        table = {"train": self.train_attributes, "test": self.test_attributes}[part]
        return table[:, self.attribute_names.index(attribute)] > 0


def load_faces(train_limit: int | None = None, test_limit: int | None = None, wanted: str = "auto") -> Faces:
    """Load CelebA's aligned faces, each a square cut out around the face; only as many as wanted are read.

    With all 202,599 pictures present the split is the official one: training up to 162,770, test from 182,638 (the
    pictures between are CelebA's validation set, not used here). Of a smaller copy the last tenth by file number (at
    least one picture, at most 20,000) is the test set; the same person may then be in both.

    The square is 148/178 of the picture's width; its centre is in the middle from left to right and at 121/218 of the
    height. It is resized to 64x64 smoothly (bilinear, antialiased when shrinking), never squashed.

    The copy on Kaggle is read as well: there the table has commas, and the pictures lie one folder deeper.

    Args:
        train_limit: the most training pictures wanted (the first by file number), at least 1; None for all of them,
            which is 2.0 GB of memory for the whole of CelebA.
        test_limit: likewise for the test pictures.
        wanted: "photographs" for CelebA or an error, "drawn" for the stand-in, "auto" for CelebA where it is found.
            The environment variable `NB_DATA` wins over it.

    Returns:
        The faces, in the order of their file numbers. Broken pictures are left out, and one printed line names
        them. The stand-in is 1,700 and 250 drawn faces at most.

    Raises:
        UserError: `wanted` is unknown; the attribute table is missing, damaged or has no row for a picture; pictures
            are of another shape than CelebA's, or more than a tenth of them broken; or `NB_DATA=real` and there are
            none.
    """
    if wanted not in KINDS:
        raise UserError(f"faces={wanted!r} is unknown. Set it to one of {', '.join(KINDS)}.")
    lookup = sources.find("celeba", KINDS[wanted])
    load = _real_faces if lookup.paths else _standin_faces
    faces = load(lookup, train_limit, test_limit)
    print(faces.source)
    return faces


def _standin_faces(lookup: sources.Lookup, train_limit: int | None, test_limit: int | None) -> Faces:
    train_images, train_attributes, columns = standins.faces("train", train_limit)
    test_images, test_attributes, _ = standins.faces("test", test_limit)
    counts = {"train": len(train_images), "test": len(test_images)}
    train_names, test_names = ([f"drawn {part} {number}" for number in range(counts[part])] for part in counts)
    what = f"{counts['train']:,} training and {counts['test']:,} test faces, {SIDE}x{SIDE}, drawn by this project"
    line = sources.standin_line("celeba", what, lookup.note)
    return Faces(
        train_images, test_images, train_attributes, test_attributes, columns, train_names, test_names, False, line
    )


def _real_faces(lookup: sources.Lookup, train_limit: int | None, test_limit: int | None) -> Faces:
    pictures = lookup.paths[0]
    tables = [pictures.parent / name for name in (TABLE, KAGGLE_TABLE)]
    table = next((path for path in tables if path.exists()), tables[0])
    columns, rows = _read_table(table)
    if (pictures / PICTURES).is_dir():
        pictures = pictures / PICTURES
    with _picture_reader(pictures) as (names, read):
        if missing := [name for name in names if name not in rows]:
            raise UserError(
                f"{table} has no row for {len(missing):,} of the {len(names):,} pictures in {pictures}; the first is "
                f"{missing[0]}. Get both from the same place."
            )
        train, test = _split(names, pictures)
        train_images, train_names = _load_part(train, train_limit, read, f"{pictures}, training part")
        test_images, test_names = _load_part(test, test_limit, read, f"{pictures}, test part")
    split = "official split" if len(names) == OFFICIAL_COUNT else "the last tenth by number is for testing"
    counts = f"{len(train_names):,} training and {len(test_names):,} test faces"
    return Faces(
        train_images,
        test_images,
        np.stack([rows[name] for name in train_names]),
        np.stack([rows[name] for name in test_names]),
        columns,
        train_names,
        test_names,
        True,
        f"CelebA: {counts}, {SIDE}x{SIDE} ({split}), {lookup.note}.",
    )


def _read_table(path: Path) -> tuple[list[str], dict[str, np.ndarray]]:
    """Return the attributes' names, and for each picture's file name its row: int8 `(A,)`, 1 or -1.

    The table has CelebA's layout (a count, the names, a row a picture) or, as .csv, that of Kaggle's copy.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").rstrip().splitlines()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}). Put {path.name} beside the pictures.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text. Get it again.") from error
    # Python reads no number of more than 4,300 digits; nine are enough for all the pictures there are.
    if path.suffix == ".csv" and len(lines) > 1 and lines[0].startswith("image_id,"):
        head, count, columns, comma = 1, len(lines) - 1, lines[0].split(",")[1:], ","
    elif path.suffix != ".csv" and len(lines) > 2 and re.fullmatch(r"\s*[0-9]{1,9}\s*", lines[0]) and lines[1].split():
        head, count, columns, comma = 2, int(lines[0]), lines[1].split(), None
    else:
        first = "image_id" if path.suffix == ".csv" else "a count of pictures"
        raise UserError(f"{path} does not begin with {first} and a line of attributes. Get it again.")
    rows = {}
    for number, line in enumerate(lines[head:], head + 1):
        name, *signs = line.split(comma) or [""]
        if len(signs) != len(columns) or not {"1", "-1"}.issuperset(signs) or name in rows:
            fault = f"a second row for {name}" if name in rows else f"no name and {len(columns):,} times 1 or -1"
            raise UserError(f"{path}, line {number:,}, is {fault}: {line[:40]!r}. Get it again.")
        rows[name] = np.array([1 if sign == "1" else -1 for sign in signs], np.int8)
    if len(rows) != count:
        raise UserError(f"{path}, line 1, says {count:,} pictures; {len(rows):,} rows follow. Get it again.")
    return columns, rows


@contextmanager
def _picture_reader(path: Path) -> Iterator[tuple[list[str], Read]]:
    """Yield the file names of the pictures in a zip archive or a folder, in order, and a function that reads one."""
    if path.is_dir():

        def read_file(name: str) -> bytes:
            try:
                return read_member(path / name)
            except UserError:
                return b""  # counts as a broken picture

        yield sorted(file.name for file in path.glob("*.jpg") if re.fullmatch(_MEMBERS, file.name)), read_file
        return
    with zip_reader(path, _MEMBERS) as (members, read):
        by_name = {re.fullmatch(_MEMBERS, member)[1]: member for member in members}
        if len(by_name) < len(members):
            raise UserError(f"{path} has pictures of the same name in several folders. Keep those of {PICTURES}/ only.")
        yield sorted(by_name), lambda name: read(by_name[name])


def _split(names: list[str], pictures: Path) -> tuple[list[str], list[str]]:
    """Return the names of the training pictures and of the test pictures, both in order."""
    if len(names) == OFFICIAL_COUNT:
        return names[:OFFICIAL_TRAIN], names[OFFICIAL_TEST - 1 :]
    if len(names) < 2:
        raise UserError(
            f"{pictures} has {len(names)} pictures with names like 000001.jpg. "
            "Give at least 2, one for training and one for testing."
        )
    held_out = min(LARGEST_TEST, max(1, len(names) // 10))
    return names[:-held_out], names[-held_out:]


def _load_part(names: list[str], limit: int | None, read: Read, part: str) -> tuple[np.ndarray, list[str]]:
    """Return the first `limit` pictures that are not broken, and their names."""
    wanted = len(names) if limit is None else min(limit, len(names))
    images, good, broken = np.empty((wanted, SIDE, SIDE, 3), np.uint8), [], []
    with tqdm(total=wanted, desc="CelebA", unit="face", leave=False, delay=1) as progress:
        for name in names:
            if len(good) == wanted:
                break
            picture = _face(read(name), f"{part}: {name}")
            if picture is None:
                broken.append(name)
                if len(broken) * BROKEN_ONE_IN > len(names):
                    count = f"{len(broken):,} of {len(names):,} pictures or more are broken, {broken[0]} the first"
                    raise UserError(f"{part}: {count}. Get them again.")
                continue
            images[len(good)] = picture
            good.append(name)
            progress.update()
    if broken:
        named = ", ".join(broken[:5]) + (" and others" if len(broken) > 5 else "")
        print(f"{part}: {len(broken):,} broken pictures are left out ({named}).")
    return images[: len(good)], good


def _face(content: bytes, name: str) -> np.ndarray | None:
    """Return the square around a face, uint8 `(64, 64, 3)`; None if the picture is broken."""
    try:
        with Image.open(BytesIO(content), formats=["JPEG"]) as image:
            width, height = image.size
            if abs(width - height * WIDTH / HEIGHT) > 1:
                raise UserError(
                    f"{name} is {width} wide and {height} high, not of the shape {WIDTH}x{HEIGHT} of CelebA's aligned "
                    f"pictures. Use {PICTURES}.zip as it is published, or shrunk in proportion."
                )
            if width > LARGEST_WIDTH:  # a file of 2 MB may take 800 MB to decode
                raise UserError(f"{name} is {width:,} wide, CelebA's pictures {WIDTH}. Shrink it to {WIDTH}x{HEIGHT}.")
            side, middle = CROPPED_WIDTH / WIDTH * width, height * CENTRE_ROW / HEIGHT
            box = ((width - side) / 2, middle - side / 2, (width + side) / 2, middle + side / 2)
            return np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=box))
    except UserError:
        raise
    except Exception:  # damaged files make Pillow's decoders raise errors of a dozen kinds
        return None
