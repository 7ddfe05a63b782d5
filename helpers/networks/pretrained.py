"""Pretrained convolutional nets for notebooks 02 and 03: what they expect, and the layers for style transfer."""

import difflib
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import keras
import numpy as np

from helpers.data import sources
from helpers.networks import weights as stored_weights
from helpers.session import UserError

EMBEDDED = "feature_net"
BLOCKS = ((32, 2), (64, 2), (128, 3), (256, 3))  # of feature_net: (channels, convolutions) of each block
CLASSES = 100


@dataclass(frozen=True)
class Preprocessing:
    """Converts RGB in [0, 1], shape (…, 3), to a network's own range and channel order, and back.

    Both functions take NumPy arrays or TensorFlow tensors of floats and return the same kind and dtype. They do not
    clip: a picture that ascent has pushed out of [0, 1] is returned as it was.
    """

    name: str
    preprocess: Callable
    deprocess: Callable


def _affine(name: str, mean: Sequence[float], scale: float | Sequence[float], reverse: bool = False) -> Preprocessing:
    """Return the pair for (picture - mean) * scale, the channels turned round before that if `reverse`."""
    step = -1 if reverse else 1

    def preprocess(picture):
        return (picture[..., ::step] - _like(mean, picture)) * _like(scale, picture)

    def deprocess(values):
        return (values / _like(scale, values) + _like(mean, values))[..., ::step]

    return Preprocessing(name, preprocess, deprocess)


def _like(constant, values) -> np.ndarray:
    """Return a constant in the dtype of an array or tensor of floats; the range of integers is unknown."""
    dtype = np.dtype(getattr(values.dtype, "as_numpy_dtype", values.dtype))
    if np.issubdtype(dtype, np.integer):
        raise UserError(f"a picture of {dtype} is not in [0, 1]. Divide by 255 first.")
    return np.asarray(constant, dtype)


# To RGB in [-1, 1].
INCEPTION = _affine("inception", (0.5, 0.5, 0.5), 2)
# To BGR in 0–255 minus ImageNet's mean, blue first: these nets were trained in Caffe.
VGG = _affine("vgg", np.divide((103.939, 116.779, 123.68), 255), 255, reverse=True)
# To RGB of mean 0 and standard deviation 1, or nearly so, for the project's own net.
CENTRED = _affine("centred", (0.5, 0.5, 0.5), np.divide(1, (0.25, 0.25, 0.25)))


def build_feature_net(
    blocks: Sequence[tuple[int, int]] = BLOCKS,
    classes: int = CLASSES,
    for_training: bool = False,
    dtype: str = "float32",
) -> keras.Model:
    """Build the small net that this project trained (`tools/train_feature_net.py`), with float32 logits on top.

    Its layers have the names and its blocks the lengths of VGG16's first four, at half the width. For training it has
    batch normalisation (`NAME_norm` after the convolution NAME, which then has no bias) and dropout before the
    classifier; `dtype` is Keras' policy for all layers but the classifier.
    """
    inputs = outputs = keras.Input((None, None, 3), name="picture")
    for number, (channels, convolutions) in enumerate(blocks, start=1):
        if number > 1:
            outputs = keras.layers.AveragePooling2D(2, name=f"block{number - 1}_pool", dtype=dtype)(outputs)
        for place in range(1, convolutions + 1):
            outputs = _convolve(outputs, f"block{number}_conv{place}", channels, for_training, dtype)
    outputs = keras.layers.GlobalAveragePooling2D(name="mean", dtype="float32")(outputs)
    if for_training:
        outputs = keras.layers.Dropout(0.2, name="dropout")(outputs)
    return keras.Model(inputs, keras.layers.Dense(classes, name="logits", dtype="float32")(outputs), name="feature_net")


