"""What notebook 05 says, recomputed: its functions are lifted out of the .ipynb, its figures read out of the prose."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from claims import Prose
from conftest import ROOT
from scipy.spatial.distance import jensenshannon
from scipy.special import expit, log_expit, logit
from trainings import all_equal, number_gan

from helpers import latents, metrics, plots
from helpers.networks import weights as stored_weights
from helpers.networks.weights import values_of
from tools.lift import lift
from tools.standins.faces import draw_faces

PROSE = Prose("05_dcgan")
LIFTED = (
    *("real_density", "draw_real", "number_batches", "number_generator", "number_discriminator", "play"),
    *("cross_entropy", "discriminator_loss", "generator_loss", "GAN", "follow", "draw_labels", "kid"),
    *("build_generator", "build_discriminator", "face_gan", "book_gan", "operations", "step_operations", "stamps"),
    *("diff_augment", "paint", "spread", "kid_to", "with_mirrored", "find_directions", "vae_decoder", "small_network"),
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
    [nats] = PROSE.said(r"\$2 \\log 2 = ([\d.]+)\$ \*\*nats")
    assert abs(float(nb.discriminator_loss(np.zeros(3), np.zeros(4), 1.0)) - nats) < 5e-4


@pytest.mark.parametrize("label", [1.0, 0.9])
def test_the_best_discriminator_is_a_share_of_the_densities(nb, label):
    """At one place with 30 reals and 20 fakes the slope of the loss is zero at D = label p / (p + q)."""
    p, q = 30 / 50, 20 / 50
    best = label * p / (p + q)
    logit = tf.Variable(np.log(best / (1 - best)))
    with tf.GradientTape() as tape:
        loss = p * nb.discriminator_loss(logit[None], np.array([-1e9]), label) + q * tf.nn.softplus(logit)
    assert abs(float(tape.gradient(loss, logit))) < 1e-6


def test_the_end_of_the_game_with_smoothed_labels(nb):
    [chance] = PROSE.said(r"best answer is \$D = ([\d.]+)\$ everywhere")
    [cost] = PROSE.said(r"- 1\.1 \\log 0\.55 = ([\d.]+)\$ nats")
    [generators] = PROSE.said(r"-\\log 0\.45 = ([\d.]+)\$")
    logits = np.full(4, np.log(chance / (1 - chance)))
    assert chance == 0.9 / 2
    assert abs(float(nb.discriminator_loss(logits, logits)) - cost) < 5e-4
    assert abs(float(nb.generator_loss(logits)) - generators) < 5e-4


def test_the_floor_of_the_discriminators_loss():
    [floor] = PROSE.said(r"at its floor of ([\d.]+) \(labels of 0\.9\)")
    assert round(-0.9 * np.log(0.9) - 0.1 * np.log(0.1), 3) == floor


def test_the_slopes_of_the_fair_loss_and_of_the_one_used(nb):
    logit = tf.Variable(-6.0)
    with tf.GradientTape(persistent=True) as tape:
        fair, used = -nb.cross_entropy(0.0, logit), nb.generator_loss(logit)
    np.testing.assert_allclose(tape.gradient(fair, logit), -expit(-6.0), rtol=1e-3)
    np.testing.assert_allclose(tape.gradient(used, logit), expit(-6.0) - 1, rtol=1e-3)


def test_the_value_at_the_best_answer_is_that_of_the_jensen_shannon_divergence(nb):
    line = np.linspace(-4, 5, 181)
    p, q = nb.real_density(line), np.exp(-((line - 0.5) ** 2)) / np.pi**0.5
    paid = lift(PROSE.path, "paid", line=line).paid(p / (p + q), p, q)
    assert paid == pytest.approx(2 * np.log(2) - 2 * jensenshannon(p, q) ** 2, abs=2e-3)


def test_both_labels_smoothed_leave_no_slope_where_there_are_fakes_only(nb):
    """The picture's claim, in numbers: between x = -6 and -4 the best logit moves by less than 0.01."""
    x = np.array([-6.0, -4.0])
    p, q = nb.real_density(x), np.exp(-((x / 1.5) ** 2) / 2) / (1.5 * np.sqrt(2 * np.pi))
    one, both = (logit((0.9 * p + fake * q) / (p + q)) for fake in (0.0, 0.1))
    assert abs(np.diff(one)[0]) > 10 and abs(np.diff(both)[0]) < 0.01


