"""Named pictures, real or standing in, and the paintings that this project paints."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from helpers import pictures, sources, standins
from helpers.errors import UserError
from helpers.images import fit

DOWNLOADED = {"coast": "coast.jpg", "san_francisco": "sf.jpg", "starry_night": "starry_night.jpg"}
PAINTINGS = ("starry_night", "the_scream", "kandinsky")
MAY_BE_MISSING = (*PAINTINGS, "coast", "san_francisco", "golden_gate", "tubingen")


@pytest.fixture
def own_data(tmp_path, monkeypatch):
    """A folder of the reader's own, the only one that is searched; NB_DATA is not set."""
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.setenv("GENERATIVE_DATA_DIR", str(folder))
    monkeypatch.delenv("NB_DATA", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(sources.downloads, "user_cache", lambda: tmp_path / "none")
    sources.manifest()  # read, and kept, while the real checkout can be seen
    monkeypatch.setattr(sources, "CHECKOUT", tmp_path / "checkout")
    return folder


@pytest.fixture
def online(own_data, server, monkeypatch):
    """The server on this machine stands behind the manifest's addresses of pictures, and gives a picture."""
    entries = sources.manifest()
    moved = {
        key: replace(entries[key], files=tuple(replace(file, url=server.url) for file in entries[key].files))
        for key in DOWNLOADED
    }
    for name in ("NB_OFFLINE", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sources.downloads, "_offline_because", "")
    monkeypatch.setattr(sources, "manifest", lambda: entries | moved)
    buffer = io.BytesIO()
    Image.new("RGB", (80, 60), (200, 100, 50)).save(buffer, "JPEG")
    server.answer, server.length = buffer.getvalue(), len(buffer.getvalue())
    return server


def is_picture(pixels: np.ndarray) -> bool:
    return pixels.dtype == np.float32 and pixels.shape[2:] == (3,) and 0 <= pixels.min() < pixels.max() <= 1


@pytest.mark.parametrize("name", pictures.NAMES)
def test_every_name_gives_a_picture_and_one_line(name, monkeypatch, capsys):
    monkeypatch.setenv("NB_DATA", "standin")
    picture = pictures.load_picture(name, height=60)
    assert is_picture(picture.pixels)
    assert picture.pixels.shape[0] == 60
    assert picture.name == name
    assert picture.is_real == (name not in MAY_BE_MISSING)
    assert capsys.readouterr().out == picture.source + "\n"
    assert name in picture.source


@pytest.mark.parametrize("name", MAY_BE_MISSING)
def test_pictures_from_where_they_can_be_had(name):
    picture = pictures.load_picture(name)
    assert is_picture(picture.pixels)
    assert picture.is_real == ("local copy" in picture.source)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("starry_night", "starry_night.jpg"),
        ("starry_night", "style_starry_night.jpg"),
        ("kandinsky", "pictures/kandinsky.png"),
        ("the_scream", "pictures/style_the_scream.jpeg"),
        ("golden_gate", "pictures/content_golden_gate.jpg"),
        ("coast", "coast.jpg"),
        ("san_francisco", "san_francisco.jpg"),
        ("san_francisco", "pictures/sf.jpg"),
    ],
)
@pytest.mark.parametrize("mode", ["auto", "real"])
def test_local_copy_is_found(own_data, monkeypatch, name, place, mode):
    monkeypatch.setenv("NB_DATA", mode)
    path = own_data / place
    path.parent.mkdir(exist_ok=True)
    Image.new("RGB", (80, 60), (200, 100, 50)).save(path)
    picture = pictures.load_picture(name)
    assert picture.is_real
    assert str(path) in picture.source
    assert picture.pixels.shape == (60, 80, 3)
    assert picture.pixels.mean(axis=(0, 1)) * 255 == pytest.approx((200, 100, 50), abs=3)
    assert pictures.load_picture(name, height=90).pixels.shape == (90, 120, 3)


def test_standin_mode_ignores_a_local_copy(own_data, monkeypatch):
    Image.new("RGB", (80, 60)).save(own_data / "starry_night.jpg")
    monkeypatch.setenv("NB_DATA", "standin")
    picture = pictures.load_picture("starry_night")
    assert not picture.is_real
    assert "NB_DATA=standin asks for it" in picture.source


def test_standin_is_told_with_the_way_to_the_real_one(own_data):
    style, content = pictures.load_picture("the_scream"), pictures.load_picture("golden_gate")
    assert np.array_equal(style.pixels, standins.painting("embers"))
    assert np.array_equal(content.pixels, pictures.load_picture("china").pixels)
    for picture in (style, content):
        assert picture.source.startswith("Stand-in: ")
        assert "no local copy was found" in picture.source
        assert f"put it as {picture.name}.jpg into a folder that GENERATIVE_DATA_DIR names" in picture.source


