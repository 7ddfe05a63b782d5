"""Weights that this project trained and ships in `data/pretrained/`, each with a card about their training."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from IPython.display import Markdown

from helpers.data.archives import npz_arrays
from helpers.session import CHECKOUT, UserError

FOLDER = CHECKOUT / "data" / "pretrained"
_DAMAGE = (ValueError, LookupError, TypeError, AttributeError, RecursionError)  # of damaged JSON


@dataclass(frozen=True)
class Pretrained:
    """Shipped weights: `arrays` (float32) in the order of the model's weights, the vocabulary, and the card's facts."""

    name: str
    arrays: list[np.ndarray]
    symbols: list[str]
    facts: dict[str, str]

    def put_into(self, model: keras.Model) -> None:
        """Assign the weights to a built model.

        Raises:
            UserError: the model is not built like the one that was trained; nothing was assigned.
        """
        assign(model.weights, self.arrays, f"the shipped {self.name}")

    def card(self) -> Markdown:
        """Return the card as a table to display."""
        rows = [f"| {name} | {value} |" for name, value in self.facts.items()]
        return Markdown("\n".join([f"| {self.name} | |", "|---|---|", *rows]))


def load_weights(name: str, folder: Path = FOLDER) -> Pretrained:
    """Load shipped weights by name, such as "nietzsche_lstm".

    They are stored as float16, in an .npz without pickled objects, beside a .json card with its SHA-256.

    Raises:
        UserError: there are no such weights; or a file is damaged, or is not the one that the card describes.
    """
    card_path, path = folder / f"{name}.json", folder / f"{name}.npz"
    if not card_path.exists() or not path.exists():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.json"))) or "none"
        raise UserError(f"there are no shipped weights {name!r}; there are: {known}. Check the name and the checkout.")
    try:
        card = json.loads(card_path.read_text(encoding="utf-8"))
        facts = {str(fact): str(value) for fact, value in card["facts"].items()}
        if digest_of(path) != card["sha256"]:
            raise ValueError("the SHA-256 of the weights is not the card's")
        arrays = npz_arrays(path)
        symbols = [str(symbol) for symbol in json.loads(arrays.pop("symbols").tobytes())]
        if any(array.dtype.kind != "f" for array in arrays.values()):
            raise ValueError("a weight is not a fraction")
        weights = [arrays[key].astype(np.float32) for key in sorted(arrays)]
    except _DAMAGE as error:
        raise UserError(f"{card_path} or {path.name} is damaged ({error}). Check out both again.") from error
    return Pretrained(name, weights, symbols, facts)


def save(name: str, model: keras.Model, symbols: Sequence[str], facts: dict[str, str], folder: Path = FOLDER) -> None:
    """Write a model's weights as float16 with their vocabulary and a card; a UserError if one is too large for that."""
    with np.errstate(over="ignore"):  # checked below
        arrays = [array.astype(np.float16) for array in values_of(model.weights)]
    if not all(np.isfinite(array).all() for array in arrays):
        raise UserError(f"a weight of {name} is not a number, or too large for float16. Nothing was written.")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.npz"
    words = np.frombuffer(json.dumps(list(symbols)).encode("utf-8"), np.uint8)
    np.savez_compressed(path, symbols=words, **{f"{number:04d}": array for number, array in enumerate(arrays)})
    card = {"facts": facts, "sha256": digest_of(path)}
    (folder / f"{name}.json").write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def load_histories(name: str, folder: Path | None = None) -> dict[str, list[dict]]:
    """Return the histories of trainings that ship: name → a record for each epoch, as `Training.fit` returns them.

    Args:
        name: of the file in data/pretrained, without its ending.
        folder: where it lies, if not there.

    Raises:
        UserError: there is no such file, or it cannot be read.
    """
    path = Path(folder or FOLDER) / f"{name}.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))["histories"]
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{path} cannot be read ({error}). Get the project's folder again.") from error


def values_of(variables: Sequence) -> list[np.ndarray]:
    """Return copies of the variables' values."""
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def assign(variables: Sequence, arrays: Sequence[np.ndarray], source: Path | str) -> None:
    """Assign arrays to variables one by one.

    Args:
        variables: the weights of a built model.
        arrays: as many, with the same shapes.
        source: where they are from, for the message.

    Raises:
        UserError: their number or a shape differs; it names the first such weight, and nothing was assigned.
    """
    pairs = zip(variables, arrays, strict=False)
    differences = [
        f"{variable.path} is {tuple(variable.shape)} here and {array.shape} there"
        for variable, array in pairs
        if tuple(variable.shape) != array.shape
    ]
    if len(arrays) != len(variables):
        differences.append(f"{len(arrays)} arrays for {len(variables)} weights")
    if differences:
        raise UserError(
            f"{source} belongs to a model of another shape ({differences[0]}). Use the model that it was saved from, "
            "or reset this training."
        )
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
