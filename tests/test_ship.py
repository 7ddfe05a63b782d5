"""Shipping: the file has the best weights, or a GAN's averaged generator of the longest training; its card is true."""

from contextlib import nullcontext

import keras
import numpy as np
import pytest
import tensorflow as tf

from helpers import text
from helpers.data import faces as face_data
from helpers.data import texts
from helpers.networks import weights
from helpers.session import UserError
from helpers.training.loop import Training
from tools import ship, train_drawn_vae, train_gan
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
    return gan


@pytest.fixture
def trained(tmp_path, faces):
    """Leave the checkpoints of two trainings, of one and of two steps; return the folder and the longer one's average.

    An untrained generator paints nearly the same grey whatever its weights, so they are compared, not pictures.
    """
    kept = []
    for epochs in (1, 2):
        gan = make_gan()
        training = Training(gan, tmp_path / "checkpoints" / "faces", {"epochs": epochs}, monitor="KID")
        images = faces.train_images.astype(np.float32) / 127.5 - 1
        batches = tf.data.Dataset.from_tensor_slices((images, images)).batch(16)

        def measure(gan=gan, training=training):
            for variable in gan.averaged.trainable_variables:  # further from the last weights than two steps bring it
                variable.assign(2 * variable)
            kept[:] = gan.averaged.get_weights()
            return {**FIGURES, "KID": -len(training.history)}  # the last one is the best

        snapshot = lambda: np.zeros((4, 64, 64, 3), np.uint8)  # noqa: E731 - snapshots are no weights
        training.fit(lambda epoch, batches=batches: batches, epochs, measure, snapshot=snapshot)
    return tmp_path, kept


def test_the_average_arrives_with_a_card_that_says_what_was_done(tmp_path, trained, faces):
    folder, kept = trained
    ship.ship_gan("drawn_gan", folder, "a machine", tmp_path / "shipped", faces)
    shipped = weights.load_weights("drawn_gan", tmp_path / "shipped")
    facts = shipped.facts
    assert facts["training"].startswith("2 epochs in") and "a machine" in facts["training"]
    assert facts["data"].startswith("16 faces") and facts["licence"] == ship.LICENCES["drawn_gan"]
    assert facts["at that epoch"] == "accuracy 1.00, D(real) 2.00, D(fake) 3.00, spread 4.00"
    assert "against 20 held-out pictures" in facts["held out"]
    other = make_gan()
    shipped.put_into(keras.Sequential([other.averaged, other.discriminator]))
    for array, expected in zip(other.averaged.get_weights(), kept, strict=True):
        np.testing.assert_allclose(array, expected, rtol=2e-3, atol=1e-6)  # float16


@pytest.mark.parametrize(("name", "match"), [("drawn_gan", "no checkpoints"), ("celeba_gan", "NB_DATA")])
def test_without_checkpoints_or_the_right_faces_nothing_is_shipped(tmp_path, faces, name, match):
    with pytest.raises(UserError, match=match):
        ship.ship_gan(name, tmp_path, "a machine", tmp_path / "shipped", faces)
    assert not (tmp_path / "shipped").exists()


def test_a_vae_of_drawn_faces_arrives_and_no_other_takes_its_name(tmp_path):
    faces = train_drawn_vae.drawn_faces(160)
    train_drawn_vae.train(tmp_path, faces, epochs=1)
    ship.ship_vae("drawn_vae", tmp_path, "a machine", tmp_path / "shipped", faces)
    shipped = weights.load_weights("drawn_vae", tmp_path / "shipped")
    assert shipped.facts["data"].startswith("drawn by this project, 144 of 160")
    assert shipped.facts["training"].startswith("1 epochs in") and "on 250 test pictures" in shipped.facts["held out"]
    notebook = lift(
        ship.NOTEBOOKS / "04_variational_autoencoder.ipynb", "VAE", "build_face_encoder", "build_face_decoder"
    )
    vae = notebook.VAE(notebook.build_face_encoder(), notebook.build_face_decoder())
    shipped.put_into(vae)
    stored = ship.newest(tmp_path / "checkpoints" / "faces")[0]
    kernel = vae.decoder.get_weights()[0]
    alike = [array for array in stored if array.shape == kernel.shape]  # it, the optimiser's slots, and the best one
    assert any(np.allclose(kernel, array, rtol=2e-3, atol=1e-6) for array in alike)
    with pytest.raises(UserError, match="NB_DATA"):
        ship.ship_vae("celeba_vae", tmp_path, "a machine", tmp_path / "shipped", faces)


