"""The line that follows long work."""

from types import SimpleNamespace

from helpers.training import progress
from helpers.training.progress import ProgressLine


def test_a_line_has_steps_speed_and_note_and_is_not_updated_at_every_step(monkeypatch):
    clock, shown = SimpleNamespace(now=100.0), []
    handle = SimpleNamespace(update=lambda line: shown.append(repr(line)))
    monkeypatch.setattr(progress, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    monkeypatch.setattr(progress, "display", lambda line, display_id: handle)
    line = ProgressLine(100, unit="evaluation", note="painting")
    for _ in range(10):
        clock.now += 0.5
        line.step()
    line.show()
    assert "10/100" in shown[-1] and " 2.00evaluation/s" in shown[-1] and "painting" in shown[-1]
    assert 5 <= len(shown) <= 10


def test_more_steps_than_expected_are_no_error(monkeypatch):
    shown = []
    monkeypatch.setattr(progress, "display", lambda line, display_id: SimpleNamespace(update=shown.append))
    line = ProgressLine(1)
    line.done = 3
    line.show()
    assert "3/3" in repr(shown[-1])


def test_a_progress_bar_ends_at_the_whole_and_is_no_html(monkeypatch):
    pages = []
    handle = SimpleNamespace(update=lambda page: pages.append(page.data))
    monkeypatch.setattr(progress, "display", lambda page, display_id: handle)
    report = progress.progress_bar("a <dream>")
    for step in range(1, 1_001):
        report("octave 1", step / 1_000, picture=None)
    assert "100%" in pages[-1] and "octave 1" in pages[-1] and "a &lt;dream&gt;" in pages[-1]
    assert len(pages) < 50


def test_a_progress_bar_without_a_page_does_no_harm(monkeypatch):
    monkeypatch.setattr(progress, "display", lambda page, display_id: None)
    progress.progress_bar("x")("y", 1.0)
