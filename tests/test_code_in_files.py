"""A file of weights may hold a whole model, and in it any code: that code is not run."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from helpers.networks import pretrained
from helpers.session import UserError

SPRUNG = Path("sprung")


def small_net(include_top=False, weights=None):
    inputs = keras.Input((None, None, 3))
    outputs = keras.layers.Conv2D(2, 3, name="block1_conv1")(inputs)
    return keras.Model(inputs, outputs, name="vgg16")


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_code_in_a_file_of_weights_is_not_run(own_data, tmp_path, monkeypatch, ending):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(pretrained._NETS, "vgg16", replace(pretrained._NETS["vgg16"], build=small_net))
    whole = tmp_path / f"whole{ending}"
    trap = keras.layers.Lambda(lambda x: (__import__("pathlib").Path("sprung").touch(), x)[1], output_shape=(None,))
    keras.Sequential([small_net(), trap]).save(whole)
    SPRUNG.unlink(missing_ok=True)  # building it was the trap's first call
    path = whole.rename(own_data / "vgg16_notop.weights.h5")
    with pytest.raises(UserError, match="cannot be read"):
        pretrained.load_network("vgg16")
    assert not SPRUNG.exists()
    keras.models.load_model(path.rename(whole), safe_mode=False)(np.zeros((1, 8, 8, 3), np.float32))
    assert SPRUNG.exists(), "the trap works"
