"""The stand-ins: what is loaded is what tools/standins draws, and labels, attributes and entropy are true of it."""

import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifier

from helpers.data import digits as digit_data
from helpers.data import standins
from helpers.session import UserError
from tools.standins import COUNTS, PARTS, STYLES, draw_part, paint, write_set
from tools.standins.faces import draw_from
from tools.standins.factors import ATTRIBUTES, FaceFactors
from tools.standins.garments import GARMENTS
from tools.standins.grammar import ReviewGrammar

LOADERS = {"digits": standins.digits, "garments": standins.garments, "faces": standins.faces}


@pytest.fixture(scope="module")
def grammar():
    return ReviewGrammar()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder that the stand-ins are read from, with nothing in it."""
    monkeypatch.setattr(standins, "FOLDER", tmp_path)
    standins._set.cache_clear()
    yield tmp_path
    standins._set.cache_clear()


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", LOADERS)
def test_drawn_again_they_are_those_that_ship(name, part):
    """SciPy and Pillow may round another way in another version, but nothing more."""
    pictures, table, names = draw_part(name, part, 12)
    shipped = LOADERS[name](part, 12)
    assert shipped[0].dtype == np.uint8
    assert np.abs(shipped[0].astype(int) - pictures).max() <= 2
    assert shipped[2:] == ((names,) if name == "faces" else ())
    np.testing.assert_array_equal(shipped[1] > 0 if name == "faces" else shipped[1][:, None], table)


@pytest.mark.parametrize("style", STYLES)
def test_a_painting_is_the_one_that_ships(style):
    shipped = standins.painting(style)
    assert shipped.dtype == np.float32 and shipped.shape == (480, 640, 3)
    assert np.abs(shipped * 255 - paint(style)).mean() < 1


@pytest.mark.parametrize(("name", "load"), LOADERS.items())
def test_all_are_given_where_more_are_asked_for_and_none_is_in_both_parts(name, load):
    train, test = load("train", 10**6), load("test")
    assert (len(train[0]), len(test[0])) == COUNTS[name] == (len(train[1]), len(test[1]))
    assert not {picture.tobytes() for picture in train[0]} & {picture.tobytes() for picture in test[0]}
    train[0][:], train[1][:] = 0, 0  # the reader's own: nobody else's change with them
    assert load("train", 5)[0].any() and load("train", 20)[1].any()


@pytest.mark.parametrize("name", ["digits", "garments"])
def test_labels_are_those_of_the_pictures(name):
    """By a linear model, on pictures that it has not seen."""
    (images, labels), (others, truth) = LOADERS[name]("train", 2_000), LOADERS[name]("test", 500)
    model = RidgeClassifier(alpha=30).fit(images.reshape(len(images), -1) / 255, labels)
    assert 0.8 < model.score(others.reshape(len(others), -1) / 255, truth) < 1
    assert digit_data.GARMENTS == GARMENTS


def test_attributes_are_those_of_the_faces():
    (images, table, names), (others, truth, _) = standins.faces("train", 1_500), standins.faces("test")
    images, others = (faces.reshape(-1, 32, 2, 32, 2, 3).mean(axis=(2, 4)) for faces in (images, others))
    assert images.shape == (1_500, 32, 32, 3) and table.dtype == np.int8 and set(np.unique(table)) == {-1, 1}
    assert names == list(ATTRIBUTES) and ((table > 0).mean(axis=0) > 0.1).all()
    for name in ("Pale_Skin", "Wearing_Hat", "Black_Hair", "Eyeglasses", "Mouth_Slightly_Open"):
        target, held_out = table[:, names.index(name)], truth[:, names.index(name)]
        model = RidgeClassifier(alpha=10.0).fit(images.reshape(len(images), -1) / 255, target)
        assert model.score(others.reshape(len(others), -1) / 255, held_out) > (held_out == -1).mean() + 0.08, name


@pytest.mark.parametrize(
    ("factor", "value", "rows"),
    [("bangs", 0.9, (15, 37)), ("eyeglasses", 0.8, (19, 37)), ("smile", 0.9, (25, 54)), ("hat", 0.7, (0, 29))],
)
def test_a_factor_is_seen_where_it_should_be_and_nowhere_else(factor, value, rows):
    plain, changed = (
        FaceFactors(**{name: np.array([number]) for name, number in {**vars(FaceFactors()), **change}.items()})
        for change in ({factor: 0.05 if factor == "smile" else 0.0}, {factor: value})
    )
    seen = (draw_from(plain) != draw_from(changed))[0].any(axis=(1, 2)).nonzero()[0]
    assert rows[0] <= seen.min() < seen.max() < rows[1]


def test_prose_is_long_plain_and_new_throughout():
    text = standins.prose()
    paragraphs = text.strip().split("\n\n")
    assert 150_000 < len(text) < 400_000 and text.isascii()
    assert len(set(paragraphs)) == len(paragraphs)
    assert sum(character.isalpha() or character.isspace() for character in text) > 0.9 * len(text)


def test_reviews_are_those_of_the_grammar_and_have_its_entropy(grammar):
    train, test, nats = standins.reviews()
    assert (len(train), len(test)) == COUNTS["reviews"] and not set(train) & set(test)
    assert [train[:5], test[:5]] == [grammar.sample(5, PARTS[part]) for part in PARTS]
    surprises, counts = np.transpose([surprise(grammar, review) for review in test])
    assert nats == pytest.approx(grammar.nats_per_word(), rel=1e-9)
    spread = (surprises - nats * counts).std() / counts.mean() / np.sqrt(len(test))
    assert abs(surprises.sum() / counts.sum() - nats) < 4 * spread
    assert {len(review.split()) for review in train} <= set(range(30, 101))


def surprise(grammar: ReviewGrammar, review: str) -> tuple[float, int]:
    """Return a review's nats and its words, the first of them not counted."""
    state, nats = grammar.start, []
    for word in review.lower().replace(".", "").split():
        probability, state = grammar.next_words(state)[word]
        nats.append(-np.log(probability))
    assert state is None
    return sum(nats[1:]), len(nats) - 1


