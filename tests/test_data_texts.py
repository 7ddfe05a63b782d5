"""The loaders of texts: real copies where GENERATIVE_DATA_DIR has them, else tiny ones in the official layout."""

import os
from pathlib import Path

import pytest
from test_data_archives import write_tar

from helpers.data import texts
from helpers.session import UserError

REAL_FOLDER = os.environ.get("GENERATIVE_DATA_DIR", "")
EACH = 6  # reviews of a kind and half in the tiny copy


def official_files() -> dict[str, bytes]:
    """Return the tiny copy's files by name, with the official archive's by-catch that must not be read."""
    files = {
        "aclImdb/README": b"about",
        "aclImdb/train/urls_pos.txt": b"http://imdb",
        "aclImdb/train/unsup/0_0.txt": b"?",
    }
    for half in ("train", "test"):
        for kind, stars in (("pos", 9), ("neg", 2)):
            for number in range(EACH):
                text = f"{half} {kind} {number}: caf\u00e9.<br /><br />Done."
                files[f"aclImdb/{half}/{kind}/{number}_{stars}.txt"] = text.encode()
    return files


@pytest.fixture
def imdb(own_data, monkeypatch):
    """Return a function that writes an IMDB data set, complete with EACH reviews of a kind, and loads it."""
    monkeypatch.setattr(texts, "IMDB_REVIEWS", EACH)

    def load(files: dict[str, bytes], packing: str = "tar.gz", **limits: int) -> texts.Reviews:
        if packing == "tar.gz":
            write_tar(own_data / "aclImdb_v1.tar.gz", files)
        else:
            for name, content in files.items():
                (own_data / name).parent.mkdir(parents=True, exist_ok=True)
                (own_data / name).write_bytes(content)
        return texts.load_imdb(**limits)

    return load


@pytest.mark.parametrize("packing", ["tar.gz", "folder"])
def test_imdb_reads_the_reviews_and_nothing_else(imdb, packing, capsys):
    files = official_files()
    reviews = imdb(files, packing)
    expected = {content.decode() for name, content in files.items() if "/train/pos" in name or "/train/neg" in name}
    assert set(reviews.train) == expected
    assert len(reviews.train) == len(reviews.test) == 2 * EACH
    assert all(review.startswith("test") for review in reviews.test)
    assert reviews.is_real and reviews.entropy is None
    assert capsys.readouterr().out == reviews.source + "\n"


def test_imdb_order_is_fixed_and_limits_keep_the_balance(imdb):
    whole = imdb(official_files())
    again = {f"./{name}": content for name, content in reversed(official_files().items())}
    assert imdb(again) == whole
    few = imdb(again, train_limit=4, test_limit=3)
    assert few.train == whole.train[:4] and few.test == whole.test[:3]
    assert [review.split()[1] for review in few.train] == ["pos", "neg", "pos", "neg"]
    assert [review.split()[2] for review in whole.train[::2]] != [f"{number}:" for number in range(EACH)]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"aclImdb/train/pos/0_9.txt": None}, "train/pos 5, train/neg 6"),
        ({"aclImdb/test/neg/0_2.txt": None}, "test/pos 6, test/neg 5"),
        ({"aclImdb/train/pos/0_9.txt": b" \n"}, "0_9.txt is empty"),
        ({"aclImdb/train/pos/0_9.txt": b"caf\xe9 au lait"}, "0_9.txt is not UTF-8"),
    ],
)
@pytest.mark.parametrize("packing", ["tar.gz", "folder"])
def test_imdb_that_is_damaged_is_an_error(imdb, change, says, packing):
    files = {name: content for name, content in (official_files() | change).items() if content is not None}
    with pytest.raises(UserError, match=says):
        imdb(files, packing)


def test_imdb_standin_has_the_sizes_asked_for(monkeypatch):
    monkeypatch.setenv("NB_DATA", "standin")
    reviews = texts.load_imdb(train_limit=30, test_limit=10)
    assert (len(reviews.train), len(reviews.test)) == (30, 10)
    assert not set(reviews.train) & set(reviews.test)
    assert not reviews.is_real and reviews.source.startswith("Stand-in: 30 training and 10 test reviews")
    assert reviews.entropy > 0


def test_nietzsche_from_where_it_can_be_had(capsys):
    corpus = texts.load_nietzsche()
    assert capsys.readouterr().out == corpus.source + "\n"
    if corpus.is_real:
        assert len(corpus.text) == 600_893 and len(set(corpus.text.lower())) == 57
    else:
        assert len(corpus.text) > 150_000 and corpus.source.startswith("Stand-in: ")


def test_imdb_from_where_it_can_be_had():
    reviews = texts.load_imdb(train_limit=1_000, test_limit=100)
    assert (len(reviews.train), len(reviews.test)) == (1_000, 100)
    assert all(review.strip() for review in reviews.train)
    assert reviews.is_real == (reviews.entropy is None)
    if (Path(REAL_FOLDER or "none") / "aclImdb_v1.tar.gz").exists():
        assert reviews.is_real and any("<br />" in review for review in reviews.train)


def test_another_text_is_not_nietzsche(own_data):
    (own_data / "nietzsche.txt").write_text("PREFACE\n\n\nSUPPOSING that Truth is a woman" + "?" * 1_000)
    with pytest.raises(UserError, match="not the Nietzsche corpus"):
        texts.load_nietzsche()


def test_nietzsche_with_windows_line_ends_serves(own_data):
    text = (texts.NIETZSCHE_START + "\n" * texts.NIETZSCHE_CHARACTERS)[: texts.NIETZSCHE_CHARACTERS]
    (own_data / "nietzsche.txt").write_bytes(text.replace("\n", "\r\n").encode())
    assert texts.load_nietzsche().text == text


@pytest.mark.parametrize(
    ("key", "load"), [("nietzsche.txt", texts.load_nietzsche), ("aclImdb_v1.tar.gz", texts.load_imdb)]
)
def test_real_mode_without_a_file_says_what_is_missing(own_data, key, load):
    with pytest.raises(UserError, match=f"{key}.*{own_data}"):
        load()


def test_own_text(tmp_path):
    path = tmp_path / "own.txt"
    path.write_bytes("\ufeffcaf\u00e9 au lait\r\n".encode() + b"more\r\n" * 500)
    corpus = texts.read_corpus(path)
    assert corpus.text == "caf\u00e9 au lait\n" + "more\n" * 500 and str(path) in corpus.source


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b" \n\t" * 5_000, "0 characters"),
        (b"a\n" * 5_000, "one distinct symbol"),
        (b"too short", "9 characters"),
        ("caf\u00e9 ".encode("latin-1") * 1_000, "not UTF-8"),
        ("text ".encode("utf-16") * 1_000, "not UTF-8"),
        ("text ".encode("utf-16-le") * 1_000, "not UTF-8"),  # no mark at its start
        (None, "cannot be read"),
    ],
)
def test_an_own_text_that_cannot_be_used_is_an_error(tmp_path, content, part):
    path = tmp_path / "own.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=part):
        texts.read_corpus(path)
