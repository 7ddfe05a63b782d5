"""An interrupt between any two instructions of a function, as a press on "stop" gives it; for the tests."""

import sys


class InterruptsInstruction:
    """Interrupts a method before its instruction number `at`, of those for which `counts(its self)` holds."""

    def __init__(self, method, at, counts=lambda owner: True):
        self.code, self.left, self.counts = method.__code__, at, counts

    def __enter__(self):
        self.before = sys.gettrace()
        sys.settrace(lambda frame, *_: self._watch(frame) if frame.f_code is self.code else None)

    def __exit__(self, *_):
        sys.settrace(self.before)

    def _watch(self, frame):
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self._step

    def _step(self, frame, event, _):
        if event == "opcode" and self.counts(frame.f_locals["self"]):
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
        return self._step
