"""Data made on the spot when the real data cannot be had."""

import re
import unicodedata

SHORTEST_PARAGRAPH = 80  # characters; below it, headings and fragments of tables outnumber sentences
_LIKE_ASCII = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": "..."})


def python_prose() -> str:
    """Return English prose from the manual that every Python brings along, for want of a better book.

    It is made of whole paragraphs, parted by blank lines, in lines of at most about 75 characters: no
    headings, tables or programs, and no paragraph twice, so that text held out for validation is really
    new. Some 200,000 characters, all of them ASCII; how many exactly depends on the version of Python.
    """
    from pydoc_data.topics import topics  # half a megabyte that only this function needs

    paragraphs: dict[str, None] = {}  # a set that keeps the order
    for name in sorted(topics):
        for block in re.split(r"\n\s*\n", topics[name].translate(_LIKE_ASCII)):
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
