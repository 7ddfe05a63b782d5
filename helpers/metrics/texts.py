"""Figures that say how good a model of texts is, on texts it was not trained on."""

import numpy as np


def nats_per_symbol(logits: np.ndarray, targets: np.ndarray) -> float:
    """Return the mean negative log-likelihood of the targets, in nats.

    Args:
        logits: `(positions, symbols)`, any float; they need not be normalised.
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
    """Return the nats per symbol of a model for which all `symbols` are equally likely: ln(symbols)."""
    return float(np.log(symbols))


def log_frequencies(ids: np.ndarray, symbols: int) -> np.ndarray:
    """Return the logarithm of each symbol's share of a text, `(symbols,)`.

    One is added to each count (Laplace), so that a symbol that is not in the text has a probability above 0.
    """
    counts = np.bincount(np.ravel(ids), minlength=symbols) + 1.0
    return np.log(counts / counts.sum())


def unigram_nats(training_ids: np.ndarray, held_out_ids: np.ndarray, symbols: int) -> float:
    """Return the held-out nats per symbol of a model that knows only how often each symbol is in the training text."""
    return float(-log_frequencies(training_ids, symbols)[np.ravel(held_out_ids)].mean())


def row(nats: float | np.ndarray, symbol: str) -> dict[str, str]:
    """Return a row of a table: nats, bits and perplexity of a `symbol`, such as "character" or "word".

    Args:
        nats: the mean, or an array `(n,)` of the nats of each symbol. The standard error of its mean is then shown, as
            if the symbols were independent.
        symbol: what one target is called.
    """
    mean, error = float(np.mean(nats)), ""
    if np.size(nats) > 1:
        error = f" ± {np.std(nats) / np.sqrt(np.size(nats)):.3f}"
    return {
        f"nats per {symbol}": f"{mean:.3f}{error}",
        f"bits per {symbol}": f"{bits(mean):.3f}",
        "perplexity": f"{perplexity(mean):,.1f}",
    }
