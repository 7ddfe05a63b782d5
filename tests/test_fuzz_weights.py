"""Weights and checkpoints, damaged and malicious: tests/fuzzing.py says how, and what may come of it."""

import contextlib
import hashlib
import io
import json
import zlib

import h5py
import keras
import numpy as np
from fuzzing import MB, Trap, fuzz, mutated
from hypothesis import strategies as st
from keras.src.legacy.saving import legacy_h5_format

from helpers import (
    backbones,
    checkpoints,
    pretrained,
)
from helpers.errors import UserError

BOMB_PIECE = zlib.compress(bytes(60 * MB), 9)  # below the 65,536 bytes that a small piece may be stored in


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


def test_shipped_weights(record_property, tmp_path):
    def put(drawn):
        (tmp_path / "tiny.npz").write_bytes(drawn[0])
        (tmp_path / "tiny.json").write_bytes(drawn[1])

    def check(loaded, _):
        assert all(isinstance(symbol, str) for symbol in loaded.symbols)
        assert all(array.dtype == np.float32 for array in loaded.arrays)
        assert loaded.card().data.startswith("| tiny |")

    fuzz(record_property, weight_files().map(put), lambda _: pretrained.load("tiny", tmp_path), check, bound=8 * MB)


@st.composite
def packed_weights(draw, whole):
    """Draw an HDF5 file whose kernel is stored in pieces: of any size, packed somehow, one of them put in as it is."""
    buffer = io.BytesIO(whole)
    with h5py.File(buffer, "a") as file:
        found = []
        file.visititems(lambda name, item: found.append(item) if getattr(item, "ndim", 0) == 4 else None)
        kernel, shape = found[0].name, found[0].shape
        del file[kernel]
        pieces = draw(st.sampled_from([shape, shape, (1, 1, 1, 1), (3, 3, 3, MB // 2)]))
        ways = {"compression": draw(st.sampled_from(["gzip", "gzip", None, "lzf"]))}
        ways |= {"shuffle": draw(st.booleans()), "fletcher32": draw(st.booleans()), "maxshape": (None,) * 4}
        array = file.create_dataset(kernel, data=np.ones(shape, np.float32), chunks=pieces, **ways)
        if put_in := draw(st.sampled_from([None, None, BOMB_PIECE, b"", b"x" * 40])):
            with contextlib.suppress(OSError):  # the smallest pieces cannot be that long
                array.id.write_direct_chunk((0,) * 4, put_in, draw(st.sampled_from([0, 0, 1, 7])))
    return buffer.getvalue()


def test_weights_of_nets(record_property, tmp_path):
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
            st.one_of(mutated([samples[name]], most=6), packed_weights(samples[name])),
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
        assert any(values.any() for values in pretrained.values_of(model.weights))  # something was read

    fuzz(record_property, files.map(put), lambda path: backbones._with_weights(build, path), check, bound=20 * MB)


OLD, NEW = [np.zeros(2, np.float32)], [np.arange(6, dtype=np.float32).reshape(2, 3), np.array(7), np.zeros((0, 2))]


def test_checkpoints(record_property, tmp_path, capsys):
    """What is damaged is never loaded: there come the newest as it was written, or the one before, or none."""
    kept = checkpoints.Checkpoints(tmp_path)
    kept.save(1, OLD, {"history": [{"epoch": 1}]})
    kept.save(2, NEW, {"history": [{"epoch": 2, "loss": 0.5}]})
    path = tmp_path / "checkpoint-000002.npz"
    whole = path.read_bytes()

    def check(loaded, _):
        arrays, state = loaded
        assert state["history"][-1] in ({"epoch": 1}, {"epoch": 2, "loss": 0.5})
        for found, saved in zip(arrays, (OLD, NEW)[len(state["history"][0]) - 1], strict=True):
            assert found.dtype == saved.dtype and found.shape == saved.shape and np.array_equal(found, saved)

    def load(_):
        found = kept.load()
        assert found is not None  # the one before is whole
        if "damaged" in capsys.readouterr().out and len(found[0]) == len(OLD):
            raise UserError("damaged.")
        return found

    damaged = st.one_of(st.just(whole), mutated([whole]))
    fuzz(record_property, damaged.map(path.write_bytes), load, check, bound=2 * MB)
