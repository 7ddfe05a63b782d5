"""pyproject.toml, environment.yml and what make.py installs agree; the launcher installs once and repairs."""

import json
import os
import subprocess
import sys
import tomllib
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
FILES = [
    "pyproject.toml",
    "environment.yml",
    "requirements/default.txt",
    "requirements/colab.txt",
    "requirements/test.txt",
]
NOT_IN_COLAB = {"jupyterlab", "latex2mathml"}


def read(root: Path, name: str) -> str:
    return (root / name).read_text(encoding="utf-8")


def requirements(lines) -> dict[str, SpecifierSet]:
    """Return name -> version range of requirement lines."""
    parsed = [Requirement(line) for line in lines]
    return {requirement.name: requirement.specifier for requirement in parsed}


def newest_version(pin: SpecifierSet) -> Version:
    """Return 2.21.9999 for ==2.21.*: pip takes the newest one that a range allows."""
    (only,) = pin
    assert only.operator == "==" and only.version.endswith(".*"), f"{pin} pins no minor version"
    return Version(only.version.replace("*", "9999"))


def disagreements(root: Path) -> list[str]:
    """Return in what the files that say what to install differ, a line a fault."""
    project = tomllib.loads(read(root, "pyproject.toml"))["project"]
    conda = yaml.safe_load(read(root, "environment.yml"))["dependencies"]
    ranges = requirements(project["dependencies"])
    default = requirements(pins([root / "requirements/default.txt"], "tensorflow"))
    colab = requirements(pins([root / "requirements/colab.txt"], "tensorflow"))
    test = requirements(pins([root / "requirements/test.txt"], "tensorflow"))
    test_ranges = requirements(project["optional-dependencies"]["test"])
    *_, by_pip = [entry["pip"] for entry in conda if isinstance(entry, dict)]
    faults = compare("default.txt", default, ranges) + compare("test.txt", test, test_ranges)
    for name in ranges.keys() - NOT_IN_COLAB:
        (lower,) = [part.version for part in ranges[name] if part.operator == ">="]
        if colab.get(name) != SpecifierSet(f"=={lower}"):
            faults.append(f"pyproject does not begin where colab.txt does: {name}")
    if requirements(line for line in by_pip if line != "-e .") != {**default, "nbval": test["nbval"]}:
        faults.append("environment.yml pins something else than default.txt, with the nbval of test.txt")
    if "-e ." not in by_pip:
        faults.append("environment.yml does not install the project")
    if [entry for entry in conda if isinstance(entry, str)] != [f"python{project['requires-python']}", "pip"]:
        faults.append("environment.yml asks for another Python, or for more than python and pip from conda")
    first, beyond = (".".join(map(str, version)) for version in environment.SUPPORTED)
    if SpecifierSet(project["requires-python"]) != SpecifierSet(f">={first},<{beyond}"):
        faults.append("make.py checks for another Python than pyproject asks for")
    return faults


def compare(what: str, pinned: dict, ranges: dict) -> list[str]:
    faults = [f"{what} and pyproject name different packages: {name}" for name in pinned.keys() ^ ranges.keys()]
    common = pinned.keys() & ranges.keys()
    outside = [name for name in common if not ranges[name].contains(newest_version(pinned[name]))]
    return faults + [f"{what} pins {name} outside pyproject's range" for name in outside]


def test_all_agree():
    assert disagreements(ROOT) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "fault"),
    [
        ("pyproject.toml", '"pooch>=1.9.0,<2",', "", "default.txt and pyproject name different packages: pooch"),
        ("pyproject.toml", "tensorflow>=2.20.0,<2.22", "tensorflow>=2.20.0,<2.21", "default.txt pins tensorflow"),
        ("pyproject.toml", '">=3.11,<3.14"', '">=3.10,<3.14"', "make.py checks for another Python"),
        ("environment.yml", "keras==3.15.*", "keras==3.14.*", "environment.yml pins something else"),
        (
            "environment.yml",
            "      - nbval==0.11.* # to test the notebooks: pytest --nbval-lax notebooks\n",
            "",
            "environment.yml pins",
        ),
        ("environment.yml", "      - -e .\n", "", "environment.yml does not install the project"),
        ("requirements/default.txt", "numpy==2.4.*", "numpy==2.5.*", "default.txt pins numpy outside"),
        ("requirements/colab.txt", "keras==3.13.2", "keras==3.13.1", "pyproject does not begin where colab.txt does"),
        ("requirements/test.txt", "ruff==0.17.*", "", "test.txt and pyproject name different packages: ruff"),
    ],
)
def test_disagreement_is_found(tmp_path, file, old, new, fault):
    (tmp_path / "requirements").mkdir()
    for name in FILES:
        (tmp_path / name).write_text(read(ROOT, name), encoding="utf-8")
    assert old in read(ROOT, file)
    (tmp_path / file).write_text(read(ROOT, file).replace(old, new), encoding="utf-8")
    assert any(found.startswith(fault) for found in disagreements(tmp_path))


