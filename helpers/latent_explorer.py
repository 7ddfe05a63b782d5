"""Explorers of latent spaces: a map with a decoded picture beside it, and faces whose attributes are sliders."""

import html
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager, contextmanager

import ipywidgets
import numpy as np
from scipy.spatial import KDTree

from helpers.errors import UserError
from helpers.images import png_bytes
from helpers.latent_pad import LatentPad, class_middles, closed_path, packed
from helpers.latents import check_latents, fixed_noise, interpolate
from helpers.picture_explorer import LARGEST_SEED

FRAMES, SECONDS_A_FRAME = 160, 0.05  # of a walk: some ten seconds
USUAL, FURTHEST = 3.0, 5.0  # how often an attribute's vector may be added: unmarked, and at all


class _Explorer:
    """What both explorers share: controls that can be set at once, pictures swapped in place, and a line of words."""

    def __init__(
        self, controls: Mapping[str, ipywidgets.Widget], height: int, lock: AbstractContextManager | None = None
    ) -> None:
        self.controls, self._height = dict(controls), height
        self._first = self._values()
        self._drawn: dict[str, object] = {}
        self._lock, self._is_quiet = lock or threading.RLock(), False
        self.pictures: dict[str, ipywidgets.Image] = {}
        self._captions: dict[str, ipywidgets.HTML] = {}
        self.status = _mark(ipywidgets.HTML(layout={"width": "28em"}), "status")
        for name, control in self.controls.items():
            if not isinstance(control, ipywidgets.ToggleButtons):
                control.layout.width, control.style.description_width = "28em", "12em"
            _mark(control, name).observe(lambda change, name=name: self._moved(name), names="value")

    def set(self, **values) -> None:
        """Set several controls by their names; the pictures follow once."""
        with self._quietly():
            for name, value in values.items():
                self.controls[name].value = value
            self._refresh(set(values))

    def _values(self) -> dict[str, object]:
        return {name: control.value for name, control in self.controls.items()}

    def _moved(self, name: str) -> None:
        with self._lock:  # waits while a walk is between two of its own changes
            if not self._is_quiet and not _is_same(self._values()[name], self._drawn.get(name)):
                with self._quietly():
                    self._refresh({name})

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Let no change of a control be taken for one that the reader made."""
        with self._lock:
            before, self._is_quiet = self._is_quiet, True
            try:
                yield
            finally:
                self._is_quiet = before

    def _refresh(self, names: Set[str]) -> None:
        """Bring the pictures up to date after these controls have moved; say in words what goes wrong."""
        self._drawn = self._values()
        try:
            self._say(self._redraw(names))
        except UserError as error:
            self._say(str(error), role="alert")

    def _redraw(self, names: Set[str]) -> str:
        """Redraw what depends on the controls of these names; return what is to be said about it."""
        raise NotImplementedError

    def _slot(self, name: str, caption: str) -> ipywidgets.VBox:
        self.pictures[name] = _mark(ipywidgets.Image(format="png", layout={"max_width": "100%"}), name)
        self._captions[name] = ipywidgets.HTML(layout={"min_height": "2em"})
        self._caption(name, caption)
        slot = [self._captions[name], self.pictures[name]]
        return ipywidgets.VBox(slot, layout={"margin": "0 0 0 1em", "align_items": "flex-start"})

    def _show(self, name: str, picture: np.ndarray, caption: str | None = None) -> None:
        self.pictures[name].value = png_bytes(enlarged(picture, self._height))
        if caption is not None:
            self._caption(name, caption)

    def _caption(self, name: str, text: str) -> None:
        self._captions[name].value = f"<b>{html.escape(text)}</b>"

    def _say(self, text: str, role: str = "status") -> None:
        mark = "⚠ " if role == "alert" else ""
        self.status.value = f"<p role='{role}' style='line-height:1.4'>{mark}{html.escape(text)}</p>"


class MapExplorer(_Explorer):
    """A map of a 2-D latent space to point at, two sliders, the decoded picture, and the nearest training picture.

    Show it with `display(explorer.view)`. Everything is found in a page by its class: `explore-map` (a LatentPad,
    with `explore-z1` and `explore-z2` in it), `-decoder`, `-walk`, `-surprise`, `-reset`, `-decoded`, `-nearest`
    and `-status`.
    """

    def __init__(
        self,
        decode: Callable | Mapping[str, Callable],
        points: np.ndarray | Mapping[str, np.ndarray],
        labels: np.ndarray,
        names: Sequence[str],
        nearest: Callable | Mapping[str, Callable] | None = None,
        *,
        limits: tuple | None = None,
        height: int = 200,
        size: int = 400,
    ) -> None:
        """Build the view and decode the middle of the map.

        Args:
            decode: latents float32 `(n, 2)` → pictures, floats `(n, h, w)` or `(n, h, w, 1 or 3)` in [0, 1].
                Several by name can be switched between. A UserError that it raises is shown in words.
            points: floats `(n, 2)`, the encoded means of the pictures to show on the map. Where the decoders have
                maps of their own: name → points.
            labels: whole numbers `(n,)`, each a place in `names`.
            names: of the classes, at most ten.
            nearest: called as `nearest(z)` with float32 `(2,)`; returns a picture as above, without the first axis,
                and a caption. `nearest_picture` makes one. By name where `points` are.
            limits: `(low, high)` of the map, each a number or `(x, y)`. None: the box that holds all points, and
                a twentieth more on every side.
            height: pixels, about that of the enlarged picture; `size`: of the map.

        Raises:
            UserError: the shapes do not agree, a label has no name, or the names of maps and decoders differ.
        """
        self._decoders = _by_name(decode, ["decoder"])
        known = list(self._decoders)
        self._points, self._nearest = _by_name(points, known), _by_name(nearest, known)
        if not self._points.keys() == self._nearest.keys() == self._decoders.keys():
            raise UserError(f"there are decoders called {', '.join(known)}. Give points and nearest the same names.")
        self._labels = np.asarray(labels)
        low, high = _box(np.concatenate(list(self._points.values()))) if limits is None else limits
        self.low, self.high = (np.broadcast_to(np.asarray(end, np.float64), 2) for end in (low, high))
        self.pad = _mark(LatentPad(self._points[known[0]], labels, names, self.low, self.high, size=size), "map")
        self._thread, self._stop = None, threading.Event()
        super().__init__({"decoder": _choice([(name, name) for name in known])}, height, self.pad.lock)
        for axis, name in (("x", "z1"), ("y", "z2")):
            self.pad.observe(lambda change, name=name: self._moved(name), names=axis)
        self._build()
        self._refresh({"decoder"})

    @property
    def z(self) -> np.ndarray:
        """The point shown, float32 `(2,)`."""
        return np.array([self.pad.x, self.pad.y], np.float32)

    def _build(self) -> None:
        self._walk_button = _button("Walk", "walk", self._walk_or_stop, button_style="primary")
        surprise, reset = _button("Surprise me", "surprise", self.surprise), _button("Reset", "reset", self.reset)
        buttons = ipywidgets.HBox([self._walk_button, surprise, reset], layout={"flex_flow": "row wrap"})
        choice = [_labelled("Decoder", self.controls["decoder"], "5em")] if len(self._decoders) > 1 else []
        slots = [self._slot("decoded", "Decoded")]
        if any(self._nearest.values()):
            slots.append(self._slot("nearest", "Nearest training picture"))
        strip = ipywidgets.HBox(slots, layout={"flex_flow": "row wrap"})
        right = ipywidgets.VBox([*choice, buttons, strip, self.status])
        self.view = ipywidgets.HBox([self.pad, right], layout={"flex_flow": "row wrap"})

    def _values(self) -> dict[str, object]:
        return {"z1": self.pad.x, "z2": self.pad.y, **super()._values()}

    def set(self, *, z1: float | None = None, z2: float | None = None, decoder: str | None = None) -> None:
        """Go to a place, or to the edge of the map where it lies beyond, and choose a decoder; None: as it is."""
        with self._quietly():
            self._go(self.pad.x if z1 is None else z1, self.pad.y if z2 is None else z2)
            super().set(**({} if decoder is None else {"decoder": decoder}))

    def _go(self, x: float, y: float) -> None:
        with self.pad.hold_sync():  # one message to the browser
            self.pad.x, self.pad.y = (float(value) for value in np.clip([x, y], self.low, self.high))

    def _redraw(self, names: Set[str]) -> str:
        self._stop.set()  # whoever moves a control ends the walk
        if "decoder" in names:
            for trait, value in packed(self._points[self._decoder], self._labels, len(self.pad.names)).items():
                setattr(self.pad, trait, value)
        self._draw()
        return ""

    @property
    def _decoder(self) -> str:
        return self.controls["decoder"].value

    def _draw(self) -> None:
        [picture] = _pictures(self._decoders[self._decoder], self.z[None])
        self._show("decoded", picture)
        if nearest := self._nearest[self._decoder]:
            self._show("nearest", *nearest(self.z))

    def surprise(self) -> None:
        """Go to a place drawn evenly from the whole map, empty regions included."""
        x, y = np.random.default_rng().uniform(self.low, self.high)
        self.set(z1=x, z2=y)

    def reset(self) -> None:
        """Go back to the middle of the map and to the first decoder."""
        self.set(**self._first)

    def walk(self) -> bool:
        """Walk once round the classes, in a thread of its own; return False if a walk is under way already."""
        with self._lock:
            if self.is_walking:
                return False
            self._stop.clear()
            stops = class_middles(self._points[self._decoder], self._labels)
            path = closed_path(stops, self.z, FRAMES)
            self._walk_button.description = "Stop"
            self._thread = threading.Thread(target=self._step_along, args=(path,), daemon=True)
            self._thread.start()
        return True

    def stop(self) -> None:
        """End the walk under way, where it is."""
        self._stop.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until no walk is under way; return False if one still is after `seconds`."""
        if self._thread is not None:
            self._thread.join(seconds)
        return not self.is_walking

    @property
    def is_walking(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _walk_or_stop(self) -> None:
        if not self.walk():
            self.stop()

    def _step_along(self, path: np.ndarray) -> None:
        try:
            for x, y in path:
                with self._quietly():
                    if self._stop.is_set():
                        break
                    self._go(x, y)
                    self._drawn = self._values()
                    self._draw()
                self._stop.wait(SECONDS_A_FRAME)
        except UserError as error:
            self._say(str(error), role="alert")
        except Exception as error:  # a fault of the program; a thread has nowhere else to show it
            self._say(f"This went wrong in the program: {type(error).__name__}: {error}", role="alert")
        finally:
            self._walk_button.description = "Walk"


class FaceExplorer(_Explorer):
    """A face, a slider for each attribute, a second face, and a morph between the two.

    What is shown: the original, its reconstruction decode(z), the edited face decode(z + Σ aₖ vₖ), the morph
    between that and the second face, and the second original. Show it with `display(explorer.view)`.
    Everything is found in a page by its class: `explore-face`, `-second`, `-morph`, `-path`,
    `-surprise`, `-reset`, `-status`, an attribute's name such as `explore-wearing-hat`, and the pictures
    `explore-original`, `-reconstruction`, `-edited`, `-morphed` and `-other`.
    """

    def __init__(
        self,
        decode: Callable,
        faces: np.ndarray | None,
        latents: np.ndarray,
        vectors: Mapping[str, np.ndarray] | None = None,
        *,
        height: int = 180,
    ) -> None:
        """Build the view and show the first face.

        Args:
            decode: latents float32 `(n, d)`, n from 1 to 3, → pictures, floats `(n, h, w, 3)` in [0, 1]. A
                UserError that it raises is shown in words.
            faces: the originals, floats `(count, h, w, 3)` in [0, 1]; None where there are none, as for a GAN.
            latents: floats `(count, d)`: their encoded means, or noise.
            vectors: attribute → floats `(d,)`, the step from without to with.
            height: pixels, about that of each enlarged picture.

        Raises:
            UserError: the shapes do not agree, or `faces` are whole numbers, not in [0, 1].
        """
        self.latents = check_latents(latents, np.shape(latents)[-1])
        if faces is not None and (len(faces) != len(latents) or not np.issubdtype(faces.dtype, np.floating)):
            raise UserError(
                f"{len(latents)} latents want as many faces, floats in [0, 1]; these are {faces.dtype} {faces.shape}."
            )
        self.faces, dimensions = faces, self.latents.shape[1]
        self.vectors = {name: check_latents(vector, dimensions)[0] for name, vector in (vectors or {}).items()}
        self._decode, self._random = decode, None
        super().__init__(self._made_controls(), height)
        self._build()
        self._refresh({"face", "second"})

    def _made_controls(self) -> dict[str, ipywidgets.Widget]:
        last = len(self.latents) - 1
        attributes = {
            name: ipywidgets.FloatSlider(0.0, min=-FURTHEST, max=FURTHEST, step=0.1, description=name.replace("_", " "))
            for name in self.vectors
        }
        return {
            "face": ipywidgets.IntSlider(0, min=0, max=last, description="Face"),
            **attributes,
            "second": ipywidgets.IntSlider(min(1, last), min=0, max=last, description="Second face"),
            "morph": ipywidgets.FloatSlider(0.5, min=0, max=1, step=0.02, description="Morph"),
            "path": _choice([("straight line", "linear"), ("great circle", "spherical")]),
        }

    def _build(self) -> None:
        surprise, reset = _button("Surprise me", "surprise", self.surprise), _button("Reset", "reset", self.reset)
        captions = {"reconstruction": "Reconstruction", "edited": "Edited", "morphed": "Morph"}
        if self.faces is None:
            captions["reconstruction"] = "Generated"
        else:
            captions = {"original": "Original", **captions, "other": "Second face"}
        if not self.vectors:
            del captions["edited"]
        slots = [self._slot(name, caption) for name, caption in captions.items()]
        *shown, path = self.controls.values()
        left = ipywidgets.VBox(
            [*shown, _labelled("Along a", path, "12em"), ipywidgets.HBox([surprise, reset]), self.status]
        )
        wrap = {"flex_flow": "row wrap", "align_content": "flex-start", "align_items": "flex-start"}
        strip = ipywidgets.HBox(slots, layout={**wrap, "max_width": f"{3 * (self._height + 40)}px"})
        self.view = ipywidgets.HBox([left, strip], layout={"flex_flow": "row wrap"})

    @property
    def z(self) -> np.ndarray:
        """The latent of the face chosen, or the one drawn by "Surprise me": float32 `(d,)`."""
        return self.latents[self.controls["face"].value] if self._random is None else self._random

    @property
    def edited(self) -> np.ndarray:
        """z + Σ aₖ vₖ with the sliders' aₖ: float32 `(d,)`."""
        return self.z + sum(np.float32(self.controls[name].value) * vector for name, vector in self.vectors.items())

    @property
    def morphed(self) -> np.ndarray:
        """The point on the way from the edited face to the second one: float32 `(d,)`."""
        end, is_spherical = self.latents[self.controls["second"].value], self.controls["path"].value == "spherical"
        return interpolate(self.edited, end, [self.controls["morph"].value], is_spherical)[0]

    def surprise(self) -> None:
        """Put a latent drawn from N(0, I) in the place of the face; choosing a face ends that."""
        with self._quietly():
            self._random = fixed_noise(1, self.latents.shape[1], int(np.random.default_rng().integers(LARGEST_SEED)))[0]
            self._refresh({"random"})

    def reset(self) -> None:
        """Go back to the first faces, with no attribute added."""
        self.set(**self._first)

    def _redraw(self, names: Set[str]) -> str:
        """Decode only what depends on what has moved, all of it in one batch."""
        if "face" in names:
            self._random = None
        self._show_originals(names)
        is_new = bool(names & {"face", "random"})
        wanted = {"reconstruction": self.z} if is_new else {}
        if is_new or names & self.vectors.keys():
            wanted["edited"] = self.edited
        wanted = {name: z for name, z in {**wanted, "morphed": self.morphed}.items() if name in self.pictures}
        for name, picture in zip(wanted, _pictures(self._decode, np.stack(list(wanted.values()))), strict=True):
            self._show(name, picture)
        if is_new and self.faces is not None:
            self._caption("reconstruction", "Reconstruction" if self._random is None else "Generated")
        return self._remark()

    def _show_originals(self, names: Set[str]) -> None:
        if self.faces is None:
            return
        if "face" in names:
            self._show("original", self.faces[self.controls["face"].value], "Original")
        if "random" in names:
            self._show("original", np.full_like(self.faces[0], 0.9), "None: z is drawn")
        if "second" in names:
            self._show("other", self.faces[self.controls["second"].value])

    def _remark(self) -> str:
        """Mark the attributes beyond the usual range, and return a sentence about them."""
        beyond = [name for name in self.vectors if abs(self.controls[name].value) > USUAL]
        for name in self.vectors:
            control, label = self.controls[name], name.replace("_", " ")
            control.description = f"⚠ {label}" if name in beyond else label
        if not beyond:
            return "" if self._random is None else "A latent drawn from N(0, I). Choose a face to leave it."
        names = ", ".join(name.replace("_", " ") for name in beyond)
        return f"Beyond ±{USUAL:g}, where few training faces lie, if any: {names}."


def nearest_picture(points: np.ndarray, pictures: np.ndarray, captions: Sequence[str]) -> Callable:
    """Return a function from a latent to the picture whose own latent is nearest (Euclidean), and its caption.

    Args:
        points: floats `(n, d)`, one encoded picture a row.
        pictures: floats `(n, h, w)` or `(n, h, w, channels)` in [0, 1].
        captions: n of them.

    Raises:
        UserError: the three differ in length, or there are none.
    """
    if not 0 < len(points) == len(pictures) == len(captions):
        raise UserError(f"{len(points)} points, {len(pictures)} pictures and {len(captions)} captions do not match.")
    tree = KDTree(points)

    def nearest(z: np.ndarray) -> tuple[np.ndarray, str]:
        _, place = tree.query(z)
        return pictures[place], captions[place]

    return nearest


def enlarged(picture: np.ndarray, height: int) -> np.ndarray:
    """Repeat pixels, so that they can be seen: `(h, w, …)` becomes about `height` pixels high, by a whole factor."""
    factor = max(1, round(height / picture.shape[0]))
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)


