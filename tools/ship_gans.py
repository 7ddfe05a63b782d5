"""Packs notebook 05's full training into data/pretrained: `python -m tools.ship_gans FOLDER`.

FOLDER is the notebook's results folder (it has `checkpoints/faces`) after a run in the full profile. On real faces
the weights become "celeba_gan", on drawn ones "drawn_gan". Shipped are the averaged generator and the discriminator,
one after the other. The figures in the card are measured here, on the float16 weights that are shipped.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from datetime import date
from pathlib import Path

import helpers  # noqa: F401 - before TensorFlow, whose start-up messages it turns off

# isort: split
import keras
import numpy as np

from helpers import latents
from helpers.data import faces as face_data
from helpers.metrics.pictures import feature_model, kernel_inception_distance, picture_features
from helpers.networks import weights
from helpers.networks.weights import assign
from helpers.session import UserError
from tools.lift import lift
from tools.ship_weights import newest

NOTEBOOK = Path(__file__).resolve().parents[1] / "notebooks" / "05_dcgan.ipynb"
LICENCES = {
    "celeba_gan": "CelebA's terms: non-commercial research and education only",
    "drawn_gan": "MIT; the faces it was trained on are drawn by this project",
}
LATENT, SEED, SUBSET = 128, 11, 450
FIGURES = ("accuracy", "D(real)", "D(fake)", "spread")
notebook = lift(NOTEBOOK, "GAN", "build_generator", "build_discriminator", "paint")


def filled(folder: Path) -> tuple[keras.Model, list[dict]]:
    """Return a GAN with the last weights of the longest training below `folder`, in float16, and its history."""
    arrays, history = newest(folder)
    gan = notebook.GAN(notebook.build_generator(), notebook.build_discriminator())
    gan.compile()
    metrics = {id(variable) for variable in gan.metrics_variables}
    variables = [variable for variable in gan.variables if id(variable) not in metrics]
    rounded = [a.astype(np.float16).astype(a.dtype) if a.dtype.kind == "f" else a for a in arrays[: len(variables)]]
    assign(variables, rounded, folder)
    return gan, history


def facts(name: str, gan: keras.Model, history: list[dict], faces: face_data.Faces, machine: str) -> dict[str, str]:
    """Return what the card says."""
    net = feature_model()
    fakes = notebook.paint(gan, latents.fixed_noise(len(faces.test_images), LATENT, SEED))
    held_out, ours = (picture_features(net, pictures) for pictures in (faces.test_images, fakes))
    distance = kernel_inception_distance(held_out, ours, subset_size=min(SUBSET, len(ours) // 2))
    minutes = history[-1]["seconds"] / 60
    return {
        "made by": "the networks, losses and training of notebook 05, preset paper",
        "weights": f"the averaged generator ({LATENT} latents), then the discriminator",
        "data": f"{faces.source.split(':')[0]}, {len(faces.train_images):,} training pictures"
        if faces.is_real
        else f"{len(faces.train_images):,} faces drawn by this project",
        "training": f"{history[-1]['epoch']} epochs in {minutes:.0f} minutes on {machine}; the last weights",
        "at the end": ", ".join(f"{name} {history[-1][name]:.2f}" for name in FIGURES),
        "held out": (
            f"KID {distance} with {net.name} against {len(held_out):,} test pictures, {distance.subsets} subsets of "
            f"{distance.subset_size} (not comparable with published KIDs)"
        ),
        "date": date.today().isoformat(),
        "licence": LICENCES[name],
    }


def ship(folder: Path, machine: str, into: Path = weights.FOLDER, faces: face_data.Faces | None = None) -> str:
    """Ship what was trained on `faces` (None: all that this machine has); return the name."""
    faces = face_data.load_faces() if faces is None else faces
    name = "celeba_gan" if faces.is_real else "drawn_gan"
    gan, history = filled(folder / "checkpoints" / "faces")
    chain = keras.Sequential([gan.averaged, gan.discriminator])
    weights.save(name, chain, [], facts(name, gan, history, faces, machine), into)
    return name


def main() -> int:
    """Ship what the arguments name; return 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--machine", default=f"{platform.machine()}, {platform.system()}", help="as the card names it")
    arguments = parser.parse_args()
    try:
        name = ship(arguments.folder, arguments.machine)
    except UserError as error:
        sys.exit(str(error))
    card = json.loads((weights.FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    print(name, json.dumps(card["facts"], indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
