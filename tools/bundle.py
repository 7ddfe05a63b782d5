"""One folder for a room without internet: `python -m tools.bundle` writes build/bundle/generative/.

It holds the project's files as last committed, wheels of all that make.py installs, and the data that may be passed on.
tools/environment.py finds the wheels beside make.py and then asks no package index. Until all is there, the folder is
called generative.part.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from importlib import metadata
from pathlib import Path

from helpers.data import sources
from helpers.session import UserError
from tools.environment import SetupError, pins, run_step, tensorflow_package, this_system

ROOT = Path(__file__).resolve().parents[1]
README = "README-BUNDLE.txt"
# The licences that allow passing on, as data/manifest.toml names them. A name in brackets may follow, and nothing else.
PASSED_ON = re.compile(r"(public domain|MIT|Apache 2\.0|CC BY 4\.0|CC BY-SA 3\.0)( \([^()]*\))?")
TEXT = """\
Generative deep learning in five notebooks: a bundle for a room without internet
Made from commit {commit}.

For        Python {python} on {system} ({machine}), and for no other
Size       {size:,} MB; installed, another 2.3 GB
Needs      that Python (with its module venv), and nothing else: no internet, no administrator

Copy this folder to the disk of each computer. In the copy:

    python{python} make.py run      installs into .venv (once, minutes), runs all notebooks, writes pages to build/
    python{python} make.py lab      opens the notebooks in JupyterLab

pip installs from wheels/ only and asks no package index. TensorFlow is the build for the CPU. Each package in wheels/
is under the licence that it carries in itself.

A notebook whose data are missing looks for the network once, for some seconds, and then uses the stand-ins in
data/standins/. With NB_OFFLINE=1 in the environment it does not look. The stand-ins' terms are in README.md there: the
digits are under CC BY 4.0 (E. Alpaydin and C. Kaynak), the prose under the PSF licence (LICENCE-PSF.txt), the rest
under MIT.

In data/pretrained/: weights trained by this project, each with a card (.json). Those of photographed faces and of
ImageNet pictures are for non-commercial research and teaching only.

In data/cache/ (makers and licences: LICENCES.txt there):
{packed}
Not in it; your copy, under the name that data/README.md gives, may be put into data/cache/:
{left_out}
"""


def main() -> int:
    """Write the bundle, say where it is, and return the exit status."""
    os.environ["NB_DATA"] = "auto"  # a stand-in is not packed twice
    try:
        whole = make_bundle(ROOT, ROOT / "build" / "bundle" / "generative")
    except (SetupError, UserError, OSError) as error:
        print(f"\nmake.py: {error}", file=sys.stderr)
        return 1
    print(f"\nThe bundle: {whole} ({megabytes(whole):,} MB). How to use it: {README} in it.")
    return 0


def make_bundle(root: Path, whole: Path) -> Path:
    """Write the bundle of the checkout `root` to the folder `whole`, which has that name only when it is complete."""
    if (root / "wheels").exists():
        raise SetupError(f"{root} is itself a bundle. Copy it, or make a new one in a clone of the project.")
    part = whole.with_name(f"{whole.name}.part")
    for folder in (part, whole):
        shutil.rmtree(folder, ignore_errors=True)
    part.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "project.zip"
        git(root, "archive", "--format=zip", f"--output={archive}", "HEAD")
        shutil.unpack_archive(archive, part)
    if changed := git(root, "diff", "--name-only", "--relative", "HEAD").splitlines():
        print(f"  packed as last committed, not as they are now: {', '.join(changed)}")
    pack_wheels(part / "wheels", wanted(root))
    packed, left_out = pack_data(part / "data" / "cache", (root / "LICENSE").read_text(encoding="utf-8"))
    text = TEXT.format(
        **this_system(),
        commit=git(root, "rev-parse", "--short", "HEAD").strip(),
        size=megabytes(part),
        packed="".join(f"* {line}\n" for line in packed),
        left_out="".join(f"* {line}\n" for line in left_out),
    )
    (part / README).write_text(text, encoding="utf-8")
    return part.rename(whole)


def git(root: Path, *arguments: str) -> str:
    """Return what a git command prints in the checkout `root`; raise SetupError where it fails."""
    try:
        answer = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, encoding="utf-8")
    except FileNotFoundError as error:
        raise SetupError("git is not there, and a bundle has the files that git knows. Install it.") from error
    if answer.returncode:
        raise SetupError(f"git says of {root}: {answer.stderr.strip()}. Call `make bundle` in a clone of the project.")
    return answer.stdout


def wanted(root: Path) -> list[str]:
    """Return the requirements that a bundle serves: of make.py's targets, and of linking the project's helpers."""
    system = this_system()
    tensorflow = tensorflow_package(system["system"], system["machine"], gpu=False)  # CUDA's terms are NVIDIA's own
    files = [root / "requirements" / name for name in ("default.txt", "test.txt")]
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    return [*pins(files, tensorflow), *project["build-system"]["requires"]]


def pack_wheels(folder: Path, packages: list[str]) -> None:
    """Fetch the wheels of `packages` and of all they need, and write down for which system they are."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]
    run_step(f"fetching {len(packages)} packages and what they need", [*pip, "--dest", str(folder), *packages])
    sizes = {path.name: path.stat().st_size for path in sorted(folder.glob("*.whl"))}
    note = json.dumps({**this_system(), "wheels": sizes}, indent=1)
    (folder / "bundle.json").write_text(note, encoding="utf-8")


def pack_data(cache: Path, mit: str) -> tuple[list[str], list[str]]:
    """Copy the real data whose licence allows it, and the licences (`mit` is one's text), into the folder `cache`.

    Returns a line for each data set that is packed, and for each that is left out.
    """
    cache.mkdir(parents=True, exist_ok=True)
    packed, left_out = [], []
    for entry in sources.manifest().values():
        allowed = PASSED_ON.fullmatch(entry.licence)
        lookup = sources.find(entry.key) if allowed else None
        if lookup and lookup.paths:
            for path in lookup.paths:
                shutil.copyfile(path, cache / path.name)
            packed.append(f"{entry.title}: {entry.licence}")
        else:
            reason = f"not found ({lookup.note})" if lookup else f"it may not be passed on ({entry.licence})"
            left_out.append(f"{entry.title}: {reason}. To have it, {entry.by_hand}.")
    texts = [re.sub(r"Copyright \(c\).*", "Copyright (c) 2017 Zalando SE (Fashion-MNIST)", mit)]
    texts += [file.read_text(encoding="utf-8") for file in metadata.files("requests") if file.name == "LICENSE"]
    notes = "\n\n".join(["\n".join(packed), "The texts of the MIT and of the Apache licence 2.0:", *texts])
    (cache / "LICENCES.txt").write_text(notes, encoding="utf-8")
    return packed, left_out


def megabytes(folder: Path) -> int:
    """Return the size of all files in a folder, in millions of bytes."""
    return round(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6)


if __name__ == "__main__":
    sys.exit(main())
