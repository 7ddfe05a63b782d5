"""Trains the GAN of notebook 05 with DiffAugment and ships it: `python -m tools.train_gan FOLDER NAME`.

NAME is "celeba_gan" (CelebA has to be there) or "drawn_gan", for which 8,100 faces are drawn. FOLDER gets the
checkpoints: a training that was broken off goes on from there.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import helpers  # noqa: F401 - before TensorFlow, whose start-up messages it turns off

# isort: split
from helpers import latents, metrics
from helpers.data import faces as face_data
from helpers.networks import weights
from helpers.training.batches import PictureBatches
from helpers.training.loop import Training
from tools import ship
from tools.lift import lift
from tools.train_drawn_vae import drawn_faces

SEED, BATCH = 1, 32  # as in the notebook
FUNCTIONS = ("GAN", "face_gan", "diff_augment", "paint", "spread", "kid_to")


def train(folder: Path, faces: face_data.Faces, minutes: float, kid_every: int) -> None:
    """Train with checkpoints below FOLDER until the first KID after `minutes`; every other test face chooses."""
    notebook = lift(ship.NOTEBOOKS / "05_dcgan.ipynb", *FUNCTIONS)
    net = metrics.feature_model()
    known = metrics.picture_features(net, faces.test_images[::2])
    gan, noise = notebook.face_gan(augment=notebook.diff_augment), latents.fixed_noise(40, ship.LATENT, SEED)
    batches = PictureBatches(faces.train_images, BATCH, seed=SEED, flip=True)
    training = Training(gan, folder / "checkpoints" / "faces", {"seed": SEED}, monitor="KID")

    def measure() -> dict[str, float]:
        found = {"spread": notebook.spread(gan.averaged, faces.train_images)}
        if (len(training.history) + 1) % kid_every == 0:
            found["KID"] = notebook.kid_to(known, gan.averaged, net)
        return found

    while not training.history or training.history[-1]["seconds"] < 60 * minutes:
        epochs = len(training.history) + kid_every
        training.fit(batches, epochs, measure, lambda history: None, lambda: notebook.paint(gan.averaged, noise))


def main() -> None:
    """Train and ship."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("name", choices=("celeba_gan", "drawn_gan"))
    parser.add_argument("--minutes", type=float, default=58)
    parser.add_argument("--kid-every", type=int, default=5, help="epochs from one KID to the next")
    parser.add_argument("--count", type=int, default=8_100, help="training faces that are drawn")
    parser.add_argument("--into", type=Path, default=weights.FOLDER)
    parser.add_argument("--machine", default=ship.MACHINE, help="as the card names it")
    arguments = parser.parse_args()
    is_real = arguments.name == "celeba_gan"
    faces = face_data.load_faces(wanted="photographs") if is_real else drawn_faces(arguments.count, 900)
    train(arguments.folder, faces, arguments.minutes, arguments.kid_every)
    ship.ship_gan(arguments.name, arguments.folder, arguments.machine, arguments.into, faces)


if __name__ == "__main__":
    main()
