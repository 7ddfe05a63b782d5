"""Curves, progress pictures, and the warning of a GAN's training."""

import io
import re

import numpy as np
import pytest
from PIL import Image

from helpers import gan_monitor
from helpers.errors import UserError
from helpers.images import png_bytes

random = np.random.default_rng(0)


def history(epochs=3, **changes):
    figures = {"discriminator_loss": 1.1, "generator_loss": 1.3, "D(real)": 0.6, "D(fake)": 0.3, "accuracy": 0.75}
    return [{"epoch": n + 1, **figures, "spread": 0.9, **changes} for n in range(epochs)]


def snapshots(epochs=3):
    return [random.integers(0, 256, (6, 8, 8, 3), dtype=np.uint8) for _ in range(epochs)]


def test_curves_show_the_figures_given():
    figure = gan_monitor.adversarial_curves(history(4, accuracy=0.7), "title")
    left, right = figure.axes
    assert [line.get_label() for line in left.lines] == ["discriminator", "generator"]
    drawn = {line.get_label(): list(line.get_ydata()) for line in right.lines}
    assert drawn["accuracy"] == [0.7] * 4 and drawn["D(real)"] == [0.6] * 4
    assert drawn["spread of the fakes"] == [0.9] * 4 and figure.get_suptitle() == "title"


def test_curves_do_without_a_spread():
    records = [{name: value for name, value in record.items() if name != "spread"} for record in history()]
    assert len(gan_monitor.adversarial_curves(records, "title").axes[1].lines) == 3


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ""),
        ({"accuracy": 0.97}, ""),
        ({"accuracy": 0.99, "D(fake)": 0.01}, r"The discriminator wins.*99% rightly.*0\.010.*dropout"),
        ({"spread": 0.6}, ""),
        ({"spread": 0.2}, r"only 0\.20 times.*collapsed.*smaller rate"),
    ],
)
def test_trouble_is_said_with_its_mend(changes, said):
    found = gan_monitor.trouble(history(**changes))
    assert re.search(said, found) if said else found == ""


def with_spreads(spreads, steps_an_epoch):
    records = [history(1, spread=spread)[0] for spread in spreads]
    return [{**record, "step": steps_an_epoch * (n + 1)} for n, record in enumerate(records)]


def test_fakes_that_are_still_alike_early_on_are_no_collapse():
    assert gan_monitor.trouble(with_spreads([0.1, 0.2, 0.3], 93)) == ""
    assert "collapsed" in gan_monitor.trouble(with_spreads([0.1, 0.2, 0.3], 600))
    assert "collapsed" in gan_monitor.trouble(with_spreads([0.7, 0.3, 0.2], 93))  # they have been unlike before


@pytest.mark.parametrize("bad", [{"accuracy": 0.999}, {"spread": 0.1}])
def test_a_single_epoch_is_no_trouble_yet(bad):
    assert gan_monitor.trouble(history(1, **bad)) == ""
    assert gan_monitor.trouble([*history(2), *history(1, **bad)]) == ""
    assert gan_monitor.trouble([*history(1, **bad), *history(1, **bad)])


def test_sheets_lay_pictures_in_rows():
    [sheet] = gan_monitor.sheets(snapshots(1), 3)
    assert sheet.shape == (16, 24, 3) and sheet.dtype == np.float32 and sheet.min() >= 0 and sheet.max() <= 1
    shots = snapshots(2)
    last = gan_monitor.sheets(shots, 2)[-1]
    np.testing.assert_allclose(last[8:16, :8] * 255, shots[1][2], atol=1e-3)
    with pytest.raises(UserError):
        gan_monitor.sheets(shots, 4)


def test_the_monitor_draws_once_and_then_updates(monkeypatch):
    class Handle:
        def __init__(self, content):
            self.contents = [content]

        def update(self, content):
            self.contents.append(content)

    handles = []
    monkeypatch.setattr(gan_monitor, "display", lambda made, display_id: handles.append(Handle(made)) or handles[-1])
    monitor, shots = gan_monitor.GanMonitor(columns=3), snapshots(2)
    monitor.show(history(1), shots[:1])
    monitor.show(history(2, accuracy=0.995), shots)
    curves, sheet, warning = (handle.contents for handle in handles)
    assert len(curves) == len(sheet) == len(warning) == 2
    assert warning[0].data == "" and "discriminator wins" in warning[1].data
    assert sheet[1].data == png_bytes(gan_monitor.sheets(shots[1:], 3)[0])


def test_the_monitor_shows_pictures_and_needs_no_notebook(monkeypatch):
    contents = []
    monkeypatch.setattr(gan_monitor, "display", lambda content, display_id: contents.append(content))
    monitor = gan_monitor.GanMonitor(columns=3)
    monitor.show(history(2), snapshots(2))
    monitor.show(history(3), snapshots(3))  # outside a notebook there is no handle to update
    assert Image.open(io.BytesIO(contents[1].data)).size == (24, 16) and len(contents) == 3
