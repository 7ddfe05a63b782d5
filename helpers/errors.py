"""The one error type that this project raises on purpose."""


class UserError(Exception):
    """Something the reader can mend; the message says what is wrong and what to do about it.

    In a notebook only that message is shown: a traceback through the helpers would hide it.
    """

    def _render_traceback_(self) -> list[str]:
        """Called by IPython in place of its own traceback; returns the lines to show."""
        return [f"{type(self).__name__}: {self}"]
