"""Trains small models of the notebooks on one device and on two, for tests/test_devices.py: `device_runner.py FOLDER`.

It is a process of its own, since two logical CPUs must be asked for before TensorFlow does anything. What each job
comes to is written to FOLDER, as `JOB-1.npz` by one device and as `JOB-2.npz` by two. Dropout is off, and plain
gradient descent trains, because Adam makes large steps of small roundings.
"""

import ast
import shutil
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import tensorflow as tf

from helpers import devices, images, text
from helpers.batches import PictureBatches, in_order
from helpers.checkpoints import Checkpoints, values_of
from tools.lift import code_of, lift
from tools.standins.faces import draw_faces

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
TEXTS, VAES, GANS = (next(NOTEBOOKS.glob(f"{number}_*.ipynb")) for number in ("01", "04", "05"))
SCOPE = "devices.strategy().scope()"


def blocks(path: Path, name: str) -> list[ast.With]:
    """Return the notebook's `with devices.strategy().scope():` blocks, outside of functions, that speak of `name`."""
    tree = ast.parse(code_of(path))
    for function in [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]:
        function.body = []
    scopes = [node for node in ast.walk(tree) if isinstance(node, ast.With) and ast.unparse(node.items[0]) == SCOPE]
    return [node for node in scopes if name in {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}]


def run_blocks(path: Path, name: str, **given) -> keras.Model:
    """Run those blocks of the notebook, and return what they assign to `name`."""
    names = {"devices": devices, "keras": keras, **given}
    for node in blocks(path, name):
        exec(compile(ast.Module([node], []), path.name, "exec"), names)
    return names[name]


def described(variables) -> dict[str, np.ndarray]:
    """Return the values of variables by number and name."""
    variables = list(variables)
    pairs = zip(variables, values_of(variables), strict=True)
    return {f"weight {number} {variable.name}": value for number, (variable, value) in enumerate(pairs)}


def fitted(model: keras.Model, batches, **compiled) -> dict[str, np.ndarray]:
    """Train a model for two epochs; return the losses, and the weights before and after, by name."""
    if compiled:
        with model.distribute_strategy.scope():
            model.compile(keras.optimizers.SGD(compiled.pop("rate")), **compiled)
    before = {f"before {name}": value for name, value in described(model.weights).items()}
    epochs = [model.fit(batches(epoch), shuffle=False, verbose=0).history for epoch in range(2)]
    losses = {f"loss {name} {n}": np.array(value) for n, epoch in enumerate(epochs) for name, value in epoch.items()}
    return losses | before | described(model.weights)


def characters(folder: Path) -> dict[str, np.ndarray]:
    """Notebook 01's LSTM."""
    nb = lift(TEXTS, "build_character_model", "decaying_rate")
    small = partial(nb.build_character_model, width=8, embedding_width=4, dropout=0)
    given = {"build_character_model": small, "vocabulary": range(6), "character_steps": 5}
    model = run_blocks(TEXTS, "character_model", decaying_rate=nb.decaying_rate, **given)
    clip, ids = model.optimizer.clipnorm, np.random.default_rng(0).integers(0, 6, 400).astype(np.int32)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    found = fitted(model, lambda epoch: text.window_batches(ids, 10, 6, seed=1, epoch=epoch), rate=0.5, loss=loss)
    return {"clip": np.array(clip), "predicted": model.predict(ids[:35].reshape(5, 7), 3, verbose=0), **found}


def words(folder: Path) -> dict[str, np.ndarray]:
    """Notebook 01's Transformer: texts of unequal length, so that one device has more words than the other."""
    nb = lift(TEXTS, "TransformerLanguageModel", "adaptive_cross_entropy")
    random = np.random.default_rng(0)
    sequences = text.pad_windows([random.integers(2, 20, n) for n in (5, 9, 3, 12, 30, 7, 5, 4, 20, 11, 3, 8)], 8)
    small = partial(nb.TransformerLanguageModel, context=8, width=8, heads=2, blocks=1, dropout=0)
    given = {"TransformerLanguageModel": small, "word_vocabulary": range(20), "word_inputs": sequences[:, :-1]}
    given |= {"word_rate": 0.001, "adaptive_cross_entropy": nb.adaptive_cross_entropy}
    model = run_blocks(TEXTS, "word_model", **given)
    clip, loss = model.optimizer.clipnorm, nb.adaptive_cross_entropy(model)
    batches = lambda epoch: text.sequence_batches(sequences, 4, seed=1, step=3 * epoch, steps=3)  # noqa: E731
    return {"clip": np.array(clip), **fitted(model, batches, rate=0.1, loss=loss)}


def small_vae(nb, name: str = "digit_vae") -> keras.Model:
    """Return the notebook's VAE of that name, made by its own cell from smaller networks."""
    faces = partial(nb.build_face_encoder, 3, (2, 3, 4, 4)), partial(nb.build_face_decoder, 3, (4, 4, 3, 2))
    given = {"build_face_encoder": faces[0], "build_face_decoder": faces[1], "gaussian": nb.gaussian, "VAE": nb.VAE}
    networks = lambda latent: (nb.build_encoder(4, (2, 3, 4)), nb.build_decoder(latent, (4, 3, 2)))  # noqa: E731
    return run_blocks(VAES, name, network=networks, **given)


def vae_notebook(folder: Path) -> SimpleNamespace:
    """Return what the jobs need of notebook 04."""
    parts = "VAE", "build_encoder", "build_decoder", "build_face_encoder", "build_face_decoder", "gaussian", "train"
    return lift(VAES, *parts, folder=folder)


def pictures(count: int) -> np.ndarray:
    """Return noise of the size of digits: uint8 (count, 32, 32, 1)."""
    return np.random.default_rng(0).integers(0, 256, (count, 32, 32, 1)).astype(np.uint8)


