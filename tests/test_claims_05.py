"""What notebook 05 says, recomputed: its functions are lifted out of the .ipynb, its figures read out of the prose."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from claims import Prose
from conftest import ROOT
from scipy.special import expit, log_expit
from trainings import all_equal, number_gan

from helpers import latents
from helpers.networks import weights as stored_weights
from helpers.networks.weights import values_of
from tools.lift import lift
from tools.standins.faces import draw_faces

PROSE = Prose("05_dcgan")
LIFTED = (
    *("real_density", "draw_real", "number_batches", "number_generator", "number_discriminator", "play"),
    *("discriminator_loss", "generator_loss", "GAN", "follow", "draw_labels", "draw_latents"),
    *("build_generator", "build_discriminator", "face_gan", "book_gan", "operations", "step_operations", "stamps"),
    *("paint", "spread", "find_directions", "vae_decoder"),
)
random = np.random.default_rng(0)


@pytest.fixture(scope="module")
def nb(tmp_path_factory):
    return lift(PROSE.path, *LIFTED, folder=tmp_path_factory.mktemp("notebook_05"))


@pytest.fixture(scope="module")
def faces():
    """Two hundred faces drawn by the project, uint8 (200, 64, 64, 3)."""
    return draw_faces(200, seed=3)[0]


def test_the_losses_are_cross_entropies_of_the_logit_of_real(nb):
    real, fake, labels = random.normal(size=(7, 1)), random.normal(size=(5, 1)), random.uniform(size=(7, 1))
    by_hand = -np.mean(labels * log_expit(real) + (1 - labels) * log_expit(-real)) - np.mean(log_expit(-fake))
    np.testing.assert_allclose(nb.discriminator_loss(real, fake, labels), by_hand, rtol=1e-6)
    np.testing.assert_allclose(nb.generator_loss(fake), -np.mean(log_expit(fake)), rtol=1e-6)
    assert nb.generator_loss(np.array([9.0])) < nb.generator_loss(np.array([-9.0]))  # real is 1


def test_who_cannot_tell_pays_two_logarithms_of_two(nb):
    [nats] = PROSE.said(r"\$2 \\log 2 = ([\d.]+)\$ nats")
    assert abs(float(nb.discriminator_loss(np.zeros(3), np.zeros(4))) - nats) < 5e-4


@pytest.mark.parametrize("label", [1.0, 0.9])
def test_the_best_discriminator_is_a_share_of_the_densities(nb, label):
    """At one place with 30 reals and 20 fakes the slope of the loss is zero at D = label p / (p + q)."""
    p, q = 30 / 50, 20 / 50
    best = label * p / (p + q)
    logit = tf.Variable(np.log(best / (1 - best)))
    with tf.GradientTape() as tape:
        loss = p * nb.discriminator_loss(logit[None], np.array([-1e9]), label) + q * tf.nn.softplus(logit)
    assert abs(float(tape.gradient(loss, logit))) < 1e-6


def test_the_end_of_the_game_with_smoothed_labels():
    chance, cost = (
        PROSE.said(r"best answer is \$D = ([\d.]+)\$ everywhere")[0],
        PROSE.said(r"loss near ([\d.]+): with reals")[0],
    )
    assert chance == 0.9 / 2
    assert round(-0.9 * np.log(chance) - 1.1 * np.log(1 - chance), 3) == cost


def test_the_slopes_of_the_fair_loss_and_of_the_one_used(nb):
    [chance] = PROSE.said(r"where the generator is worst, at \$D = ([\d.]+)\$")
    logit = tf.Variable(np.log(chance / (1 - chance)))
    with tf.GradientTape(persistent=True) as tape:
        fair, used = tf.math.log(1 - tf.sigmoid(logit)), nb.generator_loss(logit)
    np.testing.assert_allclose(tape.gradient(fair, logit), -chance, rtol=1e-3)
    np.testing.assert_allclose(tape.gradient(used, logit), chance - 1, rtol=1e-3)


def test_the_real_numbers_have_the_density_that_is_drawn(nb):
    line = np.linspace(-6, 8, 2_801)
    density, drawn = nb.real_density(line), nb.draw_real(200_000, 5)
    assert drawn.shape == (200_000, 1) and drawn.dtype == np.float32
    for power in (0, 1, 2):
        by_density = np.trapezoid(line**power * density, line)
        assert abs(np.mean(drawn.astype(float) ** power) - by_density) < 0.02
    ours, others = (next(iter(nb.number_batches(epoch)))[0] for epoch in (0, 1))
    assert not np.array_equal(ours, others) and np.array_equal(ours, next(iter(nb.number_batches(0)))[0])


def test_two_players_drift_away_at_once_and_circle_in_turns(nb):
    at_once, in_turns = (np.linalg.norm(nb.play(way, steps=600), axis=1) for way in (False, True))
    assert (np.diff(at_once) > 0).all()
    assert in_turns.min() > 0.95 and in_turns.max() < 1.05
    assert np.linalg.norm(nb.play(True).mean(axis=0)) < 0.2


def test_each_step_changes_its_own_player_only(nb, faces):
    gan, real = nb.face_gan(), tf.constant(faces[:1] / np.float32(255))  # a batch of one
    fake, painting = gan.paint(real)
    generator, discriminator = values_of(gan.generator.variables), values_of(gan.discriminator.weights)
    gan.discriminator_step(real, fake)
    judged = values_of(gan.discriminator.weights)
    assert all_equal(generator, values_of(gan.generator.variables)) and not all_equal(discriminator, judged)
    gan.generator_step(fake, painting)
    assert all_equal(judged, values_of(gan.discriminator.weights))
    assert not all_equal(generator, values_of(gan.generator.variables))


def test_the_advice_on_the_picture_gives_the_gradient_of_the_whole_chain(nb, monkeypatch):
    gan, seen = number_gan(nb), {}
    spied = {"apply": lambda self, slopes, weights: seen.update(slopes=slopes)}
    gan.generator_optimizer = type("Spy", (keras.optimizers.SGD,), spied)()
    state = gan.seed_generator.state.numpy()
    gan.generator_step(*gan.paint(tf.zeros((8, 1))))
    gan.seed_generator.state.assign(state)
    z = nb.draw_latents(8, 4, False, gan.seed_generator)
    with tf.GradientTape() as tape:
        loss = nb.generator_loss(gan.discriminator(gan.generator(z, training=True), training=True))
    for ours, whole in zip(seen["slopes"], tape.gradient(loss, gan.generator.trainable_variables), strict=True):
        np.testing.assert_allclose(ours, whole, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(("shares", "paintings"), [(True, 1), (False, 2)])
def test_a_step_paints_once_if_the_fake_is_shared_and_else_twice(nb, monkeypatch, shares, paintings):
    gan, painted = number_gan(nb, shares=shares), []
    paint = gan.paint
    monkeypatch.setattr(gan, "paint", lambda like: painted.append(1) or paint(like))
    gan.train_step((tf.zeros((8, 1)), None))
    assert len(painted) == paintings


def test_the_average_follows_by_the_formula(nb):
    gan = number_gan(nb)
    before = values_of(gan.averaged.weights)
    gan.train_step((tf.constant(nb.draw_real(16, 1)), None))
    keep = 2 / 11  # one step: (1 + 1) / (10 + 1)
    expected = [
        keep * old + (1 - keep) * new for old, new in zip(before, values_of(gan.generator.weights), strict=True)
    ]
    for ours, theirs in zip(values_of(gan.averaged.weights), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)
    assert not gan.averaged.trainable_variables


def test_labels_and_latents_are_as_asked_for(nb):
    logits = tf.zeros((20_000, 1))
    for label, noise in ((0.9, 0.05), (0.98, 0.05), (1.0, 0.0)):
        labels = nb.draw_labels(logits, label, noise, 1).numpy()
        assert labels.shape == logits.shape and label - noise - 1e-6 <= labels.min() <= label - 0.99 * noise
        assert labels.max() <= min(1, label + noise + 1e-6)
    even, normal = (nb.draw_latents(20_000, 2, is_uniform, 1).numpy() for is_uniform in (True, False))
    assert -1 <= even.min() < -0.99 and 0.99 < even.max() <= 1 and abs(even.std() - 3**-0.5) < 0.01
    assert normal.min() < -3 and abs(normal.std() - 1) < 0.02


@pytest.mark.parametrize("name", ["face_gan", "book_gan"])
def test_both_presets_paint_and_judge_faces(nb, name):
    gan = getattr(nb, name)()
    painted = gan(np.zeros((2, 128), np.float32)).numpy()
    assert painted.shape == (2, 64, 64, 3) and painted.min() >= 0 and painted.max() <= 1
    assert gan.discriminator(painted).shape == (2, 1)


def test_an_untrained_discriminator_has_no_opinion(nb, faces):
    logits = nb.face_gan().discriminator(faces / np.float32(255)).numpy()
    np.testing.assert_allclose(expit(logits), 0.5, atol=0.02)


def test_the_costs_that_the_text_names(nb):
    share, layer, whole = PROSE.said(r"does (\d+)% of its work in one layer, from (\d+) to (\d+) channels")
    book, paper = nb.book_gan(), nb.face_gan()
    [widest] = [layer for layer in book.generator.layers if getattr(layer, "filters", 0) == whole]
    assert widest.kernel.shape[-1] == layer
    alone = 2 * np.prod(widest.kernel.shape) * 32 * 32  # each number of the kernel, at each place of the input
    assert round(100 * alone / nb.operations(book.generator)) == share
    networks = book.generator, book.discriminator
    shared, fresh = nb.step_operations(*networks), nb.step_operations(*networks, shares=False)
    assert 0.2 < 1 - shared / fresh <= 0.25
    ratio = fresh / nb.step_operations(paper.generator, paper.discriminator)
    assert round(ratio) == PROSE.said(r"one in (\d+) of the book's recipe")[0]


def test_operations_are_counted_as_they_are_done(nb):
    up = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Conv2DTranspose(5, 4, 2, padding="same")])
    down = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(5, 4, 2, padding="same")])
    dense = keras.Sequential([keras.Input((7,)), keras.layers.Dense(6)])
    assert nb.operations(up) == nb.operations(down) == 2 * 4 * 4 * 3 * 5 * 16
    assert nb.operations(dense) == 2 * 7 * 6


def test_stamps_are_even_only_where_the_stride_divides_the_kernel(nb):
    for kernel, counts in ((3, [1, 2, 4]), (4, [4]), (5, [4, 6, 9])):
        assert sorted(np.unique(nb.stamps(kernel, np.ones((9, 9)))[4:-4, 4:-4])) == counts
    assert "With 3 they get 1, 2 or 4, and with 5 even 4, 6 or 9" in PROSE.flat


def test_spread_is_that_of_the_fakes_as_a_share_of_the_reals(nb, faces):
    class Copies:
        generator = keras.Sequential([keras.Input((128,)), keras.layers.Dense(1)])

        def __init__(self, pictures):
            self.pictures = pictures

        def __call__(self, z):
            return self.pictures[: len(z)]

    real = faces / np.float32(255)
    assert nb.spread(Copies(real), faces, count=90) == pytest.approx(1, abs=1e-6)
    assert nb.spread(Copies(np.repeat(real[:1], 90, axis=0)), faces, count=90) == 0
    half = 0.5 + (real - 0.5) / 2
    assert nb.spread(Copies(half), faces, count=90) == pytest.approx(0.5, abs=0.01)


def test_directions_are_found_where_they_are(nb):
    """A generator whose first latent is its pictures' brightness; a reader who knows bright from dark."""
    axis = np.eye(128)[0]
    generator = keras.Sequential([keras.Input((128,)), keras.layers.Dense(1)])
    decode = lambda z: np.broadcast_to(expit(z @ axis)[:, None, None, None], (len(z), 4, 4, 3))  # noqa: E731
    gan = type("Linear", (), {"generator": generator, "__call__": lambda self, z: decode(z)})()
    reader = type(
        "Reader", (), {"names": ["bright"], "read": lambda self, pictures: pictures[None, :, 0, 0, 0] / 255}
    )()
    [way] = nb.find_directions(gan, reader, 900).values()
    assert way[0] > 1.5 and np.abs(way[1:]).max() < 0.5


