"""The runner behind `make run`, on notebooks of a few cells."""

import base64
import json
import os
import re
import signal
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import nbformat
import pytest
from PIL import Image

from tools import execute, run_notebooks
from tools.pages import PEAK_LIMITS, thumbnail
from tools.run_notebooks import choose, main

ROOT = Path(__file__).resolve().parents[1]
HEADLINE = """
import json, os, pathlib
folder = pathlib.Path(os.environ["NB_OUTPUT_DIR"]) / "01_good"
(folder / "checkpoints").mkdir(parents=True, exist_ok=True)
(folder / "headline.json").write_text(json.dumps({"text": "1.23 bits per character"}))
"""
PICTURE = """
import matplotlib.pyplot as plt
plt.plot([1, 2])
plt.show()
"""
CONTROL = "import ipywidgets\nipywidgets.IntSlider()"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a function that runs the notebooks written so far and returns the exit status."""
    monkeypatch.setenv("NB_PROFILE", "smoke")
    monkeypatch.setenv("NB_OUTPUT_DIR", "replaced by the runner")
    folders = ["--notebooks", str(tmp_path / "notebooks"), "--build", str(tmp_path / "build")]
    return lambda *arguments: main([*folders, *arguments])


def test_results_pages_and_table(write_notebook, run, tmp_path, capsys):
    build = tmp_path / "build"
    index, results = build / "index.html", build / "run" / "smoke"
    write_notebook("01_good", "# A good one", "## Train", HEADLINE, "## Look", PICTURE)
    write_notebook("02_bad", "# A bad one", "print('before')", "raise ValueError('no luck')", "print('after')")
    write_notebook("03_plain", f"assert 'A good one' in open({str(index)!r}).read()")  # the index grows meanwhile
    write_notebook("04_dead", "import os\nos._exit(1)")
    for name in ("01_good", "02_bad"):
        (results / name / "checkpoints").mkdir(parents=True)
    (results / "02_bad" / "headline.json").write_text(json.dumps({"text": "from an earlier run"}))
    assert run() == 1
    printed = capsys.readouterr()
    table = printed.out[printed.out.index("notebook  ") :]
    assert re.search(r"01_good +\d+\.\d +0\.\d\d GB +1.23 bits per character", table)
    assert re.search(r"02_bad +\d+\.\d +0\.\d\d GB +FAILED: ValueError: no luck", table)
    assert re.search(r"03_plain .*-\n", table) and re.search(r"04_dead .*FAILED: .*died", table)
    assert "[1/4] 01_good  cell 1/2  0:0" in printed.out and "Train" in printed.out
    assert "raise ValueError('no luck')" in printed.err
    partial = nbformat.read(build / "02_bad.ipynb", as_version=4)
    assert partial.cells[1].outputs[0].text == "before\n"
    assert "no luck" in (build / "02_bad.html").read_text(encoding="utf-8")
    page = index.read_text(encoding="utf-8")
    assert "1.23 bits per character" in page and 'src="data:image/png;base64,' in page and "no luck" in page
    assert "from an earlier run" not in page and page.index("01_good.html") < page.index("02_bad.html")
    assert [(results / name / "checkpoints").exists() for name in ("01_good", "02_bad")] == [False, True]


def test_a_profile_keeps_to_its_own_results_and_the_index_shows_the_newest(write_notebook, run, tmp_path):
    others = tmp_path / "build" / "run" / "full" / "01_good" / "checkpoints" / "faces"
    others.mkdir(parents=True)
    write_notebook("01_good", "import os", "assert os.environ['NB_PROFILE'] != 'quick', 'not here'")
    for profile, is_good in (("smoke", True), ("quick", False)):
        assert run("--profile", profile) == (not is_good)
        page = (tmp_path / "build" / "index.html").read_text(encoding="utf-8")
        assert f"{profile} profile" in page and ("Failed" in page) == (not is_good)
    assert others.exists()
    assert run("--profile", "full") == 0 and not others.exists()


def test_temporary_files_of_a_kernel_go_with_its_run_and_those_of_a_killed_one_with_the_next(
    write_notebook, run, tmp_path
):
    output, other = tmp_path / "build" / "run" / "smoke" / "01_writes", f"temporary-{os.getppid()}"
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for left in (f"temporary-{dead.pid}", other):
        (output / left).mkdir(parents=True)
    path = write_notebook("01_writes", "import sys, tempfile", "print(tempfile.mkstemp('.left')[1], sys.executable)")
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata["kernelspec"] = {"name": "no-such-kernel", "display_name": "None", "language": "python"}
    nbformat.write(notebook, path)
    assert run() == 0
    [shown] = nbformat.read(tmp_path / "build" / "01_writes.ipynb", as_version=4).cells[1].outputs
    left, python = shown.text.split()
    assert Path(left).parent == output / f"temporary-{os.getpid()}" and python == sys.executable
    assert [path.name for path in output.glob("temporary-*")] == [other]


def test_page_loads_nothing_and_folds_what_the_notebook_folds(write_notebook, run, tmp_path):
    badge = nbformat.v4.new_markdown_cell(
        "![Open in Colab](https://example.org/badge.svg)", metadata={"tags": ["badge"]}
    )
    picture = tmp_path / "notebooks" / "figures" / "dot.png"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(bytes.fromhex("89504e470d0a1a0a"))
    text = "# Formula\n\n$$\\sum_i p_i = 1$$ and $x \\le y$\n\n![dot](figures/dot.png) [a link](https://example.org)"
    answer = "<details><summary>Answer</summary>\n\nThe *answer*.\n\n```python\nx = 1\n```\n</details>"
    write_notebook("01_page", text, badge, CONTROL, PICTURE, f"# Exercises\n\n**A question.**\n\n{answer}\n\nAfter it.")
    assert run() == 0
    page = (tmp_path / "build" / "01_page.html").read_text(encoding="utf-8")
    loads = re.findall(r"<(?:script|link|img|iframe|source)\b[^>]*\b(?:src|href)=[\"'](?!data:)[^\"']*", page)
    loads += re.findall(r"@import[^;]*;|url\([\"']?https?:[^)]*\)", page)
    assert loads == []
    assert page.count("<math ") == 2 and "$x" not in page
    assert "needs a running kernel" in page
    assert page.count("<img ") == 2
    assert "vnd.jupyter.widget" not in page
    widget = nbformat.read(tmp_path / "build" / "01_page.ipynb", as_version=4)
    assert "application/vnd.jupyter.widget-view+json" in widget.cells[2].outputs[0].data
    [folded] = re.findall(r"<details>.*?</details>", page, re.DOTALL)
    assert "<em>answer</em>" in folded and '<div class="highlight">' in folded and "question" not in folded
    assert "After it." in page.partition("</details>")[2]


def test_page_shows_pictures_with_their_text(write_notebook, run, tmp_path):
    code = """from helpers import plots
