"""Only data whose licence plainly allows it are packed, whole and with that licence; the README names the others."""

import hashlib
import re
from pathlib import Path

import pytest

from helpers import sources
from tools import bundle_data
from tools.environment import this_system

ROOT = Path(__file__).resolve().parents[1]


def test_only_what_may_be_passed_on_goes_in():
    free = {key for key, entry in sources.manifest().items() if bundle_data.licence_of(entry)}
    assert free == {"nietzsche", "mnist", "fashion_mnist", "inception_v3", "vgg19", "vgg16"}


@pytest.mark.parametrize(
    ("licence", "known"),
    [
        ("MIT (Zalando SE)", "MIT"),
        ("CC BY 4.0", "CC BY 4.0"),
        ("CC BY-NC 4.0 (somebody)", ""),
        ("CC BY-NC-SA 3.0", ""),
        ("MIT for the code, the pictures belong to their authors", ""),
        ("MIT (somebody), pictures excepted (others)", ""),
        ("public domain in some countries", ""),
        ("", ""),
    ],
)
def test_a_licence_has_to_be_plain(licence, known):
    assert bundle_data.licence_of(entry_of(licence=licence)) == known


def entry_of(key="net", licence="CC BY 4.0 (somebody)", content=b"weights", md5=None):
    """A data set of the manifest, of one file called net.h5."""
    file = sources.RemoteFile("net.h5", "https://example.org/net.h5", len(content), "", md5 or md5_of(content))
    return sources.Entry(key, f"the {key}", licence, ("mine.h5",), (file,))


def md5_of(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def pack(tmp_path, monkeypatch, entry, name="net.h5", content=b"weights"):
    """Pack one data set, found as a file of some name and content; return what `bundle_data.pack` does."""
    path = tmp_path / name
    path.write_bytes(content)
    monkeypatch.setattr(sources, "manifest", lambda: {entry.key: entry})
    monkeypatch.setattr(sources, "find", lambda key: sources.Lookup((path,), f"local copy {path}"))
    return bundle_data.pack(tmp_path / "cache", (ROOT / "LICENSE").read_text(encoding="utf-8"))


def test_official_file_goes_in_with_its_licence(tmp_path, monkeypatch):
    entry = entry_of()
    assert pack(tmp_path, monkeypatch, entry) == ([entry], {})
    assert (tmp_path / "cache" / "net.h5").read_bytes() == b"weights"
    notes = (tmp_path / "cache" / "LICENCES.txt").read_text(encoding="utf-8")
    assert re.search(r"the net\n.*CC BY 4.0 \(somebody\); https://creativecommons.org/licenses/by/4.0/", notes)
    assert "Zalando" not in notes and not (tmp_path / "cache" / "LICENCE-Apache-2.0.txt").exists()


@pytest.mark.parametrize(
    ("entry", "found", "reason"),
    [
        (entry_of(licence="research only"), {}, "Its licence does not plainly allow to pass it on .research only.*"),
        (entry_of(), {"name": "mine.h5"}, "The copy found where the bundle was made is not the official file."),
        (entry_of(), {"content": b"others!"}, "The copy found where the bundle was made is not the official file."),
        (entry_of("nietzsche"), {"content": b"my diary"}, ".*net.h5 is not the Nietzsche corpus: .*"),
    ],
)
def test_anything_else_is_left_out_and_the_readme_says_why(tmp_path, monkeypatch, entry, found, reason):
    packed, left_out = pack(tmp_path, monkeypatch, entry, **found)
    assert packed == [] and list(left_out) == [entry.title]
    assert re.fullmatch(rf"{reason} To have it, download https://example.org/net.h5 .*", left_out[entry.title])
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["LICENCES.txt"]
    text = bundle_data.readme({**this_system()}, "abc1234", packed, left_out, 12)
    assert f"* {entry.title}. {left_out[entry.title]}" in text.split("Not in it")[1]
    assert f"* {entry.title}" not in text.split("Not in it")[0]


def test_data_that_cannot_be_had_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "manifest", lambda: {"net": entry_of()})
    monkeypatch.setattr(sources, "find", lambda key: sources.Lookup((), "the network is down"))
    _, left_out = bundle_data.pack(tmp_path, "")
    assert "could not be had where the bundle was made (the network is down). To have it" in left_out["the net"]


def test_licences_that_ask_for_their_text_have_it(tmp_path, monkeypatch):
    pack(tmp_path, monkeypatch, entry_of(licence="Apache 2.0 (somebody)"))
    apache = (tmp_path / "cache" / "LICENCE-Apache-2.0.txt").read_text(encoding="utf-8")
    assert re.search(r"Apache License\s+Version 2.0", apache) and "9. Accepting Warranty" in apache
    monkeypatch.setitem(bundle_data.LOADERS, "fashion_mnist", lambda: None)
    pack(tmp_path, monkeypatch, entry_of("fashion_mnist", licence="MIT (Zalando SE)"))
    notes = (tmp_path / "cache" / "LICENCES.txt").read_text(encoding="utf-8")
    assert "Copyright (c) 2017 Zalando SE" in notes and "authors of this project" not in notes
    assert "Permission is hereby granted" in notes