def test_the_real_numbers_have_the_density_that_is_drawn(nb):
    line = np.linspace(-6, 8, 2_801)
    density, drawn = nb.real_density(line), nb.draw_real(200_000, 5)
    assert drawn.shape == (200_000, 1) and drawn.dtype == np.float32
    for power in (0, 1, 2):
        by_density = np.trapezoid(line**power * density, line)
        assert abs(np.mean(drawn.astype(float) ** power) - by_density) < 0.02
    ours, others = (next(iter(nb.number_batches(epoch)))[0] for epoch in (0, 1))
    assert ours.shape == (256, 1)
    assert not np.array_equal(ours, others) and np.array_equal(ours, next(iter(nb.number_batches(0)))[0])


def test_two_players_drift_away_at_once_circle_in_turns_and_spiral_with_momentum(nb):
    at_once, in_turns = (np.linalg.norm(nb.play(600, in_turns=way), axis=1) for way in (False, True))
    assert (np.diff(at_once) > 0).all()
    assert in_turns.min() > 0.95 and in_turns.max() < 1.05
    said = PROSE.said(r"with 0\.5 it is ([\d.]+), with 0\.9 it is ([\d,]+)\. ")
    for momentum, radius in zip((0.5, 0.9), said, strict=True):
        assert np.linalg.norm(nb.play(300, momentum=momentum)[-1]) == pytest.approx(radius, rel=0.06)
    [turn] = PROSE.said(r"A turn has (\d+) steps here")
    assert round(2 * np.pi / 0.1) == turn
    running = np.array([1.0, 0.0])
    average = [running := 0.99 * running + 0.01 * place for place in nb.play(600)]
    assert np.linalg.norm(average[-1]) < 0.2


@pytest.mark.parametrize("still", ["generator", "discriminator"])
def test_each_move_changes_its_own_player_only(nb, faces, still):
    """A player whose optimiser does nothing is not changed by the other one's move; a batch of one works too."""
    gan, real = nb.face_gan(), tf.constant(faces[:1] / np.float32(255))
    other = {"generator": "discriminator", "discriminator": "generator"}[still]
    before = {name: values_of(getattr(gan, name).trainable_variables) for name in (still, other)}
    setattr(gan, f"{still}_optimizer", Spy())
    gan.train_step((real, real))
    after = {name: values_of(getattr(gan, name).trainable_variables) for name in (still, other)}
    assert all_equal(before[still], after[still]) and not all_equal(before[other], after[other])


class Spy(keras.optimizers.SGD):
    """An optimiser that keeps the slopes and changes nothing."""

    def apply(self, slopes, weights):
        self.slopes = slopes


def test_the_generators_slopes_are_those_of_the_whole_chain_through_the_same_fakes(nb):
    gan = number_gan(nb, label_noise=0.0)
    gan.generator_optimizer, state = Spy(), gan.random.state.numpy()
    gan.train_step((tf.zeros((8, 1)), None))
    gan.random.state.assign(state)
    noise = keras.random.normal((8, 4), seed=gan.random)
    with tf.GradientTape() as tape:  # the discriminator has moved, the generator not
        loss = nb.generator_loss(gan.discriminator(gan.generator(noise, training=True), training=True))
    expected = tape.gradient(loss, gan.generator.trainable_variables)
    for ours, whole in zip(gan.generator_optimizer.slopes, expected, strict=True):
        np.testing.assert_allclose(ours, whole, rtol=1e-4, atol=1e-7)


