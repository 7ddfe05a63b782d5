"""Turns the trained feature net into what is shipped: batch normalisation folded away, every mean activation 1."""

from collections.abc import Iterable, Sequence

import keras
import numpy as np
import tensorflow as tf

from helpers.networks.pretrained import build_feature_net
from helpers.networks.weights import assign, values_of


def convolutions(model: keras.Model) -> list[keras.layers.Conv2D]:
    """Return a net's convolutions, the first one first."""
    return [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]


def fold(trained: keras.Model, blocks: Sequence[tuple[int, int]]) -> keras.Model:
    """Return the float32 net without batch normalisation that gives what `trained` gives at inference.

    γ (w∗x − μ) / √(σ² + ε) + β is itself a convolution: its kernel is w γ / √(σ² + ε), its bias
    β − μ γ / √(σ² + ε). Source: Jacob et al., 2018, section 3.2 (arXiv:1712.05877).
    """
    plain = build_feature_net(blocks, classes=trained.output.shape[-1])
    for layer in convolutions(plain):
        normalisation = trained.get_layer(f"{layer.name}_norm")
        gamma, beta, mean, variance = (value.astype(np.float64) for value in values_of(normalisation.weights))
        factor = gamma / np.sqrt(variance + normalisation.epsilon)
        (kernel,) = values_of(trained.get_layer(layer.name).weights)
        assign(layer.weights, [kernel * factor, beta - mean * factor], layer.name)
    assign(plain.get_layer("logits").weights, values_of(trained.get_layer("logits").weights), "logits")
    return plain


def mean_activations(model: keras.Model, batches: Iterable[tf.Tensor]) -> dict[str, float]:
    """Return every convolution's mean activation, after the ReLU, over batches of what the net sees."""
    layers = convolutions(model)
    probe = tf.function(keras.Model(model.input, [layer.output for layer in layers]), reduce_retracing=True)
    sums, pixels = np.zeros(len(layers)), 0
    for batch in batches:
        weight = int(tf.size(batch))
        sums += weight * np.array([float(tf.reduce_mean(activation)) for activation in probe(batch)])
        pixels += weight
    return {layer.name: total / pixels for layer, total in zip(layers, sums, strict=True)}


def normalise_activations(model: keras.Model, batches: Iterable[tf.Tensor]) -> None:
    """Scale a folded net, in place, until every convolution's mean activation over `batches` is 1.

    A ReLU passes a positive factor on, so the next layer's kernel takes back what a layer is divided by, and the logits
    stay. Then one set of loss weights serves all layers. Source: Gatys et al., 2016, section 2.
    """
    before = 1.0
    for name, mean in mean_activations(model, batches).items():
        kernel, bias = values_of(model.get_layer(name).weights)
        assign(model.get_layer(name).weights, [kernel * (before / mean), bias / mean], name)
        before = mean
    kernel, bias = values_of(model.get_layer("logits").weights)
    assign(model.get_layer("logits").weights, [kernel * before, bias], "logits")


def round_to_half(model: keras.Model) -> None:
    """Round a net's weights, in place, to the float16 they will be shipped as."""
    rounded = [value.astype(np.float16).astype(np.float32) for value in values_of(model.weights)]
    assign(model.weights, rounded, "the rounded weights")
