"""A CPU rounds products as a GPU does where ROUND_PRODUCTS=1 asks for it, and full_precision() turns that off.

What rounds is another process, which this file is the program of: the patch must not leak into this one.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHAPES = {  # of the input and of the weights
    "matmul": [(40, 60), (60, 30)],
    "einsum": [(2, 8, 60), (2, 60, 5)],
    "conv2d": [(2, 10, 10, 8), (3, 3, 8, 6)],
    "conv2d_transpose": [(2, 5, 5, 8), (3, 3, 6, 8)],
    "depthwise_conv2d": [(2, 10, 10, 8), (3, 3, 8, 2)],
    "LSTM": [(2, 12, 16)],
}
WAYS = ["eager", "traced before", "XLA", "gradient traced before"]


@pytest.fixture(scope="module")
def found():
    """What the other process found: for each operation and way its error with TF32, and without."""
    path = os.pathsep.join([str(ROOT / "tests" / "guard"), str(ROOT)])
    variables = {**os.environ, "PYTHONPATH": path, "ROUND_PRODUCTS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, __file__], env=variables, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("way", WAYS)
def test_products_are_rounded_while_tf32_is_allowed(found, name, way):
    allowed, full, again = found["errors"][f"{name}, {way}"]
    assert 3e-5 < allowed < 3e-3 and full < 3e-6
    assert again == pytest.approx(allowed, rel=0.1)


def test_ten_bits_are_kept(found):
    assert found["bits left"] == 0 and 2**-12 < found["largest change"] <= 2**-11


def test_one_row_alone_may_come_out_otherwise(found):
    allowed, full = found["alone"]
    assert full < 1e-6 and 3e-5 < allowed < 5e-3


def test_this_process_does_not_round():
    import tensorflow as tf

    x = tf.constant([[1 + 2**-20]])
    assert float((x @ [[1.0]])[0, 0]) == 1 + 2**-20


class TestFullPrecision:
    @pytest.fixture(autouse=True)
    def switch(self):
        """Put the switch back where a test that fails left it wrong."""
        import tensorflow as tf

        before = tf.config.experimental.tensor_float_32_execution_enabled()
        yield
        tf.config.experimental.enable_tensor_float_32_execution(before)

    @pytest.mark.parametrize("before", [True, False])
    def test_what_was_there_is_put_back(self, before):
        import tensorflow as tf

        from helpers.precision import full_precision

        is_allowed = tf.config.experimental.tensor_float_32_execution_enabled
        tf.config.experimental.enable_tensor_float_32_execution(before)
        with full_precision():
            assert not is_allowed()
            with full_precision():
                assert not is_allowed()
            assert not is_allowed()
        assert is_allowed() == before

    @pytest.mark.parametrize("before", [True, False])
    def test_after_an_exception_too(self, before):
        import tensorflow as tf

        from helpers.precision import full_precision

        tf.config.experimental.enable_tensor_float_32_execution(before)
        with pytest.raises(ZeroDivisionError), full_precision():
            raise ZeroDivisionError
        assert tf.config.experimental.tensor_float_32_execution_enabled() == before


def main() -> None:
    """Measure all that the tests above look at, and print it."""
    found = {"errors": {}, "alone": alone(), **bits()}
    for name, shapes in SHAPES.items():
        found["errors"] |= {f"{name}, {way}": errors for way, errors in measured(name, shapes).items()}
    print(json.dumps(found))


def measured(name: str, shapes: list) -> dict:
    """Return the errors of an operation by the way it is run: with TF32, without, and with it again."""
    import numpy as np
    import tensorflow as tf

    from helpers.precision import full_precision

    draw = np.random.default_rng(1).normal
    inputs = [draw(size=shape) for shape in shapes]
    operation, exact = operations(name, shapes[0])
    small = [tf.constant(each, tf.float32) for each in inputs]
    large = [tf.cast(each, tf.float64) for each in small]
    true = exact(*large).numpy()
    output_weights = draw(size=true.shape).astype(np.float32)

    def slope(operation, *given):
        with tf.GradientTape() as tape:
            tape.watch(given[0])
            total = tf.reduce_sum(operation(*given) * tf.cast(output_weights, given[0].dtype))
        return tape.gradient(total, given[0])

    traced_slope = tf.function(lambda *given: slope(operation, *given))
    ways = {
        "eager": operation,
        "traced before": tf.function(operation),
        "XLA": tf.function(operation, jit_compile=True),
        "gradient traced before": traced_slope,
    }
    true_slope = slope(exact, *large).numpy()
    errors = {}
    for way, run in ways.items():
        aim = true_slope if "gradient" in way else true
        error = lambda run=run, aim=aim: float(np.abs(run(*small) - aim).max() / np.abs(aim).max())  # noqa: E731
        errors[way] = [error()]
        with full_precision():
            errors[way].append(error())
        errors[way].append(error())
    return errors


def operations(name: str, shape: tuple) -> tuple:
    """Return an operation in float32, and the same in float64, which is never rounded."""
    import keras
    import tensorflow as tf

    plain = {
        "matmul": tf.matmul,
        "einsum": lambda x, weights: tf.einsum("bij,bjk->bik", x, weights),
        "conv2d": lambda x, weights: tf.nn.conv2d(x, filters=weights, strides=2, padding="SAME"),
        "conv2d_transpose": lambda x, w: tf.nn.conv2d_transpose(x, w, (2, 10, 10, 6), strides=2),
        "depthwise_conv2d": lambda x, weights: tf.nn.depthwise_conv2d(x, weights, [1, 1, 1, 1], "SAME"),
    }
    if name in plain:
        return plain[name], plain[name]
    layers = [keras.layers.LSTM(12, dtype=dtype) for dtype in ("float32", "float64")]
    for layer in layers:
        layer.build((None, *shape[1:]))
    layers[1].set_weights(layers[0].get_weights())
    return tuple(layers)


def bits() -> dict:
    """Return what a product with 1 leaves of the bits that should go, and how far it moves numbers."""
    import numpy as np
    import tensorflow as tf

    x = np.random.default_rng(2).normal(size=(1000, 1)).astype(np.float32)
    rounded = (x @ tf.ones((1, 1))).numpy()
    return {
        "bits left": int(np.count_nonzero(rounded.view(np.int32) & 0x1FFF)),
        "largest change": float(np.abs(rounded / x - 1).max()),
    }


def alone() -> list[float]:
    """Return how far a row alone lies from the same row among others: with TF32, and without."""
    import tensorflow as tf

    from helpers.precision import full_precision

    x, weights = tf.random.stateless_normal((3, 16), (1, 2)), tf.random.stateless_normal((16, 16), (3, 4))

    def difference():
        among, alone = (x @ weights)[:1], x[:1] @ weights
        return float(tf.reduce_max(tf.abs(among - alone)) / tf.reduce_max(tf.abs(among)))

    with full_precision():
        full = difference()
    return [difference(), full]


if __name__ == "__main__":
    main()
