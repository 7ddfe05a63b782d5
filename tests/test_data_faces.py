"""The loader of CelebA: tiny copies in its layout everywhere, the real one where GENERATIVE_DATA_DIR has it."""

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.data import faces as face_data
from helpers.data.faces import load_faces
from helpers.session import UserError

REAL_FOLDER = Path(os.environ.get("GENERATIVE_DATA_DIR", "") or "none")
COLUMNS = ["Bangs", "Smiling", "Wearing_Hat"]
SIZES = ((178, 218), (89, 109), (60, 73), (356, 436))  # (width, height): all of CelebA's shape, to the pixel
COUNT = 30


def jpeg(pixels: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95, **options)
    return buffer.getvalue()


def plain(number: int, size: tuple[int, int] | None = None) -> bytes:
    """Return a picture all of one colour, which tells its number."""
    width, height = size or SIZES[number % len(SIZES)]
    return jpeg(np.full((height, width, 3), (8 * number, 100, 255 - 8 * number), np.uint8))


def signs(number: int) -> list[int]:
    return [1 if number & bit else -1 for bit in (1, 2, 4)]


def table(numbers=range(1, COUNT + 1), count: int | None = None) -> str:
    """Return the text of an attribute table as CelebA's is laid out, in columns."""
    numbers = list(numbers)
    rows = [f"{number:06d}.jpg " + " ".join(f"{sign:2d}" for sign in signs(number)) for number in numbers]
    return "\n".join([str(len(numbers) if count is None else count), " ".join(COLUMNS) + " ", *rows]) + "\n"


def kaggle_table(numbers=range(1, COUNT + 1)) -> str:
    """Return the same as Kaggle lays it out, with commas."""
    rows = [[f"{number:06d}.jpg", *map(str, signs(number))] for number in numbers]
    return "\n".join(map(",".join, [["image_id", *COLUMNS], *rows])) + "\n"


def pictures(numbers=range(1, COUNT + 1)) -> dict[str, bytes]:
    return {f"{number:06d}.jpg": plain(number) for number in numbers}


@pytest.fixture
def write(own_data):
    """Return a function that writes a copy (zip archive, folder, or as on Kaggle) and its table, if there is one."""

    def write(files: dict[str, bytes], text: str | bytes | None, packing: str = "zip") -> Path:
        if packing in ("folder", "kaggle"):
            path = own_data / "img_align_celeba"
            path = path / "img_align_celeba" if packing == "kaggle" else path
            path.mkdir(parents=True)
            for name, content in files.items():
                (path / name).write_bytes(content)
        else:
            path = own_data / "img_align_celeba.zip"
            with zipfile.ZipFile(path, "w") as archive:
                for name, content in files.items():
                    archive.writestr(name if "/" in name else f"img_align_celeba/{name}", content)
        if text is not None:
            content = text if isinstance(text, bytes) else text.encode()
            (own_data / f"list_attr_celeba.{'csv' if packing == 'kaggle' else 'txt'}").write_bytes(content)
        return path

    return write


@pytest.fixture
def decoded(monkeypatch):
    """The number of pictures that have been decoded, as a list that grows."""
    seen, face = [], face_data._face
    monkeypatch.setattr(face_data, "_face", lambda *given: seen.append(given[-1]) or face(*given))
    return seen


@pytest.mark.parametrize("packing", ["zip", "folder", "kaggle"])
def test_pictures_and_attributes_belong_together(write, packing, capsys):
    files = pictures()
    tables = {"zip": table(), "folder": table(), "kaggle": kaggle_table()}
    shuffled = {name: files[name] for name in sorted(files, key=lambda name: name[::-1])}
    write(shuffled | {"000031.txt": b"by-catch", "._000001.jpg": b"?", "1.jpg": b"?"}, tables[packing], packing)
    faces = load_faces()
    assert capsys.readouterr().out == faces.source + "\n"
    assert faces.is_real and faces.attribute_names == COLUMNS
    assert faces.train_names == [f"{number:06d}.jpg" for number in range(1, 28)]
    assert faces.test_names == ["000028.jpg", "000029.jpg", "000030.jpg"]
    assert faces.train_images.dtype == np.uint8 and faces.train_attributes.dtype == np.int8
    assert faces.train_images.shape == (27, 64, 64, 3) and faces.test_images.shape == (3, 64, 64, 3)
    for images, attributes, numbers in (
        (faces.train_images, faces.train_attributes, range(1, 28)),
        (faces.test_images, faces.test_attributes, range(28, 31)),
    ):
        colours = np.array([(8 * number, 100, 255 - 8 * number) for number in numbers])
        assert np.abs(images - colours[:, None, None]).max() <= 3  # JPEG rounds
        np.testing.assert_array_equal(attributes, [signs(number) for number in numbers])


