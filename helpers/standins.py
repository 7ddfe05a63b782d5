"""Data made on the spot when the real data cannot be had."""


def python_prose() -> str:
    """Return English prose from the Python manual that every Python brings along."""
    from pydoc_data.topics import topics

    return "\n\n".join(topics[name] for name in sorted(topics))


class ReviewGrammar:
    pass