def test_each_fake_is_painted_once_and_judged_twice(nb, monkeypatch):
    gan, painted, judged = number_gan(nb), [], []
    generator, discriminator = gan.generator.call, gan.discriminator.call
    monkeypatch.setattr(gan.generator, "call", lambda *a, **k: painted.append(1) or generator(*a, **k))
    monkeypatch.setattr(gan.discriminator, "call", lambda *a, **k: judged.append(1) or discriminator(*a, **k))
    gan.train_step((tf.zeros((8, 1)), None))
    assert (len(painted), len(judged)) == (1, 3)


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


def test_labels_are_as_asked_for(nb):
    logits = tf.zeros((20_000, 1))
    for label, noise in ((0.9, 0.05), (0.98, 0.05), (1.0, 0.0)):
        labels = nb.draw_labels(logits, label, noise, 1).numpy()
        assert labels.shape == logits.shape and label - noise - 1e-6 <= labels.min() <= label - 0.99 * noise
        assert labels.max() <= min(1, label + noise + 1e-6)


def test_augmentation_is_drawn_for_each_face_and_has_a_slope(nb, faces):
    real = tf.constant(np.repeat(faces[:1] / np.float32(255), 6, axis=0))
    with tf.GradientTape() as tape:
        tape.watch(real)
        changed = nb.diff_augment(real, 1)
    assert changed.shape == real.shape and np.std(changed, axis=0).mean() > 0.05
    assert np.abs(tape.gradient(changed, real)).max() > 0
    np.testing.assert_array_equal(changed, nb.diff_augment(real, 1))  # by the seed alone
    moved = nb.diff_augment(tf.ones((300, 16, 16, 3)), 2, shift=4).numpy()
    dark = (moved == 0).all(axis=-1)  # what the shift has left empty: at most 4 of 16 pixels on a side
    assert dark[:, 4:-4, 4:-4].mean() == 0 and 0.1 < dark.mean() < 0.5


@pytest.mark.parametrize("name", ["face_gan", "book_gan"])
def test_both_presets_paint_and_judge_faces(nb, name):
    gan = getattr(nb, name)()
    painted = gan.averaged(np.zeros((2, 128), np.float32)).numpy()
    assert painted.shape == (2, 64, 64, 3) and painted.min() >= 0 and painted.max() <= 1
    assert gan.discriminator(painted).shape == (2, 1)


def test_an_untrained_discriminator_has_no_opinion(nb, faces):
    logits = nb.face_gan().discriminator(faces / np.float32(255)).numpy()
    np.testing.assert_allclose(expit(logits), 0.5, atol=0.02)


def test_the_costs_that_the_text_names(nb):
    [share] = PROSE.said(r"One layer does (\d+)% of the work")
    book = nb.book_gan()
    [widest] = [layer for layer in book.generator.layers if getattr(layer, "filters", 0) == 512]
    alone = 2 * np.prod(widest.kernel.shape) * 32 * 32  # each number of the kernel, at each place of the input
    assert round(100 * alone / nb.operations(book.generator)) == share
    once, twice = (nb.step_operations(book.generator, book.discriminator, paintings) for paintings in (1, 2))
    assert twice - once == nb.operations(book.generator)


def test_operations_are_counted_as_they_are_done(nb):
    up = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Conv2DTranspose(5, 4, 2, padding="same")])
    down = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(5, 4, 2, padding="same")])
    dense = keras.Sequential([keras.Input((7,)), keras.layers.Dense(6)])
    assert nb.operations(up) == nb.operations(down) == 2 * 4 * 4 * 3 * 5 * 16
    assert nb.operations(dense) == 2 * 7 * 6


def test_stamps_are_even_only_where_the_stride_divides_the_kernel(nb):
    for kernel, counts in ((3, [1, 2, 4]), (4, [4]), (5, [4, 6, 9])):
        assert sorted(np.unique(nb.stamps(kernel, np.ones((9, 9)))[4:-4, 4:-4])) == counts
    assert "With 3 they get 1, 2 or 4, and with 5 they get 4, 6 or 9" in PROSE.flat