def digits(folder: Path) -> dict[str, np.ndarray]:
    """Notebook 04's VAE of digits; then it is scored on seven pictures, fewer than a batch and an odd number."""
    model = small_vae(vae_notebook(folder))
    found = fitted(model, PictureBatches(pictures(32), 8, seed=1), rate=1e-4, jit_compile=False)
    data = in_order(pictures(7))
    scores, predicted = model.evaluate(data, verbose=0, return_dict=True), model.predict(data, verbose=0)
    return {**found, "scored": np.array(scores["kl"]), "predicted": predicted}


def faces(folder: Path) -> dict[str, np.ndarray]:
    """Notebook 04's VAE of faces, with batch normalisation."""
    model = small_vae(vae_notebook(folder), "face_vae")
    return fitted(model, PictureBatches(draw_faces(16, seed=1)[0], 8, seed=1), rate=1e-5, jit_compile=False)


def gan(folder: Path) -> dict[str, np.ndarray]:
    """Notebook 05's GAN: latents and label noise of its own, batch normalisation, the average of the weights."""
    nb = lift(GANS, "face_gan", images=images)
    networks = {"latent": 6, "channels": (4, 4, 3, 2)}, {"channels": (2, 3, 4, 4), "dropout": 0}
    model = nb.face_gan(*networks)
    with model.distribute_strategy.scope():
        model.generator_optimizer, model.discriminator_optimizer = (keras.optimizers.SGD(1.0) for _ in range(2))
        model.generator_optimizer.build(model.generator.trainable_variables)
        model.discriminator_optimizer.build(model.discriminator.trainable_variables)
    return fitted(model, PictureBatches(draw_faces(16, seed=1)[0], 8, seed=1, flip=True))


def resumed(folder: Path) -> dict[str, np.ndarray]:
    """Notebook 04's own `train` by two devices, three epochs in one go; then new models go on from its second epoch.

    The one, by two devices, is called "cut"; the other, by one device, "moved".
    """

    def keep(history):
        if len(history) == 3:  # the checkpoint of this epoch is yet to be written
            for name in ("cut", "moved"):
                shutil.copytree(folder / "whole", folder / name)

    if devices.strategy().num_replicas_in_sync == 1:
        return trained_by_notebook(folder / "moved", "moved")
    found = trained_by_notebook(folder / "whole", "whole", keep)
    keras.utils.set_random_seed(9)  # a new process knows nothing of the weights
    return found | trained_by_notebook(folder / "cut", "cut")


def trained_by_notebook(folder: Path, name: str, on_epoch=lambda history: None) -> dict[str, np.ndarray]:
    """Train the VAE of digits with checkpoints in a folder; return all that the last checkpoint holds, by name."""
    nb, data = vae_notebook(folder), PictureBatches(pictures(32), 8, seed=1)
    model = small_vae(nb)
    history = nb.train(model, "digits", data, pictures(4), 3, on_epoch=on_epoch)
    [kept] = {path.parent for path in folder.rglob("checkpoint-*")}
    arrays, _ = Checkpoints(kept).load()  # weights, slots, step, random state, best weights
    copies = [len({value.numpy().tobytes() for value in on_each(weight)}) for weight in model.weights]
    found = {f"{name} array {number}": array for number, array in enumerate(arrays)}
    return {**found, f"{name} losses": np.array([r["loss"] for r in history]), f"{name} copies": np.array(copies)}


def on_each(weight: keras.Variable) -> tuple[tf.Variable, ...]:
    """Return a weight's copies, one a device."""
    return devices.strategy().experimental_local_results(weight.value)


class Uneven(keras.Model):
    """One weight, whose slope is the mean of the inputs plus that of random numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.rows = (self.add_weight(shape=(), initializer="zeros", trainable=is_it) for is_it in (1, 0))
        self.seed, self.built = keras.random.SeedGenerator(5), True
        self.compile(keras.optimizers.SGD(1.0), jit_compile=False)

    def train_step(self, data):
        noise = devices.own_rows(partial(keras.random.uniform, seed=self.seed), tf.shape(data))
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(self.weight * (data + noise))
        self.optimizer.apply(devices.share(tape.gradient(loss, [self.weight])), [self.weight])
        rows = devices.total(tf.shape(data)[0])
        self.rows.assign(self.rows + rows)
        return {"rows": rows}


def uneven(folder: Path) -> dict[str, np.ndarray]:
    """A last batch of three, which two devices cannot share evenly, after one of four."""
    numbers = np.array([1.0, 2.0, 6.0, 4.0, 9.0, 7.0, 3.0], np.float32)
    with devices.strategy().scope():
        model = Uneven()
    model.fit(tf.data.Dataset.from_tensor_slices(numbers).batch(4), shuffle=False, verbose=0)
    drawn = {}
    for rows in (2, 3, 4):
        generator = keras.random.SeedGenerator(5)
        first = keras.random.uniform((4,), seed=generator)
        drawn[f"drawn {rows}"] = np.concatenate([first, keras.random.uniform((rows,), seed=generator)])
    weight, rows = values_of([model.weight, model.rows])
    return {"numbers": numbers, "weight": weight, "rows": rows, **drawn}


def main(folder: Path) -> None:
    """Run all jobs, each on one device and on two."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    on_these = devices.strategy  # notebooks name none
    for job in (characters, words, digits, faces, gan, resumed, uneven):
        for count in (2, 1):
            devices.strategy = partial(on_these, tuple(f"CPU:{number}" for number in range(count)))
            keras.utils.set_random_seed(1)
            np.savez(folder / f"{job.__name__}-{count}.npz", **job(folder))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
