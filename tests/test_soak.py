"""The long form of the tests says what it did: kills, inputs, minutes, versions and what failed."""

import pytest

from tools import soak

RUN = """
import json, os
import pytest

def test_a_loop(record_property):
    kills = {"loop": "small", "resumed": 2, "before": {"step": 1, "writing": int(os.environ["SOAK_KILLS"]) - 1}}
    record_property("kills", json.dumps(kills))

def test_a_loader(record_property):
    record_property("inputs", json.dumps({"inputs": int(os.environ["FUZZ_INPUTS"]), "valid": 300}))

def test_odd():
    assert int(os.environ["SOAK_SEED"]) == FAULT
"""


@pytest.mark.parametrize(("seed", "status"), [("7", 0), ("8", 1)])
def test_what_was_done_is_written_whatever_came_of_it(tmp_path, monkeypatch, seed, status):
    path, report = tmp_path / "test_run.py", tmp_path / "new" / "soak.md"
    path.write_text(RUN.replace("FAULT", "7"))
    monkeypatch.setenv("SOAK_SEED", seed)
    assert soak.main(["-p", "no:cacheprovider"], (str(path),), report) == status
    text = report.read_text(encoding="utf-8")
    assert f"**20 kills, 1,000 damaged files; 3 tests, {status} failed" in text
    assert "| small | 20 | 2 | step 1, writing 19 |" in text and "| a_loader | 1,000 | 300 | 700 |" in text
    assert (
        f"seed {seed}." in text and "UTC" in text and "keras 3." in text and "tensorflow" in text and " minutes" in text
    )
    assert ("- failure: test_odd" in text) == bool(status)


def test_there_is_a_report_even_if_pytest_could_not_begin(tmp_path):
    report = tmp_path / "soak.md"
    assert soak.main(["--no-such-option"], (), report) == 4
    assert "**0 kills, 0 damaged files; 0 tests, 0 failed, exit status 4.**" in report.read_text(encoding="utf-8")


def test_the_tests_are_there_and_the_inputs_are_ten_thousand_or_more():
    assert all((soak.ROOT / test).is_file() for test in soak.TESTS)
    texts = [(soak.ROOT / test).read_text(encoding="utf-8") for test in soak.TESTS]
    loaders = sum(text.count("    fuzz(") for text in texts) + 1  # the test of archives has two kinds
    assert loaders * int(soak.LONG["FUZZ_INPUTS"]) >= 10_000
    assert int(soak.LONG["SOAK_KILLS"]) == 20
