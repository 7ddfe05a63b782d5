"""Downloads by pooch: a file gets its name when it is complete and checked; an offline machine finds out in seconds."""

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import urlsplit

from tqdm.auto import tqdm

PATIENCE = 8.0  # seconds in which all hosts must answer, and for which a server may then fall silent
PIECE = 1 << 16  # bytes received at a time
_answers: dict[str, bool] = {}  # host → whether it answered; asked once in a session


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


def is_offline() -> bool:
    """Return whether `NB_OFFLINE` forbids the network."""
    return os.environ.get("NB_OFFLINE", "").strip() not in ("", "0")


def ask(urls: Iterable[str]) -> None:
    """Find out which hosts can be reached: all of them at the same time, and each once in a session.

    A machine without a network thus waits once, and a host that is down delays no other. Threads do the waiting
    because a name server can take minutes, whatever the time limit of the connection is.
    """
    import requests

    def answer(address: str, host: str) -> None:
        try:
            requests.head(address, timeout=PATIENCE, allow_redirects=False)
            _answers[host] = True
        except requests.ReadTimeout:  # the host is there; the download will report what is wrong
            _answers[host] = True
        except Exception:  # an error that leaves the thread would be printed
            _answers.setdefault(host, False)

    addresses = {parts.netloc: f"{parts.scheme}://{parts.netloc}/" for parts in map(urlsplit, urls)}
    threads = [
        threading.Thread(target=answer, args=(address, host), daemon=True)
        for host, address in addresses.items()
        if host not in _answers
    ]
    until = time.monotonic() + PATIENCE
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0, until - time.monotonic()))
    for host in addresses:
        _answers.setdefault(host, False)


def download(
    url: str, path: Path, *, known_hash: str = "", most: int, check: Callable[[Path], None] = lambda received: None
) -> None:
    """Download at most `most` bytes to `path`, unless it exists; DownloadError if that fails or `check` raises one.

    `known_hash` is the SHA-256 in hexadecimal, or "md5:" and the MD5, or "" where none is published.
    """
    import pooch
    import requests

    if path.exists():
        return
    if is_offline():
        raise DownloadError("NB_OFFLINE is set, so the network is not tried")
    try:
        host = urlsplit(url).netloc
    except ValueError as error:
        raise DownloadError(f"{url} is no address that can be opened ({error})") from error
    ask([url])
    if not _answers[host]:
        raise DownloadError(f"{host or url} could not be reached (restart the kernel to try again)")

    def receive(url: str, temporary: str, pooch_itself: object) -> None:
        with _Progress(most, path.name) as progress:
            headers = {"Accept-Encoding": "identity"}  # the size that is checked is that of the file itself
            get = pooch.HTTPDownloader(progress, PIECE, timeout=PATIENCE, headers=headers)
            get(url, temporary, pooch_itself)
        check(Path(temporary))

    pooch.get_logger().setLevel("WARNING")  # else it advises to trust the hash of an unverified file from then on
    try:
        # pooch receives into a temporary file beside `path`, compares hashes, then renames or deletes it.
        pooch.retrieve(url, known_hash or None, fname=path.name, path=path.parent, downloader=receive)
    except requests.HTTPError as error:
        raise DownloadError(f"the server answered {error.response.status_code} for {url}") from error
    except (requests.RequestException, UnicodeError) as error:
        raise DownloadError(f"{url} was cut off or did not answer ({type(error).__name__})") from error
    except ValueError as error:  # pooch's word for a wrong hash
        raise DownloadError(f"{path.name} arrived with other bytes than the official file (hash differs)") from error
    except OSError as error:
        raise DownloadError(f"{path.name} could not be written to {path.parent} ({error})") from error


class _Progress(tqdm):
    """A progress bar that stops a download of more than `most` bytes."""

    def __init__(self, most: int, name: str) -> None:
        super().__init__(unit="B", unit_scale=True, desc=name)
        self.most, self.name = most, name

    def __bool__(self) -> bool:
        return True  # pooch asks whether there is a bar before its total is known

    def update(self, n: float = 1) -> None:
        """Count `n` bytes more: pooch gives the length of a full piece after each piece."""
        super().update(n)
        if self.n >= self.most + PIECE:
            raise DownloadError(f"{self.name} has more than {self.most / 1e6:,.1f} MB")
