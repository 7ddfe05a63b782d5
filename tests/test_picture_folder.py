"""A folder of one's own pictures: whatever lies in it, what can be used is used, and the rest is named."""

import warnings

import numpy as np
import pytest
from PIL import Image

from helpers.data.photographs import load_folder
from helpers.session import UserError
from helpers.training.batches import PictureBatches


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


def test_a_batch_larger_than_the_set_is_refused_and_a_smaller_last_one_waits(fill):
    train, _ = load_folder(fill(30))
    with pytest.raises(UserError, match="27 pictures do not fill a batch of 32"):
        PictureBatches(train, 32, seed=1)
    assert [len(inputs) for inputs, _ in PictureBatches(train, 8, seed=1)(epoch=0)] == [8, 8, 8]


def test_warnings_are_as_before_after_many_threads_have_decoded(fill):
    before = list(warnings.filters)
    load_folder(fill(40))
    assert warnings.filters == before
