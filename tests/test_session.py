"""The profile, the results folder and the sentence about a GPU, by made-up reports of machines."""

import json
import math
import subprocess
import sys
from types import SimpleNamespace

import pytest

import helpers
from helpers import session
from helpers.session import CPU_MINUTES, Gpu, Report, UserError, choose_profile, gpu_trouble, output_folder

ROWS = {"epochs": (1, 3, 30_000), "weights": ((), (0.5,), (0.5, 1))}
COLUMNS = {"smoke": (1, ()), "quick": (3, (0.5,)), "full": (30_000, (0.5, 1))}
NAME = "02_deep_dream"
SEEN = ("Tesla T4",)
H200 = Report(("NVIDIA H200",), "12.5", (Gpu("NVIDIA H200", "580.1", 130.0, 139.0),))
FULL_H200 = Report(("NVIDIA H200",), "12.5", (Gpu("NVIDIA H200", "580.1", 0.5, 139.0),))


def t4(free=14.6, driver="550.54.15"):
    return Gpu("Tesla T4", driver, free, 15.0)


@pytest.fixture
def machine(monkeypatch):
    """Return a function that puts a report in place of this machine's; NB_PROFILE is not set."""
    monkeypatch.delenv("NB_PROFILE", raising=False)

    def put(report):
        monkeypatch.setattr(session, "read_report", lambda: report)

    put(Report())
    return put


@pytest.mark.parametrize("name", COLUMNS)
def test_a_profile_is_one_column(machine, capsys, name):
    run = choose_profile(NAME, name, **ROWS)
    assert (run.name, run.epochs, run.weights) == (name, *COLUMNS[name])
    assert f"epochs {run.epochs:,}" in capsys.readouterr().out


@pytest.mark.parametrize("profile", ["auto", "smoke"])
def test_nb_profile_wins(machine, monkeypatch, profile):
    monkeypatch.setenv("NB_PROFILE", " full ")
    assert choose_profile(NAME, profile, **ROWS).name == "full"


@pytest.mark.parametrize(
    ("report", "notebook", "name", "part"),
    [
        (Report(), NAME, "quick", "no GPU"),
        (H200, NAME, "full", "4.6 minutes on an NVIDIA H200"),
        (H200, "04_variational_autoencoder", "quick", "no full run"),
        (Report(SEEN, "12.5", (t4(),)), NAME, "quick", "a Tesla T4"),
        (Report(listed=(t4(),)), NAME, "quick", "TensorFlow does not use it"),
        (FULL_H200, NAME, "quick", "Only 0.5 of 139.0 GB"),
    ],
)
@pytest.mark.parametrize("variable", [None, "auto"])
def test_auto_is_full_only_where_that_was_measured(
    machine, monkeypatch, capsys, report, notebook, name, part, variable
):
    machine(report)
    if variable is not None:
        monkeypatch.setenv("NB_PROFILE", variable)
    assert choose_profile(notebook, **ROWS).name == name
    assert part in capsys.readouterr().out


def test_minutes_are_those_of_the_profile(machine, capsys):
    choose_profile(NAME, "quick", **ROWS)
    assert f"{CPU_MINUTES[NAME][1]:g} minutes on 2 CPU cores" in capsys.readouterr().out
    choose_profile("mine", "quick", **ROWS)
    assert "not measured" in capsys.readouterr().out


@pytest.mark.parametrize("origin", ["profile", "NB_PROFILE"])
def test_an_unknown_profile_is_an_error(machine, monkeypatch, origin):
    if origin == "NB_PROFILE":
        monkeypatch.setenv("NB_PROFILE", "fast")
    with pytest.raises(UserError, match=f"{origin}='fast'"):
        choose_profile(NAME, "auto" if origin == "NB_PROFILE" else "fast", **ROWS)


@pytest.mark.parametrize("row", [(1, 2), 3])
def test_an_invalid_row_is_an_error(machine, row):
    with pytest.raises(UserError, match="epochs="):
        choose_profile(NAME, epochs=row)


def test_a_moved_project_is_an_error(machine, monkeypatch, tmp_path):
    monkeypatch.setattr(session, "CHECKOUT", tmp_path / "gone")
    with pytest.raises(UserError, match="Restart"):
        choose_profile(NAME, **ROWS)


def test_a_python_without_builds_is_an_error():
    for version in ((3, 11), (3, 12), (3, 13)):
        helpers.check_python(version)
    for version in ((3, 10), (3, 14)):
        with pytest.raises(RuntimeError, match=f"Python {version[0]}.{version[1]}"):
            helpers.check_python(version)


def test_results_go_to_a_mounted_drive_in_colab(monkeypatch, tmp_path):
    monkeypatch.delenv("NB_OUTPUT_DIR", raising=False)
    checkout, drive = tmp_path / "content" / "project", tmp_path / "drive" / "MyDrive"
    monkeypatch.setattr(session, "CHECKOUT", checkout)
    monkeypatch.setattr(session, "DRIVE", tmp_path / "drive")
    monkeypatch.setitem(sys.modules, "google.colab", SimpleNamespace())
    assert output_folder(NAME) == checkout / "build" / NAME  # not mounted
    drive.mkdir(parents=True)
    assert output_folder(NAME) == drive / "generative-notebooks-results" / NAME
    monkeypatch.setattr(session, "CHECKOUT", drive / "project")  # the project itself lies in Drive
    assert output_folder(NAME) == drive / "project" / "build" / NAME
    monkeypatch.setattr(session, "CHECKOUT", checkout)
    monkeypatch.delitem(sys.modules, "google.colab")
    assert output_folder(NAME) == checkout / "build" / NAME  # a folder of that name elsewhere is no Drive


