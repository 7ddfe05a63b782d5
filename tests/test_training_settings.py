"""What is another training, and what goes on: in notebooks 01, 04 and 05, by the folders of their checkpoints."""

from functools import partial
from types import SimpleNamespace

import keras
import nbformat
import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT
from trainings import number_gan

from helpers.batches import PictureBatches
from helpers.fingerprints import made_of
from tools.lift import lift

NOTEBOOKS = "01_text_generation", "04_variational_autoencoder", "05_dcgan"
TEXTS, VAES, GANS = (ROOT / "notebooks" / f"{name}.ipynb" for name in NOTEBOOKS)
NAMES = "build_character_model", "TransformerLanguageModel", "decaying_rate", "adaptive_cross_entropy"
IDS = np.arange(100, dtype=np.int32) % 6


@pytest.fixture(scope="module")
def texts():
    return lift(TEXTS, *NAMES)


def compiled(model, loss, rate, decay=0.01, clip=1.0):
    model.compile(keras.optimizers.AdamW(rate, weight_decay=decay, clipnorm=clip), loss)
    return model


def characters(texts, peak=0.01, weight_decay=0.01, clip=1.0, **options):
    model = texts.build_character_model(6, **{"width": 8, "embedding_width": 4, **options})
    return compiled(model, "mse", texts.decaying_rate(peak, 40), weight_decay, clip)


def words(texts, peak=0.01, weight_decay=0.01, clip=1.0, **options):
    model = texts.TransformerLanguageModel(6, **{"context": 8, "width": 4, "heads": 2, "blocks": 1, **options})
    model(np.ones((1, 8), np.int32))
    return compiled(model, texts.adaptive_cross_entropy(model), texts.decaying_rate(peak, 40), weight_decay, clip)


@pytest.mark.parametrize("build", [characters, words])
def test_a_change_of_text_network_or_optimiser_is_another_training_of_texts(texts, build):
    first = made_of(build(texts), IDS)
    assert made_of(build(texts), IDS.copy()) == first
    trained = build(texts)
    trained.set_weights([weight + 1 for weight in trained.get_weights()])
    assert made_of(trained, IDS) == first
    changes = {"peak": 0.02}, {"weight_decay": 0.02}, {"clip": 0.5}, {"dropout": 0.25}, {"width": 12}
    others = [made_of(build(texts, **change), IDS) for change in changes]
    others.append(made_of(build(texts), np.where(np.arange(100) == 50, 0, IDS)))
    assert len({first, *others}) == 7
    half = build(texts, clip=0.5)
    half._distribute_strategy = SimpleNamespace(num_replicas_in_sync=2)
    assert made_of(half, IDS) == first


def test_mixed_precision_is_another_training_and_counts_the_settings_within(texts, set_policy):
    made = []
    for policy in ("float32", "mixed_float16", "mixed_bfloat16"):
        set_policy(policy)
        made += [made_of(words(texts, **change), IDS) for change in ({}, {}, {"peak": 0.02}, {"clip": 0.5})]
    assert made[0::4] == made[1::4] and len(set(made)) == 9


