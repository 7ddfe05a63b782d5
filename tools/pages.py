"""HTML of executed notebooks that can be read without internet, and the index page over them."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from pathlib import Path

import jinja2
import nbformat
from latex2mathml.converter import convert as latex_to_mathml
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

WIDGET = "application/vnd.jupyter.widget-view+json"
NEEDS_KERNEL = "<p><em>This control needs a running kernel: open the notebook in JupyterLab to use it.</em></p>"
PEAK_LIMITS = {"smoke": 2, "quick": 3}  # GB (2**30 bytes) that a kernel may hold at most, by profile
# nbconvert's page without the scripts that it would load from the internet.
OFFLINE_PAGE = """{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js -%}{%- endblock -%}
{%- block jupyter_widgets -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
{%- block html_head_css -%}{{ super() }}<style>mtd[columnalign="left"] { text-align: left }</style>{%- endblock -%}"""


@dataclass
class Result:
    """What became of one notebook: its name, title and profile, how long it took, and what to show of it."""

    name: str
    title: str
    profile: str
    minutes: float = 0.0
    peak_bytes: int = 0
    headline: str = ""
    error: str = ""
    thumbnail: tuple[str, str] | None = None  # base64 PNG, and a text for those who cannot see it

    @property
    def peak(self) -> str:
        """The kernel's peak memory in words, or a dash where it is not known."""
        return f"{self.peak_bytes / 2**30:.2f} GB" if self.peak_bytes else "-"

    @property
    def warning(self) -> str:
        """A sentence where the kernel held more than its profile may, else nothing."""
        limit = PEAK_LIMITS.get(self.profile, math.inf)
        if self.peak_bytes <= limit * 2**30:
            return ""
        return f"peak memory {self.peak} is over the {limit} GB that a {self.profile} run may take"


class MathRenderer(IPythonRenderer):
    """Turns formulas into MathML, which browsers show by themselves; and leaves answers folded."""

    def _html_embed_images(self, html: str) -> str:
        # What is parsed is closed as well: "<details>" would end before the answer below it.
        return super()._html_embed_images(html) if "<img" in html else html

    def block_math(self, body: str) -> str:
        return mathml(body, "block")

    def inline_math(self, body: str) -> str:
        return mathml(body, "inline")

    def latex_environment(self, name: str, body: str) -> str:
        return mathml(f"\\begin{{{name}}}{body}\\end{{{name}}}", "block")


def mathml(formula: str, display: str) -> str:
    """Return MathML for a LaTeX formula, or the formula itself as code where it cannot be translated."""
    try:
        return latex_to_mathml(formula, display=display)
    except Exception:  # the library raises many kinds; a page with one raw formula beats no page
        return f"<code>{html.escape(formula)}</code>"


class OfflineExporter(HTMLExporter):
    """Writes HTML that loads nothing: no scripts, pictures inside the page, formulas as MathML."""

    def __init__(self, **options):
        page = jinja2.DictLoader({"offline.html.j2": OFFLINE_PAGE})
        super().__init__(extra_loaders=[page], template_file="offline.html.j2", embed_images=True, **options)

    @jinja2.pass_context
    def markdown2html(self, context, source: str) -> str:
        cell = context.get("cell", {})
        renderer = MathRenderer(
            escape=False,
            attachments=cell.get("attachments", {}),
            embed_images=True,
            path=context.get("resources", {}).get("metadata", {}).get("path", ""),
            anchor_link_text=self.anchor_link_text,
        )
        return MarkdownWithMath(renderer=renderer).render(source)


def notebook_page(notebook: nbformat.NotebookNode, title: str, folder: Path) -> str:
    """Return an executed notebook as one HTML page; `folder` is where its relative pictures lie."""
    copy = nbformat.from_dict(notebook)
    copy.metadata.pop("widgets", None)
    copy.metadata["title"] = title
    copy.cells = [cell for cell in copy.cells if "badge" not in cell.metadata.get("tags", [])]
    for cell in copy.cells:
        for output in cell.get("outputs", []):
            replace_widget(output)
    return OfflineExporter().from_notebook_node(copy, resources={"metadata": {"path": str(folder)}})[0]


def replace_widget(output: nbformat.NotebookNode) -> None:
    """Put in place of a control, which needs a kernel, its static sibling or a line that says so."""
    data = output.get("data", {})
    if WIDGET not in data:
        return
    del data[WIDGET]
    if not any(kind.startswith("image/") or kind == "text/html" for kind in data):
        output["data"] = nbformat.from_dict({"text/html": NEEDS_KERNEL})


def thumbnail(notebook: nbformat.NotebookNode) -> tuple[str, str] | None:
    """Return the last PNG of the cell tagged "thumbnail", or else of the whole notebook: base64, and its text."""
    tagged = [cell for cell in notebook.cells if "thumbnail" in cell.metadata.get("tags", [])]
    for cells in (tagged, notebook.cells):
        outputs = [output for cell in cells for output in cell.get("outputs", [])]
        shown = [output for output in outputs if "image/png" in output.get("data", {})]
        if shown:
            alt = shown[-1].get("metadata", {}).get("image/png", {}).get("alt", "")
            return "".join(shown[-1].data["image/png"].split()), alt
    return None


INDEX = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Generative deep learning: the notebooks, run</title><style>
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #222 }
main { display: grid; gap: 1.5rem; grid-template-columns: repeat(auto-fill, minmax(18rem, 1fr)) }
article { border: 1px solid #ddd; border-radius: 8px; overflow: hidden; display: flex; flex-direction: column }
article img, .empty { width: 100%; height: 12rem; object-fit: contain; background: #f6f6f6 }
article div.text { padding: 0.8rem 1rem }
h2 { font-size: 1.1rem; margin: 0 } p { margin: 0.4rem 0 } .error { color: #a00 }
.small { color: #666; font-size: 0.9rem }
</style></head><body><h1>Generative deep learning</h1>
<main>{% for result in results %}
<article>
{% if result.thumbnail %}<img alt="{{ result.thumbnail[1] }}" src="data:image/png;base64,{{ result.thumbnail[0] }}">
{% else %}<div class="empty"></div>{% endif %}
<div class="text"><h2><a href="{{ result.name }}.html">{{ result.title }}</a></h2>
{% if result.error %}<p class="error">Failed: {{ result.error }}</p>{% endif %}
{% if result.warning %}<p class="error">Warning: {{ result.warning }}</p>{% endif %}
{% if result.headline %}<p>{{ result.headline }}</p>{% endif %}
<p class="small">{{ result.profile }} profile, {{ "%.1f" | format(result.minutes) }} min,
peak memory {{ result.peak }}<br>
<a href="{{ result.name }}.html">read</a> · <a href="{{ result.name }}.ipynb">notebook with results</a></p></div>
</article>{% endfor %}
</main></body></html>
"""


def index_page(results: list[Result]) -> str:
    """Return the page that links the executed notebooks, a card each."""
    return jinja2.Environment(autoescape=True).from_string(INDEX).render(results=results)
