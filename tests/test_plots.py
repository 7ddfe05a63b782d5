"""Every picture has a text; figures hold the values given; the live display is updated, not repeated."""

import base64
import io
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
from IPython.core.formatters import DisplayFormatter
from PIL import Image

from helpers import plots
from helpers.plots import figures as plot_figures
from helpers.plots import live as live_plots

HISTORY = [
    {"epoch": 1, "step": 400, "seconds": 10.0, "loss": 3.0, "validation": 2.5},
    {"epoch": 2, "step": 800, "seconds": 20.0, "loss": 2.0, "validation": 1.75},
    {"epoch": 3, "step": 1_200, "seconds": 31.0, "loss": 1.5, "validation": 1.9},
]
random = np.random.default_rng(0)
POINTS, LABELS = random.normal(size=(20, 2)), np.arange(20) % 2
FACES = random.integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
PICTURES = {"wide": np.full((100, 200, 3), 0.5), "tall": np.full((200, 100, 3), 3.0), "square": np.zeros((90, 90, 1))}
LINES = {"SGD": ([1, 2, 3], [9, 5, 4]), "L-BFGS": (range(50), range(1, 51))}
BARS = ({0.5: np.array([0.9, 0.1]), 1.0: np.array([0.75, 0.25])}, {0.5: 0.469, 1.0: 0.811})
MAPS = (np.stack([np.eye(3), np.tri(3) / [[1], [2], [3]]]), ["a", "good", "film"])


def game(epochs=3, **changes):
    figures = {"discriminator_loss": 1.1, "generator_loss": 1.3, "D(real)": 0.6, "D(fake)": 0.3, "accuracy": 0.75}
    return [{"epoch": n + 1, **figures, "spread": 0.9, **changes} for n in range(epochs)]


DRAWN = {
    "curves": lambda: plots.curves(LINES, "s", "loss", "Race", log=True),
    "square": lambda: plots.curves(LINES, "x", "y", "Race", is_square=True),
    "panels": lambda: plots.curve_panels({"loss": LINES, "share": LINES}, "s", "Race"),
    "training": lambda: plot_figures.training_curves(HISTORY, "nats per word", {"uniform": 9.6, "unigram": 3.2}, 4.5),
    "resumed": lambda: plot_figures.training_curves(HISTORY, "nats per word", {}),
    "game": lambda: plots.adversarial_curves(game(4, accuracy=0.7)),
    "bars": lambda: plots.reweighted_bars(*BARS),
    "attention": lambda: plots.attention_maps(*MAPS),
    "manifold": lambda: plots.manifold({"VAE": (random.random((9, 4, 4, 1)), [-1, 0, 2], [3, 4, 5.5])}, "Grid"),
    "scatter": lambda: plots.latent_scatter({"plain": (POINTS, None), "kinds": (POINTS, LABELS)}, "ab", "Map"),
    "places": lambda: plots.samples_on_map(
        {
            "autoencoder": (POINTS, LABELS, POINTS[:7], FACES[[0] * 7] / 255, [[-1, -2], [3, 4]]),
            "VAE": (POINTS, None, POINTS[:7], FACES[[0] * 7] / 255, [1, 2]),
        },
        "ab",
        "Map",
    ),
    "histograms": lambda: plots.normal_histograms(random.normal(size=(30, 12)), "Latents", captions=["0.5 nats"] * 12),
    "stamps": lambda: plots.number_grids({"a": np.eye(3), "b": np.ones((2, 2))}, "Stamps"),
    "cosines": lambda: plots.number_grids({"": -np.eye(2)}, "Cosines", "", ["x", "y"], ["x", "y"], "cosine"),
    "rows": lambda: plots.picture_table({"real": FACES, "fake": FACES / 255}, "Faces", captions="abcdef"),
    "grid": lambda: plots.picture_table(FACES, "Faces", columns=3),
    "strip": lambda: plots.picture_table(PICTURES, "Three pictures"),
    "animation": lambda: plots.animation([FACES, FACES[::-1]], 0.3, "Faces, epoch by epoch", columns=3),
}


