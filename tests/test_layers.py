"""helpers/ holds the ten names of CONTRIBUTING.md and nothing else, and each imports only earlier ones."""

import ast

import pytest
from conftest import ROOT

ORDER = ["session", "images", "data", "text", "latents", "networks", "training", "metrics", "plots", "explorers"]
FILES = sorted((ROOT / "helpers").rglob("*.py"))


def test_there_are_ten_names():
    assert {path.stem for path in (ROOT / "helpers").iterdir()} - {"__init__", "__pycache__"} == set(ORDER)
    assert ", ".join(ORDER) in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT / "helpers")))
def test_a_name_imports_only_earlier_ones(path):
    name = path.relative_to(ROOT / "helpers").parts[0].removesuffix(".py")
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {f"{n.module}.{a.name}" for n in nodes if isinstance(n, ast.ImportFrom) for a in n.names}
    used = {each.split(".")[1] for each in imported if each.startswith("helpers.")}
    allowed = ORDER[: ORDER.index(name) + 1] if name in ORDER else ["session"]  # __init__ itself
    assert used & set(ORDER) <= set(allowed)