import numpy as np
from IPython.display import display
pictures = [np.zeros((8, 8, 3)), np.ones((8, 8, 3))]
display(plots.animation(pictures, 0.1, "Night & day"))
plots.picture_table({"night": pictures[0]}, "", "Night & day")"""
    write_notebook("01_moving", code)
    assert run() == 0
    page = (tmp_path / "build" / "01_moving.html").read_text(encoding="utf-8")
    frames = {}
    for shown in re.findall(r"<img [^>]*>", page):
        kind, content = re.search('src="data:image/([a-z]+);base64,([^"]*)"', shown).groups()
        with Image.open(BytesIO(base64.b64decode(content))) as picture:
            frames[kind] = getattr(picture, "n_frames", 1)
        assert 'alt="Night &amp; day"' in shown
    assert frames == {"webp": 2, "png": 1}


def test_the_thumbnail_is_the_tagged_picture_or_else_the_last():
    def cell(png, *tags):
        output = nbformat.v4.new_output(
            "display_data", {"image/png": png}, metadata={"image/png": {"alt": f"the {png[:3]}"}}
        )
        return nbformat.v4.new_code_cell("", outputs=[output], metadata={"tags": list(tags)})

    cells = [cell("first"), cell("sec\nond", "thumbnail"), cell("third"), nbformat.v4.new_markdown_cell("end")]
    empty = nbformat.v4.new_code_cell("", metadata={"tags": ["thumbnail"]})
    assert thumbnail(nbformat.v4.new_notebook(cells=cells)) == ("second", "the sec")
    assert thumbnail(nbformat.v4.new_notebook(cells=[cells[0], cells[2]])) == ("third", "the thi")
    assert thumbnail(nbformat.v4.new_notebook(cells=[empty])) is None


def test_memory_over_the_limit_is_warned_of_below_the_table(write_notebook, run, monkeypatch, capsys):
    write_notebook("01_small", "pass")
    write_notebook("02_large", "held = bytearray(b'1') * 150_000_000")
    monkeypatch.setitem(PEAK_LIMITS, "smoke", 0.15)  # GB: an idle kernel takes about 0.07
    assert run() == 0
    below = capsys.readouterr().out.rpartition("headline figure")[2]
    assert re.findall(r"WARNING: (.*) 0\.\d\d GB is over the 0.15 GB", below) == ["02_large: peak memory"]


def test_a_kernel_that_does_not_start_is_reported_and_stops_no_other(write_notebook, run, monkeypatch, capsys):
    write_notebook("01_never", "pass")
    write_notebook("02_good", "pass")
    run_one = run_notebooks.run_notebook

    def never_starts(path, *rest):
        with monkeypatch.context() as patch:
            if path.stem == "01_never":
                patch.setattr(execute, "LAUNCHER", [sys.executable, "-c", "raise SystemExit(3)"])
            return run_one(path, *rest)

    monkeypatch.setattr(run_notebooks, "run_notebook", never_starts)
    assert run() == 1
    table = capsys.readouterr().out.rpartition("headline figure")[2]
    assert re.search(r"01_never .*FAILED", table) and re.search(r"02_good .*-\n", table)


def test_names_choose_notebooks(write_notebook, run, tmp_path, capsys):
    paths = [write_notebook(name, "pass") for name in ("01_one", "02_two")]
    assert choose(paths[0].parent, ["02"]) == [paths[1]]
    assert choose(paths[0].parent, ["notebooks/01_one.ipynb"]) == [paths[0]]
    assert run("03") == 2
    assert "01_one, 02_two" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="Windows sends Ctrl-C to a whole console")
def test_ctrl_c_stops_and_says_so(write_notebook, tmp_path):
    write_notebook("01_done", "print('done')")
    write_notebook("02_long", "## Train", "import time\nprint('first')", "## Wait", "time.sleep(600)")
    folders = ["--notebooks", str(tmp_path / "notebooks"), "--build", str(tmp_path / "build")]
    command = [sys.executable, "-m", "tools.run_notebooks", *folders]
    listen = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}  # a background job ignores Ctrl-C
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, cwd=ROOT, **pipes, **listen)
    for line in process.stdout:
        if "Wait" in line:
            process.send_signal(signal.SIGINT)
            break
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Stopped in 02_long." in err and "Traceback" not in err
    assert "01_done" in out
    partial = nbformat.read(tmp_path / "build" / "02_long.ipynb", as_version=4)
    assert partial.cells[1].outputs[0].text == "first\n"
