"""Trains small models of the notebooks in processes that tests/test_kills.py ends by SIGKILL.

A server that imports TensorFlow once and starts each training in a process of its own (a fork made before
TensorFlow has begun to work, so with nothing of an earlier one in it). It reads lines "LOOP FOLDER". The training
prints a line "event NAME" at each step and before each thing that it does in FOLDER, and then waits for an empty
line, so that the reader decides at which of them it ends. After that it prints "end" and what it has come to.
"""

import hashlib
import io
import json
import os
import sys
from functools import partial
from pathlib import Path

import keras
import numpy as np

import helpers  # noqa: F401 - before TensorFlow, whose start-up messages it turns off
from helpers import backbones, gan_monitor, images, latents, standins, text
from helpers.batches import PictureBatches
from helpers.checkpoints import Checkpoints, values_of
from helpers.descent import Descent
from helpers.progress_line import StepWatch
from helpers.resuming import Rounds, Saved
from helpers.training import Training
from tools.lift import lift
from tools.standins.faces import draw_faces

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
EPOCHS = 4
VAES = "train", "VAE"


def characters(folder: Path, every: int = 1) -> list[np.ndarray]:
    """Train notebook 01's character model: one optimiser with a schedule, dropout, the best weights kept."""
    nb = lift(NOTEBOOKS / "01_text_generation.ipynb", "build_character_model", "decaying_rate", "score_characters")
    ids = np.random.default_rng(0).integers(0, 6, 400).astype(np.int32)
    contexts, targets = text.held_out_contexts(ids, context=8, positions=20)
    keras.utils.set_random_seed(1)
    model = nb.build_character_model(6, width=8, embedding_width=4)
    optimizer = keras.optimizers.AdamW(nb.decaying_rate(0.05, 5 * EPOCHS), weight_decay=0.01, clipnorm=1.0)
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    Training(model, folder, {"seed": 1}, checkpoint_every=every).fit(
        lambda epoch: text.window_batches(ids, length=10, batch_size=6, seed=1, epoch=epoch),
        EPOCHS,
        lambda: {"validation": nb.score_characters(model, contexts, targets)},
    )
    return values_of(model.weights)


def seldom(folder: Path) -> list[np.ndarray]:
    """The same with a checkpoint after every other epoch: a kill costs the epoch before as well."""
    return characters(folder, every=2)


def digits(folder: Path) -> list[np.ndarray]:
    """Train notebook 04's variational autoencoder by the notebook's own `train`."""
    nb = lift(NOTEBOOKS / "04_variational_autoencoder.ipynb", *VAES, "build_encoder", "build_decoder", folder=folder)
    pictures = np.random.default_rng(0).integers(0, 256, (80, 32, 32, 1)).astype(np.uint8)
    keras.utils.set_random_seed(1)
    model = nb.VAE(nb.build_encoder(4, (2, 3, 4)), nb.build_decoder(2, (4, 3, 2)))
    nb.train(model, "digits", PictureBatches(pictures[:64], 16, seed=1, flip=True), pictures[64:], EPOCHS)
    return values_of(model.weights)


def faces(folder: Path) -> list[np.ndarray]:
    """The same for that of faces: batch normalisation, with its averages, and a Gaussian for each pixel."""
    names = "build_face_encoder", "build_face_decoder", "gaussian"
    nb = lift(NOTEBOOKS / "04_variational_autoencoder.ipynb", *VAES, *names, folder=folder)
    pictures = draw_faces(20, seed=1)[0]
    keras.utils.set_random_seed(1)
    model = nb.VAE(nb.build_face_encoder(3, (2, 3, 4, 4)), nb.build_face_decoder(3, (4, 4, 3, 2)), nb.gaussian)
    nb.train(model, "faces", PictureBatches(pictures[:16], 4, seed=1, flip=True), pictures[16:], EPOCHS)
    return values_of(model.weights)


