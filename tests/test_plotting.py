"""Figures are returned, labelled and held by no global state; the live one is updated, not repeated."""

import base64
import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
from IPython.core.formatters import DisplayFormatter
from matplotlib.figure import Figure
from PIL import Image

from helpers import plotting

HISTORY = [
    {"epoch": 1, "seconds": 10.0, "loss": 3.0, "validation": 2.5},
    {"epoch": 2, "seconds": 20.0, "loss": 2.0, "validation": 1.75},
    {"epoch": 3, "seconds": 31.0, "loss": 1.5, "validation": 1.9},
]


def bars():
    distributions = {0.5: np.array([0.9, 0.1]), 1.0: np.array([0.75, 0.25])}
    return plotting.reweighted_bars(distributions, {0.5: 0.469, 1.0: 0.811})


def curves():
    return plotting.training_curves(HISTORY, "nats per word", {"uniform": 9.6, "unigram": 6.5})


def maps():
    return plotting.attention_maps(np.stack([np.eye(3), np.tri(3) / [[1], [2], [3]]]), ["a", "good", "film"])


def lines():
    return plotting.curves(
        {"SGD": ([1, 2, 3], [9, 5, 4]), "L-BFGS": (range(50), range(1, 51))}, "s", "loss", "Race", True
    )


PICTURES = {"wide": np.full((20, 40, 3), 0.5), "tall": np.full((40, 20, 3), 3.0), "square": np.zeros((30, 30, 3))}


def strip():
    return plotting.picture_strip(PICTURES, "Three pictures")


def sheet():
    return plotting.contact_sheet(PICTURES, 2, "Three pictures")


@pytest.mark.parametrize("draw", [bars, curves, maps, lines, strip, sheet])
def test_a_figure_is_returned_and_none_is_left_open(draw):
    plt.close("all")
    figure = draw()
    assert isinstance(figure, Figure)
    assert plt.get_fignums() == []
    assert plotting.picture(figure, "what it shows").data.startswith(b"\x89PNG")


@pytest.mark.parametrize("draw", [bars, curves, maps, lines])
def test_axes_and_panels_have_names(draw):
    figure = draw()
    named_below = figure.get_supxlabel()
    panels = [axis for axis in figure.axes if axis.get_label() != "<colorbar>"]
    assert all(axis.get_title() for axis in panels)
    assert all(axis.get_xlabel() or named_below for axis in panels)
    assert panels[0].get_ylabel()


def test_bars_show_the_probabilities_and_their_entropy():
    panels = bars().axes
    assert [bar.get_height() for bar in panels[0].patches] == [0.9, 0.1]
    assert [axis.get_title() for axis in panels] == ["T = 0.5\n0.47 bits", "T = 1\n0.81 bits"]


def test_curves_show_both_losses_over_time_and_name_the_best_epoch():
    [axis] = curves().axes
    lines = {line.get_label(): line for line in axis.get_lines()}
    assert lines["training"].get_xydata().tolist() == [[10, 3], [20, 2], [31, 1.5]]
    assert lines["held out"].get_ydata().tolist() == [2.5, 1.75, 1.9]
    assert lines["unigram: 6.50"].get_ydata()[0] == 6.5
    assert "1.750 nats per word after epoch 2" in axis.get_title()
    assert axis.get_legend() is not None


def test_attention_is_drawn_with_words_at_both_edges_and_one_scale():
    figure = maps()
    panels = figure.axes[:2]
    assert [label.get_text() for label in panels[0].get_xticklabels()] == ["a", "good", "film"]
    assert [label.get_text() for label in panels[0].get_yticklabels()] == ["a", "good", "film"]
    assert [axis.images[0].get_clim() for axis in panels] == [(0, 1), (0, 1)]
    np.testing.assert_array_equal(panels[0].images[0].get_array(), np.eye(3))


def test_lines_are_told_apart_by_more_than_colour():
    [axis] = lines().axes
    drawn = axis.get_lines()
    assert [line.get_label() for line in drawn] == ["SGD", "L-BFGS"]
    assert drawn[0].get_xydata().tolist() == [[1, 9], [2, 5], [3, 4]]
    for look in ("get_color", "get_linestyle", "get_marker"):
        assert len({getattr(line, look)() for line in drawn}) == 2
    assert drawn[1].get_markevery() == 4
    assert (axis.get_yscale(), axis.get_title()) == ("log", "Race")
    assert plotting.curves({"a": ([1], [1])}, "x", "y", "z").axes[0].get_yscale() == "linear"


