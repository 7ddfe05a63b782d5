"""Trains on folders of pictures that stay on the disk; tests/test_streaming.py starts it and looks at its memory.

    python tests/stream_runner.py SIDE CACHE FOLDER...

One training after the other in one process, by notebook 04's own `train`; then how fast pictures come and how fast
the notebooks' models take them. Prints one line of JSON for each folder, and one with the rates.
"""

import json
import sys
import time
from pathlib import Path

import keras
import psutil
import tensorflow as tf
from keras import layers

import helpers  # noqa: F401
from helpers.batches import PictureBatches
from helpers.picture_folder import stream_folder
from tools.execute import peak_memory
from tools.lift import lift

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
HELD_OUT = 20


def train_on(folder: Path, side: int, cache: Path) -> tuple[dict, PictureBatches]:
    """Train a small VAE for an epoch; return what it took and the batches."""
    started = time.perf_counter()
    stored, held_out = stream_folder(folder, side, HELD_OUT, cache)
    prepared, started = time.perf_counter() - started, time.perf_counter()
    nb = lift(NOTEBOOKS / "04_variational_autoencoder.ipynb", "train", "VAE", folder=cache / "run")
    batch_size = 64 if side <= 64 else 8
    batches = PictureBatches(stored, batch_size, seed=1, flip=True)
    keras.utils.set_random_seed(1)
    nb.train(nb.VAE(*small_networks(side)), folder.name, batches, held_out, epochs=1)
    taken = {"files": len(stored) + HELD_OUT, "prepared": prepared, "trained": time.perf_counter() - started}
    return {**taken, "peak": peak_memory(psutil.Process())}, batches


def small_networks(side: int) -> tuple[keras.Model, keras.Model]:
    """Return an encoder and a decoder of pictures (side, side, 3) that cost next to nothing."""
    encoder = [layers.Conv2D(channels, 4, strides=4, activation="relu") for channels in (4, 8)]
    encoder = keras.Sequential([keras.Input((side, side, 3)), *encoder, layers.Flatten(), layers.Dense(4)])
    small = side // 16
    first = [keras.Input((2,)), layers.Dense(small * small * 8), layers.Reshape((small, small, 8))]
    return encoder, keras.Sequential([*first, *(layers.Conv2DTranspose(c, 4, strides=4) for c in (4, 3))])


def pictures_a_second(batches: PictureBatches) -> float:
    """Return how many pictures of 64 x 64 come each second while nothing is done with them."""
    started, count, epoch = time.perf_counter(), 0, 0
    while (seconds := time.perf_counter() - started) < 2:
        for inputs, _ in batches(epoch):
            count += len(inputs)
        epoch += 1
    return count / seconds


def steps_a_second(model: keras.Model, batch: tuple, steps: int = 8) -> float:
    """Return how many training steps a compiled model takes each second on a batch that is there already."""
    dataset = tf.data.Dataset.from_tensors(batch)
    model.fit(dataset.repeat(3), verbose=0)  # the first compiles it
    started = time.perf_counter()
    model.fit(dataset.repeat(steps), verbose=0)
    return steps / (time.perf_counter() - started)


def rates(batches: PictureBatches) -> dict:
    """Return pictures a second: as they come from the disk, and as the face models of notebooks 04 and 05 take them.

    And the most memory that was held until then.
    """
    vaes = lift(NOTEBOOKS / "04_variational_autoencoder.ipynb", "VAE", "build_face_encoder", "build_face_decoder")
    gans = lift(NOTEBOOKS / "05_dcgan.ipynb", "GAN", "build_generator", "build_discriminator")
    vae, gan = vaes.VAE(vaes.build_face_encoder(), vaes.build_face_decoder()), None
    vae.compile(keras.optimizers.Adam(), jit_compile=False)
    gan = gans.GAN(gans.build_generator(), gans.build_discriminator())
    gan.compile()
    batch = next(iter(batches(0)))  # 64 pictures; the GAN's have 32
    half = tuple(part[:32] for part in batch)
    models = {"VAE": 64 * steps_a_second(vae, batch), "DCGAN": 32 * steps_a_second(gan, half)}
    peak = peak_memory(psutil.Process())  # with the models of the notebooks, too
    return {"pipeline": pictures_a_second(batches), "models": models, "peak": peak}


def main(side: int, cache: Path, folders: list[Path]) -> None:
    for folder in folders:
        taken, batches = train_on(folder, side, cache)
        print(json.dumps(taken), flush=True)
    if side == 64:
        print(json.dumps(rates(batches)), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), [Path(name) for name in sys.argv[3:]])