def gan(folder: Path) -> list[np.ndarray]:
    """Train notebook 05's GAN by the notebook's own `train`: two optimisers, the moving average, the monitor."""
    names = "train", "GAN", "build_generator", "build_discriminator", "paint"
    nb = lift(NOTEBOOKS / "05_dcgan.ipynb", *names, folder=folder, images=images)
    noise = latents.fixed_noise(4, 6, 1)
    keras.utils.set_random_seed(1)
    model = nb.GAN(nb.build_generator(6, (4, 4, 3, 2)), nb.build_discriminator((2, 3, 4, 4)))
    model.compile()
    batches, monitor = PictureBatches(draw_faces(12, seed=1)[0], 4, seed=1, flip=True), gan_monitor.GanMonitor(2)
    nb.train(model, "gan", batches, EPOCHS, lambda: nb.paint(model, noise), monitor.show)
    return values_of(model.weights)


def words(folder: Path) -> list[np.ndarray]:
    """Train notebook 01's Transformer: shared word vectors, its own loss, an "epoch" of so many steps."""
    names = "TransformerLanguageModel", "adaptive_cross_entropy", "evaluator", "score_words", "decaying_rate"
    nb = lift(NOTEBOOKS / "01_text_generation.ipynb", *names)
    sequences = np.random.default_rng(0).integers(1, 30, (50, 11)).astype(np.int32)
    sequences[::4, 7:] = 0  # padding
    keras.utils.set_random_seed(1)
    model = nb.TransformerLanguageModel(30, context=10, width=8, heads=2, blocks=1, frequent=10)
    model(sequences[:1, :-1])
    optimizer = keras.optimizers.AdamW(nb.decaying_rate(0.02, 5 * EPOCHS), weight_decay=0.02, beta_2=0.98, clipnorm=1.0)
    model.compile(optimizer, nb.adaptive_cross_entropy(model))
    evaluate = nb.evaluator(model)
    Training(model, folder, {"seed": 1}).fit(
        lambda epoch: text.sequence_batches(sequences[10:], batch_size=6, seed=1, step=5 * epoch, steps=5),
        EPOCHS,
        lambda: {"validation": nb.score_words(evaluate, sequences[:10])},
    )
    return values_of(model.weights)


def dream(folder: Path) -> list[np.ndarray]:
    """Dream as notebook 02 does: two octaves of six steps, each step rolled at random and kept."""
    names = "dream", "mixture", "compile_gradient", "mean_absolute"
    nb = lift(NOTEBOOKS / "02_deep_dream.ipynb", *names, Rounds=partial(Rounds, seconds=0))
    gradient = nb.compile_gradient(backbones.load("feature_net"), nb.mixture({"block2_conv1": 1.0}))
    climb = {"octaves": 2, "factor": 1.1, "steps": 6, "step": 0.01, "normalise": nb.mean_absolute, "jitter": 9}
    made = nb.dream(gradient, images.resize(standins.painting("embers"), 84, 90), keep=folder, **climb)
    stages = [picture for stage in made.stages for picture in stage.values()]
    return [made.picture, np.array(made.values), *stages]


def style() -> tuple:
    """Return of notebook 03 its functions, an objective on two layers, and content and style at 24 pixels."""
    names = "paint", "follow_gradient", "measure_targets", "make_objective", "PRESETS"
    nb = lift(NOTEBOOKS / "03_neural_style_transfer.ipynb", *names)
    nb.Descent = partial(Descent, seconds=0)
    network, layers = backbones.load("feature_net"), ("block2_conv1", ("block1_conv1", "block1_conv2"))
    features, preprocess = backbones.features(network, [layers[0], *layers[1]]), network.preprocessing.preprocess
    objective, measure = nb.make_objective(features, preprocess), partial(nb.measure_targets, features, preprocess)
    pictures = [images.fit(standins.painting(name), 24) for name in ("embers", "swirls")]
    return nb, objective, partial(measure, layers), *pictures


def steps(folder: Path) -> list[np.ndarray]:
    """Paint as notebook 03 does with a Keras optimiser: 12 steps of Adam, with a rate that decays."""
    nb, objective, measure, content, other = style()
    rate = keras.optimizers.schedules.ExponentialDecay(0.02, decay_steps=3, decay_rate=0.9)
    given = objective, measure(content, other), nb.PRESETS["this notebook"], content, 12
    with Descent(content, 12, "steps", checkpoints=folder, seconds=0, settings=given[:3]) as descent:
        picture = nb.follow_gradient(*given, keras.optimizers.Adam(rate), descent)
    return [descent.picture, picture, *descent.stages.values()]


