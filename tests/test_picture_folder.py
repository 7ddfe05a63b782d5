"""A folder of one's own pictures: whatever lies in it, what can be used is used, and the rest is named."""

import os
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers import picture_folder
from helpers.batches import PictureBatches
from helpers.errors import UserError
from helpers.pictures import load_folder, stream_folder
from tools.lift import lift

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def fill(tmp_path):
    """Return a function that writes pictures of a size (width, height), each of its own grey, into a folder."""

    def fill(count, size=(80, 64), ending="png", mode="RGB"):
        for number in range(count):
            path = tmp_path / f"picture{number:03d}.{ending}"
            Image.new("L", size, 10 + 5 * number).convert(mode).save(path)
        return tmp_path

    return fill


def test_pictures_become_squares_split_the_same_each_time(fill, capsys):
    train, test = load_folder(fill(30))
    assert train.shape == (27, 64, 64, 3) and test.shape == (3, 64, 64, 3) and train.dtype == test.dtype == np.uint8
    greys = sorted(np.concatenate([train, test])[:, 0, 0, 0].tolist())
    assert greys == [10 + 5 * number for number in range(30)]
    again = load_folder(fill(30))
    assert np.array_equal(train, again[0]) and np.array_equal(test, again[1])
    assert "27 training and 3 held-out pictures, 64x64." in capsys.readouterr().out


