"""Pictures by name, real or stand-ins; from a file; from the web; and a whole folder of them."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from sample_pictures import KINDS, assert_is_picture

from helpers.data import load_folder, load_picture, photographs, sources, standins
from helpers.images import fit, picture_from_bytes
from helpers.session import UserError

DOWNLOADED = {"coast": "coast.jpg", "san_francisco": "sf.jpg", "starry_night": "starry_night.jpg"}
MAY_BE_MISSING = (*DOWNLOADED, "the_scream", "kandinsky", "golden_gate", "tubingen")


@pytest.fixture
def own_pictures(own_data, monkeypatch):
    """A folder of the reader's own, the only one that is searched; NB_DATA is not set."""
    monkeypatch.delenv("NB_DATA")
    return own_data


@pytest.fixture
def online(own_pictures, server, monkeypatch):
    """The manifest's addresses of pictures are those of the server on this machine, which gives a picture."""
    entries = sources.manifest()
    moved = {
        key: replace(entries[key], files=tuple(replace(file, url=server.url) for file in entries[key].files))
        for key in DOWNLOADED
    }
    monkeypatch.delenv("NB_OFFLINE")
    monkeypatch.setattr(sources, "manifest", lambda: moved)
    server.answer = KINDS["JPEG"][0]
    return server


def files_left():
    return [path for path in sources.CHECKOUT.rglob("*") if path.is_file()]


def is_picture(pixels: np.ndarray) -> bool:
    return pixels.dtype == np.float32 and pixels.shape[2:] == (3,) and 0 <= pixels.min() < pixels.max() <= 1


@pytest.mark.parametrize("name", photographs.NAMES)
def test_every_name_gives_a_picture_and_one_line(name, monkeypatch, capsys):
    monkeypatch.setenv("NB_DATA", "standin")
    picture = load_picture(name, height=60)
    assert is_picture(picture.pixels) and picture.pixels.shape[0] == 60
    assert picture.name == name and picture.is_real == (name not in MAY_BE_MISSING)
    assert capsys.readouterr().out == picture.source + "\n" and name in picture.source


def test_a_standin_is_named_with_the_way_to_the_real_picture(own_pictures):
    style, content = load_picture("the_scream"), load_picture("golden_gate")
    assert np.array_equal(style.pixels, standins.painting("embers"))
    assert np.array_equal(content.pixels, load_picture("china").pixels)
    for picture in (style, content):
        for part in ("Stand-in: ", "no local copy", f"{picture.name}.jpg", "GENERATIVE_DATA_DIR"):
            assert part in picture.source


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("starry_night", "style_starry_night.png"),
        ("golden_gate", "pictures/content_golden_gate.jpg"),
        ("san_francisco", "san_francisco.jpg"),
        ("san_francisco", "pictures/sf.jpg"),
        ("san_francisco", "../keras/datasets/sf.jpg"),
    ],
)
@pytest.mark.parametrize("mode", ["auto", "real", "standin"])
def test_a_local_copy_is_used_unless_a_standin_is_asked_for(own_pictures, monkeypatch, name, place, mode):
    monkeypatch.setenv("NB_DATA", mode)
    path = own_pictures / place
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (80, 60), (200, 100, 50)).save(path)
    picture = load_picture(name, height=90)
    assert picture.is_real == (mode != "standin")
    if picture.is_real:
        assert path.name in picture.source and picture.pixels.shape == (90, 120, 3)
        assert picture.pixels.mean(axis=(0, 1)) * 255 == pytest.approx((200, 100, 50), abs=3)
    else:
        assert "NB_DATA=standin" in picture.source


@pytest.mark.parametrize("name", DOWNLOADED)
def test_a_picture_that_has_an_address_is_downloaded_once(online, name):
    picture = load_picture(name)
    assert picture.is_real and is_picture(picture.pixels)
    path = sources.CHECKOUT / "data" / "cache" / DOWNLOADED[name]
    assert f"downloaded to {path}, unverified" in picture.source
    assert f"local copy {path}" in load_picture(name).source
    assert online.requests == 1


def test_a_download_that_is_no_picture_gives_the_standin_and_says_so(online, monkeypatch):
    online.answer = b"<html>Blocked by your school</html>"
    picture = load_picture("san_francisco")
    assert not picture.is_real and np.array_equal(picture.pixels, load_picture("china").pixels)
    for part in ("no whole picture", "San Francisco", online.url, "GENERATIVE_DATA_DIR"):
        assert part in picture.source
    assert files_left() == []
    monkeypatch.setenv("NB_DATA", "real")
    with pytest.raises(UserError, match="sf.jpg .*NB_DATA=real .*no whole picture"):
        load_picture("san_francisco")


def test_a_painting_that_was_changed_is_not_given_out_again():
    load_picture("mosaic").pixels[:] = 0
    assert is_picture(load_picture("mosaic").pixels)


def test_real_mode_names_what_is_missing_where_and_how_to_get_it(own_pictures, monkeypatch):
    monkeypatch.setenv("NB_DATA", "real")
    with pytest.raises(UserError) as caught:
        load_picture("the_scream")
    for part in ("Munch", str(own_pictures / "pictures"), "the_scream.jpg", "GENERATIVE_DATA_DIR", "NB_DATA=auto"):
        assert part in str(caught.value)
    assert load_picture("china").is_real and load_picture("painting").is_real


def test_photographs_are_scikit_learns():
    china, flower = load_picture("china").pixels, load_picture("flower").pixels
    assert china.shape == flower.shape == (427, 640, 3)
    assert (china[0, 0] * 255).tolist() == pytest.approx([174, 201, 231])
    assert load_picture("china", 213).pixels == pytest.approx(fit(china, 213))


