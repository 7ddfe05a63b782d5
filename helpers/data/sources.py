"""Where a file comes from: a local copy, a verified download, or nowhere (then the loader takes a stand-in).

`python -m helpers.data.sources` fetches everything in data/manifest.toml that can be fetched.
"""

import os
import sys
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from helpers import images
from helpers.data import downloads
from helpers.session import CHECKOUT, UserError, expanded

MODES = ("auto", "real", "standin")
LARGEST_DOWNLOAD = 100_000_000  # bytes; a reader has to fetch larger files by hand
LARGEST_PICTURE = 50_000_000  # bytes of a picture whose size is not known before


@dataclass(frozen=True)
class RemoteFile:
    """An official file. `bytes` is 0 for a picture of unknown size; a hash is "" where its makers publish none."""

    name: str
    url: str
    bytes: int
    sha256: str
    md5: str = ""

    @property
    def known_hash(self) -> str:
        """The hash as `downloads.download` takes it, or ""."""
        return self.sha256 or (self.md5 and f"md5:{self.md5}")


@dataclass(frozen=True)
class Entry:
    """One data set of the manifest. Each name in `serves` may take the place of `files` in a local folder.

    Keras keeps the same files in the folder `keras_cache` of its own cache; "" if it does not keep them.
    """

    key: str
    title: str
    licence: str
    serves: tuple[str, ...]
    files: tuple[RemoteFile, ...]
    keras_cache: str = ""

    @property
    def bytes(self) -> int:
        """Size of all files together, 0 where it is not known."""
        return sum(file.bytes for file in self.files)

    @property
    def by_hand(self) -> str:
        """Half a sentence that tells the reader how to get the data set without this program."""
        addresses = _listed(f"{file.url} ({_size(file.bytes)})" for file in self.files)
        them = "it" if len(self.files) == 1 else "them"
        return f"download {addresses} and put {them} into a folder that GENERATIVE_DATA_DIR names"


@dataclass(frozen=True)
class Lookup:
    """The result of a search: `paths` (empty if nothing was found), and a `note` that says where, or why not."""

    paths: tuple[Path, ...]
    note: str


@cache
def manifest() -> dict[str, Entry]:
    """Return the data sets of data/manifest.toml by their keys."""
    tables = tomllib.loads((CHECKOUT / "data" / "manifest.toml").read_text(encoding="utf-8"))
    for table in tables.values():
        table["files"] = tuple(RemoteFile(**file) for file in table["files"])
        table["serves"] = tuple(table["serves"])
    return {key: Entry(key, **table) for key, table in tables.items()}


def data_mode(default: str = "auto") -> str:
    """Return `NB_DATA`, or else `default`: "auto", "real" or "standin"; UserError for any other."""
    mode = os.environ.get("NB_DATA", "").strip() or default
    if mode not in MODES:
        raise UserError(f"NB_DATA={mode!r} is unknown. Set it to one of {', '.join(MODES)}, or unset it.")
    return mode


def find(key: str, mode: str = "auto") -> Lookup:
    """Look for a data set: a local copy first, then a download if it is small. `NB_DATA` wins over `mode`.

    The paths are those of its files in the manifest's order, or the one path of a name that serves in their place.
    A UserError says what is missing in mode "real".
    """
    entry, mode = manifest()[key], data_mode(mode)
    by_variable = bool(os.environ.get("NB_DATA", "").strip())
    setting, way_out = (f"NB_DATA={mode}", "set NB_DATA=auto") if by_variable else ("the setting", 'set it to "auto"')
    if mode == "standin":
        return Lookup((), f"{setting} asks for it")
    if paths := _find_local(entry):
        return Lookup(paths, f"local copy {paths[0]}")
    lookup = _download(entry)
    if mode == "real" and not lookup.paths:
        names, verb = _listed(file.name for file in entry.files), "is" if len(entry.files) == 1 else "are"
        raise UserError(
            f"{names} ({entry.title}) {verb} missing, and {setting} allows no stand-in. Looked for in "
            f"{', '.join(map(str, _folders_of(entry)))}; download: {lookup.note}. To get it by hand, {entry.by_hand}. "
            f"Or {way_out}."
        )
    return lookup


def standin_line(key: str, what: str, reason: str) -> str:
    """Return the line by which a loader reports a stand-in: what it is, why it is used, how to get the real data."""
    return f"Stand-in: {what}, because {reason}. For the real data {manifest()[key].by_hand}."


