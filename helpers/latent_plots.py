"""Figures of latent spaces, and tables of pictures: functions that return a figure and never show it."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from helpers.plotting import COLOURS, new_figure

# Ten classes: the colours of Okabe and Ito (2008) twice over, told apart by the mark as well.
CLASS_COLOURS = (*COLOURS, "#999999", "#0072B2", "#D55E00")
CLASS_MARKS = ("o", "o", "o", "o", "o", "o", "o", "o", "^", "^")
GRID_GAP = 1  # pixels between the pictures of a table


def picture_table(rows: Mapping[str, np.ndarray], title: str, captions: Sequence[str] = ()) -> Figure:
    """Draw rows of pictures, each with its name on the left.

    Args:
        rows: name → floats `(n, height, width)`, or with a last axis of 1 or 3, in [0, 1]; all alike in shape.
        title: what the figure shows.
        captions: what stands under each column, if anything.
    """
    count = len(next(iter(rows.values())))
    figure = Figure(figsize=(min(10.0, 1.3 + 0.85 * count), 0.55 + 0.85 * len(rows) + 0.2 * bool(captions)))
    figure.set_layout_engine("constrained")
    axes = figure.subplots(len(rows), count, squeeze=False)
    for line, (name, pictures) in zip(axes, rows.items(), strict=True):
        for axis, pixels in zip(line, pictures, strict=True):
            show_pixels(axis, pixels)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
    for axis, caption in zip(axes[-1], captions, strict=False):
        axis.set_xlabel(caption, fontsize=8)
    figure.suptitle(title, fontsize=11)
    return figure


def show_pixels(axis: Axes, pixels: np.ndarray, **options) -> None:
    """Draw one picture in [0, 1], grey or in colour, without ticks."""
    pixels = np.clip(np.squeeze(pixels), 0, 1)
    axis.imshow(pixels, cmap="gray", vmin=0, vmax=1, interpolation="nearest", **options)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.grid(False)
    axis.spines[:].set_visible(False)


def manifold(picture: np.ndarray, ticks: Sequence[str], title: str, labels: tuple[str, str]) -> Figure:
    """Draw a grid of decoded pictures as one large picture.

    Args:
        picture: `(rows * height, columns * width)`, or with 3 channels, in [0, 1], as `images.tile_grid` lays it.
        ticks: labels spread evenly along both axes, left to right and bottom to top.
        title: what the figure shows.
        labels: of the two axes.
    """
    figure, (axis,) = new_figure(width=7, height=7)
    show_pixels(axis, picture, extent=(0, 1, 0, 1))
    places = (np.arange(len(ticks)) + 0.5) / len(ticks)
    axis.set_xticks(places, ticks, fontsize=8)
    axis.set_yticks(places, ticks, fontsize=8)
    axis.set(xlabel=labels[0], ylabel=labels[1])
    axis.set_title(title, fontsize=11)
    return figure


def scatter(axis: Axes, points: np.ndarray, labels: np.ndarray | None = None, names: Sequence[str] = ()) -> None:
    """Draw 2-D latents `(n, 2)` on an axis, by class if `labels` `(n,)` and the classes' `names` are given."""
    if labels is None:
        axis.scatter(*points.T, s=3, color="0.3", alpha=0.4, linewidths=0, rasterized=True)
    for number, name in enumerate(names if labels is not None else ()):
        rows = points[labels == number]
        colour, mark = CLASS_COLOURS[number], CLASS_MARKS[number]
        axis.scatter(*rows.T, s=5, color=colour, marker=mark, alpha=0.6, linewidths=0, label=name, rasterized=True)
    axis.set(xlabel="first latent", ylabel="second latent", aspect="equal", adjustable="datalim")
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)


def latent_scatter(
    panels: Mapping[str, tuple[np.ndarray, np.ndarray | None]], names: Sequence[str], title: str
) -> Figure:
    """Draw 2-D latents side by side, with one legend.

    Args:
        panels: title → (points `(n, 2)`, labels `(n,)` or None for points that are not told apart).
        names: of the classes.
        title: what the figure shows.
    """
    figure, axes = new_figure(len(panels), width=4.2 * len(panels) + 1.2, height=4.4)
    for axis, (name, (points, labels)) in zip(axes, panels.items(), strict=True):
        scatter(axis, points, labels, names)
        axis.set_title(name, fontsize=10)
    handles, texts = axes[-1].get_legend_handles_labels()
    if handles:
        figure.legend(handles, texts, loc="outside right center", fontsize=8, markerscale=3)
    figure.suptitle(title, fontsize=11)
    return figure


