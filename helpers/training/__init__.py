"""Batches, the training loop with its checkpoints, progress, and what depends on the machine."""

from helpers.training.batches import PictureBatches, in_order, sequence_batches, window_batches
from helpers.training.checkpoints import kept
from helpers.training.descent import Descent
from helpers.training.loop import Training
from helpers.training.machine import compiled, full_precision, uses_xla
from helpers.training.progress import progress_bar

__all__ = [
    "Descent",
    "PictureBatches",
    "Training",
    "compiled",
    "full_precision",
    "in_order",
    "kept",
    "progress_bar",
    "sequence_batches",
    "uses_xla",
    "window_batches",
]
