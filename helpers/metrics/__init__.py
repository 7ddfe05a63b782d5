"""Figures that say how good texts and pictures are."""

from helpers.metrics.attributes import AttributeReaders
from helpers.metrics.pictures import (
    feature_model,
    kernel_inception_distance,
    mean_pairwise_distance,
    nearest_neighbours,
    picture_features,
    precision_recall,
    share_by_size,
    side_of_share,
)
from helpers.metrics.texts import log_frequencies, nats_per_symbol, row, uniform_nats, unigram_nats

__all__ = [
    "AttributeReaders",
    "feature_model",
    "kernel_inception_distance",
    "log_frequencies",
    "mean_pairwise_distance",
    "nats_per_symbol",
    "nearest_neighbours",
    "picture_features",
    "precision_recall",
    "row",
    "share_by_size",
    "side_of_share",
    "uniform_nats",
    "unigram_nats",
]
