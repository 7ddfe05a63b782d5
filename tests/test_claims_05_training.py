"""What notebook 05 says of a training: it goes on after a stop, each choice is another one, and it learns."""

import re

import nbformat
import numpy as np
import pytest
import tensorflow as tf
from claims import Prose
from trainings import all_equal, number_gan

from helpers import latents
from helpers.networks.weights import values_of
from helpers.session import UserError
from helpers.training.batches import PictureBatches
from tools.lift import lift

PROSE = Prose("05_dcgan")
LIFTED = (
    *("draw_real", "number_batches", "number_generator", "number_discriminator", "train"),
    *("discriminator_loss", "generator_loss", "GAN", "follow", "draw_labels"),
    *("build_generator", "build_discriminator", "face_gan", "diff_augment"),
)
VARIANTS: dict = {"diff_augment": lift(PROSE.path, "diff_augment").diff_augment}  # SWITCHES and FAILURES
for cell in nbformat.read(PROSE.path, as_version=4).cells:
    if cell.source.startswith(("SWITCHES = ", "FAILURES = ")):
        exec(cell.source.split("\n}\n")[0] + "\n}", VARIANTS)


@pytest.fixture(scope="module")
def nb(tmp_path_factory):
    return lift(PROSE.path, *LIFTED, folder=tmp_path_factory.mktemp("notebook_05"))


def test_training_goes_on_after_an_interrupt_as_if_never_stopped(nb):
    def interrupt_once(history, snapshots):
        if len(history) == 2 and not interrupted:
            interrupted.append(True)
            raise KeyboardInterrupt

    def trained(name, show=lambda history, snapshots: None, times=1):
        gan = number_gan(nb)
        for _ in range(times):
            snap = lambda: gan.averaged(latents.fixed_noise(9, 4, 1)).numpy()  # noqa: E731
            training = nb.train(gan, name, lambda epoch: nb.number_batches(epoch).take(5), 3, snap, show)
        return training

    interrupted = []
    whole, broken = trained("whole"), trained("broken", interrupt_once, times=2)
    assert interrupted and [r["step"] for r in broken.history] == [5, 10, 15]
    assert all_equal(whole.checkpoints.load()[0], broken.checkpoints.load()[0])
    assert all_equal(whole.snapshots, broken.snapshots) and len(whole.snapshots) == 3


def test_every_switch_and_every_failure_is_a_training_of_its_own(nb):
    nothing = lambda epoch: tf.data.Dataset.range(0)  # noqa: E731
    folders = [
        nb.train(nb.face_gan(**how), "x", nothing, 0).checkpoints.folder
        for how in ({}, *VARIANTS["SWITCHES"].values(), *VARIANTS["FAILURES"].values())
    ]
    assert len(set(folders)) == len(folders) == 10
    assert nb.train(nb.face_gan(), "x", nothing, 0).checkpoints.folder == folders[0]


def test_each_switch_of_the_table_can_be_chosen():
    table = re.search(r"\| trick \| why \| switch \|\n(.*?)\n\n", PROSE.text, re.DOTALL)[1]
    named = re.findall(r'\| "([^"]*)"[^|]*\|$', table, re.MULTILINE)
    assert sorted(named) == sorted(VARIANTS["SWITCHES"])


def test_where_a_kid_is_measured_the_weights_of_the_best_one_are_kept(nb):
    gan, kids, kept = number_gan(nb), {2: 0.3, 4: 0.5}, {}

    def measure(epoch):
        kept[epoch] = values_of(gan.generator.weights)
        return {"KID": kids[epoch]} if epoch in kids else {}

    training = nb.train(gan, "kid", lambda epoch: nb.number_batches(epoch).take(2), 4, validate=measure)
    assert all_equal(values_of(gan.generator.weights), kept[2]) and not all_equal(kept[2], kept[4])
    assert ["KID" in record for record in training.history] == [False, True, False, True]


def test_without_a_kid_the_last_weights_are_kept(nb):
    gan, kept = number_gan(nb), []
    nb.train(
        gan, "no kid", lambda epoch: nb.number_batches(epoch).take(2), 2, validate=lambda epoch: kept.append(0) or {}
    )
    after = values_of(gan.generator.weights)
    nb.train(number_gan(nb), "no kid", lambda epoch: nb.number_batches(epoch).take(2), 2)
    assert len(kept) == 2 and all_equal(after, values_of(gan.generator.weights))


def test_a_training_that_runs_to_no_number_stops_in_words(nb):
    gan = number_gan(nb, rate=1e30)
    with pytest.raises(UserError, match="no longer a finite number in epoch 1.*start anew"):
        nb.train(gan, "no number", nb.number_batches, 2)
    assert all(np.isfinite(array).all() for array in values_of(gan.weights))


def test_a_short_training_comes_near_the_real_numbers(nb):
    gan = number_gan(nb)
    untrained = gan.averaged(latents.fixed_noise(2_000, 4, 1)).numpy()
    nb.train(gan, "near", nb.number_batches, 12)
    near = gan.averaged(latents.fixed_noise(2_000, 4, 1)).numpy()
    real = np.sort(nb.draw_real(2_000, 7), axis=0)
    before, after = (np.abs(np.sort(values, axis=0) - real).mean() for values in (untrained, near))
    assert after < 0.3 and after < before / 3


def test_a_batch_larger_than_the_set_is_refused_in_words():
    faces = np.zeros((200, 64, 64, 3), np.uint8)
    with pytest.raises(UserError, match="do not fill a batch of 300"):
        PictureBatches(faces, 300, seed=1)
