"""The long form of the tests says what it did: kills, inputs, minutes, versions and what failed."""

import tempfile

import pytest

from tools import soak
from tools.environment import processor

RUN = """
import json, os
import pytest

def test_a_loop(record_property):
    kills = {"loop": "small", "resumed": 2, "before": {"step": 1, "writing": int(os.environ["SOAK_KILLS"]) - 1}}
    record_property("kills", json.dumps(kills))

def test_a_loader(record_property):
    record_property("inputs", json.dumps({"inputs": int(os.environ["FUZZ_INPUTS"]), "valid": 300}))

def test_pictures_from_the_disk(record_property):
    told = {"files": int(os.environ["SOAK_FILES"]), "prepared": 90.4, "trained": 60, "peak": 2**30 + 2**29}
    record_property("streaming", json.dumps({**told, "pipeline": 3000.0, "models": {"VAE": 400, "DCGAN": 250}}))

def test_killed_runs(record_property):
    runs, seconds = (int(os.environ[f"SOAK_LIMIT_{name}"]) for name in ("KILLS", "SECONDS"))
    record_property("limits", json.dumps({"notebook": "05", "runs": runs, "killed": 29, "after": seconds}))
    assert int(os.environ["SOAK_SEED"]) == FAULT

@pytest.mark.parametrize("profile", os.environ["SOAK_TOGETHER"].split(","))
def test_together(profile, record_property):
    told = {"01": {"minutes": 3.04, "peak": 2**30}, "02": {"minutes": 5, "peak": 3 * 2**30}}
    record_property("together", json.dumps({"profile": profile, "data": "stand-ins", "notebooks": told}))

def test_odd(tmp_path):
    (tmp_path / "large").write_bytes(bytes(1000))
    assert int(os.environ["SOAK_SEED"]) == FAULT
"""


@pytest.fixture
def system(tmp_path, monkeypatch):
    """Return an empty folder that is the system's temporary one, for this process and for those that it starts."""
    place = tmp_path / "system"
    place.mkdir()
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.setenv(name, str(place))
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:cacheprovider")
    return place


@pytest.mark.parametrize(("seed", "status"), [("7", 0), ("8", 1)])
def test_what_was_done_is_written_whatever_came_of_it_and_nothing_else_is_left(
    tmp_path, monkeypatch, system, seed, status
):
    path, build = tmp_path / "test_run.py", tmp_path / "new"
    path.write_text(RUN.replace("FAULT", "7"))
    monkeypatch.setenv("SOAK_SEED", seed)
    assert soak.main([], (str(path),), build) == status
    assert not list(system.iterdir()) and [file.name for file in build.iterdir()] == ["soak.md"]
    text = (build / "soak.md").read_text(encoding="utf-8")
    assert f"**20 kills, 1,000 damaged files; 7 tests, {2 * status} failed" in text
    assert "| small | 20 | 2 | step 1, writing 19 |" in text and "| a_loader | 1,000 | 300 | 700 |" in text
    assert f", commit {soak.commit()}; " in text and f"{processor()}, Python 3." in text
    assert (
        f"seed {seed}." in text and "UTC" in text and "keras 3." in text and "tensorflow" in text and " minutes" in text
    )
    assert "| 200,000 | 90 | 60 | 1.50 GB | 3,000 | VAE 400 (7.5 times), DCGAN 250 (12.0 times) |" in text
    left = "see what failed" if status else "results and caches only"
    assert f"| 05 | 29 of 30 | after 20 s | {left} | " in text
    for profile in ("smoke", "quick"):
        assert f"| {profile} | stand-ins | 01 | 3.0 | 1.00 GB |\n| {profile} | stand-ins | 02 | 5.0 | 3.00 GB |" in text
    assert ("- failure: test_odd" in text) == bool(status)
    assert f"| test_run | 1 {'failure' if status else 'passed'} | 0.0 |" in text


def test_there_is_a_report_even_if_pytest_could_not_begin(tmp_path):
    assert soak.main(["--no-such-option"], (), tmp_path) == 4
    text = (tmp_path / "soak-partial.md").read_text(encoding="utf-8")
    assert "**0 kills, 0 damaged files; 0 tests, 0 failed, exit status 4.**" in text


def test_a_run_of_some_tests_leaves_the_report_of_all(tmp_path, system):
    path, whole = tmp_path / "test_run.py", tmp_path / "soak.md"
    path.write_text("def test_one(): pass\ndef test_two(): pass\n")
    whole.write_text("of all")
    assert soak.main(["-k", "two"], (str(path),), tmp_path) == 0
    assert whole.read_text() == "of all" and " 1 tests, " in (tmp_path / "soak-partial.md").read_text(encoding="utf-8")


def test_the_tests_are_there_and_the_inputs_are_ten_thousand_or_more():
    assert all((soak.ROOT / test).is_file() for test in soak.TESTS)
    texts = [(soak.ROOT / test).read_text(encoding="utf-8") for test in soak.TESTS]
    loaders = sum(text.count("    fuzz(") for text in texts) + 2  # the test of archives has three kinds
    assert loaders * int(soak.LONG["FUZZ_INPUTS"]) >= 10_000
    assert int(soak.LONG["SOAK_KILLS"]) == 20 and int(soak.LONG["SOAK_FILES"]) == 200_000
    assert (soak.LONG["SOAK_LIMIT_KILLS"], soak.LONG["SOAK_LIMIT_SECONDS"]) == ("30", "20")
    assert (soak.LONG["SOAK_TOGETHER"], soak.LONG["SOAK_MIXED"]) == ("smoke,quick", "1")


def test_the_short_form_has_two_kills_and_two_hundred_inputs():
    text = "".join(path.read_text(encoding="utf-8") for path in (soak.ROOT / "tests").glob("*.py"))
    defaults = {"SOAK_KILLS": 2, "FUZZ_INPUTS": 200, "SOAK_FILES": 600, "SOAK_LIMIT_KILLS": 2}
    assert all(f'int(os.environ.get("{name}", {number}))' in text for name, number in defaults.items())


def test_every_variable_of_the_long_form_is_one_that_a_test_reads():
    files = [path for path in (soak.ROOT / "tests").glob("*.py") if path.name != "test_soak.py"]
    read = "".join(path.read_text(encoding="utf-8") for path in files)
    assert not [name for name in soak.LONG if f'os.environ.get("{name}"' not in read]
