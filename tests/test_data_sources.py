"""Where data comes from: local copies, downloads from a server that can misbehave, and what NB_DATA demands."""

import hashlib
import io
import socket
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from web_server import CONTENT, SHA256

from helpers.data import downloads, sources
from helpers.session import UserError

MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
PATIENCE = 0.5


@pytest.fixture(autouse=True)
def short_patience(fresh_process, monkeypatch):
    monkeypatch.setattr(downloads, "PATIENCE", PATIENCE)


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
    server.leads_to = server.url + "?elsewhere"
    only(entry(server.url))
    lookup = sources.find("tiny")
    assert lookup.paths[0].read_bytes() == CONTENT and lookup.paths[0].name == "data.bin"
    assert "SHA-256 verified" in lookup.note and files_left() == ["data.bin"]
    assert sources.find("tiny").note.startswith("local copy") and server.requests == 2


@pytest.mark.parametrize(
    ("given", "part", "is_there"),
    [
        ({"sha256": ""}, "no official hash", True),
        ({"sha256": "", "md5": MD5}, "MD5 verified", True),
        ({"sha256": "", "md5": MD5[::-1]}, "hash differs", False),
        ({"size": len(CONTENT) - 1, "sha256": ""}, "255,999", False),
        ({"size": len(CONTENT) + 1, "sha256": ""}, "256,001", False),
        ({"size": sources.LARGEST_DOWNLOAD + 1}, "too much", False),
    ],
)
def test_a_received_file_is_checked_by_all_that_is_known_of_it(server, only, given, part, is_there):
    only(entry(server.url, **given))
    lookup = sources.find("tiny")
    assert part in lookup.note and bool(lookup.paths) == is_there == bool(files_left())


