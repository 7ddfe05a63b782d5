"""Explorers: thin ipywidgets around pure functions, so that everything but the sliders works without them."""

import html
from collections.abc import Callable
from dataclasses import dataclass

import ipywidgets
import numpy as np

from helpers.errors import UserError

TOP_K = (1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200)
VISIBLE = {" ": "␣", "\n": "↵", "\t": "⇥"}  # symbols that a table would not show
LARGEST_SEED = 999_999  # far below what an int32 holds, so that a sampler may add to it


@dataclass(frozen=True)
class Written:
    """A text, and the distribution that its first new symbol was drawn from.

    `candidates` are (symbol, probability) pairs, the most probable first.
    """

    prompt: str
    continuation: str
    candidates: list[tuple[str, float]]
    remark: str = ""


class TextExplorer:
    """Sliders for temperature, top-k, top-p, length and seed; every move rewrites the text at once.

    Show it with `display(explorer.view)`. A control is found in a page by its class, such as
    `explore-temperature`.
    """

    def __init__(self, write: Callable[..., Written], prompt: str, symbols: int, length: int, longest: int) -> None:
        """Build the controls and write the first text.

        Args:
            write: called as `write(prompt=, temperature=, top_k=, top_p=, length=, seed=)`; what it raises
                as `UserError` is shown in place of the text.
            prompt: the first prompt.
            symbols: size of the vocabulary: the top-k that `write` gets where the slider says "no limit".
            length: how many symbols to write at first; `longest`: at most.
        """
        self._write = write
        limits = [(str(number), number) for number in TOP_K if number < symbols] + [("no limit", symbols)]
        self.controls = {
            "prompt": ipywidgets.Text(prompt, description="Prompt", continuous_update=True),
            "temperature": ipywidgets.FloatSlider(0.7, min=0, max=2, step=0.05, description="Temperature"),
            "top_k": ipywidgets.SelectionSlider(
                options=limits, value=symbols, description="Top-k", continuous_update=True
            ),
            "top_p": ipywidgets.FloatSlider(1.0, min=0.05, max=1, step=0.05, description="Top-p"),
            "length": ipywidgets.IntSlider(length, min=10, max=longest, step=10, description="Length"),
            "seed": ipywidgets.BoundedIntText(0, min=0, max=LARGEST_SEED, description="Seed"),
        }
        self._first = {name: control.value for name, control in self.controls.items()}
        for name, control in self.controls.items():
            control.layout.width = "24em"
            control.style.description_width = "7em"
            control.add_class(f"explore-{name.replace('_', '-')}")
            control.observe(self._rewrite, names="value")
        self.text = ipywidgets.HTML(layout=ipywidgets.Layout(width="32em", min_height="12em"))
        self.bars = ipywidgets.HTML(layout=ipywidgets.Layout(width="16em"))
        self.text.add_class("explore-result")
        surprise, reset = (ipywidgets.Button(description=text) for text in ("Surprise me", "Reset"))
        surprise.on_click(lambda _: self.set(seed=int(np.random.default_rng().integers(LARGEST_SEED + 1))))
        reset.on_click(lambda _: self.set(**self._first))
        buttons = ipywidgets.HBox([surprise, reset])
        left = ipywidgets.VBox([*self.controls.values(), buttons])
        self.view = ipywidgets.HBox([left, self.text, self.bars], layout=ipywidgets.Layout(flex_flow="row wrap"))
        self._rewrite()

    def set(self, **values) -> None:
        """Set several controls and rewrite the text once."""
        for name, value in values.items():
            self.controls[name].unobserve(self._rewrite, names="value")
            self.controls[name].value = value
            self.controls[name].observe(self._rewrite, names="value")
        self._rewrite()

    def _rewrite(self, _change=None) -> None:
        values = {name: control.value for name, control in self.controls.items()}
        try:
            written = self._write(**values)
        except UserError as error:
            self.text.value = f"<p role='alert'>⚠ {html.escape(str(error))}</p>"
            self.bars.value = ""
            return
        remark = f"<p><em>{html.escape(written.remark)}</em></p>" if written.remark else ""
        both = f"<b>{html.escape(written.prompt)}</b>{html.escape(written.continuation)}"
        self.text.value = (
            f"<div style='white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.5'>{both}</div>{remark}"
        )
        self.bars.value = candidate_bars(written.candidates)


def candidate_bars(candidates: list[tuple[str, float]]) -> str:
    """Return the probabilities of the next symbol as horizontal bars, in HTML that needs no picture."""
    rows = "".join(
        "<tr><td style='text-align:right;padding-right:.5em'>"
        f"<code>{html.escape(VISIBLE.get(symbol, symbol))}</code></td>"
        f"<td style='width:8em'><div style='background:#0072B2;height:.8em;width:{100 * probability:.1f}%'></div></td>"
        f"<td style='text-align:right'>{probability:.1%}</td></tr>"
        for symbol, probability in candidates
    )
    return f"<table style='line-height:1.2'><caption>The next symbol</caption>{rows}</table>"
