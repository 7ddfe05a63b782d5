"""Packs the weights of a notebook's full training into data/pretrained: `python -m tools.ship FOLDER NAME …`.

FOLDER is the notebook's results folder (it has `checkpoints/`) after a run in the full profile on real data, or on
drawn faces for "drawn_gan". `python -m tools.train_drawn_vae` trains and ships "drawn_vae". The held-out figures in the
cards are measured here, on the float16 weights that are shipped.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import helpers  # noqa: F401 - before TensorFlow, whose start-up messages it turns off

# isort: split
import keras
import numpy as np
import tensorflow as tf

from helpers import latents, text
from helpers.data import digits, texts
from helpers.data import faces as face_data
from helpers.metrics.pictures import feature_model, kernel_inception_distance, picture_features
from helpers.metrics.texts import perplexity, row
from helpers.networks import weights
from helpers.session import UserError
from helpers.training.batches import in_order
from helpers.training.checkpoints import Checkpoints
from tools.lift import lift

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
MACHINE = f"{platform.machine()}, {platform.system()}"
CELEBA_TERMS = "CelebA's terms: non-commercial research and education only"
LICENCES = {
    "nietzsche_lstm": "MIT; the text is in the public domain",
    "imdb_transformer": "the reviews are a research data set (Maas et al. 2011): for study and research only",
    "mnist_vae": "MIT; MNIST is under CC BY-SA 3.0",
    "fashion_vae": "MIT; Fashion-MNIST is under MIT too",
    "celeba_vae": CELEBA_TERMS,
    "drawn_vae": "MIT; the faces it was trained on are drawn by this project",
    "celeba_gan": CELEBA_TERMS,
    "drawn_gan": "MIT; the faces it was trained on are drawn by this project",
    "feature_net": "ImageNet's terms, as for the pictures it learned from: non-commercial research and education; "
    "not MIT",
}
TEXTS_MADE_BY = "the model, loss, batches and optimiser of notebook 01, full profile"
LATENT = 128  # of the GAN
GAN_FIGURES = ("accuracy", "D(real)", "D(fake)", "spread")
STORED = ("faces", "equal rates", "the discriminator wins", "one face for all")  # trainings of notebook 05


def newest(folder: Path) -> tuple[list[np.ndarray], list[dict]]:
    """Return arrays and history of the longest training whose checkpoints are below `folder`, the newest of those."""
    newest_first = sorted(folder.glob("*"), key=lambda path: path.stat().st_mtime, reverse=True)
    loaded = [pair for path in newest_first if (pair := Checkpoints(path).load())]
    if not loaded:
        raise UserError(f"there are no checkpoints below {folder}. Run the notebook in the full profile first.")
    arrays, state = max(loaded, key=lambda pair: pair[1]["history"][-1]["step"])
    return arrays[: len(arrays) - state["snapshots"]], state["history"]


def take(variables: Sequence, folder: Path, best: bool) -> list[dict]:
    """Assign the best or the last weights of the training below `folder`, rounded to float16; return its history."""
    arrays, history = newest(folder)
    count = len(variables)
    chosen = arrays[-count:] if best else arrays[:count]  # the best ones are at the end of a checkpoint
    rounded = [a.astype(np.float16).astype(a.dtype) if a.dtype.kind == "f" else a for a in chosen]
    weights.assign(variables, rounded, folder)
    return history


def card(name: str, **facts: str) -> dict[str, str]:
    """Return what a card says."""
    named = {key.replace("_", " "): value for key, value in facts.items()}
    return {**named, "date": date.today().isoformat(), "licence": LICENCES[name]}


def trained(history: list[dict], machine: str, which: str, unit: str = "epoch") -> str:
    """Return how long a training was, in words."""
    minutes = history[-1]["seconds"] / 60
    return f"{history[-1][unit]:,} {unit}s in {minutes:.0f} minutes on {machine}; {which}"


def best_epoch(history: list[dict], figure: str = "validation") -> str:
    best = min(history, key=lambda record: record.get(figure, np.inf))
    return f"best after epoch {best['epoch']}, {best['seconds'] / 60:.0f} minutes"


def scored(nats: np.ndarray, symbol: str) -> str:
    """Return the mean of nats and its standard error, in words; `symbol` is what one of them belongs to."""
    unit = f"nats per {symbol}"
    return f"{row(nats, symbol)[unit]} {unit}"


def ship_characters(name: str, folder: Path, machine: str) -> None:
    """Ship the LSTM, scored on the notebook's test text: the second half of the last 5%, which chose nothing."""
    characters = texts.load_nietzsche().text.lower()
    vocabulary = text.Vocabulary(sorted(set(characters)))
    notebook = lift(NOTEBOOKS / "01_text_generation.ipynb", "build_character_model", "nats_of_characters")
    model = notebook.build_character_model(len(vocabulary))
    history = take(model.variables, folder / "checkpoints" / "characters", best=True)
    held_out = text.split_off_end(vocabulary.encode(characters), share=0.05, least=100)[1]
    nats = notebook.nats_of_characters(model, np.array_split(held_out, 2)[1])
    facts = card(
        name,
        made_by=TEXTS_MADE_BY,
        data=f"Nietzsche, the first 95% of {len(characters):,} characters, lower-cased",
        training=trained(history, machine, best_epoch(history), "step"),
        held_out=f"{scored(nats, 'character')} on {len(nats):,} characters, the second half of the last 5% of the text",
    )
    weights.save(name, model, vocabulary.symbols, facts)