@pytest.mark.parametrize("size", SIZES)
def test_a_square_round_the_face_is_cut_out_and_not_squashed(write, size):
    """A white square stands where one of 148 pixels round row 121 has to be cut out; in it, a black round pupil."""
    width, height = size
    row, column = np.mgrid[:height, :width] + 0.5
    row, column = row * 218 / height - 121, column * 178 / width - 89
    picture = np.zeros((height, width, 3), np.uint8)
    picture[(np.abs(row) < 74) & (np.abs(column) < 74)] = 255
    picture[np.hypot(row, column) < 37] = 0
    write({"000001.jpg": jpeg(picture), "000002.jpg": jpeg(picture)}, table((1, 2)))
    image = load_faces().train_images[0].mean(axis=-1)
    assert image[[2, -3], 2:-2].min() > 200 and image[2:-2, [2, -3]].min() > 200
    dark = image[4:-4, 4:-4] < 128
    assert dark.any(axis=0).sum() == pytest.approx(32, abs=2) and dark.any(axis=1).sum() == pytest.approx(32, abs=2)
    middle = np.argwhere(dark).mean(axis=0)
    np.testing.assert_allclose(middle, 27.5, atol=0.6)


@pytest.mark.parametrize("packing", ["zip", "folder"])
def test_with_limits_no_more_pictures_are_decoded_than_needed(write, decoded, packing):
    write(pictures(), table(), packing)
    faces = load_faces(train_limit=4, test_limit=2)
    assert faces.train_names == [f"{number:06d}.jpg" for number in range(1, 5)]
    assert faces.test_names == ["000028.jpg", "000029.jpg"]
    assert len(faces.train_images) == len(faces.train_attributes) == 4
    assert len(decoded) == 6
    assert len(load_faces(train_limit=1_000, test_limit=1_000).train_images) == 27


def test_a_table_of_more_pictures_than_there_are_serves(write):
    write(pictures((2, 5, 9)), table())
    faces = load_faces()
    assert faces.train_names == ["000002.jpg", "000005.jpg"]
    np.testing.assert_array_equal(faces.test_attributes, [signs(9)])


def test_the_official_boundaries():
    """From CelebA's list_eval_partition.txt: 162,770 for training, 19,867 for validation, 19,962 for testing."""
    names = [f"{number:06d}.jpg" for number in range(1, 202_600)]
    train, test = face_data._split(names, Path("x"))
    assert (train[0], train[-1], len(train)) == ("000001.jpg", "162770.jpg", 162_770)
    assert (test[0], test[-1], len(test)) == ("182638.jpg", "202599.jpg", 19_962)
    train, test = face_data._split(names[:-1], Path("x"))
    assert len(test) == 20_000 and len(train) == 182_598  # the last tenth, and never more than 20,000
    assert face_data._split(names[:19], Path("x"))[1] == ["000019.jpg"]


