"""The small parts of explorers: marks, buttons, lines of words, and pictures of one's own."""

import sys
import types

import ipywidgets
import pytest

from helpers.widgets import button, mark, own_picture, status_line, uploaded_file


def test_a_class_is_in_the_form_that_pages_use():
    assert "explore-wearing-hat" in mark(ipywidgets.Button(), "Wearing_Hat")._dom_classes


def test_a_button_calls_its_action_with_nothing():
    calls = []
    button("Go", "go", lambda: calls.append("called")).click()
    assert calls == ["called"]


def test_a_line_of_words_is_no_html_and_says_what_it_is():
    assert "role='status'" in status_line("a <b>") and "a &lt;b&gt;" in status_line("a <b>")
    assert "⚠" in status_line("a", role="alert") and "role='alert'" in status_line("a", role="alert")


@pytest.mark.parametrize(
    "value",
    [({"name": "a.png", "content": memoryview(b"abc")},), {"a.png": {"content": b"abc"}}],
    ids=["ipywidgets 8", "ipywidgets 7"],
)
def test_an_uploaded_file_has_its_name_and_its_bytes(value):
    assert uploaded_file(value) == ("a.png", b"abc")


def test_no_uploaded_file_is_none():
    assert uploaded_file(()) is None and uploaded_file({}) is None


def test_in_colab_the_upload_is_its_own_dialogue(monkeypatch):
    chosen, taken = {"large.jpg": b"abc", "second.jpg": b"def"}, []
    colab = types.SimpleNamespace(files=types.SimpleNamespace(upload=lambda: chosen))
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    own = own_picture(lambda: None, lambda name, content: taken.append((name, content)))
    _, upload = own.buttons
    assert isinstance(upload, ipywidgets.Button)
    upload.click()
    assert taken == [("large.jpg", b"abc")]
    chosen.clear()  # the dialogue was cancelled
    upload.click()
    assert len(taken) == 1
    assert any(isinstance(part, ipywidgets.Output) for part in own.below.children)
