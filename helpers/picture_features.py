"""What a net sees in pictures: some hundred numbers each, by which sets of pictures can be compared."""

from collections.abc import Callable
from dataclasses import dataclass, field

import keras
import numpy as np
import tensorflow as tf

from helpers import backbones
from helpers.errors import UserError
from helpers.progress_line import ProgressLine

UNSEEN = 300  # pictures that are done too soon for a line of progress
# What is read of each net, the side in pixels that pictures are resized to, and the layers.
_CHOICES = {
    "inception_v3": ("InceptionV3 mixed8", 150, ("mixed8",)),
    backbones.EMBEDDED: (f"{backbones.EMBEDDED} block4_conv3", 64, ("block4_conv3",)),
}


@dataclass(frozen=True, eq=False)
class FeatureModel:
    """A net that describes a picture by some hundred numbers.

    Attributes:
        name: of the net and its layers, for figures, such as "InceptionV3 mixed8".
        size: height and width in pixels that pictures are resized to.
        width: how many numbers describe a picture.
        compute: uint8 `(n, h, w, 3)` → float32 `(n, width)`, one compiled function for all n, h and w.
        model: the part of the net that is run.
    """

    name: str
    size: int
    width: int
    compute: Callable = field(repr=False)
    model: keras.Model = field(repr=False)

    @property
    def caution(self) -> str:
        """The sentence to print beside every figure that is made with these features."""
        return (
            f"Features: {self.name}, averaged over the picture ({self.width:,} numbers), at {self.size}x{self.size} "
            "pixels. Not comparable with published KIDs, which use InceptionV3's last pooling layer at 299 pixels."
        )


@dataclass(frozen=True, eq=False)
class Features:
    """Features of pictures: `values`, float32 `(n, width)`, and `net`, the name of what they were made with."""

    values: np.ndarray
    net: str


def feature_model(net: str = "inception_v3") -> FeatureModel:
    """Load the net that describes pictures, and print one line that says which.

    Both are averaged over the picture's places: InceptionV3's `mixed8` (1,280 numbers) on pictures resized to
    150x150, or the embedded net's last convolution (256) at 64x64, the size it was trained on. What lies beyond
    these layers is not run. KIDs of the one are not comparable with those of the other, nor either with published
    KIDs, which use InceptionV3's last pooling layer at 299 pixels: `caution` says so. The embedded net looks at
    texture more than at shape: photographs of faces with some noise (16 of 255) are farther from photographs to it
    than drawn faces are, while to InceptionV3 the drawn ones are six times as far (1,000 faces of CelebA each).

    Args:
        net: "inception_v3", for which the embedded net stands in where its weights cannot be had, or "feature_net".

    Raises:
        UserError: another net; or as `backbones.load_network`.
    """
    if net not in _CHOICES:
        raise UserError(f"features cannot be had of {net!r}. Ask for {' or '.join(_CHOICES)}.")
    backbone = backbones.load_network(net)
    name, size, layers = _CHOICES[backbone.name]
    model = backbones.features(backbone, layers)
    width = sum(backbone.channels(layer) for layer in layers)
    preprocess = backbone.preprocessing.preprocess

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8)])
    def compute(pictures):
        # Where pictures are enlarged `antialias` changes nothing; where they shrink, no pixel is passed over.
        resized = tf.image.resize(tf.cast(pictures, tf.float32) / 255, (size, size), "bilinear", antialias=True)
        activations = model(preprocess(resized), training=False)  # layer → (n, rows, columns, channels)
        return tf.concat([tf.reduce_mean(activations[layer], axis=(1, 2)) for layer in layers], axis=1)

    return FeatureModel(name, size, width, compute, model)


def picture_features(model: FeatureModel, pictures: np.ndarray, batch_size: int = 50) -> Features:
    """Return the features of pictures, with a line of progress for more than 300 of them.

    Args:
        model: from `feature_model`.
        pictures: uint8 `(n, h, w, 3)`, RGB in 0–255, resized bilinearly to the size that the model takes.
        batch_size: how many are computed at a time; it bounds the memory and changes no result beyond rounding.

    Returns:
        float32 `(n, model.width)`, with the name of the net.

    Raises:
        UserError: there are no pictures, they have another shape or dtype, or `batch_size` is below 1.
    """
    pictures = np.asarray(pictures)
    if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[-1] != 3 or not pictures.size:
        raise UserError(
            f"pictures of uint8, (n, h, w, 3), are expected, not {pictures.dtype} {pictures.shape}. Floats in [0, 1] "
            "become such by images.to_uint8."
        )
    if batch_size < 1:
        raise UserError(f"batches of {batch_size} leave nothing to compute. Give at least 1.")
    values, starts = np.empty((len(pictures), model.width), np.float32), range(0, len(pictures), batch_size)
    line = ProgressLine(len(starts)) if len(pictures) > UNSEEN else None
    for start in starts:
        batch = pictures[start : start + batch_size]
        values[start : start + len(batch)] = model.compute(tf.constant(batch))
        if line:
            line.step()
    if line:
        line.show()
    return Features(values, model.name)
