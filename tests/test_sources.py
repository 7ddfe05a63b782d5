"""Where data comes from: local copies, downloads, stand-ins, and what NB_DATA demands."""

import hashlib
import io
import socket
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from web_server import CONTENT, SHA256

from helpers import downloads, sources
from helpers.errors import UserError

pytestmark = pytest.mark.usefixtures("fresh_process")


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


@pytest.mark.parametrize("name", ["~no-such-user/data", "x" * 5_000])
def test_folder_that_cannot_even_be_looked_for_is_an_error_in_words(monkeypatch, name):
    monkeypatch.setenv("GENERATIVE_DATA_DIR", name)
    with pytest.raises(UserError, match="leads to no folder" if "~" in name else "is not a folder"):
        sources.find("imdb")


@pytest.mark.parametrize("name", ["~no-such-user/keras", "x" * 5_000])
def test_keras_folder_that_cannot_be_looked_for_counts_as_not_there(monkeypatch, name):
    monkeypatch.setenv("KERAS_HOME", name)
    monkeypatch.setenv("NB_OFFLINE", "1")
    assert sources.find("mnist").paths == ()


def test_auto_goes_on_without_what_cannot_be_had(server, only):
    server.status = 404
    only(entry(server.url))
    assert sources.find("tiny") == sources.Lookup((), f"the server answered 404 for {server.url}")


def picture(width: int = 80, height: int = 60, kind: str = "JPEG") -> bytes:
    """Return a picture that is nothing but noise, so that any half of its file is too short."""
    buffer = io.BytesIO()
    noise = np.random.default_rng(1).integers(0, 255, (height, width, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture
def only_a_picture(server, only):
    """Return a function that lets the server give some content for the one file, whose size nobody knows."""

    def give(content: bytes) -> None:
        server.answer, server.length = content, len(content)
        only(entry(server.url, size=0, sha256=""))

    return give


def files_left() -> list[str]:
    return [path.name for path in sources.CHECKOUT.rglob("*") if path.is_file() or path.name.startswith("receiving")]


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_picture_of_unknown_size_is_kept_once_it_is_decoded(server, only_a_picture, kind):
    content = picture(kind=kind)
    only_a_picture(content)
    lookup = sources.find("tiny")
    assert lookup.paths[0].read_bytes() == content
    assert lookup.note == f"downloaded to {lookup.paths[0]}, unverified (no official size or hash)"
    assert files_left() == ["data.bin"]
    assert sources.find("tiny").note.startswith("local copy") and server.requests == 1


@pytest.mark.parametrize(
    "content",
    [
        b"<html>Sign in</html>",
        b"",
        picture()[: len(picture()) // 2],
        picture(kind="PNG")[: len(picture(kind="PNG")) // 2],
        picture(31, 60),
        picture(kind="BMP"),
    ],
    ids=["page", "nothing", "half", "half a PNG", "a dot for a picture", "another kind"],
)
def test_what_is_no_whole_picture_is_not_kept(server, only_a_picture, content):
    only_a_picture(content)
    assert sources.find("tiny").paths == ()
    assert f"{server.url} gave no whole picture" in sources.find("tiny").note
    assert files_left() == []


def test_a_picture_with_too_many_pixels_or_bytes_is_not_kept(only_a_picture, monkeypatch):
    only_a_picture(picture())
    monkeypatch.setattr(sources, "PICTURE_SIDES", (32, 79))
    assert "no whole picture" in sources.find("tiny").note
    monkeypatch.setattr(sources, "LARGEST_PICTURE", len(picture()) - 1)
    assert "has more than 0 MB" in sources.find("tiny").note
    assert files_left() == []


def test_a_picture_that_can_be_written_nowhere_is_not_there(only_a_picture):
    for place in (sources.CHECKOUT, downloads.user_cache()):
        place.write_text("a file, so that no folder can be made in it")
    only_a_picture(picture())
    assert "data.bin could not be written to" in sources.find("tiny").note


def test_a_picture_cut_off_on_the_way_is_not_kept(server, only_a_picture):
    only_a_picture(picture())
    server.length += 1
    assert "was cut off after" in sources.find("tiny").note
    assert files_left() == []


@pytest.mark.parametrize("sizes", [(0, 0), (0, 9), (9, 0)])
def test_a_machine_without_network_finds_out_once_whichever_file_is_first(server, only, sizes):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # holds the port, accepts nobody
        only(entry(f"http://127.0.0.1:{closed.getsockname()[1]}/data.bin", size=sizes[0], sha256=""))
        assert "could not be reached" in sources.find("tiny").note
    only(entry(server.url, size=sizes[1], sha256=""))
    assert sources.find("tiny").note.endswith("could not be reached, so no download is tried in this session")
    assert server.requests == 0


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
        (files("https://x.org/", a=0), "https://x.org/a (size unknown) and put it"),
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
            assert file.bytes > 0 or (file.name.endswith(".jpg") and len(entry.files) == 1)
            assert len(file.sha256) in (0, 64)
            assert len(file.md5) in (0, 32)


@pytest.mark.parametrize(("status", "expected"), [(200, 0), (404, 1)])
def test_fetching_everything_ends_with_a_table(server, only, capsys, status, expected):
    server.status = status
    only(entry(server.url))
    assert sources.main() == expected
    assert ("tiny           yes" if status == 200 else "tiny           NO") in capsys.readouterr().out


def test_a_picture_is_fetched_with_everything_and_not_called_verified(only_a_picture, capsys):
    only_a_picture(picture())
    assert sources.main() == 0
    assert capsys.readouterr().out.splitlines()[-1].split()[:4] == ["tiny", "yes", "no", "downloaded"]


def test_what_is_too_large_to_fetch_is_named_and_is_no_failure(server, only, capsys, monkeypatch):
    monkeypatch.setattr(sources, "LARGEST_DOWNLOAD", 1)
    only(entry(server.url))
    assert sources.main() == 0
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith("tiny           by hand") and server.url in line
