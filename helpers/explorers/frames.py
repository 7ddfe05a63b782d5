"""A slider over saved frames, with a play button."""

from collections.abc import Callable, Mapping, Sequence

import ipywidgets

from helpers.explorers.base import CONTROL_WIDTH, FITTING, WRAPPED, mark, player
from helpers.images import png_bytes
from helpers.session import UserError


class FrameSlider:
    """A slider, with a play button, that shows one of several pictures. Show it with `display(slider.view)`.

    The classes in a page are `explore-frame` (the slider), `explore-play` and `explore-shown`.
    """

    def __init__(
        self,
        frames: Mapping[int, object] | Sequence[object],
        name: str = "Epoch",
        *,
        draw: Callable[[int, object], bytes] = lambda number, frame: png_bytes(frame),
    ) -> None:
        """Show the last frame.

        Args:
            frames: number → picture, floats `(h, w, 3)` in [0, 1], or a sequence of them, numbered from 1.
            name: what the slider counts.
            draw: called as `draw(number, frame)`, once for each frame that is shown; returns a PNG file. For frames
                that are not pictures.

        Raises:
            UserError: there are no frames.
        """
        self._frames = dict(frames) if isinstance(frames, Mapping) else dict(enumerate(frames, start=1))
        if not self._frames:
            raise UserError("there are no frames to show. Train for at least one epoch.")
        self._draw, self._pngs = draw, {}
        numbers = list(self._frames)
        self.slider = mark(ipywidgets.SelectionSlider(options=numbers, value=numbers[-1], description=name), "frame")
        self.slider.layout.width = CONTROL_WIDTH
        self.image = mark(ipywidgets.Image(format="png", layout=FITTING), "shown")
        self.play = player(self.slider, len(numbers) - 1, "index", interval=250)
        self.slider.observe(self._show, names="value")
        self._show()
        # Without `align_items` the box would stretch the picture to its own width.
        line = ipywidgets.HBox([self.slider, self.play], layout=WRAPPED)
        self.view = ipywidgets.VBox([line, self.image], layout={"align_items": "flex-start"})

    def _show(self, change: dict | None = None) -> None:
        number = self.slider.value
        if number not in self._pngs:
            self._pngs[number] = self._draw(number, self._frames[number])
        self.image.value = self._pngs[number]
