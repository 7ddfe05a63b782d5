"""Lifting functions out of a notebook without running it."""

import inspect

import pytest

from tools.lift import LiftError, lift

CELLS = (
    "# Title",
    "import math as m\nfrom collections import Counter, deque\nSCALE = 2.0",
    "raise SystemExit('cells are not run')",
    "vocabulary = make_vocabulary()",
    "def scaled(x):\n    return SCALE * m.sqrt(x)",
    "class Layer:\n    factor = 3\n\n    def call(self, x):\n        return self.factor * scaled(x)",
    "def count(text):\n    found = Counter(text)\n    return [found[letter] for letter in vocabulary]",
    "def first():\n    return 1",
    "def first():\n    return 2",
    "def queue():\n    return deque(), Counter",
    "def decorate(function):\n    return lambda: function() + 1\n\n@decorate\ndef one():\n    return 1",
)


@pytest.fixture
def notebook(write_notebook):
    return write_notebook("01_x", *CELLS)


def test_lifts_what_a_class_refers_to(notebook):
    lifted = lift(notebook, "Layer")
    assert lifted.Layer().call(4.0) == 12.0
    assert not hasattr(lifted, "count") and not hasattr(lifted, "Counter")


def test_given_values_stand_in_for_computed_ones(notebook):
    assert lift(notebook, "count", vocabulary="ab").count("abca") == [2, 1]
    assert lift(notebook, "scaled", SCALE=10.0).scaled(4.0) == 20.0
    assert lift(notebook, "queue", deque=list).queue()[0] == []  # the other name of the same import is needed


def test_computed_value_must_be_given(notebook):
    with pytest.raises(LiftError, match="'count' in 01_x.ipynb uses 'vocabulary', which the notebook computes"):
        lift(notebook, "count")


def test_unknown_name(notebook):
    with pytest.raises(LiftError, match="defines no 'absent'"):
        lift(notebook, "absent")


def test_last_definition_and_decorators_count(notebook):
    assert lift(notebook, "first").first() == 2
    assert lift(notebook, "one").one() == 2


def test_source_can_be_inspected(notebook):
    assert inspect.getsource(lift(notebook, "scaled").scaled).startswith("def scaled(x):")
    assert inspect.getsource(lift(notebook, "Layer").Layer).startswith("class Layer:")


def test_autograph_translates_lifted_loops(write_notebook):
    loop = "@tf.function\ndef total(n):\n    s = 0\n    while s < n:\n        s += 2\n    return s"
    notebook = write_notebook("01_loop", "import tensorflow as tf", loop)
    import tensorflow as tf

    assert int(lift(notebook, "total").total(tf.constant(5))) == 6


def test_the_name_of_a_caught_error_is_no_value_of_the_notebook(write_notebook):
    careful = "def careful():\n  try:\n    return 1 / 0\n  except ZeroDivisionError as error:\n    return str(error)"
    notebook = write_notebook("01_error", careful, "error = open('x').read()")
    assert lift(notebook, "careful").careful() == "division by zero"
