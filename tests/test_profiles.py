"""Budgets and the results folder: names and keys are checked, NB_PROFILE and NB_OUTPUT_DIR are honoured."""

from types import SimpleNamespace

import pytest

from helpers import profiles
from helpers.errors import UserError
from helpers.profiles import choose_profile, output_folder

BUDGETS = {"smoke": {"epochs": 1}, "quick": {"epochs": 3}, "full": {"epochs": 30_000}}


@pytest.mark.parametrize("name", ["smoke", "quick", "full", " full "])
def test_nb_profile_chooses(monkeypatch, capsys, name):
    monkeypatch.setenv("NB_PROFILE", name)
    run = choose_profile(**BUDGETS)
    assert vars(run) == {"name": name.strip(), **BUDGETS[name.strip()]}
    assert f"Profile {name.strip()} (NB_PROFILE): epochs {run.epochs:,}" in capsys.readouterr().out


@pytest.mark.parametrize(("gpus", "name", "reason"), [(0, "quick", "no GPU"), (1, "full", "1 GPU")])
@pytest.mark.parametrize("unset", [None, ""])
def test_without_nb_profile_the_machine_decides(monkeypatch, capsys, gpus, name, reason, unset):
    if unset is None:
        monkeypatch.delenv("NB_PROFILE", raising=False)
    else:
        monkeypatch.setenv("NB_PROFILE", unset)
    monkeypatch.setattr(profiles, "_count_gpus", lambda: gpus)
    assert choose_profile(**BUDGETS).name == name
    assert f"({reason})" in capsys.readouterr().out


def test_unknown_profile_is_named_with_those_there_are(monkeypatch):
    monkeypatch.setenv("NB_PROFILE", "fast")
    with pytest.raises(UserError, match="'fast' is not a profile.*smoke, quick, full"):
        choose_profile(**BUDGETS)


@pytest.mark.parametrize("name", ["smoke", "quick"])
@pytest.mark.parametrize("keys", [{"epochs": 1, "steps": 2}, {}, {"epoch": 1}])
def test_unequal_keys_are_an_error_in_any_profile(monkeypatch, name, keys):
    monkeypatch.setenv("NB_PROFILE", "full")  # the profile that is not run is checked as well
    with pytest.raises(UserError, match=f"'{name}' and 'full'"):
        choose_profile(**{**BUDGETS, name: keys})


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
    monkeypatch.setenv("NB_STOP_UNSAVED", "1")
    with pytest.raises(UserError, match=f"cannot be written to {tmp_path / 'file'}.*Set NB_OUTPUT_DIR"):
        output_folder("01_text_generation")


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
    monkeypatch.setenv("NB_STOP_UNSAVED", "1")
    monkeypatch.setattr(profiles.os, "getpid", lambda: "no-such-folder/probe")  # the probe's name cannot be made
    with pytest.raises(UserError, match="cannot be written to"):
        output_folder("01_text_generation")


def test_only_the_message_of_a_user_error_is_shown():
    assert UserError("do this")._render_traceback_() == ["UserError: do this"]
