"""Which data a bundle may hold, its licences, and the bundle's README."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from helpers import datasets, image_datasets, sources
from helpers.errors import UserError

# The licences that allow passing on, as data/manifest.toml begins them, and where their text is to be read.
LICENCES = {
    "public domain": "no licence is needed",
    "MIT": "its text stands below",
    "Apache 2.0": "its text is in LICENCE-Apache-2.0.txt",
    "CC BY 4.0": "https://creativecommons.org/licenses/by/4.0/",
    "CC BY-SA 3.0": "https://creativecommons.org/licenses/by-sa/3.0/",
}
# Loaders that raise UserError for a file with other content; what has none here has to have the official hash.
LOADERS: dict[str, Callable[[], object]] = {
    "nietzsche": datasets.load_nietzsche,
    "mnist": lambda: image_datasets.load_mnist(1, 1),
    "fashion_mnist": lambda: image_datasets.load_fashion_mnist(1, 1),
}


def pack(cache: Path, mit: str) -> tuple[list[sources.Entry], dict[str, str]]:
    """Copy the data that may be passed on, and their licences, into the folder `cache`.

    Args:
        cache: where the loaders of the bundle will look; made if need be.
        mit: the MIT licence with some copyright line.

    Returns:
        The data sets that are in, and for each of the others its title and why it is not.
    """
    cache.mkdir(parents=True, exist_ok=True)
    packed, left_out = [], {}
    for entry in sources.manifest().values():
        try:
            paths = files_of(entry)
        except UserError as error:
            left_out[entry.title] = f"{error} To have it, {entry.by_hand}."
            print(f"  left out: {entry.title}", flush=True)
            continue
        for path in paths:
            shutil.copyfile(path, cache / path.name)
        packed.append(entry)
        print(f"  in it: {entry.title}", flush=True)
    (cache / "LICENCES.txt").write_text(licence_notes(packed, mit), encoding="utf-8")
    if any(licence_of(entry) == "Apache 2.0" for entry in packed):
        (cache / "LICENCE-Apache-2.0.txt").write_text(apache_licence(), encoding="utf-8")
    return packed, left_out


def licence_of(entry: sources.Entry) -> str:
    """Return which of LICENCES a data set has, or "" where none of them is plainly the one named."""
    return next((name for name in LICENCES if re.fullmatch(rf"{re.escape(name)}( \([^()]*\))?", entry.licence)), "")


def files_of(entry: sources.Entry) -> tuple[Path, ...]:
    """Return the files of a data set that may be passed on: local copies, else a download.

    Raises:
        UserError: its licence does not plainly allow it, it cannot be had, or the files are not the official ones.
    """
    if not licence_of(entry):
        raise UserError(f"Its licence does not plainly allow to pass it on ({entry.licence}).")
    lookup = sources.find(entry.key)
    if not lookup.paths:
        raise UserError(f"It could not be had where the bundle was made ({lookup.note}).")
    if entry.key in LOADERS:
        with contextlib.redirect_stdout(io.StringIO()):
            LOADERS[entry.key]()
    elif not is_official(entry, lookup.paths):
        raise UserError("The copy found where the bundle was made is not the official file.")
    return lookup.paths


def is_official(entry: sources.Entry, paths: tuple[Path, ...]) -> bool:
    """Return whether files have the names and the hashes that the manifest gives."""
    import pooch

    if [path.name for path in paths] != [file.name for file in entry.files]:
        return False
    kinds = ["sha256" if file.sha256 else "md5" for file in entry.files]
    hashes = [pooch.file_hash(str(path), kind) for path, kind in zip(paths, kinds, strict=True)]
    return hashes == [file.sha256 or file.md5 for file in entry.files]


def licence_notes(packed: list[sources.Entry], mit: str) -> str:
    """Return who made the data in a bundle, and under what terms they may be passed on."""
    lines = ["The data in this folder, their makers and licences. Sources: manifest.toml, one folder up.", ""]
    for entry in packed:
        lines += [f"{entry.title}", f"    {entry.licence}; {LICENCES[licence_of(entry)]}", ""]
    if any(entry.key == "fashion_mnist" for entry in packed):
        lines += ["Fashion-MNIST:", "", re.sub(r"Copyright \(c\).*", "Copyright (c) 2017 Zalando SE", mit)]
    return "\n".join(lines)


def apache_licence() -> str:
    """Return the text of the Apache licence, which requests, one of the project's packages, is under as well."""
    files = metadata.distribution("requests").files or []
    return next(file for file in files if file.name == "LICENSE").read_text(encoding="utf-8")


def readme(bundle: dict, commit: str, packed: list[sources.Entry], left_out: dict[str, str], size: int) -> str:
    """Return the README of a bundle.

    Args:
        bundle: what wheels/bundle.json holds.
        commit: the commit that the project's files are of.
        packed: the data sets in it.
        left_out: for each other data set, its title and why it is not in it.
        size: of the whole folder, in megabytes.
    """
    python = f"python{bundle['python']}"
    present = "".join(f"\n* {entry.title}" for entry in packed) or " nothing"
    absent = "".join(f"\n* {title}. {reason}" for title, reason in left_out.items()) or " nothing"
    return f"""Generative deep learning in five notebooks: a bundle for a room without internet
Made from commit {commit}.

For        Python {bundle["python"]} on {bundle["system"]} ({bundle["machine"]}), and for no other
Size       {size:,} MB; installed, another 2.3 GB
Needs      that Python (with its module venv), and nothing else: no internet, no administrator

Copy this folder to the disk of each computer. In the copy:

    {python} make.py run      installs into .venv (once, minutes), then runs all notebooks; the pages are in build/
    {python} make.py lab      opens the notebooks in JupyterLab

Where there is make, `make run` and `make lab` do the same. `{python} make.py test` runs the project's tests.
pip installs from wheels/ only and asks no package index. The build of TensorFlow in it is for the CPU. Each package in
wheels/ is under the licence that it carries in itself.

A notebook whose data are not here tries to download them, finds out in seconds that it cannot, and uses a stand-in
from data/standins/. With NB_OFFLINE=1 in the environment it does not try.

In data/pretrained/: weights trained by this project, each with a card (.json) that says what data they were trained on.
Those of faces and of ImageNet pictures are for non-commercial research and teaching only.

In data/cache/ (makers and licences: LICENCES.txt there):{present}

Not in it; a copy of yours, under the name that data/README.md gives, may lie in data/cache/ as well:{absent}
"""
