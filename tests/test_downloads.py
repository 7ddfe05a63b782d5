"""Downloads from a server on this machine that can misbehave: what is left is a checked file, or none."""

import socket
import threading
import time

import pytest
from web_server import CONTENT, SHA256

from helpers.data import downloads

PATIENCE = 0.5


@pytest.fixture(autouse=True)
def short_patience(fresh_process, monkeypatch):
    monkeypatch.setattr(downloads, "PATIENCE", PATIENCE)


@pytest.fixture
def closed_url():
    """An address on this machine where nobody listens: the socket holds the port, but does not accept."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{holder.getsockname()[1]}/data.bin"


def fetch(url, path, **given):
    downloads.download(url, path, **({"known_hash": SHA256, "most": len(CONTENT)} | given))


def test_a_good_file_gets_its_name_after_it_was_checked_and_is_kept(server, tmp_path):
    path, seen = tmp_path / "new" / "data.bin", []
    server.leads_to = server.url + "?elsewhere"
    fetch(server.url, path, check=lambda received: seen.append((received.read_bytes() == CONTENT, path.exists())))
    assert path.read_bytes() == CONTENT and seen == [(True, False)] and server.requests == 2
    fetch(server.url, path)
    assert server.requests == 2 and [file.name for file in path.parent.iterdir()] == ["data.bin"]


FAULTS = {
    "other bytes": ({"answer": CONTENT[::-1]}, "hash differs"),
    "shorter": ({"answer": CONTENT[:-1]}, "hash differs"),
    "longer": ({"answer": CONTENT + bytes(downloads.PIECE)}, "more than 0.3 MB"),
    "cut": ({"answer": CONTENT[:100_000], "length": len(CONTENT)}, "cut off"),
    "gone": ({"status": 404}, "answered 404"),
    "stalls at once": ({"stalls_after": 0}, "cut off"),
    "stalls later": ({"stalls_after": 100_000}, "cut off"),
    "leads nowhere": ({"leads_to": "file:///etc/hosts", "always_leads": True}, "did not answer"),
    "leads in a circle": ({"leads_to": "?again", "always_leads": True}, "did not answer"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_goes_wrong_leaves_nothing_and_can_be_tried_again(server, tmp_path, fault):
    given, says = FAULTS[fault]
    vars(server).update(given)
    with pytest.raises(downloads.DownloadError, match=says):
        fetch(server.url, tmp_path / "data.bin")
    assert not list(tmp_path.glob("*"))
    server.answer, server.status, server.length, server.stalls_after, server.leads_to = CONTENT, 200, None, None, None
    fetch(server.url, tmp_path / "data.bin")


def test_a_file_that_its_check_refuses_leaves_nothing(server, tmp_path):
    def refuse(received):
        raise downloads.DownloadError("no")

    with pytest.raises(downloads.DownloadError, match="no"):
        fetch(server.url, tmp_path / "data.bin", check=refuse)
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_to_is_said(server, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(downloads.DownloadError, match="could not be written"):
        fetch(server.url, tmp_path / "file" / "data.bin")


def test_a_host_that_is_down_is_asked_once_and_holds_up_no_other(server, closed_url, tmp_path, monkeypatch):
    with pytest.raises(downloads.DownloadError, match="could not be reached"):
        fetch(closed_url, tmp_path / "a")
    with monkeypatch.context() as silent, pytest.raises(downloads.DownloadError, match="could not be reached"):
        silent.setattr("requests.head", lambda *_, **__: pytest.fail("asked again"))
        fetch(closed_url, tmp_path / "a")
    fetch(server.url, tmp_path / "b", known_hash="")
    assert (tmp_path / "b").read_bytes() == CONTENT


def test_a_name_server_that_never_answers_costs_the_patience_once_for_all_hosts(monkeypatch, tmp_path):
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answered.wait(30) and [])
    started = time.monotonic()
    try:
        downloads.ask(f"http://host{number}.invalid/data.bin" for number in range(9))
        with pytest.raises(downloads.DownloadError, match="could not be reached"):
            fetch("http://host3.invalid/other.bin", tmp_path / "a")
        assert time.monotonic() - started < 4 * PATIENCE
    finally:
        answered.set()


@pytest.mark.parametrize("url", ["http://", "https:///a.png", "http://[::1/a.png"])
def test_an_address_that_is_none_is_refused(url, tmp_path):
    with pytest.raises(downloads.DownloadError):
        fetch(url, tmp_path / "a")


def test_offline_by_wish_asks_no_server(server, tmp_path, monkeypatch):
    monkeypatch.setenv("NB_OFFLINE", "1")
    with pytest.raises(downloads.DownloadError, match="NB_OFFLINE"):
        fetch(server.url, tmp_path / "a")
    assert server.requests == 0
