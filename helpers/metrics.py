"""Figures that say how good a model is, on data it was not trained on."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from IPython.display import Markdown, display

from helpers.errors import UserError
from helpers.images import resize


def nats_per_symbol(logits: np.ndarray, targets: np.ndarray) -> float:
    """Return the mean negative log-likelihood of the targets, in nats.

    Args:
        logits: `(positions, symbols)`, any float; need not be normalised.
        targets: `(positions,)` integer ids.
    """
    logits = np.asarray(logits, np.float64)
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return float(-log_probabilities[np.arange(len(targets)), targets].mean())


def bits(nats: float) -> float:
    """Return nats as bits: 1 nat is 1 / ln 2 = 1.443 bits."""
    return float(nats / np.log(2))


def perplexity(nats: float) -> float:
    """Return exp(nats): the number of equally likely symbols that would be as hard to guess."""
    return float(np.exp(nats))


def uniform_nats(symbols: int) -> float:
    """Return the nats per symbol of a model that holds all `symbols` for equally likely: ln(symbols)."""
    return float(np.log(symbols))


def log_frequencies(ids: np.ndarray, symbols: int) -> np.ndarray:
    """Return the logarithm of each symbol's share of a text, `(symbols,)`.

    One is added to each count (Laplace), so that a symbol which the text does not have gets a probability above 0.
    """
    counts = np.bincount(np.ravel(ids), minlength=symbols) + 1.0
    return np.log(counts / counts.sum())


def unigram_nats(training_ids: np.ndarray, held_out_ids: np.ndarray, symbols: int) -> float:
    """Return the held-out nats per symbol of a model that knows only how often each symbol is in the training text."""
    return float(-log_frequencies(training_ids, symbols)[np.ravel(held_out_ids)].mean())


def share_by_size(change: np.ndarray, halvings: int = 5) -> np.ndarray:
    """Return the shares of a change's energy in structures of about 2, 4, 8 … pixels, the finest first.

    A band is what halving the size once more would lose; the last of the `halvings` + 1 is what remains.

    Args:
        change: the difference of two pictures, `(height, width, channels)` floats.
        halvings: at most so many that a pixel is left.
    """
    energies = []
    for _ in range(halvings):
        height, width = change.shape[:2]
        smaller = resize(change, max(1, height // 2), max(1, width // 2))
        energies.append(np.mean((change - resize(smaller, height, width)) ** 2))
        change = smaller
    energies.append(np.mean(change**2))
    return np.array(energies) / max(np.sum(energies), 1e-12)


def table(rows: list[tuple[str, float]], symbol: str) -> Markdown:
    """Return a table of nats, bits and perplexity, best last if that is how the rows are given.

    Args:
        rows: (name, nats per symbol).
        symbol: what is counted, such as "character" or "word".
    """
    lines = [f"| model | nats per {symbol} | bits per {symbol} | perplexity |", "|---|--:|--:|--:|"]
    lines += [f"| {name} | {nats:.3f} | {bits(nats):.3f} | {perplexity(nats):,.1f} |" for name, nats in rows]
    return Markdown("\n".join(lines))


def rows_table(rows: Mapping[str, Mapping[str, object]]) -> Markdown:
    """Return a table of figures: name of a row → name of a column → what stands there, already rounded.

    The columns are those of the first row, in its order.
    """
    columns = list(next(iter(rows.values())))
    lines = [f"| | {' | '.join(columns)} |", f"|---|{'--:|' * len(columns)}"]
    lines += [f"| {name} | {' | '.join(str(values[column]) for column in columns)} |" for name, values in rows.items()]
    return Markdown("\n".join(lines))


def headline(folder: Path, text: str) -> None:
    """Show a notebook's one most telling figure, and write it to `headline.json` for the table of all notebooks.

    Raises:
        UserError: the text is empty.
    """
    if not text.strip():
        raise UserError("a headline needs a text.")
    (Path(folder) / "headline.json").write_text(json.dumps({"text": text}), encoding="utf-8")
    display(Markdown(f"**Headline figure:** {text}"))
