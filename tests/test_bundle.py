"""A bundle is whole or has another name; what is in it installs without a network, on the right system only.

The checkout, its packages and the index are tiny ones made here; git, pip and venv are the real ones. The network guard
is in every Python process below, so an install that asked an index would fail its test.
"""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from helpers.data import sources
from tools import bundle
from tools.environment import SetupError, check_bundle, this_system

ROOT = Path(__file__).resolve().parents[1]
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


def write_wheel(folder: Path, name: str, version: str, code: str = "", needs: str = "") -> None:
    """Write a wheel with one module."""
    info, about = f"{name}-{version}.dist-info", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    files = {
        f"{name}.py": code or f"version = {version!r}\n",
        f"{info}/METADATA": about + (f"Requires-Dist: {needs}\n" if needs else ""),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"])
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for file, text in {**files, f"{info}/RECORD": record}.items():
            wheel.writestr(file, text)


def write_index(folder: Path) -> Path:
    """Write the wheels that can be had."""
    write_wheel(folder, "tinytool", "1.2", needs="tinypart")
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
def checkout(tmp_path, monkeypatch):
    """A checkout on a machine where no data can be had."""
    monkeypatch.setattr(sources, "find", lambda key: sources.Lookup((), "there is none"))
    return write_checkout(tmp_path / "checkout")


@pytest.mark.slow
def test_a_bundle_holds_the_project_and_installs_without_network(checkout, tmp_path, monkeypatch):
    whole, copied = tmp_path / "build" / "generative", tmp_path / "copied"
    ask_only(write_index(tmp_path / "index"), monkeypatch)
    (checkout / "answer.txt").write_text("not committed")
    (checkout / "mine.txt").write_text("unknown to git")
    assert bundle.make_bundle(checkout, whole) == whole
    wheels = sorted(path.name.split("-py3")[0] for path in whole.glob("wheels/*.whl"))
    assert wheels == ["tinybuild-1.0", "tinypart-0.3", "tinytest-2.1", "tinytool-1.2"]
    assert (whole / "answer.txt").read_text() == "as committed\n" and not (whole / "mine.txt").exists()
    assert [path.name for path in whole.parent.iterdir()] == ["generative"]
    text = (whole / bundle.README).read_text()
    assert "Python {python} on {system} ({machine})".format(**this_system()) in text
    assert "CC BY 4.0" in text and "LICENCE-PSF.txt" in text

    whole.rename(copied)
    for name in ("index", "checkout"):
        shutil.rmtree(tmp_path / name)
    monkeypatch.setenv("PIP_FIND_LINKS", "https://192.0.2.1/wheels")  # settings of the user's that may not be asked
    monkeypatch.delenv("PIP_NO_INDEX")
    command = [sys.executable, "make.py", "run", "01"]
    answer = subprocess.run(command, cwd=copied, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert "ran 1.2 ['01']" in answer.stdout
    with pytest.raises(SetupError, match="itself a bundle"):
        bundle.make_bundle(copied, copied / "build" / "generative")


@pytest.mark.slow
def test_a_download_that_fails_leaves_no_whole_bundle(checkout, tmp_path, monkeypatch):
    index, whole = write_index(tmp_path / "index"), tmp_path / "build" / "generative"
    ask_only(index, monkeypatch)
    (index / "tinypart-0.3-py3-none-any.whl").unlink()
    with pytest.raises(SetupError, match="(?s)fetching.* failed.*tinypart"):
        bundle.make_bundle(checkout, whole)
    assert not whole.exists()


def test_without_git_a_bundle_is_refused(checkout, tmp_path, monkeypatch):
    shutil.rmtree(checkout / ".git")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    with pytest.raises(SetupError, match="clone of the project"):
        bundle.make_bundle(checkout, tmp_path / "whole")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match="git is not there"):
        bundle.make_bundle(checkout, tmp_path / "whole")


@pytest.fixture
def wheels(tmp_path):
    """The wheels of a bundle, with their note."""
    folder = write_index(tmp_path / "wheels")
    sizes = {path.name: path.stat().st_size for path in folder.glob("*.whl")}
    (folder / "bundle.json").write_text(json.dumps({**this_system(), "wheels": sizes}))
    check_bundle(folder)
    return folder


@pytest.mark.parametrize(("key", "other"), [("python", "3.9"), ("system", "Plan 9"), ("machine", "m68k")])
def test_other_python_or_system_is_refused(wheels, key, other):
    note = wheels / "bundle.json"
    note.write_text(json.dumps({**json.loads(note.read_text()), key: other}))
    with pytest.raises(SetupError, match=f"this bundle is for .*{other}"):
        check_bundle(wheels)


@pytest.mark.parametrize(("name", "content"), [("tinypart-0.3-py3-none-any.whl", b"cut short"), ("bundle.json", b"{")])
def test_a_bundle_that_was_not_copied_whole_is_refused(wheels, name, content):
    (wheels / name).write_bytes(content)
    with pytest.raises(SetupError, match=name):
        check_bundle(wheels)


def test_only_data_that_may_be_passed_on_are_packed(tmp_path, monkeypatch):
    file = tmp_path / "data.bin"
    file.write_bytes(b"data")
    monkeypatch.setattr(sources, "find", lambda key: sources.Lookup((file,), "local copy"))
    packed, left_out = bundle.pack_data(tmp_path / "cache", (bundle.ROOT / "LICENSE").read_text(encoding="utf-8"))
    assert len(packed) == 9 and any("Fashion-MNIST" in line for line in packed)
    assert any("Movie Review" in line for line in left_out) and any("CelebA" in line for line in left_out)
    notes = (tmp_path / "cache" / "LICENCES.txt").read_text(encoding="utf-8")
    assert "Zalando" in notes and "authors of this project" not in notes and "9. Accepting Warranty" in notes
    assert (tmp_path / "cache" / "data.bin").read_bytes() == b"data"
    assert not bundle.PASSED_ON.fullmatch("MIT for the code, the pictures belong to their authors")
