"""Charts and maps: functions that draw a figure, and return it as a picture with a text.

`title` says what the figure shows. `alt` says it to those who cannot see the figure; without it, the title does.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.patches import Circle, Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from helpers.images import tile_grid
from helpers.plots.pictures import PictureWithText, picture

# Colours that people with any kind of colour blindness can tell apart (Okabe and Ito, 2008).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "osD^vP*"
DASHES = ("-", "--", "-.", ":")
LEVEL_DASHES = (
    (0, (1, 1)),
    (0, (6, 2)),
    (0, (1, 4)),
    (0, (5, 1, 1, 1)),
    (0, (8, 3, 1, 3)),
)  # of level and upright lines
# Ten classes: the ten colours of matplotlib. Not everybody tells all of them apart, so a map names each class as well.
CLASS_COLOURS = (
    *("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd"),
    *("#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf"),
)
MAP_COLUMNS = 6  # pictures in a row beside a map


def _new_figure(columns: int = 1, width: float = 7.5, height: float = 3.2, **options) -> tuple[Figure, np.ndarray]:
    """Return a figure that no global state refers to, and its axes: an array of `columns`."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(1, columns, squeeze=False, **options)[0]
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25)
    return figure, axes


def _titled(figure: Figure, title: str, alt: str = "") -> PictureWithText:
    figure.suptitle(title, fontsize=11)
    return picture(figure, alt or title)


def curves(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    xlabel: str,
    ylabel: str,
    title: str,
    alt: str = "",
    log: bool = False,
    marks: Mapping[str, Sequence[float]] | None = None,
    is_square: bool = False,
) -> PictureWithText:
    """Draw lines that differ in colour, dash and mark, with their names on the right.

    Args:
        series: name → (x, y), two sequences of the same length.
        xlabel: what x is, with its unit.
        ylabel: what y is, with its unit.
        title: what the figure shows.
        alt: the same for those who cannot see it; without it, the title and the names of the lines.
        log: whether the vertical axis is logarithmic. A y that is not above 0 is then left out.
        marks: name → the values of x at which something happens, drawn as upright lines.
        is_square: whether both axes have one scale, so that a circle is round.
    """
    figure, (axis,) = _new_figure(height=4.5 if is_square else 3.2)
    _draw_lines(axis, series)
    axis.set(xlabel=xlabel, ylabel=ylabel, aspect="equal" if is_square else "auto")
    if all(isinstance(x, range) for x, _ in series.values()):  # counted, such as epochs
        axis.xaxis.get_major_locator().set_params(integer=True)
    if log:
        axis.set_yscale("log", nonpositive="mask")  # a loss that begins at 0 has no place there
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter(NullFormatter())
    for (name, places), dashes in zip((marks or {}).items(), LEVEL_DASHES, strict=False):
        for number, x in enumerate(places):
            axis.axvline(x, color="0.4", linestyle=dashes, zorder=0, label="_" * bool(number) + name)
    axis.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=9)
    axis.set_title(title, fontsize=11)
    return picture(figure, alt or f"{title}. Lines: {', '.join(series)}")


def curve_panels(
    panels: Mapping[str, Mapping[str, tuple[Sequence[float], Sequence[float]]]],
    xlabel: str,
    title: str,
    alt: str = "",
) -> PictureWithText:
    """Draw lines in panels below one another, over the same x.

    Args:
        panels: what y is in a panel, with its unit → the lines, as for `curves`.
        xlabel: what x is, with its unit.
        title: what the figure shows.
        alt: the same for those who cannot see it; without it, the title and the names of the lines.
    """
    figure = Figure(figsize=(7.5, 0.8 + 2.1 * len(panels)), layout="constrained")
    axes = figure.subplots(len(panels), 1, squeeze=False, sharex=True)[:, 0]
    for axis, (ylabel, series) in zip(axes, panels.items(), strict=True):
        _draw_lines(axis, series)
        axis.set_ylabel(ylabel)
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25)
        axis.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=9)
    axes[-1].set_xlabel(xlabel)
    return _titled(
        figure, title, alt or f"{title}. Lines: {', '.join(name for each in panels.values() for name in each)}"
    )


