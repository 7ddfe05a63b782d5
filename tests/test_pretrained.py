"""Shipped weights: what was saved is loaded, and a file that is not what its card says is refused."""

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
    stack = [keras.layers.Embedding(len(SYMBOLS), width), keras.layers.Dropout(0.5)]
    stack += [keras.layers.Dense(width) for _ in range(6)]  # more than ten arrays: order by number
    model = keras.Sequential([keras.Input((None,), dtype="int32"), *stack])
    for number, variable in enumerate(model.weights):
        variable.assign(np.full(variable.shape, number + 0.1))
    return model


@pytest.fixture
def saved(tmp_path):
    stored_weights.save("tiny", make_model(), SYMBOLS, FACTS, tmp_path / "new")
    return tmp_path / "new"


def test_round_trip_in_half_precision(saved):
    loaded = stored_weights.load_weights("tiny", saved)
    assert loaded.symbols == SYMBOLS and loaded.facts == FACTS
    other = make_model()
    for variable in other.weights:
        variable.assign(np.zeros(variable.shape))
    loaded.put_into(other)
    for found, expected in zip(values_of(other.weights), values_of(make_model().weights), strict=True):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=2**-11)  # float16 keeps 11 bits
    with np.load(saved / "tiny.npz", allow_pickle=False) as file:
        assert {file[name].dtype for name in file.files if name != "symbols"} == {np.dtype(np.float16)}


def test_the_card_is_a_table_of_the_facts(saved):
    lines = stored_weights.load_weights("tiny", saved).card().data.splitlines()
    assert lines[0].startswith("| tiny |") and lines[2:] == ["| trained on | nothing |", "| licence | MIT |"]


@pytest.mark.parametrize("file", ["tiny.npz", "tiny.json"])
def test_a_wrong_name_or_a_missing_file_is_refused_with_the_names_there_are(saved, file):
    with pytest.raises(UserError, match="'tyni'; there are: tiny"):
        stored_weights.load_weights("tyni", saved)
    (saved / file).unlink()
    with pytest.raises(UserError, match="no shipped weights 'tiny'"):
        stored_weights.load_weights("tiny", saved)
    with pytest.raises(UserError, match="there are: none"):
        stored_weights.load_weights("tiny", saved / "nowhere")


DAMAGE = {
    "cut": lambda content: content[:-20],
    "empty": lambda content: b"",
    "another file": lambda content: b"\xff{}",
    "brackets": lambda content: b"[" * 100_000,
    "a list": lambda content: b"[]",
    "no facts": lambda content: b'{"sha256": ""}',
    "other facts": lambda content: b'{"sha256": "", "facts": ["a"]}',
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("file", ["tiny.npz", "tiny.json"])
def test_a_damaged_file_is_refused(saved, file, damage):
    (saved / file).write_bytes(DAMAGE[damage]((saved / file).read_bytes()))
    with pytest.raises(UserError, match="tiny.npz is damaged"):
        stored_weights.load_weights("tiny", saved)


WORDS, HALVES = np.frombuffer(b'["a"]', np.uint8), np.ones(2, np.float16)
OTHER_FILES = [
    {"0000": HALVES},
    {"0000": HALVES.astype(complex), "symbols": WORDS},
    {"0000": HALVES, "symbols": WORDS[:-1]},
    {"0000": HALVES, "symbols": WORDS[1:2]},
    {"0000": np.array([print], dtype=object), "symbols": WORDS},
]


@pytest.mark.parametrize("arrays", OTHER_FILES)
def test_a_file_of_something_else_is_refused_even_if_the_card_agrees(saved, arrays):
    path, card = saved / "tiny.npz", json.loads((saved / "tiny.json").read_text(encoding="utf-8"))
    np.savez(path, **arrays)
    (saved / "tiny.json").write_text(json.dumps(card | {"sha256": digest_of(path)}))
    with pytest.raises(UserError, match="tiny.npz"):
        stored_weights.load_weights("tiny", saved)


def test_another_architecture_is_refused_and_left_as_it_was(saved):
    wider = make_model(width=5)
    before = values_of(wider.weights)
    with pytest.raises(UserError, match=r"embeddings is \(5, 5\) here and \(5, 4\) there"):
        stored_weights.load_weights("tiny", saved).put_into(wider)
    with pytest.raises(UserError, match="1 arrays for 13 weights"):
        stored_weights.assign(wider.weights, [np.zeros((5, 5))], "one array")
    np.testing.assert_equal(values_of(wider.weights), before)


@pytest.mark.parametrize("value", [70_000.0, np.nan])
def test_what_float16_cannot_hold_is_not_written(tmp_path, value):
    model = make_model()
    model.weights[-1].assign(np.full(4, value))
    with pytest.raises(UserError, match="float16"):
        stored_weights.save("big", model, SYMBOLS, FACTS, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_stored_histories_are_those_of_trainings_and_a_damaged_file_is_refused(tmp_path):
    histories = stored_weights.load_histories("gan_histories")
    assert len(histories) == 4
    for history in histories.values():
        assert [record["epoch"] for record in history] == list(range(1, len(history) + 1))
        assert {"discriminator_loss", "generator_loss", "accuracy", "spread"} <= set(history[-1])
    (tmp_path / "cut.json").write_text('{"histories": ')
    for name in ("cut", "none"):
        with pytest.raises(UserError, match=f"{name}.json cannot be read"):
            stored_weights.load_histories(name, tmp_path)
