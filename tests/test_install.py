"""pyproject.toml, environment.yml and what make.py installs agree; the launcher installs once and repairs."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

import make
from tools import environment
from tools.environment import Environment, SetupError, check_python, pins, run_step, tensorflow_package

ROOT = Path(__file__).resolve().parents[1]
NOT_IN_COLAB = {"jupyterlab", "latex2mathml"}


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def ranges_of(lines) -> dict[str, SpecifierSet]:
    """Return name -> version range of requirement lines."""
    return {requirement.name: requirement.specifier for requirement in map(Requirement, lines)}


def pinned(name: str) -> dict[str, SpecifierSet]:
    return ranges_of(pins([ROOT / "requirements" / name], "tensorflow"))


PROJECT = tomllib.loads(read("pyproject.toml"))["project"]
RANGES = ranges_of(PROJECT["dependencies"])
TEST_RANGES = ranges_of(PROJECT["optional-dependencies"]["test"])


@pytest.mark.parametrize(("name", "ranges"), [("default.txt", RANGES), ("test.txt", TEST_RANGES)])
def test_what_is_pinned_is_in_the_projects_ranges(name, ranges):
    assert pinned(name).keys() == ranges.keys()
    for package, pin in pinned(name).items():
        (only,) = pin
        assert only.operator == "==" and only.version.endswith(".*")
        assert ranges[package].contains(Version(only.version.replace("*", "9999"))), package  # pip takes the newest


def test_the_projects_ranges_begin_at_colabs_versions():
    colab = pinned("colab.txt")
    for name in RANGES.keys() - NOT_IN_COLAB:
        (lower,) = [part.version for part in RANGES[name] if part.operator == ">="]
        assert colab[name] == SpecifierSet(f"=={lower}"), name


def test_conda_installs_the_same():
    entries = yaml.safe_load(read("environment.yml"))["dependencies"]
    assert [entry for entry in entries if isinstance(entry, str)] == [f"python{PROJECT['requires-python']}", "pip"]
    (by_pip,) = [entry["pip"] for entry in entries if isinstance(entry, dict)]
    expected = {**pinned("default.txt"), "nbval": pinned("test.txt")["nbval"]}
    assert by_pip[-1] == "-e ." and ranges_of(by_pip[:-1]) == expected


def test_every_python_of_the_project_is_accepted():
    first, beyond = (".".join(map(str, version)) for version in environment.SUPPORTED)
    assert SpecifierSet(PROJECT["requires-python"]) == SpecifierSet(f">={first},<{beyond}")


@pytest.mark.slow
def test_a_wheel_of_the_project_has_all_of_helpers(tmp_path):
    names = ("helpers", "pyproject.toml", "README.md", "LICENSE")
    for name in names:  # a copy, because the build leaves a folder behind
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
        copy(ROOT / name, tmp_path / name)
    options = ["--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", tmp_path / "wheels"]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, tmp_path], check=True, capture_output=True)
    (wheel,) = (tmp_path / "wheels").glob("*.whl")
    sources = [path for path in (ROOT / "helpers").rglob("*") if path.suffix in (".py", ".js")]
    assert {str(path.relative_to(ROOT)) for path in sources} <= set(zipfile.ZipFile(wheel).namelist())


def test_launcher_installs_these_files():
    assert [file.name for file in make.environment().files] == ["default.txt"]
    assert all(file.is_file() for file in make.environment("test.txt").files)


@pytest.mark.parametrize(
    ("system", "machine", "gpu", "package"),
    [
        ("Linux", "x86_64", False, "tensorflow-cpu"),
        ("Windows", "AMD64", False, "tensorflow-cpu"),
        ("Linux", "x86_64", True, "tensorflow[and-cuda]"),
        ("Darwin", "arm64", False, "tensorflow"),
        ("Linux", "aarch64", False, "tensorflow"),
    ],
)
def test_tensorflow_wheel_fits_the_machine(system, machine, gpu, package):
    assert tensorflow_package(system, machine, gpu) == package
    assert pins([ROOT / "requirements/default.txt"], package)[:2] == [f"{package}==2.21.*", "keras==3.15.*"]


@pytest.mark.parametrize("version", [(3, 10), (3, 14)])
def test_wrong_python_is_refused(version):
    with pytest.raises(SetupError, match=f"Python 3.{version[1]}.*3.13"):
        check_python(version)


def test_python_is_found_by_its_version_and_a_shim_that_finds_nothing_is_passed_over(tmp_path, monkeypatch):
    here = "{}.{}".format(*sys.version_info)
    assert environment.find_python(here) == sys.executable
    kept = tmp_path / "versions" / "9.87.3" / "bin" / "python"
    for path, answer in ((tmp_path / "python9.87", "exit 127"), (kept, f"echo 9.87 {kept}")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{answer}\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert environment.find_python("9.87") == str(kept)
    assert environment.find_python("9.86") is None


def test_without_python_for_colab_it_is_named(monkeypatch, capsys):
    monkeypatch.setattr(make, "find_python", lambda version: None)
    assert make.main(["test-colab"]) == 1
    assert make.COLAB_PYTHON in capsys.readouterr().err


def test_an_unlinked_environment_of_another_python(place, monkeypatch):
    other = Environment(place.root / ".venv-other", ["colab.txt"], place.root, "other-python", "3.99", linked=False)
    commands = []
    monkeypatch.setattr(environment, "run_step", lambda what, command, variables=None: commands.append(command))
    other.folder.mkdir()
    other.ensure()
    assert commands[0][:3] == ["other-python", "-m", "venv"] and len(commands) == 2
    assert "keras==3.13.2" in commands[1] and json.loads(other.stamp.read_text())["python"] == "3.99"


def test_missing_venv_module_is_explained(monkeypatch):
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    with pytest.raises(SetupError, match="ensurepip"):
        check_python()


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An environment in an empty checkout, whose steps are noted in `place.steps` instead of run."""
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    shutil.copyfile(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    place = Environment(tmp_path / ".venv", ["default.txt"], tmp_path)
    place.steps, place.failure = [], None

    def note(what, command, variables=None):
        place.steps.append(what.split()[0])
        if "venv" in command:
            place.python.parent.mkdir(parents=True, exist_ok=True)
            place.python.touch()
        elif place.failure:
            raise place.failure

    monkeypatch.setattr(environment, "run_step", note)
    monkeypatch.setattr(environment.shutil, "which", lambda name: None)  # no uv, no GPU
    monkeypatch.setattr(environment, "answer_of", lambda command, seconds=60: environment.THIS_VERSION)
    return place


def again(place) -> list[str]:
    """Call ensure once more and return the steps it took."""
    place.steps.clear()
    place.ensure()
    return list(place.steps)


def test_second_call_installs_nothing(place):
    assert again(place) == ["making", "installing", "linking"]
    assert again(place) == []


@pytest.mark.parametrize(
    ("uv_works", "installers"), [(True, ["uv", "uv"]), (False, ["uv", "pip", "uv", "pip"])], ids=["works", "fails"]
)
def test_uv_installs_where_it_is_found_and_pip_where_uv_fails(place, monkeypatch, uv_works, installers):
    commands = []

    def step(what, command, variables=None):
        commands.append(command)
        if command[0] == "/bin/uv" and not uv_works:
            raise SetupError("uv has another index")

    monkeypatch.setattr(environment, "run_step", step)
    monkeypatch.setattr(environment.shutil, "which", lambda name: "/bin/uv" if name == "uv" else None)
    place.folder.mkdir()
    place.ensure()
    assert ["uv" if command[0] == "/bin/uv" else "pip" for command in commands[1:]] == installers
    assert all(str(place.python) in command for command in commands[1:])


def test_changed_pins_are_installed(place):
    again(place)
    pins_file = place.files[0]
    pins_file.write_text(pins_file.read_text(encoding="utf-8").replace("tqdm==4.70", "tqdm==4.69"), encoding="utf-8")
    assert again(place) == ["installing", "linking"]


def test_environment_with_more_serves(place):
    with_tests = Environment(place.folder, ["default.txt", "test.txt"], place.root)
    with_tests.ensure()
    assert again(place) == []
    assert not Environment(place.folder, ["colab.txt"], place.root).is_ready()


@pytest.mark.parametrize("failure", [SetupError("no network"), KeyboardInterrupt()])
def test_an_install_that_broke_off_is_made_anew(place, failure):
    place.failure = failure
    with pytest.raises(type(failure)):
        place.ensure()
    place.failure = None
    assert again(place) == ["making", "installing", "linking"]
    assert again(place) == []


def test_an_environment_of_the_readers_own_is_filled_and_not_emptied(place, tmp_path):
    own = Environment(tmp_path / "own", ["default.txt"], tmp_path)
    own.folder.mkdir()
    (own.folder / "pyvenv.cfg").touch()
    own.ensure()
    assert place.steps == ["installing", "linking"]


def test_other_build_of_tensorflow_starts_afresh(place, monkeypatch):
    again(place)
    monkeypatch.setattr(environment, "tensorflow_package", lambda *_: "another-build")
    assert again(place) == ["making", "installing", "linking"]


@pytest.mark.parametrize("name", ["documents", "documents/thesis.txt"])
def test_what_is_no_environment_is_left_alone(tmp_path, monkeypatch, capsys, name):
    precious = tmp_path / "documents" / "thesis.txt"
    precious.parent.mkdir()
    precious.write_text("years of work")
    monkeypatch.setenv("VENV", str(tmp_path / name))
    assert make.main(["run"]) == 1
    assert str(tmp_path / name) in capsys.readouterr().err and precious.read_text() == "years of work"


def test_failed_step_shows_its_last_lines():
    script = "import sys; print('Max retries exceeded'); sys.exit(3)"
    with pytest.raises(SetupError, match=r"(?s)installing.*Max retries.*internet"):
        run_step("installing", [sys.executable, "-c", script])


def test_unknown_target_and_help():
    answers = [
        subprocess.run([sys.executable, ROOT / "make.py", *arguments], capture_output=True, text=True)
        for arguments in (["nonsense"], ["help"], [])
    ]
    assert [answer.returncode for answer in answers] == [2, 0, 0]
    assert "nonsense" in answers[0].stderr
    assert all(f"\n  {target} " in answers[1].stdout for target in make.TARGETS)


def test_make_knows_the_same_targets():
    line = next(line for line in read("Makefile").splitlines() if line.startswith("TARGETS"))
    assert line.split(":= ")[1].split() == [*make.TARGETS, "help"]


@pytest.mark.parametrize(
    ("arguments", "passed_on"),
    [
        (["test"], ["tests", "notebooks"]),
        (["test", "-k", "x"], ["-k", "x", "tests", "notebooks"]),
        (["test", "tests/test_lift.py"], ["tests/test_lift.py", make.GUARD_TEST]),
        (["test-all"], ["-m", "", "tests", "notebooks"]),
    ],
)
def test_what_is_tested(monkeypatch, arguments, passed_on):
    commands = []
    monkeypatch.setattr(Environment, "ensure", lambda place: "python")
    monkeypatch.setattr(make, "hand_over", lambda command, variables: commands.append(command) or 0)
    assert make.main(arguments) == 0
    assert commands == [["python", "-m", "pytest", *passed_on]]


def test_surroundings_of_tests(monkeypatch):
    variables = make.testing_variables({"MPLBACKEND": "qt"}, "scratch")
    assert (variables["NB_PROFILE"], variables["NB_DATA"], variables["NB_OFFLINE"]) == ("smoke", "standin", "1")
    assert "MPLBACKEND" not in variables
    assert variables["TF_NUM_INTRAOP_THREADS"] == "1"
    assert make.testing_variables({"GENERATIVE_DATA_DIR": "real"}, "scratch")["NB_DATA"] == "auto"
