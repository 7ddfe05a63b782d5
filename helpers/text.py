"""Text as integers: a vocabulary, windows cut out of a long text, and what a sampler is asked for."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from numbers import Integral
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from helpers.session import UserError


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


def without_breaks(reviews: Iterable[str]) -> list[str]:
    """Return reviews with a blank in the place of each HTML line break (`<br />`)."""
    return [review.replace("<br />", " ") for review in reviews]


def encode_documents(vectorizer, documents: Sequence[str]) -> list[np.ndarray]:
    """Return the ids of each document's words, `(words,)` int32, by a `keras.layers.TextVectorization`; no padding."""
    # Not through tf.data, which takes 35 ms to prepare: an explorer asks at every key that is pressed.
    batches = (vectorizer(tf.constant(documents[i : i + 512])) for i in range(0, len(documents), 512))
    return [row[row > 0].astype(np.int32) for batch in batches for row in batch.numpy()]


PLACES = 1_024  # a text has room for a multiple of this; each new number of places is compiled anew


class Request(NamedTuple):
    """A text to continue, in several streams at once.

    `prompt` (streams, places) int32 holds the same ids in each row, `read` of them, then room for `length`
    more and for what rounding up adds; `temperature` (streams,) float32; `uniform` (places, streams)
    float32 in [0, 1), a random number for each choice; `narrow` is (top_k int32, top_p float32), or
    None where they cut nothing off. What stands before the place `begin` has been read already.
    """

    prompt: tf.Tensor
    begin: tf.Tensor
    read: tf.Tensor
    length: tf.Tensor
    temperature: tf.Tensor
    uniform: tf.Tensor
    narrow: tuple[tf.Tensor, tf.Tensor] | None


def request(
    prompt_ids: np.ndarray,
    length: int,
    temperatures: Sequence[float],
    seed: int = 0,
    top_k: int | None = None,
    top_p: float = 1.0,
) -> Request:
    """Check what is asked for and return it as tensors.

    Args:
        prompt_ids: what all streams begin with, `(read,)`, or `(streams, read)` if each has its own text.
        length: how many ids to write.
        temperatures: one for each stream. 0 means the most probable symbol; a huge one is allowed and
            makes all symbols equally likely.
        seed: of the random numbers, which are the same on every machine.
        top_k: keep the most probable `top_k` symbols; None means no limit.
        top_p: keep the fewest symbols whose probabilities add up to `top_p`, in (0, 1].

    Raises:
        UserError: a setting makes no sense, or the prompt is empty.
    """
    _check(temperatures, top_k, top_p, length)
    ids = np.atleast_2d(np.asarray(prompt_ids, np.int32))
    if not ids.size:
        raise UserError("the prompt is empty. Give at least one symbol to begin with.")
    read = ids.shape[1]
    ids = np.broadcast_to(ids, (len(temperatures), read))
    room = -(read + length) % PLACES
    unlimited = top_k is None and top_p == 1
    most = np.iinfo(np.int32).max
    return Request(
        prompt=tf.constant(np.pad(ids, [(0, 0), (0, length + room)])),
        begin=tf.constant(0),
        read=tf.constant(read),
        length=tf.constant(length),
        temperature=tf.constant(temperatures, tf.float32),
        uniform=tf.constant(np.random.default_rng(seed).random((read + length + room, len(temperatures)), np.float32)),
        narrow=None if unlimited else (tf.constant(min(top_k or most, most)), tf.constant(top_p, tf.float32)),
    )


def new_ids(written: tf.Tensor, request: Request) -> np.ndarray:
    """Return what was written after the prompt, `(streams, length)` int32, out of `(streams, places)`."""
    read, length = int(request.read), int(request.length)
    return written[:, read : read + length].numpy()


def in_pieces(generate: Callable, state: object, request: Request, size: int) -> Iterator[np.ndarray]:
    """Write piece by piece what is asked for; yield new ids `(streams, size)` int32, fewer in the last piece.

    Together they are what one call gives that writes everything.

    Args:
        generate: called as `generate(state, request)`, where `state` holds what stands before `request.begin`;
            returns all that is written, `(streams, places)` int32, and the state before the last new id was read.
        state: before anything was read.
        request: what is to be written, as `request()` gives it.
        size: how many ids a piece has, at least 1.
    """
    end = int(request.read + request.length)
    for place in range(int(request.read), end, size):
        length = min(size, end - place)
        request = request._replace(read=tf.constant(place), length=tf.constant(length))
        written, state = generate(state, request)
        yield new_ids(written, request)
        request = request._replace(prompt=written, begin=tf.constant(place + length - 1))


def _check(temperatures: Sequence[float], top_k: int | None, top_p: float, length: int) -> None:
    temperatures = np.atleast_1d(np.asarray(temperatures, float))
    if not len(temperatures):
        raise UserError("no temperature was given. Give one for each text that is wanted.")
    for temperature in temperatures:
        if not np.isfinite(temperature) or temperature < 0:
            raise UserError(f"a temperature of {temperature} makes no sense. Use 0 (always the most probable) or more.")
    if top_k is not None and (not isinstance(top_k, Integral) or top_k < 1):
        raise UserError(f"top_k={top_k} leaves nothing to choose from. Use a whole number from 1, or None (no limit).")
    if not 0 < top_p <= 1:
        raise UserError(f"top_p={top_p} is no share. Use a number above 0 and at most 1 (1 means no limit).")
    if not isinstance(length, Integral) or length < 1:
        raise UserError(f"a length of {length} writes nothing. Use a whole number from 1.")
