"""Rounds what float32 products and convolutions take in, as GPUs since 2020 do, so that a CPU shows what holds there.

Those GPUs keep 10 of the 23 bits of mantissa ("TF32") unless tf.config.experimental.enable_tensor_float_32_execution
is given False. So does TensorFlow after `install`: forwards, backwards, eagerly, in functions and in what XLA compiles.
Functions read the switch each time they run, also those that were traced before it was moved. A GPU does not let it
reach all of them: a function that XLA compiled keeps the precision that it was compiled with.

Nor does a GPU take one kernel for all shapes. So the bits are cut off, instead of rounded to the nearest, where a batch
has one row: a picture alone and the same one among others then give different results.
"""

import functools
import inspect
import threading
from types import SimpleNamespace

_HALF = 1 << 12  # of the last bit of mantissa that is kept, the tenth of 23
_switch, _lock = None, threading.Lock()


def install() -> None:
    """Patch the TensorFlow of this process: its products and convolutions, and the two functions of the switch."""
    from tensorflow.python.framework import config
    from tensorflow.python.ops import gen_linalg_ops, gen_math_ops, gen_nn_ops

    if isinstance(config._pywrap_tensor_float_32_execution, SimpleNamespace):
        return
    native = config._pywrap_tensor_float_32_execution  # on a CPU it does nothing but remember

    def enable(is_allowed: bool) -> None:
        native.enable(is_allowed)
        with _lock:
            if _switch is not None:
                _eagerly(lambda: _switch.assign(is_allowed))

    config._pywrap_tensor_float_32_execution = SimpleNamespace(enable=enable, is_enabled=native.is_enabled)
    for name in ("batch_mat_mul", "batch_mat_mul_v2", "batch_mat_mul_v3"):
        _patch(gen_math_ops, name, "x", "y")
    _patch(gen_math_ops, "mat_mul", "a", "b")
    _patch(gen_linalg_ops, "einsum", "inputs")
    for name in ("conv2d", "depthwise_conv2d_native"):
        _patch(gen_nn_ops, name, "input", "filter")
    for name in ("conv2d_backprop", "depthwise_conv2d_native_backprop"):
        _patch(gen_nn_ops, f"{name}_input", "out_backprop", "filter")
        _patch(gen_nn_ops, f"{name}_filter", "input", "out_backprop")


def _patch(module, name: str, batch: str, *others: str) -> None:
    """Let a generated operation round some of its arguments; TensorFlow and its gradients find it by its module."""
    operation = getattr(module, name)
    names = list(inspect.signature(operation).parameters)

    @functools.wraps(operation)
    def rounding(*positional, **named):
        given = dict(zip(names, positional, strict=False)) | named
        half = _half(given[batch])
        return operation(**given | {each: _rounded(given[each], half) for each in (batch, *others)})

    setattr(module, name, rounding)


def _half(batch):
    """Return what to add before the bits are cut off: nothing for a batch of one row."""
    import tensorflow as tf

    first = batch[0] if isinstance(batch, list | tuple) else batch
    return tf.where(tf.shape(first)[0] == 1, 0, _HALF)


def _rounded(value, half):
    """Return a float32 tensor, or all in a list, rounded where the switch allows it; the slope stays 1.

    Anything else stays as it is.
    """
    import numpy as np
    import tensorflow as tf

    if isinstance(value, list | tuple):
        return [_rounded(each, half) for each in value]
    if not isinstance(value, tf.Tensor | tf.Variable | np.ndarray) or tf.as_dtype(value.dtype) != tf.float32:
        return value
    value, is_allowed = tf.convert_to_tensor(value), _is_allowed()
    if is_allowed is False:
        return value
    near = tf.bitcast(tf.bitwise.bitwise_and(tf.bitcast(value, tf.int32) + half, -2 * _HALF), tf.float32)
    change = tf.where(tf.math.is_finite(value) & is_allowed, near - value, 0.0)  # exact, as is the sum
    return value + tf.stop_gradient(change)


def _is_allowed():
    """Return the switch: True or False now, or, in a function that is being traced, a tensor to be read in each run."""
    import tensorflow as tf
    from tensorflow.python.framework import ops
    from tensorflow.python.ops.control_flow_v2_func_graphs import ControlFlowFuncGraph

    graph = None if tf.executing_eagerly() else ops.get_default_graph()
    if not getattr(graph, "building_function", False):
        return tf.config.experimental.tensor_float_32_execution_enabled()
    while isinstance(graph, ControlFlowFuncGraph):  # a loop's gradient can take in numbers, but no variables
        graph = graph.outer_graph
    if not hasattr(graph, "tf32_is_allowed"):
        with graph.as_default(), tf.control_dependencies(None):
            graph.tf32_is_allowed = _made_switch().read_value()
    return graph.tf32_is_allowed


def _made_switch():
    """Return the variable that functions read; made when first needed, since devices may be set up until then."""
    global _switch
    import tensorflow as tf
    from tensorflow.python.ops.resource_variable_ops import ResourceVariable  # no strategy makes several of it

    with _lock:
        if _switch is None:
            is_allowed = tf.config.experimental.tensor_float_32_execution_enabled()
            _switch = _eagerly(lambda: ResourceVariable(is_allowed, trainable=False, name="tf32"))
    return _switch


def _eagerly(work):
    """Do something with the switch outside of any function, tape and device that is in force."""
    import tensorflow as tf

    with tf.init_scope(), tf.device("CPU:0"):
        return work()
