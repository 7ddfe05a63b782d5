"""Where a file comes from: a local copy, a verified download, or nowhere (then the loader makes a stand-in).

`python -m helpers.data.sources` fetches everything in data/manifest.toml that can be fetched.
"""

import os
import sys
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from helpers.data import downloads
from helpers import images
from helpers.session import UserError
from helpers.session import CHECKOUT, expanded

MODES = ("auto", "real", "standin")
LARGEST_DOWNLOAD = 100_000_000  # bytes; what is larger is left to the reader's own decision
LARGEST_PICTURE = 50_000_000  # bytes of a picture whose size is not known before


@dataclass(frozen=True)
class RemoteFile:
    """One official file: its name, address, size in bytes, and hash in hexadecimal ("" where none is published).

    `md5` is given where that is all its makers publish. `bytes` is 0 where the size is not known; only a picture
    may be without.
    """

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
    """One data set of the manifest; `serves` names what a local folder may hold in place of `files`.

    `keras_cache` is the folder below Keras' own cache where Keras keeps these files, or "" if it never does.
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
        """Half a sentence that says how to get the data set without this program."""
        folders = {file.url.removesuffix(file.name) for file in self.files}
        if len(self.files) > 1 and len(folders) == 1:
            what = _listed(f"{file.name} ({_size(file.bytes)})" for file in self.files)
            folder = folders.pop()
            # What ends in # is a page to click on; a folder on a server shows no list of its files.
            what += f" from {folder[:-1]}" if folder.endswith("#") else f" from {folder}NAME"
        else:
            what = _listed(f"{file.url} ({_size(file.bytes)})" for file in self.files)
        them = "it" if len(self.files) == 1 else "them"
        return f"download {what} and put {them} into a folder that GENERATIVE_DATA_DIR names"


@dataclass(frozen=True)
class Lookup:
    """What a search found: `paths` (empty when nothing was found) and a `note` that says where, or why not."""

    paths: tuple[Path, ...]
    note: str


@cache
def manifest() -> dict[str, Entry]:
    """Return the data sets of data/manifest.toml by their keys."""
    tables = tomllib.loads((CHECKOUT / "data" / "manifest.toml").read_text(encoding="utf-8"))
    return {
        key: Entry(
            key=key,
            title=table["title"],
            licence=table["licence"],
            serves=tuple(table["serves"]),
            files=tuple(RemoteFile(**file) for file in table["files"]),
            keras_cache=table.get("keras_cache", ""),
        )
        for key, table in tables.items()
    }


def data_mode(default: str = "auto") -> str:
    """Return what `NB_DATA` asks for, or else `default`: "auto", "real" or "standin".

    Raises:
        UserError: `NB_DATA` is none of the three.
    """
    mode = os.environ.get("NB_DATA", "").strip() or default
    if mode not in MODES:
        raise UserError(f"NB_DATA={mode!r} is unknown. Set it to one of {', '.join(MODES)}, or unset it.")
    return mode


def find(key: str, mode: str = "auto") -> Lookup:
    """Look for a data set: local copy first, then (if it is small) a download.

    Args:
        key: a data set of the manifest, such as "imdb".
        mode: "auto", "real" or "standin"; the environment variable `NB_DATA` wins over it.

    Returns:
        The paths of its files, in the manifest's order (or the path of one of the names that serve in
        their place); or no paths and the reason, in which case the caller makes a stand-in.

    Raises:
        UserError: there is no such data set; `NB_DATA` or `GENERATIVE_DATA_DIR` is wrong; or
            `NB_DATA=real` and the files cannot be had.
    """
    entry = _entry(key)
    by_variable, mode = bool(os.environ.get("NB_DATA", "").strip()), data_mode(mode)
    asked, way_out = (f"NB_DATA={mode}", "set NB_DATA=auto") if by_variable else ("the setting", 'set it to "auto"')
    if mode == "standin":
        return Lookup((), f"{asked} asks for it")
    local = _find_local(entry)
    if local:
        return Lookup(local, f"local copy {local[0]}")
    lookup = _download(entry)
    if mode == "real" and not lookup.paths:
        looked = ", ".join(str(folder) for folder in _folders_of(entry))
        names, verb = _listed(file.name for file in entry.files), "is" if len(entry.files) == 1 else "are"
        raise UserError(
            f"{names} ({entry.title}) {verb} missing, and {asked} allows no stand-in. Looked for in {looked}; "
            f"download: {lookup.note}. To get it by hand, {entry.by_hand}. Or {way_out}."
        )
    return lookup


def standin_line(key: str, what: str, reason: str) -> str:
    """Return the line by which a loader says that it made a stand-in.

    Args:
        key: the data set of the manifest that it stands for.
        what: what was made, without a full stop, such as "30 faces drawn by this project".
        reason: why; half a sentence, as in the `note` of a `Lookup` without paths.

    Returns:
        "Stand-in: …, because …. For the real data …."

    Raises:
        UserError: there is no such data set.
    """
    return f"Stand-in: {what}, because {reason}. For the real data {_entry(key).by_hand}."


def local_folders() -> list[Path]:
    """Return the folders searched for local copies, in order; a relative one may start at the checkout.

    Raises:
        UserError: `GENERATIVE_DATA_DIR` is no folder.
    """
    caches = [CHECKOUT / "data" / "cache", downloads.user_cache()]
    named = os.environ.get("GENERATIVE_DATA_DIR", "").strip()
    if not named:
        return caches
    # A notebook runs in notebooks/, a test in the checkout: one relative path has to mean the same in both.
    candidates = [expanded(named), CHECKOUT / expanded(named)]
    for folder in candidates:
        if os.path.isdir(folder):  # in a place that may not be looked into there is none
            return [folder.resolve(), *caches]
    raise UserError(f"GENERATIVE_DATA_DIR={named!r} is not a folder. Correct it, or unset it.")


def _entry(key: str) -> Entry:
    if key not in manifest():
        raise UserError(f"there is no data set {key!r}. Known: {', '.join(manifest())}.")
    return manifest()[key]


def _listed(names: Iterable[str]) -> str:
    """Return "a", "a and b", or "a, b and c"."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _size(count: int) -> str:
    """Return a number of bytes for people: kB below a megabyte, and tenths of one below a hundred."""
    if not count:
        return "size unknown"
    if count < 1e6:
        return f"{max(1, round(count / 1e3)):,} kB"
    return f"{count / 1e6:,.{1 if count < 1e8 else 0}f} MB"


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
    folder = downloads.writable_cache(CHECKOUT / "data" / "cache")
    paths = [folder / file.name for file in entry.files]
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
        return Lookup(tuple(paths), f"downloaded to {paths[0]}, unverified (no official size or hash)")
    verified = all(file.known_hash for file in entry.files)
    kind = "SHA-256" if all(file.sha256 for file in entry.files) else "MD5"
    how = f"size and {kind} verified" if verified else "size verified; no official hash is known"
    return Lookup(tuple(paths), f"downloaded to {paths[0]}, {how}")


