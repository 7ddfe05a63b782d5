"""A probabilistic grammar of film reviews whose entropy is known exactly: the stand-in for the IMDB reviews.

It is a probabilistic automaton in which the words so far determine the state (every next word can be said in
only one way). So the probability of each next word is known, and with it the best figure that any language
model can reach: the entropy. Reviews differ in length and always end with a verdict.
"""

from dataclasses import dataclass, field

import numpy as np

from helpers.review_phrases import FREE_SLOTS, KEYED_SLOTS, SENTENCES, STAGES

_PUNCTUATION = ".,!?\"'()"


@dataclass
class _Node:
    """A place in the sentences that can come next: shared beginnings are followed once, like the branches of a tree.

    `branches` leads from a word or {slot} to its weight and the next node; at a sentence's end, to the next stage.
    """

    branches: dict[str, list] = field(default_factory=dict)
    stage: str = ""


# (node of the sentence, what the review remembers: pairs of memory and value)
_State = tuple[int, tuple[tuple[str, str], ...]]


class ReviewGrammar:
    """Film reviews of 30 to 100 words, made from about 300 words, with a memory for sentiment, genre and lead."""

    def __init__(self) -> None:
        self._nodes: list[_Node] = []
        self._roots = {stage: self._plant(stage, options) for stage, options in STAGES.items()}
        self._steps: dict[_State, dict[str, tuple[float, _State | None]]] = {}
        self._expected: dict[_State, tuple[float, float]] = {}

    def sample(self, count: int, seed: int) -> list[str]:
        """Return `count` reviews: strings with capitals and full stops, the same ones for the same seed."""
        rng = np.random.default_rng(seed)
        return [self._sample_one(rng) for _ in range(count)]

    def word_log_probabilities(self, words: list[str]) -> np.ndarray:
        """Return ln P(word | all words before it, and that the review goes on) for every word of a review.

        Args:
            words: a review from its beginning, or the first part of one, split at spaces. Case and
                punctuation at the ends of words do not matter.

        Returns:
            Float array of shape (len(words),), at most 0. A word that is impossible at its place has
            minus infinity, and so have all words after it.
        """
        logs = np.full(len(words), -np.inf)
        state = self.start
        for position, word in enumerate(words):
            step = self.next_words(state).get(word.lower().strip(_PUNCTUATION)) if state else None
            if step is None:
                break
            logs[position] = np.log(step[0])
            state = step[1]
        return logs

    def nats_per_word(self, given: int = 0) -> float:
        """Return the entropy of the next word in nats, averaged over all words of all possible reviews.

        Computed exactly, by following every path. No language model can have a lower mean loss on fresh reviews.

        Args:
            given: the words at the beginning of each review that are not counted, because a model is
                not asked to predict them (1 for a model that always starts from the first word).
        """
        nats, words = self._expectation(self.start)
        arrivals = {self.start: 1.0}
        for _ in range(given):
            onward: dict[_State, float] = {}
            for state, chance in arrivals.items():
                words -= chance
                for probability, after in self.next_words(state).values():
                    nats += chance * probability * np.log(probability)
                    if after:
                        onward[after] = onward.get(after, 0.0) + chance * probability
            arrivals = onward
        return float(nats / words)

    def expected_words(self) -> float:
        """Return the mean number of words of a review, exactly."""
        return self._expectation(self.start)[1]

    @property
    def start(self) -> _State:
        """The state before the first word."""
        return self._roots["start"], ()

    def next_words(self, state: _State) -> dict[str, tuple[float, _State | None]]:
        """Return the words that can follow: {word: (probability, state after it or None at the review's end)}.

        Raises:
            ValueError: two ways of going on begin with the same word, so the words do not determine the state.
        """
        if state not in self._steps:
            self._steps[state] = self._expand(state)
        return self._steps[state]

    def _plant(self, stage: str, options: tuple) -> int:
        root = self._grow(stage)
        share = sum(weight for _, weight, _ in options)
        for group, weight, next_stage in options:
            sentences = SENTENCES[group]
            for sentence in sentences:
                node, tokens = root, sentence.split()
                for position, token in enumerate(tokens):
                    branches = self._nodes[node].branches
                    if token not in branches:
                        branches[token] = [0.0, self._grow() if position + 1 < len(tokens) else next_stage]
                    branches[token][0] += weight / share / len(sentences)
                    node = branches[token][1]
        return root

    def _grow(self, stage: str = "") -> int:
        self._nodes.append(_Node(stage=stage))
        return len(self._nodes) - 1

    def _expand(self, state: _State) -> dict[str, tuple[float, _State | None]]:
        number, memory = state
        branches = self._nodes[number].branches
        total = sum(weight for weight, _ in branches.values())
        steps = {}
        for token, (weight, target) in branches.items():
            node = self._roots.get(target) if isinstance(target, str) else target
            for word, share, remembered in _choices(token, memory):
                if word in steps:
                    raise ValueError(f"two ways of going on begin with {word!r}: the grammar is ambiguous")
                steps[word] = (weight / total * share, None if node is None else (node, remembered))
        return steps

    def _expectation(self, state: _State | None) -> tuple[float, float]:
        """Return the expected nats and words from a state to the review's end. No path comes back, so this ends."""
        if state is None:
            return 0.0, 0.0
        if state not in self._expected:
            nats, words = 0.0, 1.0
            for probability, after in self.next_words(state).values():
                more_nats, more_words = self._expectation(after)
                nats += probability * (more_nats - np.log(probability))
                words += probability * more_words
            self._expected[state] = (float(nats), float(words))
        return self._expected[state]

    def _draw(self, state: _State, choice: float) -> tuple[str, _State | None]:
        """Return the word (and the state after it) on whose share of [0, 1) the number `choice` falls."""
        steps = self.next_words(state)
        for word, (probability, after) in steps.items():
            choice -= probability
            if choice < 0:
                return word, after
        return word, after  # rounding can leave a trace of `choice` behind the last share

    def _sample_one(self, rng: np.random.Generator) -> str:
        words, state = [], self.start
        while state:
            word, after = self._draw(state, rng.random())
            is_first = self._nodes[state[0]].stage
            is_last = after is None or self._nodes[after[0]].stage
            words.append((word.capitalize() if is_first or word == "i" else word) + ("." if is_last else ""))
            state = after
        return " ".join(words)


def _choices(token: str, memory: tuple) -> list[tuple[str, float, tuple]]:
    """Return what a token of a sentence can become: (word, probability, memory afterwards)."""
    if not token.startswith("{"):
        return [(token, 1.0, memory)]
    slot = token.strip("{}")
    if slot in FREE_SLOTS:
        options = [(word, memory) for word in FREE_SLOTS[slot].split()]
        return _weighted([options])
    key, words_of = KEYED_SLOTS[slot]
    known = dict(memory).get(key)
    values = [known] if known else list(words_of)
    remembered = {value: tuple(sorted({**dict(memory), key: value}.items())) for value in values}
    return _weighted([[(word, remembered[value]) for word in words_of[value].split()] for value in values])


def _weighted(groups: list[list[tuple[str, tuple]]]) -> list[tuple[str, float, tuple]]:
    """Share probability equally between groups, and within a group as 1, 1/2, 1/3, … in the order written."""
    weighted = []
    for group in groups:
        weights = 1 / np.arange(1, len(group) + 1)
        weights /= weights.sum() * len(groups)
        weighted += [(word, float(weight), memory) for (word, memory), weight in zip(group, weights, strict=True)]
    return weighted
