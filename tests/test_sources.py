"""Local copies, downloads from a server on this machine that can misbehave, and what NB_DATA demands."""

import contextlib
import hashlib
import http.server
import socket
import threading
from dataclasses import replace

import pytest

from helpers import downloads, sources
from helpers.errors import UserError

CONTENT = bytes(range(256)) * 1_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PATIENCE = 0.5


@pytest.fixture(autouse=True)
def fresh_process(monkeypatch, tmp_path):
    """No variable set, no network known to be down, and a checkout of its own whose cache is empty."""
    for name in ("NB_DATA", "NB_OFFLINE", "GENERATIVE_DATA_DIR", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(downloads, "_offline_because", "")
    monkeypatch.setattr(downloads, "user_cache", lambda: tmp_path / "user-cache")
    sources.manifest()  # read, and kept, while the real checkout can be seen
    monkeypatch.setattr(sources, "CHECKOUT", tmp_path / "checkout")


class Server:
    """What the web server at `url` answers, and how many requests it has had."""

    def __init__(self, port: int):
        self.url = f"http://127.0.0.1:{port}/data.bin"
        self.answer, self.status, self.length = CONTENT, 200, len(CONTENT)
        self.stalls_after = None  # so many bytes are sent, then nothing until the test is over
        self.pauses = 0  # so many times it waits for half of the patience, and goes on
        self.drips_from = None  # after so many bytes the rest comes one by one, a tenth of the patience between them
        self.leads_to = None  # address that it sends the asker to, on the first request or on all
        self.always_leads = False
        self.requests = 0
        self.released = threading.Event()


@pytest.fixture
def server():
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            state.requests += 1
            if state.leads_to and (state.always_leads or state.requests == 1):
                self.send_response(302)
                self.send_header("Location", state.leads_to)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(state.status)
            self.send_header("Content-Length", str(state.length))
            self.end_headers()
            if state.drips_from is not None:
                return self.drip()
            answer, piece = state.answer[: state.stalls_after], len(state.answer) // (state.pauses + 1)
            for number in range(state.pauses):
                self.wfile.write(answer[number * piece : (number + 1) * piece])
                self.wfile.flush()
                state.released.wait(PATIENCE / 2)
            self.wfile.write(answer[state.pauses * piece :])
            self.wfile.flush()
            if state.stalls_after is not None:
                state.released.wait(30)

        def drip(self):
            self.wfile.write(state.answer[: state.drips_from])
            with contextlib.suppress(OSError):  # the asker has gone
                for byte in state.answer[state.drips_from :]:
                    self.wfile.write(bytes([byte]))
                    if state.released.wait(PATIENCE / 10):
                        return

        def log_message(self, *_):
            pass

    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state = Server(web.server_address[1])
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    state.released.set()
    web.shutdown()
    thread.join()
    web.server_close()


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


def entry(url: str, size: int = len(CONTENT), sha256: str = SHA256) -> sources.Entry:
    return sources.Entry(
        "tiny", "A tiny set", "none", ("unpacked",), (sources.RemoteFile("data.bin", url, size, sha256),)
    )


@pytest.fixture
def only(monkeypatch):
    """Return a function that makes one entry the whole manifest."""
    return lambda one: monkeypatch.setattr(sources, "manifest", lambda: {"tiny": one})


def test_good_download_is_verified_and_named(server, only):
    only(entry(server.url))
    lookup = sources.find("tiny")
    assert [path.name for path in lookup.paths] == ["data.bin"]
    assert lookup.paths[0].read_bytes() == CONTENT
    assert "SHA-256 verified" in lookup.note
    assert [path.name for path in lookup.paths[0].parent.iterdir()] == ["data.bin"]
    assert sources.find("tiny").note.startswith("local copy")
    assert server.requests == 1


def test_download_without_official_hash_says_so(server, only):
    only(entry(server.url, sha256=""))
    assert "no official hash is known" in sources.find("tiny").note


def test_where_only_an_md5_is_published_it_is_verified(server, only):
    md5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
    files = [sources.RemoteFile("data.bin", server.url, len(CONTENT), "", hash) for hash in (md5, md5[::-1])]
    only(replace(entry(server.url), files=(files[1],)))
    assert "MD5 differs" in sources.find("tiny").note
    only(replace(entry(server.url), files=(files[0],)))
    assert "MD5 verified" in sources.find("tiny").note


def test_what_keras_has_fetched_before_is_found(server, only, monkeypatch, tmp_path):
    (tmp_path / "keras" / "models").mkdir(parents=True)
    (tmp_path / "keras" / "models" / "data.bin").write_bytes(CONTENT)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    only(replace(entry(server.url), keras_cache="models"))
    assert sources.find("tiny").paths == (tmp_path / "keras" / "models" / "data.bin",)
    assert server.requests == 0


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


@pytest.mark.parametrize("sent", [0, 100_000])
def test_stalled_download_gives_up(server, refused, sent):
    server.stalls_after = sent
    assert refused(server.url, "cut off after") == []


def test_silent_server_is_not_taken_for_offline(refused):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # connects, and never answers
        assert refused(f"http://127.0.0.1:{silent.getsockname()[1]}/data.bin", "said nothing") == []
    assert not downloads._offline_because


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


def test_download_goes_to_the_users_cache_where_the_checkout_is_closed(server, only):
    sources.CHECKOUT.write_text("a file, so that no folder can be made in it")
    only(entry(server.url))
    assert sources.find("tiny").paths[0] == downloads.user_cache() / "data.bin"


@pytest.mark.parametrize("name", ["data.bin", "unpacked"])
def test_local_copy_is_preferred_and_not_hashed(server, only, monkeypatch, tmp_path, name):
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / name).write_bytes(b"another packing")
    monkeypatch.setenv("GENERATIVE_DATA_DIR", str(folder))
    only(entry(server.url))
    assert sources.find("tiny").paths == (folder / name,)
    assert server.requests == 0