def ship_words(name: str, folder: Path, machine: str) -> None:
    """Ship the Transformer, scored on all words of the test reviews but the first of each."""
    reviews = texts.load_imdb()
    functions = ("TransformerLanguageModel", "held_out_reviews", "make_vectorizer", "nats_of_words")
    notebook = lift(NOTEBOOKS / "01_text_generation.ipynb", *functions)
    training = text.without_breaks(reviews.train)[: -notebook.held_out_reviews(reviews.train)]
    vectorizer = notebook.make_vectorizer(training)
    model = notebook.TransformerLanguageModel(len(vectorizer.get_vocabulary()))
    model(tf.zeros((1, 2), tf.int32))
    history = take(model.variables, folder / "checkpoints" / "words", best=True)
    rows = text.pad_windows(text.encode_documents(vectorizer, text.without_breaks(reviews.test)), model.context)
    nats = notebook.nats_of_words(model, rows)
    facts = card(
        name,
        made_by=TEXTS_MADE_BY,
        data=f"IMDB, {len(training):,} training reviews",
        training=trained(history, machine, best_epoch(history), "step"),
        held_out=f"{scored(nats, 'word')} (perplexity {perplexity(nats.mean()):.0f}) on {len(nats):,} words of "
        f"{len(reviews.test):,} test reviews, padding not counted",
    )
    weights.save(name, model, vectorizer.get_vocabulary(), facts)


def ship_vae(
    name: str, folder: Path, machine: str, into: Path = weights.FOLDER, faces: face_data.Faces | None = None
) -> None:
    """Ship a VAE's last weights, which chose nothing on the test pictures.

    `faces` are those that "celeba_vae" or "drawn_vae" was trained on; None: all that this machine has.
    """
    notebook = lift(
        NOTEBOOKS / "04_variational_autoencoder.ipynb",
        *("VAE", "this_notebook", "gaussian", "build_face_encoder", "build_face_decoder", "framed"),
    )
    if name in ("celeba_vae", "drawn_vae"):
        data, training = face_data.load_faces() if faces is None else faces, "faces"
        if data.is_real != (name == "celeba_vae"):
            raise UserError(f"{name} is trained on other faces than these. Set NB_DATA to real or standin.")
        test, likelihood = data.test_images, "normal pixels of variance 0.2, without the constant"
        model = notebook.VAE(notebook.build_face_encoder(), notebook.build_face_decoder(), notebook.gaussian)
    else:
        is_mnist = name == "mnist_vae"
        data, training = (digits.load_mnist(), "digits") if is_mnist else (digits.load_fashion_mnist(), "garments")
        if not data.is_real:
            raise UserError(f"{name} is trained on the real data. Set NB_DATA to real.")
        test, likelihood = notebook.framed(data.test_images), "Bernoulli pixels"
        model = notebook.VAE(*notebook.this_notebook(2))
    model(np.zeros((1, *model.encoder.input_shape[1:]), np.float32))
    history = take(model.variables, folder / "checkpoints" / training, best=False)
    model.compile(jit_compile=False)
    scores = model.evaluate(in_order(test, 100), verbose=0, return_dict=True)
    count = len(data.train_images)
    facts = card(
        name,
        made_by="the networks, loss and training of notebook 04, full profile",
        data=f"{source_of(data)}, {count - count // 10:,} of {count:,} training pictures, the last tenth held out",
        training=trained(history, machine, "the last weights"),
        held_out=f"negative ELBO {scores['loss']:.1f} nats a picture on {len(test):,} test pictures "
        f"(KL {scores['kl']:.1f}; {likelihood})",
    )
    weights.save(name, model, [], facts, into)


