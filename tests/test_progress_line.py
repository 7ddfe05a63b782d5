"""The line that follows long work."""

from types import SimpleNamespace

from helpers import progress_line
from helpers.progress_line import ProgressLine


def test_what_was_done_at_an_earlier_time_does_not_count_for_the_speed(monkeypatch):
    clock, shown = SimpleNamespace(now=100.0), []
    handle = SimpleNamespace(update=lambda line: shown.append(repr(line)))
    monkeypatch.setattr(progress_line, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    monkeypatch.setattr(progress_line, "display", lambda line, display_id: handle)
    line = ProgressLine(100, unit="evaluation", done=50, note="painting")
    for _ in range(10):
        clock.now += 0.5
        line.step()
    line.show()
    assert "60/100" in shown[-1] and " 2.00evaluation/s" in shown[-1] and "painting" in shown[-1]
    assert 5 <= len(shown) <= 10  # a line is not updated at every step


def test_more_than_was_expected_is_no_error(monkeypatch):
    shown = []
    monkeypatch.setattr(progress_line, "display", lambda line, display_id: SimpleNamespace(update=shown.append))
    line = ProgressLine(1)
    line.done = 3
    line.show()
    assert "3/3" in repr(shown[-1])
