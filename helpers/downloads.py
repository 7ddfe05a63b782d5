"""Downloads: short patience, verified for size and SHA-256 (official files) before a file gets its name."""

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

PATIENCE = 8.0  # seconds until a server must have answered, and seconds that it may then fall silent
LEFT_BEHIND = 600.0  # seconds without a byte, many times what any download is waited for
_offline_because = ""  # set by the first connection that fails; no other file is tried after it


class Pace(NamedTuple):
    """The least speed of a download. A server that lets a byte drip now and then never falls silent."""

    least: float = 2_000.0  # bytes a second, on average over each stretch of
    over: float = 30.0  # seconds


PACE = Pace()


class DownloadError(Exception):
    """A file could not be downloaded; the message says why in a few words. No part of it is left behind."""


def user_cache() -> Path:
    """Return the folder for downloads of a user who may not write into the checkout."""
    import pooch

    return Path(pooch.os_cache("generative-notebooks"))


def writable_cache(preferred: Path) -> Path:
    """Return `preferred` if files can be written there (it is made if need be), else the user's cache folder."""
    try:
        preferred.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=preferred).close()
    except OSError:
        return user_cache()
    return preferred


def download(url: str, path: Path, *, size: int, sha256: str, patience: float = PATIENCE, pace: Pace = PACE) -> None:
    """Download a file to `path`; it gets that name only when it is complete and right.

    Args:
        url: where the file is.
        path: what it shall be called; its folder is made if need be.
        size: its length in bytes.
        sha256: its hash in hexadecimal; or, where that is all its makers publish, "md5:" and the MD5; or "".
        patience: seconds to wait for the server's answer, and for every further piece of the file.
        pace: how fast the pieces must come.

    Raises:
        DownloadError: `NB_OFFLINE` forbids it, no connection can be had (found out once a process),
            the server refuses, the transfer is cut, stalls or drips, or the bytes are not the right ones.
    """
    if _offline_because:
        raise DownloadError(_offline_because)
    _retrieve(url, path, sha256 or None, lambda temporary: _receive(url, temporary, size, patience, pace))


def fetch(
    url: str, path: Path, *, most: int, is_known: bool = False, patience: float = PATIENCE, pace: Pace = PACE
) -> None:
    """Download a file of unknown size to `path`; it gets that name when the server says that it was all.

    Whether it is cannot be told where the server gives no length and the connection ends: a loader has to find out.

    An address of the reader's that cannot be reached may be a slip of the pen, so no other download is given up for
    it. One that `is_known` to the project is treated as in `download`.

    Args:
        url: where the file is.
        path: what it shall be called; its folder is made if need be. A file that is there already is kept.
        most: the most bytes accepted.
        is_known: whether the address stands in the manifest.
        patience: seconds to wait for the server's answer, and for every further piece of the file.
        pace: how fast the pieces must come.

    Raises:
        DownloadError: `NB_OFFLINE` forbids it, the address is none or cannot be reached, the server refuses,
            the transfer is cut, stalls or drips, or there are more than `most` bytes.
    """
    if is_known and _offline_because:
        raise DownloadError(_offline_because)
    if not path.exists():
        _retrieve(url, path, None, lambda temporary: _receive(url, temporary, None, patience, pace, most, is_known))


def _retrieve(url: str, path: Path, known_hash: str | None, receive: Callable[[Path], None]) -> None:
    import pooch

    if os.environ.get("NB_OFFLINE", "").strip() not in ("", "0"):
        raise DownloadError("NB_OFFLINE is set, so the network is not tried")
    # Without this pooch logs the hash of an unverified file and advises to trust it from then on.
    pooch.get_logger().setLevel("WARNING")
    try:
        # pooch receives into a temporary file, compares hashes, then renames or deletes it.
        with _receiving_folder(path.parent) as folder:
            pooch.retrieve(
                url,
                known_hash,
                fname=path.name,
                path=folder,
                downloader=lambda _url, temporary, _pooch: receive(Path(temporary)),
            )
            (folder / path.name).replace(path)
    except ValueError as error:  # pooch's word for a wrong hash
        kind = "MD5" if known_hash and known_hash.startswith("md5:") else "SHA-256"
        raise DownloadError(f"{path.name} arrived with other bytes than the official file ({kind} differs)") from error
    except OSError as error:
        raise DownloadError(f"{path.name} could not be written to {path.parent} ({error})") from error


