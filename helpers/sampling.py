"""What a sampler is asked for: checked first, then in tensors whose shapes hardly ever change; whole or in pieces."""

from collections.abc import Callable, Iterator, Sequence
from numbers import Integral
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from helpers.errors import UserError

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
