"""What all explorers have in common: one look, errors in words, nothing left behind, independence of one another."""

import gc
import threading
import tracemalloc

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pytest
from explorer_tools import SECONDS, Decoder, alert, find, walk_through

from helpers.explorers import picture as picture_explorer
from helpers.explorers.base import CONTROL_WIDTH, LABEL_WIDTH, LARGEST_SEED, sliders
from helpers.explorers.faces import FaceExplorer
from helpers.explorers.generator import GeneratorExplorer
from helpers.explorers.map import MapExplorer, nearest_picture
from helpers.explorers.pad import LatentPad
from helpers.explorers.picture import PictureExplorer
from helpers.explorers.text import TextExplorer, Written
from helpers.session import UserError

LATENTS = np.random.default_rng(0).normal(size=(5, 2))
FACES = np.full((5, 4, 4, 3), 0.5)
SMILE = {"Smiling": np.ones(2)}
PHOTOGRAPH = np.full((8, 8, 3), 0.5, np.float32)
NEAREST = nearest_picture(LATENTS, FACES, "abcde")


class Model:
    """Stands for any model: decodes, judges, writes and paints, or raises what the test wants."""

    def __init__(self):
        self.decoder = Decoder(channels=(3,))

    def decode(self, z):
        return self.decoder(z)

    def judge(self, pictures):
        return pictures.mean(axis=(1, 2, 3))

    def write(self, temperature, **values):
        self.decoder(np.zeros((1, 2)))
        return Written("a", [" text at ", str(temperature)], [("b", 1.0)])

    def paint(self, picture, report, strength):
        report("painting", 0.5, picture)
        self.decoder(np.zeros((1, 2)))
        return {"painted": picture * strength}


# name → (how it is made of a model, the control that is moved, what then has to change)
KINDS = {
    "text": (lambda model: TextExplorer(model.write, "a", symbols=57, length=40, longest=200), "temperature", "result"),
    "map": (lambda model: MapExplorer(model.decode, LATENTS, np.zeros(5, int), ["one"], NEAREST), "z1", "decoded"),
    "face": (lambda model: FaceExplorer(model.decode, FACES, LATENTS, SMILE), "Smiling", "edited"),
    "generator": (
        lambda model: GeneratorExplorer({"a": model.decode}, {"a": SMILE}, dimensions=2, judge={"a": model.judge}),
        "Smiling",
        "generated",
    ),
    "picture": (
        lambda model: PictureExplorer(model.paint, sliders(strength=("Strength", 0.5, 0, 1, 0.01)), PHOTOGRAPH),
        "strength",
        "result-1",
    ),
}


@pytest.fixture
def model(timers, monkeypatch):
    monkeypatch.setattr(picture_explorer, "SECONDS_TO_SHOW", 0)
    return Model()


def moved(explorer, name, step):
    """Move a control to one of fifty places, and wait for what follows."""
    if name == "z1":
        explorer.pad.x = explorer.low[0] + (explorer.high[0] - explorer.low[0]) * (step % 50) / 50
        return
    control = explorer.controls[name]
    control.value = control.min + (control.max - control.min) * (step % 50) / 50
    if isinstance(explorer, PictureExplorer):
        explorer.run()
    wait(explorer)


def wait(explorer):
    if isinstance(explorer, PictureExplorer | TextExplorer):
        assert explorer.wait(SECONDS)


@pytest.mark.parametrize("kind", KINDS)
def test_controls_look_alike_and_pictures_have_captions(model, kind):
    explorer = KINDS[kind][0](model)
    parts = list(walk_through(explorer.view))
    assert find(explorer, "reset") in parts and explorer.status in parts
    for control in explorer.controls.values():
        if not isinstance(control, ipywidgets.ToggleButtons):
            assert control.description and control.layout.width == CONTROL_WIDTH
            assert control.style.description_width == LABEL_WIDTH
    assert all(part.description for part in parts if isinstance(part, ipywidgets.Button))
    for name in explorer.pictures:
        assert find(explorer, name) in parts and explorer._captions[name].value != "<b></b>"


def turn(widget):
    """Give a control another value, as a hand on it would; return whether it is a control at all."""
    if isinstance(widget, ipywidgets.Button):
        widget.click()
    elif isinstance(widget, ipywidgets.ToggleButtons | ipywidgets.SelectionSlider):
        widget.index = (widget.index + 1) % len(widget.options)
    elif isinstance(widget, ipywidgets.Text):
        widget.value += " s"
    elif hasattr(widget, "min"):
        widget.value = widget.min if widget.value != widget.min else widget.max
    elif isinstance(widget, LatentPad):
        widget.x, widget.y = widget.x + 0.1, widget.y + 0.1
    else:
        return False
    return True


@pytest.mark.parametrize("kind", KINDS)
def test_every_control_can_be_moved(model, timers, kind):
    explorer = KINDS[kind][0](model)
    parts = [*explorer.controls.values(), *walk_through(explorer.view)]
    assert sum(map(turn, parts)) >= 3 and all(map(turn, explorer.controls.values()))
    timers.fire()
    wait(explorer)
    assert "Error" not in alert(explorer)  # that there is no file "s" is no fault


@pytest.mark.parametrize("kind", ["text", "map", "face", "generator"])
def test_a_fault_at_the_first_picture_is_raised(model, kind):
    model.decoder.error = ZeroDivisionError("a bug")
    with pytest.raises(ZeroDivisionError):
        KINDS[kind][0](model)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("error", [UserError("train <first>"), ZeroDivisionError("train <first>")])
def test_an_error_is_shown_in_words_and_the_next_move_mends_it(model, kind, error, caplog):
    make, control, shows = KINDS[kind]
    explorer = make(model)
    model.decoder.error = error
    moved(explorer, control, 20)
    assert "train &lt;first&gt;" in alert(explorer)
    is_fault = isinstance(error, ZeroDivisionError)
    assert ("ZeroDivisionError" in alert(explorer)) == ("raise self.error" in caplog.text) == is_fault
    model.decoder.error = None
    moved(explorer, control, 30)
    assert not alert(explorer) and find(explorer, shows).value


@pytest.mark.parametrize("kind", KINDS)
def test_two_explorers_of_one_model_do_not_move_each_other(model, kind):
    make, control, shows = KINDS[kind]
    one, other = make(model), make(model)
    moved(other, control, 10)
    before = find(other, shows).value
    for step in (20, 45):
        moved(one, control, step)
        assert find(other, shows).value == before
    assert find(one, shows).value != before
    moved(other, control, 45)
    assert find(other, shows).value == find(one, shows).value


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_hundred_moves_leave_no_memory_figure_widget_or_thread_behind(model, kind):
    make, control, _ = KINDS[kind]
    explorer = make(model)

    def kept():
        gc.collect()
        widgets = sum(isinstance(thing, ipywidgets.Widget) for thing in gc.get_objects())
        return plt.get_fignums(), widgets, threading.active_count()

    for step in range(50):
        moved(explorer, control, step)
    model.decoder.calls.clear()
    before = kept()
    tracemalloc.start()
    try:
        for step in range(100):
            moved(explorer, control, step)
            model.decoder.calls.clear()
        after = kept()
        left, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after == before and left < 300_000, "bytes"


@pytest.mark.parametrize("typed", [-5, 2**31, 10**12])
@pytest.mark.parametrize("kind", ["text", "generator"])
def test_a_value_out_of_range_is_limited(model, kind, typed):
    explorer = KINDS[kind][0](model)
    explorer.set(seed=3)
    explorer.controls["seed"].value = typed
    assert explorer.controls["seed"].value in (0, LARGEST_SEED) and not alert(explorer)