def test_what_can_follow_a_word_is_certain_to_follow(grammar):
    found, waiting = {grammar.start}, [grammar.start]
    while waiting:
        steps = grammar.next_words(waiting.pop()).values()
        assert sum(probability for probability, _ in steps) == pytest.approx(1, abs=1e-12)
        fresh = {after for _, after in steps if after} - found
        found |= fresh
        waiting += fresh
    assert len(found) > 10_000


@pytest.mark.parametrize(
    "load", [standins.prose, standins.reviews, *(lambda load=load: load("train") for load in LOADERS.values())]
)
def test_what_is_missing_or_damaged_is_to_be_fetched_again(folder, load):
    with pytest.raises(UserError, match="missing.*git checkout"):
        load()
    for name in ("prose.txt.gz", "reviews.json.gz", "digits.csv", "garments.csv", "faces.csv"):
        (folder / name).write_bytes(b"<html>Sign in</html>")
    with pytest.raises(UserError, match="damaged.*git checkout"):
        load()


@pytest.mark.parametrize("content", [b"", b"<html>", "half"])
def test_a_damaged_picture_is_said(folder, monkeypatch, content):
    monkeypatch.setitem(COUNTS, "digits", (3, 2))
    write_set(folder, "digits")
    assert len(standins.digits("train")[0]) == 3 and len(standins.digits("test")[0]) == 2
    path = folder / "digits.webp"
    path.write_bytes(path.read_bytes()[:200] if content == "half" else content)
    standins._set.cache_clear()
    with pytest.raises(UserError, match="digits.webp is damaged"):
        standins.digits("train")


def test_a_table_with_too_few_rows_is_said(folder, monkeypatch):
    monkeypatch.setitem(COUNTS, "digits", (300, 200))
    write_set(folder, "digits")
    table = folder / "digits.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:200]))
    standins._set.cache_clear()
    with pytest.raises(UserError, match="damaged"):
        standins.digits("train")