def test_results_go_to_nb_output_dir(monkeypatch, tmp_path):
    monkeypatch.setenv("NB_OUTPUT_DIR", str(tmp_path / "new" / "folder"))
    for _ in range(2):
        folder = output_folder(NAME)
        assert folder == tmp_path / "new" / "folder" / NAME
        assert folder.is_dir() and not list(folder.iterdir())


def test_a_folder_that_cannot_be_made_is_replaced_by_a_temporary_one(monkeypatch, tmp_path, capsys):
    (tmp_path / "file").touch()
    monkeypatch.setenv("NB_OUTPUT_DIR", str(tmp_path / "file"))
    folder = output_folder(NAME)
    assert folder.is_dir() and folder.name == NAME and tmp_path not in folder.parents
    assert f"{folder}, which is deleted" in capsys.readouterr().out
    assert output_folder(NAME) == folder
    monkeypatch.setattr(session, "_temporary_folder", lambda: SimpleNamespace(name=tmp_path / "file"))
    with pytest.raises(UserError, match="Set NB_OUTPUT_DIR"):
        output_folder(NAME)


def test_a_home_folder_of_nobody_is_an_error(monkeypatch):
    monkeypatch.setenv("NB_OUTPUT_DIR", "~no-such-user/results")
    with pytest.raises(UserError, match="~no-such-user/results"):
        output_folder(NAME)


def test_only_the_message_of_a_user_error_is_shown():
    assert UserError("do this")._render_traceback_() == ["UserError: do this"]


def test_a_headline_is_shown_and_written(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(session, "display", shown.append)
    session.headline(tmp_path, "held out: 1.30 nats – “good”")
    written = json.loads((tmp_path / "headline.json").read_text(encoding="utf-8"))
    assert written == {"text": "held out: 1.30 nats – “good”"} and "1.30 nats" in shown[0].data


@pytest.mark.parametrize(
    "report",
    [
        Report(),
        Report(SEEN, "12.5.1", (t4(),)),
        Report(SEEN, "12.5.1"),  # seen, while `nvidia-smi` is not there
        Report(SEEN, "12.5.1", (Gpu("Quadro P400", "550.1", 0.2, 2.0), t4())),  # another one is full
        Report(SEEN, "12.5.1", (t4(0.4), t4()), visible="1"),  # the same kind, used by others
        Report(SEEN, "12.5.1", (t4(math.inf),)),  # memory that is not known
        Report(cuda="12.5.1", listed=(t4(),), visible="-1"),  # turned off by the reader
        Report(cuda="12.5.1", fault="no driver.", visible=""),
    ],
)
def test_no_sentence_where_nothing_is_wrong(report):
    assert gpu_trouble(report, 2.5) == ""


@pytest.mark.parametrize(
    ("report", "part"),
    [
        (Report(cuda="", listed=(t4(),)), "tensorflow-cpu"),
        (Report(cuda="12.5.1", listed=(t4(driver="470.82.01"),)), "older than 525"),
        (Report(cuda="12.5.1", listed=(t4(driver="525.60.13"),)), "libraries of CUDA 12"),
        (Report(cuda="14.1", listed=(t4(),)), "libraries of CUDA 14"),
        (Report(cuda="12.5.1", listed=(t4(),), visible="7"), "CUDA_VISIBLE_DEVICES=7"),
        (Report(cuda="", listed=(t4(),), system="Windows"), "WSL 2"),
        (Report(SEEN, "12.5.1", (t4(1.5),)), "Only 1.5 of 15.0 GB"),
    ],
)
def test_a_fault_of_the_gpu_is_named(report, part):
    sentence = gpu_trouble(report, 2.5)
    assert "Tesla T4" in sentence and part in sentence


def test_the_table_of_the_driver_is_read_and_other_lines_are_left_out():
    text = "Tesla T4, 550.54.15, 14914, 15360\nNVIDIA GB10, 580.1, [N/A], [N/A]\nCard, rev. 2, 525.1, 1, 2\n"
    assert session.parse_listing(text + "no table\n, , ,\n\n") == (
        Gpu("Tesla T4", "550.54.15", 14914 / 1024, 15.0),
        Gpu("NVIDIA GB10", "580.1", math.inf, math.inf),
        Gpu("Card, rev. 2", "525.1", 1 / 1024, 2 / 1024),
    )


@pytest.mark.parametrize(
    ("fault", "part"),
    [
        (OSError(13, "Permission denied"), "Permission denied"),
        (subprocess.TimeoutExpired("nvidia-smi", 30), "30 s"),
        ("Failed to initialize NVML: Driver/library version mismatch\n", "Failed to initialize NVML"),
        ("", "exit status 9"),
    ],
)
def test_the_fault_of_the_tool_is_named(monkeypatch, fault, part):
    def run(*arguments, **options):
        if isinstance(fault, Exception):
            raise fault
        return subprocess.CompletedProcess([], 9, fault, "")

    monkeypatch.setattr(session.shutil, "which", lambda name: "nvidia-smi")
    monkeypatch.setattr(session.subprocess, "run", run)
    listed, message = session._listed()
    assert part in gpu_trouble(Report(cuda="12.5", listed=listed, fault=message), 2.5)
    assert gpu_trouble(Report(SEEN, fault=message), 2.5) == ""


def test_this_machine_has_one_report(monkeypatch):
    report = session.read_report()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "another")
    assert session.read_report() is report