def _convolve(inputs, name: str, channels: int, for_training: bool, dtype: str):
    """Return a convolution and ReLU of a tensor, for training with batch normalisation between them."""
    common = {"padding": "same", "name": name, "dtype": dtype}
    if not for_training:
        return keras.layers.Conv2D(channels, 3, activation="relu", **common)(inputs)
    outputs = keras.layers.Conv2D(channels, 3, use_bias=False, kernel_initializer="he_normal", **common)(inputs)
    outputs = keras.layers.BatchNormalization(momentum=0.95, name=f"{name}_norm", dtype=dtype)(outputs)
    return keras.layers.ReLU(name=f"{name}_relu", dtype=dtype)(outputs)


@dataclass(frozen=True)
class Presets:
    """Layers of one net for style transfer; both are empty if the net is not offered for it.

    Attributes:
        style: layers whose Gram matrices are compared.
        content: the layer whose activations are compared.
    """

    style: tuple[str, ...] = ()
    content: str = ""


@dataclass(frozen=True)
class _Net:
    build: Callable[..., keras.Model]
    preprocessing: Preprocessing
    presets: Presets = Presets()


_STYLE = tuple(f"block{number}_conv1" for number in range(1, 6))
_EMBEDDED_STYLE = (*_STYLE[:4], "block4_conv3")  # it has four blocks: its last convolution replaces block5_conv1
_NETS = {
    "inception_v3": _Net(keras.applications.InceptionV3, INCEPTION),
    "xception": _Net(keras.applications.Xception, INCEPTION),
    "mobilenet": _Net(keras.applications.MobileNet, INCEPTION),
    "resnet50": _Net(keras.applications.ResNet50, VGG),
    "vgg19": _Net(keras.applications.VGG19, VGG, Presets(_STYLE, "block5_conv2")),
    "vgg16": _Net(keras.applications.VGG16, VGG, Presets(_STYLE, "block5_conv2")),
    EMBEDDED: _Net(build_feature_net, CENTRED, Presets(_EMBEDDED_STYLE, "block4_conv2")),
}
NAMES = tuple(_NETS)
_NAMED = re.compile(r"block|mixed|conv_|conv\d_")  # Keras numbers all other layers anew in each kernel


@dataclass(frozen=True)
class Backbone:
    """A pretrained net, frozen, without its classifier.

    Attributes:
        name: one of `NAMES`; of a stand-in its own name.
        model: from (batch, height, width, 3), preprocessed, of any size that is not too small.
        preprocessing: its own pair of `preprocess` (RGB to the net's range) and `deprocess` (back).
        presets: the layers that style transfer compares.
        source: the line that was printed.
        is_embedded: whether it is the small net that this project trained.
    """

    name: str
    model: keras.Model = field(repr=False)
    preprocessing: Preprocessing
    presets: Presets = field(repr=False)
    source: str
    is_embedded: bool

    def layers(self) -> list[str]:
        """Return the names of the layers that can be asked for, the shallowest first."""
        return [layer.name for layer in self.model.layers if _NAMED.match(layer.name)]

    def channels(self, layer: str) -> int:
        """Return how many channels a layer has; a UserError if there is no such layer."""
        self.check_layers([layer])
        return self.model.get_layer(layer).output.shape[-1]

    def check_layers(self, names: Sequence[str]) -> None:
        """Raise a UserError with near names unless all of `names` are layers; also if there are no names."""
        known = self.layers()
        if not names:
            raise UserError(f"no layer is named. Name one or more of {self.name}'s: {', '.join(known)}.")
        for name in names:
            if name not in known:
                near = difflib.get_close_matches(str(name), known, n=4, cutoff=0.5) or known
                raise UserError(f"{self.name} has no layer {name!r}. Use one such as {', '.join(near)}.")


