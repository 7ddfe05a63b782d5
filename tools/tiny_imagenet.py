"""Tiny ImageNet, as far as the feature net's training needs it: read, shown to the net, and varied at random."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from helpers.data import sources
from helpers.networks import pretrained
from helpers.session import UserError

FILE = "tiny-imagenet-100.npz"


class Pictures:
    """Labelled pictures: `pixels` (count, 64, 64, 3) uint8 RGB, `labels` (count,) int64."""

    def __init__(self, pixels: np.ndarray, labels: np.ndarray) -> None:
        self.pixels, self.labels = tf.constant(pixels), tf.constant(labels, tf.int64)

    def __len__(self) -> int:
        return len(self.labels)

    def normalised(self, side: int | None = None, batch: int = 250) -> Iterator[tf.Tensor]:
        """Give all pictures in order, as the net sees them, in batches; resized if `side` (pixels) is given."""
        for start in range(0, len(self), batch):
            pixels = tf.cast(self.pixels[start : start + batch], tf.float32) / 255
            if side:
                pixels = tf.image.resize(pixels, (side, side))  # without antialiasing, as `augment` does it
            yield pretrained.CENTRED.preprocess(pixels)


def read_pictures(path: Path, part: str) -> Pictures:
    """Decode "train" or "val" of the data file.

    `jpeg_train` (uint8) is JPEG files end to end, `offsets_train` where each begins and the last one ends, `y_train`
    their classes; likewise `…_val`. `words` are the classes' names.
    """
    with np.load(path, allow_pickle=False) as file:
        content, offsets, labels = file[f"jpeg_{part}"].tobytes(), file[f"offsets_{part}"], file[f"y_{part}"]
    spans = zip(offsets[:-1], offsets[1:], strict=True)
    decoded = [tf.io.decode_jpeg(content[start:end], channels=3).numpy() for start, end in spans]
    return Pictures(np.stack(decoded), labels)


def read_words(path: Path) -> list[str]:
    """Return the classes' names in the order of the labels."""
    with np.load(path, allow_pickle=False) as file:
        return [str(word) for word in file["words"]]


def find_data() -> Path:
    """Return the path of Tiny ImageNet's file; raise UserError where no local folder has it."""
    folders = sources.local_folders()
    for folder in folders:
        if (folder / FILE).exists():
            return folder / FILE
    looked = ", ".join(map(str, folders))
    raise UserError(f"{FILE} is missing; looked for in {looked}. Put it into a folder that GENERATIVE_DATA_DIR names.")


def augment(pixels: tf.Tensor, side: int, seed: tf.Tensor) -> tf.Tensor:
    """Cut, mirror, resize and tint each picture at random: uint8 (batch, height, width, 3) → float32 in [0, 1].

    `side` is the result's in pixels; the same `seed`, (2,) integers, gives the same pictures.
    """
    batch = tf.shape(pixels)[0]
    chance = tf.random.stateless_uniform((batch, 7), seed)
    share = 0.65 + 0.35 * chance[:, 0]  # of the picture's height and width that is kept
    top, left = (1 - share) * chance[:, 1], (1 - share) * chance[:, 2]
    mirrored = chance[:, 3] < 0.5
    start, end = tf.where(mirrored, left + share, left), tf.where(mirrored, left, left + share)
    boxes = tf.stack([top, start, top + share, end], axis=1)
    cut = tf.image.crop_and_resize(tf.cast(pixels, tf.float32) / 255, boxes, tf.range(batch), (side, side))
    brightness, contrast, colour = tf.split((chance[:, 4:, None, None] - 0.5) * 0.6, 3, axis=1)  # each in [-0.3, 0.3]
    cut = (cut - 0.5) * (1 + contrast) + 0.5 + brightness / 2
    grey = tf.reduce_mean(cut, axis=3, keepdims=True)
    return tf.clip_by_value(grey + (cut - grey) * (1 + colour), 0, 1)