def test_relative_folder_may_start_at_the_checkout(monkeypatch, tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "far" / "away").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "far" / "away")  # where there is no ../own
    sources.CHECKOUT.mkdir()
    monkeypatch.setenv("GENERATIVE_DATA_DIR", "../own")
    assert sources.local_folders()[0] == tmp_path / "own"


def test_folder_that_is_none_is_an_error(monkeypatch):
    monkeypatch.setenv("GENERATIVE_DATA_DIR", "no/such/folder")
    with pytest.raises(UserError, match="no/such/folder.*is not a folder"):
        sources.find("imdb")


def test_auto_goes_on_without_what_cannot_be_had(server, only):
    server.status = 404
    only(entry(server.url))
    assert sources.find("tiny") == sources.Lookup((), f"the server answered 404 for {server.url}")


def test_large_files_are_not_downloaded_unasked(server, only):
    only(entry(server.url, size=sources.LARGEST_DOWNLOAD + 1))
    assert sources.find("tiny").paths == ()
    assert server.requests == 0


def test_standin_mode_ignores_local_copies(only, server, monkeypatch, tmp_path):
    (tmp_path / "data.bin").write_bytes(CONTENT)
    monkeypatch.setenv("GENERATIVE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("NB_DATA", "standin")
    only(entry(server.url))
    assert sources.find("tiny").paths == ()
    assert server.requests == 0


def test_real_mode_says_what_is_missing_where_and_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("NB_DATA", "real")
    monkeypatch.setenv("NB_OFFLINE", "1")
    monkeypatch.setenv("GENERATIVE_DATA_DIR", str(tmp_path))
    with pytest.raises(UserError) as caught:
        sources.find("imdb")
    for part in ("aclImdb_v1.tar.gz", str(tmp_path), "https://ai.stanford.edu", "NB_OFFLINE", "NB_DATA=auto"):
        assert part in str(caught.value)


def test_unknown_mode_and_unknown_data_are_errors(monkeypatch):
    with pytest.raises(UserError, match="no data set 'minst'.*imdb"):
        sources.find("minst")
    monkeypatch.setenv("NB_DATA", "fake")
    with pytest.raises(UserError, match="NB_DATA='fake' is unknown.*auto, real, standin"):
        sources.find("imdb")


def files(folder: str, **sizes: int) -> tuple[sources.RemoteFile, ...]:
    return tuple(sources.RemoteFile(name, folder + name, size, "") for name, size in sizes.items())


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (files("https://x.org/set/", a=84_125_825), "https://x.org/set/a (84.1 MB) and put it"),
        (files("https://x.org/set/", a=4_422_102, b=5_148), "a (4.4 MB) and b (5 kB) from https://x.org/set/NAME"),
        (files("https://x.org/set.html#", a=9, b=9), "a (1 kB) and b (1 kB) from https://x.org/set.html and put them"),
        (
            files("https://x.org/", a=9, b=9, c=9),
            "a (1 kB), b (1 kB) and c (1 kB) from https://x.org/NAME and put them",
        ),
        (
            files("https://x.org/", a=999_400) + files("https://y.org/", b=1_443_490_838),
            "https://x.org/a (999 kB) and https://y.org/b (1,443 MB) and put them",
        ),
    ],
)
def test_how_to_get_a_data_set_by_hand(given, says):
    by_hand = sources.Entry("tiny", "A tiny set", "none", (), given).by_hand
    assert by_hand.startswith(f"download {says}")
    assert by_hand.endswith(("put it", "put them")[len(given) > 1] + " into a folder that GENERATIVE_DATA_DIR names")