def test_the_vaes_decoder_is_that_of_notebook_04(nb):
    other = lift(
        ROOT / "notebooks" / "04_variational_autoencoder.ipynb", "VAE", "build_face_encoder", "build_face_decoder"
    )
    vae = other.VAE(other.build_face_encoder(), other.build_face_decoder())
    stored_weights.load_weights("celeba_vae").put_into(vae)
    z = latents.fixed_noise(3, 200, 1)
    np.testing.assert_allclose(nb.vae_decoder()(z), tf.sigmoid(vae.decoder(z)), atol=1e-5)


@pytest.mark.parametrize("name", ["celeba_gan", "drawn_gan"])
def test_shipped_weights_fit_and_paint_different_faces(nb, name):
    gan, shipped = nb.face_gan(), stored_weights.load_weights(name)
    shipped.put_into(keras.Sequential([gan.averaged, gan.discriminator]))
    painted = nb.paint(gan, latents.fixed_noise(150, 128, 1))  # in two batches
    assert painted.dtype == np.uint8 and painted.shape == (150, 64, 64, 3)
    assert painted.std(axis=0).mean() > 20 and painted.std(axis=(1, 2, 3)).min() > 10
    assert ("CelebA" in shipped.facts["licence"]) == (name == "celeba_gan")


def test_the_text_describes_the_training_that_was_shipped():
    said_at_end = PROSE.said(r"at the end D\(real\) was ([\d.]+), D\(fake\) ([\d.]+) and the spread ([\d.]+\d)")
    [on_drawn] = PROSE.said(r"accuracy rose again, to ([\d.]+) after 50 epochs")
    photographs, drawn = (stored_weights.load_weights(name).facts["at the end"] for name in ("celeba_gan", "drawn_gan"))
    figures = [
        float(re.search(rf"{re.escape(key)} ([\d.]+)", photographs)[1]) for key in ("D(real)", "D(fake)", "spread")
    ]
    assert figures == said_at_end and f"accuracy {on_drawn:.2f}" in drawn