def test_spread_is_that_of_the_fakes_as_a_share_of_the_reals(nb, faces):
    class Copies:
        def __init__(self, pictures):
            self.pictures = pictures

        def __call__(self, z, training):
            return self.pictures[: len(z)]

    real = faces / np.float32(255)
    assert nb.spread(Copies(real), faces, count=90) == pytest.approx(1, abs=1e-6)
    assert nb.spread(Copies(np.repeat(real[:1], 90, axis=0)), faces, count=90) == 0
    half = 0.5 + (real - 0.5) / 2
    assert nb.spread(Copies(half), faces, count=90) == pytest.approx(0.5, abs=0.01)


def test_the_kid_of_the_text_is_the_helpers(nb):
    a, b = random.normal(size=(40, 9)), random.normal(size=(40, 9)) + 0.3
    assert nb.kid(a, b) == pytest.approx(metrics.kernel_inception_distance(a, b, subset_size=40).mean, rel=1e-9)
    same = [nb.kid(*random.normal(size=(2, 20, 9))) for _ in range(300)]
    assert abs(np.mean(same)) < 3 * np.std(same) / 300**0.5  # without bias


def test_directions_are_found_where_they_are_and_share_nothing(nb):
    """Brightness is the first latent, redness the mean of the first two; readers who know both."""

    class Linear:
        def __call__(self, z, training):
            grey, red = expit(z[:, 0]), expit((z[:, 0] + z[:, 1]) / 2**0.5)
            return np.stack([red, grey, grey], axis=-1)[:, None, None] * np.ones((1, 4, 4, 1), np.float32)

    class Readers:
        names = ("bright", "red")

        def read(self, pictures):
            return pictures[:, 0, 0, 1::-1].T / 255

    bright, red = nb.find_directions(Linear(), Readers(), 900).values()
    np.testing.assert_allclose([np.linalg.norm(bright), np.linalg.norm(red)], 1, rtol=1e-5)
    assert red[1] > 0.95 and bright[0] > 0.6 and bright[1] < -0.6  # each without what the other reader sees
    assert bright.dtype == np.float32 and bright.shape == (128,)


def test_a_mirrored_copy_is_found(nb, faces):
    heap = nb.with_mirrored(faces)
    assert heap.shape == (400, 64, 64, 3)
    _, distances = metrics.nearest_neighbours(faces[:3, :, ::-1], heap)
    np.testing.assert_array_equal(distances, 0)


@pytest.mark.parametrize("name", ["celeba_vae", "drawn_vae"])
def test_the_vaes_decoder_is_that_of_notebook_04(nb, name):
    other = lift(
        ROOT / "notebooks" / "04_variational_autoencoder.ipynb", "VAE", "build_face_encoder", "build_face_decoder"
    )
    vae = other.VAE(other.build_face_encoder(), other.build_face_decoder())
    stored_weights.load_weights(name).put_into(vae)
    z = latents.fixed_noise(3, 200, 1)
    np.testing.assert_allclose(nb.vae_decoder(name)(z), tf.sigmoid(vae.decoder(z)), atol=1e-5)


@pytest.mark.parametrize("name", ["celeba_gan", "drawn_gan"])
def test_shipped_weights_fit_and_paint_different_faces(nb, name):
    gan, shipped = nb.face_gan(), stored_weights.load_weights(name)
    shipped.put_into(keras.Sequential([gan.averaged, gan.discriminator]))
    painted = nb.paint(gan.averaged, latents.fixed_noise(150, 128, 1))  # in two batches
    assert painted.dtype == np.uint8 and painted.shape == (150, 64, 64, 3)
    assert painted.std(axis=0).mean() > 20 and painted.std(axis=(1, 2, 3)).min() > 10
    assert ("CelebA" in shipped.facts["licence"]) == (name == "celeba_gan")


@pytest.fixture(scope="module")
def stored():
    return stored_weights.load_histories("gan_histories")


