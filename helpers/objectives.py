"""What an ascent climbs: a number made of the activations of some layers."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Objective:
    """An objective, which can be added to others and scaled: `2 * a + b` is an objective again.

    Without arguments it is 0 whatever the layers say, which is where a sum begins.

    Attributes:
        layers: the names of the layers that it looks at.
        value: called with a dictionary of their activations (batch, rows, columns, channels); returns one number.
    """

    layers: frozenset[str] = frozenset()
    value: Callable = lambda seen: 0.0

    def __add__(self, other: "Objective") -> "Objective":
        return Objective(self.layers | other.layers, lambda seen: self.value(seen) + other.value(seen))

    def __mul__(self, weight) -> "Objective":
        """Scale by a number, or by a tf.Variable on the right; on the left TensorFlow would take its present value."""
        return Objective(self.layers, lambda seen: weight * self.value(seen))

    __rmul__ = __mul__
