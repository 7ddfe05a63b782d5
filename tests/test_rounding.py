"""A CPU rounds products as a GPU does where ROUND_PRODUCTS=1 asks for it, and full_precision() turns that off.

Another process rounds, and this file is its program: the patch must not leak into this process.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from helpers.training.machine import full_precision

ROOT = Path(__file__).resolve().parents[1]
OPERATIONS = {  # with the shapes of the input and of the weights
    "matmul": (tf.matmul, (40, 60), (60, 30)),
    "conv2d": (lambda x, weights: tf.nn.conv2d(x, weights, 2, "SAME"), (2, 10, 10, 8), (3, 3, 8, 6)),
    "einsum": (lambda x, weights: tf.einsum("bij,bjk->bik", x, weights), (2, 8, 60), (2, 60, 5)),
}


def test_products_and_slopes_are_rounded_while_tf32_is_allowed():
    path = os.pathsep.join([str(ROOT / "tests" / "guard"), str(ROOT)])
    variables = {**os.environ, "PYTHONPATH": path, "ROUND_PRODUCTS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, __file__], env=variables, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout.splitlines()[-1])
    assert measured.pop("lowest bits") == 0  # ten bits of mantissa are kept
    assert 1e-4 < measured.pop("one row alone") < 1e-1
    for allowed, full, again in (errors for of_operation in measured.values() for errors in of_operation):
        assert 3e-5 < allowed < 3e-3 and full < 3e-6
        assert again == pytest.approx(allowed, rel=0.1)


@pytest.mark.parametrize("before", [True, False])
def test_the_switch_is_put_back_after_an_exception_too(before):
    switch = tf.config.experimental
    at_first = switch.tensor_float_32_execution_enabled()
    try:
        switch.enable_tensor_float_32_execution(before)
        with pytest.raises(ZeroDivisionError), full_precision():
            assert not switch.tensor_float_32_execution_enabled()
            raise ZeroDivisionError
        assert switch.tensor_float_32_execution_enabled() == before
    finally:
        switch.enable_tensor_float_32_execution(at_first)


def errors(operation, *shapes) -> list[list[float]]:
    """Return errors with TF32, without it, and with it again: of the operation, traced, and of its gradient."""

    def slope(x, weights):
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(operation(x, weights) ** 2)
        return tape.gradient(total, x)

    inputs = [tf.constant(np.random.default_rng(1).normal(size=shape), tf.float32) for shape in shapes]
    measured = []
    for run, exact in ((operation, operation), (tf.function(operation), operation), (tf.function(slope), slope)):
        true = exact(*(tf.cast(each, tf.float64) for each in inputs)).numpy()  # never rounded
        error = lambda run=run, true=true: float(np.abs(run(*inputs) - true).max() / np.abs(true).max())  # noqa: E731
        allowed = error()
        with full_precision():
            full = error()
        measured.append([allowed, full, error()])
    return measured


if __name__ == "__main__":
    x, weights = tf.random.stateless_normal((30, 16), (1, 2)), tf.random.stateless_normal((16, 16), (3, 4))
    facts = {
        "lowest bits": int(np.count_nonzero((x @ tf.eye(16)).numpy().view(np.int32) & 0x1FFF)),
        "one row alone": float(tf.reduce_max(tf.abs((x @ weights)[:1] - x[:1] @ weights))),
    }
    print(json.dumps(facts | {name: errors(*parts) for name, parts in OPERATIONS.items()}))
