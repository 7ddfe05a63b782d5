"""Trains the VAE of notebook 04 on drawn faces and ships it: `python -m tools.train_drawn_vae FOLDER`.

The 1,700 faces that ship are too few for it. So more are drawn, as many as the notebook takes of CelebA; those that
ship are the first of them. The model is tested on the drawn test faces that ship. FOLDER gets the checkpoints: a
training that was broken off goes on from there.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import helpers  # noqa: F401 - before TensorFlow, whose start-up messages it turns off

# isort: split
import keras
import numpy as np

from helpers.data import faces as face_data
from helpers.data import standins
from helpers.networks import weights
from helpers.training.batches import PictureBatches
from tools import ship
from tools.lift import lift
from tools.standins import draw_part

SEED = 1  # of the training, as in the notebook


def drawn_faces(count: int, test_count: int = 0) -> face_data.Faces:
    """Return `count` drawn training faces, and `test_count` test faces, or those that ship."""
    images, attributes, columns = draw_part("faces", "train", count)
    test_images, test_attributes, _ = draw_part("faces", "test", test_count) if test_count else standins.faces("test")
    names, test_names = ([f"drawn {number}" for number in range(len(part))] for part in (images, test_images))
    table = np.where(attributes, 1, -1).astype(np.int8)
    source = f"Faces drawn by this project: {count:,}."
    return face_data.Faces(
        images, test_images, table, test_attributes, list(columns), names, test_names, is_real=False, source=source
    )


def train(folder: Path, faces: face_data.Faces, epochs: int) -> None:
    """Train as the notebook does, with checkpoints below FOLDER."""
    names = ("VAE", "gaussian", "build_face_encoder", "build_face_decoder", "train")
    notebook = lift(ship.NOTEBOOKS / "04_variational_autoencoder.ipynb", *names)
    keras.utils.set_random_seed(SEED)
    tenth = len(faces.train_images) // 10
    batches = PictureBatches(faces.train_images[:-tenth], 64, seed=SEED, flip=True)
    vae = notebook.VAE(notebook.build_face_encoder(), notebook.build_face_decoder(), notebook.gaussian)
    notebook.train(vae, folder / "checkpoints" / "faces", batches, faces.train_images[-tenth:], epochs)


def main() -> None:
    """Train and ship."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=9_000, help="training faces, one in ten of them held out")
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--into", type=Path, default=weights.FOLDER)
    parser.add_argument("--machine", default=ship.MACHINE, help="as the card names it")
    arguments = parser.parse_args()
    faces = drawn_faces(arguments.count)
    train(arguments.folder, faces, arguments.epochs)
    ship.ship_vae("drawn_vae", arguments.folder, arguments.machine, arguments.into, faces)


if __name__ == "__main__":
    main()
