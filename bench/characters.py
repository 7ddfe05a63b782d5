"""Characters: sampling and training, by the book's recipe and as in notebook 01."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from bench import recipes
from bench.measure import Sizes, interleaved_rates, multiply_adds, say, seconds_of, seconds_per_step, warm_up
from bench.report import Row, rate_row
from helpers import text
from helpers.data import texts
from helpers.metrics import texts as text_metrics
from helpers.training.batches import window_batches
from tools.lift import lift

NOTEBOOK = Path(__file__).resolve().parents[1] / "notebooks" / "01_text_generation.ipynb"
TEMPERATURES = [0.2, 0.5, 1.0, 1.2]


class Task:
    """The text split as in the notebook, the positions at which every model is scored, and the notebook's code."""

    def __init__(self, sizes: Sizes) -> None:
        characters = texts.load_nietzsche().text[: sizes.corpus].lower()
        self.vocabulary = text.Vocabulary(sorted(set(characters)))
        self.training, held_out = text.split_off_end(self.vocabulary.encode(characters), share=0.05, least=101)
        self.contexts, self.targets = held_out_contexts(held_out, recipes.WINDOW, sizes.positions)
        self.seed_text = self.vocabulary.decode(held_out[: recipes.WINDOW])
        self.batch_size, self.seed = sizes.character_batch, sizes.seed
        names = ("build_character_model", "decaying_rate", "adamw", "character_step", "empty_memory", "write_fast")
        self.notebook = lift(NOTEBOOK, *names)

    def score(self, next_logits: Callable[[np.ndarray], np.ndarray]) -> float:
        """Return nats per held-out character of any model, given as contexts (n, 60) → logits (n, symbols)."""
        return text_metrics.nats_per_symbol(next_logits(self.contexts), self.targets)

    def batches(self, epoch: int):
        return window_batches(self.training, length=50, batch_size=self.batch_size, seed=self.seed, epoch=epoch)


def held_out_contexts(ids: np.ndarray, context: int, positions: int) -> tuple[np.ndarray, np.ndarray]:
    """Choose positions spread evenly over a held-out text, the same for every model that is compared.

    Returns:
        contexts `(positions, context)` int32, the symbols before each position; targets `(positions,)`
        int32, the symbol at it.
    """
    places = np.linspace(context, len(ids) - 1, positions).astype(int)
    return ids[places[:, None] + np.arange(-context, 0)], ids[places]


def sampling(sizes: Sizes, width: int, goal: float) -> list[Row]:
    """Return the row of characters sampled per second at one width of the LSTM (its weights do not matter)."""
    task = Task(sizes)
    symbols, notebook = len(task.vocabulary), task.notebook
    book, model = recipes.character_model(symbols, width), notebook.build_character_model(symbols, width=width)
    step, prompt_ids = notebook.character_step(model), task.vocabulary.encode(task.seed_text)

    def book_writes() -> None:
        recipes.write_characters(book, task.vocabulary, task.seed_text, sizes.recipe_characters, 0.5)

    def we_write() -> None:
        empty = lambda texts: notebook.empty_memory(model, texts)  # noqa: E731
        notebook.write_fast(step, empty, prompt_ids, sizes.our_characters, TEMPERATURES)

    say(f"sampling characters at width {width}")
    counts = sizes.recipe_characters, sizes.our_characters * len(TEMPERATURES)
    rates = interleaved_rates((book_writes, counts[0]), (we_write, counts[1]), sizes.repeats)
    flop = 2 * recipes.WINDOW * multiply_adds(book), 2 * multiply_adds(model)
    remark = f"arithmetic a character: {flop[0] / 1e6:.1f} MFLOP (60 steps) and {flop[1] / 1e6:.2f} MFLOP (one step)."
    return [rate_row(f"characters sampled, LSTM({width})", "per second", *rates, goal, [remark], flop)]


