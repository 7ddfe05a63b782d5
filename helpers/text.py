"""Text as integers: a vocabulary, windows cut out of a long text, batches in an order fixed by seed and epoch."""

from collections.abc import Iterable, Sequence
from itertools import count

import numpy as np
import tensorflow as tf

from helpers.batches import untuned
from helpers.errors import UserError


class Vocabulary:
    """The list of symbols (characters or words) that a model knows; a symbol's id is its place in the list."""

    def __init__(self, symbols: Iterable[str]) -> None:
        self.symbols = [str(symbol) for symbol in symbols]
        self.ids = {symbol: number for number, symbol in enumerate(self.symbols)}
        if len(self.ids) != len(self.symbols):
            raise UserError("a vocabulary has the same symbol twice. Give each symbol once.")

    def __len__(self) -> int:
        return len(self.symbols)

    def encode(self, symbols: Iterable[str], unseen: str | None = None) -> np.ndarray:
        """Return the ids, `(symbols,)` int32.

        Args:
            symbols: a string (its characters) or a list of words.
            unseen: a symbol to put in the place of one that the vocabulary does not have.

        Raises:
            UserError: a symbol is not in the vocabulary and `unseen` is not given, or is not in it either.
        """
        symbols = list(symbols)
        missing = sorted({symbol for symbol in symbols if symbol not in self.ids})
        if missing and unseen is not None and unseen not in self.ids:
            raise UserError(f"{unseen!r} cannot stand for unseen symbols: it is not in the vocabulary itself.")
        if missing and unseen is None:
            raise UserError(
                f"not in the vocabulary: {', '.join(map(repr, missing[:8]))}. "
                f"Use symbols that the training text has, such as {' '.join(map(repr, self.symbols[-5:]))}."
            )
        return np.array([self.ids[s] if s in self.ids else self.ids[unseen] for s in symbols], np.int32)

    def decode(self, ids: Sequence[int], separator: str = "") -> str:
        """Return the symbols of `ids`, joined by `separator` ("" for characters, " " for words)."""
        return separator.join(self.symbols[number] for number in np.asarray(ids).ravel())


def split_off_end(ids: np.ndarray, share: float, least: int) -> tuple[np.ndarray, np.ndarray]:
    """Split a text in two without shuffling: all but the last `share` (0 to 1) of it, and that last share.

    Raises:
        UserError: one of the two would be shorter than `least` symbols.
    """
    if not 0 < share < 1:
        raise UserError(f"a share of {share} cannot be held out. Use a number between 0 and 1, such as 0.05.")

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


def window_batches(ids: np.ndarray, length: int, batch_size: int, seed: int, epoch: int) -> tf.data.Dataset:
    """Cut a text into windows and return shuffled batches of (inputs, targets), each `(batch_size, length)` int32.

    A target is the symbol that follows its input, so the targets are the inputs moved by one place.
    The windows stand side by side; where the first begins, and their order, depend on `seed` and
    `epoch` alone, so an epoch can be repeated exactly. Every epoch has the same number of batches.

    Raises:
        UserError: the text is too short for one batch of windows.
    """
    generator = np.random.default_rng((seed, epoch))
    starts = np.arange(generator.integers(length), len(ids) - length, length)
    generator.shuffle(starts)
    batches = (len(ids) // length - 1) // batch_size  # what is left when the first window begins latest
    if batches < 1:
        raise UserError(
            f"the text has {len(ids):,} symbols, too few for a batch of {batch_size} windows of {length}. "
            "Give a longer text, shorter windows or a smaller batch."
        )
    starts = starts[: batches * batch_size].reshape(batches, batch_size, 1)
    return _shifted_batches(starts, lambda start: tf.gather(ids, start + np.arange(length + 1)))


def sequence_batches(sequences: np.ndarray, batch_size: int, seed: int, step: int, steps: int) -> tf.data.Dataset:
    """Return `steps` batches of (inputs, targets) from padded sequences, from training step `step` on.

    The sequences are shuffled anew for each pass over them, by `seed` and the number of the pass.

    Args:
        sequences: `(sequences, length + 1)` int32, padded with 0.
        step: how many batches were drawn before; the same step always gives the same batches.
    """
    per_pass = len(sequences) // batch_size
    if not per_pass:
        raise UserError(f"{len(sequences):,} sequences are too few for a batch of {batch_size}. Give more text.")
    first_pass, last_pass = step // per_pass, (step + steps - 1) // per_pass
    orders = [
        np.random.default_rng((seed, number)).permutation(len(sequences))[: per_pass * batch_size]
        for number in range(first_pass, last_pass + 1)
    ]
    order = np.concatenate(orders).reshape(-1, batch_size)[step - first_pass * per_pass :][:steps]
    return _shifted_batches(order, lambda rows: tf.gather(sequences, rows))


def pad_windows(documents: Iterable[np.ndarray], length: int) -> np.ndarray:
    """Cut each document into windows of `length + 1` ids that overlap by one, and pad the last with 0.

    The overlap makes the last target of a window the first input of the next, so every symbol but a
    document's first is a target exactly once. Returns `(windows, length + 1)` int32.
    """
    windows = []
    for ids in documents:
        for start in range(0, max(len(ids) - 1, 0), length):
            piece = ids[start : start + length + 1]
            windows.append(np.pad(piece, (0, length + 1 - len(piece))))
    if not windows:
        raise UserError("no document has two words or more, so there is nothing to predict. Give longer documents.")
    return np.stack(windows).astype(np.int32)


def held_out_contexts(ids: np.ndarray, context: int, positions: int) -> tuple[np.ndarray, np.ndarray]:
    """Choose positions spread evenly over a held-out text, the same for every model that is compared.

    Returns:
        contexts `(positions, context)` int32, the symbols before each position; targets `(positions,)`
        int32, the symbol at it.
    """
    if len(ids) <= context:
        raise UserError(f"a held-out text of {len(ids):,} symbols is too short for a context of {context}.")
    places = np.linspace(context, len(ids) - 1, positions).astype(int)
    return ids[places[:, None] + np.arange(-context, 0)], ids[places]


def _shifted_batches(index: np.ndarray, gather) -> tf.data.Dataset:
    def inputs_and_targets(item):
        window = gather(item)
        return window[:, :-1], window[:, 1:]

    return untuned(tf.data.Dataset.from_tensor_slices(index).map(inputs_and_targets).prefetch(2))


def without_breaks(reviews: Iterable[str]) -> list[str]:
    """Return reviews with a blank in the place of each HTML line break (`<br />`)."""
    return [review.replace("<br />", " ") for review in reviews]


def encode_documents(vectorizer, documents: Sequence[str]) -> list[np.ndarray]:
    """Return the ids of each document's words, `(words,)` int32, by a `keras.layers.TextVectorization`; no padding."""
    # Not through tf.data, which takes 35 ms to prepare: an explorer asks at every key that is pressed.
    batches = (vectorizer(tf.constant(documents[i : i + 512])) for i in range(0, len(documents), 512))
    return [row[row > 0].astype(np.int32) for batch in batches for row in batch.numpy()]
