"""Mixed precision: networks that compute in 16 bits and keep their weights in 32, for GPUs that are faster that way.

`keras.config.set_dtype_policy("mixed_float16")`, or `"mixed_bfloat16"`, asks for it before the networks are built. The
notebooks' last layers and losses stay in float32: the loss of a 64 x 64 picture can exceed 65,504, the largest float16.
What is too small for float16 are the gradients, so the loss is multiplied by a large scale before they are taken
(Micikevicius et al., "Mixed Precision Training", 2018, section 3.2); bfloat16 has float32's range and needs none.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import keras
import tensorflow as tf

from helpers.errors import UserError

MEND = 'Call keras.config.set_dtype_policy("mixed_bfloat16") or ("float32"), build the model again'
UNTAKEN = "an optimiser took no step: all its gradients overflowed. Its scale was halved each time; training goes on."
_EPSILON = {"float16": 2**-10, "bfloat16": 2**-7}  # from 1 to the next number


def scaling(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """Return an optimiser that scales the loss if the policy in force computes in float16, else the one given.

    `keras.Model.compile` does so for a model's one optimiser; this is for models with two. Steps whose gradients
    overflow are left out, and the scale is halved. The training step calls `optimizer.scale_loss(loss)`.
    """
    is_needed = keras.config.dtype_policy().compute_dtype == "float16"
    return keras.optimizers.LossScaleOptimizer(optimizer) if is_needed else optimizer


@contextmanager
def single() -> Iterator[None]:
    """Build what is built within in float32, whatever policy is in force: pretrained nets, say, whose activations are
    summed over thousands of places in style losses."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


@contextmanager
def full_precision() -> Iterator[None]:
    """Compute products in full float32 inside: a GPU's TF32 is off there, and afterwards what it was before.

    NVIDIA's GPUs since 2020 round the inputs of float32 products and convolutions to 10 bits of mantissa. The same
    number computed in two ways then differs by about a thousandth.

    A function that XLA compiled outside keeps the precision it was compiled with. cuDNN's convolutions and LSTM may
    keep theirs for the shapes that a traced function has run outside.
    """
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)


def check(model: keras.Model, optimizers: Iterable[keras.optimizers.Optimizer]) -> None:
    """Pass float32 and mixed precision.

    Raises:
        UserError: the weights are in 16 bits too; or a model that computes in float16 has an optimiser that does not
            scale the loss, or is trained on several devices, of which Keras asks one alone whether a step overflows.
    """
    if model.variable_dtype in ("float16", "bfloat16"):
        raise UserError(
            f"the model's weights are {model.variable_dtype}, too coarse for small steps. Call "
            f'keras.config.set_dtype_policy("mixed_{model.variable_dtype}") or ("float32") and build the model again.'
        )
    is_coarse = any(layer.compute_dtype == "float16" for layer in [model, *model._flatten_layers()])
    if is_coarse and model.distribute_strategy.num_replicas_in_sync > 1:
        raise UserError(
            "the model computes in float16 on several devices, where an overflow on one would spoil the weights. "
            f"{MEND}, and start anew."
        )
    unscaled = [each for each in optimizers if not isinstance(each, keras.optimizers.LossScaleOptimizer)]
    if is_coarse and unscaled:
        raise UserError(
            f"the model computes in float16, where small gradients vanish, but its {type(unscaled[0]).__name__} does "
            "not scale the loss. Put it in a keras.optimizers.LossScaleOptimizer when the model is compiled."
        )


def steps_taken(optimizers: Iterable[keras.optimizers.Optimizer]) -> list[int]:
    """Return how many steps each optimiser that scales the loss has taken: those without an overflow."""
    return [int(each.iterations) for each in _scaled(optimizers)]


def overflows(optimizers: Iterable[keras.optimizers.Optimizer]) -> bool:
    """Return whether a scale is below 1: then gradients overflowed unscaled too, and hardly a step is taken."""
    return any(float(each.dynamic_scale) < 1 for each in _scaled(optimizers))


def _scaled(optimizers: Iterable[keras.optimizers.Optimizer]) -> list[keras.optimizers.LossScaleOptimizer]:
    return [each for each in optimizers if isinstance(each, keras.optimizers.LossScaleOptimizer)]


def tolerance(in_float32: float, size: float = 1.0) -> float:
    """Return how far two ways to one number may lie apart.

    Args:
        in_float32: how far in float32.
        size: of the numbers. Where layers compute in 16 bits, they may lie four steps of such numbers apart.
    """
    return max(in_float32, 4 * size * _EPSILON.get(keras.config.dtype_policy().compute_dtype, 0.0))