def features(backbone: Backbone, layers: Sequence[str]) -> keras.Model:
    """Return a model that gives the activations of some layers and computes nothing beyond the deepest of them.

    Args:
        backbone: the net; its weights are shared, not copied.
        layers: names of `backbone.layers()`.

    Returns:
        A frozen model from (batch, height, width, 3), preprocessed, to a dictionary of float32 activations
        (batch, rows, columns, channels) by the layers' names.

    Raises:
        UserError: there is no such layer; the message lists near names.
    """
    backbone.check_layers(layers)
    outputs = {name: backbone.model.get_layer(name).output for name in layers}
    model = keras.Model(backbone.model.input, outputs, name=f"{backbone.name}_features")
    model.trainable = False
    return model


def load_network(*names: str) -> Backbone:
    """Load a pretrained net and print its name and the source of its weights.

    The sources, in this order: a local file (`NAME_notop.weights.h5`, or the official file, also in Keras' own cache);
    the official download; and, unless `NB_DATA=real`, the small net that this project trained and ships.

    Args:
        names: one or more of `NAMES`, the best first. The first one whose weights are available is loaded. If none is,
            a stand-in for the best is loaded.

    Raises:
        UserError: there is no such net; its file is damaged or another net's; or `NB_DATA=real` and it is not
            available.
    """
    for name in names:
        if name not in _NETS:
            raise UserError(f"there is no net {name!r}. Known: {', '.join(NAMES)}.")
    name = names[0] if len(names) == 1 else next(filter(_is_available, names), names[0])
    if name == EMBEDDED:
        return _embedded("feature_net: trained by this project on 64 x 64 pixels of 100 classes of ImageNet.")
    lookup = sources.find(name)
    if not lookup.paths:
        by_hand = sources.manifest()[name].by_hand
        return _embedded(
            f"Stand-in: the small feature_net in place of {name}, because {lookup.note}. For the real one {by_hand}."
        )
    net = _NETS[name]
    model = _with_weights(net.build, lookup.paths[0])
    print(line := f"{name}: {lookup.note}.")
    return Backbone(name, model, net.preprocessing, net.presets, line, False)


def _with_weights(build: Callable[..., keras.Model], path: Path) -> keras.Model:
    """Build a net without its classifier and read its weights; errors of Keras and HDF5 become a UserError."""
    model = build(include_top=False, weights=None)
    try:
        with warnings.catch_warnings():  # Keras warns of containers of its own before it raises
            warnings.simplefilter("ignore")
            _check_bytes(path, model)
            model.load_weights(path)
    except Exception as error:  # HDF5 and Keras raise a dozen kinds for files that are cut off, altered or another's
        raise UserError(
            f"{path} cannot be read as the weights of {model.name} without its classifier: it is damaged, or another "
            f"net's ({type(error).__name__}). Delete it and get it again, or set NB_DATA=standin."
        ) from error
    model.trainable = False
    return model


def _check_bytes(path: Path, model: keras.Model) -> None:
    """Raise a ValueError if an HDF5 file declares far more numbers than the model has. float64 fits."""
    most = 2 * sum(4 * weight.shape.num_elements() for weight in model.weights) + (1 << 20)  # bytes
    arrays = []
    with h5py.File(path) as file:
        file.visititems(lambda name, item: arrays.append(item) if isinstance(item, h5py.Dataset) else None)
        if sum(array.size * array.dtype.itemsize for array in arrays) > most:
            raise ValueError("it is far too large")


def _embedded(line: str) -> Backbone:
    """Print the line and return the shipped net up to its last convolution."""
    whole = build_feature_net()
    stored_weights.load_weights(EMBEDDED).put_into(whole)
    net = _NETS[EMBEDDED]
    model = keras.Model(whole.input, whole.layers[-3].output, name=EMBEDDED)
    model.trainable = False
    print(line)
    return Backbone(EMBEDDED, model, net.preprocessing, net.presets, line, True)


def _is_available(name: str) -> bool:
    try:
        return name == EMBEDDED or bool(sources.find(name).paths)
    except UserError:  # with NB_DATA=real
        return False