def local_folders() -> list[Path]:
    """Return the folders searched for local copies, in order; a relative one may start at the checkout."""
    caches = [CHECKOUT / "data" / "cache", downloads.user_cache()]
    named = os.environ.get("GENERATIVE_DATA_DIR", "").strip()
    if not named:
        return caches
    # A notebook runs in notebooks/, a test in the checkout: a relative path has to mean the same in both.
    for folder in (expanded(named), CHECKOUT / expanded(named)):
        if os.path.isdir(folder):  # False, unlike Path.is_dir, where the system allows no look
            return [folder.resolve(), *caches]
    raise UserError(f"GENERATIVE_DATA_DIR={named!r} is not a folder. Correct it, or unset it.")


def cache_folder(*below: str) -> Path:
    """Return a folder to download to: in the checkout if it is writable, else in the user's own cache."""
    return downloads.writable_cache(CHECKOUT.joinpath("data", "cache", *below))


def _listed(names: Iterable[str]) -> str:
    """Return "a", "a and b", or "a, b and c"."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _size(count: int) -> str:
    """Return a number of bytes for people."""
    if not count:
        return "size unknown"
    return f"{max(1, round(count / 1e3)):,} kB" if count < 1e6 else f"{count / 1e6:,.1f} MB"


def _folders_of(entry: Entry) -> list[Path]:
    keras_home = Path(os.path.expanduser(os.environ.get("KERAS_HOME") or "~/.keras"))
    return [*local_folders(), *([keras_home / entry.keras_cache] if entry.keras_cache else [])]


def _find_local(entry: Entry) -> tuple[Path, ...]:
    for folder in _folders_of(entry):
        for names in [[file.name for file in entry.files], *([name] for name in entry.serves)]:
            paths = tuple(folder / name for name in names)
            if all(os.path.exists(path) for path in paths):
                return paths
    return ()


def _download(entry: Entry) -> Lookup:
    if entry.bytes > LARGEST_DOWNLOAD:
        return Lookup((), f"{_size(entry.bytes)} is too much to download unasked")
    folder = cache_folder()
    paths = tuple(folder / file.name for file in entry.files)
    try:
        if not downloads.is_offline():
            small = (other for other in manifest().values() if other.bytes <= LARGEST_DOWNLOAD)
            downloads.ask(file.url for other in small for file in other.files)
        for file, path in zip(entry.files, paths, strict=True):
            check, most = partial(_check, file), file.bytes or LARGEST_PICTURE
            downloads.download(file.url, path, known_hash=file.known_hash, most=most, check=check)
    except downloads.DownloadError as error:
        return Lookup((), str(error))
    if not entry.bytes:
        how = "unverified (no official size or hash)"
    elif all(file.known_hash for file in entry.files):
        how = f"size and {'SHA-256' if all(file.sha256 for file in entry.files) else 'MD5'} verified"
    else:
        how = "size verified; no official hash is known"
    return Lookup(paths, f"downloaded to {paths[0]}, {how}")


def _check(file: RemoteFile, received: Path) -> None:
    """Raise DownloadError unless a received file has the right size or, if that is unknown, is a whole picture."""
    size = received.stat().st_size
    if file.bytes and size != file.bytes:
        raise downloads.DownloadError(f"{file.name} has {size:,} bytes instead of {file.bytes:,}")
    if not file.bytes:
        try:
            images.check_picture(received, file.name)
        except UserError as error:
            reason = "gave no whole picture (perhaps the page of a filter, or of a network that asks to sign in)"
            raise downloads.DownloadError(f"{file.url} {reason}") from error


def main() -> int:
    """Fetch every data set of the manifest, print a table, and return the exit status."""
    print(f"\n{'data set':<14} {'there':<8} {'verified':<12} where")
    has_failed = False
    for key, entry in manifest().items():
        try:
            lookup = find(key)
        except UserError as error:
            lookup = Lookup((), str(error))
        verified = "when loaded" if lookup.note.startswith("local") else "now" if entry.bytes else "no"
        if lookup.paths:
            print(f"{key:<14} {'yes':<8} {verified:<12} {lookup.note}")
        elif entry.bytes > LARGEST_DOWNLOAD:  # never fetched, so this is no failure
            print(f"{key:<14} {'by hand':<8} {'':<12} {lookup.note}: {entry.by_hand}")
        else:
            has_failed = True
            print(f"{key:<14} {'NO':<8} {'':<12} {lookup.note}")
    return int(has_failed)


if __name__ == "__main__":
    sys.exit(main())
