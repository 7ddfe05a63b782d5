"""Downloads from a server on this machine that can misbehave: what is left is a verified file, or none."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from conftest import ROOT
from web_server import CONTENT, PATIENCE, SHA256

from helpers import downloads

pytestmark = pytest.mark.usefixtures("fresh_process")


@pytest.fixture
def closed_url():
    """An address on this machine where nobody listens: the socket holds the port, but does not accept."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{holder.getsockname()[1]}/data.bin"


@pytest.fixture
def refused(tmp_path):
    """Return a function that downloads, expects that to fail saying `says`, and returns the files left behind."""

    def try_it(url: str, says: str) -> list:
        with pytest.raises(downloads.DownloadError, match=says):
            downloads.download(url, tmp_path / "data.bin", size=len(CONTENT), sha256=SHA256, patience=PATIENCE)
        return [path for path in tmp_path.rglob("*") if path.is_file()]

    return try_it


def test_wrong_bytes_leave_nothing(server, refused):
    server.answer = CONTENT[::-1]
    assert refused(server.url, "SHA-256 differs") == []


@pytest.mark.parametrize("length", [len(CONTENT) - 1, len(CONTENT) + 1])
def test_wrong_length_leaves_nothing(server, refused, length):
    server.answer, server.length = (CONTENT + b"!")[:length], length
    assert refused(server.url, "instead of 256,000") == []


def test_cut_download_leaves_nothing(server, refused):
    server.answer = CONTENT[:100_000]  # and the connection closes, though more was announced
    assert refused(server.url, "cut off after") == []


def test_after_a_cut_it_starts_anew_and_is_verified(server, refused, tmp_path):
    server.answer = CONTENT[:100_000]
    assert refused(server.url, "cut off after") == []
    server.answer = CONTENT
    downloads.download(server.url, tmp_path / "data.bin", size=len(CONTENT), sha256=SHA256, patience=PATIENCE)
    assert [path.name for path in tmp_path.rglob("*")] == ["data.bin"]
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


def test_missing_on_server_leaves_nothing(server, refused):
    server.status = 404
    assert refused(server.url, "answered 404") == []


def test_slow_download_is_waited_for_as_long_as_it_moves(server, tmp_path):
    server.pauses = 4  # twice the patience in all
    downloads.download(server.url, tmp_path / "data.bin", size=len(CONTENT), sha256=SHA256, patience=PATIENCE)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


def test_slow_download_of_a_file_that_keeps_its_pace_is_waited_for(server, tmp_path):
    server.pauses = 4
    quick = downloads.Pace(least=10_000, over=PATIENCE / 5)  # a pause is longer, but brings 51,200 bytes
    downloads.download(
        server.url, tmp_path / "data.bin", size=len(CONTENT), sha256=SHA256, patience=PATIENCE, pace=quick
    )
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("sent", [0, 100_000])
def test_dripping_download_gives_up_and_leaves_nothing(server, tmp_path, sent):
    """It never falls silent, so patience alone would wait for hours; and what came at first makes up for nothing."""
    server.drips_from = sent
    pace = downloads.Pace(least=1_000, over=PATIENCE)
    for attempt in (
        lambda: downloads.download(
            server.url, tmp_path / "a", size=len(CONTENT), sha256=SHA256, patience=PATIENCE, pace=pace
        ),
        lambda: downloads.fetch(server.url, tmp_path / "b", most=len(CONTENT), patience=PATIENCE, pace=pace),
    ):
        with pytest.raises(downloads.DownloadError, match=r"came too slowly: \d+ bytes in .* s, less than 1,000 a"):
            attempt()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not downloads._offline_because  # another server may do better


def test_redirected_download_is_verified_like_any_other(server, refused, tmp_path):
    server.leads_to = server.url + "?elsewhere"
    downloads.download(server.url, tmp_path / "data.bin", size=len(CONTENT), sha256=SHA256, patience=PATIENCE)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT and server.requests == 2
    (tmp_path / "data.bin").unlink()
    server.requests, server.answer = 0, CONTENT[::-1]
    assert refused(server.url, "SHA-256 differs") == []


@pytest.mark.parametrize("place", ["", "file:///etc/hosts", "http://[bad", "data:,text"])
def test_redirection_without_end_or_to_no_web_address_leaves_nothing(server, refused, place):
    server.leads_to, server.always_leads = place or server.url, True
    assert refused(server.url, "is no address that can be opened") == []
    assert not downloads._offline_because