def test_a_change_of_network_or_loss_is_another_training_of_pictures(tmp_path):
    nb = lift(VAES, "train", "VAE", "build_encoder", "build_decoder", "bernoulli", "gaussian", folder=tmp_path)
    pictures = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 1)).astype(np.uint8)

    def folders(*likelihood, latent=2, loss=None, kind=PictureBatches, **choices):
        networks = nb.build_encoder(2 * latent, (2, 3, 4)), nb.build_decoder(latent, (4, 3, 2))
        model = nb.VAE(*networks, *likelihood, **choices)
        nb.train(model, "x", kind(pictures[:32], 16, seed=1), pictures[32:], 1, loss)
        return {path.name for path in (tmp_path / "checkpoints" / "x").iterdir()}

    def noisy(deviation):
        class NoisyBatches(PictureBatches):
            def __call__(self, epoch):
                return super().__call__(epoch).map(lambda x, y: (x + deviation * tf.random.normal(x.shape), y))

        return NoisyBatches

    def narrow(x, logits):
        return nb.gaussian(x, logits, variance=0.1)

    def wide(x, logits):
        return nb.gaussian(x, logits, variance=0.3)

    assert len(folders()) == len(folders()) == len(folders(nb.bernoulli)) == 1
    assert len(folders(nb.gaussian)) == 2
    assert len(folders(narrow)) == 3
    assert len(folders(wide)) == 4
    assert len(folders(partial(nb.gaussian, variance=0.05))) == 5
    assert len(folders(partial(nb.gaussian, variance=0.2))) == 6
    assert len(folders(latent=3)) == 7
    assert len(folders(loss=keras.losses.MeanSquaredError())) == 8
    assert len(folders(kl_weight=2.0)) == 9
    assert len(folders(warm_up=3)) == 10
    assert len(folders(kind=noisy(0.3))) == len(folders(kind=noisy(0.3))) == 11  # as in the exercise
    assert len(folders(kind=noisy(0.6))) == 12


def test_a_change_of_players_losses_or_data_is_another_game(tmp_path):
    nb = lift(GANS, "train", "GAN", "number_generator", "number_discriminator", "number_batches", folder=tmp_path)

    def folders(batches=nb.number_batches, rate=1e-3, **choices):
        nb.train(number_gan(nb, rate, **choices), "x", batches, 1)
        return len(list((tmp_path / "checkpoints" / "x").iterdir()))

    assert folders() == folders() == 1
    assert folders(rate=2e-3) == 2
    choices = {"real_label": 1.0}, {"label_noise": 0.0}, {"is_uniform": True}, {"shares": False}
    assert [folders(**choice) for choice in choices] == [3, 4, 5, 6]
    nb.generator_loss = lambda logits: -tf.reduce_mean(tf.nn.softplus(logits))  # as in the exercise
    assert folders() == 7
    generator = nb.number_generator
    nb.number_generator = lambda: keras.Sequential([generator(), keras.layers.Dense(1)])
    assert folders() == 8
    nb.BELLS = ((0.6, -1.5, 0.4), (0.4, 1.5, 0.9))
    assert folders() == folders() == 9

    class Stored:  # pictures have a digest
        __call__ = staticmethod(nb.number_batches)

        def __init__(self, digest):
            self.digest = digest

    assert [folders(Stored(digest)) for digest in "aab"] == [10, 10, 11]


def test_layers_beside_networks_count():
    def noisy(deviation, width=2):
        network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        more = keras.layers.GaussianNoise(deviation), keras.layers.Dense(width)
        return compiled(keras.Sequential([keras.Input((4,)), network, *more]), "mse", 0.1)

    assert made_of(noisy(0.1)) == made_of(noisy(0.1))
    assert len({made_of(noisy(0.1)), made_of(noisy(0.2)), made_of(noisy(0.1, width=3))}) == 3


def test_an_edited_class_is_another_training(texts, tmp_path):
    """As in notebook 01's exercise without a mask: no setting differs."""
    notebook = nbformat.read(TEXTS, as_version=4)
    for cell in notebook.cells:
        cell.source = cell.source.replace("time[:, None] >= time[None, :]", "time[:, None] >= 0 * time[None, :]")
    nbformat.write(notebook, tmp_path / "unmasked.ipynb")
    unmasked = lift(tmp_path / "unmasked.ipynb", *NAMES)
    assert made_of(words(unmasked), IDS) == made_of(words(unmasked), IDS) != made_of(words(texts), IDS)


def test_what_cannot_be_told_from_others_is_another_training_each_time(texts, capsys):
    model, odd = characters(texts), object()
    assert made_of(model, odd) != made_of(model, odd)
    assert capsys.readouterr().out.count("cannot go on after a kill") == 2
