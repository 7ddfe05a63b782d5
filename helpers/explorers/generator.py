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
    choice,
    generated,
    labelled,
    mark,
    player,
    seed_field,
    surprise_and_reset,
    view_of,
)
from helpers.latents import check_latents, fixed_noise, interpolate
from helpers.plots.figures import COLOURS
from helpers.session import UserError

FRAMES = 60  # steps of a walk: three seconds
FURTHEST = 4.0  # how often a direction may be added
STRIP = {"none": 0.0, "half": 0.5, "full": 1.0}  # truncations of the small pictures
HEIGHT = 320  # pixels, about that of the large picture


class GeneratorExplorer(Explorer):
    """A large generated picture with sliders for its latent, and the same latent at three truncations.

    It shows decode(ψ z + Σ aₖ vₖ): z is the draw from N(0, I) of the seed chosen, ψ the truncation, aₖ the value of a
    direction's slider. *Walk* moves z along the great circle to the z of the next seed, by hand or with the play
    button. A bar below the large picture shows the discriminator's verdict. The bar and the three small pictures
    follow once the controls rest, so they delay nothing.

    Truncation here *scales* z, so the draws become those of N(0, ψ² I), as with the temperature of Kingma and
    Dhariwal (2018), "Glow". The "truncation trick" of Marchesi (2017) and of Brock et al. (2019), "Large scale GAN
    training", section 3.1, is another thing: it draws those components again that are beyond a threshold. Scaling
    moves one and the same latent evenly, which suits a slider.

    Show it with `display(explorer.view)`. The classes in a page are `explore-model`, `-seed`, `-walk`, `-play`,
    `-truncation`, `-surprise`, `-reset`, `-status`, `-verdict` (the bar), a direction's name such as
    `explore-wearing-hat`, and the pictures `explore-generated`, `-none`, `-half` and `-full`.
    """

    def __init__(
        self,
        decode: Mapping[str, Callable],
        directions: Mapping[str, Mapping[str, np.ndarray]],
        *,
        dimensions: int,
        judge: Mapping[str, Callable],
    ) -> None:
        """Build the view and show the first model's picture of seed 0.

        Args:
            decode: model → function of latents float32 `(n, d)`, n 1 or 3, that returns pictures, floats
                `(n, h, w, 3)` in [0, 1].
            directions: model → name → floats `(d,)`, what one step of the slider from 0 to 1 adds to the latent. The
                names are the same for all models.
            dimensions: d.
            judge: model → discriminator: pictures as above `(1, h, w, 3)` → logits of real, one number.

        Raises:
            UserError: a direction is of another length or has values that are not numbers.
        """
        self._decoders, self._dimensions, self._judges = decode, dimensions, judge
        self._directions = {
            model: {name: check_latents(vector, dimensions)[0] for name, vector in vectors.items()}
            for model, vectors in directions.items()
        }
        super().__init__(self._new_controls(), HEIGHT)
        self._later = Later(self._draw_strip)
        self.verdict = mark(ipywidgets.HTML(layout={"margin": "0 0 0 1em", "min_height": "4.5em"}), "verdict")
        self._build()
        self._refresh({"seed"})
        self._later.drop()
        self._draw_strip()

    def _new_controls(self) -> dict[str, ipywidgets.Widget]:
        controls = {
            "model": choice(list(self._decoders)),
            "seed": seed_field(),
            "walk": ipywidgets.IntSlider(0, min=0, max=FRAMES, description="Walk"),
            "truncation": ipywidgets.FloatSlider(1.0, min=0, max=1.5, step=0.02, description="Truncation"),
        }
        for name in next(iter(self._directions.values())):
            label = name.replace("_", " ")
            controls[name] = ipywidgets.FloatSlider(0.0, min=-FURTHEST, max=FURTHEST, step=0.1, description=label)
        return controls

    def _build(self) -> None:
        play = player(self.controls["walk"], FRAMES)
        buttons = ipywidgets.HBox([play, *surprise_and_reset(self)], layout=WRAPPED)
        model, *shown = self.controls.values()
        small = [self._slot(name, f"Truncation {truncation:g}") for name, truncation in STRIP.items()]
        right = [self._slot("generated", "Generated"), self.verdict, ipywidgets.HBox(small, layout=WRAPPED)]
        right = ipywidgets.VBox(right, layout={"max_width": "100%"})
        self.view = view_of([*labelled("Model", model), *shown, buttons, self.status], [right])

    @property
    def noise(self) -> np.ndarray:
        """z before truncation: the draw of the seed, or a point on the walk to that of the next; float32 `(d,)`."""
        begin, end = (fixed_noise(1, self._dimensions, seed)[0] for seed in self._seeds)
        return interpolate(begin, end, [self.controls["walk"].value / FRAMES], spherical=True)[0]

    @property
    def shift(self) -> np.ndarray:
        """Σ aₖ vₖ with the sliders' aₖ: float32 `(d,)`."""
        directions = self._directions[self._model]
        steps = [np.float32(self.controls[name].value) * vector for name, vector in directions.items()]
        return np.sum(steps, axis=0, dtype=np.float32)

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

    def _redraw(self, names: Set[str]) -> str:
        z = self.z
        self._picture = generated(self._decoders[self._model], z[None])
        self._show("generated", self._picture[0])
        self._later.call()
        length = f"Length of this latent: {np.linalg.norm(z):.1f}; of draws from N(0, I): about {np.sqrt(len(z)):.1f}."
        if 0 < self.controls["walk"].value < FRAMES:
            return "Between the seeds {} and {}. ".format(*self._seeds) + length
        return length

    def _draw_strip(self) -> None:
        with self._errors_shown(), self._quietly():
            latents = np.outer(np.float32(list(STRIP.values())), self.noise) + self.shift
            for name, picture in zip(STRIP, generated(self._decoders[self._model], latents), strict=True):
                self._show(name, picture, height=HEIGHT // 3)
            try:
                self.verdict.value = verdict_bar(self._judges[self._model](self._picture))
            except Exception:
                self.verdict.value = ""  # the verdict on another picture must not stay
                raise


def verdict_bar(logit: object) -> str:
    """Return the probability of real, 1 / (1 + exp(-logit)), as HTML: its number, and a bar with a mark at 1/2."""
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
