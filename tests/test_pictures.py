"""Pictures by name, real or standing in; from a file; from the web."""

import os
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from sample_pictures import KINDS, assert_is_picture

from helpers.data import photographs, sources, standins
from helpers.images import fit, picture_from_bytes
from helpers.session import UserError

DOWNLOADED = {"coast": "coast.jpg", "san_francisco": "sf.jpg", "starry_night": "starry_night.jpg"}
PAINTINGS = ("starry_night", "the_scream", "kandinsky")
MAY_BE_MISSING = (*PAINTINGS, "coast", "san_francisco", "golden_gate", "tubingen")


@pytest.fixture
def own_pictures(own_data, monkeypatch):
    """A folder of the reader's own, the only one that is searched; NB_DATA is not set."""
    monkeypatch.delenv("NB_DATA")
    return own_data


@pytest.fixture
def online(own_pictures, server, monkeypatch):
    """The server on this machine stands behind the manifest's addresses of pictures, and gives a picture."""
    entries = sources.manifest()
    moved = {
        key: replace(entries[key], files=tuple(replace(file, url=server.url) for file in entries[key].files))
        for key in DOWNLOADED
    }
    monkeypatch.delenv("NB_OFFLINE")
    monkeypatch.setattr(photographs, "CHECKOUT", sources.CHECKOUT)
    monkeypatch.setattr(sources, "manifest", lambda: moved)
    server.answer = KINDS["JPEG"][0]
    return server


def is_picture(pixels: np.ndarray) -> bool:
    return pixels.dtype == np.float32 and pixels.shape[2:] == (3,) and 0 <= pixels.min() < pixels.max() <= 1


@pytest.mark.parametrize("name", photographs.NAMES)
def test_every_name_gives_a_picture_and_one_line(name, monkeypatch, capsys):
    monkeypatch.setenv("NB_DATA", "standin")
    picture = photographs.load_picture(name, height=60)
    assert is_picture(picture.pixels)
    assert picture.pixels.shape[0] == 60
    assert picture.name == name
    assert picture.is_real == (name not in MAY_BE_MISSING)
    assert capsys.readouterr().out == picture.source + "\n"
    assert name in picture.source


def test_standin_is_told_with_the_way_to_the_real_one(own_pictures):
    style, content = photographs.load_picture("the_scream"), photographs.load_picture("golden_gate")
    assert np.array_equal(style.pixels, standins.painting("embers"))
    assert np.array_equal(content.pixels, photographs.load_picture("china").pixels)
    for picture in (style, content):
        assert picture.source.startswith("Stand-in: ")
        assert "no local copy was found" in picture.source
        assert f"put it as {picture.name}.jpg into a folder that GENERATIVE_DATA_DIR names" in picture.source


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("starry_night", "style_starry_night.png"),
        ("kandinsky", "pictures/kandinsky.png"),
        ("golden_gate", "pictures/content_golden_gate.jpg"),
        ("san_francisco", "san_francisco.jpg"),
        ("san_francisco", "pictures/sf.jpg"),
        ("san_francisco", "../keras/datasets/sf.jpg"),
    ],
)
@pytest.mark.parametrize("mode", ["auto", "real", "standin"])
def test_a_local_copy_is_found_unless_a_standin_is_asked_for(own_pictures, monkeypatch, name, place, mode):
    monkeypatch.setenv("NB_DATA", mode)
    path = own_pictures / place
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (80, 60), (200, 100, 50)).save(path)
    picture = photographs.load_picture(name, height=90)
    assert picture.is_real == (mode != "standin")
    if picture.is_real:
        assert path.name in picture.source and picture.pixels.shape == (90, 120, 3)
        assert picture.pixels.mean(axis=(0, 1)) * 255 == pytest.approx((200, 100, 50), abs=3)
    else:
        assert "NB_DATA=standin asks for it" in picture.source


@pytest.mark.parametrize("name", DOWNLOADED)
def test_a_picture_that_has_an_address_is_downloaded_once(online, name, capsys):
    picture = photographs.load_picture(name)
    assert picture.is_real and is_picture(picture.pixels)
    path = sources.CHECKOUT / "data" / "cache" / DOWNLOADED[name]
    assert f"Picture {name}: " in picture.source and f"downloaded to {path}, unverified" in picture.source
    assert capsys.readouterr().out == picture.source + "\n"
    assert f"local copy {path}" in photographs.load_picture(name).source
    assert online.requests == 1


@pytest.mark.parametrize("content", [b"<html>Blocked by your school</html>", None])
def test_a_download_that_is_no_picture_gives_the_standin_and_says_so(online, content, monkeypatch, capsys):
    content = content or online.answer[:400]
    online.answer, online.length = content, len(content)
    picture = photographs.load_picture("san_francisco")
    assert not picture.is_real and np.array_equal(picture.pixels, photographs.load_picture("china").pixels)
    assert "no whole picture" in picture.source
    assert "For the real san_francisco (San Francisco, the photograph for style transfer" in picture.source
    assert f"download {online.url} (size unknown) and put it into a folder that GENERATIVE_DATA_DIR" in picture.source
    assert capsys.readouterr().out.splitlines()[0] == picture.source
    assert not [path for path in sources.CHECKOUT.rglob("*") if path.is_file()]
    monkeypatch.setenv("NB_DATA", "real")
    with pytest.raises(UserError, match="sf.jpg .San Francisco.* is missing, and NB_DATA=real .*no whole picture"):
        photographs.load_picture("san_francisco")


