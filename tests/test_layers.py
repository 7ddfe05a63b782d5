"""The modules of helpers stand in the order that CONTRIBUTING.md names, and import only from those before them."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted(path.stem for path in (ROOT / "helpers").glob("*.py") if path.stem != "__init__")


def named_order() -> list[str]:
    """Return the modules as CONTRIBUTING.md lists them, groups set apart by semicolons."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return re.split(r"[,;] ", re.search(r"before it in the order of data flow: ([a-z0-9_,; ]+)\.", text)[1])


def imported(source: str) -> set[str]:
    """Return the modules of helpers that a module of helpers imports, inside its functions too."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            origin = ".".join(part for part in ("helpers" if node.level else "", node.module) if part)
            names |= {f"{origin}.{alias.name}" for alias in node.names} if origin == "helpers" else {origin}
    return {name.split(".")[1] for name in names if name.startswith("helpers.")}


@pytest.mark.parametrize(
    "source",
    [
        "import helpers.first, numpy\nimport helpers.second as other",
        "from helpers import first, second as other",
        "from helpers.first import a\nfrom helpers.second import b, c",
        "from . import first\nfrom .second import a",
        "def function():\n    from helpers.first import a\n    if a:\n        import helpers.second",
    ],
)
def test_every_way_to_import_is_seen(source):
    assert imported(source + "\nimport os.path\nfrom helpers_of_others import third\nfrom numpy import fourth") == {
        "first",
        "second",
    }


def test_every_module_is_named_once():
    assert sorted(named_order()) == MODULES


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_from_those_before_it(module):
    order = named_order()
    before = order[: order.index(module)]
    source = (ROOT / "helpers" / f"{module}.py").read_text(encoding="utf-8")
    assert not imported(source) - set(before), f"{module} imports what stands behind it in CONTRIBUTING.md"
