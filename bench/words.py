"""Words: writing and training with a Transformer, by the book's recipe and as in notebook 01."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

import keras
import numpy as np
from keras import layers

from bench import recipes
from bench.characters import NOTEBOOK
from bench.measure import (
    Sizes,
    interleaved_rates,
    matmul_gflops,
    multiply_adds,
    say,
    seconds_per_step,
    warm_up,
)
from bench.report import Row, rate_row
from helpers import text
from helpers.data import texts
from helpers.metrics import texts as text_metrics
from helpers.training.batches import sequence_batches
from tools.lift import lift

TEMPERATURES = [0.2, 0.5, 0.7, 1.0, 1.5]
PROMPT = "This movie"
LIFTED = ("TransformerLanguageModel", "decaying_rate", "adamw", "word_loss", "nats_of_words", "make_vectorizer")
LIFTED += ("word_step", "empty_cache", "write_fast")


class Task:
    """The reviews in both forms, the vocabulary, and the notebook's code.

    `crops` are the first words of each review, as the book has them; `windows` are whole reviews cut into windows.
    A vocabulary that is smaller than asked for (the stand-in's) is filled up, so that the models have their size.
    """

    def __init__(self, sizes: Sizes) -> None:
        self.sizes, self.notebook = sizes, lift(NOTEBOOK, *LIFTED)
        reviews = text.without_breaks(texts.load_imdb(train_limit=sizes.reviews, test_limit=1).train)
        training = reviews[: -sizes.held_out_reviews]
        words = self.notebook.make_vectorizer(training, sizes.vocabulary).get_vocabulary()[2:]
        words += [f"unused{number}" for number in range(sizes.vocabulary - 2 - len(words))]
        self.vectorizer = layers.TextVectorization(vocabulary=words)
        self.padding_vectorizer = layers.TextVectorization(vocabulary=words, output_sequence_length=sizes.context)
        self.vocabulary = text.Vocabulary(self.vectorizer.get_vocabulary())
        documents = text.encode_documents(self.vectorizer, reviews)
        self.crops, self.held_out = np.split(_first_words(documents, sizes.context + 1), [len(training)])
        self.windows = text.pad_windows(documents[: len(training)], sizes.context)

    def batches(self, sequences: np.ndarray) -> Iterator:
        """Yield batches of (inputs, targets) without end."""
        step = 0
        while True:
            yield from sequence_batches(sequences, self.sizes.word_batch, self.sizes.seed, step, steps=100)
            step += 100

    def score(self, logits: Callable) -> float:
        """Return nats per word on the first words of held-out reviews, padding excluded.

        Args:
            logits: ids (batch, time) → logits (batch, time, vocabulary); a model, or a function.
        """
        return float(self.notebook.nats_of_words(logits, self.held_out, self.sizes.word_batch).mean())

    def book_model(self) -> keras.Model:
        keras.utils.set_random_seed(self.sizes.seed)
        return recipes.word_model(self.sizes.vocabulary, self.sizes.context)

    def our_model(self, steps: int) -> keras.Model:
        keras.utils.set_random_seed(self.sizes.seed)
        model = self.notebook.TransformerLanguageModel(len(self.vocabulary), context=self.sizes.context)
        model(self.windows[:1, :-1])
        words = self.windows[:, 1:][self.windows[:, 1:] > 0]
        model.bias.assign(text_metrics.log_frequencies(words, len(self.vocabulary)))
        rate = self.notebook.decaying_rate(0.002, steps)  # this and the next line: as the notebook compiles it
        model.compile(self.notebook.adamw(rate, weight_decay=0.02, beta_2=0.98), self.notebook.word_loss)
        return model


def _first_words(documents: list[np.ndarray], count: int) -> np.ndarray:
    """Return the first `count` ids of each document, padded with 0: (documents, count) int32."""
    return np.stack([np.pad(ids[:count], (0, max(0, count - len(ids)))) for ids in documents]).astype(np.int32)


def writing(sizes: Sizes) -> list[Row]:
    """Return the row of words written per second, five temperatures at once."""
    task = Task(sizes)
    book, model = task.book_model(), task.our_model(steps=1)
    step, empty = task.notebook.word_step(model), lambda texts: task.notebook.empty_cache(model, texts)
    [prompt_ids] = text.encode_documents(task.vectorizer, [PROMPT])
    length = sizes.context - len(prompt_ids)
    one_piece = {"size": length, "context": sizes.context}  # which is as long as the model can hold

    def book_writes() -> None:
        recipes.write_words(book, task.padding_vectorizer, PROMPT, sizes.recipe_words, TEMPERATURES)

    def we_write() -> None:
        for seed in range(sizes.our_texts):
            task.notebook.write_fast(step, empty, prompt_ids, length, TEMPERATURES, seed=seed, **one_piece)

    say("writing words")
    counts = sizes.recipe_words * len(TEMPERATURES), length * len(TEMPERATURES) * sizes.our_texts
    rates = interleaved_rates((book_writes, counts[0]), (we_write, counts[1]), sizes.repeats)
    flop = 2 * sizes.context * multiply_adds(book), 2 * multiply_adds(model, tied=model.tokens.count_params())
    remark = f"arithmetic a word: {flop[0] / 1e6:,.0f} MFLOP (all positions) and {flop[1] / 1e6:.1f} MFLOP (one)."
    return [rate_row("words written, five temperatures", "per second", *rates, 200, [remark], flop)]


def training_speed(sizes: Sizes) -> list[Row]:
    """Return the row of words trained on per second: the same batches, and targets that are padding not counted."""
    task = Task(sizes)
    batches = task.batches(task.crops)
    fixed = [next(batches) for _ in range(sizes.word_steps)]
    words = sum(int(np.count_nonzero(targets)) for _, targets in fixed)
    book, model = task.book_model(), task.our_model(steps=1_000)
    say(f"training steps on words: {len(fixed)} a repeat")
    book_trains, we_train = ((lambda m=m: [m.train_on_batch(*batch) for batch in fixed]) for m in (book, model))
    rates = interleaved_rates((book_trains, words), (we_train, words), sizes.repeats)
    places = sum(targets.shape[0] * targets.shape[1] for _, targets in fixed) / words
    ours = multiply_adds(model, tied=model.tokens.count_params())
    flop = places * 6 * multiply_adds(book), places * 6 * ours
    peak = matmul_gflops() * 1e9
    reached = [operations * statistics.median(found) / peak for operations, found in zip(flop, rates, strict=True)]
    remark = (
        f"arithmetic a word, forward and back: {flop[0] / 1e6:.1f} and {flop[1] / 1e6:.1f} MFLOP, so "
        f"{reached[0]:.2f} and {reached[1]:.2f} of what a product of two matrices reached. Both compute the logits of "
        f"all words at each of {places:.2f} places a word, padding too."
    )
    return [rate_row("Transformer training, words", "per second", *rates, 3, [remark], flop)]


def training_loss(sizes: Sizes) -> list[Row]:
    """Return the row of the held-out loss of both after the same seconds of training."""
    task = Task(sizes)
    book = task.book_model()
    book_steps, book_seconds = train_for(book, task.batches(task.crops), sizes.seconds)
    book_loss = task.score(recipes.word_logits(book))
    say(f"{book_loss:.3f} nats per word, the book's recipe, after {book_steps} steps in {book_seconds:.0f} s")
    pace = seconds_per_step(task.our_model(steps=1_000), task.batches(task.windows))
    budget = max(1, int(sizes.seconds / pace))
    model = task.our_model(budget)
    steps, seconds = train_for(model, task.batches(task.windows), sizes.seconds, budget)
    loss = task.score(model)
    say(f"{loss:.3f} nats per word, ours, after {steps} steps in {seconds:.0f} s")
    remarks = [
        f"{book_steps} steps in {book_seconds:.0f} s and {steps} (planned: {budget}) in {seconds:.0f} s, "
        f"of {sizes.word_batch} sequences each; compiling and scoring not counted.",
        f"scored on the first {sizes.context + 1} words of {len(task.held_out)} held-out reviews, padding left out.",
    ]
    job = f"Transformer, held-out loss after {sizes.seconds:g} s"
    return [Row(job, "nats", book_loss, loss, goal=0, remarks=remarks)]


def train_for(model: keras.Model, batches: Iterator, seconds: float, most: int | None = None) -> tuple[int, float]:
    """Train until `seconds` are over or `most` steps are done, at least one; return the steps and the seconds."""
    first = next(batches)
    warm_up(model, lambda: model.train_on_batch(*first))
    say(f"training on words for {seconds:g} s")
    steps, start = 0, time.perf_counter()
    while steps == 0 or (time.perf_counter() - start < seconds and steps != most):
        model.train_on_batch(*(next(batches) if steps else first))
        steps += 1
    return steps, time.perf_counter() - start
