"""Files from outside, damaged and malicious in many ways: loaders return a valid value or raise a UserError.

Nothing is written, deleted or started while a file is read, and Python's memory stays within a bound that each test
states. Each loader gets 10 inputs, and in the slow tests as many as FUZZ_INPUTS says (default 200), the same ones each
time; with SOAK_SEED they are drawn anew (CONTRIBUTING.md says how).
"""

import io
import json
import os
import struct
import sys
import tracemalloc
import zipfile
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from hypothesis import HealthCheck, configuration, given, settings
from hypothesis import strategies as st

from helpers.session import UserError

MB = 1_000_000
few_and_many = pytest.mark.parametrize(
    "inputs", [10, pytest.param(int(os.environ.get("FUZZ_INPUTS", 200)), marks=pytest.mark.slow)]
)
SEED = os.environ.get("SOAK_SEED")
configuration.set_hypothesis_home_dir(Path(os.environ["NB_OUTPUT_DIR"]) / "hypothesis")


# What a loader may not do: Python reports it to this hook, whoever does it.

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.truncate", "os.chmod")
DEEDS = (*CHANGES, "shutil.rmtree", "subprocess.Popen", "os.system", "os.exec", "pickle.find_class", "socket.connect")
watched: list[str] = []
is_watching = False


def _watch(event: str, arguments: tuple) -> None:
    if is_watching and (event in DEEDS or (event == "open" and arguments[2] & WRITING)):
        watched.append(f"{event} {arguments[:2]}")


sys.addaudithook(_watch)


def read(load):
    """Return what load() returns, or the UserError that it raises, and the most bytes that Python took meanwhile."""
    global is_watching
    watched.clear()
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    is_watching = True
    try:
        value = load()
    except UserError as error:
        value = error
        assert str(error)[-1] in ".)"
    finally:
        is_watching = False
    assert watched == []
    return value, tracemalloc.get_traced_memory()[1] - before


def fuzz(record_property, inputs, strategy, load, check, bound: float) -> None:
    """Hand so many inputs of a strategy to `load`, and what comes of each to `check(value, input)`.

    `bound` is the most bytes that reading one may take.
    """
    counts = {"inputs": 0, "valid": 0}

    @settings(
        max_examples=inputs,
        derandomize=SEED is None,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def one(drawn):
        counts["inputs"] += 1
        value, peak = read(lambda: load(drawn))
        assert peak < bound, f"{peak:,} bytes"
        if not isinstance(value, UserError):
            counts["valid"] += 1
            check(value, drawn)

    if SEED is not None:
        one = hypothesis.seed(int(SEED))(one)
    tracemalloc.start()
    try:
        one()
    finally:
        tracemalloc.stop()
    record_property("inputs", json.dumps(counts))
    if inputs > 100:
        assert 0 < counts["valid"] < counts["inputs"]  # both kinds came: neither all too wild nor all too tame


# Changes of files: a byte, a number, a piece cut out, doubled, or put in from another file; the end cut off.

NUMBERS = [0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 10_000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]


@st.composite
def mutated(draw, samples, most: int = 3):
    """Draw one of the files, with up to `most` changes."""
    content = bytearray(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(0, most))):
        start = draw(st.integers(0, max(0, len(content) - 1)))
        end = start + draw(st.integers(1, 40))
        change = draw(st.sampled_from(["byte", "number", "cut off", "cut out", "double", "foreign"]))
        if change == "byte":
            content[start : start + 1] = draw(st.binary(min_size=1, max_size=1))
        elif change == "number":
            packed = struct.pack(draw(st.sampled_from(["<I", ">I"])), draw(st.sampled_from(NUMBERS)))
            content[start : start + 4] = packed[: draw(st.sampled_from([2, 4]))]
        elif change == "cut off":
            del content[start:]
        elif change == "cut out":
            del content[start:end]
        elif change == "double":
            content[start:start] = content[start:end]
        else:
            other = draw(st.sampled_from(samples))
            content[start:end] = other[start:end]
    return bytes(content)


# A fixed choice: for any letter at all Hypothesis would first make tables of them, for some ten seconds.
LETTERS = "abcXYZ019 ._-/\\:'\"\0\x1b\r\n\té\u0301ßñ“”—\u200f\u2028\ufeff日本語кирилица😀\U0010ffff"
BOMB = bytes(3 * MB)  # packs to some kilobytes; thirty times what a member may have in these tests


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __reduce__(self):
        return (Path.touch, (Path("sprung"),))


HEADERS = st.builds(
    "{{'descr': {}, 'fortran_order': {}, 'shape': {}, }}".format,
    st.sampled_from(["'<f4'", "'|u1'", "'|O'", "'<U3'", "'|V0'", "'|S0'", "[('a', '<f4')]", "'f' * 9", "1"]),
    st.sampled_from(["True", "False", "None", "1"]),
    st.sampled_from(["(3,)", "()", "(0, 2)", "(-1,)", "(10**9,)", "(1000000000000, 4)", "(2.0,)", "3", "(((" * 90]),
)


@st.composite
def npz_files(draw):
    """Draw an .npz: arrays of several kinds, objects, and members whose headers say anything."""
    arrays = {"x": np.arange(6, dtype=np.float32).reshape(2, 3), "y": np.asfortranarray(np.ones((2, 3), np.int64))}
    arrays["none"] = np.zeros((0, 4), np.float16)
    if draw(st.booleans()):
        arrays["trap"] = np.array([Trap()], dtype=object)
    buffer, save = io.BytesIO(), draw(st.sampled_from([np.savez, np.savez_compressed]))
    if save is np.savez_compressed and draw(st.integers(0, 4)) == 4:  # in a small file, none too large by itself
        arrays |= {f"{number}": np.zeros(MB // 11, np.uint8) for number in range(20)}
    save(buffer, **arrays)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
        if draw(st.booleans()):
            header, version = draw(HEADERS).encode(), draw(st.sampled_from([1, 1, 1, 2, 3, 9]))
            length = struct.pack("<H" if version == 1 else "<I", len(header))
            numbers = draw(st.binary(max_size=16))
            archive.writestr(_deflated("made.npy"), b"\x93NUMPY" + bytes([version, 0]) + length + header + numbers)
        if draw(st.integers(0, 9)) == 9:
            archive.writestr(_deflated("bomb.npy"), BOMB)
    content = buffer.getvalue()
    return draw(st.one_of(st.just(content), mutated([content])))


def _deflated(name: str) -> zipfile.ZipInfo:
    """Return a member of always the same date: a seed is to give the same files at any time of the day."""
    member = zipfile.ZipInfo(name)
    member.compress_type = zipfile.ZIP_DEFLATED
    return member


def check_arrays(arrays, _):
    for array in arrays:
        assert array.dtype.kind in "biufc" and array.nbytes < MB
