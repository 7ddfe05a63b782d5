"""One folder for a room without internet: `python -m tools.bundle` writes build/bundle/generative/.

In it are the project as git has it, wheels of all that make.py installs (tools/environment.py finds them beside make.py
and then asks no package index), and the data that may be passed on. Until all of it is there the folder is called
generative.part; a call that was broken off is gone on with there, and a later one begins with the wheels of the last.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from urllib.parse import unquote, urlsplit

from helpers.errors import UserError
from tools import bundle_data
from tools.environment import SetupError, pins, run_step, tensorflow_package, this_system

ROOT = Path(__file__).resolve().parents[1]
README = "README-BUNDLE.txt"
AT_ONCE = 10  # wheels a call of pip: what a call that is broken off has fetched is fetched again
PIP = [sys.executable, "-m", "pip"]
FETCHED = ["--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]


def main() -> int:
    """Write the bundle, say where it is, and return the exit status."""
    os.environ["NB_DATA"] = "auto"  # a stand-in is nothing to pack
    try:
        whole = make_bundle(ROOT, ROOT / "build" / "bundle" / "generative")
    except (SetupError, UserError) as error:
        print(f"\nmake.py: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"\nmake.py: {error}. What is there is kept: the next call goes on from it.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. The next call goes on from here.", file=sys.stderr)
        return 130
    print(f"\nThe bundle: {whole} ({megabytes(whole):,} MB). How to use it: {README} in it.")
    return 0


def make_bundle(root: Path, whole: Path) -> Path:
    """Write the bundle of the checkout `root` to the folder `whole`, which has that name only when it is complete.

    Raises:
        SetupError: git or a checkout is not there, or a download failed; what was fetched stays for the next call.
    """
    part = begin(whole)
    commit = export_project(root, part)
    pack_wheels(part / "wheels", wanted(root))
    packed, left_out = bundle_data.pack(part / "data" / "cache", (root / "LICENSE").read_text(encoding="utf-8"))
    bundle = read_note(part / "wheels" / "bundle.json")
    text = bundle_data.readme(bundle, commit, packed, left_out, megabytes(part))
    (part / README).write_text(text, encoding="utf-8")
    part.rename(whole)
    return whole


def begin(whole: Path) -> Path:
    """Return the folder to work in: under another name than `whole`, and with nothing in it but earlier wheels."""
    part = whole.with_name(f"{whole.name}.part")
    if whole.exists():
        shutil.rmtree(part, ignore_errors=True)
        whole.rename(part)
    (part / "wheels").mkdir(parents=True, exist_ok=True)
    for entry in part.iterdir():
        if entry.name == "wheels":
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    return part


def export_project(root: Path, part: Path) -> str:
    """Write the files of the last commit into `part` and return the commit's short name.

    Raises:
        SetupError: `root` is itself a bundle or no git checkout, or there is no git.
    """
    if (root / "wheels" / "bundle.json").exists():
        raise SetupError(f"{root} is itself a bundle. Copy it as it is, or make a new one in a git checkout.")
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "project.zip"
        git(root, "archive", "--format=zip", f"--output={archive}", "HEAD")
        shutil.unpack_archive(archive, part)
    if changed := git(root, "diff", "--name-only", "--relative", "HEAD").splitlines():
        print(f"  packed as last committed, not as they are now: {', '.join(changed)}")
    commit = git(root, "rev-parse", "--short", "HEAD").strip()
    print(f"  the project's files: as of commit {commit}", flush=True)
    return commit


def git(root: Path, *arguments: str) -> str:
    """Return what a git command says in the checkout `root`; raise SetupError where it cannot."""
    try:
        answer = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, encoding="utf-8")
    except FileNotFoundError as error:
        raise SetupError("git is not there, and the files of a bundle are those that git knows. Install it.") from error
    if answer.returncode:
        raise SetupError(
            f"the files of a bundle are those that git knows, and git says of {root}: {answer.stderr.strip()}. "
            "Call `make bundle` in a clone of the project."
        )
    return answer.stdout


def wanted(root: Path) -> list[str]:
    """Return the requirements that a bundle serves: of make.py's targets, and of linking the project's helpers."""
    system = this_system()
    tensorflow = tensorflow_package(system["system"], system["machine"], gpu=False)  # CUDA's terms are NVIDIA's own
    files = [root / "requirements" / name for name in ("default.txt", "test.txt")]
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    return [*pins(files, tensorflow), *project["build-system"]["requires"]]


def pack_wheels(folder: Path, packages: list[str]) -> None:
    """Fetch the wheels of `packages` and of all they need into `folder`, as far as they are not there.

    Raises:
        SetupError: pip failed; the wheels that came stay.
    """
    note = folder / "bundle.json"
    bundle = read_note(note)
    if bundle is None or bundle != {**bundle, **this_system(), "packages": packages}:
        bundle = {**this_system(), "packages": packages, "wheels": resolve(packages)}
        write_note(note, bundle)
    wheels = bundle["wheels"]
    missing = [name for name in sorted(wheels) if not (folder / name).exists()]
    print(f"  {len(wheels)} wheels, {len(wheels) - len(missing)} of them are there", flush=True)
    for start in range(0, len(missing), AT_ONCE):
        names = missing[start : start + AT_ONCE]
        what = f"wheels {start + 1} to {start + len(names)} of {len(missing)}, {names[0].split('-')[0]} and on"
        fetch(folder, {name: wheels[name]["requirement"] for name in names}, what)
    for path in folder.iterdir():
        if path != note and path.name not in wheels:
            path.unlink()  # of an earlier choice of versions
    for name, wheel in wheels.items():
        wheel["bytes"] = (folder / name).stat().st_size
    write_note(note, bundle)


def resolve(packages: list[str]) -> dict[str, dict]:
    """Return the wheels that pip would install here for `packages`: file name -> exact requirement, size unknown."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [*PIP, "install", "--dry-run", "--ignore-installed", *FETCHED, "--report", str(report), *packages]
        run_step(f"choosing versions for {len(packages)} packages and what they need", command)
        chosen = json.loads(report.read_text(encoding="utf-8"))["install"]
    return {
        Path(unquote(urlsplit(entry["download_info"]["url"]).path)).name: {
            "requirement": f"{entry['metadata']['name']}=={entry['metadata']['version']}",
            "bytes": None,
        }
        for entry in chosen
    }


def fetch(folder: Path, requirements: dict[str, str], what: str) -> None:
    """Download wheels (file name -> requirement); they get their place in `folder` when pip has done with them."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".incoming-") as incoming:
        command = [*PIP, "download", "--no-deps", *FETCHED, "--dest", incoming, *requirements.values()]
        run_step(what, command)
        for path in Path(incoming).iterdir():
            os.replace(path, folder / path.name)
    if lost := [name for name in requirements if not (folder / name).exists()]:
        (folder / "bundle.json").unlink()  # the index changed since the versions were chosen
        raise SetupError(f"the index has no {', '.join(lost)} any more. Call again: versions are then chosen anew.")


def megabytes(folder: Path) -> int:
    """Return the size of all files in a folder, in millions of bytes."""
    return round(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6)


def read_note(path: Path) -> dict | None:
    with contextlib.suppress(OSError, ValueError):
        return json.loads(path.read_text(encoding="utf-8"))
    return None


def write_note(path: Path, bundle: dict) -> None:
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(bundle, indent=1), encoding="utf-8")
    os.replace(temporary, path)


if __name__ == "__main__":
    sys.exit(main())