def test_redirections_that_take_their_time_are_not_taken_for_offline(server, refused):
    """Each in time by itself, but there is no end of them."""
    server.leads_to, server.always_leads, server.leads_after = server.url, True, PATIENCE / 2
    assert refused(server.url, "led on from place to place") == []
    assert not downloads._offline_because


@pytest.mark.parametrize("sent", [0, 100_000])
def test_stalled_download_gives_up(server, refused, sent):
    server.stalls_after = sent
    assert refused(server.url, "cut off after") == []


def test_silent_server_is_not_taken_for_offline(refused):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # connects, and never answers
        assert refused(f"http://127.0.0.1:{silent.getsockname()[1]}/data.bin", "said nothing") == []
    assert not downloads._offline_because


def let_time_pass(folder, seconds):
    for path in (folder, *folder.iterdir()):
        os.utime(path, (time.time() - seconds,) * 2)


def test_what_a_killed_download_left_goes_with_a_later_one_and_what_is_under_way_stays(server, tmp_path):
    for name, old in (("left", ("folder", "part")), ("fresh", ()), ("under-way", ("folder",))):
        folder = tmp_path / f"receiving-{name}"
        folder.mkdir()
        (folder / "tmp1234").write_bytes(CONTENT[:1000])
        if "folder" in old:
            let_time_pass(folder, downloads.LEFT_BEHIND + 1)
        if "part" not in old:
            (folder / "tmp1234").touch()
    downloads.download(server.url, tmp_path / "data.bin", size=len(CONTENT), sha256=SHA256, patience=PATIENCE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.bin", "receiving-fresh", "receiving-under-way"]


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGKILL")
def test_a_process_that_is_killed_in_a_download_leaves_what_a_later_one_removes(server, tmp_path):
    server.stalls_after = 100_000
    code = f"""
import os, signal
from pathlib import Path
from helpers import downloads
pieces = downloads._pieces
def killed(*given):
    yield next(pieces(*given))
    os.kill(os.getpid(), signal.SIGKILL)
downloads._pieces = killed
downloads.download({server.url!r}, Path("data.bin"), size={len(CONTENT)}, sha256={SHA256!r})
"""
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join([os.environ["PYTHONPATH"], str(ROOT)])}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=variables, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    [left] = tmp_path.iterdir()
    assert left.name.startswith("receiving-") and len(list(left.iterdir())) == 1
    let_time_pass(left, downloads.LEFT_BEHIND + 1)
    server.stalls_after = None
    downloads.download(server.url, tmp_path / "data.bin", size=len(CONTENT), sha256=SHA256, patience=PATIENCE)
    assert [path.name for path in tmp_path.rglob("*")] == ["data.bin"]


def test_offline_is_found_out_once(server, closed_url, refused):
    assert refused(closed_url, "could not be reached") == []
    assert refused(server.url, "could not be reached") == []
    assert server.requests == 0


def test_file_of_unknown_size_is_fetched_whole_or_not_at_all(server, tmp_path):
    path = tmp_path / "fetched.bin"
    downloads.fetch(server.url, path, most=len(CONTENT), patience=PATIENCE)
    assert path.read_bytes() == CONTENT
    downloads.fetch(server.url, path, most=1, patience=PATIENCE)  # is there already
    assert server.requests == 1
    path.unlink()
    with pytest.raises(downloads.DownloadError, match="more than 0 MB"):
        downloads.fetch(server.url, path, most=len(CONTENT) - 1, patience=PATIENCE)
    server.answer = CONTENT[:100_000]  # and the connection closes, though more was announced
    with pytest.raises(downloads.DownloadError, match="cut off after .* bytes"):
        downloads.fetch(server.url, path, most=len(CONTENT), patience=PATIENCE)
    assert list(tmp_path.iterdir()) == []


def test_slip_in_an_address_does_not_count_as_offline(server, closed_url, tmp_path):
    with pytest.raises(downloads.DownloadError, match="could not be reached"):
        downloads.fetch(closed_url, tmp_path / "a", most=9, patience=PATIENCE)
    assert not downloads._offline_because


def test_name_server_that_never_answers_costs_seconds(monkeypatch, refused):
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answered.wait(30) and [])
    try:
        assert refused("http://some.host.invalid/data.bin", "could not be reached") == []
    finally:
        answered.set()


def test_offline_by_wish_asks_no_server(server, refused, monkeypatch):
    monkeypatch.setenv("NB_OFFLINE", "1")
    assert refused(server.url, "NB_OFFLINE is set") == []
    assert server.requests == 0
