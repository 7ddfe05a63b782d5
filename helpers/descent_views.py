"""What an optimisation of a picture shows: stages under a slider or side by side, losses in tables and lines."""

from collections.abc import Mapping

import ipywidgets
import numpy as np
from IPython.display import Markdown

from helpers.images import png_bytes
from helpers.plotting import PictureWithText, contact_sheet, curves, picture, picture_strip


class StageSlider:
    """A slider over the stages of a descent; show it with `display(slider.view)`."""

    def __init__(self, stages: Mapping[int, np.ndarray], height: int = 240) -> None:
        """Take evaluation → picture; smaller stages are shown as high as the others."""
        self._pngs = {number: png_bytes(pixels) for number, pixels in stages.items()}
        self.slider = ipywidgets.SelectionSlider(options=list(self._pngs), description="Evaluation")
        self.slider.add_class("explore-stage")
        self.image = ipywidgets.Image(format="png", layout={"height": f"{height}px", "width": "auto"})
        self.image.add_class("explore-stage-picture")
        self.slider.observe(self._show, names="value")
        self.slider.value = list(self._pngs)[-1]
        self._show()
        # Else the box would draw the picture out to its own width.
        self.view = ipywidgets.VBox([self.slider, self.image], layout={"align_items": "flex-start"})

    def _show(self, _change=None) -> None:
        self.image.value = self._pngs[self.slider.value]


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
