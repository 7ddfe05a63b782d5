"""The explorer of a language model: sliders that rewrite a text, and the probabilities of its next symbol."""

import html
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass

import ipywidgets
import numpy as np

from helpers.explorers import Explorer, by_name
from helpers.widgets import LARGEST_SEED, button, choice, labelled, mark, view_of

TOP_K = (1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200)
VISIBLE = {" ": "␣", "\n": "↵", "\t": "⇥"}  # symbols that a table would not show


@dataclass(frozen=True)
class Written:
    """A text, and the distribution that its first new symbol was drawn from.

    `candidates` are (symbol, probability) pairs, the most probable first.
    """

    prompt: str
    continuation: str
    candidates: list[tuple[str, float]]
    remark: str = ""


class TextExplorer(Explorer):
    """Sliders for temperature, top-k, top-p, length and seed; every move rewrites the text at once.

    Show it with `display(explorer.view)`. Everything is found in a page by its class: `explore-model`, `-prompt`,
    `-temperature`, `-top-k`, `-top-p`, `-length`, `-seed`, `-surprise`, `-reset`, `-status` and `-result`.
    """

    def __init__(
        self,
        write: Callable[..., Written] | Mapping[str, Callable[..., Written]],
        prompt: str,
        symbols: int,
        length: int,
        longest: int,
    ) -> None:
        """Build the controls and write the first text.

        Args:
            write: called as `write(prompt=, temperature=, top_k=, top_p=, length=, seed=)`; what it raises
                as `UserError` is said in words. Several by name, such as "shipped" and "just trained", can be
                switched between.
            prompt: the first prompt.
            symbols: size of the vocabulary: the top-k that `write` gets where the slider says "no limit".
            length: how many symbols to write at first; `longest`: at most.
        """
        self._writers = by_name(write, ["model"])
        limits = [(str(number), number) for number in TOP_K if number < symbols] + [("no limit", symbols)]
        super().__init__(
            {
                "model": choice([(name, name) for name in self._writers]),
                "prompt": ipywidgets.Text(prompt, description="Prompt", continuous_update=True),
                "temperature": ipywidgets.FloatSlider(0.7, min=0, max=2, step=0.05, description="Temperature"),
                "top_k": ipywidgets.SelectionSlider(options=limits, value=symbols, description="Top-k"),
                "top_p": ipywidgets.FloatSlider(1.0, min=0.05, max=1, step=0.05, description="Top-p"),
                "length": ipywidgets.IntSlider(length, min=10, max=longest, step=10, description="Length"),
                "seed": ipywidgets.BoundedIntText(0, min=0, max=LARGEST_SEED, description="Seed"),
            }
        )
        self.text = mark(ipywidgets.HTML(layout={"width": "32em", "max_width": "100%", "min_height": "12em"}), "result")
        self.bars = ipywidgets.HTML(layout={"width": "16em"})
        for part in (self.text, self.bars):
            part.layout.margin = "0 0 0 1em"
        buttons = [button("Surprise me", "surprise", self.surprise), button("Reset", "reset", self.reset)]
        model, *shown = self.controls.values()
        models = [labelled("Model", model)] if len(self._writers) > 1 else []
        self.view = view_of([*models, *shown, ipywidgets.HBox(buttons), self.status], [self.text, self.bars])
        self._refresh(self.controls.keys())

    def surprise(self) -> None:
        """Write with a seed drawn by lot."""
        self.set(seed=int(np.random.default_rng().integers(LARGEST_SEED + 1)))

    def reset(self) -> None:
        """Go back to the first prompt and the first settings."""
        self.set(**self._first)

    def _redraw(self, names: Set[str]) -> str:
        try:
            settings = self._values()
            written = self._writers[settings.pop("model")](**settings)
        except Exception:  # the text of other settings must not stay
            self.text.value = self.bars.value = ""
            raise
        both = f"<b>{html.escape(written.prompt)}</b>{html.escape(written.continuation)}"
        self.text.value = f"<div style='white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.5'>{both}</div>"
        self.bars.value = candidate_bars(written.candidates)
        return written.remark


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