def answer(number):
    return re.search(rf"\*\*{number}\. .*?```python\n(.*?)```", PROSE.text, re.DOTALL)[1]


def test_the_fair_loss_hardly_teaches_who_is_always_recognised():
    scope = {"tf": tf}
    exec(answer(1), scope)
    logits = tf.Variable([-7.0, 0.0])
    with tf.GradientTape() as tape:
        loss = scope["fair_generator_loss"](logits)
    np.testing.assert_allclose(loss, np.mean(np.log(1 - expit(logits.numpy()))), rtol=1e-5)
    np.testing.assert_allclose(tape.gradient(loss, logits), -expit(logits.numpy()) / 2, rtol=1e-4)


def test_pictures_that_are_all_alike_have_no_variety_but_a_gradient():
    scope = {"tf": tf, "keras": keras}
    exec(answer(2), scope)
    layer, x = scope["BatchVariety"](), random.normal(size=(6, 4, 4, 3)).astype(np.float32)
    varied = layer(x).numpy()
    np.testing.assert_array_equal(varied[..., :3], x)
    np.testing.assert_allclose(varied[..., 3], x.std(axis=0).mean(), rtol=1e-5)
    alike = tf.Variable(np.repeat(x[:1], 6, axis=0))
    with tf.GradientTape() as tape:
        variety = layer(alike)[..., 3]
    np.testing.assert_allclose(variety, 0, atol=2e-4)
    assert np.isfinite(tape.gradient(variety, alike)).all()
    whole = keras.Sequential([keras.Input((4, 4, 3)), layer, keras.layers.Flatten(), keras.layers.Dense(1)])
    assert whole(x).shape == (6, 1)


def test_attributes_go_to_both_players():
    scope = {"tf": tf}
    exec(answer(3), scope)
    wanted = tf.constant([[1.0, 0.0], [0.0, 1.0]])
    assert scope["with_attributes"](tf.zeros((2, 5)), wanted).shape == (2, 7)
    planes = scope["with_planes"](tf.zeros((2, 4, 4, 3)), wanted).numpy()
    assert planes.shape == (2, 4, 4, 5) and (planes[0, ..., 3] == 1).all() and (planes[1, ..., 3] == 0).all()
