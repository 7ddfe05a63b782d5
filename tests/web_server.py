"""A web server on this machine that can misbehave as the world's do; for the tests of downloads."""

import contextlib
import hashlib
import http.server
import threading

CONTENT = bytes(range(256)) * 1_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PATIENCE = 0.5  # seconds that a download waits for a server that is silent


class Server:
    """What the web server at `url` answers, and how many requests it has had."""

    def __init__(self, port: int):
        self.url = f"http://127.0.0.1:{port}/data.bin"
        self.answer, self.status, self.length = CONTENT, 200, len(CONTENT)
        self.stalls_after = None  # so many bytes are sent, then nothing until the test is over
        self.pauses = 0  # so many times it waits for half of the patience, and goes on
        self.drips_from = None  # after so many bytes the rest comes one by one, a tenth of the patience between them
        self.leads_to = None  # address that it sends the asker to, on the first request or on all
        self.always_leads = False
        self.leads_after = 0.0  # seconds that it takes for that
        self.requests = 0
        self.released = threading.Event()


@contextlib.contextmanager
def serving():
    """Run a server in a thread, and yield its `Server` to set how it answers from then on."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            state.requests += 1
            if state.leads_to and (state.always_leads or state.requests == 1):
                state.released.wait(state.leads_after)
                self.send_response(302)
                self.send_header("Location", state.leads_to)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(state.status)
            self.send_header("Content-Length", str(state.length))
            self.end_headers()
            if state.drips_from is not None:
                return self.drip()
            answer, piece = state.answer[: state.stalls_after], len(state.answer) // (state.pauses + 1)
            for number in range(state.pauses):
                self.wfile.write(answer[number * piece : (number + 1) * piece])
                self.wfile.flush()
                state.released.wait(PATIENCE / 2)
            self.wfile.write(answer[state.pauses * piece :])
            self.wfile.flush()
            if state.stalls_after is not None:
                state.released.wait(30)

        def drip(self):
            self.wfile.write(state.answer[: state.drips_from])
            with contextlib.suppress(OSError):  # the asker has gone
                for byte in state.answer[state.drips_from :]:
                    self.wfile.write(bytes([byte]))
                    if state.released.wait(PATIENCE / 10):
                        return

        def log_message(self, *_):
            pass

    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state = Server(web.server_address[1])
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    state.released.set()
    web.shutdown()
    thread.join()
    web.server_close()