@pytest.mark.parametrize("broken", ["cut", "text", "png"])
@pytest.mark.parametrize("packing", ["zip", "folder"])
def test_broken_pictures_are_left_out_and_named(write, broken, packing, capsys):
    png = io.BytesIO()
    Image.new("RGB", (178, 218)).save(png, "PNG")
    whole = jpeg(np.random.default_rng(1).integers(0, 255, (218, 178, 3), dtype=np.uint8))
    content = {"cut": whole[: len(whole) // 2], "text": b"<html>", "png": png.getvalue()}[broken]
    write(pictures() | {"000003.jpg": content}, table(), packing)
    faces = load_faces(train_limit=5)
    assert faces.train_names == [f"{number:06d}.jpg" for number in (1, 2, 4, 5, 6)]
    np.testing.assert_array_equal(faces.train_attributes, [signs(number) for number in (1, 2, 4, 5, 6)])
    assert np.abs(faces.train_images[2, 0, 0].astype(int) - (32, 100, 223)).max() <= 3
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and "1 broken pictures are left out (000003.jpg)" in lines[0]
    assert len(load_faces().train_images) == 26


def test_more_than_a_tenth_broken_is_an_error(write):
    """Of 22 pictures 20 are for training, and of those 2 are a tenth."""
    broken = {f"{number:06d}.jpg": b"broken" for number in (1, 2)}
    write(pictures(range(1, 23)) | broken, table())
    assert len(load_faces().train_images) == 18
    write(pictures(range(1, 23)) | broken | {"000020.jpg": b"broken"}, table())
    with pytest.raises(UserError, match="training part: 3 of 20 .* broken, 000001.jpg the first. Get them again"):
        load_faces()
    assert len(load_faces(train_limit=17).train_images) == 17  # the third is never reached


@pytest.mark.parametrize("size", [(64, 64), (178, 200)])
def test_pictures_of_another_shape_are_an_error(write, size):
    write(pictures() | {"000004.jpg": plain(4, size)}, table())
    with pytest.raises(UserError, match="000004.jpg .*178x218"):
        load_faces()


@pytest.mark.parametrize("packing", ["zip", "folder"])
def test_a_table_from_kaggle_serves_beside_any_copy_and_the_official_one_comes_first(write, packing):
    path = write(pictures((1, 2)), None, packing).parent
    (path / "list_attr_celeba.csv").write_text(kaggle_table((1, 2)))
    np.testing.assert_array_equal(load_faces().test_attributes, [signs(2)])
    (path / "list_attr_celeba.txt").write_text(table((1, 2)).replace("Smiling", "Official"))
    assert load_faces().attribute_names == ["Bangs", "Official", "Wearing_Hat"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: table(range(1, 30)), "no row for 1 of the 30 pictures .*000030.jpg"),
        (lambda text: table(count=31), "says 31 pictures; 30 rows"),
        (lambda text: text.replace("000007.jpg  1  1", "000007.jpg  1"), "line 9"),
        (lambda text: text.replace("000007.jpg", "000006.jpg"), "second row for 000006.jpg"),
        (lambda text: text.encode("utf-16"), "not UTF-8"),
        (lambda text: text.replace("30", "9" * 5_000, 1), "does not begin with a count"),  # int() takes 4,300 digits
        (lambda text: None, "cannot be read.*Put list_attr_celeba.txt beside"),
    ],
)
def test_a_table_that_is_damaged_or_missing_is_an_error(write, change, says):
    write(pictures(), change(table()))
    with pytest.raises(UserError, match=says):
        load_faces()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text.replace("000007.jpg,1,1", "000007.jpg,1"), "line 8"),
        (lambda text: text.replace("000007.jpg", "000006.jpg"), "second row for 000006.jpg"),
        (lambda text: text.replace(",", ";"), "does not begin with image_id"),
    ],
)
def test_a_table_from_kaggle_that_is_damaged_is_an_error(write, change, says):
    write(pictures(), change(kaggle_table()), "kaggle")
    with pytest.raises(UserError, match=says):
        load_faces()


@pytest.mark.parametrize("packing", ["zip", "kaggle"])
@pytest.mark.parametrize("change", [lambda text: text.replace("\n", "\r\n"), lambda text: "\ufeff" + text + "\n"])
def test_a_table_saved_by_another_program_serves(write, change, packing):
    write(pictures(), change(kaggle_table() if packing == "kaggle" else table()), packing)
    faces = load_faces(test_limit=1)
    assert faces.attribute_names == COLUMNS
    np.testing.assert_array_equal(faces.test_attributes, [signs(28)])


@pytest.mark.parametrize("packing", ["zip", "folder"])
@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_pictures_are_an_error(write, packing, count):
    write(pictures(range(1, 1 + count)) | {"readme.txt": b"about"}, table(), packing)
    with pytest.raises(UserError, match=f"has {count} pictures.*at least 2"):
        load_faces()


