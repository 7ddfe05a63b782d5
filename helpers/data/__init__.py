"""Every data set, from a local copy, a download or the stand-ins that ship."""

from helpers.data.texts import Corpus, Reviews, load_imdb, load_nietzsche, read_corpus
from helpers.data.digits import LabelledImages, load_fashion_mnist, load_mnist
from helpers.data.faces import Faces, load_faces
from helpers.data.photographs import Picture, load_folder, load_picture

__all__ = [
    "Corpus",
    "Faces",
    "LabelledImages",
    "Picture",
    "Reviews",
    "load_faces",
    "load_fashion_mnist",
    "load_folder",
    "load_imdb",
    "load_mnist",
    "load_nietzsche",
    "load_picture",
    "read_corpus",
]
