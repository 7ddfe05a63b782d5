"""The explorer of a generator: seed, truncation, a slider for each direction, and a walk to the next latent."""

from collections.abc import Callable, Mapping, Set

import ipywidgets
import numpy as np

from helpers.errors import UserError
from helpers.explorer_threads import Later, WalkingExplorer
from helpers.explorers import by_name, in_short, pictures_of
from helpers.latents import check_latents, fixed_noise, interpolate
from helpers.widgets import LARGEST_SEED, WRAPPED, button, choice, labelled, view_of

FRAMES = 60  # of a walk: at least three seconds
FURTHEST = 3.0  # how often a direction may be added
STRIP = {"none": 0.0, "half": 0.5, "full": 1.0}  # truncations of the small pictures


class GeneratorExplorer(WalkingExplorer):
    """A generated picture, large, with sliders for what its latent is made of; the same latent at three truncations.

    What is shown is decode(ψ z + Σ aₖ vₖ): z is the draw from N(0, I) of the seed chosen, ψ the truncation, aₖ the
    value of a direction's slider. *Walk* goes along the great circle to the z of the next seed. The three small
    pictures follow once the controls rest, so that they hold nothing up.

    Truncation here *scales* z, so the draws become those of N(0, ψ² I), as with the temperature of Kingma and
    Dhariwal (2018), "Glow". The "truncation trick" of Marchesi (2017) and of Brock et al. (2019),
    "Large scale GAN training", section 3.1, is another thing: it draws those components again that are beyond a
    threshold. Scaling moves one and the same latent evenly, which suits a slider.

    Show it with `display(explorer.view)`. Everything is found in a page by its class: `explore-model`, `-seed`,
    `-truncation`, `-walk`, `-surprise`, `-reset`, `-status`, a direction's name such as `explore-wearing-hat`,
    and the pictures `explore-generated`, `-none`, `-half` and `-full`.
    """

    def __init__(
        self,
        decode: Callable | Mapping[str, Callable],
        directions: Mapping | None = None,
        *,
        dimensions: int | Mapping[str, int],
        seed: int = 0,
        height: int = 320,
    ) -> None:
        """Build the view and show the picture of the first seed.

        Args:
            decode: latents float32 `(n, d)`, n 1 or 3, → pictures, floats `(n, h, w, 3)` in [0, 1]. Several by
                name, such as "last weights" and "moving average", can be switched between.
            directions: name → floats `(d,)`, what one step of its slider from 0 to 1 adds to the latent. Where the
                models have directions of their own: model → such a mapping, with the same names for all.
            dimensions: d; by model where they differ.
            seed: the first, from 0 to 999,999.
            height: pixels, about that of the large picture.

        Raises:
            UserError: a direction is of another length or has values that are no numbers, the models' names
                differ, or a direction is called like another control.
        """
        self._decoders = by_name(decode, ["generator"])
        self._dimensions = by_name(dimensions, list(self._decoders))
        self._directions = _directions_of(directions or {}, self._decoders.keys(), self._dimensions)
        self._between: np.ndarray | None = None  # where on its way a walk was ended
        super().__init__(self._made_controls(seed), height)
        self._later = Later(self._draw_strip)
        self._build()
        self._refresh({"seed"})
        self._later.now()

    def _made_controls(self, seed: int) -> dict[str, ipywidgets.Widget]:
        made = {
            "model": choice([(name, name) for name in self._decoders]),
            "seed": ipywidgets.BoundedIntText(seed, min=0, max=LARGEST_SEED, description="Seed"),
            "truncation": ipywidgets.FloatSlider(1.0, min=0, max=1.5, step=0.02, description="Truncation"),
        }
        names = next(iter(self._directions.values()))
        if taken := names & made.keys():
            raise UserError(f"a direction cannot be called {min(taken)!r}: a control is. Give it another name.")
        for name in names:
            label = name.replace("_", " ")
            made[name] = ipywidgets.FloatSlider(0.0, min=-FURTHEST, max=FURTHEST, step=0.1, description=label)
        return made

    def _build(self) -> None:
        surprise, reset = button("Surprise me", "surprise", self.surprise), button("Reset", "reset", self.reset)
        buttons = ipywidgets.HBox([self.walk_button, surprise, reset], layout=WRAPPED)
        model, *shown = self.controls.values()
        models = [labelled("Model", model)] if len(self._decoders) > 1 else []
        small = [self._slot(name, f"Truncation {truncation:g}") for name, truncation in STRIP.items()]
        strip = ipywidgets.HBox(small, layout=WRAPPED)
        right = ipywidgets.VBox([self._slot("generated", "Generated"), strip], layout={"max_width": "100%"})
        self.view = view_of([*models, *shown, buttons, self.status], [right])

    @property
    def noise(self) -> np.ndarray:
        """z before truncation: the draw of the seed, or where a walk stopped; float32 `(d,)`."""
        return self._draw_of(self.controls["seed"].value) if self._between is None else self._between

    @property
    def shift(self) -> np.ndarray:
        """Σ aₖ vₖ with the sliders' aₖ: float32 `(d,)`."""
        directions = self._directions[self._model]
        steps = [np.float32(self.controls[name].value) * vector for name, vector in directions.items()]
        return np.sum(steps, axis=0, dtype=np.float32) if steps else np.zeros_like(self.noise)

    @property
    def z(self) -> np.ndarray:
        """The latent of the large picture, ψ z + Σ aₖ vₖ: float32 `(d,)`."""
        return np.float32(self.controls["truncation"].value) * self.noise + self.shift

    @property
    def _model(self) -> str:
        return self.controls["model"].value

    def _draw_of(self, seed: int) -> np.ndarray:
        return fixed_noise(1, self._dimensions[self._model], seed)[0]

    def surprise(self) -> None:
        """Go to a seed drawn by lot."""
        self.set(seed=int(np.random.default_rng().integers(LARGEST_SEED + 1)))

    def reset(self) -> None:
        """Go back to the first model and seed, truncation 1, and no direction added."""
        self.set(**self._first)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until no walk is under way and the small pictures are up to date; False if not after `seconds`."""
        return super().wait(seconds) and self._later.wait(seconds)

    def _redraw(self, names: Set[str]) -> str:
        self.stop()  # whoever moves a control ends the walk
        if names & {"seed", "model"}:
            self._between = None
        self._draw()
        if names != {"truncation"}:  # which the small pictures have of their own
            self._later.call()
        return self._remark()

    def _draw(self) -> None:
        [picture] = generated(self._decoders[self._model], self.z[None])
        self._show("generated", picture)

    def _draw_strip(self) -> None:
        with self._in_words(), self._quietly():
            latents = np.outer(np.float32(list(STRIP.values())), self.noise) + self.shift
            for name, picture in zip(STRIP, generated(self._decoders[self._model], latents), strict=True):
                self._show(name, picture, height=self._height // 3)

    def _remark(self) -> str:
        length, usual = np.linalg.norm(self.z), np.sqrt(len(self.z))
        said = f"Length of this latent: {length:.1f}; of draws from N(0, I): about {usual:.1f}."
        where = f"Between the seeds {self.controls['seed'].value} and {self._next_seed}. "
        return said if self._between is None else where + said

    @property
    def _next_seed(self) -> int:
        return (self.controls["seed"].value + 1) % (LARGEST_SEED + 1)

    def _path(self) -> list[np.ndarray | None]:
        """Return latents on the way to that of the next seed, float32 `(d,)`; None stands for its end."""
        way = interpolate(self.noise, self._draw_of(self._next_seed), np.linspace(0, 1, FRAMES + 1), spherical=True)
        return [*way[1:-1], None]

    def _step(self, place: np.ndarray | None) -> None:
        if place is None:
            self.controls["seed"].value = self._next_seed
        self._between, self._drawn = place, self._values()
        self._draw()
        self._say(self._remark())

    def _step_along(self, path: list) -> None:
        super()._step_along(path)
        self._later.call()


def generated(decode: Callable, z: np.ndarray) -> np.ndarray:
    """Return the pictures `(n, h, w, 3)` that `decode` makes of latents `(n, d)`; say in words whatever goes wrong.

    Raises:
        UserError: `decode` failed, gave something else, or values that are no numbers.
    """
    try:
        pictures = pictures_of(decode, z)
    except UserError:
        raise
    except Exception as error:  # of any kind: each layer has its own for a latent of another length
        raise UserError(
            f"the generator failed on {len(z)} latents of {z.shape[1]} numbers ({in_short(error)}). "
            "Were its latents of that length? If not, give theirs as `dimensions`."
        ) from error
    if not np.isfinite(pictures).all():
        raise UserError(
            "the generator gives values that are no numbers (NaN): its training has failed. Choose another model, or "
            "train again with a smaller learning rate."
        )
    return pictures


def _directions_of(directions: Mapping, models: Set[str], dimensions: Mapping[str, int]) -> dict[str, dict]:
    """Return model → name → float32 `(d,)`, checked, from directions that all models share or by model."""
    is_by_model = any(isinstance(value, Mapping) for value in directions.values())
    sets = dict(directions) if is_by_model else dict.fromkeys(models, directions)
    if not models == sets.keys() == dimensions.keys():
        raise UserError(f"there are models called {', '.join(models)}. Give directions and dimensions the same names.")
    if len({frozenset(named) for named in sets.values()}) > 1:
        raise UserError(
            "the models' directions differ in their names, and the sliders are the same for all. Adjust them."
        )
    return {
        model: {name: _checked(name, vector, dimensions[model]) for name, vector in named.items()}
        for model, named in sets.items()
    }


def _checked(name: str, vector: np.ndarray, dimensions: int) -> np.ndarray:
    if np.shape(vector) != (dimensions,):
        raise UserError(
            f"the direction {name!r} has the shape {np.shape(vector)}, and latents here have {dimensions} numbers. "
            f"Give one of the shape ({dimensions},)."
        )
    return check_latents(vector, dimensions)[0]