def _check(file: RemoteFile, received: Path) -> None:
    """Raise DownloadError unless what came has the file's size or, where that is not known, is a whole picture."""
    size = received.stat().st_size
    if file.bytes and size != file.bytes:
        raise downloads.DownloadError(f"{file.name} has {size:,} bytes instead of {file.bytes:,}")
    if not file.bytes:
        try:
            images.check_picture(received, file.name)
        except UserError as error:
            said = "gave no whole picture (perhaps the page of a filter, or of a network that asks to sign in)"
            raise downloads.DownloadError(f"{file.url} {said}") from error


def main() -> int:
    """Fetch every data set of the manifest, print a table, and return the exit status."""
    rows = []
    for key, entry in manifest().items():
        try:
            lookup = find(key)
        except UserError as error:
            lookup = Lookup((), str(error))
        now = "now" if entry.bytes else "no"
        verified = ("when loaded" if lookup.note.startswith("local") else now) if lookup.paths else ""
        missing, note = "NO", lookup.note
        if entry.bytes > LARGEST_DOWNLOAD and not lookup.paths:  # never fetched, so this is no failure
            missing, note = "by hand", f"{lookup.note}: {entry.by_hand}"
        rows.append((key, "yes" if lookup.paths else missing, verified, note))
    print(f"\n{'data set':<14} {'there':<8} {'verified':<12} where")
    for row in rows:
        print(f"{row[0]:<14} {row[1]:<8} {row[2]:<12} {row[3]}")
    return 1 if any(row[1] == "NO" for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
