"""Times the books' recipes and ours side by side and prints one table: `python -m bench --help`."""

from __future__ import annotations

import argparse
import contextlib
import gc
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import helpers  # noqa: F401 - before TensorFlow, whose start-up messages it turns off

# isort: split
import keras

from bench import characters, dream, gan, style, vae, words
from bench.measure import SMALL, Sizes, matmul_gflops, say
from bench.report import Row, markdown
from helpers.errors import UserError

RESULTS = Path(__file__).with_name("RESULTS.md")
JOBS: dict[str, Callable[[Sizes], list[Row]]] = {
    "sampling-128": lambda sizes: characters.sampling(sizes, width=128, goal="3,000"),
    "sampling-384": lambda sizes: characters.sampling(sizes, width=384, goal="1,500"),
    "characters": characters.training,
    "writing": words.writing,
    "word-speed": words.training_speed,
    "word-loss": words.training_loss,
    "dream": dream.whole_dream,
    "dream-memory": dream.memory,
    "style-step": style.step,
    "style-optimisers": style.optimisers,
    "vae-training": vae.training,
    "vae-grid": vae.grid,
    "gan-training": gan.training,
    "gan-quality": gan.quality,
}


def main(arguments: list[str] | None = None) -> int:
    """Run the jobs asked for and print the table; return 0, 1 after an error, 130 after Ctrl-C (with what was done)."""
    options = parse(arguments)
    rows: list[Row] = []
    status = 0
    try:
        with contextlib.redirect_stdout(sys.stderr):
            remark = (
                f"\nA product of two 2,048 x 2,048 matrices runs at {matmul_gflops():.0f} GFLOP/s (float32) here.\n"
            )
            for name in options.only or JOBS:
                say(name)
                rows += JOBS[name](sizes_of(options))
                keras.utils.clear_session()
                gc.collect()
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        status = 130
    if rows:
        report = markdown(rows) + remark
        print(report)
        if options.write and not status:
            RESULTS.write_text(report, encoding="utf-8")
    return status


def sizes_of(options: argparse.Namespace) -> Sizes:
    """Return the sizes with the budgets that the command line gives."""
    given = {name: getattr(options, name) for name in ("repeats", "seconds", "shares", "character_batch")}
    return replace(SMALL if options.small else Sizes(), **{name: value for name, value in given.items() if value})


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make.py bench", description="Time the books' recipes and ours.")
    parser.add_argument("--only", nargs="+", choices=JOBS, metavar="NAME", help=f"of {', '.join(JOBS)} (default: all)")
    parser.add_argument("--write", action="store_true", help=f"also write the table to bench/{RESULTS.name}")
    parser.add_argument("--small", action="store_true", help="the smallest sizes, to see that everything runs")
    parser.add_argument("--repeats", type=int, help="of each timing (default 3)")
    parser.add_argument("--seconds", type=float, help="of training before the Transformers are scored (default 120)")
    parser.add_argument(
        "--shares",
        nargs="+",
        type=float,
        help="of the book's seconds that our character model may take, tried in turn until it has the book's loss",
    )
    parser.add_argument("--character-batch", type=int, help="windows in our batch of characters (default 32)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
