"""The explorer of faces: a slider for each attribute, and a morph to a second face."""

from collections.abc import Callable, Mapping, Set

import ipywidgets
import numpy as np

from helpers.explorers.base import (
    LARGEST_SEED,
    WRAPPED,
    Explorer,
    choice,
    generated,
    labelled,
    surprise_and_reset,
    view_of,
)
from helpers.latents import check_latents, fixed_noise, interpolate

USUAL, FURTHEST = 2.0, 4.0  # how often an attribute's vector may be added: without a warning, and at most
HEIGHT = 180  # pixels, about that of each enlarged picture


class FaceExplorer(Explorer):
    """A face, a slider for each attribute, a second face, and a morph between the two.

    It shows the original, its reconstruction decode(z), the edited face decode(z + Σ aₖ vₖ), the morph between that
    and the second face, and the second original. Show it with `display(explorer.view)`.
    The classes in a page are `explore-face`, `-second`, `-morph`, `-path`, `-surprise`, `-reset`, `-status`, an
    attribute's name such as `explore-wearing-hat`, and the pictures `explore-original`, `-reconstruction`, `-edited`,
    `-morphed` and `-other`.
    """

    def __init__(
        self, decode: Callable, faces: np.ndarray | None, latents: np.ndarray, vectors: Mapping[str, np.ndarray]
    ) -> None:
        """Build the view and show the first face.

        Args:
            decode: latents float32 `(n, d)`, n from 1 to 3, → pictures, floats `(n, h, w, 3)` in [0, 1]. A
                UserError that it raises is shown in the status line.
            faces: the originals, floats `(count, h, w, 3)` in [0, 1]; None if the latents are noise.
            latents: floats `(count, d)`: the encoded means of the faces, or noise.
            vectors: attribute → floats `(d,)`, the step from without to with.

        Raises:
            UserError: latents or vectors have values that are not numbers, or differ in length.
        """
        dimensions = np.shape(latents)[-1]
        self.faces, self.latents = faces, check_latents(latents, dimensions)
        self.vectors = {name: check_latents(vector, dimensions)[0] for name, vector in vectors.items()}
        self._decode, self._random = decode, None
        super().__init__(self._new_controls(), HEIGHT)
        self._build()
        self._refresh({"face", "second"})

    def _new_controls(self) -> dict[str, ipywidgets.Widget]:
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
            "path": choice(["straight line", "great circle"]),
        }

    def _build(self) -> None:
        captions = {"reconstruction": "Reconstruction", "edited": "Edited", "morphed": "Morph"}
        if self.faces is None:
            captions["reconstruction"] = "Generated"
        else:
            captions = {"original": "Original", **captions, "other": "Second face"}
        slots = [self._slot(name, caption) for name, caption in captions.items()]
        *shown, path = self.controls.values()
        left = [*shown, *labelled("Along a", path), ipywidgets.HBox(surprise_and_reset(self)), self.status]
        room = {**WRAPPED, "align_content": "flex-start", "max_width": f"{3 * (HEIGHT + 40)}px"}
        self.view = view_of(left, [ipywidgets.HBox(slots, layout=room)])

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
        """The point between the edited face and the second one: float32 `(d,)`."""
        end, is_spherical = self.latents[self.controls["second"].value], self.controls["path"].value == "great circle"
        return interpolate(self.edited, end, [self.controls["morph"].value], is_spherical)[0]

    def surprise(self) -> None:
        """Replace the face by a latent drawn from N(0, I), until a face is chosen."""
        with self._quietly():
            self._random = fixed_noise(1, self.latents.shape[1], int(np.random.default_rng().integers(LARGEST_SEED)))[0]
            self._refresh({"random"})

    def _redraw(self, names: Set[str]) -> str:
        """Decode only what depends on the moved controls, in one batch."""
        if "face" in names:
            self._random = None
        is_new = bool(names & {"face", "random"})
        wanted = {"reconstruction": self.z} if is_new else {}
        if is_new or names & self.vectors.keys():
            wanted["edited"] = self.edited
        wanted["morphed"] = self.morphed
        if self.faces is not None:
            self._show_originals(names)
        for name, picture in zip(wanted, generated(self._decode, np.stack(list(wanted.values()))), strict=True):
            self._show(name, picture)
        return self._remark()

    def _show_originals(self, names: Set[str]) -> None:
        if "face" in names:
            self._show("original", self.faces[self.controls["face"].value], "Original")
            self._caption("reconstruction", "Reconstruction")
        if "random" in names:
            self._show("original", np.full_like(self.faces[0], 0.9), "None: z is drawn")
            self._caption("reconstruction", "Generated")
        if "second" in names:
            self._show("other", self.faces[self.controls["second"].value])

    def _remark(self) -> str:
        """Mark the attributes beyond the usual range; return a sentence about them."""
        beyond = []
        for name in self.vectors:
            control, label = self.controls[name], name.replace("_", " ")
            is_beyond = abs(control.value) > USUAL
            control.description = f"⚠ {label}" if is_beyond else label
            beyond += [label] if is_beyond else []
        if beyond:
            return f"Beyond ±{USUAL:g}, where there are few training faces or none: {', '.join(beyond)}."
        return "" if self._random is None else "A latent drawn from N(0, I). Choose a face to leave it."