@pytest.mark.parametrize("name", DOWNLOADED)
def test_a_picture_that_has_an_address_is_downloaded_once(online, name, capsys):
    picture = pictures.load_picture(name)
    assert picture.is_real and picture.pixels.shape == (60, 80, 3)
    path = sources.CHECKOUT / "data" / "cache" / DOWNLOADED[name]
    assert f"Picture {name}: " in picture.source and f"downloaded to {path}, unverified" in picture.source
    assert capsys.readouterr().out == picture.source + "\n"
    assert f"local copy {path}" in pictures.load_picture(name).source
    assert online.requests == 1


def test_a_copy_that_the_books_code_has_fetched_is_found(online, tmp_path):
    path = tmp_path / "keras" / "datasets" / "sf.jpg"
    path.parent.mkdir(parents=True)
    path.write_bytes(online.answer)
    assert f"local copy {path}" in pictures.load_picture("san_francisco").source
    assert online.requests == 0


def test_a_local_copy_is_preferred_to_a_download(online, own_data):
    Image.new("RGB", (40, 40)).save(own_data / "style_starry_night.png")
    assert pictures.load_picture("starry_night").pixels.shape == (40, 40, 3)
    assert online.requests == 0


@pytest.mark.parametrize("content", [b"<html>Blocked by your school</html>", None])
def test_a_download_that_is_no_picture_gives_the_standin_and_says_so(online, content, monkeypatch, capsys):
    content = content or online.answer[:400]
    online.answer, online.length = content, len(content)
    picture = pictures.load_picture("san_francisco")
    assert not picture.is_real and np.array_equal(picture.pixels, pictures.load_picture("china").pixels)
    assert "no whole picture" in picture.source
    assert "For the real san_francisco (San Francisco, the photograph for style transfer" in picture.source
    assert f"download {online.url} (size unknown) and put it into a folder that GENERATIVE_DATA_DIR" in picture.source
    assert capsys.readouterr().out.splitlines()[0] == picture.source
    assert not [path for path in sources.CHECKOUT.rglob("*") if path.is_file()]
    monkeypatch.setenv("NB_DATA", "real")
    with pytest.raises(UserError, match="sf.jpg .San Francisco.* is missing, and NB_DATA=real .*no whole picture"):
        pictures.load_picture("san_francisco")


@pytest.mark.parametrize(("variable", "value"), [("NB_OFFLINE", "1"), ("NB_DATA", "standin")])
def test_the_network_is_not_asked_where_it_must_not_be(online, monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    picture = pictures.load_picture("coast")
    assert not picture.is_real and variable in picture.source
    assert online.requests == 0


def test_pictures_without_an_address_are_not_looked_for_on_the_network(online):
    assert [pictures.load_picture(name).is_real for name in ("golden_gate", "the_scream")] == [False, False]
    assert online.requests == 0


def test_a_painting_that_was_changed_is_not_given_out_again():
    pictures.load_picture("mosaic").pixels[:] = 0
    assert is_picture(pictures.load_picture("mosaic").pixels)


def test_standins_of_two_styles_differ(monkeypatch):
    monkeypatch.setenv("NB_DATA", "standin")
    means = [pictures.load_picture(name, 60).pixels.mean(axis=(0, 1)) for name in PAINTINGS]
    assert means[0][2] > means[0][0]  # blue
    assert means[1][0] > means[1][2]  # red
    assert means[2][0] > means[2][2]


def test_real_mode_says_what_is_missing_where_and_how_to_get_it(own_data, monkeypatch):
    monkeypatch.setenv("NB_DATA", "real")
    with pytest.raises(UserError) as caught:
        pictures.load_picture("the_scream")
    for part in ("Edvard Munch", str(own_data / "pictures"), "the_scream.jpg", "GENERATIVE_DATA_DIR", "NB_DATA=auto"):
        assert part in str(caught.value)
    assert pictures.load_picture("china").is_real
    assert pictures.load_picture("painting").is_real


def test_damaged_local_copy_is_an_error_and_no_reason_for_a_standin(own_data):
    (own_data / "starry_night.jpg").write_bytes(b"<html>Sign in</html>")
    with pytest.raises(UserError, match="starry_night.jpg is not a picture"):
        pictures.load_picture("starry_night")


@pytest.mark.parametrize(
    ("name", "near"), [("stary_night", "starry_night"), ("scream", "the_scream"), ("???", "china")]
)
def test_unknown_name_is_answered_with_near_ones(name, near):
    with pytest.raises(UserError, match=f"there is no picture.*Did you mean.*{near}.*images.load_picture"):
        pictures.load_picture(name)


@pytest.mark.parametrize("name", ["china", "painting", "golden_gate"])
def test_height_below_one_is_an_error(name, monkeypatch):
    monkeypatch.setenv("NB_DATA", "standin")
    with pytest.raises(UserError, match="at least 1"):
        pictures.load_picture(name, height=0)


def test_photographs_are_scikit_learns():
    china, flower = pictures.load_picture("china").pixels, pictures.load_picture("flower").pixels
    assert china.shape == flower.shape == (427, 640, 3)
    assert (china[0, 0] * 255).tolist() == pytest.approx([174, 201, 231])
    assert pictures.load_picture("china", 213).pixels == pytest.approx(fit(china, 213))