@pytest.mark.parametrize("draw", [strip, sheet])
def test_pictures_are_shown_clipped_and_under_their_names(draw):
    figure = draw()
    assert figure.get_suptitle() == "Three pictures"
    assert {axis.get_title(): axis.images[0].get_array()[0, 0, 0] for axis in figure.axes} == {
        "wide": 0.5,
        "tall": 1.0,
        "square": 0.0,
    }
    assert [axis.images[0].get_array().shape for axis in figure.axes] == [(20, 40, 3), (40, 20, 3), (30, 30, 3)]


def test_a_strip_has_one_height_and_a_sheet_has_rows():
    figure = strip()
    figure.draw_without_rendering()
    heights = [axis.get_position().height for axis in figure.axes]
    assert heights == pytest.approx([heights[0]] * 3, rel=0.02)
    assert max(figure.get_size_inches()) <= 11
    columns = [axis.get_subplotspec().colspan.start for axis in sheet().axes]
    rows = [axis.get_subplotspec().rowspan.start for axis in sheet().axes]
    assert (rows, columns) == ([0, 0, 1], [0, 1, 0])


def test_a_picture_has_a_text_for_those_who_cannot_see_it():
    _, metadata = plotting.picture(curves(), "Losses over time")._repr_mimebundle_()
    assert metadata["image/png"]["alt"] == "Losses over time"


def test_sample_table_escapes_and_keeps_line_breaks():
    html = plotting.sample_table({"<T>": "a < b\nc & d", 0.5: "x"}, "After <b>").data
    assert "&lt;T&gt;" in html and "a &lt; b\nc &amp; d" in html and "After &lt;b&gt;" in html and ">0.5<" in html
    assert "pre-wrap" in html and html.count("<tr>") == 2


# The live figure, with a notebook's displays counted


class Notebook:
    """Stands for IPython: remembers what was displayed in which cell, and what it was replaced by."""

    def __init__(self, monkeypatch):
        self.execution_count, self.outputs, self.updates = 1, [], []
        monkeypatch.setattr(plotting, "display", self.display)
        monkeypatch.setattr(plotting, "get_ipython", lambda: self)

    def display(self, content, display_id):
        assert display_id is True
        self.outputs.append((self.execution_count, content))
        return Handle(self, len(self.outputs) - 1)


class Handle:
    def __init__(self, notebook, place):
        self.notebook, self.place = notebook, place

    def update(self, content):
        self.notebook.updates.append(self.place)
        self.notebook.outputs[self.place] = (self.notebook.outputs[self.place][0], content)


def test_live_curves_redraw_the_same_two_outputs(monkeypatch):
    notebook = Notebook(monkeypatch)
    live = plotting.LiveCurves("nats per word", {"uniform": 9.6})
    live.show(HISTORY[:1])
    first = notebook.outputs[0][1].data
    assert len(notebook.outputs) == 1  # no samples yet, and so no empty table
    for epochs in (2, 3):
        live.show([*HISTORY[: epochs - 1], {**HISTORY[epochs - 1], "samples": {"T = 1": f"text {epochs}"}}])
    assert len(notebook.outputs) == 2
    assert notebook.outputs[0][1].data != first
    assert "text 3" in notebook.outputs[1][1].data and "After epoch 3" in notebook.outputs[1][1].data
    assert "text 2" not in notebook.outputs[1][1].data


def test_live_curves_appear_again_when_their_cell_is_run_again(monkeypatch):
    notebook = Notebook(monkeypatch)
    live = plotting.LiveCurves("nats per word", {})
    live.show(HISTORY[:1])
    live.show(HISTORY[:2])
    notebook.execution_count = 2  # the front end has cleared the cell, and with it what could be updated
    live.show(HISTORY)
    assert [cell for cell, _ in notebook.outputs] == [1, 2]
    assert set(notebook.updates) == {0}


def test_live_curves_work_without_a_notebook(capsys):
    live = plotting.LiveCurves("nats per word", {})
    live.show(HISTORY[:1])
    live.show(HISTORY)
    assert capsys.readouterr().out.count("<picture: ") == 1


@pytest.mark.parametrize("kind", ["png", "gif"])
def test_a_picture_carries_its_text_in_any_ipython(kind):
    frames = [np.zeros((4, 6, 3)), np.ones((4, 6, 3))]
    made = (
        plotting.animation(frames, 0.1, "Day & night") if kind == "gif" else plotting.picture(Figure(), "Day & night")
    )
    data, metadata = DisplayFormatter().format(made)  # what a kernel sends for a result of a cell, and about it
    assert metadata[f"image/{kind}"] == {"alt": "Day & night"} and made.alt in data["text/plain"]
    assert data["text/html"].startswith('<img alt="Day &amp; night" src="data:image/' + kind)
    with Image.open(io.BytesIO(base64.b64decode(data[f"image/{kind}"]))) as shown:
        assert shown.format == kind.upper() and (kind == "png" or shown.n_frames == 2)
