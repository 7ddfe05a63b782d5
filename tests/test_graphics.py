"""What is the matter with a GPU is said in a sentence, by made-up reports; a machine without one says nothing."""

import math
import subprocess

import pytest

from helpers import session
from helpers.session import Gpu, Report, gpu_trouble, parse_listing

SEEN = ("Tesla T4",)


def t4(free=14.6, driver="550.54.15"):
    return Gpu("Tesla T4", driver, free, 15.0)


@pytest.mark.parametrize(
    "report",
    [
        Report(),
        Report(cuda="12.5.1"),
        Report(SEEN, "12.5.1", (t4(),)),
        Report(SEEN, "12.5.1"),  # seen, while `nvidia-smi` is not there
        Report(SEEN, "12.5.1", (Gpu("Quadro P400", "550.1", 0.2, 2.0), t4())),  # another one is full
        Report(SEEN, "12.5.1", (t4(0.4), t4()), visible="1"),  # the same kind, somebody else's
        Report(SEEN, "12.5.1", (t4(math.inf),)),  # memory that is not told
        Report(cuda="12.5.1", listed=(t4(),), visible="-1"),  # the reader wants none
        Report(cuda="", listed=(t4(),), visible=""),
        Report(cuda="12.5.1", fault="no driver.", visible="-1"),
    ],
)
def test_nothing_is_said_where_nothing_is_the_matter(report):
    assert gpu_trouble(report, 2.5) == ""


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (Report(cuda="", listed=(t4(),)), "its build for CPUs. `pip uninstall -y tensorflow-cpu`"),
        (Report(cuda="12.5.1", listed=(t4(driver="470.82.01"),)), "driver 470.82.01 is older than 525, which CUDA 12"),
        (Report(cuda="13.0", listed=(t4(),)), "driver 550.54.15 is older than 580, which CUDA 13 needs"),
        (
            Report(cuda="12.5.1", listed=(t4(driver="525.60.13"),)),
            "probably the libraries of CUDA 12, cuDNN among them",
        ),
        (Report(cuda="14.1", listed=(t4(),)), "libraries of CUDA 14"),
        (Report(cuda="12.5.1", listed=(t4(),), visible="7"), "CUDA_VISIBLE_DEVICES=7 probably hides it"),
        (Report(cuda="", listed=(t4(),), system="Windows"), "on Windows it does so in WSL 2 only"),
    ],
)
def test_a_gpu_that_is_not_used_is_named_with_the_mend(report, said):
    sentence = gpu_trouble(report, 2.5)
    assert sentence.startswith("There is a Tesla T4, but TensorFlow does not use it") and said in sentence


def test_too_little_memory_is_said_with_what_the_notebook_needs():
    report = Report(SEEN, "12.5.1", (t4(1.5),))
    assert "Only 1.5 of 15.0 GB" in gpu_trouble(report, 2.5) and "held up to 2.5 GB" in gpu_trouble(report, 2.5)
    assert gpu_trouble(report, 1.2) == ""


def test_the_table_of_the_driver_is_read_and_what_is_no_row_is_left_out():
    text = "Tesla T4, 550.54.15, 14914, 15360\nNVIDIA GB10, 580.1, [N/A], [N/A]\nCard, rev. 2, 525.1, 1, 2\n"
    assert parse_listing(text + "no table\n, , ,\n\n") == (
        Gpu("Tesla T4", "550.54.15", 14914 / 1024, 15.0),
        Gpu("NVIDIA GB10", "580.1", math.inf, math.inf),
        Gpu("Card, rev. 2", "525.1", 1 / 1024, 2 / 1024),
    )
    assert parse_listing("") == ()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (OSError(13, "Permission denied"), "Permission denied"),
        (subprocess.TimeoutExpired("nvidia-smi", 30), "no answer within 30 s"),
        ("Failed to initialize NVML: Driver/library version mismatch\n", "Failed to initialize NVML"),
        ("", "exit status 9"),
    ],
)
def test_a_tool_that_fails_is_said(monkeypatch, fault, said):
    def run(*arguments, **options):
        if isinstance(fault, Exception):
            raise fault
        return subprocess.CompletedProcess([], 9, fault, "")

    monkeypatch.setattr(session.shutil, "which", lambda name: "nvidia-smi")
    monkeypatch.setattr(session.subprocess, "run", run)
    listed, told = session._listed()
    sentence = gpu_trouble(Report(cuda="12.5", listed=listed, fault=told), 2.5)
    assert (
        said in sentence and "until its driver works" in sentence and gpu_trouble(Report(SEEN, fault=told), 2.5) == ""
    )


def test_this_machine_has_a_report_and_keeps_the_first(monkeypatch):
    report = session.read_report()
    assert all(isinstance(name, str) for name in report.seen)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "another")
    assert session.read_report() is report
