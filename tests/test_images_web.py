"""Pictures from addresses: fetched once, and nothing is left of what is none."""

import http.server
import socket
import threading

import pytest
from sample_pictures import COLUMNS, KINDS, ROWS, assert_is_picture

from helpers import decoding, downloads, images
from helpers.errors import UserError


@pytest.fixture
def web(monkeypatch, tmp_path):
    """A web server on this machine: `answers` maps paths to (status, content), `asked` lists the requests."""
    for name in ("NB_OFFLINE", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(downloads, "_offline_because", "")
    monkeypatch.setattr(decoding, "CHECKOUT", tmp_path / "checkout")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            server.asked.append(self.path)
            status, body = server.answers[self.path]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.url = [], f"http://127.0.0.1:{server.server_address[1]}"
    server.answers = {
        "/a.png?size=1": (200, KINDS["PNG"][0]),
        "/gone.png": (404, b""),
        "/page": (200, b"<html>A picture of a bridge</html>"),
        "/huge.png": (200, b"\x89PNG" * 1_000),
    }
    server.cache = tmp_path / "checkout" / "data" / "cache" / "pictures"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_picture_from_the_web_is_fetched_once(web, monkeypatch):
    picture = images.load_picture(f"{web.url}/a.png?size=1", height=24, least=8)
    assert_is_picture(picture, (24, 40))
    monkeypatch.setenv("NB_OFFLINE", "1")
    assert_is_picture(images.load_picture(f"{web.url}/a.png?size=1"), (ROWS, COLUMNS))
    assert web.asked == ["/a.png?size=1"]
    assert len(list(web.cache.iterdir())) == 1


@pytest.mark.parametrize(
    ("page", "says"),
    [
        ("/gone.png", "answered 404.*Check the address, or give the path"),
        ("/page", "not a picture.*that of the picture file itself, not of a page"),
        ("/huge.png", "more than 0 MB"),
    ],
)
def test_address_that_gives_no_picture_leaves_nothing(web, monkeypatch, page, says):
    monkeypatch.setattr(decoding, "LARGEST_DOWNLOAD", 3_000)
    with pytest.raises(UserError, match=says):
        images.load_picture(web.url + page)
    assert not [path for path in web.cache.rglob("*") if path.is_file()]


def test_address_that_does_not_answer_spoils_no_other(web, monkeypatch):
    monkeypatch.setitem(downloads.fetch.__kwdefaults__, "patience", 0.5)
    with socket.socket() as closed, socket.create_server(("127.0.0.1", 0)) as silent:
        closed.bind(("127.0.0.1", 0))  # holds the port, accepts nobody
        for port, says in (
            (closed.getsockname()[1], "could not be reached"),
            (silent.getsockname()[1], "said nothing"),
        ):
            with pytest.raises(UserError, match=says):
                images.load_picture(f"http://127.0.0.1:{port}/a.png")
    assert_is_picture(images.load_picture(f"{web.url}/a.png?size=1"), (ROWS, COLUMNS))


@pytest.mark.parametrize("address", ["http://", "https:///a.png", "http://[::1/a.png"])
def test_address_that_is_none(web, address):
    with pytest.raises(UserError, match="could not be had"):
        images.load_picture(address)


def test_no_network_is_tried_when_it_is_not_wanted(web, monkeypatch):
    monkeypatch.setenv("NB_OFFLINE", "1")
    with pytest.raises(UserError, match="NB_OFFLINE"):
        images.load_picture(f"{web.url}/a.png?size=1")
    assert web.asked == []
