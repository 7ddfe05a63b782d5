"""A bundle is whole or has another name; what is in it installs without a network, on the right system only.

The checkout, its packages and the index are tiny ones made here; git, pip and venv are the real ones. The network guard
is in every Python process below, so an install that asked an index would fail its test.
"""

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

import make
from helpers import sources
from tools import bundle, environment
from tools.environment import Environment, SetupError, check_wheels, read_bundle, this_system

ROOT = Path(__file__).resolve().parents[1]
IN_DEFAULT, IN_TEST = "tinytool==1.*  # runs\n", "tinytest==2.*  # tests\n"
# What a build backend needs to be able to do for `pip install --editable`: a wheel with a .pth file.
BACKEND = """
import pathlib, zipfile

def build_editable(folder, settings=None, metadata=None):
    name = "tiny-0.1-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(folder) / name, "w") as wheel:
        info = "tiny-0.1.dist-info"
        wheel.writestr("tiny.pth", str(pathlib.Path.cwd()))
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: tiny\\nVersion: 0.1\\n")
        tag = "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
        wheel.writestr(f"{info}/WHEEL", tag)
        wheel.writestr(f"{info}/RECORD", f"tiny.pth,,\\n{info}/METADATA,,\\n{info}/WHEEL,,\\n{info}/RECORD,,\\n")
    return name

build_wheel = build_editable
"""


