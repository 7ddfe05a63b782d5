"""What explorers share: enlarged pictures, delayed work, sliders, and a slider over saved frames."""

import ipywidgets
import numpy as np
import pytest

from helpers.explorers.base import Later, enlarged, generated, sliders
from helpers.explorers.frames import FrameSlider
from helpers.images import png_bytes
from helpers.session import UserError

FRAMES = [np.full((4, 4, 3), grey) for grey in (0.0, 0.5, 1.0)]


@pytest.mark.parametrize("channels", [(), (1,), (3,)])
def test_a_picture_is_enlarged_smoothly_by_a_whole_factor(channels):
    picture = np.zeros((28, 20, *channels))
    picture[:, 10:] = 1  # an edge: repeated pixels would have two values only
    large = enlarged(picture, 200).reshape(7 * 28, -1, *channels)  # grey: with or without an axis of its own
    assert large.shape == (7 * 28, 7 * 20, *channels) and large.min() >= 0 and large.max() <= 1
    np.testing.assert_allclose(large[3::7, 3::7][:, [0, 5, -6, -1]], picture[:, [0, 5, -6, -1]], atol=0.01)
    assert len(np.unique(large)) > 5
    assert enlarged(picture, 5) is picture


@pytest.mark.parametrize("pictures", [np.full((1, 4, 4), np.nan), np.full((1, 4, 4, 3), np.inf)])
def test_a_network_that_gives_no_numbers_is_refused(pictures):
    with pytest.raises(UserError, match="NaN"):
        generated(lambda z: pictures, np.zeros((1, 2)))


def test_of_many_calls_only_the_last_counts_and_it_can_be_dropped(timers):
    calls = []
    later = Later(lambda: calls.append("called"))
    for _ in range(5):
        later.call()
    assert sum(timer.waits for timer in timers.all) == 1 and calls == []
    timers.fire()
    assert calls == ["called"]
    later.call()
    later.drop()
    timers.fire()
    assert calls == ["called"]


def test_sliders_are_whole_where_their_numbers_are():
    controls = sliders(steps=("Steps", 10, 1, 60, 1), step=("Step", 0.01, 0.001, 0.05, 0.001), seed=3)
    assert isinstance(controls["steps"], ipywidgets.IntSlider) and controls["steps"].max == 60
    assert isinstance(controls["step"], ipywidgets.FloatSlider) and controls["step"].readout_format == ".3f"
    assert controls["step"].description == "Step" and controls["seed"].value == 3
    assert "seed" not in sliders(steps=("Steps", 10, 1, 60, 1))


def test_the_last_frame_is_shown_first_and_the_slider_replaces_it():
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
