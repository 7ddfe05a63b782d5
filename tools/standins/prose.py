"""English prose from the manual that is part of every Python."""

import re
import unicodedata
from pydoc_data.topics import topics

SHORTEST_PARAGRAPH = 80  # characters; below it, headings and fragments of tables outnumber sentences
LIKE_ASCII = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": "..."})


def python_prose() -> str:
    """Return whole paragraphs, parted by blank lines, none of them twice: some 200,000 characters of ASCII."""
    paragraphs: dict[str, None] = {}  # a set that keeps the order
    for name in sorted(topics):
        for block in re.split(r"\n\s*\n", topics[name].translate(LIKE_ASCII)):
            paragraph = _without_markup(block)
            if _is_prose(paragraph):
                paragraphs[paragraph] = None
    return "\n\n".join(paragraphs) + "\n"


def _without_markup(block: str) -> str:
    lines = (line.strip() for line in block.strip("\n").splitlines())
    text = re.sub(r"^\* ", "", "\n".join(lines))
    text = re.sub(r"\[(?:\d+|[A-Z]\w*)\]", "", text)  # footnote marks
    text = re.sub(r"(?<!\w)\*{1,2}(\w[^*\n]*?)\*{1,2}(?!\w)", r"\1", text)  # *emphasis*
    text = re.sub(r'"(\w[^"\n]*)"', r"\1", text)  # quotation marks around "code"
    return unicodedata.normalize("NFKC", text)


def _is_prose(paragraph: str) -> bool:
    letters = sum(character.isalpha() or character.isspace() for character in paragraph)
    return (
        len(paragraph) >= SHORTEST_PARAGRAPH
        and paragraph.isascii()
        and paragraph[0].isupper()
        and paragraph[-1] in ".:?!)"
        and letters >= 0.85 * len(paragraph)
        and not re.search(r"::=|>>>|[|=+]{2}| {4}", paragraph)
    )
