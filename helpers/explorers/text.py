"""The explorer of a language model: sliders that rewrite a text, and the probabilities of its next symbol."""

import html
import threading
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass

import ipywidgets

from helpers.explorers.base import (
    Explorer,
    by_name,
    choice,
    labelled,
    mark,
    seed_field,
    surprise_and_reset,
    view_of,
)

TOP_K = (1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200)
CURSOR = "<span aria-hidden='true'>▌</span>"  # at the end of an unfinished text
VISIBLE = {" ": "␣", "\n": "↵", "\t": "⇥"}  # symbols that a table would not show


@dataclass(frozen=True)
class Written:
    """A text, and the distribution that its first new symbol is drawn from.

    `continuation` gives the text after the prompt in pieces, which may be slow.
    `candidates` are (symbol, probability) pairs, the most probable first.
    `remark` is shown in the status line.
    """

    prompt: str
    continuation: Iterable[str]
    candidates: list[tuple[str, float]]
    remark: str = ""


class TextExplorer(Explorer):
    """Sliders for temperature, top-k, top-p, length and seed; every move rewrites the text at once.

    A thread shows the text piece by piece, with a cursor at its end until it is whole. A move in the meantime ends it
    and starts the next.

    Show it with `display(explorer.view)`. The classes in a page are `explore-model`, `-prompt`, `-temperature`,
    `-top-k`, `-top-p`, `-length`, `-seed`, `-surprise`, `-reset`, `-status` and `-result`.
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
            write: called as `write(prompt=, temperature=, top_k=, top_p=, length=, seed=)`; a UserError that it
                raises is shown in the status line. Or name → such a function, to switch between.
            prompt: the first prompt.
            symbols: size of the vocabulary: the top-k that `write` gets where the slider says "no limit".
            length: how many symbols to write at first, at least 10; `longest`: at most.
        """
        self._writers = by_name(write, ["model"])
        limits = [(str(number), number) for number in TOP_K if number < symbols] + [("no limit", symbols)]
        super().__init__(
            {
                "model": choice(list(self._writers)),
                "prompt": ipywidgets.Text(prompt, description="Prompt", continuous_update=True),
                "temperature": ipywidgets.FloatSlider(0.7, min=0, max=2, step=0.05, description="Temperature"),
                "top_k": ipywidgets.SelectionSlider(options=limits, value=symbols, description="Top-k"),
                "top_p": ipywidgets.FloatSlider(1.0, min=0.05, max=1, step=0.05, description="Top-p"),
                "length": ipywidgets.IntSlider(length, min=10, max=longest, step=10, description="Length"),
                "seed": seed_field(),
            }
        )
        self._thread, self._stop = None, threading.Event()
        self.text = mark(ipywidgets.HTML(layout={"width": "32em", "max_width": "100%", "min_height": "12em"}), "result")
        self.bars = ipywidgets.HTML(layout={"width": "16em"})
        for part in (self.text, self.bars):
            part.layout.margin = "0 0 0 1em"
        model, *shown = self.controls.values()
        left = [*labelled("Model", model), *shown, ipywidgets.HBox(surprise_and_reset(self)), self.status]
        self.view = view_of(left, [self.text, self.bars])
        self._refresh(self.controls.keys())
        self.wait()  # a cell ends with the whole first text

    @property
    def is_writing(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the text is whole; return False if it is not after `seconds`."""
        if self.is_writing:
            self._thread.join(seconds)
        return not self.is_writing

    def _refresh(self, names: Set[str]) -> None:
        self._stop.set()
        self.wait()  # for one piece
        self._thread = None
        super()._refresh(names)
        if self._thread is not None:
            self._thread.start()  # only now, so that its errors follow the remark

    def _redraw(self, names: Set[str]) -> str:
        try:
            settings = self._values()
            written = self._writers[settings.pop("model")](**settings)
        except Exception:
            self._show_nothing()
            raise
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._stream, args=(written, self._stop), daemon=True)
        return written.remark

    def _stream(self, written: Written, stop: threading.Event) -> None:
        """Show a text piece by piece; the previous text stays until the first piece."""
        text = ""
        with self._errors_shown():
            try:
                for piece in written.continuation:
                    text += piece
                    self._show_text(written, text, is_whole=False)
                    if stop.is_set():  # after the piece is shown, so a dragged slider shows one piece of each text
                        return
                self._show_text(written, text)
            except Exception:
                self._show_nothing()
                raise

    def _show_text(self, written: Written, continuation: str, is_whole: bool = True) -> None:
        both = f"<b>{html.escape(written.prompt)}</b>{html.escape(continuation)}{'' if is_whole else CURSOR}"
        style = "white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.5"
        self.text.value = f"<div aria-busy='{str(not is_whole).lower()}' style='{style}'>{both}</div>"
        self.bars.value = candidate_bars(written.candidates)

    def _show_nothing(self) -> None:  # the text of other settings must not stay
        self.text.value = self.bars.value = ""


def candidate_bars(candidates: list[tuple[str, float]]) -> str:
    """Return the probabilities of the next symbol as horizontal bars, in HTML that needs no picture."""
    rows = "".join(
        "<tr><td style='text-align:right;padding-right:.5em'>"
        f"<code>{html.escape(VISIBLE.get(symbol, symbol))}</code></td>"
        f"<td style='width:8em'><div style='background:#0072B2;height:.8em;width:{100 * probability:.1f}%'></div></td>"
        f"<td style='text-align:right'>{probability:.1%}</td></tr>"
        for symbol, probability in candidates
    )
    return f"<table style='line-height:1.2'><caption>The next symbol, after all settings</caption>{rows}</table>"
