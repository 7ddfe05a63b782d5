"""The books' recipes for text, written afresh from their descriptions and kept apart from ours.

Chollet, *Deep Learning with Python*, 1st edition, section 8.1 (characters), and 2nd edition, section 12.1 (words).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import numpy as np
from keras import layers, ops

from helpers.text import Vocabulary

WINDOW = 60  # characters


def character_model(symbols: int, width: int = 128) -> keras.Model:
    """Return one-hot windows (batch, 60, symbols) → probabilities (batch, symbols) of the next character."""
    inputs = keras.Input((WINDOW, symbols))
    outputs = layers.Dense(symbols, activation="softmax")(layers.LSTM(width)(inputs))
    model = keras.Model(inputs, outputs)
    model.compile(optimizer=keras.optimizers.RMSprop(0.01), loss="categorical_crossentropy")
    return model


def character_windows(ids: np.ndarray, symbols: int, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return `count` shuffled windows, one every 3 characters: one-hot (count, 60, symbols) and (count, symbols)."""
    starts = np.random.default_rng(seed).permutation(np.arange(0, len(ids) - WINDOW, 3))[:count]
    one_hot = np.eye(symbols, dtype=bool)
    return one_hot[ids[starts[:, None] + np.arange(WINDOW)]], one_hot[ids[starts + WINDOW]]


def draw(probabilities: np.ndarray, temperature: float) -> int:
    """Draw one id from probabilities (symbols,) at a temperature."""
    weights = np.exp(np.log(probabilities.astype(np.float64) + 1e-30) / temperature)
    return int(np.argmax(np.random.multinomial(1, weights / weights.sum())))


def write_characters(model: keras.Model, vocabulary: Vocabulary, prompt: str, length: int, temperature: float) -> str:
    """Continue the prompt: for each character, `predict` on the one-hot rows of the last 60."""
    written = prompt
    for _ in range(length):
        window = np.zeros((1, WINDOW, len(vocabulary)))
        for place, symbol in enumerate(written[-WINDOW:]):
            window[0, place, vocabulary.ids[symbol]] = 1.0
        probabilities = model.predict(window, verbose=0)[0]
        written += vocabulary.symbols[draw(probabilities, temperature)]
    return written[len(prompt) :]


def character_logits(model: keras.Model, symbols: int) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function: contexts (n, 60) → logits (n, symbols), the logarithms of the model's probabilities."""
    one_hot = np.eye(symbols, dtype=np.float32)
    return lambda contexts: np.log(model.predict(one_hot[contexts], batch_size=500, verbose=0) + 1e-30)


class PositionalEmbedding(layers.Layer):
    """The sum of a word's vector and its position's; marks id 0 as padding."""

    def __init__(self, context: int, vocabulary_size: int, width: int) -> None:
        super().__init__()
        self.words, self.places = layers.Embedding(vocabulary_size, width), layers.Embedding(context, width)

    def call(self, ids):
        return self.words(ids) + self.places(ops.arange(ops.shape(ids)[-1]))

    def compute_mask(self, ids, mask=None):
        return ops.not_equal(ids, 0)


class Decoder(layers.Layer):
    """The decoder of an encoder-decoder Transformer, given its own input in the place of the encoder's output.

    Both attentions are causal. Were the second one not, it would read the word that it is to predict.
    """

    def __init__(self, width: int, feed_forward_width: int, heads: int) -> None:
        super().__init__()
        self.supports_masking = True
        self.attentions = [layers.MultiHeadAttention(heads, key_dim=width) for _ in range(2)]
        self.norms = [layers.LayerNormalization() for _ in range(3)]
        self.widen, self.narrow = layers.Dense(feed_forward_width, activation="relu"), layers.Dense(width)

    def call(self, x, mask=None):
        time = ops.arange(ops.shape(x)[1])
        visible = (time[:, None] >= time[None, :])[None]  # (1, time, time)
        if mask is not None:
            visible = ops.logical_and(visible, mask[:, None, :])  # the keys that are padding are hidden too
        y = self.norms[0](x + self.attentions[0](x, x, attention_mask=visible))
        y = self.norms[1](y + self.attentions[1](y, x, attention_mask=visible))
        return self.norms[2](y + self.narrow(self.widen(y)))


def word_model(vocabulary_size: int, context: int, width: int = 256) -> keras.Model:
    """Return ids (batch, time) → probabilities (batch, time, vocabulary_size); Keras keeps padding out of the loss."""
    inputs = keras.Input((None,), dtype="int32")
    x = PositionalEmbedding(context, vocabulary_size, width)(inputs)
    x = Decoder(width, feed_forward_width=2_048, heads=2)(x)
    model = keras.Model(inputs, layers.Dense(vocabulary_size, activation="softmax")(x))
    model.compile(optimizer="rmsprop", loss="sparse_categorical_crossentropy")
    return model


def word_logits(model: keras.Model) -> Callable:
    """Return a function: ids (batch, time) → logits (batch, time, symbols), logarithms of the model's probabilities."""
    return lambda ids: ops.log(model(ids) + 1e-30)


def write_words(
    model: keras.Model, vectorizer: layers.TextVectorization, prompt: str, length: int, temperatures: Sequence[float]
) -> list[str]:
    """Continue the prompt, one temperature after the other; for each word, split the text anew and read all of it.

    The vectorizer pads to the model's whole context. The loop is the book's, but reads the logits of the last word.
    """
    words = vectorizer.get_vocabulary()
    texts = []
    for temperature in temperatures:
        written = prompt
        for _ in range(length):
            ids = vectorizer([written])
            last = int(np.count_nonzero(ids[0])) - 1
            probabilities = ops.convert_to_numpy(model(ids))[0, last]
            written += " " + words[draw(probabilities, temperature)]
        texts.append(written)
    return texts
