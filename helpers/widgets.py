"""Small parts of explorers, the same in all of them: controls, buttons, a line of words, pictures of one's own."""

import html
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import floor, log10

import ipywidgets

CONTENT_TYPES = ".png,.jpg,.jpeg,.gif,.bmp,.webp,.tif,.tiff"  # of pictures that can be uploaded
LARGEST_SEED = 999_999  # far below what an int32 holds, so that a sampler may add to it
LABEL_WIDTH, CONTROL_WIDTH = "8em", "28em"
FITTING = {"max_width": "calc(100% - 4px)"}  # no wider than its place, less 2 px of margin on each side
WRAPPED = {"flex_flow": "row wrap", "align_items": "flex-start"}
KERNEL_GONE = """<style>
.explore-kernel-gone {display: none}
.jupyter-widgets-disconnected .explore-kernel-gone {display: block}
</style>
<p class="explore-kernel-gone" role="alert">⚠ The kernel that these controls belong to is gone (it was restarted or
shut down), so they do nothing. Run the notebook again down to this cell.</p>"""


def status_line(text: str, role: str = "status") -> str:
    """Return a text as HTML that screen readers read out; `role` is "status", or "alert" for what went wrong."""
    sign = "⚠ " if role == "alert" else ""
    return f"<p role='{role}' style='line-height:1.4'>{sign}{html.escape(text)}</p>"


def mark(widget: ipywidgets.Widget, name: str) -> ipywidgets.Widget:
    """Give a widget the class by which it is found in a page, such as `explore-wearing-hat`; return the widget."""
    widget.add_class(f"explore-{name.lower().replace('_', '-')}")
    return widget


def button(description: str, name: str, action: Callable[[], object], **options) -> ipywidgets.Button:
    """Return a button that calls `action()`; `options` are ipywidgets' own."""
    made = mark(ipywidgets.Button(description=description, layout={"width": "auto"}, **options), name)
    made.on_click(lambda _: action())
    return made


def choice(options: Sequence[tuple[str, str]]) -> ipywidgets.ToggleButtons:
    """Return buttons of which one is pressed, from (label, value); the first is."""
    return ipywidgets.ToggleButtons(options=options, style={"button_width": "auto"})


def labelled(text: str, control: ipywidgets.Widget, width: str = LABEL_WIDTH) -> ipywidgets.HBox:
    """Return a control with a label on its left; toggle buttons would put their own above themselves."""
    label = ipywidgets.HTML(f"<div style='text-align:right'>{text}</div>", layout={"width": width, "flex": "none"})
    return ipywidgets.HBox([label, control])


def sized(control: ipywidgets.Widget) -> ipywidgets.Widget:
    """Give a control the width that controls and their labels have in all explorers; return the control."""
    control.layout.width, control.layout.max_width = CONTROL_WIDTH, "100%"
    control.style.description_width = LABEL_WIDTH
    return control


def view_of(controls: Sequence[ipywidgets.Widget], results: Sequence[ipywidgets.Widget]) -> ipywidgets.VBox:
    """Return an explorer's view: results beside the controls, or below them where the window is narrow.

    A note above them shows itself once the kernel that they belong to is gone. The page has to do that alone:
    JupyterLab then gives each widget a class of its own.
    """
    left = ipywidgets.VBox(controls, layout={"max_width": "100%"})
    return ipywidgets.VBox([ipywidgets.HTML(KERNEL_GONE), ipywidgets.HBox([left, *results], layout=WRAPPED)])


@dataclass(frozen=True)
class OwnPicture:
    """Controls by which a learner brings a picture: a field for its path, and what opens or uploads it below that."""

    path: ipywidgets.Text
    below: ipywidgets.Box
    buttons: tuple[ipywidgets.Widget, ...]


def own_picture(opened: Callable[[], object], uploaded: Callable[[str, bytes], object]) -> OwnPicture:
    """Return controls of which the button calls `opened()`, and the upload `uploaded(file name, content)`."""
    path = sized(ipywidgets.Text(placeholder="path or address of a picture", description="Your own"))
    mark(path, "path")
    opening = button("Open", "open", opened)
    upload, *dialogue = _colab_upload(uploaded) if _in_colab() else [_upload(uploaded)]
    below = ipywidgets.HBox([opening, upload, *dialogue], layout=WRAPPED)
    return OwnPicture(path, below, (opening, upload))


def _in_colab() -> bool:
    return "google.colab" in sys.modules  # its kernels import that at their start


def _upload(uploaded: Callable[[str, bytes], object]) -> ipywidgets.Widget:
    def take(change: Mapping) -> None:
        if file := uploaded_file(change["new"]):
            uploaded(*file)

    # Beyond that, Jupyter's connection between page and kernel breaks without a word, unless `make lab` began it.
    upload = ipywidgets.FileUpload(
        accept=CONTENT_TYPES, multiple=False, description="Upload, to 10 MB", layout={"width": "auto"}
    )
    upload.observe(take, names="value")
    return mark(upload, "upload")


def _colab_upload(uploaded: Callable[[str, bytes], object]) -> list[ipywidgets.Widget]:
    """Return a button for Colab's own dialogue, and where that appears; ipywidgets' upload loses large files there."""
    dialogue = ipywidgets.Output()

    def ask() -> None:
        dialogue.clear_output()
        with dialogue:
            files = sys.modules["google.colab"].files.upload()
        dialogue.clear_output()
        for name, content in list(files.items())[:1]:
            uploaded(name, content)

    return [button("Upload", "upload", ask), dialogue]


def typed_path(text: str) -> str:
    """Return a path as somebody typed or pasted it, without the blanks and quotation marks around it."""
    return text.strip().strip("\"'")


def uploaded_file(files: Mapping | Sequence) -> tuple[str, bytes] | None:
    """Return the name and the content of the first uploaded file, or None; `files` is the value of a FileUpload."""
    if not files:
        return None
    # ipywidgets 7, which Colab has, gives a dictionary by file name; 8 gives a tuple.
    name, file = next(iter(files.items())) if isinstance(files, Mapping) else (files[0]["name"], files[0])
    return name, bytes(file["content"])


def sliders(*, seed: int | None = None, **ranges: tuple) -> dict[str, ipywidgets.Widget]:
    """Return controls by name: sliders from (label, value, least, most, step), and a field for a seed if one is given.

    A slider gives whole numbers where value and step are such.
    """
    made: dict[str, ipywidgets.Widget] = {}
    for name, (label, value, least, most, step) in ranges.items():
        is_whole = isinstance(value, int) and isinstance(step, int)
        kind = ipywidgets.IntSlider if is_whole else ipywidgets.FloatSlider
        made[name] = kind(value, min=least, max=most, step=step, description=label)
        if not is_whole:
            made[name].readout_format = f".{max(0, -floor(log10(step)))}f"
    if seed is not None:
        made["seed"] = ipywidgets.BoundedIntText(seed, min=0, max=LARGEST_SEED, description="Seed")
    return made
