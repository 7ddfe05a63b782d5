"""Shipped weights: what was saved comes back, and a file that is not what its card says is refused."""

import json

import keras
import numpy as np
import pytest

from helpers.networks import weights as stored_weights
from helpers.networks.weights import digest_of, values_of
from helpers.session import UserError

SYMBOLS = ["", "[UNK]", "naïve", "“so”", "\n"]
FACTS = {"trained on": "nothing", "licence": "MIT"}


def make_model(width=4):
    model = keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            keras.layers.Embedding(len(SYMBOLS), width),
            keras.layers.Dropout(0.5),
            *(keras.layers.Dense(width) for _ in range(6)),  # more than ten arrays: order by number
        ]
    )
    for number, variable in enumerate(model.weights):
        variable.assign(np.full(variable.shape, number + 0.1))
    return model


@pytest.fixture
def saved(tmp_path):
    model = make_model()
    stored_weights.save("tiny", model, SYMBOLS, FACTS, tmp_path / "new")
    return tmp_path / "new"


def test_round_trip(saved):
    loaded = stored_weights.load_weights("tiny", saved)
    assert loaded.symbols == SYMBOLS and loaded.facts == FACTS
    other = make_model()
    for variable in other.weights:
        variable.assign(np.zeros(variable.shape))
    loaded.put_into(other)
    for found, expected in zip(values_of(other.weights), values_of(make_model().weights), strict=True):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=2**-11)  # float16 keeps 11 bits


def test_weights_are_stored_as_half_precision_and_without_pickles(saved):
    with np.load(saved / "tiny.npz", allow_pickle=False) as file:
        kinds = {file[name].dtype for name in file.files if name != "symbols"}
    assert kinds == {np.dtype(np.float16)}


def test_the_card_is_a_table_of_the_facts(saved):
    lines = stored_weights.load_weights("tiny", saved).card().data.splitlines()
    assert lines[0].startswith("| tiny |") and lines[2:] == ["| trained on | nothing |", "| licence | MIT |"]


@pytest.mark.parametrize("file", ["tiny.npz", "tiny.json"])
def test_a_wrong_name_or_half_of_the_files_is_said_with_the_names_there_are(saved, file):
    with pytest.raises(UserError, match="'tyni'; there are: tiny"):
        stored_weights.load_weights("tyni", saved)
    (saved / file).unlink()
    with pytest.raises(UserError, match="no shipped weights 'tiny'"):
        stored_weights.load_weights("tiny", saved)


def test_an_empty_or_missing_folder_has_none(tmp_path):
    with pytest.raises(UserError, match="there are: none"):
        stored_weights.load_weights("tiny", tmp_path / "nowhere")


def cut(path):
    path.write_bytes(path.read_bytes()[:-20])


@pytest.mark.parametrize("file", ["tiny.npz", "tiny.json"])
@pytest.mark.parametrize("damage", [cut, lambda path: path.write_bytes(b""), lambda path: path.write_bytes(b"\xff{}")])
def test_a_damaged_file_is_refused_with_its_name(saved, file, damage):
    damage(saved / file)
    with pytest.raises(UserError, match=f"{file} is damaged"):
        stored_weights.load_weights("tiny", saved)


def test_a_card_without_its_facts_is_damaged(saved):
    card = json.loads((saved / "tiny.json").read_text(encoding="utf-8"))
    for key in card:
        (saved / "tiny.json").write_text(json.dumps({name: card[name] for name in card if name != key}))
        with pytest.raises(UserError, match="tiny.json is damaged"):
            stored_weights.load_weights("tiny", saved)


WORDS = np.frombuffer(b'["a"]', np.uint8)


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"0000": np.ones(2, np.float16)}, "no list of symbols"),
        ({"0000": np.ones(2, np.float16), "symbols": WORDS[:-1]}, "no list of symbols"),
        ({"0000": np.ones(2, np.float16), "symbols": np.frombuffer(b"1", np.uint8)}, "no list of symbols"),
        ({"0000": np.ones(2, np.int64), "symbols": WORDS}, "weights that are no fractions"),
        ({"0000": np.array([print], dtype=object), "symbols": WORDS}, "Object arrays cannot be loaded"),
        (None, "damaged"),
    ],
)
def test_a_file_of_something_else_is_refused_though_the_card_agrees(saved, arrays, says):
    path, card = saved / "tiny.npz", json.loads((saved / "tiny.json").read_text(encoding="utf-8"))
    if arrays is None:
        path.write_bytes(b"PK\x05\x06")
    else:
        np.savez(path, **arrays)
    (saved / "tiny.json").write_text(json.dumps(card | {"sha256": digest_of(path)}))
    with pytest.raises(UserError, match=f"tiny.npz .*{says}"):
        stored_weights.load_weights("tiny", saved)


@pytest.mark.parametrize(
    "card", ["[" * 100_000, "[]", '{"sha256": "", "facts": ["a"]}', '{"sha256": "", "facts": null}']
)
def test_a_card_of_another_make_is_damaged(saved, card):
    (saved / "tiny.json").write_text(card)
    with pytest.raises(UserError, match="tiny.json is damaged"):
        stored_weights.load_weights("tiny", saved)


def test_another_architecture_is_refused_and_left_as_it_was(saved):
    wider = make_model(width=5)
    before = values_of(wider.weights)
    named = r"tiny belongs to a model of another shape .*embeddings is \(5, 5\) here and \(5, 4\) there"
    with pytest.raises(UserError, match=named):
        stored_weights.load_weights("tiny", saved).put_into(wider)
    for found, expected in zip(values_of(wider.weights), before, strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("value", [70_000.0, np.nan])
def test_what_float16_cannot_hold_is_not_written(tmp_path, value):
    model = make_model()
    model.weights[-1].assign(np.full(4, value))
    with pytest.raises(UserError, match="float16"):
        stored_weights.save("big", model, SYMBOLS, FACTS, tmp_path)
    assert list(tmp_path.iterdir()) == []