def _draw_lines(axis: Axes, series: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> None:
    for number, (name, (x, y)) in enumerate(series.items()):
        style = {"color": COLOURS[number % 7], "linestyle": DASHES[number % 4], "marker": MARKERS[number % 7]}
        axis.plot(x, y, markersize=4, markevery=max(1, len(x) // 12), label=name, **style)
    axis.legend(fontsize=9)


def training_curves(
    history: Sequence[dict], unit: str, references: Mapping[str, float], untrained: float | None = None
) -> PictureWithText:
    """Draw training and held-out loss over the training steps.

    Args:
        history: a record an epoch with `epoch`, `step`, `seconds`, `loss` and `validation`.
        unit: of the losses, such as "nats per word".
        references: name → loss of something to compare with, drawn as a horizontal line.
        untrained: the held-out loss before the first step; the held-out line then begins there.
    """
    figure, (axis,) = _new_figure()
    steps = [record["step"] for record in history]
    held_out = [record["validation"] for record in history]
    begin = [] if untrained is None else [0]
    lines = {"training": (steps, [record["loss"] for record in history])}
    lines["held out"] = ([*begin, *steps], [*([untrained] * len(begin)), *held_out])
    _draw_lines(axis, lines)
    lowest, highest = axis.get_ylim()
    for number, (name, value) in enumerate(references.items()):
        if value < highest + 0.2 * (highest - lowest):  # one that is far above would flatten the curves
            axis.axhline(value, color="0.4", linestyle=LEVEL_DASHES[number % 5], label=f"{name}: {value:.2f}")
    best = min(history, key=lambda record: record["validation"])
    axis.set(xlabel="training steps", ylabel=unit, xlim=(0, None))
    axis.set_title(
        f"Held out: {best['validation']:.3f} {unit} after epoch {best['epoch']} "
        f"({history[-1]['step']:,} steps, {history[-1]['seconds']:,.0f} s)",
        fontsize=11,
    )
    axis.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=9)
    last = f"held out at last {held_out[-1]:.3f}"
    return picture(figure, f"Training and held-out loss over the steps, in {unit}; {last}")


def adversarial_curves(
    history: Sequence[dict], title: str = "", references: Mapping[str, float] | None = None
) -> PictureWithText:
    """Draw a GAN's losses, the discriminator's verdicts, and the KID where it was measured, a panel each.

    Args:
        history: a record an epoch, with means over it. `discriminator_loss` and `generator_loss` are in nats.
            `D(real)` and `D(fake)` are the mean probability of "real" that the discriminator gives to either kind.
            `accuracy` is the share of pictures that it judges rightly. `spread`, which may be missing, is how unlike
            the fakes are, as a share of how unlike the reals are. `KID` may be missing in some records or in all.
        title: what the figure shows; without it, the figures of the last epoch.
        references: name → loss of something to compare with, drawn as a horizontal line.
    """
    last, scored = history[-1], [record for record in history if "KID" in record]
    spread = f", spread {last['spread']:.2f} of that of the reals" if "spread" in last else ""
    distance = f", KID {scored[-1]['KID']:.4f} after epoch {scored[-1]['epoch']}" if scored else ""
    state = f"After epoch {last['epoch']}: the discriminator is right {last['accuracy']:.0%}{spread}{distance}"
    figure, axes = _new_figure(3 if scored else 2, width=12.5 if scored else 10.5, height=3.6)
    losses = {"discriminator": "discriminator_loss", "generator": "generator_loss"}
    shares = {"D(real)": "D(real)", "D(fake)": "D(fake)", "accuracy": "accuracy", "spread of the fakes": "spread"}
    panels = [
        ("loss, nats", losses, history),
        ("share", shares, history),
        ("KID, held-out faces", {"KID": "KID"}, scored),
    ]
    for axis, (ylabel, names, records) in zip(axes, panels, strict=False):
        epochs = [record["epoch"] for record in records]
        lines = {name: (epochs, [r[key] for r in records]) for name, key in names.items() if key in records[0]}
        _draw_lines(axis, lines)
        for number, (name, value) in enumerate((references or {}).items() if axis is axes[0] else ()):
            axis.axhline(value, color="0.4", linestyle=LEVEL_DASHES[number % 5], label=name)
        axis.set(xlabel="epoch", ylabel=ylabel, ylim=(0, None))
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.legend(fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
    axes[1].set(ylim=(0, 1.05))
    return _titled(figure, title or state, f"{title or 'Losses and verdicts'}. {state}")


def reweighted_bars(
    distributions: Mapping[float, np.ndarray], entropies: Mapping[float, float], alt: str = ""
) -> PictureWithText:
    """Draw one distribution at several temperatures, a panel each, with its entropy in bits above.

    Args:
        distributions: temperature → probabilities `(symbols,)`.
        entropies: temperature → entropy in bits.
        alt: what the figure shows, for those who cannot see it.
    """
    figure, axes = _new_figure(len(distributions), width=9, height=2.6, sharey=True)
    for axis, (temperature, probabilities) in zip(axes, distributions.items(), strict=True):
        axis.bar(np.arange(1, len(probabilities) + 1), probabilities, color=COLOURS[0])
        axis.set_title(f"T = {temperature:g}\n{entropies[temperature]:.2f} bits", fontsize=10)
        axis.set_xticks([])
    axes[0].set_ylabel("probability")
    figure.supxlabel("symbols, from the most to the least probable", fontsize=10)
    return _titled(figure, "A higher temperature flattens the distribution and raises its entropy", alt)


def attention_maps(weights: np.ndarray, words: Sequence[str], alt: str = "") -> PictureWithText:
    """Draw attention weights, a panel for each head.

    Args:
        weights: `(heads, time, time)` in [0, 1]; each row sums to 1. The part above the diagonal is grey.
        words: the `time` words, row and column labels.
        alt: what the figure shows, for those who cannot see it.
    """
    figure, axes = _new_figure(len(weights), width=2.6 * len(weights) + 1, height=3.4, sharey=True)
    for number, (axis, head) in enumerate(zip(axes, weights, strict=True)):
        hidden = np.triu(np.ones_like(head, dtype=bool), k=1)
        shown = axis.imshow(np.ma.masked_where(hidden, head), vmin=0, vmax=1, cmap="cividis")
        axis.set_facecolor("0.8")
        axis.grid(False)
        axis.set_title(f"head {number + 1}", fontsize=10)
        axis.set_xticks(range(len(words)), words, rotation=90, fontsize=8)
        axis.set_yticks(range(len(words)), words, fontsize=8)
    axes[0].set_ylabel("the word that looks")
    figure.supxlabel("the word looked at", fontsize=10)
    figure.colorbar(shown, ax=list(axes), label="weight", shrink=0.8)
    return _titled(figure, "Every word looks only at itself and at words before it", alt)


def manifold(
    panels: Mapping[str, tuple[np.ndarray, Sequence[float], Sequence[float]]], title: str, alt: str = ""
) -> PictureWithText:
    """Draw the pictures decoded from square grids of 2-D latents, each grid as one large picture with axes.

    Args:
        panels: title → (pictures `(side * side, height, width, 1 or 3)`, floats in [0, 1], row after row from the top;
            the first latent of each column, from the left; the second latent of each row, from the bottom).
        title: what the figure shows.
        alt: the same for those who cannot see it.
    """
    width, height = (7, 7) if len(panels) == 1 else (6 * len(panels), 6.5)
    figure, axes = _new_figure(len(panels), width=width, height=height)
    for axis, (name, (pictures, across, up)) in zip(axes, panels.items(), strict=True):
        side = len(across)
        _show_pixels(axis, tile_grid(pictures, side, side), extent=(0, side, 0, side))
        places = np.linspace(0, side - 1, min(side, 5)).round().astype(int)
        axis.set_xticks(places + 0.5, [f"{across[place]:.1f}" for place in places], fontsize=8)
        axis.set_yticks(places + 0.5, [f"{up[place]:.1f}" for place in places], fontsize=8)
        axis.set(xlabel="first latent", ylabel="second latent")
        axis.set_title(name, fontsize=10)
    return _titled(figure, title, alt)


def _show_pixels(axis: Axes, pixels: np.ndarray, **options) -> None:
    """Draw one picture in [0, 1], grey or in colour, without ticks."""
    axis.imshow(np.clip(np.squeeze(pixels), 0, 1), cmap="gray", vmin=0, vmax=1, interpolation="bicubic", **options)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.grid(False)
    axis.spines[:].set_visible(False)


def latent_scatter(
    panels: Mapping[str, tuple[np.ndarray, np.ndarray | None]], names: Sequence[str], title: str, alt: str = ""
) -> PictureWithText:
    """Draw 2-D latents side by side, with each class named at its middle.

    Args:
        panels: title → (points `(n, 2)`, labels `(n,)`, or None where all points look alike).
        names: of the classes, ten at most.
        title: what the figure shows.
        alt: the same for those who cannot see it.
    """
    widths, heights = np.array([np.ptp(points, axis=0) for points, _ in panels.values()]).T
    tallest = np.max(heights / np.maximum(widths, 1e-9))
    figure, axes = _new_figure(len(panels), width=5.2 * len(panels), height=0.9 + 4.6 * np.clip(tallest, 0.4, 1.1))
    for axis, (name, (points, labels)) in zip(axes, panels.items(), strict=True):
        _scatter(axis, points, labels, names, name)
    return _titled(figure, title, alt)


def _scatter(axis: Axes, points: np.ndarray, labels: np.ndarray | None, names: Sequence[str], title: str) -> None:
    """Draw 2-D latents `(n, 2)`, by class where labels are given."""
    if labels is None:
        axis.scatter(*points.T, s=5, color="0.3", alpha=0.4, linewidths=0, rasterized=True)
    for number, name in enumerate(names if labels is not None else ()):
        rows = points[labels == number]
        if len(rows):
            axis.scatter(*rows.T, s=9, color=CLASS_COLOURS[number], alpha=0.6, linewidths=0, rasterized=True)
            rim = [withStroke(linewidth=2.5, foreground="white")]
            axis.text(*np.median(rows, axis=0), name, fontsize=8, ha="center", va="center", path_effects=rim, zorder=4)
    axis.set(xlabel="first latent", ylabel="second latent", aspect="equal")
    for one in (axis.xaxis, axis.yaxis):
        one.set_major_locator(MaxNLocator(5))
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    axis.set_title(title, fontsize=10)


def samples_on_map(
    panels: Mapping[str, tuple[np.ndarray, np.ndarray | None, np.ndarray, np.ndarray, np.ndarray]],
    names: Sequence[str],
    title: str,
    alt: str = "",
) -> PictureWithText:
    """Draw 2-D latents with numbered places on them, and beside them the pictures decoded from those places.

    Args:
        panels: title → (points `(n, 2)`, labels `(n,)` or None, places `(m, 2)`, pictures `(m, height, width, 1 or 3)`
            in [0, 1], and where the places are from: two corners `(2, 2)` of a box, or radii `(k,)` of circles around
            0).
        names: of the classes, ten at most.
        title: what the figure shows.
        alt: the same for those who cannot see it.
    """
    figure = Figure(figsize=(9.5, 3.9 * len(panels)), layout="constrained")
    grid = GridSpec(len(panels), 2, figure, width_ratios=(1, 1.15))
    style = {"boxstyle": "circle,pad=0.15", "facecolor": "white", "edgecolor": "black", "alpha": 0.85}
    for line, (name, (points, labels, places, pictures, outline)) in enumerate(panels.items()):
        axis = figure.add_subplot(grid[line, 0])
        _scatter(axis, points, labels, names, name)
        _outline(axis, np.asarray(outline, np.float64))
        axis.scatter(*places.T, s=0)  # makes room for the numbers: texts do not widen the axes
        inner = grid[line, 1].subgridspec(-(-len(places) // MAP_COLUMNS), MAP_COLUMNS)
        for number, (place, pixels) in enumerate(zip(places, pictures, strict=True)):
            axis.text(*place, str(number + 1), fontsize=7, ha="center", va="center", bbox=style, zorder=5)
            small = figure.add_subplot(inner[divmod(number, MAP_COLUMNS)])
            _show_pixels(small, pixels)
            small.set_title(str(number + 1), fontsize=8, pad=2)
    return _titled(figure, title, alt)


def _outline(axis: Axes, outline: np.ndarray) -> None:
    """Draw a box, given by two corners `(2, 2)`, or circles around 0, given by their radii `(n,)`."""
    style = {"fill": False, "edgecolor": "0.3", "linestyle": "--", "zorder": 3}
    if outline.ndim == 2:
        axis.add_patch(Rectangle(outline[0], *(outline[1] - outline[0]), **style))
    else:
        for radius in outline:
            axis.add_patch(Circle((0, 0), radius, **style))


def normal_histograms(values: np.ndarray, title: str, alt: str = "", captions: Sequence[str] = ()) -> PictureWithText:
    """Draw a small histogram of each column of `values` `(n, dimensions)` with the density of N(0, 1) over it.

    `captions` are short texts, one above each histogram.
    """
    columns = 10
    rows = -(-values.shape[1] // columns)
    figure = Figure(figsize=(9.5, (1.05 if captions else 0.85) * rows + 0.6), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    line = np.linspace(-4, 4, 81)
    for axis in axes:
        axis.set_axis_off()
    for axis, column in zip(axes, values.T, strict=False):
        axis.hist(column, bins=line[::4], density=True, color=COLOURS[5])
        axis.plot(line, np.exp(-(line**2) / 2) / np.sqrt(2 * np.pi), color=COLOURS[1], linewidth=1)
    for axis, caption in zip(axes, captions, strict=False):
        axis.text(0.5, 1, caption, fontsize=7, ha="center", va="top", transform=axis.transAxes)
    axes[0].set_ylim(0, 0.7)
    return _titled(figure, title, alt)


def number_grids(
    grids: Mapping[str, np.ndarray],
    title: str,
    alt: str = "",
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    unit: str = "",
) -> PictureWithText:
    """Draw matrices side by side as coloured squares, with the number in each.

    Args:
        grids: name → `(rows, columns)`, values from 0 on; or, where a `unit` is given, from -1 to 1.
        title: what the figure shows.
        alt: the same for those who cannot see it.
        rows: names of the rows, if they have names.
        columns: likewise.
        unit: of the values, beside a scale of colours.
    """
    lines, wide = next(iter(grids.values())).shape
    size = (1.8 + 0.75 * wide, 1.8 + 0.45 * lines) if unit else (2.4 * len(grids), 2.9)
    figure, axes = _new_figure(len(grids), width=max(size[0], 0.085 * len(title)), height=size[1])
    for axis, (name, values) in zip(axes, grids.items(), strict=True):
        scale = {"vmin": -1, "vmax": 1, "cmap": "PuOr"} if unit else {"vmin": 0, "cmap": "cividis"}
        shown = axis.imshow(values, **scale)
        for (row, column), value in np.ndenumerate(values):
            is_dark = abs(value) > 0.6 if unit else value < values.max() * 0.6
            text, colour = f"{value:.2f}" if unit else f"{value:g}", "white" if is_dark else "black"
            axis.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
        axis.set_xticks(range(len(columns)), columns, rotation=40, ha="right", fontsize=8)
        axis.set_yticks(range(len(rows)), rows, fontsize=8)
        axis.grid(False)
        axis.set_title(name, fontsize=9)
    if unit:
        figure.colorbar(shown, ax=list(axes), label=unit)
    return _titled(figure, title, alt)
