"""Times the books' recipes and ours side by side, prints one table and keeps it: `python -m bench --help`."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import gc
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import helpers  # noqa: F401 - before TensorFlow, whose start-up messages it turns off

# isort: split
import keras

from bench import autoencoders, characters, dream, faces, first_edition, gan, results, style, vae, words
from bench.measure import SMALL, Sizes, machine, matmul_gflops, say, versions
from bench.report import Measurement, Row, markdown, merged
from helpers.session import UserError
from tools.progress import write_whole


def repeated(job: Callable[[Sizes], list[Row]]) -> Callable[[Sizes], list[Row]]:
    """Return a job that makes a comparison as often as it is to be repeated, each time with another seed."""

    def run(sizes: Sizes) -> list[Row]:
        runs = []
        for number in range(sizes.repeats):
            say(f"repeat {number + 1} of {sizes.repeats}")
            runs.append(job(replace(sizes, seed=sizes.seed + number)))
            keras.utils.clear_session()
        return [merged(rows) for rows in zip(*runs, strict=True)]

    return run


FOLDER = Path(__file__).parent  # of results.json, and of RESULTS.md, which is written from it
JOBS: dict[str, Callable[[Sizes], list[Row]]] = {
    "sampling-128": lambda sizes: characters.sampling(sizes, width=128, goal=3_000),
    "sampling-384": lambda sizes: characters.sampling(sizes, width=384, goal=1_500),
    "characters": repeated(characters.training),
    "writing": words.writing,
    "word-speed": words.training_speed,
    "word-loss": repeated(words.training_loss),
    "dream": dream.whole_dream,
    "dream-first": first_edition.whole_dream,
    "dream-memory": repeated(dream.memory),
    "style-step": style.step,
    "style-optimisers": repeated(style.optimisers),
    "style-first": repeated(first_edition.painting),
    "style-scipy": style.beside_scipy,
    "autoencoder": repeated(autoencoders.garments),
    "vae-first": repeated(autoencoders.digits),
    "vae-training": vae.training,
    "vae-grid": vae.grid,
    "vae-faces": repeated(faces.rebuilding),
    "gan-first": first_edition.gan_training,
    "gan-training": gan.training,
    "gan-quality": repeated(gan.quality),
}


def main(arguments: list[str] | None = None) -> int:
    """Run the jobs asked for and print their table; return 0, 1 after an error, 130 after Ctrl-C.

    With `--write` a job's figures are kept as soon as it is done. What fails or is interrupted keeps its old ones.
    """
    options = parse(arguments)
    if options.write:
        os.environ["NB_DATA"] = "real"  # it never falls back on a stand-in, whose figures would look like any other
    names = options.only or ([] if options.table else list(JOBS))
    measured: dict[str, Measurement] = {}
    status = 0
    try:
        kept = kept_before(options)
        with contextlib.redirect_stdout(sys.stderr):
            for name in names:
                measured[name] = measure(name, sizes_of(options), options.note)
                if options.write:
                    kept |= {name: measured[name]}
                    results.save(FOLDER / "results.json", kept)
                    write_table(kept)
        if options.table:
            write_table(kept)
    except UserError as error:
        print(error, file=sys.stderr)
        status = 1
    except KeyboardInterrupt:
        status = 130
    if measured:
        print(markdown(measured, measured))
    return status


def kept_before(options: argparse.Namespace) -> dict[str, Measurement]:
    """Return what earlier runs kept, looked at before hours of measuring; only for all jobs it may be missing."""
    path = FOLDER / "results.json"
    if not (options.write or options.table) or (options.write and not options.only and not path.exists()):
        return {}
    return results.load(path)


def measure(name: str, sizes: Sizes, note: str) -> Measurement:
    """Run one job, the matrix product before it."""
    matmul_gflops.cache_clear()
    say(f"{name}: a product of matrices runs at {matmul_gflops():.0f} GFLOP/s")
    rows = JOBS[name](sizes)
    keras.utils.clear_session()
    gc.collect()
    today = datetime.date.today().isoformat()
    repeats = max([1, *(len(row.ratios or row.differences) for row in rows)])
    return Measurement(rows, today, machine(), versions(), matmul_gflops(), repeats, note)


def write_table(kept: dict[str, Measurement]) -> None:
    write_whole(FOLDER / "RESULTS.md", markdown(kept, JOBS))


def sizes_of(options: argparse.Namespace) -> Sizes:
    """Return the sizes that the command line asks for."""
    sizes = SMALL if options.small else Sizes()
    return replace(sizes, repeats=options.repeats or sizes.repeats)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make.py bench", description="Time the books' recipes and ours.")
    parser.add_argument("--only", nargs="+", choices=JOBS, metavar="NAME", help=f"of {', '.join(JOBS)} (default: all)")
    keeping = parser.add_mutually_exclusive_group()
    keeping.add_argument("--write", action="store_true", help="keep the figures in bench/results.json and RESULTS.md")
    keeping.add_argument("--table", action="store_true", help="measure nothing, write RESULTS.md from results.json")
    keeping.add_argument("--small", action="store_true", help="the smallest sizes, to see that everything runs")
    parser.add_argument("--note", default="", help="a sentence on the circumstances, kept with the figures")
    parser.add_argument("--repeats", type=int, help="of each timing (default 3)")
    options = parser.parse_args(arguments)
    if options.table and options.only:
        parser.error("--table measures nothing, so leave out --only")
    if options.write and os.environ.get("NB_DATA") == "standin":
        parser.error("figures of stand-ins are not kept: leave out --write, or NB_DATA")
    return options


if __name__ == "__main__":
    sys.exit(main())
