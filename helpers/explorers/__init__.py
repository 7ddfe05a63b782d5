"""Panels of sliders, one file a panel; functions given to them compute what they show."""

from helpers.explorers.base import sliders
from helpers.explorers.faces import FaceExplorer
from helpers.explorers.frames import FrameSlider
from helpers.explorers.generator import GeneratorExplorer
from helpers.explorers.map import MapExplorer, nearest_picture
from helpers.explorers.picture import PictureExplorer
from helpers.explorers.text import TextExplorer, Written

__all__ = [
    "FaceExplorer",
    "FrameSlider",
    "GeneratorExplorer",
    "MapExplorer",
    "PictureExplorer",
    "TextExplorer",
    "Written",
    "nearest_picture",
    "sliders",
]