def write_wheel(folder: Path, name: str, version: str, code: str = "", needs: str = "") -> Path:
    """Write a wheel with one module and return its path."""
    info, path = f"{name}-{version}.dist-info", folder / f"{name}-{version}-py3-none-any.whl"
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + (
        f"Requires-Dist: {needs}\n" if needs else ""
    )
    files = {
        f"{name}.py": code or f"version = {version!r}\n",
        f"{info}/METADATA": about,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = [f"{file},sha256={digest(text)},{len(text)}\n" for file, text in files.items()] + [f"{info}/RECORD,,\n"]
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as wheel:
        for file, text in {**files, f"{info}/RECORD": "".join(lines)}.items():
            wheel.writestr(file, text)
    return path


def digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def write_index(folder: Path) -> Path:
    """Write the wheels that can be had."""
    write_wheel(folder, "tinytool", "1.2", needs="tinypart")
    write_wheel(folder, "tinytool", "2.0")
    write_wheel(folder, "tinypart", "0.3")
    write_wheel(folder, "tinytest", "2.1")
    write_wheel(folder, "tinybuild", "1.0", BACKEND)
    return folder


def write_checkout(root: Path) -> Path:
    """Make a git checkout with this project's launcher, and tiny packages to install."""
    for name in ("make.py", "tools/colab.py", "tools/environment.py", "LICENSE"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, root / name)
    texts = {
        "requirements/default.txt": "tinytool==1.*  # runs\n",
        "requirements/test.txt": "tinytest==2.*  # tests\n",
        "pyproject.toml": '[build-system]\nrequires = ["tinybuild>=1"]\nbuild-backend = "tinybuild"\n'
        '[project]\nname = "tiny"\nversion = "0.1"\n',
        "tools/run_notebooks.py": "import sys, tinytool, tinypart; print('ran', tinytool.version, sys.argv[1:])\n",
        ".gitignore": "build/\n.venv/\n",
        "answer.txt": "as committed\n",
    }
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    for arguments in (["init", "--quiet"], ["add", "--all"], [*identity, "commit", "--quiet", "-m", "all"]):
        subprocess.run(["git", *arguments], cwd=root, check=True)
    return root


def ask_only(folder: Path, monkeypatch) -> None:
    """Let the real pip take a folder of wheels for its index."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", folder.as_uri())


@pytest.fixture
def index(tmp_path):
    return write_index(tmp_path / "index")


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout on a machine where no data can be had."""
    monkeypatch.setattr(sources, "find", lambda key: sources.Lookup((), "there is none"))
    return write_checkout(tmp_path / "checkout")


@pytest.fixture
def whole(checkout):
    return checkout / "build" / "bundle" / "generative"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A bundle made by the real pip; index and checkout are gone."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(sources, "find", lambda key: sources.Lookup((), "there is none"))
        ask_only(write_index(folder / "index"), monkeypatch)
        bundle.make_bundle(write_checkout(folder / "checkout"), folder / "generative")
    shutil.rmtree(folder / "index")
    shutil.rmtree(folder / "checkout")
    return folder / "generative"


@pytest.fixture
def copied(made, tmp_path):
    """That bundle in a folder with a blank in its name."""
    return shutil.copytree(made, tmp_path / "USB stick" / "generative")


@pytest.fixture
def pip(index, monkeypatch):
    """A stand-in for pip: chooses from and copies from `index`, one wheel a call.

    `pip.calls` are the requirements it was told to download. A call for the package `pip.refuses` raises `pip.failure`.
    """
    stand_in = SimpleNamespace(calls=[], refuses=None, failure=None)

    def step(what, command):
        if "--report" in command:
            report, *packages = command[command.index("--report") + 1 :]
            entries = [entry for package in packages for entry in choose(index, package)]
            Path(report).write_text(json.dumps({"install": entries}))
            return
        folder, requirement = command[command.index("--dest") + 1 :]
        if requirement.split("==")[0] == stand_in.refuses:
            (Path(folder) / "half.whl").write_text("not all of it")
            raise stand_in.failure
        stand_in.calls.append(requirement)
        (wheel,) = index.glob(f"{requirement.replace('==', '-')}-*.whl")
        shutil.copy(wheel, folder)

    monkeypatch.setattr(bundle, "run_step", step)
    monkeypatch.setattr(bundle, "AT_ONCE", 1)
    return stand_in


def choose(index: Path, package: str) -> list[dict]:
    """Return what pip's report says of a pinned package and of what it needs."""
    name, major = re.match(r"(\w+).=(\d)", package).groups()
    needs = ["tinypart==0.3"] if (name, major) == ("tinytool", "1") else []
    (path,) = index.glob(f"{name}-{major}*.whl")
    entry = {
        "metadata": {"name": name, "version": path.name.split("-")[1]},
        "download_info": {"url": path.as_uri()},
    }
    return [entry, *(found for need in needs for found in choose(index, need))]


def wheels_in(folder: Path) -> list[str]:
    return sorted(path.name.split("-py3")[0] for path in folder.glob("wheels/*.whl"))


def edit_note(root: Path, **changes) -> None:
    note = root / "wheels" / "bundle.json"
    note.write_text(json.dumps({**json.loads(note.read_text()), **changes}))


def test_bundle_has_the_project_its_packages_and_a_readme(pip, checkout, whole, capsys):
    (checkout / "answer.txt").write_text("not committed")
    (checkout / "mine.txt").write_text("unknown to git")
    assert bundle.make_bundle(checkout, whole) == whole
    assert wheels_in(whole) == ["tinybuild-1.0", "tinypart-0.3", "tinytest-2.1", "tinytool-1.2"]
    assert (whole / "answer.txt").read_text() == "as committed\n" and not (whole / "mine.txt").exists()
    assert "packed as last committed, not as they are now: answer.txt\n" in capsys.readouterr().out
    assert [path.name for path in whole.parent.iterdir()] == ["generative"]
    text = (whole / bundle.README).read_text()
    assert "Python {python} on {system} ({machine})".format(**this_system()) in text
    assert f"python{this_system()['python']} make.py run" in text


def test_copied_bundle_installs_without_network(copied, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX", raising=False)  # neither the user's settings nor pip's own index may be asked
    monkeypatch.setenv("PIP_FIND_LINKS", "https://192.0.2.1/wheels")
    monkeypatch.setenv("PIP_INDEX_URL", "https://192.0.2.1/simple")
    answer = subprocess.run(
        [sys.executable, "make.py", "run", "01"], cwd=copied, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    assert "ran 1.2 ['01']" in answer.stdout
    assert Environment(copied / ".venv", ["default.txt"], copied).is_ready()


def test_nothing_is_fetched_twice(pip, index, checkout, whole):
    bundle.make_bundle(checkout, whole)
    (whole / "answer.txt").write_text("edited in the bundle")
    (whole / "wheels" / "old-1.0-py3-none-any.whl").write_text("of an earlier choice")
    (whole / "build").mkdir()
    shutil.rmtree(index)  # any question to pip fails from here on
    bundle.make_bundle(checkout, whole)
    assert wheels_in(whole) == ["tinybuild-1.0", "tinypart-0.3", "tinytest-2.1", "tinytool-1.2"]
    assert (whole / "answer.txt").read_text() == "as committed\n" and not (whole / "build").exists()


def test_changed_pin_is_chosen_anew(pip, checkout, whole):
    bundle.make_bundle(checkout, whole)
    pip.calls.clear()
    (checkout / "requirements" / "default.txt").write_text("tinytool==2.*  # runs\n")
    bundle.make_bundle(checkout, whole)
    assert wheels_in(whole) == ["tinybuild-1.0", "tinytest-2.1", "tinytool-2.0"]
    assert pip.calls == ["tinytool==2.0"]


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), SetupError("the index could not be reached")])
def test_broken_off_bundle_has_another_name_and_is_gone_on_with(pip, checkout, whole, failure):
    pip.refuses, pip.failure = "tinytest", failure
    with pytest.raises(type(failure)):
        bundle.make_bundle(checkout, whole)
    part = whole.with_name("generative.part")
    assert not whole.exists() and wheels_in(part) == ["tinybuild-1.0", "tinypart-0.3"]
    with pytest.raises(SetupError, match="tinytest.* are missing or cut short"):
        check_wheels(part / "wheels", read_bundle(part / "wheels"), [])
    (part / ".incoming-killed").mkdir()
    pip.refuses = None
    pip.calls.clear()
    bundle.make_bundle(checkout, whole)
    assert pip.calls == ["tinytest==2.1", "tinytool==1.2"]
    assert not part.exists() and not list(whole.glob(".incoming*"))


