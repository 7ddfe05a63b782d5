"""Networks that were trained before: on ImageNet, and by this project."""

from helpers.networks.pretrained import CENTRED, INCEPTION, VGG, Backbone, features, load_network
from helpers.networks.weights import assign, load_histories, load_weights

__all__ = [
    "Backbone",
    "CENTRED",
    "INCEPTION",
    "VGG",
    "assign",
    "features",
    "load_histories",
    "load_network",
    "load_weights",
]