@pytest.mark.parametrize("name", DRAWN)
def test_what_is_shown_has_a_text_in_any_ipython_and_no_figure_is_left_open(name):
    plt.close("all")
    shown = DRAWN[name]()
    kind = "webp" if name == "animation" else "png"
    data, metadata = DisplayFormatter().format(shown)  # what a kernel sends for a result of a cell, and about it
    assert metadata[f"image/{kind}"] == {"alt": shown.alt} and len(shown.alt) > 2 and shown.alt in data["text/plain"]
    assert data["text/html"].startswith('<img alt="') and plt.get_fignums() == []
    with Image.open(io.BytesIO(base64.b64decode(data[f"image/{kind}"]))) as opened:
        assert opened.format == kind.upper() and (kind == "png" or opened.n_frames == 2)


def test_a_text_of_ones_own_is_taken_and_escaped():
    shown = plots.curves(LINES, "s", "loss", "Race", "Day & night")
    assert 'alt="Day &amp; night"' in shown._repr_mimebundle_()[0]["text/html"]
    assert DRAWN["strip"]().alt == "Three pictures. 3 pictures: wide, tall, square"


@pytest.fixture
def axes_of(monkeypatch):
    """Return the axes of a figure that is drawn."""
    monkeypatch.setattr(plot_figures, "picture", lambda figure, alt: figure)
    return lambda name: DRAWN[name]().axes


def test_lines_are_told_apart_by_more_than_colour(axes_of):
    [axis] = axes_of("curves")
    drawn = axis.get_lines()
    assert [line.get_label() for line in drawn] == ["SGD", "L-BFGS"]
    assert drawn[0].get_xydata().tolist() == [[1, 9], [2, 5], [3, 4]] and drawn[1].get_markevery() == 4
    for look in ("get_color", "get_linestyle", "get_marker"):
        assert len({getattr(line, look)() for line in drawn}) == 2
    assert (axis.get_yscale(), axis.get_title()) == ("log", "Race")


def test_training_curves_show_both_losses_over_the_steps_and_name_the_best_epoch(axes_of):
    [axis] = axes_of("training")
    lines = {line.get_label(): line for line in axis.get_lines()}
    assert lines["training"].get_xydata().tolist() == [[400, 3], [800, 2], [1_200, 1.5]]
    assert lines["held out"].get_xydata().tolist() == [[0, 4.5], [400, 2.5], [800, 1.75], [1_200, 1.9]]
    assert "1.750 nats per word after epoch 2" in axis.get_title() and "(1,200 steps, 31 s)" in axis.get_title()
    assert lines["unigram: 3.20"].get_ydata()[0] == 3.2 and axis.get_xlim()[0] == 0
    assert len(lines) == len(axis.get_legend().get_texts()) == 3  # 9.6 would flatten the curves
    [axis] = axes_of("resumed")
    assert [len(line.get_xdata()) for line in axis.get_lines()] == [3, 3]  # what it was untrained is not known


def test_adversarial_curves_show_the_figures_given(axes_of):
    left, right = axes_of("game")
    assert [line.get_label() for line in left.lines] == ["discriminator", "generator"]
    drawn = {line.get_label(): list(line.get_ydata()) for line in right.lines}
    assert drawn["accuracy"] == [0.7] * 4 and drawn["D(real)"] == [0.6] * 4
    assert drawn["spread of the fakes"] == [0.9] * 4


def test_bars_attention_and_numbers_show_their_values(axes_of):
    assert [bar.get_height() for bar in axes_of("bars")[0].patches] == [0.9, 0.1]
    assert axes_of("bars")[1].get_title() == "T = 1\n0.81 bits"
    first = axes_of("attention")[0]
    assert [label.get_text() for label in first.get_xticklabels()] == ["a", "good", "film"]
    shown = first.images[0].get_array()
    np.testing.assert_array_equal(shown.data, np.eye(3))
    assert (shown.mask == ~np.tri(3, dtype=bool)).all()  # what the mask hides is not drawn, and grey shows through
    assert len({*first.get_facecolor()[:3]}) == 1 and 0 < first.get_facecolor()[0] < 1
    assert [text.get_text() for text in axes_of("cosines")[0].texts] == ["-1.00", "-0.00", "-0.00", "-1.00"]
    [map_of_pictures] = axes_of("manifold")
    assert map_of_pictures.images[0].get_array().shape == (12, 12)
    assert [label.get_text() for label in map_of_pictures.get_xticklabels()] == ["-1.0", "0.0", "2.0"]
    assert [label.get_text() for label in map_of_pictures.get_yticklabels()] == ["3.0", "4.0", "5.5"]


