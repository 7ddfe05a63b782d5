"""A web server on this machine that can misbehave as the world's do; for the tests of downloads."""

import contextlib
import hashlib
import http.server
import threading

CONTENT = bytes(range(256)) * 1_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server:
    """What the web server at `url` answers, and how many requests for a file it has had."""

    def __init__(self, port: int):
        self.url = f"http://127.0.0.1:{port}/data.bin"
        self.answer, self.status, self.length = CONTENT, 200, None  # announced; None for what is sent
        self.stalls_after = None  # so many bytes are sent, then nothing until the test is over
        self.leads_to = None  # address that it sends the asker to, on the first request or on all
        self.always_leads = False
        self.requests = 0
        self.released = threading.Event()


@contextlib.contextmanager
def serving():
    """Run a server in a thread, and yield its `Server` to set how it answers from then on."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response(404)
            self.end_headers()

        def do_GET(self):
            state.requests += 1
            leads = state.leads_to and (state.always_leads or state.requests == 1)
            answer = b"" if leads else state.answer
            self.send_response(302 if leads else state.status)
            if leads:
                self.send_header("Location", state.leads_to)
            self.send_header("Content-Length", str(len(answer) if leads or state.length is None else state.length))
            self.end_headers()
            self.wfile.write(answer[: state.stalls_after])
            self.wfile.flush()
            if state.stalls_after is not None:
                state.released.wait(30)

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
