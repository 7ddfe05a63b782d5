"""Budgets, minutes and the results folder: names and rows are checked, NB_PROFILE and NB_OUTPUT_DIR are honoured."""

import json
import sys
from types import SimpleNamespace

import pytest

import helpers
from helpers import session
from helpers import session as profiles
from helpers.session import CPU_MINUTES, Gpu, Report, UserError, choose_profile, output_folder

ROWS = {"epochs": (1, 3, 30_000), "weights": ((), (0.5,), (0.5, 1))}
COLUMNS = {"smoke": (1, ()), "quick": (3, (0.5,)), "full": (30_000, (0.5, 1))}
NAME = "02_deep_dream"
H200 = Report(seen=("NVIDIA H200",), cuda="12.5", listed=(Gpu("NVIDIA H200", "580.1", 130.0, 139.0),))
T4 = Report(seen=("Tesla T4",), cuda="12.5", listed=(Gpu("Tesla T4", "550.54", 14.0, 15.0),))


@pytest.fixture
def machine(monkeypatch):
    """Return a function that puts a report in place of this machine's; no NB_PROFILE is set."""
    monkeypatch.delenv("NB_PROFILE", raising=False)

    def put(report):
        monkeypatch.setattr(session, "read_report", lambda: report)

    put(Report())
    return put


@pytest.mark.parametrize("name", COLUMNS)
def test_a_profile_is_one_column(machine, capsys, name):
    run = choose_profile(NAME, name, **ROWS)
    assert (run.name, run.epochs, run.weights) == (name, *COLUMNS[name])
    assert f"Profile {name} (as set above): epochs {run.epochs:,}" in capsys.readouterr().out


@pytest.mark.parametrize("profile", ["auto", "smoke"])
def test_nb_profile_wins(machine, monkeypatch, capsys, profile):
    monkeypatch.setenv("NB_PROFILE", " full ")
    assert choose_profile(NAME, profile, **ROWS).name == "full"
    assert "(NB_PROFILE)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("report", "notebook", "name", "said"),
    [
        (Report(), NAME, "quick", "auto: no GPU"),
        (H200, NAME, "full", "An earlier version took 4.6 minutes on an NVIDIA H200"),
        (H200, "04_variational_autoencoder", "quick", "on the NVIDIA H200 no full run of this notebook was timed"),
        (T4, NAME, "quick", "a Tesla T4, on which it was not timed"),
        (Report(listed=T4.listed), NAME, "quick", "There is a Tesla T4, but TensorFlow does not use it"),
        (Report(H200.seen, "12.5", (Gpu("NVIDIA H200", "580.1", 0.5, 139.0),)), NAME, "quick", "Only 0.5 of 139.0 GB"),
        (Report(H200.seen, "12.5", (Gpu("NVIDIA H200", "580.1", 0.5, 139.0),)), NAME, "quick", "auto: see below"),
    ],
)
@pytest.mark.parametrize("variable", [None, "", "auto"])
def test_auto_is_full_only_where_that_was_measured(
    machine, monkeypatch, capsys, report, notebook, name, said, variable
):
    machine(report)
    if variable is not None:
        monkeypatch.setenv("NB_PROFILE", variable)
    assert choose_profile(notebook, **ROWS).name == name
    assert said in capsys.readouterr().out


def test_minutes_are_those_of_the_profile(machine, capsys):
    choose_profile(NAME, "quick", **ROWS)
    assert f"That took {CPU_MINUTES[NAME][1]:g} minutes on 2 CPU cores" in capsys.readouterr().out
    choose_profile("mine", "quick", **ROWS)
    assert "was not measured" in capsys.readouterr().out


@pytest.mark.parametrize("origin", ["profile", "NB_PROFILE"])
def test_unknown_profile_is_named_with_those_there_are(machine, monkeypatch, origin):
    if origin == "NB_PROFILE":
        monkeypatch.setenv("NB_PROFILE", "fast")
    with pytest.raises(UserError, match=f"{origin}='fast' is not a profile.*auto, smoke, quick, full"):
        choose_profile(NAME, "auto" if origin == "NB_PROFILE" else "fast", **ROWS)


@pytest.mark.parametrize("row", [(1, 2), 3, (1, 2, 3, 4), [1, 2, 3]])
def test_a_row_that_is_none_is_an_error(machine, row):
    with pytest.raises(UserError, match="epochs=.* is no row of budgets"):
        choose_profile(NAME, epochs=row)


def test_a_folder_that_was_moved_is_said(machine, monkeypatch, tmp_path):
    monkeypatch.setattr(profiles, "CHECKOUT", tmp_path / "gone")
    with pytest.raises(UserError, match="no longer at .*gone. Restart the kernel"):
        choose_profile(NAME, **ROWS)