FAULTS = {
    "other bytes": ({"answer": CONTENT[::-1]}, "hash differs"),
    "shorter": ({"answer": CONTENT[:-1]}, "255,999"),
    "longer": ({"answer": CONTENT + bytes(downloads.PIECE)}, "more than 0.3 MB"),
    "cut": ({"answer": CONTENT[:100_000], "length": len(CONTENT)}, "cut off"),
    "gone": ({"status": 404}, "answered 404"),
    "stalls at once": ({"stalls_after": 0}, "cut off"),
    "stalls later": ({"stalls_after": 100_000}, "cut off"),
    "leads nowhere": ({"leads_to": "file:///etc/hosts", "always_leads": True}, "did not answer"),
    "leads in a circle": ({"leads_to": "?again", "always_leads": True}, "did not answer"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failed_download_leaves_nothing_and_can_be_tried_again(server, only, fault):
    given, part = FAULTS[fault]
    vars(server).update(given)
    only(entry(server.url))
    lookup = sources.find("tiny")
    assert lookup.paths == () and part in lookup.note and files_left() == []
    server.answer, server.status, server.length, server.stalls_after, server.leads_to = CONTENT, 200, None, None, None
    assert sources.find("tiny").paths


def test_a_place_that_cannot_be_written_to_is_an_error(server, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(downloads.DownloadError, match="could not be written"):
        downloads.download(server.url, tmp_path / "file" / "data.bin", most=len(CONTENT))


def test_a_download_goes_to_the_users_cache_where_the_checkout_is_closed(server, only):
    sources.CHECKOUT.write_text("a file, so that no folder can be made in it")
    only(entry(server.url))
    assert sources.find("tiny").paths[0] == downloads.user_cache() / "data.bin"


def test_a_host_that_is_down_is_asked_once_and_delays_no_other(server, monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # holds the port, accepts nobody
        down = entry(f"http://127.0.0.1:{closed.getsockname()[1]}/data.bin")
        monkeypatch.setattr(sources, "manifest", lambda: {"down": down, "tiny": entry(server.url)})
        assert "could not be reached" in sources.find("down").note
        monkeypatch.setattr("requests.head", lambda *_, **__: pytest.fail("asked again"))
        assert "could not be reached" in sources.find("down").note
    assert sources.find("tiny").paths  # both hosts were asked at the same time


def test_a_name_server_that_never_answers_costs_the_patience_once_for_all_hosts(monkeypatch, tmp_path):
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answered.wait(30) and [])
    started = time.monotonic()
    try:
        downloads.ask(f"http://host{number}.invalid/data.bin" for number in range(9))
        with pytest.raises(downloads.DownloadError, match="could not be reached"):
            downloads.download("http://host3.invalid/other.bin", tmp_path / "a", most=1)
        assert time.monotonic() - started < 4 * PATIENCE
    finally:
        answered.set()


def test_offline_by_wish_asks_no_server(server, only, monkeypatch):
    monkeypatch.setenv("NB_OFFLINE", "1")
    only(entry(server.url))
    assert "NB_OFFLINE" in sources.find("tiny").note and server.requests == 0


def test_what_keras_has_fetched_before_is_found(server, only, monkeypatch, tmp_path):
    (tmp_path / "keras" / "models").mkdir(parents=True)
    (tmp_path / "keras" / "models" / "data.bin").write_bytes(CONTENT)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    only(replace(entry(server.url), keras_cache="models"))
    assert sources.find("tiny").paths == (tmp_path / "keras" / "models" / "data.bin",)
    assert server.requests == 0


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
def test_an_invalid_folder_is_an_error(monkeypatch, name):
    monkeypatch.setenv("GENERATIVE_DATA_DIR", name)
    with pytest.raises(UserError, match="folder"):
        sources.find("imdb")
    monkeypatch.delenv("GENERATIVE_DATA_DIR")
    monkeypatch.setenv("KERAS_HOME", name)  # Keras' own folder may be missing
    monkeypatch.setenv("NB_OFFLINE", "1")
    assert sources.find("mnist").paths == ()


def picture(width: int = 80, height: int = 60, kind: str = "JPEG") -> bytes:
    """Return a picture of noise, so that half of its file is too short."""
    buffer = io.BytesIO()
    noise = np.random.default_rng(1).integers(0, 255, (height, width, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, kind)
    return buffer.getvalue()


def test_a_picture_of_unknown_size_is_kept_once_it_is_decoded(server, only):
    server.answer = picture()
    only(entry(server.url, size=0, sha256=""))
    lookup = sources.find("tiny")
    assert lookup.paths[0].read_bytes() == server.answer and "unverified" in lookup.note


@pytest.mark.parametrize(
    "content",
    [b"<html>Sign in</html>", b"", picture()[:2_000], picture(kind="PNG")[:2_000], picture(31, 60)],
    ids=["page", "nothing", "half", "half a PNG", "too small"],
)
def test_what_is_no_whole_picture_is_not_kept(server, only, content):
    server.answer = content
    only(entry(server.url, size=0, sha256=""))
    assert "no whole picture" in sources.find("tiny").note and files_left() == []


def test_real_mode_names_what_is_missing_where_and_how_to_get_it(monkeypatch, tmp_path):
    for name, value in {"NB_DATA": "real", "NB_OFFLINE": "1", "GENERATIVE_DATA_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError) as caught:
        sources.find("imdb")
    for part in ("aclImdb_v1.tar.gz", str(tmp_path), "https://ai.stanford.edu", "NB_OFFLINE", "NB_DATA=auto"):
        assert part in str(caught.value)


def test_an_unknown_mode_is_an_error(monkeypatch):
    monkeypatch.setenv("NB_DATA", "fake")
    with pytest.raises(UserError, match="fake.*auto, real, standin"):
        sources.find("imdb")


def test_a_standin_names_its_reason_and_how_to_get_the_data(only):
    files = (sources.RemoteFile("a", "https://x.org/a", 0, ""), sources.RemoteFile("b", "https://x.org/b", 5_148, ""))
    only(replace(entry(""), files=files))
    line = sources.standin_line("tiny", "3 drawn things", "the line is down")
    assert line.startswith("Stand-in: 3 drawn things, because the line is down.")
    for part in ("https://x.org/a (size unknown) and https://x.org/b (5 kB)", "GENERATIVE_DATA_DIR"):
        assert part in line


def test_the_manifest_is_complete():
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
