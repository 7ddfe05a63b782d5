"""JupyterLab in a real browser, driven by the tests: a server, a page with a notebook, controls moved by keyboard."""

import json
import os
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from conftest import ROOT

from make import LAB_OPTIONS

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
OVERRIDES = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},  # outputs stay in the page, seen or not
}
# Ends with the tests, however they end: the server's input closes when their process is gone.
SERVER = """import os, signal, sys, threading
from jupyterlab.labapp import main

def follow():
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=follow, daemon=True).start()
sys.exit(main())"""
LATENCIES: list[str] = []  # what was measured; conftest.py prints it below the tests
SECONDS = 1_000  # milliseconds, in which Playwright counts
KERNEL = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel"
PRINTED = f"""async code => {{
    window.printed = "";
    const request = {KERNEL}.requestExecute({{code, store_history: false}});
    request.onIOPub = message => {{ window.printed += message.content.text ?? ""; }};
    await request.done;
}}"""
STATUS_CHANGED = """before => {
    const status = document.querySelector(".explore-status").innerText;
    return status !== before && !status.includes("Loading");
}"""
IDLE = """() => {
    const kernel = window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel;
    return kernel?.connectionStatus === "connected" && kernel.status === "idle";
}"""
OVERFLOWING = """() => [...document.querySelectorAll(".explore-reset")]
    .map(button => button.closest(".jp-OutputArea-output"))
    .filter(output => [...output.querySelectorAll("canvas, img, input, output, button, p, .noUi-base")]
        .some(part => part.getBoundingClientRect().right > output.getBoundingClientRect().right + 1)).length"""
DISTORTED = """() => [...document.querySelectorAll("img[class*=explore-]")]
    .filter(shown => shown.width && shown.naturalWidth)
    .filter(shown => Math.abs(shown.width / shown.height * shown.naturalHeight / shown.naturalWidth - 1) > 0.05)
    .map(shown => `${shown.className}: ${[shown.naturalWidth, shown.naturalHeight, shown.width, shown.height]}`)"""
COLOUR = """selector => {
    const canvas = document.createElement("canvas").getContext("2d");
    canvas.drawImage(document.querySelector(selector), 0, 0);
    return canvas.getImageData(0, 0, 1, 1).data[0];
}"""
COUNT_CHANGES = """selector => {
    window.changes = 0;
    const watched = document.querySelector(selector);
    new MutationObserver(() => { window.changes += 1; }).observe(watched, {attributeFilter: ["src"]});
}"""
WATCH = """([selector, number]) => {
    window.changed = window.settled = null;  // the first change, and the first that leaves nothing to come
    const watched = document.querySelectorAll(selector)[number];
    let start = NaN;  // when the browser took in the key, before any waiting of its page
    document.addEventListener("keydown", key => { start = key.timeStamp; }, {capture: true, once: true});
    const observer = new MutationObserver(() => {
        const now = performance.now() - start;
        window.changed ??= now;
        if (watched.querySelector("[aria-busy=true]")) return;
        window.settled = now;
        observer.disconnect();
    });
    observer.observe(watched, {attributes: true, childList: true, subtree: true, characterData: true});
}"""


