"""The explorer of a discriminator: what it says of a real picture, of a fake, and of the learner's own."""

from collections.abc import Callable, Mapping, Set

import ipywidgets
import numpy as np

from helpers.errors import UserError
from helpers.explorers import Explorer, by_name
from helpers.gan_explorer import generated
from helpers.images import center_crop, picture_from_bytes, png_bytes, resize
from helpers.latents import fixed_noise
from helpers.pictures import load_picture
from helpers.verdicts import BATCH, VerdictChart, bar, logits_of, place_among, verdict_chart
from helpers.widgets import (
    WRAPPED,
    button,
    choice,
    labelled,
    mark,
    own_picture,
    typed_path,
    view_of,
)

SOURCES = {"real": "a real picture", "fake": "a fake", "own": "your own"}


class JudgeExplorer(Explorer):
    """What the discriminator says: the picture, the logit of *real*, its probability, and its place among others.

    The histograms hold the verdicts of all given real pictures and of the fakes of all seeds. They are computed
    once for each model: after more training, make the explorer anew. Moving a slider chooses its source.

    Show it with `display(explorer.view)`. Everything is found in a page by its class: `explore-model`, `-source`,
    `-real`, `-fake`, `-path`, `-open`, `-upload`, `-surprise`, `-reset`, `-status`, `-verdict` (the bar), and the
    pictures `explore-judged` and `-verdicts` (the histograms).
    """

    def __init__(
        self,
        judge: Callable | Mapping[str, Callable],
        pictures: np.ndarray,
        decode: Callable | Mapping[str, Callable],
        *,
        dimensions: int | Mapping[str, int],
        fakes: int = 200,
        height: int = 192,
    ) -> None:
        """Build the view, judge the given pictures and the fakes, and show the first real picture.

        Args:
            judge: pictures float32 `(n, h, w, 3)` in [0, 1], n at most 50, → logits of real, floats `(n,)` or
                `(n, 1)`. Several by name, such as "just trained" and "shipped", can be switched between.
            pictures: real ones, not trained on, floats `(count, h, w, 3)` in [0, 1].
            decode: latents float32 `(n, d)`, n at most 50, → pictures like those; by name where `judge` is.
            dimensions: d; by model where they differ.
            fakes: how many seeds there are, from 0 on. Seed s is the latent `fixed_noise(1, d, s)`, as in
                GeneratorExplorer.
            height: pixels, about that of the enlarged picture.

        Raises:
            UserError: `pictures` are whole numbers or of another shape, there are none, `fakes` is below 1, or
                the models' names differ.
        """
        self._judges = by_name(judge, ["discriminator"])
        known = list(self._judges)
        self._decoders, self._dimensions = by_name(decode, known), by_name(dimensions, known)
        if not self._judges.keys() == self._decoders.keys() == self._dimensions.keys():
            raise UserError(f"there are models called {', '.join(known)}. Give decode and dimensions the same names.")
        self.real = _checked(pictures)
        if fakes < 1:
            raise UserError(f"{fakes} fakes leave nothing to compare with. Give at least 1.")
        self.own: np.ndarray | None = None
        self._verdicts: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self._charts: dict[str, VerdictChart] = {}
        super().__init__(self._made_controls(fakes), height)
        self._build()
        self._refresh({"source"})

    def _made_controls(self, fakes: int) -> dict[str, ipywidgets.Widget]:
        return {
            "model": choice([(name, name) for name in self._judges]),
            "source": choice([(label, name) for name, label in SOURCES.items()]),
            "real": ipywidgets.IntSlider(0, min=0, max=len(self.real) - 1, description="Real picture"),
            "fake": ipywidgets.IntSlider(0, min=0, max=fakes - 1, description="Fake: seed"),
        }

    def _build(self) -> None:
        surprise, reset = button("Surprise me", "surprise", self.surprise), button("Reset", "reset", self.reset)
        model, source, *sliders = self.controls.values()
        models = [labelled("Model", model)] if len(self._judges) > 1 else []
        own = own_picture(self._open, self._uploaded)
        self.path = own.path
        buttons = ipywidgets.HBox([surprise, reset], layout=WRAPPED)
        left = [*models, labelled("Judge", source), *sliders, own.path, own.below, buttons, self.status]
        room = {"width": "400px", "max_width": "calc(100% - 1em)", "margin": "0 0 0 1em"}
        self.bar = mark(ipywidgets.HTML(layout=room), "verdict")
        chart = self._slot("verdicts", "Among the verdicts on real pictures and fakes")
        right = ipywidgets.VBox([self._slot("judged", ""), self.bar, chart], layout={"max_width": "100%"})
        self.view = view_of(left, [right])

    @property
    def picture(self) -> np.ndarray:
        """The picture that is judged: float32 `(h, w, 3)` in [0, 1].

        Raises:
            UserError: the source is the learner's own picture, and none was given yet.
        """
        source = self.controls["source"].value
        if source == "real":
            return self.real[self.controls["real"].value]
        if source == "fake":
            return self._fakes([self.controls["fake"].value])[0]
        if self.own is None:
            raise UserError("there is no picture of your own yet. Give its path and press Open, or upload it.")
        return self.own

    @property
    def _model(self) -> str:
        return self.controls["model"].value

    def _fakes(self, seeds: list[int] | range) -> np.ndarray:
        dimensions, decode = self._dimensions[self._model], self._decoders[self._model]
        return generated(decode, np.concatenate([fixed_noise(1, dimensions, seed) for seed in seeds]))

    def _judged_sets(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the logits of all real pictures and of the fakes of all seeds; computed once for each model."""
        if self._model not in self._verdicts:
            count, judge = self.controls["fake"].max + 1, self._judges[self._model]
            self._say(f"Judging {len(self.real)} real pictures and {count} fakes …")
            batches = [range(first, min(first + BATCH, count)) for first in range(0, count, BATCH)]
            fakes = np.concatenate([logits_of(judge, self._fakes(seeds)) for seeds in batches])
            self._verdicts[self._model] = logits_of(judge, self.real), fakes
            self._charts[self._model] = verdict_chart(*self._verdicts[self._model])
        return self._verdicts[self._model]

    def _refresh(self, names: Set[str]) -> None:
        if len(moved := names & {"real", "fake"}) == 1 and "source" not in names:
            [self.controls["source"].value] = moved  # a slider that is moved is the source
        super()._refresh(names)

    def _redraw(self, names: Set[str]) -> str:
        model, source = self._model, self.controls["source"].value
        try:
            picture = self.picture
            [logit] = logits_of(self._judges[model], picture[None])
            reals, fakes = self._judged_sets()
            chart = png_bytes(self._charts[model].marked(logit))
        except Exception:  # the verdict on another picture must not stay
            self.bar.value, self.pictures["verdicts"].value = "", b""
            raise
        self._show("judged", picture, self._title(source))  # only now, so that all parts change together
        self.bar.value, self.pictures["verdicts"].value = bar(logit), chart
        hint = " It has seen pictures framed like the real ones only, so cut yours alike." if source == "own" else ""
        return place_among(logit, reals, fakes) + hint

    def _title(self, source: str) -> str:
        if source == "own":
            return "Your own picture"
        return f"{'Real picture' if source == 'real' else 'Fake of seed'} {self.controls[source].value}"

    def surprise(self) -> None:
        """Go to a real picture or a fake drawn by lot, either kind as likely as the other."""
        random = np.random.default_rng()
        source = str(random.choice(["real", "fake"]))
        self.set(source=source, **{source: int(random.integers(self.controls[source].max + 1))})

    def reset(self) -> None:
        """Go back to the first model and the first real picture, and forget the learner's own."""
        self.own, self.path.value = None, ""
        self.set(**self._first)

    def _open(self) -> None:
        if place := typed_path(self.path.value):
            self._take(lambda: load_picture(place).pixels)
        else:
            self._say("Give the path or the address of a picture first.", role="alert")

    def _uploaded(self, name: str, content: bytes) -> None:
        self._take(lambda: picture_from_bytes(content, name=name))

    def _take(self, load: Callable[[], np.ndarray]) -> None:
        with self._quietly(), self._in_words():
            self._say("Loading …")
            self.own = cropped_to(load(), *self.real.shape[1:3])
            self.set(source="own")


def cropped_to(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return the largest centred part of a picture `(h, w, 3)` with the aspect of `height` to `width`, at that size."""
    scale = min(picture.shape[0] / height, picture.shape[1] / width)
    part = center_crop(picture, max(1, round(height * scale)), max(1, round(width * scale)))
    return resize(part, height, width)


def _checked(pictures: np.ndarray) -> np.ndarray:
    pictures = np.asarray(pictures)
    if pictures.ndim != 4 or pictures.shape[-1] != 3 or not len(pictures):
        raise UserError(f"pictures (n, h, w, 3), at least one, are expected, not the shape {pictures.shape}.")
    if not np.issubdtype(pictures.dtype, np.floating):
        raise UserError(f"pictures of {pictures.dtype} are not in [0, 1]. Divide them by 255 first.")
    return pictures.astype(np.float32)
