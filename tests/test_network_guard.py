"""The network guard refuses every other machine, in this process, in subprocesses and in kernels."""

import socket
import subprocess
import sys
from types import SimpleNamespace

import conftest
import nbformat
import pytest

from tools.execute import execute

REACH = """
import socket
try:
    socket.create_connection(("192.0.2.1", 80), timeout=1)
except OSError as error:
    print(error)
"""


def test_loopback_is_allowed():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert client.getpeername() == server.getsockname()


@pytest.mark.reaches_for_network
@pytest.mark.parametrize("method", ["connect", "connect_ex", "sendto"])
def test_sending_to_other_machines_is_refused(method):
    address = ("192.0.2.1", 53)
    arguments = (b"", address) if method == "sendto" else (address,)
    with socket.socket(type=socket.SOCK_DGRAM) as outgoing, pytest.raises(OSError, match="may not use the network"):
        getattr(outgoing, method)(*arguments)


@pytest.mark.reaches_for_network
@pytest.mark.parametrize("lookup", [socket.gethostbyname, lambda name: socket.getaddrinfo(name, 80)])
def test_looking_up_other_names_is_refused(lookup):
    with pytest.raises(OSError, match="may not use the network: .* example.org"):
        lookup("example.org")


@pytest.mark.reaches_for_network
def test_subprocess_is_guarded():
    answer = subprocess.run([sys.executable, "-c", REACH], capture_output=True, text=True, check=True)
    assert "tests may not use the network: socket.getaddrinfo 192.0.2.1" in answer.stdout


@pytest.mark.reaches_for_network
def test_kernel_is_guarded(tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(REACH)])
    execute(notebook, tmp_path)
    assert "tests may not use the network" in notebook.cells[0].outputs[0].text


@pytest.mark.reaches_for_network
def test_swallowed_attempt_fails_its_test():
    with pytest.raises(OSError):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
    report = SimpleNamespace(outcome="passed", longrepr=None, user_properties=[])
    item = SimpleNamespace(get_closest_marker=lambda name: None)
    hook = conftest.Watch().pytest_runtest_makereport(item, SimpleNamespace(when="call"))
    next(hook)
    with pytest.raises(StopIteration):
        hook.send(report)
    assert report.outcome == "failed"
    assert "socket.getaddrinfo 192.0.2.1" in report.longrepr