def best_of_two_epochs(model, folder, ids):
    """Train for two epochs, of which the first is the better one; return its weights."""
    kept = []
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    scores = iter([1.0, 2.0])
    Training(model, folder, {}).fit(
        lambda epoch: tf.data.Dataset.from_tensors((ids[None, :-1], ids[None, 1:])),
        epochs=2,
        validate=lambda: {"validation": next(scores)},
        on_epoch=lambda history: kept.append(model.get_weights()),
    )
    assert not np.array_equal(kept[0][0], kept[1][0])
    return kept[0]


@pytest.mark.parametrize("name", ["nietzsche_lstm", "imdb_transformer"])
def test_a_language_model_arrives_with_its_score_on_test_text(tmp_path, monkeypatch, name):
    monkeypatch.setenv("NB_DATA", "standin")
    reviews, shipped = texts.load_imdb(60, 20), []
    monkeypatch.setattr(texts, "load_imdb", lambda: reviews)
    monkeypatch.setattr(weights, "save", lambda *given: shipped.append(given))
    functions = ("build_character_model", "TransformerLanguageModel", "make_vectorizer", "nats_of_characters")
    nb = lift(ship.NOTEBOOKS / "01_text_generation.ipynb", *functions, "nats_of_words")
    if name == "nietzsche_lstm":
        characters = texts.load_nietzsche().text.lower()
        symbols, kind, unit = sorted(set(characters)), "characters", "character"
        ids = text.Vocabulary(symbols).encode(characters)
        model, held_out = nb.build_character_model(len(symbols)), ids[len(ids) - len(ids) // 20 :]
        score = lambda model: nb.nats_of_characters(model, held_out[(len(held_out) + 1) // 2 :])  # noqa: E731
    else:
        vectorizer = nb.make_vectorizer(text.without_breaks(reviews.train[:40]))  # 20 at least are held out
        symbols, kind, unit = vectorizer.get_vocabulary(), "words", "word"
        model, each = nb.TransformerLanguageModel(len(symbols)), text.encode_documents(vectorizer, reviews.test)
        ids = each[0]
        score = lambda model: np.concatenate([nb.nats_of_words(model, row[None]) for row in each])  # noqa: E731
    model(ids[None, :2])
    best = best_of_two_epochs(model, tmp_path / "checkpoints" / kind, ids[:30])
    ship.SHIPPERS[name](name, tmp_path, "a machine")
    [(shipped_name, shipped_model, shipped_symbols, facts)] = shipped
    assert (shipped_name, list(shipped_symbols)) == (name, symbols)
    for array, expected in zip(shipped_model.get_weights(), best, strict=True):
        np.testing.assert_allclose(array, expected, rtol=2e-3, atol=1e-6)  # float16
    nats = score(shipped_model)
    error = np.std(nats) / np.sqrt(len(nats))
    assert facts["held out"].startswith(f"{nats.mean():.3f} ± {error:.3f} nats per {unit}")
    assert f"{len(nats):,} {kind}" in facts["held out"] and "best after epoch 1" in facts["training"]
    assert unit == "character" or f"(perplexity {np.exp(nats.mean()):.0f})" in facts["held out"]


def test_a_gan_of_drawn_faces_is_trained_until_its_time_is_up_and_goes_on(tmp_path, monkeypatch):
    monkeypatch.setenv("NB_DATA", "standin")
    faces = train_drawn_vae.drawn_faces(32, 8)
    for minutes, epochs in ((0, 2), (1e9, 4)):
        monkeypatch.setattr(train_gan, "Training", Ending if minutes else train_gan.Training)
        with pytest.raises(Ended) if minutes else nullcontext():
            train_gan.train(tmp_path, faces, minutes, kid_every=2)
        [history] = [ship.newest(tmp_path / "checkpoints" / "faces")[1]]
        assert [("KID" in record) for record in history] == [False, True] * (epochs // 2)
    ship.ship_gan("drawn_gan", tmp_path, "a machine", tmp_path / "shipped", faces)
    assert "KID" in weights.load_weights("drawn_gan", tmp_path / "shipped").facts["held out"]


class Ended(Exception):
    pass


class Ending(Training):
    """A training that ends after its second round."""

    def fit(self, batches, epochs, *rest):
        if epochs > 4:
            raise Ended
        return super().fit(batches, epochs, *rest)
