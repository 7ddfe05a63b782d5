"""Shipping a GAN: what arrives in the file is the averaged generator of the longest training, and its card is true."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from helpers.data import faces as face_data
from helpers.networks import weights
from helpers.session import UserError
from helpers.training.loop import Training
from tools import ship
from tools.lift import lift

pytestmark = pytest.mark.slow  # a tool's, used once in a long while
FIGURES = {name: float(number) for number, name in enumerate(ship.GAN_FIGURES, start=1)}


@pytest.fixture
def faces(monkeypatch):
    monkeypatch.setenv("NB_DATA", "standin")
    return face_data.load_faces(16, 40)


def make_gan():
    notebook = lift(ship.NOTEBOOKS / "05_dcgan.ipynb", "GAN", "build_generator", "build_discriminator")
    gan = notebook.GAN(notebook.build_generator(), notebook.build_discriminator())
    gan.compile()
    gan(np.zeros((1, ship.LATENT), np.float32))
    return gan


@pytest.fixture
def trained(tmp_path, faces):
    """Leave the checkpoints of two trainings, of one and of two steps; return the folder and the longer one's average.

    An untrained generator paints nearly the same grey whatever its weights, so they are compared, not pictures.
    """
    kept = []
    for epochs in (1, 2):
        gan = make_gan()
        training = Training(gan, tmp_path / "checkpoints" / "faces", {"epochs": epochs}, monitor=None)
        images = faces.train_images.astype(np.float32) / 127.5 - 1
        batches = tf.data.Dataset.from_tensor_slices((images, images)).batch(16)

        def on_epoch(history, gan=gan):
            history[-1].update(FIGURES)
            for variable in gan.averaged.trainable_variables:  # further from the last weights than two steps bring it
                variable.assign(2 * variable)
            kept[:] = gan.averaged.get_weights()

        training.fit(lambda epoch, batches=batches: batches, epochs, on_epoch=on_epoch)
    return tmp_path, kept


def test_the_average_arrives_with_a_card_that_says_what_was_done(tmp_path, trained, faces):
    folder, kept = trained
    ship.ship_gan("drawn_gan", folder, "a machine", tmp_path / "shipped", faces)
    shipped = weights.load_weights("drawn_gan", tmp_path / "shipped")
    facts = shipped.facts
    assert facts["training"].startswith("2 epochs in") and "a machine" in facts["training"]
    assert facts["data"].startswith("16 faces") and facts["licence"] == ship.LICENCES["drawn_gan"]
    assert facts["at the end"] == "accuracy 1.00, D(real) 2.00, D(fake) 3.00, spread 4.00"
    assert "against 40 test pictures" in facts["held out"]
    other = make_gan()
    shipped.put_into(keras.Sequential([other.averaged, other.discriminator]))
    for array, expected in zip(other.averaged.get_weights(), kept, strict=True):
        np.testing.assert_allclose(array, expected, rtol=2e-3, atol=1e-6)  # float16


@pytest.mark.parametrize(("name", "match"), [("drawn_gan", "no checkpoints"), ("celeba_gan", "NB_DATA")])
def test_without_checkpoints_or_the_right_faces_nothing_is_shipped(tmp_path, faces, name, match):
    with pytest.raises(UserError, match=match):
        ship.ship_gan(name, tmp_path, "a machine", tmp_path / "shipped", faces)
    assert not (tmp_path / "shipped").exists()
