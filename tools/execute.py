"""Runs one notebook in a fresh kernel of this very Python, and reports what the kernel needed."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import nbformat
import psutil
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

LAUNCHER = [sys.executable, "-m", "ipykernel_launcher", "--log-level=ERROR", "-f", "{connection_file}"]


class ThisPython(AsyncKernelManager):
    """Starts a kernel of this Python, whatever name a notebook asks for."""

    @property
    def kernel_spec(self) -> KernelSpec:
        return KernelSpec(argv=LAUNCHER, display_name="Python 3", language="python", interrupt_mode="signal")


def peak_memory(process: psutil.Process) -> int:
    """Return the most memory in bytes that a process has held, or 0 when it is gone; on macOS what it holds now."""
    with contextlib.suppress(psutil.Error, OSError, StopIteration):
        if sys.platform == "linux":
            status = Path(f"/proc/{process.pid}/status").read_text()
            return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))
        memory = process.memory_info()
        return getattr(memory, "peak_wset", memory.rss)
    return 0


class Kernel:
    """The process of a running kernel: the most memory it held, and a way to end it."""

    def __init__(self) -> None:
        self.process: psutil.Process | None = None
        self.peak_bytes, self._is_over = 0, False

    def find(self, client: NotebookClient) -> None:
        if self.process is None and client.km.provisioner.pid:
            self.process = psutil.Process(client.km.provisioner.pid)
            # The kernel has read it. If this process is killed, nobody else removes it from the temporary folder.
            Path(client.km.connection_file).unlink(missing_ok=True)
        if self._is_over:
            self.kill()

    def sample(self) -> None:
        if self.process is not None:
            self.peak_bytes = max(self.peak_bytes, peak_memory(self.process))

    def kill(self) -> None:
        self._is_over = True  # a kernel that is only starting is killed before its first cell
        if self.process is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                self.process.kill()


def execute(
    notebook: nbformat.NotebookNode,
    folder: Path,
    on_cell: Callable[[int], None] = lambda index: None,
    tick: Callable[[], None] = lambda: None,
    kernel: Kernel | None = None,
    temporary: Path | None = None,
) -> None:
    """Run a notebook's cells in `folder`, filling in its outputs, also when a cell fails.

    `on_cell` is called with a cell's index before it runs, and `tick` twice a second. `temporary` is the folder for the
    kernel's temporary files. Raises CellExecutionError when a cell fails, RuntimeError when the kernel died or did not
    start, and KeyboardInterrupt after Ctrl-C, when the kernel is gone.
    """
    kernel = kernel or Kernel()

    def before(cell: nbformat.NotebookNode, cell_index: int) -> None:
        kernel.find(client)
        on_cell(cell_index)

    client = NotebookClient(
        notebook,
        timeout=None,
        startup_timeout=300,  # seconds: five kernels that start at once on a slow disk need more than nbclient's 60
        kernel_name="python3",
        kernel_manager_class=ThisPython,
        resources={"metadata": {"path": str(folder)}},
        on_cell_execute=before,
        on_cell_executed=lambda **_: kernel.sample(),
    )
    variables = {**os.environ, **({"TMPDIR": str(temporary)} if temporary else {})}
    # In a thread, because nbclient in the main thread takes Ctrl-C for itself and reports a dead kernel.
    with contextlib.ExitStack() as at_last, ThreadPoolExecutor(max_workers=1) as pool:
        # nbclient leaves this behind where a kernel does not start, and it fails when Python ends.
        at_last.callback(atexit.unregister, client._cleanup_kernel)
        running = pool.submit(client.execute, env=variables)
        try:
            while not wait([running], timeout=0.5).done:
                kernel.sample()
                tick()
        except KeyboardInterrupt:
            kernel.kill()
            raise
        running.result()
