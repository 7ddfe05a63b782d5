"""The stages of an optimisation of a picture, under a slider."""

from collections.abc import Mapping

import ipywidgets
import numpy as np

from helpers.images import png_bytes


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