@contextmanager
def _receiving_folder(parent: Path) -> Iterator[Path]:
    """Make a folder to receive a file into; it is removed at the end, as are those of processes that were killed.

    These are told by their age, not by the process: on a shared disk that may run on another machine.
    """
    parent.mkdir(parents=True, exist_ok=True)
    for left in parent.glob("receiving-*"):
        with suppress(OSError):  # another process may be removing it
            if time.time() - max(path.stat().st_mtime for path in (left, *left.iterdir())) > LEFT_BEHIND:
                shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix="receiving-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _receive(
    url: str, temporary: Path, size: int | None, patience: float, pace: Pace, most: int = 0, is_known: bool = True
) -> None:
    """Stream `url` into `temporary`, with a progress bar.

    Raises DownloadError unless exactly `size` bytes came or, where the size is not known, at most `most`.
    """
    import requests
    from tqdm.auto import tqdm
    from urllib3.exceptions import HTTPError  # what reading raises: requests sees to the answer, this to the body

    name = urlsplit(url).path.rsplit("/", 1)[-1]
    response = _connect(url, patience, concerns_all=is_known)
    most = size or most
    received = 0
    try:
        with response, temporary.open("wb") as file, tqdm(total=size, unit="B", unit_scale=True, desc=name) as progress:
            response.raise_for_status()
            for chunk in _pieces(response.raw, name, pace):
                received += len(chunk)
                if received > most:
                    break
                file.write(chunk)
                progress.update(len(chunk))
    except requests.HTTPError as error:
        raise DownloadError(f"the server answered {response.status_code} for {url}") from error
    except HTTPError as error:
        whole = f" of {size:,}" if size else ""
        raise DownloadError(f"{name} was cut off after {received:,}{whole} bytes ({type(error).__name__})") from error
    if size is None and received > most:
        raise DownloadError(f"{url} has more than {most / 1e6:,.0f} MB")
    if size is not None and received != size:
        more = "more than " if received > size else ""
        raise DownloadError(f"{name} has {more}{min(received, size):,} bytes instead of {size:,}")


def _pieces(body, name: str, pace: Pace) -> Iterator[bytes]:
    """Yield what a server sends as it arrives; raise DownloadError once a stretch of time has brought too little."""
    # `read1` gives what is there; `read`, all that urllib3 has before 2.1, waits for the whole piece.
    read = getattr(body, "read1", body.read)
    started, received = time.monotonic(), 0
    while piece := read(1 << 16, decode_content=True):
        yield piece
        received += len(piece)
        seconds = time.monotonic() - started
        if seconds >= pace.over:
            if received < pace.least * seconds:
                raise DownloadError(
                    f"{name} came too slowly: {received:,} bytes in {seconds:.3g} s, "
                    f"less than {pace.least:,.0f} a second"
                )
            started, received = time.monotonic(), 0


def _connect(url: str, patience: float, concerns_all: bool):
    """Return the open response of `url`, its body not yet read; raise DownloadError if no answer comes in time.

    With `concerns_all` an address that cannot be reached means that there is no network, for all files.

    A name server or a list of silent addresses can take minutes, whatever time limit is set for one
    connection. So a thread does the waiting; a daemon, because it must not hold up the program's end.
    """
    import requests

    global _offline_because
    outcome, answers = [], []

    def ask() -> None:
        try:
            headers = {"Accept-Encoding": "identity"}  # the size that is checked is that of the file itself
            hooks = {"response": lambda response, **_: answers.append(response.url)}  # redirections too
            outcome.append(requests.get(url, stream=True, timeout=patience, headers=headers, hooks=hooks))
        except Exception as error:  # whatever it is, it belongs to the waiting thread
            outcome.append(error)

    host = urlsplit(url).netloc
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(patience + 1)
    result = outcome[0] if outcome else TimeoutError()
    if answers and isinstance(result, TimeoutError):
        raise DownloadError(f"{host} led on from place to place for more than {patience:g} s")
    if isinstance(result, requests.ReadTimeout):
        raise DownloadError(f"{host} accepted the connection and then said nothing for {patience:g} s")
    if isinstance(result, requests.ConnectionError | TimeoutError):
        if not concerns_all:
            raise DownloadError(f"{host} could not be reached") from result
        _offline_because = f"{host} could not be reached, so no download is tried in this session"
        raise DownloadError(_offline_because) from result
    if isinstance(result, requests.RequestException | UnicodeError | ValueError):
        raise DownloadError(f"{url} is no address that can be opened ({type(result).__name__})") from result
    if isinstance(result, Exception):
        raise result
    return result