@contextmanager
def jupyterlab(folder: Path, notebooks: Path):
    """Serve a copy of the notebooks below `folder` on this machine only; yield the address, which has the token."""
    work, settings = folder / "notebooks", folder / "settings"
    shutil.copytree(notebooks, work, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    settings.mkdir()
    (settings / "overrides.json").write_text(json.dumps(OVERRIDES))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port, token = free.getsockname()[1], secrets.token_hex(16)
    variables = dict(
        os.environ,
        NB_OUTPUT_DIR=str(folder / "results"),
        PYTHONPATH=os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        JUPYTER_CONFIG_DIR=str(folder / "config"),
        JUPYTERLAB_SETTINGS_DIR=str(folder / "user-settings"),
        JUPYTERLAB_WORKSPACES_DIR=str(folder / "workspaces"),
    )
    options = [
        *LAB_OPTIONS,
        f"--ServerApp.root_dir={work}",
        f"--ServerApp.port={port}",
        f"--IdentityProvider.token={token}",
        f"--LabApp.app_settings_dir={settings}",
        "--LabApp.expose_app_in_browser=True",
        "--no-browser",
    ]
    command = [sys.executable, "-c", SERVER, "--ServerApp.ip=127.0.0.1", "--allow-root", *options]
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(command, env=variables, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield f"http://127.0.0.1:{port}/lab/tree/{{}}?reset&token={token}"
        finally:
            server.stdin.close()
            try:
                server.wait(30)  # it shuts down its kernels first
            except subprocess.TimeoutExpired:
                server.kill()  # a kernel ends when its server is gone
                server.wait()


class NotebookPage:
    """A notebook open in JupyterLab."""

    def __init__(self, page, address: str, name: str) -> None:
        self.page, self.name, self.outside, self.faults = page, name, [], []
        page.on("request", self._note_request)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        self._open(address.format(f"{name}.ipynb"))

    def _note_request(self, request) -> None:
        if not request.url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:")):
            self.outside.append(request.url)

    def _open(self, address: str) -> None:
        from playwright.sync_api import Error

        for attempts_left in range(60, 0, -1):  # until the server answers
            try:
                self.page.goto(address)
                break
            except Error:
                if attempts_left == 1:
                    raise
                self.page.wait_for_timeout(0.5 * SECONDS)
        self.page.wait_for_function(IDLE, timeout=120 * SECONDS)

    def run_all(self) -> list[str]:
        """Run every cell; return the errors among the outputs."""
        self.page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
        cells = self.page.evaluate("window.jupyterapp.shell.currentWidget.content.model.toJSON().cells")
        assert all(cell["execution_count"] for cell in cells if cell["cell_type"] == "code" and cell["source"])
        outputs = [output for cell in cells for output in cell.get("outputs", [])]
        return [f"{output['ename']}: {output['evalue']}" for output in outputs if output["output_type"] == "error"]

    def move(
        self, control: str, watched: str, number: int = 0, moves: int = 20, key: str = "ArrowRight"
    ) -> tuple[list[float], list[float]]:
        """Focus a control by its class and press a key, several times.

        Return the milliseconds until the watched element changed, and those until it was complete: a text is shown
        in pieces.
        """
        handle = self.page.locator(f".explore-{control} .noUi-handle, input.explore-{control}").nth(number)
        handle.scroll_into_view_if_needed()
        handle.focus()
        begun, settled = [], []
        for _ in range(moves):
            self.page.evaluate(WATCH, [f".explore-{watched}", number])
            self.page.keyboard.press(key)
            self.page.wait_for_function("() => window.settled !== null", timeout=60 * SECONDS, polling=5)
            begun.append(self.page.evaluate("window.changed"))
            settled.append(self.page.evaluate("window.settled"))
        line = f"median {statistics.median(settled):.0f} ms of {moves}, worst {max(settled):.0f}"
        if begun != settled:
            line += f"; it begins after {statistics.median(begun):.0f} ms"
        LATENCIES.append(f"{self.name}: {control} → {watched}: {line}")
        return begun, settled

    def press(self, control: str, watched: str) -> float:
        """Press a button by keyboard; return the milliseconds until what is watched changed, if only for a moment."""
        button = self.page.locator(f"button.explore-{control}").first
        button.scroll_into_view_if_needed()
        self.page.evaluate(WATCH, [f".explore-{watched}", 0])
        button.focus()
        self.page.keyboard.press("Enter")
        self.page.wait_for_function("() => window.changed !== null", timeout=60 * SECONDS, polling=5)
        milliseconds = self.page.evaluate("window.changed")
        LATENCIES.append(f"{self.name}: {control} → {watched}: {milliseconds:.0f} ms")
        return milliseconds

    def peak_memory(self) -> float:
        """Return the most memory that the kernel has had so far, in gigabytes; on Linux."""
        # getrusage would count what the process that started the kernel had held.
        self.page.evaluate(PRINTED, "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])")
        gigabytes = int(self.page.evaluate("window.printed")) * 1024 / 1e9
        LATENCIES.append(f"{self.name}: {gigabytes:.2f} GB at most")
        return gigabytes

    def begin(self, code: str) -> None:
        """Have the kernel run some code, without waiting for its end."""
        self.page.evaluate(f"code => {{ {KERNEL}.requestExecute({{code}}); }}", code)
        self.page.wait_for_function(f"() => {KERNEL}.status === 'busy'")

    def restart(self) -> None:
        """Restart the kernel, as the menu does."""
        self.page.evaluate(f"{KERNEL}.restart()")

    def upload(self, path: Path) -> str:
        """Choose a file for the first upload; return the text of the first status line once it has changed."""
        status = self.page.locator(".explore-status").first
        before = status.inner_text()
        with self.page.expect_file_chooser() as chooser:
            self.page.locator(".explore-upload").first.click()
        chooser.value.set_files(path)
        self.page.wait_for_function(STATUS_CHANGED, arg=before, timeout=60 * SECONDS)
        return status.inner_text()

    def close(self) -> None:
        """Shut the kernel down and close the page."""
        self.page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
        self.page.close()

    def screenshot(self, control: str, number: int, path: Path) -> None:
        """Save what the browser shows with a control scrolled to the top."""
        path.parent.mkdir(parents=True, exist_ok=True)
        output = f"document.querySelectorAll('.explore-{control}')[{number}].closest('.jp-OutputArea-output')"
        self.page.evaluate(f"{output}.scrollIntoView({{block: 'start'}})")
        self.page.screenshot(path=path)