def test_a_picture_far_larger_than_celebas_is_refused_before_it_is_decoded(write, monkeypatch):
    buffer = io.BytesIO()
    Image.new("L", (1_958, 2_398)).save(buffer, "JPEG")  # all of one grey: 40 kB
    write(pictures() | {"000001.jpg": buffer.getvalue()}, table())
    monkeypatch.setattr(Image.Image, "convert", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(UserError, match="000001.jpg is 1,958 wide, CelebA's pictures 178. Shrink it to 178x218"):
        load_faces()


def test_the_same_name_in_two_folders_is_an_error(write):
    write(pictures() | {"other/000005.jpg": plain(5)}, table())
    with pytest.raises(UserError, match="same name in several folders"):
        load_faces()


def test_has_tells_who_has_an_attribute(write):
    write(pictures(), table())
    faces = load_faces()
    smiling = faces.has("Smiling")
    assert smiling.dtype == bool
    np.testing.assert_array_equal(smiling, [bool(number & 2) for number in range(1, 28)])
    np.testing.assert_array_equal(faces.has("Wearing_Hat", "test"), [True, True, True])
    np.testing.assert_array_equal(faces.has("Bangs", "test"), [False, True, False])


@pytest.mark.parametrize(
    ("attribute", "names"),
    [
        ("Smilling", "mean Smiling"),
        ("wearing hat", "mean Wearing_Hat"),
        ("xyz", "Bangs, Smiling, Wearing_Hat"),
    ],
)
def test_an_unknown_attribute_is_an_error_that_names_the_nearest(write, attribute, names):
    write(pictures(), table())
    with pytest.raises(UserError, match=names):
        load_faces().has(attribute)


def test_standin_has_the_sizes_asked_for_and_new_faces_to_test_on(own_data, monkeypatch, capsys):
    monkeypatch.setenv("NB_DATA", "auto")
    faces = load_faces(train_limit=30, test_limit=20)
    assert capsys.readouterr().out == faces.source + "\n"
    assert not faces.is_real
    assert faces.source.startswith("Stand-in: 30 training and 20 test faces, 64x64") and "CelebA.html" in faces.source
    assert faces.train_images.shape == (30, 64, 64, 3) and faces.test_images.shape == (20, 64, 64, 3)
    assert faces.train_attributes.shape == (30, len(faces.attribute_names))
    assert len(faces.train_names) == 30 and len(set(faces.train_names + faces.test_names)) == 50
    assert not {face.tobytes() for face in faces.train_images} & {face.tobytes() for face in faces.test_images}
    assert 0 < faces.has("Smiling").sum() < 30


@pytest.mark.parametrize(
    ("wanted", "variable", "is_real"),
    [
        ("auto", "", True),
        ("photographs", "", True),
        ("drawn", "", False),
        ("photographs", "standin", False),
        ("drawn", "real", True),
    ],
)
def test_a_reader_asks_for_a_kind_of_faces_and_nb_data_wins(write, monkeypatch, wanted, variable, is_real):
    write(pictures(), table())
    monkeypatch.setenv("NB_DATA", variable)
    faces = load_faces(2, 1, wanted)
    assert faces.is_real == is_real
    assert is_real or ("the setting asks for it" in faces.source) == (not variable)


def test_photographs_that_are_not_there_and_an_unknown_kind_are_said(fresh_process, monkeypatch):
    monkeypatch.setenv("NB_OFFLINE", "1")
    with pytest.raises(UserError, match="allows no stand-in"):
        load_faces(2, 1, wanted="photographs")
    with pytest.raises(UserError, match="faces='cats'"):
        load_faces(2, 1, wanted="cats")


def test_standin_is_all_there_is_at_most(monkeypatch):
    monkeypatch.setenv("NB_DATA", "standin")
    assert "1,700 training and 250 test faces" in load_faces(9_000, 5_000).source


@pytest.mark.skipif(not (REAL_FOLDER / "img_align_celeba.zip").exists(), reason="no CelebA in GENERATIVE_DATA_DIR")
def test_the_real_faces(monkeypatch):
    monkeypatch.setenv("NB_DATA", "real")
    faces = load_faces(train_limit=300, test_limit=50)
    assert faces.is_real and faces.train_images.shape == (300, 64, 64, 3) and len(faces.attribute_names) == 40
    assert faces.train_names[0] == "000001.jpg"
    # The first row of CelebA's table: she smiles, has brown hair, and wears no hat.
    assert [faces.has(name)[0] for name in ("Smiling", "Brown_Hair", "Wearing_Hat")] == [True, True, False]
    mean = faces.train_images.mean(axis=(0, 3))
    eyes, cheeks = (
        mean[26:30, [*range(22, 26), *range(38, 42)]].mean(),
        mean[33:38, [*range(22, 26), *range(38, 42)]].mean(),
    )
    assert eyes < cheeks - 10  # the eyes are where they are in the aligned pictures