def test_launcher_installs_these_files():
    assert [file.name for file in make.environment().files] == ["default.txt"]
    assert all(file.is_file() for file in make.environment(files=("default.txt", "test.txt")).files)


def test_tensorflow_wheel_fits_the_machine():
    assert tensorflow_package("Linux", "x86_64", gpu=False) == "tensorflow-cpu"
    assert tensorflow_package("Windows", "AMD64", gpu=False) == "tensorflow-cpu"
    assert tensorflow_package("Linux", "x86_64", gpu=True) == "tensorflow[and-cuda]"
    assert tensorflow_package("Darwin", "arm64", gpu=False) == "tensorflow"
    assert tensorflow_package("Linux", "aarch64", gpu=False) == "tensorflow"
    assert pins([ROOT / "requirements/default.txt"], "tensorflow-cpu")[:2] == [
        "tensorflow-cpu==2.21.*",
        "keras==3.15.*",
    ]


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


def test_without_python_for_colab_one_line_says_so(monkeypatch, capsys):
    monkeypatch.setattr(make, "find_python", lambda version: None)
    assert make.main(["test-colab"]) == 1
    assert capsys.readouterr().err.strip().count("\n") == 0


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
    (tmp_path / "requirements").mkdir()
    for name in FILES:
        (tmp_path / name).write_text(read(ROOT, name), encoding="utf-8")
    made = Environment(tmp_path / ".venv", ["default.txt"], tmp_path)
    made.steps, made.fail_at = [], None

    def note(what, command, variables=None):
        made.steps.append(what.split()[0])
        if "venv" in command:
            made.python.parent.mkdir(parents=True, exist_ok=True)
            made.python.touch()
            made.begun.unlink(missing_ok=True)
        if made.fail_at == what.split()[0]:
            raise made.failure

    monkeypatch.setattr(environment, "run_step", note)
    monkeypatch.setattr(environment.shutil, "which", lambda name: None)  # no uv, no GPU
    monkeypatch.setattr(Environment, "_python_works", lambda self, version: self.python.exists())
    return made


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


@pytest.mark.parametrize(
    ("failure", "repair"),
    [
        (SetupError("no network"), ["installing", "linking"]),
        (KeyboardInterrupt(), ["making", "installing", "linking"]),  # pip was killed, so files may be half written
    ],
)
def test_broken_off_install_is_repaired(place, failure, repair):
    place.fail_at, place.failure = "installing", failure
    with pytest.raises(type(failure)):
        place.ensure()
    place.fail_at = None
    assert again(place) == repair
    assert again(place) == []


def test_other_build_of_tensorflow_starts_afresh(place, monkeypatch):
    again(place)
    monkeypatch.setattr(environment, "tensorflow_package", lambda *_: "another-build")
    assert again(place) == ["making", "installing", "linking"]


def test_a_folder_that_is_something_else_is_left_alone(place, tmp_path):
    precious = tmp_path / "documents" / "thesis.txt"
    precious.parent.mkdir()
    precious.write_text("years of work")
    with pytest.raises(SetupError, match="is no virtual environment"):
        Environment(precious.parent, ["default.txt"], tmp_path).ensure()
    assert precious.exists()


def test_venv_that_names_a_file_is_explained(tmp_path, monkeypatch, capsys):
    path = tmp_path / "file"
    path.write_text("something")
    monkeypatch.setenv("VENV", str(path))
    assert make.main(["run"]) == 1
    assert str(path) in capsys.readouterr().err and path.read_text() == "something"


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
    line = next(line for line in read(ROOT, "Makefile").splitlines() if line.startswith("TARGETS"))
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
