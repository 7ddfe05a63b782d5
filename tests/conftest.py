"""What all tests share: the surroundings that make.py gives, the network guard, and tiny notebooks."""

import os
import sys
import tempfile
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
GUARD = ROOT / "tests" / "guard"

if os.environ.get("PYTHONPATH", "").split(os.pathsep)[0] != str(GUARD):  # pytest was called without make.py
    from make import testing_variables

    own = {name: os.environ[name] for name in ("NB_PROFILE", "NB_DATA", "NB_OUTPUT_DIR") if name in os.environ}
    os.environ.update(testing_variables(dict(os.environ), tempfile.mkdtemp(prefix="generative-")) | own)
    os.environ.pop("MPLBACKEND", None)
if not getattr(sys, "network_is_guarded", False):
    sys.path.insert(0, str(GUARD))
    sys.modules.pop("sitecustomize", None)
    import sitecustomize  # noqa: F401  (guards this very process)

if worker := os.environ.get(
    "PYTEST_XDIST_WORKER"
):  # a log of its own, so a test does not answer for one of the other worker
    os.environ["NETWORK_GUARD_LOG"] += f"-{worker}"
_seen = 0  # how much of the guard's log belongs to tests that are over
# What takes longest begins first, so that both workers end at about the same time.
LONGEST = ("/04_", "/05_", "test_browser", ".ipynb", "test_claims")  # in the names of files


def pytest_configure(config):
    config.pluginmanager.register(Watch())


def pytest_collection_modifyitems(items):
    def place(item):
        return next((n for n, begin in enumerate(LONGEST) if begin in item.nodeid.split("::")[0]), len(LONGEST))

    items.sort(key=place)


class Watch:
    """Hooks for all items; those of a conftest.py reach the tests beside it, but no notebook."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item, call):
        """Fail the test (or notebook cell) during which something reached for the network."""
        report = yield
        attempts = new_attempts()
        if attempts and call.when == "call" and not item.get_closest_marker("reaches_for_network"):
            report.outcome = "failed"
            report.longrepr = f"{report.longrepr or ''}\nreached for the network: {', '.join(attempts)}"
        latencies = getattr(sys.modules.get("browser"), "LATENCIES", [])
        report.user_properties += [("latency", line) for line in latencies]  # which leave a worker with its reports
        latencies.clear()
        return report


def new_attempts() -> list[str]:
    """Return what the guard has logged since the last call, one entry an attempt."""
    global _seen
    log = Path(os.environ["NETWORK_GUARD_LOG"])
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    fresh, _seen = lines[_seen:], len(lines)
    return fresh


def pytest_terminal_summary(terminalreporter):
    """Print how long the controls took to answer in the browser, if they were tried."""
    reports = [report for kind in terminalreporter.stats.values() for report in kind]
    properties = [pair for report in reports for pair in getattr(report, "user_properties", ())]
    if lines := dict.fromkeys(line for name, line in properties if name == "latency"):
        terminalreporter.section("from a key pressed to the page changed")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture
def timers(monkeypatch):
    """Put a stand-in for threading.Timer into the explorers, whose work waits until the test says `fire`."""
    from explorer_tools import Timers

    from helpers.explorers import base

    made = Timers()
    monkeypatch.setattr(base.threading, "Timer", made)
    return made


@pytest.fixture
def fresh_process(monkeypatch, tmp_path):
    """No variable set, no network known to be down, and a checkout of its own whose cache is empty."""
    from helpers.data import downloads, sources

    for name in ("NB_DATA", "NB_OFFLINE", "GENERATIVE_DATA_DIR", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(downloads, "_answers", {})
    monkeypatch.setattr(downloads, "user_cache", lambda: tmp_path / "user-cache")
    sources.manifest()  # read, and kept, while the real checkout can be seen
    monkeypatch.setattr(sources, "CHECKOUT", tmp_path / "checkout")


@pytest.fixture
def own_data(fresh_process, monkeypatch, tmp_path):
    """A folder of the reader's own, the only one with data; no network, and NB_DATA=real."""
    folder = tmp_path / "own"
    folder.mkdir()
    variables = {"GENERATIVE_DATA_DIR": folder, "NB_DATA": "real", "NB_OFFLINE": 1, "KERAS_HOME": tmp_path / "keras"}
    for name, value in variables.items():
        monkeypatch.setenv(name, str(value))
    return folder


@pytest.fixture
def server():
    """A web server at `server.url` that answers as the test sets it."""
    from web_server import serving

    with serving() as answers:
        yield answers


@pytest.fixture
def write_notebook(tmp_path):
    """Return a function that writes a notebook of the given cells and returns its path.

    A cell is a string of code, or of markdown when it begins with '#' and a blank, or a finished cell.
    """

    def write(name: str, *cells, folder: Path = tmp_path / "notebooks") -> Path:
        made = [cell if not isinstance(cell, str) else make_cell(cell) for cell in cells]
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=made), path)
        return path

    return write


def make_cell(source: str):
    """Return a markdown cell for text that begins with a heading mark, else a code cell."""
    is_markdown = source.lstrip("#").startswith(" ") and source.startswith("#")
    return nbformat.v4.new_markdown_cell(source) if is_markdown else nbformat.v4.new_code_cell(source)
