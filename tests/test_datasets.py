"""The loaders: real copies where GENERATIVE_DATA_DIR has them, a tiny copy in the official layout everywhere."""

import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from helpers import datasets, sources
from helpers.archives import archive_members
from helpers.errors import UserError

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


def write_tar(path: Path, files: dict[str, bytes], *extra: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for member in extra:
            archive.addfile(member)
    return path


def write_zip(path: Path, files: dict[str, bytes], *extra: zipfile.ZipInfo) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        for member in extra:
            archive.writestr(member, "/etc/passwd")
    return path


@pytest.fixture
def own_data(tmp_path, monkeypatch):
    """A folder of the reader's own, and an IMDB data set that is complete with EACH reviews."""
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.setenv("GENERATIVE_DATA_DIR", str(folder))
    monkeypatch.setenv("NB_DATA", "real")
    monkeypatch.setenv("NB_OFFLINE", "1")
    monkeypatch.setattr(datasets, "IMDB_REVIEWS", EACH)
    monkeypatch.setattr(sources.downloads, "user_cache", lambda: tmp_path / "none")
    sources.manifest()
    monkeypatch.setattr(sources, "CHECKOUT", tmp_path / "checkout")
    return folder


def unpack(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@pytest.mark.parametrize("packing", ["tar.gz", "repacked with ./", "folder"])
def test_imdb_reads_the_reviews_and_nothing_else(own_data, packing, capsys):
    files = official_files()
    if packing == "folder":
        unpack(own_data, files)
    else:
        prefix = "./" if "./" in packing else ""
        backwards = reversed(files.items())
        write_tar(own_data / "aclImdb_v1.tar.gz", {prefix + name: content for name, content in backwards})
    reviews = datasets.load_imdb()
    expected = {content.decode() for name, content in files.items() if "/train/pos" in name or "/train/neg" in name}
    assert set(reviews.train) == expected
    assert len(reviews.train) == len(reviews.test) == 2 * EACH
    assert all(review.startswith("test") for review in reviews.test)
    assert reviews.is_real
    assert reviews.entropy is None
    assert capsys.readouterr().out == reviews.source + "\n"


def test_imdb_order_is_fixed_and_limits_keep_the_balance(own_data):
    files = official_files()
    write_tar(own_data / "aclImdb_v1.tar.gz", files)
    whole = datasets.load_imdb()
    write_tar(own_data / "aclImdb_v1.tar.gz", dict(reversed(files.items())))
    assert datasets.load_imdb() == whole
    few = datasets.load_imdb(train_limit=4, test_limit=3)
    assert few.train == whole.train[:4]
    assert few.test == whole.test[:3]
    assert [review.split()[1] for review in few.train] == ["pos", "neg", "pos", "neg"]
    assert [review.split()[2] for review in whole.train[::2]] != [f"{number}:" for number in range(EACH)]


@pytest.mark.parametrize("limit", [0, -1])
def test_imdb_limit_below_one_is_an_error(limit):
    with pytest.raises(UserError, match="at least 1"):
        datasets.load_imdb(train_limit=limit)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"aclImdb/train/pos/0_9.txt": None}, "train/pos 5, train/neg 6"),
        ({"aclImdb/test/neg/0_2.txt": None}, "test/pos 6, test/neg 5"),
        ({"aclImdb/train/pos/0_9.txt": b" \n"}, "0_9.txt is empty"),
        ({"aclImdb/train/pos/0_9.txt": b"caf\xe9 au lait"}, "0_9.txt is not UTF-8.*0xe9"),
    ],
)
@pytest.mark.parametrize("packing", ["tar.gz", "folder"])
def test_imdb_that_is_damaged_is_an_error(own_data, change, says, packing):
    files = {name: content for name, content in (official_files() | change).items() if content is not None}
    if packing == "folder":
        unpack(own_data, files)
    else:
        write_tar(own_data / "aclImdb_v1.tar.gz", files)
    with pytest.raises(UserError, match=says):
        datasets.load_imdb()


