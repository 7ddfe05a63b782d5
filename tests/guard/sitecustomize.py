"""The network guard: Python processes that start with this folder on PYTHONPATH can reach this machine only.

Python imports `sitecustomize` at start, so notebook kernels and subprocesses are guarded as well as pytest.
An attempt to reach, or to look up the name of, any other machine raises NetworkBlocked and is written to the
file that NETWORK_GUARD_LOG names; conftest.py then fails the test during which it happened, even if the code
swallowed the error. What C++ libraries or other programs do is not seen here.

With ROUND_PRODUCTS=1 they also compute as GPUs since 2020 do: see rounding.py.
"""

import importlib.abc
import importlib.util
import ipaddress
import os
import socket
import sys

_LOOKUPS = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}
_SENDS = {"socket.connect", "socket.sendto", "socket.sendmsg"}


class NetworkBlocked(OSError):
    """Raised in place of a connection to, or a name lookup of, another machine."""


def is_local(host: object) -> bool:
    """Return whether `host`, a name or an address, is this machine."""
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if host in (None, "", "localhost", socket.gethostname()):
        return True
    try:
        return ipaddress.ip_address(str(host)).is_loopback
    except ValueError:
        return False


def _guard(event: str, arguments: tuple) -> None:
    if event in _LOOKUPS:
        host = arguments[0]
    elif event in _SENDS and isinstance(arguments[1], tuple):  # a Unix socket's address is no tuple
        host = arguments[1][0]
    else:
        return
    if is_local(host):
        return
    attempt = f"{event} {host}"
    if log := os.environ.get("NETWORK_GUARD_LOG"):
        with open(log, "a", encoding="utf-8") as file:
            file.write(f"{attempt}\n")
    raise NetworkBlocked(f"tests may not use the network: {attempt}")


if not getattr(sys, "network_is_guarded", False):
    sys.network_is_guarded = True
    sys.addaudithook(_guard)


class _RoundingTensorFlow(importlib.abc.MetaPathFinder):
    """Installs the rounding of products as soon as TensorFlow has been imported."""

    _is_asking = False  # the finders after this one

    def find_spec(self, name, path=None, target=None):
        if name != "tensorflow" or self._is_asking:
            return None
        self._is_asking = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._is_asking = False
        if spec:
            run = spec.loader.exec_module

            def run_and_install(module):
                run(module)
                import rounding

                rounding.install()

            spec.loader.exec_module = run_and_install
        return spec


if os.environ.get("ROUND_PRODUCTS") == "1" and "tensorflow" not in sys.modules:
    sys.meta_path.insert(0, _RoundingTensorFlow())
