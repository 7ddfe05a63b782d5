"""Lays out what Colab finds: each notebook alone in an empty folder, and a git repository for its first cell to clone.

`make test-colab` uses it, with the versions of packages that Colab has (requirements/colab.txt).
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LEFT_OUT = shutil.ignore_patterns("cache", "__pycache__", "build", ".ipynb_checkpoints")


def make_repository(folder: Path) -> str:
    """Put this working tree's helpers, data and notebooks into a new git repository; return its address."""
    for name in ("helpers", "data", "notebooks"):
        shutil.copytree(ROOT / name, folder / name, ignore=LEFT_OUT)
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    for arguments in (["init", "--quiet"], ["add", "--all"], [*identity, "commit", "--quiet", "-m", "all"]):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    return folder.as_uri()


def lay_out(folder: Path, names: list[str]) -> list[Path]:
    """Copy each notebook whose file name begins with one of `names`, or all, into a folder of its own."""
    copies = []
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        if not names or path.name.startswith(tuple(names)):
            (folder / path.stem).mkdir(parents=True)
            copies.append(Path(shutil.copy(path, folder / path.stem)))
    return copies