def source_of(data: face_data.Faces | digits.LabelledImages) -> str:
    """Return the name of a data set, or that its pictures are drawn."""
    return data.source.split(":")[0] if data.is_real else "drawn by this project"


def ship_gan(
    name: str, folder: Path, machine: str, into: Path = weights.FOLDER, faces: face_data.Faces | None = None
) -> None:
    """Ship the averaged generator and then the discriminator, trained on `faces` (None: all that this machine has)."""
    faces = face_data.load_faces() if faces is None else faces
    if faces.is_real != (name == "celeba_gan"):
        raise UserError(f"{name} is trained on other faces than this machine has. Set NB_DATA to real or standin.")
    notebook = lift(NOTEBOOKS / "05_dcgan.ipynb", "GAN", "build_generator", "build_discriminator", "paint")
    gan = notebook.GAN(notebook.build_generator(), notebook.build_discriminator())
    gan.compile()
    metrics = {id(variable) for variable in gan.metrics_variables}
    variables = [variable for variable in gan.variables if id(variable) not in metrics]
    history = take(variables, folder / "checkpoints" / "faces", best=True)
    best = min((record for record in history if "KID" in record), key=lambda record: record["KID"])
    net, reporting = feature_model(), faces.test_images[1::2]  # the other half has chosen the epoch
    fakes = notebook.paint(gan.averaged, latents.fixed_noise(len(reporting), LATENT, seed=11))
    held_out, ours = (picture_features(net, pictures) for pictures in (reporting, fakes))
    distance = kernel_inception_distance(held_out, ours, subset_size=len(ours) // 2)
    count = f"{len(faces.train_images):,}"
    real = f"{faces.source.split(':')[0]}, {count} training pictures"
    facts = card(
        name,
        made_by="the networks, losses and training of notebook 05, with DiffAugment",
        weights=f"the averaged generator ({LATENT} latents), then the discriminator",
        data=real if faces.is_real else f"{count} faces drawn by this project",
        training=trained(history, machine, best_epoch(history, "KID")),
        at_that_epoch=", ".join(f"{figure} {best[figure]:.2f}" for figure in GAN_FIGURES),
        held_out=f"KID {distance} with {net.name} against {len(held_out):,} held-out pictures, which chose nothing, "
        f"{distance.subsets} subsets of {distance.subset_size} (not comparable with published KIDs)",
    )
    weights.save(name, keras.Sequential([gan.averaged, gan.discriminator]), [], facts, into)


def ship_histories(name: str, folder: Path, machine: str, into: Path = weights.FOLDER) -> None:
    """Ship the histories of notebook 05's stored trainings; each is below `folder`, in a folder of its name."""
    histories = {each: newest(folder / each / "checkpoints" / "faces")[1] for each in STORED}
    for history in histories.values():
        for record in history:
            record |= {key: float(f"{value:.4g}") for key, value in record.items() if isinstance(value, float)}
    text = json.dumps({"facts": {"machine": machine}, "histories": histories})
    (into / f"{name}.json").write_text(text.replace("}, {", "},\n{") + "\n", encoding="utf-8")


SHIPPERS = {"nietzsche_lstm": ship_characters, "imdb_transformer": ship_words}
SHIPPERS |= dict.fromkeys(("mnist_vae", "fashion_vae", "celeba_vae"), ship_vae)
SHIPPERS |= dict.fromkeys(("celeba_gan", "drawn_gan"), ship_gan)
SHIPPERS["gan_histories"] = ship_histories


def main() -> int:
    """Ship what the arguments name; return 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="+", choices=SHIPPERS)
    parser.add_argument("--machine", default=MACHINE, help="as the card names it")
    arguments = parser.parse_args()
    for name in arguments.names:
        try:
            SHIPPERS[name](name, arguments.folder, arguments.machine)
        except UserError as error:
            sys.exit(str(error))
        facts = json.loads((weights.FOLDER / f"{name}.json").read_text(encoding="utf-8"))["facts"]
        print(name, json.dumps(facts, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