def test_a_picture_from_a_file_is_the_same_as_from_its_bytes(tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(KINDS["PNG"][0])
    picture = load_picture(path, 36)
    assert_is_picture(picture.pixels, (36, 60))
    assert picture.is_real and str(path) in picture.source
    np.testing.assert_array_equal(picture.pixels, picture_from_bytes(path.read_bytes(), 36))


@pytest.mark.parametrize(
    ("place", "part"),
    [
        ("{}/brigde.jpg", "Did you mean bridge.jpg"),
        ("{}/none/bridge.jpg", "no file"),
        ("{}", "is a folder"),
        ("ftp://127.0.0.1/bridge.jpg", "no file"),
        ("data:image/jpeg;base64," + 9_000 * "A", "cannot be looked for"),
        ("~no-such-user/bridge.jpg", "no folder"),
        ("http://", "could not be downloaded"),
        ("http://[::1/a.png", "could not be downloaded"),
        ("stary_night", "Did you mean starry_night"),
        ("???", "Did you mean .*china"),
    ],
)
def test_a_place_that_leads_to_no_picture_is_an_error(tmp_path, own_pictures, place, part):
    (tmp_path / "bridge.jpg").write_bytes(KINDS["JPEG"][0])
    with pytest.raises(UserError, match=part):
        load_picture(place.format(tmp_path))


def test_a_damaged_file_is_an_error_and_no_reason_for_a_standin(own_pictures):
    (own_pictures / "starry_night.jpg").write_bytes(b"<html>Sign in</html>")
    with pytest.raises(UserError, match="starry_night.jpg is not a picture"):
        load_picture("starry_night")


def test_a_picture_from_the_web_is_fetched_once(online, monkeypatch):
    for _ in range(2):
        assert_is_picture(load_picture(f"{online.url}?size=1", height=36).pixels, (36, 60))
        monkeypatch.setenv("NB_OFFLINE", "1")
    assert online.requests == 1
    with pytest.raises(UserError, match="NB_OFFLINE"):
        load_picture(f"{online.url}?size=2")


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ({"status": 404}, "answered 404"),
        ({"answer": b"<html>A picture of a bridge</html>"}, "not of a page"),
        ({"answer": bytes(200_000)}, "more than 0.0 MB"),
    ],
)
def test_an_address_that_gives_no_picture_leaves_nothing(online, monkeypatch, given, part):
    monkeypatch.setattr(sources, "LARGEST_PICTURE", 3_000)
    vars(online).update(given)
    with pytest.raises(UserError, match=part):
        load_picture(online.url)
    assert files_left() == []


@pytest.fixture
def fill(tmp_path):
    """Return a function that writes pictures of a size (width, height), each of its own grey, into a folder."""

    def fill(count, mode="RGB"):
        for number in range(count):
            Image.new("L", (80, 64), 10 + 5 * number).convert(mode).save(tmp_path / f"picture{number:03d}.png")
        return tmp_path

    return fill


def test_a_folder_becomes_squares_split_the_same_each_time(fill, capsys):
    filters = list(warnings.filters)
    train, test = load_folder(fill(30))
    assert train.shape == (27, 64, 64, 3) and test.shape == (3, 64, 64, 3) and train.dtype == test.dtype == np.uint8
    greys = sorted(np.concatenate([train, test])[:, 0, 0, 0].tolist())
    assert greys == [10 + 5 * number for number in range(30)]
    again = load_folder(fill(30))
    assert np.array_equal(train, again[0]) and np.array_equal(test, again[1])
    assert "27 training and 3 held-out" in capsys.readouterr().out
    assert warnings.filters == filters  # as before many threads have decoded
    assert [len(part) for part in load_folder(fill(30), limit=12)] == [11, 1]


@pytest.mark.parametrize("size", [(384, 128), (128, 384)])
def test_the_middle_is_cut_out_and_nothing_is_squashed(fill, size):
    folder = fill(10)
    for path in folder.iterdir():
        pixels = np.zeros((*size[::-1], 3), np.uint8)
        pixels[tuple(slice(length // 2 - 64, length // 2 + 64) for length in size[::-1])] = 200
        Image.fromarray(pixels).save(path)
    train, _ = load_folder(folder)
    assert train[:, 1:-1, 1:-1].min() == 200


def test_unusable_files_are_left_out_and_named(fill, capsys):
    folder = fill(12, mode="L")
    (folder / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0 torn")
    (folder / "below").mkdir()
    Image.new("RGB", (40, 200)).save(folder / "below" / "TINY.PNG")
    (folder / "notes.txt").write_text("no picture")
    (folder / "._hidden.jpg").write_bytes(b"what a Mac leaves behind")
    train, test = load_folder(folder)
    assert len(train) + len(test) == 12 and (train[..., 0] == train[..., 2]).all()
    line = capsys.readouterr().out
    assert "too small: 2" in line and "torn.jpg" in line and "TINY.PNG" in line
    assert "notes" not in line and "hidden" not in line


def test_a_folder_without_enough_pictures_is_an_error(fill):
    folder = fill(3)
    with pytest.raises(UserError, match="3 pictures"):
        load_folder(folder)
    for path in folder.iterdir():
        path.write_bytes(b"torn")
    with pytest.raises(UserError, match="0 pictures.*picture000.png"):
        load_folder(folder)
    with pytest.raises(UserError, match="no folder"):
        load_folder(folder / "none")
