"""What an optimisation of a picture shows: stages side by side, losses in tables and lines."""

from collections.abc import Mapping

import numpy as np
from IPython.display import Markdown

from helpers.plotting import PictureWithText, contact_sheet, curves, picture, picture_strip


def loss_table(rows: Mapping[str, Mapping[str, float]], caption: str) -> Markdown:
    """Return losses as a table: name of a picture → losses by name, all rows with the same names."""
    names = list(next(iter(rows.values())))
    lines = [f"| {caption} | {' | '.join(names)} |", "|---|" + "--:|" * len(names)]
    lines += [f"| {row} | {' | '.join(f'{values[name]:.4g}' for name in names)} |" for row, values in rows.items()]
    return Markdown("\n".join(lines))


def strip(pictures: Mapping[str, np.ndarray], title: str, columns: int = 0) -> PictureWithText:
    """Return pictures, each under its name, side by side or in rows of `columns`; the text for the blind names them."""
    figure = contact_sheet(dict(pictures), columns, title) if columns else picture_strip(dict(pictures), title)
    return picture(figure, f"{title}. {len(pictures)} pictures: {', '.join(pictures)}")


def chart(series: Mapping[str, tuple], xlabel: str, ylabel: str, title: str) -> PictureWithText:
    """Return lines, name → (x, y), on a logarithmic vertical axis."""
    return picture(curves(dict(series), xlabel, ylabel, title, log=True), f"{title}. Lines: {', '.join(series)}")
