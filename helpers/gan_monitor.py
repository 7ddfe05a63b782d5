"""A slider over saved pictures of a training."""

from collections.abc import Callable

import ipywidgets

from helpers.errors import UserError
from helpers.widgets import FITTING


class FrameSlider:
    """A slider, with a play button, that shows one of several pictures. Show it with `display(slider.view)`.

    Found in a page by the classes `explore-frame` (the slider), `explore-play` and `explore-shown`.
    """

    def __init__(self, draw: Callable[[int], bytes], count: int, name: str = "Epoch") -> None:
        """Show the last frame.

        Args:
            draw: called as `draw(number)` with 0 for the first frame, when it is due and only once for each;
                returns a PNG file.
            count: how many frames there are.
            name: what the slider counts, from 1 on.

        Raises:
            UserError: there are no frames.
        """
        if count < 1:
            raise UserError("there are no frames to show. Train for at least one epoch.")
        self._draw, self._drawn = draw, {}
        self.slider = ipywidgets.IntSlider(value=count, min=1, max=count, description=name, layout={"width": "28em"})
        self.play = ipywidgets.Play(value=count, min=1, max=count, interval=250)
        self.image = ipywidgets.Image(value=self._frame(count), format="png", layout=FITTING)
        for widget, mark in ((self.slider, "frame"), (self.play, "play"), (self.image, "shown")):
            widget.add_class(f"explore-{mark}")
        ipywidgets.jslink((self.play, "value"), (self.slider, "value"))
        self.slider.observe(self._show, names="value")
        self.view = ipywidgets.VBox([ipywidgets.HBox([self.slider, self.play]), self.image])

    def _show(self, change: dict) -> None:
        self.image.value = self._frame(change["new"])

    def _frame(self, number: int) -> bytes:
        if number not in self._drawn:
            self._drawn[number] = self._draw(number - 1)
        return self._drawn[number]
