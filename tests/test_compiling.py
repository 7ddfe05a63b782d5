"""Loops compiled by XLA, or by TensorFlow alone where there is no XLA."""

import pytest
import tensorflow as tf

from helpers.training import machine


def powers(base, count):
    value = tf.ones_like(base)
    i = 0
    while i < count:
        value *= base
        i += 1
    return value


@pytest.mark.parametrize("there", [True, False])
def test_a_loop_gives_the_same_with_and_without_xla(monkeypatch, there):
    if there and not machine._xla_is_there():
        pytest.skip("this TensorFlow has no XLA")
    monkeypatch.setattr(machine, "_xla_is_there", lambda: there)
    function = machine.compiled(powers)
    assert function(tf.constant([2.0, 3.0]), tf.constant(5)).numpy().tolist() == [32.0, 243.0]


@pytest.mark.parametrize("graphics", [[], ["GPU:0"]])
def test_models_are_compiled_by_xla_on_a_gpu_only(monkeypatch, graphics):
    monkeypatch.setattr(machine, "_xla_is_there", lambda: True)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: graphics)
    assert machine.uses_xla() == bool(graphics)
