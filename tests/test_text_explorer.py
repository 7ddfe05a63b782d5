"""The text explorer: controls reach the function, its errors are shown in place, and nothing is taken for HTML."""

import html
import queue
import threading
from dataclasses import replace

import pytest
from explorer_tools import SECONDS, alert, find

from helpers.explorers.text import CURSOR, TextExplorer, Written, candidate_bars
from helpers.session import UserError


class Writer:
    """Stands for a model: remembers its calls, and gives a fixed text in one piece, or raises."""

    def __init__(self):
        self.calls, self.error, self.remark = [], None, ""

    def __call__(self, **values):
        self.calls.append(values)
        if self.error:
            raise self.error
        return Written(values["prompt"], [" was <good> & long"], [("<b>", 0.75), ("a", 0.25)], self.remark)


@pytest.fixture
def writer():
    return Writer()


@pytest.fixture
def explorer(writer):
    return TextExplorer(writer, "this movie", symbols=15_000, length=40, longest=200)


def test_the_first_text_is_there_at_once(explorer, writer):
    assert writer.calls == [
        {"prompt": "this movie", "temperature": 0.7, "top_k": 15_000, "top_p": 1.0, "length": 40, "seed": 0}
    ]
    assert "this movie" in explorer.text.value and "75.0%" in explorer.bars.value


@pytest.mark.parametrize(
    ("name", "value"),
    [("prompt", "a film"), ("temperature", 0.0), ("top_k", 5), ("top_p", 0.5), ("length", 120), ("seed", 7)],
)
def test_moving_a_control_writes_once_with_its_value(explorer, writer, name, value):
    before = writer.calls[-1]
    explorer.controls[name].value = value
    assert len(writer.calls) == 2
    assert writer.calls[-1] == {**before, name: value}


def test_models_can_be_switched_between(writer):
    other = Writer()
    other.remark = "the other"
    explorer = TextExplorer({"shipped": writer, "just trained": other}, "x", symbols=57, length=40, longest=200)
    find(explorer, "temperature").value = 1.5
    assert (len(writer.calls), len(other.calls)) == (2, 0)
    find(explorer, "model").value = "just trained"
    assert other.calls == [writer.calls[-1]] and "the other" in explorer.status.value
    find(explorer, "reset").click()
    assert writer.calls[-1] == writer.calls[0] and len(other.calls) == 1


@pytest.mark.parametrize(("symbols", "before_the_end"), [(57, 50), (15_000, 200)])
def test_top_k_at_the_sliders_end_says_no_limit(writer, symbols, before_the_end):
    explorer = TextExplorer(writer, "x", symbols=symbols, length=40, longest=200)
    top_k = explorer.controls["top_k"]
    assert top_k.label == "no limit" and writer.calls[-1]["top_k"] == symbols
    assert [label for label, _ in top_k.options][-2:] == [str(before_the_end), "no limit"]
    top_k.index -= 1
    assert writer.calls[-1]["top_k"] == before_the_end


def test_an_error_is_shown_in_place_and_the_next_move_mends_it(explorer, writer):
    writer.error = UserError("not in the vocabulary: '<x>'")
    explorer.controls["prompt"].value = "<x>"
    assert "not in the vocabulary: &#x27;&lt;x&gt;&#x27;" in alert(explorer)
    assert explorer.text.value == explorer.bars.value == ""
    writer.error = None
    explorer.controls["prompt"].value = "x"
    assert explorer.wait(SECONDS) and not alert(explorer) and "75.0%" in explorer.bars.value


def test_an_error_at_the_first_text_does_not_stop_the_explorer(writer):
    writer.error = UserError("the prompt is empty")
    assert "the prompt is empty" in alert(TextExplorer(writer, "", symbols=57, length=40, longest=200))


def test_reset_brings_back_the_first_values_with_one_call(explorer, writer):
    explorer.set(prompt="other", temperature=1.5, top_k=3, top_p=0.5, length=200, seed=9)
    assert len(writer.calls) == 2 and writer.calls[1]["top_k"] == 3 and writer.calls[1]["prompt"] == "other"
    find(explorer, "reset").click()
    assert len(writer.calls) == 3 and writer.calls[2] == writer.calls[0]


def test_surprise_changes_the_seed_and_nothing_else(explorer, writer):
    explorer.set(temperature=1.2, top_k=4)
    before = writer.calls[-1]
    for _ in range(3):
        find(explorer, "surprise").click()
    seeds = [call["seed"] for call in writer.calls[-3:]]
    assert len(set(seeds)) > 1 and all(seed >= 0 for seed in seeds)
    assert all({**call, "seed": before["seed"]} == before for call in writer.calls[-3:])


