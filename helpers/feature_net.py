"""The small convolutional net that this project trained itself, so that notebooks 02 and 03 run without a download.

Its layers are named, and its blocks filled, like the first four of VGG16, at half the width and with
average pooling. `tools/train_feature_net.py` trained it; `helpers/backbones.py` loads it.
"""

from collections.abc import Sequence

import keras

BLOCKS = ((32, 2), (64, 2), (128, 3), (256, 3))  # (channels, convolutions) of each block
CLASSES = 100


def build_feature_net(
    blocks: Sequence[tuple[int, int]] = BLOCKS,
    classes: int = CLASSES,
    for_training: bool = False,
    dtype: str = "float32",
) -> keras.Model:
    """Build the net: 3x3 convolutions with ReLU in blocks, average pooling between them, a linear classifier on top.

    Args:
        blocks: channels and number of convolutions of each block.
        classes: the number of logits.
        for_training: with batch normalisation (each `NAME_norm` after the convolution NAME, which then has
            no bias) and dropout before the classifier. Folding turns the one form into the other.
        dtype: Keras' policy for all layers but the classifier, such as "mixed_bfloat16".

    Returns:
        A model from (batch, height, width, 3), any size that the poolings leave something of, to
        (batch, classes) float32 logits. A layer `block2_conv1` gives its activations, after the ReLU.
    """
    inputs = outputs = keras.Input((None, None, 3), name="picture")
    for number, (channels, convolutions) in enumerate(blocks, start=1):
        if number > 1:
            outputs = keras.layers.AveragePooling2D(2, name=f"block{number - 1}_pool", dtype=dtype)(outputs)
        for place in range(1, convolutions + 1):
            outputs = _convolution(f"block{number}_conv{place}", channels, for_training, dtype)(outputs)
    outputs = keras.layers.GlobalAveragePooling2D(name="mean", dtype="float32")(outputs)
    if for_training:
        outputs = keras.layers.Dropout(0.2, name="dropout")(outputs)
    return keras.Model(inputs, keras.layers.Dense(classes, name="logits", dtype="float32")(outputs), name="feature_net")


def _convolution(name: str, channels: int, for_training: bool, dtype: str):
    """Return a function of a tensor: convolution and ReLU, with batch normalisation between them for training."""
    if not for_training:
        return keras.layers.Conv2D(channels, 3, padding="same", activation="relu", name=name, dtype=dtype)

    def apply(inputs):
        outputs = keras.layers.Conv2D(
            channels, 3, padding="same", use_bias=False, kernel_initializer="he_normal", name=name, dtype=dtype
        )(inputs)
        outputs = keras.layers.BatchNormalization(momentum=0.95, name=f"{name}_norm", dtype=dtype)(outputs)
        return keras.layers.ReLU(name=f"{name}_relu", dtype=dtype)(outputs)

    return apply