def test_imdb_folder_with_a_review_that_cannot_be_read_is_an_error_in_words(own_data):
    unpack(own_data, official_files())
    review = own_data / "aclImdb" / "train" / "pos" / "0_9.txt"
    review.unlink()
    review.mkdir()
    with pytest.raises(UserError, match="0_9.txt cannot be read .*Unpack the archive again"):
        datasets.load_imdb()


def test_imdb_standin_has_the_sizes_asked_for(monkeypatch):
    monkeypatch.setenv("NB_DATA", "standin")
    reviews = datasets.load_imdb(train_limit=30, test_limit=10)
    assert (len(reviews.train), len(reviews.test)) == (30, 10)
    assert not set(reviews.train) & set(reviews.test)
    assert not reviews.is_real
    assert reviews.entropy > 0
    assert reviews.source == sources.standin_line(
        "imdb", "30 training and 10 test reviews drawn from a small grammar", "NB_DATA=standin asks for it"
    )


def test_nietzsche_from_where_it_can_be_had(capsys):
    corpus = datasets.load_nietzsche()
    assert capsys.readouterr().out == corpus.source + "\n"
    if corpus.is_real:
        assert len(corpus.text) == 600_893
        assert len(set(corpus.text.lower())) == 57
        assert "unverified" in corpus.source
    else:
        assert len(corpus.text) > 150_000
        assert corpus.source.startswith("Stand-in: prose from Python's own manual, because ")
        assert "https://" in corpus.source


def test_imdb_from_where_it_can_be_had():
    reviews = datasets.load_imdb(train_limit=1_000, test_limit=100)
    assert (len(reviews.train), len(reviews.test)) == (1_000, 100)
    assert all(review.strip() for review in reviews.train)
    assert reviews.is_real == (reviews.entropy is None)
    if (Path(REAL_FOLDER or "none") / "aclImdb_v1.tar.gz").exists():
        assert reviews.is_real
        assert any("<br />" in review for review in reviews.train)


def test_another_text_is_not_nietzsche(own_data):
    (own_data / "nietzsche.txt").write_text("PREFACE\n\n\nSUPPOSING that Truth is a woman" + "?" * 1_000)
    with pytest.raises(UserError, match="not the Nietzsche corpus: 1,0.. characters.*read_corpus"):
        datasets.load_nietzsche()


def test_nietzsche_with_windows_line_ends_serves(own_data):
    text = (datasets.NIETZSCHE_START + "\n" * datasets.NIETZSCHE_CHARACTERS)[: datasets.NIETZSCHE_CHARACTERS]
    (own_data / "nietzsche.txt").write_bytes(text.replace("\n", "\r\n").encode())
    assert datasets.load_nietzsche().text == text


def test_own_text(tmp_path):
    path = tmp_path / "own.txt"
    path.write_bytes("\ufeffcaf\u00e9 au lait\r\n".encode() + b"more\r\n" * 500)
    corpus = datasets.read_corpus(path)
    assert corpus.text == "caf\u00e9 au lait\n" + "more\n" * 500
    assert str(path) in corpus.source


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "has no text"),
        (b" \n\t" * 5_000, "has no text"),
        (b"a" * 5_000, "only one distinct symbol, 'a'"),
        (b"a\n" * 5_000, "only one distinct symbol"),
        (b"too short", "has 9 characters. Give a text of at least 2,000"),
        ("caf\u00e9 ".encode("latin-1") * 1_000, "not UTF-8"),
        ("text ".encode("utf-16") * 1_000, "not UTF-8"),
        ("text ".encode("utf-16-le") * 1_000, "not UTF-8 text .byte 1 is 0x00"),  # no mark at its start tells
    ],
)
def test_own_text_that_nothing_can_be_learned_from(tmp_path, content, says):
    path = tmp_path / "own.txt"
    path.write_bytes(content)
    with pytest.raises(UserError, match=says):
        datasets.read_corpus(path)