@pytest.mark.parametrize("version", [(3, 10), (3, 14), (2, 7)])
def test_a_python_without_builds_is_said(version):
    with pytest.raises(RuntimeError, match=f"Python {version[0]}.{version[1]}, and the notebooks need 3.11"):
        helpers.check_python(version)


def test_pythons_with_builds_pass():
    for version in ((3, 11), (3, 12), (3, 13)):
        helpers.check_python(version)


def test_results_go_to_a_mounted_drive_in_colab(monkeypatch, tmp_path, capsys):
    monkeypatch.delenv("NB_OUTPUT_DIR", raising=False)
    monkeypatch.setattr(profiles, "CHECKOUT", tmp_path / "content" / "project")
    monkeypatch.setattr(profiles, "DRIVE", tmp_path / "drive")
    build, kept = tmp_path / "content" / "project" / "build", tmp_path / "drive" / "MyDrive"
    monkeypatch.setitem(sys.modules, "google.colab", SimpleNamespace())
    assert output_folder(NAME) == build / NAME  # not mounted
    kept.mkdir(parents=True)
    assert output_folder(NAME) == kept / "generative-notebooks-results" / NAME
    assert f"results go to {kept}" in capsys.readouterr().out
    monkeypatch.setattr(profiles, "CHECKOUT", kept / "project")  # the project itself lies in Drive
    assert output_folder(NAME) == kept / "project" / "build" / NAME
    monkeypatch.setattr(profiles, "CHECKOUT", build.parent)
    monkeypatch.setenv("NB_OUTPUT_DIR", str(tmp_path / "mine"))
    assert output_folder(NAME) == tmp_path / "mine" / NAME
    monkeypatch.delenv("NB_OUTPUT_DIR")
    monkeypatch.delitem(sys.modules, "google.colab")
    assert output_folder(NAME) == build / NAME  # a folder of that name elsewhere is no Drive


def test_results_go_to_nb_output_dir(monkeypatch, tmp_path):
    monkeypatch.setenv("NB_OUTPUT_DIR", str(tmp_path / "mounted" / "drive"))
    folder = output_folder("01_text_generation")
    assert folder == tmp_path / "mounted" / "drive" / "01_text_generation"
    assert folder.is_dir() and not list(folder.iterdir())
    assert output_folder("01_text_generation") == folder


def test_results_go_to_build_by_default(monkeypatch, tmp_path):
    monkeypatch.setenv("NB_OUTPUT_DIR", "")
    monkeypatch.setattr(profiles, "CHECKOUT", tmp_path)
    assert output_folder("02_deep_dream") == tmp_path / "build" / "02_deep_dream"


def test_a_folder_that_cannot_be_made_is_said_with_a_way_out(monkeypatch, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("NB_OUTPUT_DIR", str(tmp_path / "file"))
    folder = output_folder("01_text_generation")
    assert folder.is_dir() and folder.name == "01_text_generation" and tmp_path not in folder.parents
    said = capsys.readouterr().out
    assert f"They go to {folder}, which is gone when the kernel ends. Set NB_OUTPUT_DIR" in said
    assert output_folder("01_text_generation") == folder


def test_where_nothing_at_all_can_be_written_it_is_said(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("NB_OUTPUT_DIR", str(tmp_path / "file"))
    monkeypatch.setattr(profiles, "_passing_folder", lambda: SimpleNamespace(name=tmp_path / "file"))
    with pytest.raises(UserError, match="Set NB_OUTPUT_DIR"):
        output_folder("01_text_generation")


def test_a_home_folder_of_nobody_is_said(monkeypatch):
    monkeypatch.setenv("NB_OUTPUT_DIR", "~no-such-user/results")
    with pytest.raises(UserError, match="~no-such-user/results leads to no folder"):
        output_folder("05_dcgan")


def test_a_folder_that_cannot_be_written_to_is_found_out_at_once(monkeypatch, tmp_path):
    monkeypatch.setenv("NB_OUTPUT_DIR", str(tmp_path))
    monkeypatch.setattr(profiles.os, "getpid", lambda: "no-such-folder/probe")  # the probe's name cannot be made
    with pytest.raises(UserError, match="cannot be written to"):
        output_folder("01_text_generation")


def test_only_the_message_of_a_user_error_is_shown():
    assert UserError("do this")._render_traceback_() == ["UserError: do this"]


def test_headline_is_written_for_the_table_of_all_notebooks(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(profiles, "display", shown.append)
    profiles.headline(tmp_path, "held out: 1.30 nats – “good”")
    written = json.loads((tmp_path / "headline.json").read_text(encoding="utf-8"))
    assert written == {"text": "held out: 1.30 nats – “good”"} and "1.30 nats" in shown[0].data
