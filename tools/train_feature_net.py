"""Trains the small feature net on Tiny ImageNet and ships it: `python -m tools.train_feature_net FOLDER`.

FOLDER takes the checkpoints. A training that was killed goes on when the same command is given again;
when it is over, batch normalisation is folded into the convolutions, every convolution's mean activation
is made 1, and the weights go to data/pretrained as float16. `--finish` does that from the last checkpoint.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from helpers.networks import pretrained as backbones
from helpers.networks import weights
from helpers.networks.pretrained import BLOCKS, build_feature_net
from helpers.session import UserError
from helpers.training.batches import untuned
from helpers.training.loop import Training
from tools import pack_feature_net as pack
from tools.ship import MACHINE, best_epoch, card, trained
from tools.tiny_imagenet import Pictures, augment, find_data, read_pictures, read_words

STAGES = ((32, 10), (48, 8), (64, 10))  # (side in pixels, epochs): small pictures are cheap and teach most of it
BATCH = 64
LEARNING_RATE = 0.002
WEIGHT_DECAY = 0.05
SEED = 7


def training_batches(pictures: Pictures, sides: Sequence[int], classes: int) -> Callable[[int], tf.data.Dataset]:
    """Return a function from the epoch, counted from 0, to its batches of (pictures, one-hot labels)."""

    def batches(epoch: int) -> tf.data.Dataset:
        order = np.random.default_rng([SEED, epoch]).permutation(len(pictures))

        def prepare(number, rows):
            pixels = augment(tf.gather(pictures.pixels, rows), sides[epoch], tf.stack([number, SEED + epoch]))
            return backbones.CENTRED.preprocess(pixels), tf.one_hot(tf.gather(pictures.labels, rows), classes)

        dataset = tf.data.Dataset.from_tensor_slices(order).batch(BATCH, drop_remainder=True)
        return untuned(dataset.enumerate().map(prepare, num_parallel_calls=2).prefetch(2))

    return batches


def held_out_figures(model: keras.Model, pictures: Pictures, side: int | None = None) -> dict[str, float]:
    """Return "validation" (nats) and "accuracy" (share of right first guesses) of the pictures at `side` pixels."""
    forward = tf.function(lambda batch: model(batch, training=False), reduce_retracing=True)
    logits = tf.concat([forward(batch) for batch in pictures.normalised(side)], axis=0)
    nats = keras.losses.sparse_categorical_crossentropy(pictures.labels, logits, from_logits=True)
    right = tf.argmax(logits, axis=1) == pictures.labels
    return {"validation": float(tf.reduce_mean(nats)), "accuracy": float(tf.reduce_mean(tf.cast(right, tf.float32)))}


def prepare_training(
    folder: Path, pictures: Pictures, stages: Sequence, blocks: Sequence, dtype: str = "mixed_bfloat16"
) -> Training:
    """Return the training, not yet begun: AdamW with a short warm-up and cosine decay, smoothed labels."""
    keras.utils.set_random_seed(SEED)
    classes = int(tf.reduce_max(pictures.labels)) + 1
    model = build_feature_net(blocks, classes, for_training=True, dtype=dtype)
    steps = len(pictures) // BATCH * sum(epochs for _, epochs in stages)
    warm_up = steps // 30 + 1
    rate = keras.optimizers.schedules.CosineDecay(
        LEARNING_RATE / 20, steps - warm_up, alpha=0.0, warmup_target=LEARNING_RATE, warmup_steps=warm_up
    )
    model.compile(
        keras.optimizers.AdamW(rate, weight_decay=WEIGHT_DECAY),
        keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1),
    )
    settings = {"stages": stages, "blocks": blocks, "dtype": dtype, "seed": SEED, "pictures": len(pictures)}
    return Training(model, folder, settings)


def train(
    training: Training, pictures: Pictures, held_out: Pictures, stages: Sequence, epochs: int | None = None
) -> list[dict]:
    """Train through all stages, going on from a checkpoint; return the history. The model then has the best weights.

    `stages` are (side in pixels, epochs). Stops after `epochs` in all; 0 only puts the best weights in place.
    """
    sides = [side for side, count in stages for _ in range(count)]
    classes = training.model.output.shape[-1]

    def validate() -> dict[str, float]:
        return held_out_figures(training.model, held_out, sides[len(training.history)])

    def report(history: list[dict]) -> None:
        if history:
            print(progress(history, sides), flush=True)

    return training.fit(
        training_batches(pictures, sides, classes), len(sides) if epochs is None else epochs, validate, report
    )


def progress(history: list[dict], sides: Sequence[int]) -> str:
    """Return a line on the last epoch, and on the minutes left if an epoch takes as long as its pixels."""
    now, before = history[-1], history[-2]["seconds"] if len(history) > 1 else 0
    side, ahead = sides[len(history) - 1], sides[len(history) :]
    left = (now["seconds"] - before) / side**2 * sum(other**2 for other in ahead) / 60
    figures = f"loss {now['loss']:.3f}, held out {now['validation']:.3f} nats, accuracy {now['accuracy']:.3f}"
    minutes = f"{now['seconds'] / 60:.1f} minutes, about {left:.0f} to go"
    return f"epoch {len(history)} of {len(sides)} at {side} pixels: {figures}; {minutes}"


def main() -> int:
    """Train, pack and ship; return 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--finish", action="store_true", help="train no further: pack and ship the last checkpoint")
    parser.add_argument("--machine", default=MACHINE, help="as the card names it")
    parser.add_argument("--to", type=Path, default=weights.FOLDER, help="where the packed weights go")
    arguments = parser.parse_args()
    try:
        path = find_data()
        pictures, held_out = read_pictures(path, "train"), read_pictures(path, "val")
        training = prepare_training(arguments.folder, pictures, STAGES, BLOCKS)
        history = train(training, pictures, held_out, STAGES, 0 if arguments.finish else None)
        is_over = len(history) == sum(epochs for _, epochs in STAGES)
        if not history or not (is_over or arguments.finish):
            raise UserError("The training is not over. The same command goes on; --finish ships what is there.")
        net = packed(training.model, held_out)
        words = read_words(path)
        accuracy = held_out_figures(net, held_out)["accuracy"]
        chance = f"chance {1 / len(words):.0%}"
        figure = f"{accuracy:.1%} of {len(held_out):,} pictures named right at the first guess ({chance})"
        facts = card(
            "feature_net",
            made_by="tools/train_feature_net.py: 3x3 convolutions, batch normalisation folded, mean activations 1",
            data=f"Tiny ImageNet: {len(pictures):,} pictures of 64x64 pixels in {len(words)} classes",
            training=trained(history, arguments.machine, best_epoch(history)),
            held_out=f"{figure}; the best epoch was chosen on the same pictures",
        )
        weights.save("feature_net", net, words, facts, arguments.to)
    except UserError as error:
        sys.exit(str(error))
    print(f"Shipped: {figure}; {held_out_figures(training.model, held_out)['accuracy']:.1%} before packing.")
    return 0


def packed(trained: keras.Model, held_out: Pictures) -> keras.Model:
    """Return the folded net with mean activations of 1 over the held-out pictures, rounded to float16."""
    net = pack.fold(trained, BLOCKS)
    pack.normalise_activations(net, held_out.normalised())
    pack.round_to_half(net)
    return net


if __name__ == "__main__":
    sys.exit(main())
