"""A file of weights may hold a whole model, and that any code: none is ever run, and nothing here could run it."""

import ast
from pathlib import Path

import keras
import nbformat
import numpy as np
import pytest
from conftest import ROOT
from test_backbones import own_folder, tiny_net  # noqa: F401 - a folder for weights, and a net of two layers

from helpers.networks import pretrained
from helpers.session import UserError

SPRUNG = Path("sprung")


def save_with_code(path, ending):
    """Save a whole model at `path`, as Keras does for names with this ending; its last layer leaves a file behind."""
    inner = tiny_net()
    trap = keras.layers.Lambda(lambda x: (__import__("pathlib").Path("sprung").touch(), x)[1], output_shape=(None,))
    keras.Sequential([inner, trap]).save(path.with_name(f"whole{ending}"))
    SPRUNG.unlink(missing_ok=True)  # building it was its first call
    path.with_name(f"whole{ending}").replace(path)


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_code_in_a_file_of_weights_is_not_run(own_folder, tmp_path, monkeypatch, ending):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    path = own_folder / "vgg16_notop.weights.h5"
    save_with_code(path, ending)
    with pytest.raises(UserError, match="cannot be read as the weights of vgg16"):
        pretrained.load_network("vgg16")
    assert not SPRUNG.exists()
    whole = path.rename(tmp_path / f"whole{ending}")
    keras.models.load_model(whole, safe_mode=False)(np.zeros((1, 8, 8, 3), np.float32))
    assert SPRUNG.exists(), "the trap works"


CALLS = {"load_model", "model_from_json", "from_config", "enable_unsafe_deserialization", "eval", "exec", "func_load"}
MODULES = {"pickle", "marshal", "shelve", "joblib", "dill", "cloudpickle"}


def unsafe(source: str) -> set[str]:
    """Return what a program does that could run the code in a file: calls, imports, options."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            found |= {name} & CALLS
            found |= {f"{option.arg}={ast.unparse(option.value)}" for option in node.keywords} & {
                "allow_pickle=True",
                "safe_mode=False",
            }
        elif isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names} & MODULES
        elif isinstance(node, ast.ImportFrom):
            found |= {(node.module or "").partition(".")[0]} & MODULES
            found |= {alias.name for alias in node.names} & CALLS
    return found


@pytest.mark.parametrize("folder", ["helpers", "notebooks"])
def test_nothing_here_could_run_the_code_in_a_file(folder):
    sources = {path: path.read_text("utf-8") for path in (ROOT / folder).glob("*.py")}
    for path in (ROOT / folder).glob("*.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        sources[path] = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    assert len(sources) >= 5
    assert {path.name: found for path, source in sources.items() if (found := unsafe(source))} == {}
