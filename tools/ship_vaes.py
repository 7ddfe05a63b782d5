"""Packs the weights of notebook 04's full training into data/pretrained: `python -m tools.ship_vaes FOLDER`.

FOLDER is the notebook's results folder (it has `checkpoints/`) after a run in the full profile on the real
data. The held-out figures in the cards are measured here, on the float16 weights that are shipped. With the
faces goes a table of attribute vectors, computed with those weights.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import helpers  # noqa: F401 - before TensorFlow, whose start-up messages it turns off

# isort: split
import keras
import numpy as np

from helpers import images, latents
from helpers.data import digits
from helpers.data import faces as face_data
from helpers.networks import weights
from helpers.session import UserError
from helpers.training.batches import in_order
from tools.lift import lift
from tools.ship_weights import newest, put_best

NOTEBOOK = Path(__file__).resolve().parents[1] / "notebooks" / "04_variational_autoencoder.ipynb"
LICENCES = {
    "mnist_vae": "MIT; MNIST is under CC BY-SA 3.0",
    "fashion_vae": "MIT; Fashion-MNIST is under MIT too",
    "celeba_vae": "CelebA's terms: non-commercial research and education only",
    "celeba_attributes": "CelebA's terms: non-commercial research and education only",
}
notebook = lift(
    NOTEBOOK,
    *("VAE", "this_notebook", "gaussian", "build_face_encoder", "build_face_decoder", "framed"),
    *("embed", "means_of", "log_weights", "importance_weighted_nll"),
)


def ship(name: str, folder: Path, machine: str) -> None:
    """Ship one of "mnist_vae", "fashion_vae" and "celeba_vae" (this with its attribute vectors)."""
    if name == "celeba_vae":
        faces = face_data.load_faces()
        model = notebook.VAE(notebook.build_face_encoder(), notebook.build_face_decoder(), notebook.gaussian)
        history = _filled(model, folder / "checkpoints" / "faces")
        weights.save(name, model, [], _facts(name, model, history, machine, faces, faces.test_images, 100))
        _ship_attributes(model, faces)
        return
    load: Callable = {"mnist_vae": digits.load_mnist, "fashion_vae": digits.load_fashion_mnist}[name]
    data = load()
    model = notebook.VAE(*notebook.this_notebook(2))
    history = _filled(model, folder / "checkpoints" / {"mnist_vae": "digits", "fashion_vae": "garments"}[name])
    test = notebook.framed(data.test_images)
    weights.save(name, model, [], _facts(name, model, history, machine, data, test, 2_000))


def _filled(model: keras.Model, folder: Path) -> list[dict]:
    """Put the last weights of the longest training below `folder` into the model, in float16; return its history."""
    arrays, history = newest(folder)
    model(np.zeros((1, *model.encoder.input_shape[1:]), np.float32))
    # The last ones, which stand first in a checkpoint: the figures in the card then chose nothing.
    put_best(model, arrays[: len(model.variables)])
    return history


def _facts(name: str, model: keras.Model, history: list[dict], machine: str, data, test, scored: int) -> dict[str, str]:
    """Return what the card says; the bounds are measured on the test pictures (uint8)."""
    model.compile(jit_compile=False)
    scores = model.evaluate(in_order(test), verbose=0, return_dict=True)
    some = images.as_floats(test[:: len(test) // scored][:scored])
    weighted = notebook.importance_weighted_nll(notebook.log_weights(model, some), 64).mean()
    likelihood = "normal pixels of variance 0.2, without the constant" if name == "celeba_vae" else "Bernoulli pixels"
    minutes, source, count = history[-1]["seconds"] / 60, data.source.split(":")[0], len(data.train_images)
    return {
        "made by": "the networks, loss and training of notebook 04, full profile",
        "data": f"{source}, {count - count // 10:,} of {count:,} training pictures, the last tenth held out",
        "training": f"{history[-1]['epoch']} epochs in {minutes:.0f} minutes on {machine}; the last weights",
        "held out": (
            f"negative ELBO {scores['loss']:.1f} nats a picture on {len(test):,} test pictures (KL {scores['kl']:.1f}; "
            f"{likelihood}); importance-weighted with 64 draws {weighted:.1f} on {scored:,} of them, evenly spread"
        ),
        "date": date.today().isoformat(),
        "licence": LICENCES[name],
    }


def _ship_attributes(model: keras.Model, faces: face_data.Faces) -> None:
    """Ship the vector of every attribute that some training face has and some has not."""
    means = notebook.means_of(model, faces.train_images)
    has = {name: faces.has(name) for name in faces.attribute_names}
    vectors = {name: latents.attribute_vector(means, rows) for name, rows in has.items() if 0 < rows.sum() < len(rows)}
    table = keras.Sequential([keras.Input((), dtype="int32"), keras.layers.Embedding(len(vectors), means.shape[1])])
    table.set_weights([np.stack(list(vectors.values()))])
    facts = {
        "made by": "means of encoded faces with an attribute minus means without, by celeba_vae",
        "data": f"{faces.source.split(':')[0]}, {len(means):,} training pictures",
        "date": date.today().isoformat(),
        "licence": LICENCES["celeba_attributes"],
    }
    weights.save("celeba_attributes", table, list(vectors), facts)


def main() -> int:
    """Ship what the arguments name; return 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--machine", default=f"{platform.machine()}, {platform.system()}", help="as the card names it")
    parser.add_argument("--only", nargs="+", choices=list(LICENCES)[:3], default=list(LICENCES)[:3])
    arguments = parser.parse_args()
    try:
        for name in arguments.only:
            ship(name, arguments.folder, arguments.machine)
            card = json.loads((weights.FOLDER / f"{name}.json").read_text(encoding="utf-8"))
            print(name, json.dumps(card["facts"], indent=2))
    except UserError as error:
        sys.exit(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