def _pictures(decode: Callable, z: np.ndarray) -> np.ndarray:
    """Return what `decode` makes of latents `(n, d)`, floats, without an axis of one channel; refuse anything else."""
    pictures = np.asarray(decode(z.astype(np.float32)))
    is_grey, is_colour = pictures.ndim == 3, pictures.ndim == 4 and pictures.shape[-1] in (1, 3)
    if len(pictures) != len(z) or not (is_grey or is_colour) or not np.issubdtype(pictures.dtype, np.floating):
        raise UserError(
            f"decode gave {pictures.dtype} {pictures.shape} for {len(z)} latents. It has to return floats in [0, 1], "
            "(n, h, w) or (n, h, w, 1 or 3)."
        )
    return pictures[..., 0] if is_colour and pictures.shape[-1] == 1 else pictures


def _by_name(value: object, names: Sequence[str]) -> dict:
    """Return a mapping as it is, and anything else under each of the names."""
    return dict(value) if isinstance(value, Mapping) else dict.fromkeys(names, value)


def _is_same(value: object, before: object) -> bool:
    """Say whether a control has only sent back, perhaps less exactly, the value that the kernel gave it."""
    if isinstance(value, float) and isinstance(before, float):
        return abs(value - before) < 1e-6
    return value == before


def _box(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    low, high = points.min(axis=0), points.max(axis=0)
    spare = np.maximum(high - low, 1e-3) / 20
    return low - spare, high + spare


def _mark(widget: ipywidgets.Widget, name: str) -> ipywidgets.Widget:
    """Give a widget the class by which it is found in a page."""
    widget.add_class(f"explore-{name.lower().replace('_', '-')}")
    return widget


def _button(description: str, name: str, action: Callable[[], object], **options) -> ipywidgets.Button:
    button = _mark(ipywidgets.Button(description=description, **options), name)
    button.on_click(lambda _: action())
    return button


def _choice(options: Sequence[tuple[str, str]]) -> ipywidgets.ToggleButtons:
    return ipywidgets.ToggleButtons(options=options, style={"button_width": "auto"})


def _labelled(text: str, control: ipywidgets.Widget, width: str) -> ipywidgets.HBox:
    """Return a control with a label on its left; toggle buttons would put their own above themselves."""
    return ipywidgets.HBox(
        [ipywidgets.HTML(f"<div style='text-align:right'>{text}</div>", layout={"width": width}), control]
    )
