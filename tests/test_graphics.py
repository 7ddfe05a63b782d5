"""What is the matter with a GPU is said in a sentence, by made-up reports; a machine without one says nothing."""

import subprocess

import pytest

from helpers import graphics
from helpers.graphics import Report, parse_listing, trouble

T4 = (("Tesla T4", "550.54.15", 14.6, 15.0),)


def with_driver(version):
    return (("Tesla T4", version, 14.6, 15.0),)


@pytest.mark.parametrize(
    "report",
    [
        Report(),
        Report(cuda="12.5.1"),
        Report(seen=("Tesla T4",), cuda="12.5.1", listed=T4),
        Report(seen=("NVIDIA A100",), cuda="12.5.1"),  # seen, while `nvidia-smi` is not there
        Report(cuda="12.5.1", listed=T4, hidden=True),  # the reader wants no GPU
        Report(cuda="", listed=T4, hidden=True),
    ],
)
def test_nothing_is_said_where_nothing_is_the_matter(report):
    assert trouble(report, 2.5) == ""


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (Report(cuda="", listed=T4), "its build for CPUs. Put `tensorflow[and-cuda]`"),
        (Report(cuda="12.5.1", listed=with_driver("470.82.01")), "driver 470.82.01 is older than 525, which CUDA 12"),
        (Report(cuda="13.0", listed=T4), "driver 550.54.15 is older than 580, which CUDA 13 needs"),
        (Report(cuda="12.5.1", listed=with_driver("525.60.13")), "libraries of CUDA 12, cuDNN among them"),
        (Report(cuda="14.1", listed=T4), "libraries of CUDA 14"),
        (Report(cuda="", listed=T4, system="Windows"), "on Windows it does so in WSL 2 only"),
    ],
)
def test_a_gpu_that_is_not_used_is_named_with_the_mend(report, said):
    sentence = trouble(report, 2.5)
    assert sentence.startswith("There is a Tesla T4, but TensorFlow does not use it") and said in sentence


def test_too_little_memory_is_said_with_what_the_notebook_needs():
    listed = (("GeForce GT 1030", "550.54", 1.5, 2.0),)
    report = Report(seen=("GeForce GT 1030",), cuda="12.5.1", listed=listed)
    assert "Only 1.5 of 2.0 GB" in trouble(report, 2.5) and "held up to 2.5 GB" in trouble(report, 2.5)
    assert trouble(report, 1.2) == ""


def test_the_table_of_the_driver_is_read_and_what_is_none_is_left_out():
    text = "Tesla T4, 550.54.15, 14914, 15360\nNVIDIA H200, 580.1, [N/A], 1\nno table\n, , ,\n"
    assert parse_listing(text) == (("Tesla T4", "550.54.15", 14914 / 1024, 15.0),)
    assert parse_listing("") == ()


@pytest.mark.parametrize("fault", [OSError("gone"), subprocess.TimeoutExpired("nvidia-smi", 30), 9])
def test_a_tool_that_fails_is_no_gpu(monkeypatch, fault):
    def run(*arguments, **options):
        if isinstance(fault, Exception):
            raise fault
        return subprocess.CompletedProcess([], fault, "Tesla T4, 550.54, 1, 1", "driver mismatch")

    monkeypatch.setattr(graphics.shutil, "which", lambda name: "nvidia-smi")
    monkeypatch.setattr(graphics.subprocess, "run", run)
    assert graphics._listed() == ()


def test_this_machine_has_a_report(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    report = graphics.read_report()
    assert report.hidden and all(isinstance(name, str) for name in report.seen)