def training(sizes: Sizes) -> list[Row]:
    """Return two rows: the seconds to the book's loss, and the loss in a share of the book's seconds."""
    task = Task(sizes)
    book_loss, book_seconds = train_recipe(task, sizes.windows)
    runs: list[Run] = []
    for share in sizes.shares:
        runs.append(train_ours(task, share * book_seconds, book_loss))
        if runs[-1].reached is not None:
            break
    first, last = runs[0], runs[-1]
    remarks = [run.remark(book_seconds) for run in runs] + ["compiling and scoring are in neither's seconds."]
    remarks.insert(0, f"the book's loss was {book_loss:.3f} nats.")
    is_reached = last.reached is not None
    seconds = last.reached if is_reached else last.seconds
    ratios = (book_seconds / seconds,) if is_reached else ()
    job = f"characters: seconds to the loss of the book's after {sizes.windows:,} windows"
    loss_job = f"characters: held-out loss, ours in {sizes.shares[0]:.2f} of the book's seconds"
    return [
        Row(job, "s", book_seconds, seconds, ratios, 3, is_reached, remarks),
        Row(loss_job, "nats", book_loss, first.loss, goal=0),
    ]


def train_recipe(task: Task, windows: int) -> tuple[float, float]:
    """Train the book's model once over `windows`; return held-out nats per character, and seconds."""
    keras.utils.set_random_seed(task.seed)
    symbols = len(task.vocabulary)
    inputs, targets = recipes.character_windows(task.training, symbols, windows, task.seed)
    model = recipes.character_model(symbols)
    warm_up(model, lambda: model.fit(inputs[:128], targets[:128], batch_size=128, verbose=0))
    say(f"training on characters, the book's recipe: {len(inputs):,} windows")
    seconds = seconds_of(lambda: model.fit(inputs, targets, batch_size=128, verbose=0))
    loss = task.score(recipes.character_logits(model, symbols))
    say(f"{loss:.3f} nats per character after {seconds:.0f} s")
    return loss, seconds


@dataclass
class Run:
    """One training of ours: `reached` is when a score first was at most the goal, or None."""

    steps: int
    seconds: float = 0.0
    loss: float = float("inf")
    reached: float | None = None

    def remark(self, book_seconds: float) -> str:
        when = f"there first after {self.reached:.0f} s" if self.reached is not None else "not there"
        share = self.seconds / book_seconds
        return f"{self.steps} steps in {share:.2f} of the book's seconds ended at {self.loss:.3f} nats; {when}."


def train_ours(task: Task, seconds: float, goal: float) -> Run:
    """Train the notebook's model with a schedule that fits into `seconds`, scoring it 20 times on the way."""
    pace = seconds_per_step(_compiled(task, steps=1_000), task.batches(epoch=0))
    run = Run(steps=max(1, round(seconds / pace)))
    model = _compiled(task, run.steps)
    warm_up(model, lambda: model.train_on_batch(*next(iter(task.batches(epoch=0)))))
    next_logits = lambda contexts: model.predict(contexts, batch_size=500, verbose=0)[:, -1]  # noqa: E731
    every = max(1, run.steps // 20)
    say(f"training on characters, ours: {run.steps} steps of about {pace:.3f} s")
    batches = _endless(task)
    for step in range(1, run.steps + 1):
        start = time.perf_counter()
        model.train_on_batch(*next(batches))
        run.seconds += time.perf_counter() - start
        if step % every == 0 or step == run.steps:
            run.loss = task.score(next_logits)
            if run.reached is None and run.loss <= goal:
                run.reached = run.seconds
    say(f"{run.loss:.3f} nats per character after {run.seconds:.0f} s")
    return run


def _compiled(task: Task, steps: int) -> keras.Model:
    keras.utils.set_random_seed(task.seed)
    model = task.notebook.build_character_model(len(task.vocabulary))
    model.get_layer("logits").bias.assign(text_metrics.log_frequencies(task.training, len(task.vocabulary)))
    rate = task.notebook.decaying_rate(0.008, steps)  # this line, the one above and the next: as in the notebook
    optimizer = task.notebook.adamw(rate, weight_decay=0.01)
    model.compile(optimizer=optimizer, loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def _endless(task: Task):
    epoch = 0
    while True:
        yield from task.batches(epoch)
        epoch += 1
