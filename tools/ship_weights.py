"""Packs the best weights of notebook 01's full training into data/pretrained: `python -m tools.ship_weights FOLDER`.

FOLDER is the notebook's results folder (it has `checkpoints/`) after a run in the full profile on the
real data. The held-out figures in the cards are measured here, on the float16 weights that are shipped.
"""

import argparse
import json
import platform
import sys
from datetime import date
from pathlib import Path

import numpy as np
import tensorflow as tf

from helpers import text
from helpers.data import texts
from helpers.metrics.texts import perplexity
from helpers.networks import weights
from helpers.networks.weights import assign
from helpers.session import UserError
from helpers.training.checkpoints import Checkpoints
from tools.lift import lift

NOTEBOOK = Path(__file__).resolve().parents[1] / "notebooks" / "01_text_generation.ipynb"
LICENCES = {
    "nietzsche_lstm": "MIT; the text is in the public domain",
    "imdb_transformer": "the reviews are a research data set (Maas et al. 2011): for study and research only",
}


def newest(folder: Path) -> tuple[list[np.ndarray], list[dict]]:
    """Return arrays and history of the longest training whose checkpoints are below `folder`, the newest of those."""
    newest_first = sorted(folder.glob("*"), key=lambda path: path.stat().st_mtime, reverse=True)
    found = [loaded for path in newest_first if (loaded := Checkpoints(path).load())]
    if not found:
        raise UserError(f"there are no checkpoints below {folder}. Run notebook 01 in the full profile first.")
    arrays, state = max(found, key=lambda loaded: loaded[1]["history"][-1]["step"])
    return arrays, state["history"]


def facts(name: str, history: list[dict], machine: str, data: str, figure: str) -> dict[str, str]:
    """Return what the card says."""
    best = min(history, key=lambda record: record["validation"])
    steps, minutes = history[-1]["step"], history[-1]["seconds"] / 60
    return {
        "made by": "the model, loss, batches and optimiser of notebook 01, full profile",
        "data": data,
        "training": f"{steps:,} steps in {minutes:.0f} minutes on {machine}; best after epoch {best['epoch']}",
        "held out": figure,
        "date": date.today().isoformat(),
        "licence": LICENCES[name],
    }


def ship_characters(folder: Path, machine: str) -> None:
    """Ship the LSTM, scored at the notebook's 4,000 positions of the last 5% of the text."""
    arrays, history = newest(folder / "checkpoints" / "characters")
    characters = texts.load_nietzsche().text.lower()
    vocabulary = text.Vocabulary(sorted(set(characters)))
    notebook = lift(NOTEBOOK, "build_character_model", "score_characters")
    model = notebook.build_character_model(len(vocabulary))
    put_best(model, arrays)
    held_out = text.split_off_end(vocabulary.encode(characters), share=0.05, least=101)[1]
    nats = notebook.score_characters(model, *text.held_out_contexts(held_out, context=60, positions=4000))
    figure = f"{nats:.3f} nats per character at 4,000 positions of the last 5% of the text, 60 characters of context"
    data = f"Nietzsche, the first 95% of {len(characters):,} characters, lower-cased"
    weights.save("nietzsche_lstm", model, vocabulary.symbols, facts("nietzsche_lstm", history, machine, data, figure))


def ship_words(folder: Path, machine: str) -> None:
    """Ship the Transformer, scored on all test reviews."""
    arrays, history = newest(folder / "checkpoints" / "words")
    reviews = texts.load_imdb()
    tools = ("held_out_reviews", "make_vectorizer", "evaluator", "score_words")
    notebook = lift(NOTEBOOK, "TransformerLanguageModel", *tools)
    kept = text.without_breaks(reviews.train)[: -notebook.held_out_reviews(reviews.train)]
    vectorizer = notebook.make_vectorizer(kept)
    model = notebook.TransformerLanguageModel(len(vectorizer.get_vocabulary()))
    model(tf.zeros((1, 2), tf.int32))
    put_best(model, arrays)
    rows = text.pad_windows(text.encode_documents(vectorizer, text.without_breaks(reviews.test)), model.context)
    nats = notebook.score_words(notebook.evaluator(model), rows)
    figure = (
        f"{nats:.3f} nats per word (perplexity {perplexity(nats):.0f}) on {len(reviews.test):,} test reviews, "
        "padding not counted"
    )
    data = f"IMDB, {len(kept):,} training reviews"
    card = facts("imdb_transformer", history, machine, data, figure)
    weights.save("imdb_transformer", model, vectorizer.get_vocabulary(), card)


def put_best(model, arrays: list[np.ndarray]) -> None:
    """Assign the best weights, which stand at the end of a checkpoint, rounded to float16 as they will be shipped."""
    variables = model.variables
    best = arrays[-len(variables) :]
    rounded = [a.astype(np.float16).astype(a.dtype) if a.dtype.kind == "f" else a for a in best]
    assign(variables, rounded, "the checkpoint")


def main() -> int:
    """Ship what the arguments name; return 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--machine", default=f"{platform.machine()}, {platform.system()}", help="as the card names it")
    parser.add_argument("--only", choices=["characters", "words"])
    arguments = parser.parse_args()
    try:
        if arguments.only != "words":
            ship_characters(arguments.folder, arguments.machine)
        if arguments.only != "characters":
            ship_words(arguments.folder, arguments.machine)
    except UserError as error:
        sys.exit(str(error))
    for card in sorted(weights.FOLDER.glob("*.json")):
        print(card.name, json.dumps(json.loads(card.read_text(encoding="utf-8"))["facts"], indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
