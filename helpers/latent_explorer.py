"""The former name of two modules; import from those instead."""

from helpers.face_explorer import FaceExplorer as FaceExplorer
from helpers.map_explorer import MapExplorer as MapExplorer
from helpers.map_explorer import nearest_picture as nearest_picture
