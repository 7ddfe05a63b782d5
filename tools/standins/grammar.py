"""A probabilistic grammar of film reviews whose entropy is known exactly: the stand-in for the IMDB reviews.

It is an automaton whose state is determined by the words so far. So the probability of each next word is known, and
with it the best figure that any language model can reach.
"""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

PHRASES = tomllib.loads((Path(__file__).parent / "phrases.toml").read_text(encoding="utf-8"))


@dataclass
class _Node:
    """A place in the sentences that can come next: shared beginnings are followed once, like the branches of a tree.

    `branches` leads from a word or {slot} to its weight and the next node; at a sentence's end, to the next stage.
    """

    branches: dict[str, list] = field(default_factory=dict)
    stage: str = ""


# (node of the sentence, what the review remembers: pairs of memory and value)
State = tuple[int, tuple[tuple[str, str], ...]]


class ReviewGrammar:
    """Film reviews of 30 to 100 words, made from about 300 words, with a memory for sentiment, genre and lead."""

    def __init__(self) -> None:
        self._nodes: list[_Node] = []
        self._roots = {stage: self._plant(stage, options) for stage, options in PHRASES["stages"].items()}
        self._steps: dict[State, dict[str, tuple[float, State | None]]] = {}
        self._expected: dict[State, tuple[float, float]] = {}
        self.start: State = (self._roots["start"], ())

    def sample(self, count: int, seed: int) -> list[str]:
        """Return reviews with capitals and full stops; a longer draw begins with the shorter."""
        random = np.random.default_rng(seed)
        return [self._sample_one(random) for _ in range(count)]

    def nats_per_word(self) -> float:
        """Return the entropy of the next word, exactly: the mean over all words but the first of all reviews."""
        nats, words = self._expectation(self.start)
        for probability, _ in self.next_words(self.start).values():
            nats += probability * np.log(probability)
        return float(nats / (words - 1))

    def next_words(self, state: State) -> dict[str, tuple[float, State | None]]:
        """Return the words that can follow: {word: (probability, state after it or None at the review's end)}."""
        if state not in self._steps:
            self._steps[state] = self._expand(state)
        return self._steps[state]

    def _plant(self, stage: str, options: list) -> int:
        root = self._grow(stage)
        share = sum(weight for _, weight, _ in options)
        for group, weight, next_stage in options:
            sentences = PHRASES["sentences"][group]
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

    def _expand(self, state: State) -> dict[str, tuple[float, State | None]]:
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

    def _expectation(self, state: State | None) -> tuple[float, float]:
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

    def _draw(self, state: State, choice: float) -> tuple[str, State | None]:
        """Return the word (and the state after it) on whose share of [0, 1) the number `choice` falls."""
        steps = self.next_words(state)
        for word, (probability, after) in steps.items():
            choice -= probability
            if choice < 0:
                return word, after
        return word, after  # rounding can leave a trace of `choice` behind the last share

    def _sample_one(self, random: np.random.Generator) -> str:
        words, state = [], self.start
        while state:
            word, after = self._draw(state, random.random())
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
    if slot in PHRASES["free"]:
        return _weighted([[(word, memory) for word in PHRASES["free"][slot].split()]])
    key, words = next((key, slots[slot]) for key, slots in PHRASES["keyed"].items() if slot in slots)
    groups = dict(zip(PHRASES["memories"][key].split(), words.split(" / "), strict=True))
    known = dict(memory).get(key)
    after = {value: tuple(sorted({**dict(memory), key: value}.items())) for value in ([known] if known else groups)}
    return _weighted([[(word, remembered) for word in groups[value].split()] for value, remembered in after.items()])


def _weighted(groups: list[list[tuple[str, tuple]]]) -> list[tuple[str, float, tuple]]:
    """Share probability equally between groups, and within a group as 1, 1/2, 1/3, … in the order written."""
    weighted = []
    for group in groups:
        weights = 1 / np.arange(1, len(group) + 1)
        weights /= weights.sum() * len(groups)
        weighted += [(word, float(weight), memory) for (word, memory), weight in zip(group, weights, strict=True)]
    return weighted