def samples_on_map(
    panels: Mapping[str, tuple[np.ndarray, np.ndarray | None, np.ndarray, np.ndarray]],
    names: Sequence[str],
    title: str,
) -> Figure:
    """Draw 2-D latents with numbered places on them, and beside them the pictures decoded from those places.

    Args:
        panels: title → (points `(n, 2)`, labels `(n,)` or None, places `(m, 2)`, pictures `(m, height, width)`).
        names: of the classes.
        title: what the figure shows.
    """
    figure = Figure(figsize=(9.5, 3.9 * len(panels)), layout="constrained")
    grid = GridSpec(len(panels), 2, figure, width_ratios=(1, 1.15))
    for line, (name, (points, labels, places, pictures)) in enumerate(panels.items()):
        axis = figure.add_subplot(grid[line, 0])
        scatter(axis, points, labels, names)
        axis.set_title(name, fontsize=10)
        axis.scatter(*places.T, s=0)  # so that the numbers, which are texts, lie within the axes
        columns = 6
        inner = grid[line, 1].subgridspec(-(-len(places) // columns), columns)
        for number, (place, pixels) in enumerate(zip(places, pictures, strict=True), start=1):
            style = {"boxstyle": "circle,pad=0.15", "facecolor": "white", "edgecolor": "black", "alpha": 0.85}
            axis.text(*place, str(number), fontsize=7, ha="center", va="center", bbox=style)
            small = figure.add_subplot(inner[(number - 1) // columns, (number - 1) % columns])
            show_pixels(small, pixels)
            small.set_title(str(number), fontsize=8, pad=2)
    figure.suptitle(title, fontsize=11)
    return figure


def normal_histograms(values: np.ndarray, title: str, columns: int = 10) -> Figure:
    """Draw a small histogram of each column of `values` `(n, dimensions)` with the density of N(0, 1) over it."""
    rows = -(-values.shape[1] // columns)
    figure = Figure(figsize=(9.5, 0.85 * rows + 0.6), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    line = np.linspace(-4, 4, 81)
    for number, axis in enumerate(axes):
        axis.set_axis_off()
        if number < values.shape[1]:
            axis.hist(values[:, number], bins=line[::4], density=True, color=COLOURS[5])
            axis.plot(line, np.exp(-(line**2) / 2) / np.sqrt(2 * np.pi), color=COLOURS[1], linewidth=1)
    axes[0].set_ylim(0, 0.8)
    figure.suptitle(title, fontsize=11)
    return figure


def value_table(values: np.ndarray, rows: Sequence[str], columns: Sequence[str], title: str, unit: str) -> Figure:
    """Draw a matrix of values in about [-1, 1] as coloured squares with the numbers in them."""
    figure, (axis,) = new_figure(width=1.6 + 0.8 * len(columns), height=1.6 + 0.5 * len(rows))
    shown = axis.imshow(values, vmin=-1, vmax=1, cmap="PuOr")
    for row, line in enumerate(values):
        for column, value in enumerate(line):
            colour = "white" if abs(value) > 0.6 else "black"
            axis.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=8, color=colour)
    axis.set_xticks(range(len(columns)), columns, rotation=40, ha="right", fontsize=8)
    axis.set_yticks(range(len(rows)), rows, fontsize=8)
    axis.grid(False)
    figure.colorbar(shown, label=unit)
    axis.set_title(title, fontsize=11)
    return figure


def number_grids(grids: Mapping[str, np.ndarray], title: str) -> Figure:
    """Draw small matrices side by side, with the number in each square."""
    figure, axes = new_figure(len(grids), width=2.4 * len(grids), height=2.9)
    for axis, (name, values) in zip(axes, grids.items(), strict=True):
        axis.imshow(values, cmap="cividis", vmin=0)
        for (row, column), value in np.ndenumerate(values):
            colour = "white" if value < values.max() * 0.6 else "black"
            axis.text(column, row, f"{value:g}", ha="center", va="center", fontsize=8, color=colour)
        axis.set_xticks([])
        axis.set_yticks([])
        axis.grid(False)
        axis.set_title(name, fontsize=9)
    figure.suptitle(title, fontsize=11)
    return figure
