"""The explorer of a generator: seed, truncation, a slider for each direction, and a walk to the next latent."""

from collections.abc import Callable, Mapping, Set

import ipywidgets
import numpy as np
from scipy.special import expit

from helpers.explorers.base import (
    LARGEST_SEED,
    WRAPPED,
    Explorer,
    Later,
    button,
    by_name,
    choice,
    generated,
    labelled,
    mark,
    player,
    view_of,
)
from helpers.latents import check_latents, fixed_noise, interpolate
from helpers.plots.figures import COLOURS
from helpers.session import UserError

FRAMES = 60  # steps of a walk: three seconds
FURTHEST = 3.0  # how often a direction may be added
STRIP = {"none": 0.0, "half": 0.5, "full": 1.0}  # truncations of the small pictures


class GeneratorExplorer(Explorer):
    """A generated picture, large, with sliders for what its latent is made of; the same latent at three truncations.

    What is shown is decode(ψ z + Σ aₖ vₖ): z is the draw from N(0, I) of the seed chosen, ψ the truncation, aₖ the
    value of a direction's slider. *Walk* moves z along the great circle to the z of the next seed, by hand or with
    the play button. Below the large picture a bar shows what the discriminator says of it, where there is one. The bar
    and the three small pictures follow once the controls rest, so that they hold nothing up.

    Truncation here *scales* z, so the draws become those of N(0, ψ² I), as with the temperature of Kingma and
    Dhariwal (2018), "Glow". The "truncation trick" of Marchesi (2017) and of Brock et al. (2019),
    "Large scale GAN training", section 3.1, is another thing: it draws those components again that are beyond a
    threshold. Scaling moves one and the same latent evenly, which suits a slider.

    Show it with `display(explorer.view)`. Everything is found in a page by its class: `explore-model`, `-seed`,
    `-walk`, `-play`, `-truncation`, `-surprise`, `-reset`, `-status`, `-verdict` (the bar), a direction's name such as
    `explore-wearing-hat`, and the pictures `explore-generated`, `-none`, `-half` and `-full`.
    """

    def __init__(
        self,
        decode: Callable | Mapping[str, Callable],
        directions: Mapping | None = None,
        *,
        dimensions: int | Mapping[str, int],
        judge: Callable | Mapping[str, Callable] | None = None,
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
            judge: the discriminator: pictures as above `(1, h, w, 3)` → logits of real, one number; by model where
                they differ. None: no bar.
            seed: the first, from 0 to 999,999.
            height: pixels, about that of the large picture.

        Raises:
            UserError: a direction is of another length or has values that are not numbers, the models' names
                differ, or a direction is called like another control.
        """
        self._decoders = by_name(decode, ["generator"])
        self._dimensions, self._judges = (by_name(value, list(self._decoders)) for value in (dimensions, judge))
        self._directions = _directions_of(directions or {}, self._decoders.keys(), self._dimensions, self._judges)
        super().__init__(self._made_controls(seed), height)
        self._later = Later(self._draw_strip)
        self.verdict = mark(ipywidgets.HTML(layout={"margin": "0 0 0 1em", "min_height": "4.5em"}), "verdict")
        self._build()
        self._refresh({"seed"})
        self._later.now()

    def _made_controls(self, seed: int) -> dict[str, ipywidgets.Widget]:
        made = {
            "model": choice([(name, name) for name in self._decoders]),
            "seed": ipywidgets.BoundedIntText(seed, min=0, max=LARGEST_SEED, description="Seed"),
            "walk": ipywidgets.IntSlider(0, min=0, max=FRAMES, description="Walk"),
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
        play = player(self.controls["walk"], most=FRAMES)
        buttons = ipywidgets.HBox([play, surprise, reset], layout=WRAPPED)
        model, *shown = self.controls.values()
        models = [labelled("Model", model)] if len(self._decoders) > 1 else []
        small = [self._slot(name, f"Truncation {truncation:g}") for name, truncation in STRIP.items()]
        verdict = [self.verdict] if any(self._judges.values()) else []
        right = [self._slot("generated", "Generated"), *verdict, ipywidgets.HBox(small, layout=WRAPPED)]
        right = ipywidgets.VBox(right, layout={"max_width": "100%"})
        self.view = view_of([*models, *shown, buttons, self.status], [right])

    @property
    def noise(self) -> np.ndarray:
        """z before truncation: the draw of the seed, or a point on the way to that of the next; float32 `(d,)`."""
        walked = self.controls["walk"].value / FRAMES
        begin, end = (fixed_noise(1, self._dimensions[self._model], seed)[0] for seed in self._seeds)
        return interpolate(begin, end, [walked], spherical=True)[0]

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

    @property
    def _seeds(self) -> tuple[int, int]:
        seed = self.controls["seed"].value
        return seed, (seed + 1) % (LARGEST_SEED + 1)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the small pictures are up to date; return False if they are not after `seconds`."""
        return self._later.wait(seconds)

    def _redraw(self, names: Set[str]) -> str:
        z = self.z
        pictures = generated(self._decoders[self._model], z[None])
        self._show("generated", pictures[0])
        if names != {"truncation"} or self._judges[self._model]:  # the small pictures have their own truncation
            self._later.call()
        said = f"Length of this latent: {np.linalg.norm(z):.1f}; of draws from N(0, I): about {np.sqrt(len(z)):.1f}."
        if 0 < self.controls["walk"].value < FRAMES:
            said = "Between the seeds {} and {}. ".format(*self._seeds) + said
        return said

    def _draw_strip(self) -> None:
        with self._in_words(), self._quietly():
            latents = np.outer(np.float32(list(STRIP.values())), self.noise) + self.shift
            for name, picture in zip(STRIP, generated(self._decoders[self._model], latents), strict=True):
                self._show(name, picture, height=self._height // 3)
            if judge := self._judges[self._model]:
                try:
                    self.verdict.value = verdict_bar(judge(generated(self._decoders[self._model], self.z[None])))
                except Exception:  # the verdict on another picture must not stay
                    self.verdict.value = ""
                    raise


def verdict_bar(logit: object) -> str:
    """Return the probability of real, 1 / (1 + exp(-logit)), as HTML: a bar whose middle is marked, and its number."""
    share = float(expit(np.asarray(logit, np.float64).item()))
    if not np.isfinite(share):
        raise UserError("the discriminator's verdict is not a number (NaN): its training has failed. Train it again.")
    words = "undecided" if share == 0.5 else "rather real" if share > 0.5 else "rather fake"
    number = f"{share:.1%}" if 0.001 <= share <= 0.999 else "below 0.1%" if share < 0.5 else "above 99.9%"
    box = "position:relative;height:1.2em;width:20em;max-width:100%;border:1px solid #777;background:white"
    return (
        f"<div style='line-height:1.4'>Discriminator: <b>{words}</b>, P(real) = {number}</div>"
        f"<div role='meter' aria-label='probability of real' aria-valuemin='0' aria-valuemax='1' "
        f"aria-valuenow='{share:.3f}' aria-valuetext='{number}, {words}' style='{box}'>"
        f"<div style='height:100%;width:{share:.2%};background:{COLOURS[0]}'></div>"
        "<div style='position:absolute;top:0;bottom:0;left:50%;border-left:2px dashed black'></div></div>"
    )


def _directions_of(directions: Mapping, models: Set[str], dimensions: Mapping, judges: Mapping) -> dict[str, dict]:
    """Return model → name → float32 `(d,)`, checked, from directions that all models share or by model."""
    is_by_model = any(isinstance(value, Mapping) for value in directions.values())
    sets = dict(directions) if is_by_model else dict.fromkeys(models, directions)
    if not models == sets.keys() == dimensions.keys() == judges.keys():
        raise UserError(
            f"there are models called {', '.join(models)}. Give directions, dimensions and judge the same names."
        )
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
