"""The explorer of a 2-D latent space: a map to point at, and the decoded picture beside it."""

from collections.abc import Callable, Mapping, Sequence, Set

import ipywidgets
import numpy as np
from scipy.spatial import KDTree

from helpers.explorers.base import (
    WRAPPED,
    Explorer,
    by_name,
    choice,
    generated,
    labelled,
    mark,
    player,
    surprise_and_reset,
    view_of,
)
from helpers.explorers.pad import LatentPad, class_middles, closed_path, packed

FRAMES = 160  # steps of a walk: eight seconds
HEIGHT = 200  # pixels, about that of each enlarged picture


class MapExplorer(Explorer):
    """A map of a 2-D latent space to point at, two sliders, the decoded picture, and the nearest training picture.

    The slider *Walk*, with a play button, leads once round the middles of the classes.

    Show it with `display(explorer.view)`. The classes in a page are `explore-map` (a LatentPad, with `explore-z1` and
    `explore-z2` in it), `-decoder`, `-walk`, `-play`, `-surprise`, `-reset`, `-decoded`, `-nearest` and `-status`.
    """

    def __init__(
        self,
        decode: Callable | Mapping[str, Callable],
        points: np.ndarray | Mapping[str, np.ndarray],
        labels: np.ndarray,
        names: Sequence[str],
        nearest: Callable | Mapping[str, Callable],
    ) -> None:
        """Build the view and decode the middle of the map.

        Args:
            decode: latents float32 `(n, 2)` → pictures, floats `(n, h, w)` or `(n, h, w, 1 or 3)` in [0, 1]; or
                name → such a function, to switch between.
            points: floats `(n, 2)`, the encoded means of the pictures to show on the map; or name → points. The map
                holds all of them, with a twentieth of the space more on every side.
            labels: whole numbers `(n,)`, each a place in `names`.
            names: of the classes, at most ten.
            nearest: called as `nearest(z)` with float32 `(2,)`; returns a picture as above, without the first axis,
                and a caption. `nearest_picture` makes one. By name where `points` are.

        Raises:
            UserError: points have values that are not numbers.
        """
        self._decoders = by_name(decode, ["decoder"])
        self._points, self._nearest = by_name(points, ["decoder"]), by_name(nearest, ["decoder"])
        self._labels = np.asarray(labels)
        decoders = choice(list(self._decoders))
        self.low, self.high = _box(np.concatenate(list(self._points.values())))
        self.pad = mark(LatentPad(self._points[decoders.value], labels, names, self.low, self.high), "map")
        walk = ipywidgets.IntSlider(0, min=0, max=FRAMES, description="Walk")
        super().__init__({"decoder": decoders, "walk": walk}, HEIGHT)
        for axis, name in (("x", "z1"), ("y", "z2")):
            self.pad.observe(lambda change, name=name: self._moved(name), names=axis)
        self._build()
        self._refresh({"decoder"})

    @property
    def z(self) -> np.ndarray:
        """The point shown, float32 `(2,)`."""
        return np.array([self.pad.x, self.pad.y], np.float32)

    def _build(self) -> None:
        walk = self.controls["walk"]
        self._play = player(walk, FRAMES)
        slots = [self._slot("decoded", "Decoded"), self._slot("nearest", "Nearest training picture")]
        lines = [[walk, self._play], surprise_and_reset(self), slots]
        lines = [ipywidgets.HBox(line, layout=WRAPPED) for line in lines]
        right = [*labelled("Decoder", self.controls["decoder"]), *lines, self.status]
        self.view = view_of([self.pad], [ipywidgets.VBox(right, layout={"max_width": "100%"})])

    def _values(self) -> dict[str, object]:
        return {"z1": self.pad.x, "z2": self.pad.y, **super()._values()}

    def set(self, *, z1: float | None = None, z2: float | None = None, **controls) -> None:
        """Go to a place, or to the edge of the map where it lies beyond, and set controls; None: as it is."""
        with self._quietly():
            self._go(self.pad.x if z1 is None else z1, self.pad.y if z2 is None else z2)
            super().set(**controls)

    def _go(self, x: float, y: float) -> None:
        with self.pad.hold_sync():  # one message to the browser
            self.pad.x, self.pad.y = (float(value) for value in np.clip([x, y], self.low, self.high))

    def _redraw(self, names: Set[str]) -> str:
        decoder = self.controls["decoder"].value
        points = self._points[decoder]
        if "decoder" in names:
            self.pad.points, self.pad.labels = packed(points, self._labels)
            self._path = closed_path(class_middles(points, self._labels), points.mean(axis=0), FRAMES + 1)
        if names == {"walk"}:
            self._go(*self._path[self.controls["walk"].value])
            self._drawn = self._values()
        else:  # another control ends the walk
            self._play.playing = self._play._playing = False  # the second is the name in ipywidgets 7
        [picture] = generated(self._decoders[decoder], self.z[None])
        self._show("decoded", picture)
        self._show("nearest", *self._nearest[decoder](self.z))
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
    """
    tree = KDTree(points)

    def nearest(z: np.ndarray) -> tuple[np.ndarray, str]:
        _, place = tree.query(z)
        return pictures[place], captions[place]

    return nearest


def _box(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    low, high = points.min(axis=0).astype(np.float64), points.max(axis=0).astype(np.float64)
    margin = np.maximum(high - low, 1e-3) / 20
    return low - margin, high + margin
