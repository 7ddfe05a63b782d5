"""Texts and tables in any encoding, damaged: tests/fuzzing.py says how, and what may come of it."""

import pytest
from fuzzing import LETTERS, MB, few_and_many, fuzz, mutated
from hypothesis import strategies as st

from helpers.data import faces, texts
from helpers.text import Vocabulary

TABLE = b"3\nSmiling Male  Young\n000001.jpg  1 -1  1\n000002.jpg -1 -1 -1\r\n000003.jpg 1 1 1\n"
KAGGLE_TABLE = b"image_id,Smiling,Male\r\n000001.jpg,1,-1\r\n000002.jpg,-1,-1\r\n"
WIDE = b"2\n" + b"a " * 3_000 + b"\n" + b"x\n" * 3_000  # 9 million values, were it what it says


@few_and_many
@pytest.mark.parametrize("ending", ["txt", "csv"])
def test_attribute_tables(record_property, tmp_path, ending, inputs):
    path = tmp_path / f"table.{ending}"
    samples = [TABLE, b"\xef\xbb\xbf" + TABLE, TABLE.decode().encode("utf-16"), b"9" * 5_000 + TABLE[1:], WIDE]
    samples += [("\u0663" + TABLE.decode()[1:]).encode(), b"1\n\nx\n", KAGGLE_TABLE]

    def check(table, _):
        columns, rows = table
        assert columns and all(row.shape == (len(columns),) and set(row) <= {-1, 1} for row in rows.values())

    files = mutated(samples).map(path.write_bytes)
    fuzz(record_property, inputs, files, lambda _: faces._read_table(path), check, bound=2 * MB)


ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252", "cp037", "koi8-r"]
ENCODINGS += ["shift_jis", "gb18030", "big5", "euc-kr", "utf-7", "mac-roman", "ascii"]


@st.composite
def text_files(draw):
    """Draw a text in any encoding, or any bytes."""
    letters = st.one_of(*map(st.text, (LETTERS, "abc xyz\r\n\t", "äöüß“”—éñ日本語кирилица ")))
    content = draw(letters).encode(draw(st.sampled_from(ENCODINGS)), "ignore")
    return draw(st.one_of(st.just(content), st.just(content), mutated([content or b"a"]), st.binary()))


@few_and_many
def test_texts_of_your_own(record_property, tmp_path, monkeypatch, capsys, inputs):
    monkeypatch.setattr(texts, "LEAST_CHARACTERS", 1)
    path = tmp_path / "text.txt"

    def put(content):
        path.write_bytes(content)
        return content

    def check(corpus, content):
        assert corpus.text.strip() and "\0" not in corpus.text
        assert corpus.text == content.decode("utf-8-sig").replace("\r\n", "\n")
        vocabulary = Vocabulary(sorted(set(corpus.text)))
        assert vocabulary.decode(vocabulary.encode(corpus.text)) == corpus.text

    fuzz(record_property, inputs, text_files().map(put), lambda _: texts.read_corpus(path), check, bound=MB)