def test_texts_are_no_html(explorer, writer):
    writer.remark = "read as <i>unknown</i>"
    explorer.set(prompt="<script>alert(1)</script>")
    assert explorer.wait(SECONDS)
    assert "<script>" not in explorer.text.value and "&lt;script&gt;" in explorer.text.value
    assert "was &lt;good&gt; &amp; long" in explorer.text.value
    assert "read as &lt;i&gt;unknown" in explorer.status.value
    assert "&lt;b&gt;" in explorer.bars.value and "<b>" not in explorer.bars.value


def test_bars_are_as_long_as_the_probabilities_and_blanks_can_be_seen():
    bars = candidate_bars([("e", 0.625), (" ", 0.04)])
    assert "width:62.5%" in bars and "width:4.0%" in bars and bars.index("62.5%") < bars.index("4.0%")
    assert bars.count("<tr>") == 2 and "<code>␣</code>" in bars


class SlowWriter(Writer):
    """Gives its text in pieces, each only when it is allowed to; remembers those that were asked for."""

    def __init__(self, *pieces):
        super().__init__()
        self.pieces, self.allowed, self.asked = pieces, threading.Semaphore(0), queue.Queue()

    def __call__(self, **values):
        return replace(super().__call__(**values), continuation=self.write())

    def write(self):
        for piece in self.pieces:
            self.asked.put(piece)
            assert self.allowed.acquire(timeout=SECONDS)
            if isinstance(piece, Exception):
                raise piece
            yield piece

    def allow(self, pieces=1):
        self.allowed.release(pieces)


@pytest.fixture
def slow():
    return SlowWriter("<one>", " two", " three")


@pytest.fixture
def streaming(slow):
    slow.allow(3)
    explorer = TextExplorer(slow, "x", symbols=57, length=40, longest=200)
    explorer.shown = queue.Queue()
    explorer.text.observe(lambda change: explorer.shown.put(change["new"]), names="value")
    return explorer


def test_the_first_text_in_pieces_is_whole_at_once(streaming):
    assert "&lt;one&gt; two three</div>" in streaming.text.value and "aria-busy='false'" in streaming.text.value
    assert not streaming.is_writing


def test_a_text_in_pieces_is_shown_as_it_comes(streaming, slow):
    slow.remark = "a remark"
    streaming.controls["prompt"].value = "y"
    assert "<b>x</b>" in streaming.text.value and "a remark" in streaming.status.value and streaming.is_writing
    for so_far in ("&lt;one&gt;", "&lt;one&gt; two", "&lt;one&gt; two three"):
        slow.allow()
        shown = streaming.shown.get(timeout=SECONDS)
        assert f"<b>y</b>{so_far}{CURSOR}</div>" in shown and "aria-busy='true'" in shown
    assert "<b>y</b>&lt;one&gt; two three</div>" in streaming.shown.get(timeout=SECONDS)
    assert streaming.wait(SECONDS) and "75.0%" in streaming.bars.value and "a remark" in streaming.status.value


def test_a_move_ends_the_text_under_way_and_starts_the_next(streaming, slow):
    slow.asked = queue.Queue()
    streaming.set(seed=1)
    slow.allow()
    assert "<one>" in html.unescape(streaming.shown.get(timeout=SECONDS))
    assert [slow.asked.get(timeout=SECONDS) for _ in range(2)] == ["<one>", " two"]
    told_to_stop = streaming._stop
    move = threading.Thread(target=lambda: streaming.set(prompt="z"))
    move.start()  # waits for the piece that is being written, and no longer
    assert told_to_stop.wait(SECONDS)
    slow.allow(1 + 3)
    move.join(SECONDS)
    assert streaming.wait(SECONDS) and "<b>z</b>&lt;one&gt; two three</div>" in streaming.text.value
    assert [slow.asked.get(timeout=SECONDS) for _ in range(3)] == list(slow.pieces) and slow.asked.empty()


def test_an_error_between_two_pieces_is_shown_and_the_next_move_mends_it(streaming, slow):
    whole, slow.pieces = slow.pieces, ("one", UserError("there is no <more>"))
    slow.allow(2)
    streaming.set(seed=1)
    assert streaming.wait(SECONDS)
    assert "there is no &lt;more&gt;" in alert(streaming) and streaming.text.value == streaming.bars.value == ""
    slow.pieces = whole
    slow.allow(3)
    streaming.set(seed=3)
    assert streaming.wait(SECONDS) and not alert(streaming) and "two three</div>" in streaming.text.value


def test_an_error_of_the_first_piece_is_not_hidden_by_the_remark(slow):
    slow.pieces, slow.remark = (UserError("the prompt is empty"),), "a remark"
    slow.allow()
    assert "the prompt is empty" in alert(TextExplorer(slow, "", symbols=57, length=40, longest=200))