def test_maps_name_each_class_at_its_middle_and_show_where_places_are_drawn_from(axes_of):
    plain, kinds = axes_of("scatter")
    assert not plain.texts and [text.get_text() for text in kinds.texts] == ["a", "b"]
    np.testing.assert_allclose(kinds.texts[0].get_position(), np.median(POINTS[LABELS == 0], axis=0))
    first, second = [axis for axis in axes_of("places") if axis.get_xlabel()]
    assert [type(patch).__name__ for patch in first.patches] == ["Rectangle"]
    assert [patch.radius for patch in second.patches] == [1, 2]


def pixels_of(shown):
    return np.asarray(Image.open(io.BytesIO(shown.data)).convert("RGB")) / 255


@pytest.mark.parametrize(("side", "shown"), [(8, 96), (28, 112), (32, 96), (64, 128), (65, 130), (96, 96)])
def test_small_pictures_are_enlarged_by_a_whole_factor(side, shown):
    found = pixels_of(plots.picture_table({"": np.zeros((5, side, side, 1))}, "t"))
    rows = (found[:, :, 0] == 0).sum(axis=1)
    assert rows.max() == 5 * shown and (rows == 5 * shown).sum() == shown


def test_a_sheet_shows_pictures_in_order_with_their_values_clipped_and_no_wider_than_a_page():
    greys = np.array([0.2, 0.4, 0.6, -7.0])[:, None, None, None] * np.ones((1, 80, 80, 3))
    found = np.round(pixels_of(plots.picture_table(greys, "", columns=2))[..., 0], 2)
    left, right = (found[:, found.shape[1] // 2 + offset] for offset in (-43, 43))
    assert list(dict.fromkeys(left)) == [1.0, 0.2, 0.6] and list(dict.fromkeys(right)) == [1.0, 0.4, 0.0]
    assert pixels_of(plots.picture_table({"large": np.zeros((900, 3_000, 3))}, "t")).shape[1] <= 1_220


def test_an_animation_is_laid_in_rows_and_small_pictures_are_doubled():
    with Image.open(io.BytesIO(DRAWN["animation"]().data)) as made:
        assert made.size == (48, 32)
        made.seek(1)
        shown = np.asarray(made.convert("RGB"), float)
    np.testing.assert_allclose(shown[17:, :15].mean((0, 1)), FACES[::-1][3].mean((0, 1)), atol=6)


def test_a_table_has_rows_columns_texts_and_rounded_numbers():
    made = plots.table({"<a>": {"loss": 0.123456, "n": 12_345}, "b": {"loss": "±", "n": 1}}, "Losses").data
    assert re.sub(r" style='[^']*'", "", made) == (
        "<table><caption>Losses</caption><tr><td></td><th scope='col'>loss</th><th scope='col'>n</th></tr>"
        "<tr><th scope='row'>&lt;a&gt;</th><td>0.1235</td><td>12345</td></tr>"
        "<tr><th scope='row'>b</th><td>±</td><td>1</td></tr></table>"
    )
    texts = plots.table({"T = 1": "a < b\nc & d", 0.5: "x"}).data
    assert "pre-wrap" in texts and "a &lt; b\nc &amp; d" in texts and ">0.5<" in texts and texts.count("<tr>") == 2


# The live display, with a notebook's outputs counted


class Notebook:
    """Stands for IPython: remembers what was displayed in which cell, and what it was replaced by."""

    def __init__(self, monkeypatch):
        self.execution_count, self.outputs = 1, []
        monkeypatch.setattr(live_plots, "display", self.display)
        monkeypatch.setattr(live_plots, "get_ipython", lambda: self)

    def display(self, content, display_id):
        self.outputs.append([self.execution_count, content])
        return Handle(self.outputs[-1])


class Handle:
    def __init__(self, output):
        self.output = output

    def update(self, content):
        self.output.append(content)


def test_curves_and_texts_are_redrawn_in_the_same_two_outputs(monkeypatch):
    notebook = Notebook(monkeypatch)
    given = "nats per word", {"uniform": 9.6}, 9.5
    live = plots.LiveCurves(*given)
    live.show(HISTORY[:1])
    assert notebook.outputs[0][1].data == plot_figures.training_curves(HISTORY[:1], *given).data
    assert len(notebook.outputs) == 1  # no samples yet, and so no empty table
    for epochs in (2, 3):
        live.show([*HISTORY[: epochs - 1], {**HISTORY[epochs - 1], "samples": {"T = 1": f"text {epochs}"}}])
    curves, texts = notebook.outputs
    assert len(curves) == 4 and curves[1].data != curves[3].data
    assert "text 3" in texts[-1].data and "After epoch 3" in texts[-1].data and "text 2" not in texts[-1].data


def test_a_cell_that_is_run_again_gets_new_outputs(monkeypatch):
    notebook = Notebook(monkeypatch)
    live = plots.LiveCurves("nats per word")
    live.show(HISTORY[:1])
    notebook.execution_count = 2
    live.show(HISTORY)
    assert [cell for cell, *_ in notebook.outputs] == [1, 2]


def test_a_game_is_shown_with_its_newest_pictures_and_a_warning(monkeypatch):
    notebook = Notebook(monkeypatch)
    live = plots.LiveCurves("nats")
    live.show(game(1), [FACES])
    live.show(game(2, accuracy=0.995), [FACES, FACES[::-1]])
    _, sheet, warning = (output[1:] for output in notebook.outputs)
    assert sheet[1].data == plots.picture_table(FACES[::-1], "After epoch 2", columns=10).data
    assert warning[0].data == "" and "discriminator is ahead" in warning[1].data


def test_the_live_display_needs_no_notebook(capsys):
    live = plots.LiveCurves("nats per word")
    live.show(HISTORY[:1])
    live.show(HISTORY)
    assert capsys.readouterr().out.count("<picture: ") == 1


# What is wrong with a GAN's training


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"accuracy": 0.94}, ""),
        ({"accuracy": 0.99, "generator_loss": 4.6}, r"discriminator is ahead.*99%.*4\.6 nats"),
        ({"accuracy": 0.8, "generator_loss": 74.0}, r"discriminator is ahead.*80%.*74 nats"),
        ({"accuracy": 0.99, "spread": 0.1}, r"discriminator is ahead.*only 0\.10 times"),
        ({"spread": 0.65}, ""),
        ({"spread": 0.2}, r"Mode collapse.*0\.20.*75%.*rate for the generator"),
    ],
)
def test_trouble_is_named_after_two_epochs(changes, words):
    found = plots.trouble(game(**changes))
    assert re.search(words, found) if words else found == ""
    assert plots.trouble(game(1, **changes)) == ""


def test_fakes_that_are_still_alike_early_on_are_no_collapse():
    def trouble(spreads, steps_an_epoch):
        records = [game(1, spread=spread)[0] for spread in spreads]
        return plots.trouble([{**record, "step": steps_an_epoch * (n + 1)} for n, record in enumerate(records)])

    assert trouble([0.1, 0.2, 0.3], 93) == ""
    assert "collapse" in trouble([0.1, 0.2, 0.3], 600)
    assert "collapse" in trouble([0.7, 0.6, 0.2], 93)  # they have been unlike before: one epoch says enough


def test_a_kid_has_a_panel_of_its_own_at_the_epochs_at_which_it_was_measured(monkeypatch):
    monkeypatch.setattr(plot_figures, "picture", lambda figure, alt: figure)
    history = game(4)
    history[1]["KID"], history[3]["KID"] = 0.3, 0.2
    left, _, right = plots.adversarial_curves(history, references={"at the end": 1.376}).axes
    assert right.lines[0].get_xydata().tolist() == [[2, 0.3], [4, 0.2]]
    assert left.lines[-1].get_ydata()[0] == 1.376 and left.get_ylim()[1] > 1.376