def test_a_standin_says_what_it_is_and_why_and_how_to_get_the_real_data(only):
    only(entry("https://x.org/data.bin"))
    assert sources.standin_line("tiny", "3 drawn things", "the line is down") == (
        "Stand-in: 3 drawn things, because the line is down. For the real data download https://x.org/data.bin "
        "(256 kB) and put it into a folder that GENERATIVE_DATA_DIR names."
    )
    with pytest.raises(UserError, match="no data set 'huge'. Known: tiny"):
        sources.standin_line("huge", "3 drawn things", "the line is down")


def test_several_missing_files_are_missing_and_one_is(only, monkeypatch):
    monkeypatch.setenv("NB_DATA", "real")
    monkeypatch.setenv("NB_OFFLINE", "1")
    for sizes, says in (({"a": 9}, "^a .A tiny set. is"), ({"a": 9, "b": 9, "c": 9}, "^a, b and c .A tiny set. are")):
        only(replace(entry("https://x.org/data.bin"), files=files("https://x.org/", **sizes)))
        with pytest.raises(UserError, match=f"{says} missing"):
            sources.find("tiny")


def test_manifest_is_complete():
    for entry in sources.manifest().values():
        assert entry.title
        assert entry.licence
        for file in entry.files:
            assert file.url.startswith("https://")
            assert file.url.endswith(file.name)
            assert file.bytes > 0
            assert len(file.sha256) in (0, 64)
            assert len(file.md5) in (0, 32)


@pytest.mark.parametrize(("status", "expected"), [(200, 0), (404, 1)])
def test_fetching_everything_ends_with_a_table(server, only, capsys, status, expected):
    server.status = status
    only(entry(server.url))
    assert sources.main() == expected
    assert ("tiny           yes" if status == 200 else "tiny           NO") in capsys.readouterr().out


def test_what_is_too_large_to_fetch_is_named_and_is_no_failure(server, only, capsys, monkeypatch):
    monkeypatch.setattr(sources, "LARGEST_DOWNLOAD", 1)
    only(entry(server.url))
    assert sources.main() == 0
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith("tiny           by hand") and server.url in line
