"""Pretrained convolutional nets for notebooks 02 and 03, with the layers that the books look at."""

import difflib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import keras

from helpers import pretrained, sources, weight_files
from helpers.errors import UserError
from helpers.feature_net import build_feature_net
from helpers.images import CENTRED, INCEPTION, VGG, Preprocessing

EMBEDDED = "feature_net"


@dataclass(frozen=True)
class Presets:
    """Layers of one net.

    Attributes:
        least_size: the smallest height and width in pixels that leave every layer something.
        dream: weights of layers for DeepDream, by "first edition" and "second edition". For InceptionV3 they
            are the books' own; for the others the same weights at layers about as deep.
        style: layers whose Gram matrices are compared; empty where the net is not offered for style transfer.
        content: the layer whose activations are compared, or "".
    """

    least_size: int
    dream: dict[str, dict[str, float]]
    style: tuple[str, ...] = ()
    content: str = ""


@dataclass(frozen=True)
class _Net:
    build: Callable[..., keras.Model]
    preprocessing: Preprocessing
    presets: Presets
    prefix: str = "block"  # of the layers whose names are the same in every session


def _dream(first: Sequence[str], second: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return both books' weights for DeepDream, on four layers each, the shallowest first."""
    return {
        "first edition": dict(zip(first, (0.2, 3.0, 2.0, 1.5), strict=True)),
        "second edition": dict(zip(second, (1.0, 1.5, 2.0, 2.5), strict=True)),
    }


_BOOK_STYLE = tuple(f"block{number}_conv1" for number in range(1, 6))
_NETS = {
    "inception_v3": _Net(
        keras.applications.InceptionV3,
        INCEPTION,
        Presets(75, _dream(("mixed2", "mixed3", "mixed4", "mixed5"), ("mixed4", "mixed5", "mixed6", "mixed7"))),
        prefix="mixed",
    ),
    "vgg19": _Net(
        keras.applications.VGG19,
        VGG,
        Presets(
            32,
            _dream(
                ("block4_conv3", "block4_conv4", "block5_conv1", "block5_conv2"),
                ("block5_conv1", "block5_conv2", "block5_conv3", "block5_conv4"),
            ),
            _BOOK_STYLE,
            "block5_conv2",
        ),
    ),
    "vgg16": _Net(
        keras.applications.VGG16,
        VGG,
        Presets(
            32,
            _dream(
                ("block4_conv2", "block4_conv3", "block5_conv1", "block5_conv2"),
                ("block4_conv3", "block5_conv1", "block5_conv2", "block5_conv3"),
            ),
            _BOOK_STYLE,
            "block5_conv2",
        ),
    ),
    EMBEDDED: _Net(
        build_feature_net,
        CENTRED,
        # Four blocks, so the last convolution stands in for the fifth block's first.
        Presets(
            8,
            _dream(
                ("block3_conv2", "block3_conv3", "block4_conv1", "block4_conv2"),
                ("block3_conv3", "block4_conv1", "block4_conv2", "block4_conv3"),
            ),
            (*_BOOK_STYLE[:4], "block4_conv3"),
            "block4_conv2",
        ),
    ),
}
NAMES = tuple(_NETS)


@dataclass(frozen=True)
class Backbone:
    """A pretrained net, frozen, without its classifier.

    Attributes:
        name: one of `NAMES`; where another net stands in for the one asked for, the name of that other.
        model: from (batch, height, width, 3), preprocessed, any size from `presets.least_size` on.
        preprocessing: its own pair of `preprocess` (RGB to what the net sees) and `deprocess` (back).
        presets: the layers that the notebooks use.
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
        return [layer.name for layer in self.model.layers if layer.name.startswith(_NETS[self.name].prefix)]

    def channels(self, layer: str) -> int:
        """Return how many channels a layer has.

        Raises:
            UserError: there is no such layer.
        """
        self.check_layers([layer])
        return self.model.get_layer(layer).output.shape[-1]

    def check_layers(self, names: Sequence[str]) -> None:
        """Raise a UserError that lists the near names unless all of `names` are layers, and there is one at least."""
        known = self.layers()
        if not names:
            raise UserError(f"no layer is named. Name one or more of {self.name}'s: {', '.join(known)}.")
        for name in names:
            if name not in known:
                near = difflib.get_close_matches(str(name), known, n=4, cutoff=0.5) or known
                raise UserError(f"{self.name} has no layer {name!r}. Use one such as {', '.join(near)}.")

    def check_size(self, height: int, width: int) -> None:
        """Raise a UserError if a picture of `height` times `width` pixels is too small for this net."""
        if min(height, width) < self.presets.least_size:
            raise UserError(
                f"{height} x {width} pixels are too few for {self.name}. Give a picture of at least "
                f"{self.presets.least_size} pixels each way, or enlarge it."
            )


def features(backbone: Backbone, layers: Sequence[str]) -> keras.Model:
    """Return a model that gives the activations of some layers and computes nothing beyond the deepest of them.

    Args:
        backbone: where they are taken from; the weights are shared, not copied.
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


def load(name: str) -> Backbone:
    """Load a pretrained net and print one line that says which, and where its weights come from.

    The order is: a local file (`NAME_notop.weights.h5`, or the official file, also in Keras' own cache), the
    official download, and, unless `NB_DATA=real`, the small net that this project trained and ships.

    Args:
        name: one of `NAMES`: "inception_v3", "vgg19", "vgg16" or "feature_net".

    Raises:
        UserError: there is no such net; its file is damaged or another net's; or `NB_DATA=real` and it
            cannot be had.
    """
    if name not in _NETS:
        raise UserError(f"there is no net {name!r}. Known: {', '.join(NAMES)}.")
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
    return _report(Backbone(name, model, net.preprocessing, net.presets, f"{name}: {lookup.note}.", False))


def _with_weights(build: Callable[..., keras.Model], path: Path) -> keras.Model:
    """Build a net without its classifier and read its weights; what Keras and HDF5 raise becomes a UserError."""
    model = build(include_top=False, weights=None)
    try:
        with warnings.catch_warnings():  # Keras warns of containers of its own before it raises
            warnings.simplefilter("ignore")
            weight_files.check(path, model)
            model.load_weights(path)
    except Exception as error:  # HDF5 and Keras raise a dozen kinds for files that are cut off, altered or another's
        raise UserError(
            f"{path} cannot be read as the weights of {model.name} without its classifier: it is damaged, or another "
            f"net's ({type(error).__name__}). Delete it and get it again, or set NB_DATA=standin."
        ) from error
    model.trainable = False
    return model


def _embedded(line: str) -> Backbone:
    whole = build_feature_net()
    pretrained.load(EMBEDDED).put_into(whole)
    net = _NETS[EMBEDDED]
    model = keras.Model(whole.input, whole.layers[-3].output, name=EMBEDDED)  # up to the last convolution
    model.trainable = False
    return _report(Backbone(EMBEDDED, model, net.preprocessing, net.presets, line, True))


def _report(backbone: Backbone) -> Backbone:
    print(backbone.source)
    return backbone


def load_first(*names: str) -> Backbone:
    """Load the first of several nets whose weights can be had, best first; otherwise as `load` of the best one."""
    return load(next((name for name in names if _can_be_had(name)), names[0]))


def _can_be_had(name: str) -> bool:
    try:
        return name == EMBEDDED or bool(sources.find(name).paths)
    except UserError:  # with NB_DATA=real
        return False
