"""The first cell and the badge: stamped from one address, and working in an empty folder as in Colab."""

import shutil
import subprocess
import sys
import sysconfig
import textwrap
from pathlib import Path

import nbformat
import pytest

from tools.colab import make_repository
from tools.stamp import BADGE, FIRST_CELL, badge, first_cell, folder_of, main, settings, stamp

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SETTINGS = {"repository": "https://github.com/me/mine", "branch": "main"}
PLACEHOLDER = {"repository": "https://github.com/your-account/mine", "branch": "main"}
WHERE = "import helpers\nprint(helpers.__file__)"
# A Python that sees the installed packages but not this project: -S skips the .pth files by which an editable install
# is found. The network guard is then started by hand.
BARE = f"import sys; sys.path += {[sysconfig.get_paths()['purelib'], sysconfig.get_paths()['platlib']]!r}\n"


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """The address of a git repository that holds this working tree's helpers, data and notebooks."""
    return make_repository(tmp_path_factory.mktemp("repository") / "work")


@pytest.fixture
def empty_folder(tmp_path, monkeypatch):
    """An empty folder, made sure not to lie beside any helpers."""
    monkeypatch.setenv("LC_ALL", "C")  # what git says is looked at
    folder = tmp_path / "content" / "empty"
    folder.mkdir(parents=True)
    return folder


def run_in(folder: Path, *sources: str) -> str:
    """Run cells, which are plain Python, where the project is unknown; return what they print."""
    program = "\n\n".join([BARE, "import sitecustomize", *sources])
    done = subprocess.run([sys.executable, "-S", "-c", program], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


def project_of(said: str) -> Path:
    """Return the folder from which the last cell, WHERE, says that helpers were imported."""
    return Path(said.splitlines()[-1]).parents[1]


def test_first_cell_clones_what_it_needs(empty_folder, clone, monkeypatch):
    monkeypatch.setenv("GENERATIVE_REPOSITORY", clone)
    cell = first_cell(SETTINGS)
    assert project_of(run_in(empty_folder, cell, WHERE)) == empty_folder / "mine"
    monkeypatch.setenv("GENERATIVE_REPOSITORY", "file:///nowhere")
    assert project_of(run_in(empty_folder, cell, cell, WHERE)) == empty_folder / "mine"  # with the clone there, twice


def test_an_address_is_no_command(empty_folder, monkeypatch):
    monkeypatch.setenv("GENERATIVE_REPOSITORY", ' "; touch ran; echo "`touch ran` ')
    with pytest.raises(RuntimeError, match="Upload the folder mine"):
        run_in(empty_folder, first_cell(SETTINGS))
    assert not list(empty_folder.iterdir())


@pytest.mark.parametrize(("folders", "reason"), [(None, "nothing.* does not"), ("/nowhere", "git.*not found")])
def test_first_cell_says_what_is_wrong(empty_folder, monkeypatch, folders, reason):
    monkeypatch.setenv("GENERATIVE_REPOSITORY", (empty_folder / "nothing").as_uri())
    if folders:
        monkeypatch.setenv("PATH", folders)
    with pytest.raises(RuntimeError, match=f"(?s)Upload the folder mine .*{reason}"):
        run_in(empty_folder, first_cell(SETTINGS))


def test_first_cell_clones_from_no_placeholder(empty_folder, monkeypatch):
    monkeypatch.delenv("GENERATIVE_REPOSITORY", raising=False)
    assert "http" not in first_cell(PLACEHOLDER) and "http" not in badge(PLACEHOLDER, "01_x.ipynb")
    no_call = "import subprocess\nsubprocess.getoutput = None"
    with pytest.raises(RuntimeError, match="Upload the folder mine"):
        run_in(empty_folder, no_call, first_cell(PLACEHOLDER))


@pytest.mark.parametrize("place", ["..", ".", folder_of(settings())])
def test_first_cell_uses_a_folder_that_is_there(empty_folder, monkeypatch, place):
    monkeypatch.setenv("GENERATIVE_REPOSITORY", "file:///nowhere")
    for name in ("helpers", "data"):
        shutil.copytree(ROOT / name, empty_folder / place / name, ignore=shutil.ignore_patterns("cache"))
    assert project_of(run_in(empty_folder, first_cell(settings()), WHERE)) == (empty_folder / place).resolve()


def test_a_folder_put_there_after_the_first_cell_failed_is_found(empty_folder, monkeypatch):
    monkeypatch.delenv("GENERATIVE_REPOSITORY", raising=False)
    cell = first_cell(PLACEHOLDER)
    attempt = f"try:\n{textwrap.indent(cell, '    ')}\nexcept RuntimeError as error:\n    print(error)"
    put = f"import shutil\nshutil.copytree({str(ROOT / 'helpers')!r}, 'mine/helpers')"
    done = run_in(empty_folder, attempt, put, cell, WHERE)
    assert "Upload the folder mine" in done and project_of(done) == empty_folder / "mine"


def test_first_cell_is_folded_and_the_settings_are_next():
    for path in NOTEBOOKS:
        first, second = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"][:2]
        assert first.metadata.cellView == "form" and first.metadata.jupyter.source_hidden
        assert second.source.startswith('profile = "auto"  # @param ["auto", "smoke", "quick", "full"]\n')
        assert "jupyter" not in second.metadata and f'"{path.stem}"' in second.source


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
    notebook.cells[2].source += "\n# altered"
    assert stamp(notebook, SETTINGS, path.name)


def test_the_notebooks_are_stamped(write_notebook, capsys):
    assert main(["--check"]) == 0
    path = write_notebook("01_x", "# Title", "import numpy")
    assert main(["--check", "--notebooks", str(path.parent)]) == 1 and "01_x.ipynb" in capsys.readouterr().out
    assert main(["--notebooks", str(path.parent)]) == 0
    assert main(["--check", "--notebooks", str(path.parent)]) == 0
