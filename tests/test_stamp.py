"""The first cell and the badge: stamped from one address, and working in an empty folder as in Colab."""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

from tools.execute import execute
from tools.stamp import BADGE, FIRST_CELL, badge, first_cell, main, settings, stamp

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SETTINGS = {"repository": "https://github.com/me/mine", "branch": "main", "colab_packages": ["pooch"]}
# A kernel that sees the installed packages but not this project: -S skips the .pth files by which an
# editable install is found. The network guard is then started by hand.
BARE_KERNEL = [
    sys.executable,
    "-S",
    "-c",
    f"import sys; sys.path += {[sysconfig.get_paths()['purelib'], sysconfig.get_paths()['platlib']]!r}; "
    "import sitecustomize; from ipykernel.kernelapp import launch_new_instance; launch_new_instance()",
    "--log-level=ERROR",
]


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """The address of a git repository that holds this working tree's helpers, data and notebooks."""
    folder = tmp_path_factory.mktemp("repository")
    for name in ("helpers", "data", "notebooks"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("cache", "__pycache__", "build"))
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    for arguments in (["init", "--quiet"], ["add", "--all"], [*identity, "commit", "--quiet", "-m", "all"]):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    return folder.as_uri()


@pytest.fixture
def empty_folder(tmp_path):
    """An empty folder, made sure not to lie beside any helpers."""
    folder = tmp_path / "content" / "empty"
    folder.mkdir(parents=True)
    return folder


def run_in(folder: Path, *sources: str) -> nbformat.NotebookNode:
    """Run cells in a kernel to which the project is unknown."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    execute(notebook, folder, command=BARE_KERNEL)
    return notebook


def test_bare_kernel_does_not_know_the_project(empty_folder):
    with pytest.raises(CellExecutionError, match="No module named 'helpers'"):
        run_in(empty_folder, "import helpers")


def test_first_cell_clones_what_it_needs(empty_folder, clone, monkeypatch):
    monkeypatch.setenv("GENERATIVE_REPOSITORY", clone)
    where = "import helpers.profiles\nprint(helpers.profiles.__file__)"
    printed = run_in(empty_folder, first_cell(settings()), where).cells[1].outputs[0].text
    assert Path(printed.strip()).is_relative_to(empty_folder)
    run_in(empty_folder, first_cell(settings()), where)  # again, with the clone already there


def test_first_cell_says_what_is_wrong_without_network(empty_folder, monkeypatch):
    monkeypatch.setenv("GENERATIVE_REPOSITORY", (empty_folder / "nothing").as_uri())
    with pytest.raises(CellExecutionError, match="could not be cloned. Is there internet?"):
        run_in(empty_folder, first_cell(settings()))


def test_first_cell_installs_only_what_is_missing(empty_folder):
    (empty_folder / "mine").mkdir()  # as if cloned already
    record = """
import subprocess
calls = []
def run(command, **options):
    calls.append(command)
    return subprocess.CompletedProcess(command, 0)
subprocess.run = run"""
    cell = first_cell({**SETTINGS, "colab_packages": ["json", "no_such_package"]})
    printed = run_in(empty_folder, record, cell, "print(*calls)").cells[2].outputs[0].text
    assert printed.endswith("'-m', 'pip', 'install', '--quiet', 'no_such_package']\n")
    assert printed.count("[") == 1


def test_first_cell_in_a_checkout_uses_the_folder_above(empty_folder, monkeypatch):
    monkeypatch.setenv("GENERATIVE_REPOSITORY", "file:///nowhere")
    (empty_folder / "notebooks").mkdir()
    shutil.copytree(ROOT / "helpers", empty_folder / "helpers")
    printed = run_in(empty_folder / "notebooks", first_cell(settings()), "import helpers; print(helpers.__file__)")
    assert Path(printed.cells[1].outputs[0].text.strip()).is_relative_to(empty_folder)


def test_a_notebook_runs_as_in_colab(empty_folder, clone, monkeypatch):
    monkeypatch.setenv("GENERATIVE_REPOSITORY", clone)
    monkeypatch.setenv("NB_OUTPUT_DIR", str(empty_folder / "results"))
    notebook = nbformat.read(NOTEBOOKS[0], as_version=4)
    execute(notebook, empty_folder, command=BARE_KERNEL)


@pytest.mark.parametrize("package", ["tensorflow", "keras"])
def test_first_cell_never_installs(package):
    assert package not in settings()["colab_packages"]


def test_first_cell_is_short():
    assert len(first_cell(settings()).splitlines()) <= 24


def test_badge_points_at_the_address():
    address = "https://colab.research.google.com/github/me/mine/blob/main/notebooks/01_x.ipynb"
    assert badge(SETTINGS, "01_x.ipynb").endswith(f"({address})")
    assert "colab" not in badge({**SETTINGS, "repository": "https://git.example.org/mine"}, "01_x.ipynb")


def test_stamping_again_changes_nothing_and_keeps_ids(write_notebook):
    path = write_notebook("01_x", "# Title", "import numpy")
    notebook = nbformat.read(path, as_version=4)
    ids = [cell.id for cell in notebook.cells]
    assert stamp(notebook, SETTINGS, path.name)
    assert [cell.id for cell in notebook.cells] == [ids[0], BADGE, FIRST_CELL, ids[1]]
    assert not stamp(notebook, SETTINGS, path.name)
    assert stamp(notebook, {**SETTINGS, "repository": "https://github.com/you/other"}, path.name)


def test_check_finds_an_altered_cell(write_notebook, capsys):
    path = write_notebook("01_x", "# Title", "import numpy")
    folder = ["--notebooks", str(path.parent)]
    assert main([*folder, "--check"]) == 1
    assert main(folder) == 0
    assert main([*folder, "--check"]) == 0
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[2].source += "\n# altered"
    nbformat.write(notebook, path)
    assert main([*folder, "--check"]) == 1
    assert "01_x.ipynb: not stamped" in capsys.readouterr().out


def test_the_notebooks_are_stamped():
    assert main(["--check"]) == 0
