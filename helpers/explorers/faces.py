"""The explorer of faces: a slider for each attribute, and a morph to a second face."""

from collections.abc import Callable, Mapping, Set

import ipywidgets
import numpy as np

from helpers.explorers.base import LARGEST_SEED, WRAPPED, Explorer, button, choice, generated, labelled, view_of
from helpers.latents import check_latents, fixed_noise, interpolate
from helpers.session import UserError

USUAL, FURTHEST = 3.0, 5.0  # how often an attribute's vector may be added: unmarked, and at all


class FaceExplorer(Explorer):
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
            "path": choice([("straight line", "linear"), ("great circle", "spherical")]),
        }

    def _build(self) -> None:
        surprise, reset = button("Surprise me", "surprise", self.surprise), button("Reset", "reset", self.reset)
        captions = {"reconstruction": "Reconstruction", "edited": "Edited", "morphed": "Morph"}
        if self.faces is None:
            captions["reconstruction"] = "Generated"
        else:
            captions = {"original": "Original", **captions, "other": "Second face"}
        if not self.vectors:
            del captions["edited"]
        slots = [self._slot(name, caption) for name, caption in captions.items()]
        *shown, path = self.controls.values()
        left = [*shown, labelled("Along a", path), ipywidgets.HBox([surprise, reset]), self.status]
        room = {**WRAPPED, "align_content": "flex-start", "max_width": f"{3 * (self._height + 40)}px"}
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
        """The point on the way from the edited face to the second one: float32 `(d,)`."""
        end, is_spherical = self.latents[self.controls["second"].value], self.controls["path"].value == "spherical"
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
        self._show_originals(names)
        is_new = bool(names & {"face", "random"})
        wanted = {"reconstruction": self.z} if is_new else {}
        if is_new or names & self.vectors.keys():
            wanted["edited"] = self.edited
        wanted = {name: z for name, z in {**wanted, "morphed": self.morphed}.items() if name in self.pictures}
        for name, picture in zip(wanted, generated(self._decode, np.stack(list(wanted.values()))), strict=True):
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
        """Mark the attributes beyond the usual range; return a sentence about them."""
        beyond = [name for name in self.vectors if abs(self.controls[name].value) > USUAL]
        for name in self.vectors:
            control, label = self.controls[name], name.replace("_", " ")
            control.description = f"⚠ {label}" if name in beyond else label
        if not beyond:
            return "" if self._random is None else "A latent drawn from N(0, I). Choose a face to leave it."
        names = ", ".join(name.replace("_", " ") for name in beyond)
        return f"Beyond ±{USUAL:g}, where few training faces lie, if any: {names}."
