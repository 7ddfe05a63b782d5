"""Loops compiled by XLA, or by TensorFlow alone where there is no XLA."""

import pytest
import tensorflow as tf

from helpers import compiling


def powers(base, count):
    value = tf.ones_like(base)
    i = 0
    while i < count:
        value *= base
        i += 1
    return value


@pytest.mark.parametrize("there", [True, False])
def test_a_loop_gives_the_same_with_and_without_xla(monkeypatch, there):
    if there and not compiling.xla_is_there():
        pytest.skip("this TensorFlow has no XLA")
    monkeypatch.setattr(compiling, "xla_is_there", lambda: there)
    function = compiling.compiled(powers)
    assert function(tf.constant([2.0, 3.0]), tf.constant(5)).numpy().tolist() == [32.0, 243.0]
    is_xla = "HloModule" in function.experimental_get_compiler_ir(tf.ones(2), tf.constant(5))() if there else False
    assert is_xla == there


def test_a_tensorflow_without_xla_is_noticed(monkeypatch):
    def refuse(*_, **__):
        raise tf.errors.UnimplementedError(None, None, "no compiler")

    compiling.xla_is_there.cache_clear()
    monkeypatch.setattr(tf, "function", lambda *_, **__: refuse)
    assert not compiling.xla_is_there()
    monkeypatch.undo()
    compiling.xla_is_there.cache_clear()