def test_own_text_that_is_not_there(tmp_path):
    for path in (tmp_path / "none.txt", tmp_path):
        with pytest.raises(UserError, match="cannot be read"):
            datasets.read_corpus(path)


def members(path: Path) -> dict[str, bytes]:
    return dict(archive_members(path, r".*\.txt"))


@pytest.mark.parametrize(("name", "write"), [("a.tar.gz", write_tar), ("a.zip", write_zip)])
def test_archive_is_read_whatever_its_kind(tmp_path, name, write):
    files = {"a/one.txt": b"1" * 100_000, "a/two.txt": b"", "a/three.bin": b"3"}
    assert members(write(tmp_path / name, files)) == {"a/one.txt": files["a/one.txt"], "a/two.txt": b""}


@pytest.mark.parametrize("bad", ["../out.txt", "a/../../out.txt", "/tmp/out.txt", "C:/out.txt", "a\\..\\..\\out.txt"])
@pytest.mark.parametrize(("name", "write"), [("a.tar.gz", write_tar), ("a.zip", write_zip)])
def test_archive_that_leaves_its_folder_is_refused(tmp_path, name, write, bad):
    with pytest.raises(UserError, match="out.txt.*leads out of its folder"):
        members(write(tmp_path / name, {"good.txt": b"", bad: b""}))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_tar_with_a_link_or_device_is_refused(tmp_path, kind):
    member = tarfile.TarInfo("link.txt")
    member.type, member.linkname = kind, "/etc/passwd"
    with pytest.raises(UserError, match="link.txt.*is a link, a device"):
        members(write_tar(tmp_path / "a.tar.gz", {"good.txt": b""}, member))


def test_zip_with_a_link_is_refused(tmp_path):
    member = zipfile.ZipInfo("link.txt")
    member.create_system, member.external_attr = 3, 0o120777 << 16
    with pytest.raises(UserError, match="link.txt.*is a link, a device"):
        members(write_zip(tmp_path / "a.zip", {"good.txt": b""}, member))


@pytest.mark.parametrize(("name", "write"), [("a.tar.gz", write_tar), ("a.zip", write_zip)])
def test_truncated_archive_is_an_error_wherever_it_is_cut(tmp_path, name, write):
    whole = write(tmp_path / name, official_files()).read_bytes()
    path = tmp_path / "cut"
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match="not a whole archive"):
            members(path)


@pytest.mark.parametrize("content", [b"", b"<html>Sign in to the network</html>" * 100, b"\x1f\x8b\x08\x00 no"])
def test_what_is_no_archive_is_an_error(tmp_path, content):
    path = tmp_path / "aclImdb_v1.tar.gz"
    path.write_bytes(content)
    with pytest.raises(UserError, match="not a whole archive"):
        members(path)


@pytest.mark.parametrize(("name", "write"), [("a.tar.gz", write_tar), ("a.zip", write_zip)])
def test_altered_archive_is_an_error(tmp_path, name, write):
    path = write(tmp_path / name, {"a.txt": os.urandom(50_000)})
    content = bytearray(path.read_bytes())
    content[25_000] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(UserError, match="not a whole archive"):
        members(path)


@pytest.mark.parametrize(("name", "write"), [("a.tar.gz", write_tar), ("a.zip", write_zip)])
@pytest.mark.parametrize("limit", ["LARGEST_MEMBER", "LARGEST_TOTAL"])
def test_archive_of_unreasonable_size_is_refused(tmp_path, monkeypatch, name, write, limit):
    monkeypatch.setattr("helpers.archives." + limit, 1_000)
    with pytest.raises(UserError, match="not the official archive"):
        members(write(tmp_path / name, {"big.txt": b"0" * 2_000}))