def rounds(folder: Path) -> list[np.ndarray]:
    """Paint by notebook 03's own `paint`: L-BFGS at two heights, 7 evaluations each."""
    nb, objective, measure, content, other = style()
    painted = nb.paint(
        objective, measure, content, other, (16, 24), nb.PRESETS["this notebook"], 14, checkpoints=folder
    )
    return [painted.picture, *painted.stages.values()]


LOOPS = {loop.__name__: loop for loop in (characters, seldom, words, digits, faces, gan, dream, steps, rounds)}


def event(name: str) -> None:
    """Say what comes next, and wait for leave to do it."""
    os.write(1, f"event {name}\n".encode())
    os.read(0, 1)


class TornFile(io.BufferedWriter):
    """A file whose pieces reach the disk in two halves, with an event between."""

    def write(self, data: bytes) -> int:
        half = super().write(data[: len(data) // 2])
        self.flush()
        event("writing")
        return half + super().write(data[half:])


def tell_of(folder: Path) -> None:
    """Have this process tell of each training step, and of each change of the folder before it makes it."""
    named = {"open": 0, "os.mkdir": 0, "os.rename": 0, "os.remove": 0, "os.rmdir": 0, "shutil.rmtree": 0}
    step, keep, opened, here = StepWatch.on_train_batch_end, Saved.keep, Path.open, str(folder)

    def hook(name: str, arguments: tuple) -> None:
        # Removing goes down by file descriptors and bare names, which only `shutil.rmtree` tells the folder of.
        if name in named and (name in ("os.remove", "os.rmdir") or str(arguments[0]).startswith(here)):
            event(name)

    def stepped(self, batch, logs=None):
        step(self, batch, logs)
        event("step")

    def kept(self, *arguments, **options):
        event("step")
        keep(self, *arguments, **options)

    def torn(self, mode="r", **options):
        if mode != "wb" or not str(self).startswith(here):
            return opened(self, mode, **options)
        return TornFile(io.FileIO(self, "w"))

    StepWatch.on_train_batch_end, Saved.keep, Path.open = stepped, kept, torn
    sys.addaudithook(hook)


def outcome(results: list[np.ndarray], folder: Path) -> dict:
    """Return digests of all that the training has come to, its history, and what else its checkpoint says."""
    [found] = {path.parent for path in folder.rglob("checkpoint-*")}
    arrays, state = Checkpoints(found).load()  # last weights, slots, steps, random states, best weights, pictures
    records = state.pop("history") if "history" in state else state.pop("rounds")
    history = [{name: value for name, value in record.items() if name != "seconds"} for record in records]
    digests = [hashlib.sha256(array.tobytes()).hexdigest()[:16] for array in [*arrays, *results]]
    names = sorted(path.name for path in found.iterdir())
    state.pop("seconds", None)
    return {"digests": digests, "history": history, "state": state, "files": names}


def serve() -> None:
    """Start a training for each line "LOOP FOLDER", and say how each ended."""
    line = b""
    while piece := os.read(0, 1):
        if piece != b"\n":
            line += piece
        elif line:
            loop, folder = line.decode().split(" ", 1)
            line, pid = b"", os.fork()
            if pid == 0:
                train(loop, Path(folder))
            os.write(1, f"started {pid}\n".encode())
            os.write(1, f"ended {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}\n".encode())


def train(loop: str, folder: Path) -> None:
    """Train one loop to its end, and end this process."""
    status = 1
    try:
        sys.stdout.reconfigure(line_buffering=True)
        tell_of(folder)
        results = LOOPS[loop](folder)
        os.write(1, f"end {json.dumps(outcome(results, folder))}\n".encode())
        status = 0
    finally:
        sys.stdout.flush()
        os._exit(status)


if __name__ == "__main__":
    serve()
