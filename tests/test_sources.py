"""Where data comes from: local copies, downloads, stand-ins, and what NB_DATA demands."""

import hashlib
import io
import socket
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from web_server import CONTENT, SHA256

from helpers.data import downloads, sources
from helpers.session import UserError

pytestmark = pytest.mark.usefixtures("fresh_process")
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()


def entry(url: str, size: int = len(CONTENT), sha256: str = SHA256, md5: str = "") -> sources.Entry:
    file = sources.RemoteFile("data.bin", url, size, sha256, md5)
    return sources.Entry("tiny", "A tiny set", "none", ("unpacked",), (file,))


@pytest.fixture
def only(monkeypatch):
    """Return a function that makes one entry the whole manifest."""
    return lambda one: monkeypatch.setattr(sources, "manifest", lambda: {"tiny": one})


def files_left() -> list[str]:
    return [path.name for path in sources.CHECKOUT.rglob("*") if path.is_file()]


def test_a_good_download_is_verified_and_found_the_next_time(server, only):
    only(entry(server.url))
    lookup = sources.find("tiny")
    assert lookup.paths[0].read_bytes() == CONTENT and lookup.paths[0].name == "data.bin"
    assert "SHA-256 verified" in lookup.note and files_left() == ["data.bin"]
    assert sources.find("tiny").note.startswith("local copy") and server.requests == 1


@pytest.mark.parametrize(
    ("given", "says", "is_there"),
    [
        ({"sha256": ""}, "no official hash is known", True),
        ({"sha256": "", "md5": MD5}, "MD5 verified", True),
        ({"sha256": "", "md5": MD5[::-1]}, "hash differs", False),
        ({"size": len(CONTENT) - 1, "sha256": ""}, "instead of 255,999", False),
        ({"size": len(CONTENT) + 1, "sha256": ""}, "instead of 256,001", False),
        ({"size": sources.LARGEST_DOWNLOAD + 1}, "too much to download unasked", False),
    ],
)
def test_what_is_known_of_a_file_is_checked_and_said(server, only, given, says, is_there):
    only(entry(server.url, **given))
    lookup = sources.find("tiny")
    assert says in lookup.note and bool(lookup.paths) == is_there == bool(files_left())


def test_auto_goes_on_without_what_cannot_be_had(server, only):
    server.status = 404
    only(entry(server.url))
    assert sources.find("tiny").paths == () and "404" in sources.find("tiny").note


def test_what_keras_has_fetched_before_is_found(server, only, monkeypatch, tmp_path):
    (tmp_path / "keras" / "models").mkdir(parents=True)
    (tmp_path / "keras" / "models" / "data.bin").write_bytes(CONTENT)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    only(replace(entry(server.url), keras_cache="models"))
    assert sources.find("tiny").paths == (tmp_path / "keras" / "models" / "data.bin",)
    assert server.requests == 0


def test_a_download_goes_to_the_users_cache_where_the_checkout_is_closed(server, only):
    sources.CHECKOUT.write_text("a file, so that no folder can be made in it")
    only(entry(server.url))
    assert sources.find("tiny").paths[0] == downloads.user_cache() / "data.bin"


@pytest.mark.parametrize("name", ["data.bin", "unpacked"])
def test_a_local_copy_is_preferred_and_not_hashed(server, only, monkeypatch, tmp_path, name):
    (tmp_path / name).write_bytes(b"another packing")
    monkeypatch.setenv("GENERATIVE_DATA_DIR", str(tmp_path))
    only(entry(server.url))
    assert sources.find("tiny").paths == (tmp_path / name,)
    monkeypatch.setenv("NB_DATA", "standin")
    assert sources.find("tiny").paths == ()
    assert server.requests == 0


def test_a_relative_folder_may_start_at_the_checkout(monkeypatch, tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "far" / "away").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "far" / "away")  # where there is no ../own
    sources.CHECKOUT.mkdir()
    monkeypatch.setenv("GENERATIVE_DATA_DIR", "../own")
    assert sources.local_folders()[0] == tmp_path / "own"


@pytest.mark.parametrize("name", ["no/such/folder", "~no-such-user/data", "x" * 5_000])
def test_a_folder_that_is_none_is_an_error(monkeypatch, name):
    monkeypatch.setenv("GENERATIVE_DATA_DIR", name)
    with pytest.raises(UserError, match="folder"):
        sources.find("imdb")


@pytest.mark.parametrize("name", ["~no-such-user/keras", "x" * 5_000])
def test_a_keras_folder_that_cannot_be_looked_for_counts_as_not_there(monkeypatch, name):
    monkeypatch.setenv("KERAS_HOME", name)
    monkeypatch.setenv("NB_OFFLINE", "1")
    assert sources.find("mnist").paths == ()