def test_a_painting_that_was_changed_is_not_given_out_again():
    photographs.load_picture("mosaic").pixels[:] = 0
    assert is_picture(photographs.load_picture("mosaic").pixels)


def test_real_mode_says_what_is_missing_where_and_how_to_get_it(own_pictures, monkeypatch):
    monkeypatch.setenv("NB_DATA", "real")
    with pytest.raises(UserError) as caught:
        photographs.load_picture("the_scream")
    for part in (
        "Edvard Munch",
        str(own_pictures / "pictures"),
        "the_scream.jpg",
        "GENERATIVE_DATA_DIR",
        "NB_DATA=auto",
    ):
        assert part in str(caught.value)
    assert photographs.load_picture("china").is_real
    assert photographs.load_picture("painting").is_real


def test_photographs_are_scikit_learns():
    china, flower = photographs.load_picture("china").pixels, photographs.load_picture("flower").pixels
    assert china.shape == flower.shape == (427, 640, 3)
    assert (china[0, 0] * 255).tolist() == pytest.approx([174, 201, 231])
    assert photographs.load_picture("china", 213).pixels == pytest.approx(fit(china, 213))


def test_a_picture_from_a_file_is_the_same_as_from_its_bytes(tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(KINDS["PNG"][0])
    picture = photographs.load_picture(path, 24, least=8)
    assert_is_picture(picture.pixels, (24, 40))
    assert picture.is_real and str(path) in picture.source
    np.testing.assert_array_equal(picture.pixels, picture_from_bytes(path.read_bytes(), 24, least=8))


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("{}/brigde.jpg", "no file .*Did you mean bridge.jpg"),
        ("{}/none/bridge.jpg", "no file .*Check the name"),
        ("{}", "is a folder"),
        ("{}/pipe.png", "neither a file nor a folder"),
        ("ftp://127.0.0.1/bridge.jpg", "no file"),
        ("data:image/jpeg;base64," + 9_000 * "A", "cannot be looked for"),
        ("~no-such-user/bridge.jpg", "leads to no folder"),
        ("http://", "could not be had"),
        ("http://[::1/a.png", "could not be had"),
        ("stary_night", "Did you mean starry_night"),
        ("???", "Did you mean .*china"),
    ],
)
def test_a_place_that_leads_to_no_picture(tmp_path, own_pictures, place, says):
    (tmp_path / "bridge.jpg").write_bytes(KINDS["JPEG"][0])
    if "pipe" in place:
        if not hasattr(os, "mkfifo"):
            pytest.skip("this system has no named pipes")
        os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(UserError, match=says):
        photographs.load_picture(place.format(tmp_path))


@pytest.mark.parametrize("name", ["china", "painting", "golden_gate", "bridge.jpg"])
def test_a_height_below_one_is_an_error(name, own_pictures, monkeypatch):
    monkeypatch.chdir(own_pictures)
    (own_pictures / "bridge.jpg").write_bytes(KINDS["JPEG"][0])
    with pytest.raises(UserError, match="at least 1"):
        photographs.load_picture(name, height=0)


def test_a_damaged_file_is_an_error_and_no_reason_for_a_standin(own_pictures):
    (own_pictures / "starry_night.jpg").write_bytes(b"<html>Sign in</html>")
    with pytest.raises(UserError, match="starry_night.jpg is not a picture"):
        photographs.load_picture("starry_night")


def test_a_file_that_may_not_be_read_is_an_error(tmp_path, monkeypatch):
    def refuse(*_, **__):  # the system itself refuses nothing to its owner, as whom these tests may run
        raise PermissionError(13, "Permission denied")

    (tmp_path / "closed.png").write_bytes(KINDS["PNG"][0])
    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(UserError, match="closed.png may not be read"):
        photographs.load_picture(tmp_path / "closed.png")


def test_a_picture_from_the_web_is_fetched_once(online, monkeypatch):
    for _ in range(2):
        assert_is_picture(photographs.load_picture(f"{online.url}?size=1", height=24, least=8).pixels, (24, 40))
        monkeypatch.setenv("NB_OFFLINE", "1")
    assert online.requests == 1
    with pytest.raises(UserError, match="NB_OFFLINE"):
        photographs.load_picture(f"{online.url}?size=2")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"status": 404}, "answered 404.*or give the path"),
        ({"answer": b"<html>A picture of a bridge</html>"}, "not a picture.*not of a page"),
        ({"answer": bytes(200_000)}, "more than 0.0 MB"),
    ],
)
def test_an_address_that_gives_no_picture_leaves_nothing(online, monkeypatch, given, says):
    monkeypatch.setattr(sources, "LARGEST_PICTURE", 3_000)
    vars(online).update(given)
    with pytest.raises(UserError, match=says):
        photographs.load_picture(online.url)
    assert not [path for path in sources.CHECKOUT.rglob("*") if path.is_file()]
