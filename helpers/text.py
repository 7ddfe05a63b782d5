"""Text as integers: a vocabulary, windows cut out of a long text, and what may be asked of a sampler."""

from collections.abc import Iterable, Sequence
from itertools import count
from numbers import Integral

import numpy as np
import tensorflow as tf

from helpers.session import UserError


class Vocabulary:
    """The list of symbols (characters or words) that a model knows; a symbol's id is its place in the list."""

    def __init__(self, symbols: Iterable[str]) -> None:
        self.symbols = [str(symbol) for symbol in symbols]
        self.ids = {symbol: number for number, symbol in enumerate(self.symbols)}

    def __len__(self) -> int:
        return len(self.symbols)

    def encode(self, symbols: Iterable[str]) -> np.ndarray:
        """Return the ids of a string's characters, or of a list's words: `(symbols,)` int32.

        Raises:
            UserError: a symbol is not in the vocabulary.
        """
        symbols = list(symbols)
        if missing := sorted(set(symbols) - self.ids.keys()):
            raise UserError(
                f"not in the vocabulary: {', '.join(map(repr, missing[:8]))}. "
                f"Use symbols that the training text has, such as {' '.join(map(repr, self.symbols[-5:]))}."
            )
        return np.array([self.ids[symbol] for symbol in symbols], np.int32)

    def decode(self, ids: Sequence[int], separator: str = "") -> str:
        """Return the symbols of `ids`, joined by `separator` ("" for characters, " " for words)."""
        return separator.join(self.symbols[number] for number in np.asarray(ids).ravel())


def split_off_end(ids: np.ndarray, share: float, least: int) -> tuple[np.ndarray, np.ndarray]:
    """Split a text in two without shuffling: all but the last `share` (between 0 and 1) of it, and that last share.

    Raises:
        UserError: one of the two would be shorter than `least` symbols.
    """

    def shorter_part(length: int) -> int:
        return min(int(length * share), length - int(length * share))

    if shorter_part(len(ids)) < least:
        enough = next(length for length in count(2 * least) if shorter_part(length) >= least)
        raise UserError(
            f"the text has {len(ids):,} symbols; with {share:.0%} of it held out, the shorter part has "
            f"{shorter_part(len(ids)):,}, and a window needs {least:,}. Give a text of at least {enough:,} symbols, "
            "or shorter windows."
        )
    cut = len(ids) - int(len(ids) * share)
    return ids[:cut], ids[cut:]


def pad_windows(documents: Iterable[np.ndarray], length: int) -> np.ndarray:
    """Cut each document into windows of `length + 1` ids that overlap by one, and pad the last with 0.

    The overlap makes the last target of a window the first input of the next, so every symbol but a document's first
    is a target exactly once. At least one document must have two symbols. Returns `(windows, length + 1)` int32.
    """
    windows = []
    for ids in documents:
        for start in range(0, max(len(ids) - 1, 0), length):
            piece = ids[start : start + length + 1]
            windows.append(np.pad(piece, (0, length + 1 - len(piece))))
    return np.stack(windows).astype(np.int32)


def without_breaks(reviews: Iterable[str]) -> list[str]:
    """Return reviews with a blank in the place of each HTML line break (`<br />`)."""
    return [review.replace("<br />", " ") for review in reviews]


def encode_documents(vectorizer, documents: Sequence[str]) -> list[np.ndarray]:
    """Return the ids of each document's words, `(words,)` int32, by a `keras.layers.TextVectorization`; no padding."""
    # Not through tf.data, which takes 35 ms to prepare: an explorer encodes its prompt at every key that is pressed.
    batches = (vectorizer(tf.constant(documents[i : i + 512])) for i in range(0, len(documents), 512))
    return [row[row > 0].astype(np.int32) for batch in batches for row in batch.numpy()]


def check_request(
    prompt_ids: np.ndarray,
    length: int,
    temperatures: Sequence[float],
    top_k: int | None = None,
    top_p: float = 1.0,
) -> None:
    """Raise a UserError unless a text can be written with these settings.

    Args:
        prompt_ids: the beginning of the text, `(time,)`, at least one id.
        length: how many ids to write, from 1.
        temperatures: one for each text, from 0 (the most probable symbol); a huge one is allowed.
        top_k: keep the `top_k` most probable symbols, from 1; None means no limit.
        top_p: keep the fewest symbols whose probabilities add up to `top_p`, in (0, 1].
    """
    for temperature in temperatures:
        if not np.isfinite(temperature) or temperature < 0:
            raise UserError(f"a temperature of {temperature} makes no sense. Use 0 (always the most probable) or more.")
    if top_k is not None and (not isinstance(top_k, Integral) or top_k < 1):
        raise UserError(f"top_k={top_k} leaves nothing to choose from. Use a whole number from 1, or None (no limit).")
    if not 0 < top_p <= 1:
        raise UserError(f"top_p={top_p} is no share. Use a number above 0 and at most 1 (1 means no limit).")
    if not isinstance(length, Integral) or length < 1:
        raise UserError(f"a length of {length} writes nothing. Use a whole number from 1.")
    if not np.size(prompt_ids):
        raise UserError("the prompt is empty. Give at least one symbol to begin with.")
