"""The slider over epochs."""

import pytest

from helpers import gan_monitor
from helpers.errors import UserError


def test_the_slider_shows_the_frame_that_is_asked_for_and_draws_each_once():
    drawn = []

    def draw(number):
        drawn.append(number)
        return bytes([number])

    slider = gan_monitor.FrameSlider(draw, 5)
    assert slider.image.value == bytes([4]) and slider.slider.value == 5
    for epoch in (2, 3, 2):
        slider.slider.value = epoch
        assert slider.image.value == bytes([epoch - 1])
    assert drawn == [4, 1, 2]
    assert "explore-frame" in slider.slider._dom_classes and "explore-shown" in slider.image._dom_classes


def test_a_slider_without_frames_is_refused():
    with pytest.raises(UserError, match="no frames"):
        gan_monitor.FrameSlider(lambda number: b"", 0)
