"""The table of attributes that comes with CelebA's pictures: a row a picture, a column an attribute, -1 or 1."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from helpers.errors import UserError


@dataclass(frozen=True, eq=False)
class AttributeTable:
    """A table as it was read from `path`.

    `columns`: the A names of the attributes. `rows`: the row of each picture, by its file name. `values`: int8
    `(rows, A)`, 1 where a picture has the attribute, else -1.
    """

    path: Path
    columns: list[str]
    rows: dict[str, int]
    values: np.ndarray

    def of(self, names: Sequence[str]) -> np.ndarray:
        """Return the rows of pictures, which the table must have, in the order of their names: int8 `(n, A)`."""
        return self.values[[self.rows[name] for name in names]]

    def check_has(self, names: Sequence[str], pictures: Path) -> None:
        """Check that there is a row for each of the names, which are those of all the pictures in `pictures`.

        Raises:
            UserError: one has none.
        """
        if missing := [name for name in names if name not in self.rows]:
            raise UserError(
                f"{self.path} has no row for {len(missing):,} of the {len(names):,} pictures in {pictures}; "
                f"{missing[0]} is the first. Get both from the same place."
            )


def read_table(path: Path) -> AttributeTable:
    """Read a table laid out as CelebA's: the number of pictures, the attributes' names, then a row a picture.

    It is UTF-8, with or without a byte order mark; columns are set apart by blanks, and lines end in any way. A .csv
    is laid out as Kaggle's copy: columns are set apart by commas, image_id stands before the names of the attributes,
    and there is no number of pictures.

    Raises:
        UserError: there is no such file, or it is damaged: a row is cut off or has other values than -1 and 1, a
            picture has two rows, or there are fewer or more rows than the first line says.
    """
    lines = _lines(path)
    head, count, columns = _head(path, lines)
    comma = "," if path.suffix == ".csv" else None
    if 2 * len(columns) * (len(lines) - head) > sum(map(len, lines)):  # a value takes a blank and a digit at least
        raise UserError(f"{path} is too short for rows of {len(columns):,} attributes each. Get it again.")
    rows, values = {}, np.empty((len(lines) - head, len(columns)), np.int8)
    for number, line in enumerate(lines[head:], head + 1):
        name, *signs = line.split(comma) or [""]
        if len(signs) != len(columns) or not {"1", "-1"}.issuperset(signs):
            raise UserError(
                f"{path}, line {number:,}, is no name of a picture and {len(columns)} times 1 or -1: "
                f"{line[:40]!r}. Get it again."
            )
        if name in rows:
            raise UserError(f"{path}, line {number:,}, is a second row for {name}. Get it again.")
        values[len(rows)] = [1 if sign == "1" else -1 for sign in signs]
        rows[name] = len(rows)
    if len(rows) != count:
        raise UserError(f"{path}, line 1, says {count:,} pictures; {len(rows):,} rows follow. Get it again.")
    return AttributeTable(path, columns, rows, values)


def _head(path: Path, lines: list[str]) -> tuple[int, int, list[str]]:
    """Return how many lines stand before the rows, how many rows there have to be, and the attributes' names."""
    if path.suffix == ".csv":
        if len(lines) > 1 and lines[0].startswith("image_id,"):
            return 1, len(lines) - 1, lines[0].split(",")[1:]
        raise UserError(f"{path} does not begin with image_id and a line of attributes. Get it again.")
    # A number of more than 4,300 digits is none to Python; nine are enough for all the pictures there are.
    if len(lines) > 2 and re.fullmatch(r"\s*[0-9]{1,9}\s*", lines[0]) and lines[1].split():
        return 2, int(lines[0]), lines[1].split()
    raise UserError(f"{path} does not begin with a count of pictures and a line of attributes. Get it again.")


def _lines(path: Path) -> list[str]:
    try:
        lines = path.read_bytes().rstrip().splitlines()
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}). Put {path.name} beside the pictures; it comes from the same "
            "page as they."
        ) from error
    for number, line in enumerate(lines):
        try:
            lines[number] = line.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise UserError(f"{path}, line {number + 1:,}, is not UTF-8 text. Get it again.") from error
    return lines
