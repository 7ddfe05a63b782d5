"""What the explorers share: enlarged pictures, marks, and lines of words."""

import ipywidgets
import numpy as np

from helpers.explorers import enlarged
from helpers.widgets import button, mark, status_line


def test_a_picture_is_enlarged_by_whole_pixels():
    picture = np.random.default_rng(0).random((28, 20, 3))
    large = enlarged(picture, 200)
    assert large.shape == (7 * 28, 7 * 20, 3)
    np.testing.assert_array_equal(large[3::7, 6::7], picture)
    np.testing.assert_array_equal(large[::7, ::7], picture)
    assert enlarged(picture, 5).shape == picture.shape


def test_a_class_is_in_the_form_that_pages_use():
    assert "explore-wearing-hat" in mark(ipywidgets.Button(), "Wearing_Hat")._dom_classes


def test_a_button_calls_its_action_with_nothing():
    calls = []
    button("Go", "go", lambda: calls.append("called")).click()
    assert calls == ["called"]


def test_a_line_of_words_is_no_html_and_says_what_it_is():
    assert "role='status'" in status_line("a <b>") and "a &lt;b&gt;" in status_line("a <b>")
    assert "⚠" in status_line("a", role="alert") and "role='alert'" in status_line("a", role="alert")
