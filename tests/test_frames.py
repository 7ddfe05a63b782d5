"""The slider over saved frames."""

import numpy as np
import pytest

from helpers.explorers.frames import FrameSlider
from helpers.images import png_bytes
from helpers.session import UserError

FRAMES = [np.full((4, 4, 3), grey) for grey in (0.0, 0.5, 1.0)]


def test_the_last_frame_is_shown_first_and_the_slider_swaps_it():
    slider = FrameSlider({10: FRAMES[0], 20: FRAMES[1], 40: FRAMES[2]}, "Evaluation")
    assert slider.slider.value == 40 and slider.image.value == png_bytes(FRAMES[2])
    slider.slider.value = 20
    assert slider.image.value == png_bytes(FRAMES[1])
    assert (slider.play.min, slider.play.max, slider.slider.description) == (0, 2, "Evaluation")


def test_a_frame_that_has_to_be_drawn_is_drawn_once_when_it_is_due():
    drawn = []
    slider = FrameSlider("abcde", draw=lambda number, frame: drawn.append(frame) or bytes([number]))
    for epoch in (2, 3, 2):
        slider.slider.value = epoch
        assert slider.image.value == bytes([epoch])
    assert drawn == ["e", "b", "c"]


def test_no_frames_are_refused():
    with pytest.raises(UserError, match="frames"):
        FrameSlider([])
