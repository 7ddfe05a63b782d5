"""A CPU rounds products as a GPU does where ROUND_PRODUCTS=1 asks for it, and full_precision() turns that off.

What rounds is another process, which this file is the program of: the patch must not leak into this one.
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


@pytest.fixture(scope="module")
def found():
    """What the other process found: for each operation and way its error with TF32, without, and with it again."""
    path = os.pathsep.join([str(ROOT / "tests" / "guard"), str(ROOT)])
    variables = {**os.environ, "PYTHONPATH": path, "ROUND_PRODUCTS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, __file__], env=variables, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", OPERATIONS)
def test_products_and_slopes_are_rounded_while_tf32_is_allowed(found, name):
    for allowed, full, again in found[name]:
        assert 3e-5 < allowed < 3e-3 and full < 3e-6
        assert again == pytest.approx(allowed, rel=0.1)


def test_ten_bits_are_kept_and_one_row_alone_may_come_out_otherwise(found):
    assert found["bits left"] == 0
    assert 1e-4 < found["alone"] < 1e-1


@pytest.mark.parametrize("before", [True, False])
def test_what_was_allowed_is_put_back_after_an_exception_too(before):
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
    """Return an operation's errors: eagerly, traced before the switch moves, and of the gradient."""
    small = [tf.constant(np.random.default_rng(1).normal(size=shape), tf.float32) for shape in shapes]
    large = [tf.cast(each, tf.float64) for each in small]  # never rounded

    def slope(x, weights):
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(operation(x, weights) ** 2)
        return tape.gradient(total, x)

    ways = (operation, operation), (tf.function(operation), operation), (tf.function(slope), slope)
    measured = []
    for run, exact in ways:
        true = exact(*large).numpy()
        error = lambda run=run, true=true: float(np.abs(run(*small) - true).max() / np.abs(true).max())  # noqa: E731
        allowed = error()
        with full_precision():
            full = error()
        measured.append([allowed, full, error()])
    return measured


if __name__ == "__main__":
    x = tf.random.stateless_normal((30, 16), (1, 2))
    weights = tf.random.stateless_normal((16, 16), (3, 4))
    bits = (x @ tf.eye(16)).numpy().view(np.int32)
    facts = {
        "bits left": int(np.count_nonzero(bits & 0x1FFF)),
        "alone": float(tf.reduce_max(tf.abs((x @ weights)[:1] - x[:1] @ weights))),
    }
    print(json.dumps(facts | {name: errors(*parts) for name, parts in OPERATIONS.items()}))