@pytest.mark.parametrize("size", [(192, 64), (64, 192)])
def test_the_middle_is_cut_out_and_nothing_is_squashed(fill, size):
    folder, side = fill(10), 32
    for path in folder.iterdir():
        pixels = np.zeros((*size[::-1], 3), np.uint8)
        middle = [slice(length // 2 - 32, length // 2 + 32) for length in size[::-1]]
        pixels[tuple(middle)] = 200
        Image.fromarray(pixels).save(path)
    train, _ = load_folder(folder, size=side)
    assert train.shape[1:] == (side, side, 3) and train[:, 1:-1, 1:-1].min() == 200


def test_grey_and_broken_and_tiny_ones_beside_good_ones(fill, capsys):
    folder = fill(12, mode="L")
    (folder / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0 torn")
    (folder / "below").mkdir()
    Image.new("RGB", (40, 200)).save(folder / "below" / "TINY.PNG")
    (folder / "notes.txt").write_text("no picture")
    (folder / "._hidden.jpg").write_bytes(b"what a Mac leaves behind")
    train, test = load_folder(folder)
    assert len(train) + len(test) == 12 and (train[..., 0] == train[..., 2]).all()
    said = capsys.readouterr().out
    assert "too small: 2" in said and "torn.jpg" in said and "TINY.PNG" in said
    assert "notes" not in said and "hidden" not in said


@pytest.mark.parametrize(("count", "says"), [(0, "has 0 pictures"), (3, "has 3 pictures.*at least 10")])
def test_too_few_are_an_error(fill, count, says):
    with pytest.raises(UserError, match=says):
        load_folder(fill(count))


def test_only_broken_ones_are_an_error_that_names_them(tmp_path):
    for number in range(12):
        (tmp_path / f"torn{number:02d}.jpg").write_bytes(b"torn")
    with pytest.raises(UserError, match="has 0 pictures.*too small: 12.*torn04.jpg and others"):
        load_folder(tmp_path)


@pytest.mark.parametrize("given", [{"size": 8}, {"limit": 3}])
def test_arguments_out_of_range_are_errors(fill, given):
    with pytest.raises(UserError, match="too (small|low)"):
        load_folder(fill(12), **given)


def test_no_folder_is_an_error(tmp_path):
    with pytest.raises(UserError, match="is no folder"):
        load_folder(tmp_path / "none")


def test_a_limit_is_kept(fill):
    train, test = load_folder(fill(30), limit=20)
    assert len(train) + len(test) == 20


def test_a_batch_larger_than_the_set_is_refused_and_a_smaller_last_one_waits(fill):
    train, _ = load_folder(fill(30))
    with pytest.raises(UserError, match="27 pictures do not fill a batch of 32"):
        PictureBatches(train, 32, seed=1)
    assert [len(inputs) for inputs, _ in PictureBatches(train, 8, seed=1)(epoch=0)] == [8, 8, 8]


def test_pictures_on_the_disk_give_the_same_batches_as_those_in_memory(fill, tmp_path_factory):
    folder, cache = fill(30), tmp_path_factory.mktemp("cache")
    (train, test), (stored, held_out) = load_folder(folder, size=32), stream_folder(folder, size=32, cache=cache)
    assert stored.shape == train.shape and stored.dtype == train.dtype and len(stored) == 27
    np.testing.assert_array_equal(held_out, test)
    np.testing.assert_array_equal(stored[:5], train[:5])
    in_memory, on_disk = (PictureBatches(pictures, 8, seed=3, flip=True) for pictures in (train, stored))
    for epoch in (2, 0):  # in any order
        pairs = list(zip(in_memory(epoch), on_disk(epoch), strict=True))
        assert len(pairs) == len(on_disk(epoch)) == 3 and pairs[0][1][0].shape == (8, 32, 32, 3)
        for (expected, _), (found, target) in pairs:
            np.testing.assert_array_equal(found, expected)
            np.testing.assert_array_equal(target, expected)


def test_the_digest_of_batches_from_the_disk_changes_with_pictures_seed_and_size_of_a_batch(fill, tmp_path_factory):
    folder, cache = fill(30), tmp_path_factory.mktemp("cache")

    def digest(batch_size=8, seed=3, flip=True, most_held_out=3):
        stored, _ = stream_folder(folder, size=32, most_held_out=most_held_out, cache=cache)
        return PictureBatches(stored, batch_size, seed, flip).digest

    first = digest()
    assert digest() == first
    assert first not in {digest(batch_size=4), digest(seed=4), digest(flip=False), digest(most_held_out=2)}
    Image.new("RGB", (80, 64), "red").save(folder / "picture000.png")
    assert digest() != first
    picture = (folder / "picture000.png").read_bytes()
    again = digest()
    (folder / "picture000.png").write_bytes(picture)  # another date, and the same picture: a training goes on
    assert digest() == again


def test_each_picture_is_decoded_once_until_the_folder_changes(fill, tmp_path_factory, monkeypatch, capsys):
    folder, cache = fill(30), tmp_path_factory.mktemp("cache")
    (folder / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0 torn")
    decoded = []
    whole = picture_folder.decode
    monkeypatch.setattr(picture_folder, "decode", lambda path, *rest: decoded.append(path) or whole(path, *rest))
    first, _ = stream_folder(folder, cache=cache)
    assert len(decoded) == 31 and "too small: 1 (torn.jpg)" in capsys.readouterr().out
    again, _ = stream_folder(folder, cache=cache)
    said = capsys.readouterr().out
    assert len(decoded) == 31 and "left out earlier: 1;" in said and str(cache) in said and "27 training" in said
    (folder / "picture005.png").unlink()
    fewer, _ = stream_folder(folder, cache=cache)
    assert len(decoded) == 61 and len(fewer) == 27 and len(list(cache.iterdir())) == 1
    np.testing.assert_array_equal(first[:], again[:])  # the file that they opened is the one they read


def test_where_an_open_file_can_be_neither_replaced_nor_removed_it_goes_the_next_time(
    fill, tmp_path_factory, monkeypatch
):
    cache, replace, unlink = tmp_path_factory.mktemp("cache"), os.replace, Path.unlink

    def as_windows_replaces(part, path):
        if path.exists():
            raise PermissionError
        replace(part, path)

    def as_windows_unlinks(path, **given):
        if path.suffix == ".bin":
            raise PermissionError
        unlink(path, **given)

    first, _ = stream_folder(fill(30), cache=cache)
    before = first[:]
    with monkeypatch.context() as windows:
        windows.setattr(os, "replace", as_windows_replaces)
        windows.setattr(Path, "unlink", as_windows_unlinks)
        second, _ = stream_folder(fill(40), cache=cache)
        assert len(second) == 36 and len(list(cache.iterdir())) == 2
        np.testing.assert_array_equal(first[:], before)
    stream_folder(fill(0), cache=cache)
    assert len(list(cache.iterdir())) == 1


def test_what_the_manual_says_of_large_folders_can_be_run_in_notebook_05(fill, tmp_path_factory, monkeypatch):
    manual = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
    [code] = re.findall(r"^```python\n(.*?)^```", manual, re.DOTALL | re.MULTILINE)
    monkeypatch.setattr(picture_folder, "CHECKOUT", tmp_path_factory.mktemp("checkout"))
    names = vars(lift(ROOT / "notebooks" / "05_dcgan.ipynb", "PictureBatches", "SEED"))
    names["own_folder"] = str(fill(40))
    exec(code, names)
    assert names["train_faces"].shape == (36, 64, 64, 3) and names["test_faces"].shape == (4, 64, 64, 3)
    assert [inputs.shape for inputs, _ in names["face_batches"](epoch=0)] == [(32, 64, 64, 3)]
    assert len(list((picture_folder.CHECKOUT / "data" / "cache" / "own_pictures").glob("*.bin"))) == 1


def test_no_more_are_held_out_than_asked_for(fill, tmp_path_factory):
    folder, cache = fill(40), tmp_path_factory.mktemp("cache")
    stored, held_out = stream_folder(folder, most_held_out=2, cache=cache)
    greys = [pictures[:, 0, 0, 0].tolist() for pictures in (stored[:], held_out)]
    assert [len(some) for some in greys] == [38, 2] and sorted(sum(greys, [])) == [10 + 5 * n for n in range(40)]
    with pytest.raises(UserError, match="held out score nothing"):
        stream_folder(folder, most_held_out=0, cache=cache)


def test_too_few_that_can_be_used_are_named_each_time_and_leave_no_file(tmp_path, tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    for number in range(12):
        (tmp_path / f"torn{number:02d}.jpg").write_bytes(b"torn")
    for _ in range(2):
        with pytest.raises(UserError, match="has 0 pictures.*too small: 12.*torn04.jpg and others"):
            stream_folder(tmp_path, cache=cache)
        assert not list(cache.iterdir())


def test_a_picture_that_goes_while_they_are_listed_is_left_out(fill, tmp_path_factory, monkeypatch, capsys):
    folder, listed = fill(11), picture_folder._picture_paths
    monkeypatch.setattr(picture_folder, "_picture_paths", lambda *given: [*listed(*given), folder / "gone.png"])
    stored, held_out = stream_folder(folder, cache=tmp_path_factory.mktemp("cache"))
    assert (len(stored), len(held_out)) == (10, 1) and "too small: 1 (gone.png)" in capsys.readouterr().out


def test_warnings_are_as_before_after_many_threads_have_decoded(fill):
    before = list(warnings.filters)
    load_folder(fill(40))
    assert warnings.filters == before
