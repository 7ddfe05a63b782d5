"""Shipping a GAN: what arrives in the file is the averaged generator of the longest training, and its card is true."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from helpers.data import faces as face_data
from helpers.networks import weights
from helpers.session import UserError
from helpers.training.loop import Training
from tools import ship_gans

pytestmark = pytest.mark.slow  # a tool's, used once in a long while
FIGURES = {name: float(number) for number, name in enumerate(ship_gans.FIGURES, start=1)}


@pytest.fixture
def faces(monkeypatch):
    monkeypatch.setenv("NB_DATA", "standin")
    return face_data.load_faces(16, 40)


@pytest.fixture
def trained(tmp_path, faces):
    """Leave the checkpoints of two trainings, of one and of two steps; return the folder and the longer one's average.

    An untrained generator paints nearly the same grey whatever its weights, so they are compared, not pictures.
    """
    kept = []
    for epochs in (1, 2):
        gan = ship_gans.notebook.GAN(ship_gans.notebook.build_generator(), ship_gans.notebook.build_discriminator())
        gan.compile()
        gan(np.zeros((1, ship_gans.LATENT), np.float32))
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
    assert ship_gans.ship(folder, "a machine", tmp_path / "shipped", faces) == "drawn_gan"
    shipped = weights.load_weights("drawn_gan", tmp_path / "shipped")
    said = shipped.facts
    assert said["training"].startswith("2 epochs in") and "a machine" in said["training"]
    assert said["data"] == "16 faces drawn by this project" and said["licence"] == ship_gans.LICENCES["drawn_gan"]
    assert said["at the end"] == "accuracy 1.00, D(real) 2.00, D(fake) 3.00, spread 4.00"
    assert "against 40 test pictures" in said["held out"]
    other = ship_gans.notebook.GAN(ship_gans.notebook.build_generator(), ship_gans.notebook.build_discriminator())
    shipped.put_into(keras.Sequential([other.averaged, other.discriminator]))
    for array, expected in zip(other.averaged.get_weights(), kept, strict=True):
        np.testing.assert_allclose(array, expected, rtol=2e-3, atol=1e-6)  # float16


def test_without_checkpoints_nothing_is_shipped(tmp_path, faces):
    with pytest.raises(UserError, match="no checkpoints"):
        ship_gans.ship(tmp_path, "a machine", tmp_path / "shipped", faces)
    assert not (tmp_path / "shipped").exists()