def test_older_bundle_is_no_longer_called_whole_when_its_renewal_fails(pip, checkout, whole):
    bundle.make_bundle(checkout, whole)
    (checkout / "requirements" / "default.txt").write_text("tinytool==2.*  # runs\n")
    pip.refuses, pip.failure = "tinytool", SetupError("no network")
    with pytest.raises(SetupError, match="no network"):
        bundle.make_bundle(checkout, whole)
    assert not whole.exists() and "tinytest-2.1" in wheels_in(whole.with_name("generative.part"))


def test_failed_download_says_what_pip_said(index, checkout, whole, monkeypatch):
    ask_only(index, monkeypatch)
    (index / "tinypart-0.3-py3-none-any.whl").unlink()
    with pytest.raises(SetupError, match=r"(?s)choosing versions.* failed.*tinypart.*the next call goes on"):
        bundle.make_bundle(checkout, whole)
    assert not whole.exists()


def test_wheel_gone_from_the_index_is_chosen_anew(pip, index, checkout, whole):
    pip.refuses, pip.failure = "tinytool", SetupError("no network")
    with pytest.raises(SetupError, match="no network"):
        bundle.make_bundle(checkout, whole)
    pip.refuses = None
    original = index / "tinytool-1.2-py3-none-any.whl"
    original.rename(index / "tinytool-1.2-1-py3-none-any.whl")  # another build of the same version
    with pytest.raises(SetupError, match="no tinytool-1.2-py3-none-any.whl any more. Call again"):
        bundle.make_bundle(checkout, whole)
    bundle.make_bundle(checkout, whole)
    assert "tinytool-1.2-1" in wheels_in(whole)


def test_folder_without_git_is_explained(checkout, whole, tmp_path, monkeypatch):
    shutil.rmtree(checkout / ".git")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    with pytest.raises(SetupError, match="not a git repository.*in a clone of the project"):
        bundle.make_bundle(checkout, whole)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match="git is not there"):
        bundle.make_bundle(checkout, whole)


def test_a_bundle_makes_no_bundle(copied):
    with pytest.raises(SetupError, match="is itself a bundle. Copy it as it is"):
        bundle.make_bundle(copied, copied / "build" / "generative")


@pytest.mark.parametrize(("key", "other"), [("python", "3.9"), ("system", "Plan 9"), ("machine", "m68k")])
def test_other_python_or_system_is_refused_before_anything_is_made(copied, key, other):
    edit_note(copied, **{key: other})
    answer = subprocess.run([sys.executable, "make.py", "run"], cwd=copied, capture_output=True, text=True, check=False)
    for_whom = "Python {python} on {system} ({machine})"
    assert answer.returncode == 1 and not (copied / ".venv").exists()
    assert f"this bundle is for {for_whom.format(**{**this_system(), key: other})}" in answer.stderr
    assert f"and this is {for_whom.format(**this_system())}. Nothing was installed" in answer.stderr


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: os.truncate(path, 100)])
def test_lost_wheel_is_named_before_anything_is_made(copied, spoil):
    spoil(copied / "wheels" / "tinypart-0.3-py3-none-any.whl")
    with pytest.raises(SetupError, match="tinypart-0.3-py3-none-any.whl are missing or cut short. Copy the bundle"):
        Environment(copied / ".venv", ["default.txt"], copied).ensure()
    assert not (copied / ".venv").exists()


def test_packages_that_were_not_packed_are_named(copied):
    (copied / "requirements" / "colab.txt").write_text("tinytool==0.9.*  # as in Colab\n")
    with pytest.raises(SetupError, match=r"this bundle has no tinytool==0.9.\*: it has what .* Make a new one"):
        Environment(copied / ".venv", ["colab.txt", "test.txt"], copied).ensure()


def test_wheels_without_their_note_are_refused(copied):
    (copied / "wheels" / "bundle.json").unlink()
    with pytest.raises(SetupError, match="bundle.json cannot be read: copy the bundle again"):
        Environment(copied / ".venv", ["default.txt"], copied).ensure()


def test_bundle_serves_a_machine_with_a_gpu(copied, monkeypatch):
    monkeypatch.setattr(environment, "has_nvidia_gpu", lambda: True)
    monkeypatch.setattr(environment.platform, "system", lambda: "Linux")
    monkeypatch.setattr(environment.platform, "machine", lambda: "x86_64")
    place = Environment(copied / ".venv", ["default.txt"], copied)
    assert place.wanted()["tensorflow"] == "tensorflow-cpu"
    shutil.rmtree(copied / "wheels")
    assert place.wanted()["tensorflow"] == "tensorflow[and-cuda]"


def test_the_projects_own_pins_are_packed(monkeypatch):
    monkeypatch.setattr(environment, "has_nvidia_gpu", lambda: False)
    packages = bundle.wanted(ROOT)
    for place in (make.environment(), make.environment(files=("default.txt", "test.txt"))):
        assert set(place.wanted()["packages"]) <= set(packages)
    assert any(package.startswith("setuptools") for package in packages)
