"""Loaders of texts. Each prints one line: what was used, and how to get the real data if it was a stand-in."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path

from helpers.data import sources, standins
from helpers.data.archives import read_member, tar_members
from helpers.session import UserError, expanded

NIETZSCHE_CHARACTERS = 600_893
NIETZSCHE_START = "PREFACE\n\n\nSUPPOSING that Truth is a woman"
IMDB_REVIEWS = 12_500  # of each kind, positive and negative, in each of the two halves
IMDB_BYTES = 1 << 30  # that the archive may unpack to
LEAST_CHARACTERS = 2_000  # of a reader's own text; of these 100 are held out for validation
_IMDB_FILES = r"(?:.*/)?aclImdb/(train|test)/(pos|neg)/(\d+_\d+)\.txt"


@dataclass(frozen=True)
class Corpus:
    """One long text. `source` is the line that was printed; `is_real` is False for a stand-in."""

    text: str
    is_real: bool
    source: str


@dataclass(frozen=True)
class Reviews:
    """Film reviews as raw strings; the real ones have HTML line breaks (`<br />`) in them.

    `entropy` is that of the grammar from which stand-in reviews are drawn, in nats a word after the first. No model can
    do better on fresh ones. None for real reviews.
    """

    train: list[str]
    test: list[str]
    is_real: bool
    source: str
    entropy: float | None


def load_nietzsche() -> Corpus:
    """Load the Nietzsche corpus: 600,893 characters, upper and lower case, lines ended by a newline.

    The stand-in is English prose from the Python installation, some 200,000 characters.

    Raises:
        UserError: the file is another text, or `NB_DATA=real` and there is none.
    """
    lookup = sources.find("nietzsche")
    if not lookup.paths:
        line = sources.standin_line("nietzsche", "prose from Python's own manual", lookup.note)
        return _report(Corpus(standins.prose(), False, line))
    text = _read_text(lookup.paths[0])
    if len(text) != NIETZSCHE_CHARACTERS or not text.startswith(NIETZSCHE_START):
        raise UserError(
            f"{lookup.paths[0]} is not the Nietzsche corpus: {len(text):,} characters that begin {text[:30]!r}, "
            f"instead of {NIETZSCHE_CHARACTERS:,} that begin {NIETZSCHE_START[:30]!r}. Get it again, or use "
            "read_corpus for a text of your own."
        )
    line = f"Nietzsche: {len(text):,} characters, {lookup.note}, unverified (no official hash)."
    return _report(Corpus(text, True, line))


def read_corpus(path: Path | str) -> Corpus:
    """Read a text of your own (plain text, UTF-8, at least 2,000 characters) to train on.

    Raises:
        UserError: there is no such file; it is not UTF-8, too short, or has fewer than two distinct symbols.
    """
    path = expanded(path)
    text = _read_text(path)
    if len(text.strip()) < LEAST_CHARACTERS:
        raise UserError(f"{path} has {len(text.strip()):,} characters. Give a text of at least {LEAST_CHARACTERS:,}.")
    if len(symbols := set(text) - set(" \t\n")) == 1:
        raise UserError(f"{path} has only one distinct symbol, {symbols.pop()!r}. Give a text with more to learn from.")
    return _report(Corpus(text, True, f"Your own text: {len(text):,} characters from {path}."))


def load_imdb(train_limit: int | None = None, test_limit: int | None = None) -> Reviews:
    """Load the IMDB reviews, positive and negative in turn, in an order that is always the same.

    Args:
        train_limit: the most training reviews wanted (the first of the fixed order), at least 1; None for all 25,000.
        test_limit: likewise for the test reviews.

    Returns:
        Two lists of strings, HTML line breaks (`<br />`) left in. Stand-ins are 6,000 and 1,000 reviews at most.

    Raises:
        UserError: the archive or folder is damaged or not complete; or `NB_DATA=real` and there is none.
    """
    lookup = sources.find("imdb")
    if lookup.paths:
        halves = _read_imdb(lookup.paths[0])
        train, test, entropy = halves["train"], halves["test"], None
    else:
        train, test, entropy = standins.reviews()
    train, test = train[:train_limit], test[:test_limit]
    line = f"{len(train):,} training and {len(test):,} test reviews"
    if lookup.paths:
        line = f"IMDB: {line}, {lookup.note}."
    else:
        line = sources.standin_line("imdb", f"{line} drawn from a small grammar", lookup.note)
    return _report(Reviews(train, test, bool(lookup.paths), line, entropy))


def _read_imdb(path: Path) -> dict[str, list[str]]:
    """Return the reviews of both halves ("train", "test") from the archive or from the unpacked folder."""
    groups: dict[tuple[str, str], dict[str, str]] = {
        (half, kind): {} for half in ("train", "test") for kind in ("pos", "neg")
    }
    for name, content in _folder_members(path) if path.is_dir() else tar_members(path, _IMDB_FILES, IMDB_BYTES):
        half, kind, number = re.fullmatch(_IMDB_FILES, name).groups()
        review = _decode(content, f"{path}, {name}")
        if not review.strip():
            raise UserError(f"{path} is damaged: {name} is empty. Delete it and get it again.")
        groups[half, kind][number] = review
    counts = {group: len(reviews) for group, reviews in groups.items()}
    is_complete = counts["train", "pos"] == counts["train", "neg"] == IMDB_REVIEWS
    # Copies with fewer test reviews are in use, so those need only be balanced.
    if not is_complete or not 0 < counts["test", "pos"] == counts["test", "neg"] <= IMDB_REVIEWS:
        present = ", ".join(f"{half}/{kind} {count:,}" for (half, kind), count in counts.items())
        raise UserError(
            f"{path} is not the whole IMDB data set. Expected {IMDB_REVIEWS:,} reviews in each folder; there are: "
            f"{present}. Delete it and get it again."
        )
    return {half: _interleave(groups[half, "pos"], groups[half, "neg"]) for half in ("train", "test")}


def _folder_members(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in folder.glob("t*/[pn]*/*.txt"):
        name = f"aclImdb/{path.relative_to(folder).as_posix()}"
        if re.fullmatch(_IMDB_FILES, name):
            yield name, read_member(path)


def _interleave(positive: dict[str, str], negative: dict[str, str]) -> list[str]:
    """Return the reviews, positive and negative in turn, each kind sorted by hashes of the file names.

    That order depends neither on the archive's order nor on the number of files.
    """

    def ordered(reviews: dict[str, str]) -> Iterable[str]:
        return (reviews[name] for name in sorted(reviews, key=lambda name: hashlib.sha256(name.encode()).digest()))

    pairs = zip_longest(ordered(positive), ordered(negative))
    return [review for review in chain.from_iterable(pairs) if review is not None]


def _read_text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}). Check the name and where it is looked for."
        ) from error
    return _decode(content, str(path)).replace("\r\n", "\n")


def _decode(content: bytes, name: str) -> str:
    """Return UTF-8 as text; UserError names the first byte that cannot be text."""
    try:
        text = content.decode("utf-8-sig")
        odd = content.find(0)  # valid UTF-8, but in no text; English in UTF-16 has it at every other place
    except UnicodeDecodeError as error:
        odd = error.start
    if odd >= 0:
        raise UserError(
            f"{name} is not UTF-8 text (byte {odd:,} is {content[odd]:#04x}). Save it as UTF-8, or get it again."
        )
    return text


def _report(data):
    print(data.source)
    return data
