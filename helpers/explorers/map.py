"""The explorer of a 2-D latent space: a map to point at, and the decoded picture beside it."""

from collections.abc import Callable, Mapping, Sequence, Set

import ipywidgets
import numpy as np
from scipy.spatial import KDTree

from helpers.explorers.base import (
    WRAPPED,
    Explorer,
    button,
    by_name,
    choice,
    generated,
    labelled,
    mark,
    player,
    view_of,
)
from helpers.explorers.pad import LatentPad, class_middles, closed_path, packed
from helpers.session import UserError

FRAMES = 160  # steps of a walk: eight seconds


class MapExplorer(Explorer):
    """A map of a 2-D latent space to point at, two sliders, the decoded picture, and the nearest training picture.

    The slider *Walk*, with a play button, leads once round the middles of the classes.

    Show it with `display(explorer.view)`. Everything is found in a page by its class: `explore-map` (a LatentPad,
    with `explore-z1` and `explore-z2` in it), `-decoder`, `-walk`, `-play`, `-surprise`, `-reset`, `-decoded`,
    `-nearest` and `-status`.
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
                Several by name can be switched between.
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
        self._decoders = by_name(decode, ["decoder"])
        known = list(self._decoders)
        self._points, self._nearest = by_name(points, known), by_name(nearest, known)
        if not self._points.keys() == self._nearest.keys() == self._decoders.keys():
            raise UserError(f"there are decoders called {', '.join(known)}. Give points and nearest the same names.")
        self._labels = np.asarray(labels)
        low, high = _box(np.concatenate(list(self._points.values()))) if limits is None else limits
        self.low, self.high = (np.broadcast_to(np.asarray(end, np.float64), 2) for end in (low, high))
        self.pad = mark(LatentPad(self._points[known[0]], labels, names, self.low, self.high, size=size), "map")
        walk = ipywidgets.IntSlider(0, min=0, max=FRAMES, description="Walk")
        super().__init__({"decoder": choice([(name, name) for name in known]), "walk": walk}, height)
        for axis, name in (("x", "z1"), ("y", "z2")):
            self.pad.observe(lambda change, name=name: self._moved(name), names=axis)
        self._build()
        self._refresh({"decoder"})

    @property
    def z(self) -> np.ndarray:
        """The point shown, float32 `(2,)`."""
        return np.array([self.pad.x, self.pad.y], np.float32)

    def _build(self) -> None:
        surprise, reset = button("Surprise me", "surprise", self.surprise), button("Reset", "reset", self.reset)
        walk = self.controls["walk"]
        self._play = player(walk, most=FRAMES)
        walking = ipywidgets.HBox([walk, self._play], layout=WRAPPED)
        buttons = ipywidgets.HBox([surprise, reset], layout=WRAPPED)
        decoders = [labelled("Decoder", self.controls["decoder"])] if len(self._decoders) > 1 else []
        slots = [self._slot("decoded", "Decoded")]
        if any(self._nearest.values()):
            slots.append(self._slot("nearest", "Nearest training picture"))
        strip = ipywidgets.HBox(slots, layout=WRAPPED)
        right = ipywidgets.VBox([*decoders, walking, buttons, strip, self.status], layout={"max_width": "100%"})
        self.view = view_of([self.pad], [right])

    def _values(self) -> dict[str, object]:
        return {"z1": self.pad.x, "z2": self.pad.y, **super()._values()}

    def set(self, *, z1: float | None = None, z2: float | None = None, **controls) -> None:
        """Go to a place, or to the edge of the map where it lies beyond, and set controls; None: as it is."""
        with self._quietly():
            if z1 is not None or z2 is not None:
                self._go(self.pad.x if z1 is None else z1, self.pad.y if z2 is None else z2)
            super().set(**controls)

    def _go(self, x: float, y: float) -> None:
        with self.pad.hold_sync():  # one message to the browser
            self.pad.x, self.pad.y = (float(value) for value in np.clip([x, y], self.low, self.high))

    def _redraw(self, names: Set[str]) -> str:
        decoder, walk = self.controls["decoder"].value, self.controls["walk"]
        points = self._points[decoder]
        if "decoder" in names:
            for trait, value in packed(points, self._labels, len(self.pad.names)).items():
                setattr(self.pad, trait, value)
            self._path = closed_path(class_middles(points, self._labels), points.mean(axis=0), FRAMES + 1)
        if names == {"walk"}:
            self._go(*self._path[walk.value])
            self._drawn = self._values()
        else:  # who points at a place, or presses a button, ends the walk
            self._play.playing = self._play._playing = False  # the second is the name in ipywidgets 7
        [picture] = generated(self._decoders[decoder], self.z[None])
        self._show("decoded", picture)
        if nearest := self._nearest[decoder]:
            self._show("nearest", *nearest(self.z))
        return ""

    def surprise(self) -> None:
        """Go to a random place of the map, empty regions included."""
        x, y = np.random.default_rng().uniform(self.low, self.high)
        self.set(z1=x, z2=y)


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


def _box(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    low, high = points.min(axis=0), points.max(axis=0)
    spare = np.maximum(high - low, 1e-3) / 20
    return low - spare, high + spare
