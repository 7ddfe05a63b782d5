"""Tables to display."""

import html
from collections.abc import Mapping

import numpy as np
from IPython.display import HTML


def table(rows: Mapping[object, Mapping[str, object] | str], caption: str = "") -> HTML:
    """Return a table in HTML.

    Args:
        rows: name of the row → name of the column → value, or name of the row → its only text. All rows have the
            columns of the first. Floats are rounded to 4 digits. A text keeps its line breaks.
        caption: what the table shows, if the sentence before it does not say so.
    """
    first = next(iter(rows.values()))
    columns = list(first) if isinstance(first, Mapping) else []
    lines = [f"<caption style='text-align:left'>{html.escape(caption)}</caption>"] if caption else []
    if columns:
        heads = "".join(f"<th scope='col'>{html.escape(column)}</th>" for column in columns)
        lines.append(f"<tr><td></td>{heads}</tr>")
    for name, row in rows.items():
        cells = [_cell(row[column]) for column in columns] if columns else [_text(row)]
        head = f"<th scope='row' style='text-align:left;vertical-align:top'>{html.escape(str(name))}</th>"
        lines.append(f"<tr>{head}{''.join(cells)}</tr>")
    return HTML(f"<table>{''.join(lines)}</table>")


def _cell(value: object) -> str:
    shown = f"{value:.4g}" if isinstance(value, float | np.floating) else str(value)
    return f"<td style='text-align:right'>{html.escape(shown)}</td>"


def _text(value: str) -> str:
    return f"<td style='text-align:left;white-space:pre-wrap;overflow-wrap:anywhere'>{html.escape(value)}</td>"
