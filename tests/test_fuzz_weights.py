"""Weights, damaged and malicious: tests/fuzzing.py says how, and what may come of it."""

import hashlib
import io
import json

import h5py
import keras
import numpy as np
from fuzzing import MB, Trap, few_and_many, fuzz, mutated
from hypothesis import strategies as st
from keras.src.legacy.saving import legacy_h5_format

from helpers.networks import pretrained as backbones
from helpers.networks import weights as stored_weights


@st.composite
def weight_files(draw):
    """Draw the .npz and the card of shipped weights; the card may hold the digest of whatever the .npz is."""
    words = np.frombuffer(json.dumps(["a", "é"]).encode(), np.uint8)
    arrays = {"0000": np.ones((2, 3), np.float16), "0001": np.zeros(3, np.float16)}
    others = [{}, {"symbols": words[:-1]}, {"symbols": np.ones(3)}, {"symbols": np.frombuffer(b"[1]", np.uint8)}]
    others += [{"0001": np.array([Trap()], dtype=object)}, {"x": np.ones(2, np.complex64)}]
    buffer = io.BytesIO()
    kept = arrays | {"symbols": words} | draw(st.sampled_from([{}, {}, *others]))
    np.savez_compressed(buffer, **{name: kept[name] for name in list(kept)[draw(st.sampled_from([0, 0, 0, 1, 3])) :]})
    packed = draw(st.one_of(st.just(buffer.getvalue()), mutated([buffer.getvalue()])))
    facts = draw(st.sampled_from([{"trained on": "x"}, {"trained on": "x"}, {}, [], "x", {"a": 1}, None]))
    card = json.dumps({"facts": facts, "sha256": hashlib.sha256(packed).hexdigest()}).encode()
    card = draw(st.one_of(st.just(card), st.just(card), mutated([card]), st.sampled_from([b"[" * 100_000, b"null"])))
    if draw(st.booleans()):
        return packed, card
    return draw(mutated([packed])), card


@few_and_many
def test_shipped_weights(record_property, tmp_path, inputs):
    def put(drawn):
        (tmp_path / "tiny.npz").write_bytes(drawn[0])
        (tmp_path / "tiny.json").write_bytes(drawn[1])

    def check(loaded, _):
        assert all(isinstance(symbol, str) for symbol in loaded.symbols)
        assert all(array.dtype == np.float32 for array in loaded.arrays)
        assert loaded.card().data.startswith("| tiny |")

    fuzz(
        record_property,
        inputs,
        weight_files().map(put),
        lambda _: stored_weights.load_weights("tiny", tmp_path),
        check,
        bound=8 * MB,
    )


@few_and_many
def test_weights_of_nets(record_property, tmp_path, inputs):
    """Both kinds of HDF5 files that Keras has made; libhdf5 itself reads them, and must not fall either."""
    layers = [keras.layers.Conv2D(2, 3, name="block1_conv1"), keras.layers.BatchNormalization(name="block1_norm")]
    net = keras.Sequential([keras.Input((8, 8, 3)), *layers])
    net.save_weights(tmp_path / "new.weights.h5")
    with h5py.File(tmp_path / "old.h5", "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, net)
    samples = {name: (tmp_path / name).read_bytes() for name in ("new.weights.h5", "old.h5")}
    files = st.sampled_from(list(samples)).flatmap(
        lambda name: st.tuples(
            st.just(tmp_path / name),
            mutated([samples[name]], most=6),
        )
    )

    def put(drawn):
        drawn[0].write_bytes(drawn[1])
        return drawn[0]

    def build(include_top, weights):
        for weight in net.weights:
            weight.assign(np.zeros(weight.shape))
        return net

    def check(model, _):
        assert any(values.any() for values in model.get_weights())  # something was read

    fuzz(
        record_property, inputs, files.map(put), lambda path: backbones._with_weights(build, path), check, bound=20 * MB
    )