def test_the_diagnosis_describes_the_stored_training(stored):
    history = stored["faces"]
    late = [record for record in history if record["epoch"] > 10]
    ends = lambda key: [f(record[key] for record in late) for f in (min, max)]  # noqa: E731
    said = PROSE.said(r"stays between ([\d.]+) and ([\d.]+), the generator's between ([\d.]+) and ([\d.]+)\. ")
    np.testing.assert_allclose(said, [*ends("discriminator_loss"), *ends("generator_loss")], atol=0.0051)
    first, best = PROSE.said(r"the KID falls from ([\d.]+) to ([\d.]+)\. ")
    kids = {record["epoch"]: record["KID"] for record in history if "KID" in record}
    assert abs(kids[10] - first) < 6e-4 and abs(min(kids.values()) - best) < 6e-4
    low, high = PROSE.said(r"right about (\d+)% to (\d+)% of the pictures")
    np.testing.assert_allclose(ends("accuracy"), [low / 100, high / 100], atol=0.0051)
    real, fake = PROSE.said(r"D\(real\) stays near ([\d.]+) and D\(fake\) near ([\d.]+)\. ")
    assert max(abs(value - real) for value in ends("D(real)")) < 0.02
    assert max(abs(value - fake) for value in ends("D(fake)")) < 0.02
    rises = PROSE.said(r"The spread rises from ([\d.]+) to ([\d.]+\d)\.")
    np.testing.assert_allclose([history[0]["spread"], history[-1]["spread"]], rises, atol=0.006)


def test_the_failures_are_those_of_the_stored_trainings(stored):
    wins, alike, mended = (stored[name] for name in ("the discriminator wins", "one face for all", "equal rates"))
    said = PROSE.said(r"right about (\d+)% to (\d+)% of the pictures, and far too sure")
    accuracies = [100 * record["accuracy"] for record in wins]
    np.testing.assert_allclose([min(accuracies), max(accuracies)], said, atol=0.51)
    [loss] = PROSE.said(r"loss goes up to ([\d,]+) nats")
    assert max(record["generator_loss"] for record in wins) == pytest.approx(loss, rel=0.01)
    kids = PROSE.said(r"KID: ([\d.]+), with equal rates ([\d.]+\d)\.")
    np.testing.assert_allclose([wins[-1]["KID"], mended[-1]["KID"]], kids, atol=5e-3)
    spreads = PROSE.said(r"Only the spread tells: ([\d.]+) and ([\d.]+) in the last two")
    np.testing.assert_allclose([record["spread"] for record in alike[-2:]], spreads, atol=0.005)
    assert all(abs(record["discriminator_loss"] - 1.376) < 0.05 for record in alike)
    assert "discriminator is ahead" in plots.trouble(wins) and "Mode collapse" in plots.trouble(alike)
    assert plots.trouble(mended) == plots.trouble(stored["faces"]) == ""


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


def test_a_conditional_gan_paints_numbers_of_the_bell_that_is_asked_for(nb):
    names = "Players", "small_network", "discriminator_loss", "generator_loss", "follow", "averages"
    scope = {"keras": keras, "np": np, "tf": tf, "SEED": 1, **vars(lift(PROSE.path, *names, "BELLS"))}
    exec(answer(3), scope)
    gan = scope["train_conditional"](8)
    z = latents.fixed_noise(1_000, 4, 1)
    left, right = (gan.averaged(np.hstack([z, np.tile(bell, (1_000, 1))])).numpy() for bell in np.eye(2))
    assert np.mean(left) < -0.8 and np.mean(right) > 0.8


def test_r1_is_the_squared_slope_at_the_reals():
    scope = {"tf": tf}
    exec(answer(4), scope)
    slopes = random.normal(size=(4, 1)).astype(np.float32)
    linear = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    linear.set_weights([slopes, np.ones(1, np.float32)])
    penalty = scope["r1_penalty"](linear, tf.constant(random.normal(size=(7, 4)).astype(np.float32)), gamma=3.0)
    assert float(penalty) == pytest.approx(1.5 * np.sum(slopes**2), rel=1e-5)