def picture(width: int = 80, height: int = 60, kind: str = "JPEG") -> bytes:
    """Return a picture that is nothing but noise, so that any half of its file is too short."""
    buffer = io.BytesIO()
    noise = np.random.default_rng(1).integers(0, 255, (height, width, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_picture_of_unknown_size_is_kept_once_it_is_decoded(server, only, kind, capsys):
    server.answer = picture(kind=kind)
    only(entry(server.url, size=0, sha256=""))
    lookup = sources.find("tiny")
    assert lookup.paths[0].read_bytes() == server.answer and "unverified" in lookup.note
    lookup.paths[0].unlink()
    assert sources.main() == 0
    assert capsys.readouterr().out.splitlines()[-1].split()[:3] == ["tiny", "yes", "no"]


@pytest.mark.parametrize(
    "content",
    [b"<html>Sign in</html>", b"", picture()[:2_000], picture(kind="PNG")[:2_000], picture(31, 60)],
    ids=["page", "nothing", "half", "half a PNG", "a dot for a picture"],
)
def test_what_is_no_whole_picture_is_not_kept(server, only, content):
    server.answer = content
    only(entry(server.url, size=0, sha256=""))
    assert "no whole picture" in sources.find("tiny").note and files_left() == []


def test_a_host_that_is_down_ends_no_downloads_from_others_and_all_are_asked_at_once(server, only, monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # holds the port, accepts nobody
        down = entry(f"http://127.0.0.1:{closed.getsockname()[1]}/data.bin")
        monkeypatch.setattr(sources, "manifest", lambda: {"down": down, "tiny": entry(server.url)})
        assert "could not be reached" in sources.find("down").note
    assert len(downloads._answers) == 2
    assert sources.find("tiny").paths


def test_real_mode_says_what_is_missing_where_and_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("NB_DATA", "real")
    monkeypatch.setenv("NB_OFFLINE", "1")
    monkeypatch.setenv("GENERATIVE_DATA_DIR", str(tmp_path))
    with pytest.raises(UserError) as caught:
        sources.find("imdb")
    for part in ("aclImdb_v1.tar.gz", str(tmp_path), "https://ai.stanford.edu", "NB_OFFLINE", "NB_DATA=auto"):
        assert part in str(caught.value)


def test_unknown_mode_and_unknown_data_are_errors(monkeypatch):
    with pytest.raises(UserError, match="minst.*imdb"):
        sources.find("minst")
    monkeypatch.setenv("NB_DATA", "fake")
    with pytest.raises(UserError, match="fake.*auto, real, standin"):
        sources.find("imdb")


def files(folder: str, **sizes: int) -> tuple[sources.RemoteFile, ...]:
    return tuple(sources.RemoteFile(name, folder + name, size, "") for name, size in sizes.items())


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        (files("https://x.org/", a=0), ["https://x.org/a (size unknown)"]),
        (files("https://x.org/set/", a=4_422_102, b=5_148), ["a (4.4 MB) and b (5 kB)", "https://x.org/set/NAME"]),
        (files("https://x.org/set.html#", a=9, b=9), ["a (1 kB) and b (1 kB) from https://x.org/set.html "]),
        (files("https://x.org/", a=9) + files("https://y.org/", b=1_443_490_838), ["https://y.org/b (1,443 MB)"]),
    ],
)
def test_how_to_get_a_data_set_by_hand(only, given, parts):
    only(replace(entry("https://x.org/a"), files=given))
    line = sources.standin_line("tiny", "3 drawn things", "the line is down")
    assert line.startswith("Stand-in: 3 drawn things, because the line is down.")
    for part in [*parts, "GENERATIVE_DATA_DIR"]:
        assert part in line


def test_manifest_is_complete():
    for entry in sources.manifest().values():
        assert entry.title and entry.licence
        for file in entry.files:
            assert file.url.startswith("https://") and file.url.endswith(file.name)
            assert file.bytes > 0 or (file.name.endswith(".jpg") and len(entry.files) == 1)
            assert len(file.sha256) in (0, 64) and len(file.md5) in (0, 32)


@pytest.mark.parametrize(("status", "largest", "expected"), [(200, 1e8, "yes"), (404, 1e8, "NO"), (200, 1, "by hand")])
def test_fetching_everything_ends_with_a_table(server, only, capsys, monkeypatch, status, largest, expected):
    monkeypatch.setattr(sources, "LARGEST_DOWNLOAD", largest)
    server.status = status
    only(entry(server.url))
    assert sources.main() == (expected == "NO")
    assert f"tiny           {expected}" in capsys.readouterr().out
