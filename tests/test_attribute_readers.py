"""Readers of attributes: right on pictures they have not seen, and never of what nothing can be learned about."""

import numpy as np
import pytest

from helpers.metrics.attributes import AttributeReaders
from helpers.session import UserError
from tools.standins.faces import draw_faces


@pytest.fixture(scope="module")
def drawn():
    """Pictures and attribute → labels of faces to learn from, and of others."""
    sets = []
    for count, seed in ((900, 3), (300, 4)):
        pictures, attributes, names = draw_faces(count, seed, 32)
        sets.append((pictures, dict(zip(names, attributes.T == 1, strict=True))))
    return sets


def test_what_fills_many_pixels_is_read_right_on_new_faces(drawn):
    (pictures, labels), (others, truth) = drawn
    wanted = ["Blond_Hair", "Black_Hair", "Pale_Skin"]
    readers = AttributeReaders(pictures, {name: labels[name] for name in wanted})
    assert readers.names == wanted
    found = readers.read(others)
    assert found.shape == (3, 300) and found.min() >= 0 and found.max() <= 1
    for name, chances in zip(wanted, found, strict=True):
        right = [np.mean(chances[truth[name]] > 0.5), np.mean(chances[~truth[name]] < 0.5)]
        assert min(right) > 0.75, (name, right)


def test_what_too_few_have_is_left_out(drawn):
    pictures, labels = drawn[0]
    few = np.arange(len(pictures)) < 4
    labels = {"few": few, "most": ~few, "hair": labels["Blond_Hair"], "all": few | True}
    assert AttributeReaders(pictures, labels).names == ["hair"]
    with pytest.raises(UserError, match="no attribute has 5 pictures with it"):
        AttributeReaders(pictures, {"few": few})


def test_few_pictures_have_fewer_components_and_may_be_floats(drawn):
    pictures, labels = drawn[0]
    readers = AttributeReaders(pictures[:40], {"hair": labels["Black_Hair"][:40]})
    found = readers.read(pictures[:3])
    assert found.shape == (1, 3)
    np.testing.assert_allclose(readers.read(pictures[:3] / 255), found, rtol=1e-4)  # floats in [0, 1] are the same
