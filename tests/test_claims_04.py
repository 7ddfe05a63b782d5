"""What notebook 04 says, recomputed: its functions are lifted out of the .ipynb, its figures read out of the prose."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from claims import Prose
from scipy.stats import norm

from helpers import images, latents
from helpers.networks.weights import values_of
from helpers.session import UserError
from helpers.training.batches import PictureBatches, in_order
from tools.lift import lift

PROSE = Prose("04_variational_autoencoder")
LIFTED = (
    *("framed", "build_encoder", "build_decoder", "build_autoencoder", "transposed_convolution"),
    *("cross_entropy", "root_mean_squared_error", "logit", "make_decode", "embed", "share_far"),
    *("shares_of", "quantile_grid", "draw_from_box", "steps_between", "log_evidence", "error_table"),
    *(
        "Sampling",
        "first_edition",
        "second_edition",
        "this_notebook",
        "bernoulli",
        "kl_divergence",
        "VAE",
        "means_of",
        "active_units",
    ),
    *(
        "log_weights",
        "importance_weighted_nll",
        "gaussian",
        "build_face_encoder",
        "build_face_decoder",
        "pca_rebuilt",
        "train",
    ),
)
random = np.random.default_rng(0)


@pytest.fixture(scope="module")
def nb(tmp_path_factory):
    return lift(PROSE.path, *LIFTED, folder=tmp_path_factory.mktemp("notebook_04"))


@pytest.fixture(scope="module")
def pictures():
    """Two hundred uint8 (32, 32, 1) pictures of one bright square each, its place at random."""
    made = np.zeros((200, 32, 32, 1), np.uint8)
    for picture, (row, column) in zip(made, random.integers(2, 22, (200, 2)), strict=True):
        picture[row : row + 8, column : column + 8] = 230
    return made


def test_cross_entropy_at_a_target_of_seven_tenths(nb):
    above, at_more, below, at_less = PROSE.said(r"Cross-entropy is ([\d.]+) at ([\d.]+) and ([\d.]+) at ([\d.]+)")
    losses = [float(nb.cross_entropy(np.array([0.7]), np.array([nb.logit(p)]))) for p in (at_more, at_less)]
    np.testing.assert_allclose(losses, [above, below], atol=5e-4)
    by_hand = -(0.7 * np.log(at_more) + 0.3 * np.log(1 - at_more))
    np.testing.assert_allclose(losses[0], by_hand, rtol=1e-6)


def test_root_mean_squared_error_has_a_gradient_where_the_picture_is_met_exactly(nb):
    logits = tf.Variable([[0.3, -0.2]])
    with tf.GradientTape() as tape:
        loss = nb.root_mean_squared_error(tf.sigmoid(logits), logits)
    assert np.isfinite(tape.gradient(loss, logits)).all()


@pytest.mark.parametrize("size", [2, 3, 5])
def test_a_transposed_convolution_is_zeros_put_in_and_then_a_convolution(nb, size):
    pixels, kernel = random.normal(size=(size, size)), random.normal(size=(3, 3))
    layer = keras.layers.Conv2DTranspose(1, 3, strides=2, padding="same", use_bias=False)
    layer.build((None, size, size, 1))
    layer.set_weights([kernel[..., None, None]])
    found, spread = nb.transposed_convolution(pixels, kernel)
    np.testing.assert_allclose(layer(pixels[None, ..., None])[0, ..., 0], found, rtol=1e-4, atol=1e-5)
    assert np.count_nonzero(spread) == size**2


def test_the_uniform_baseline(nb):
    pixels, nats = PROSE.said(r"costs \$(\d+) \\ln 2 = (\d+)\$ nats")
    half = nb.bernoulli(random.random((2, 32, 32, 1), np.float32), np.zeros((2, 32, 32, 1), np.float32))
    np.testing.assert_allclose(half, pixels * np.log(2), rtol=1e-5)
    assert abs(pixels * np.log(2) - nats) < 0.5


@pytest.mark.parametrize(("mean", "deviation"), [(0.0, 1.0), (1.5, 0.5), (-2.0, 2.0)])
def test_kl_divergence_equals_the_integral(nb, mean, deviation):
    z = np.linspace(-25, 25, 500_001)
    q = norm.pdf(z, mean, deviation)
    integral = np.trapezoid(q * (norm.logpdf(z, mean, deviation) - norm.logpdf(z)), z)
    three = nb.kl_divergence(np.full((1, 3), mean), np.full((1, 3), 2 * np.log(deviation)))
    np.testing.assert_allclose(three, [3 * integral], atol=1e-6)  # summed over the latents, not averaged


def test_the_books_weights_as_kl_weights(nb):
    first, second, foster = (
        PROSE.said(rf"\| {name}[^|]*\|[^|]*\| KL weight ([\d.]+) \|")[0]
        for name in ("Chollet, 1st edition", "Chollet, 2nd edition", "Foster, digits and clothes")
    )
    mean, log_variance = np.array([[0.4, -1.1]]), np.array([[-0.7, 0.2]])
    ours = float(nb.kl_divergence(mean, log_variance)[0])
    # The first edition: -5e-4 times a mean over two latents, beside a cross-entropy averaged over 784 pixels.
    printed = -5e-4 * np.mean(1 + log_variance - mean**2 - np.exp(log_variance))
    np.testing.assert_allclose(784 * printed / ours, first, atol=0.005)
    printed = -0.5 * np.mean(1 + log_variance - mean**2 - np.exp(log_variance))
    np.testing.assert_allclose(printed / ours, second, atol=0.005)
    np.testing.assert_allclose(1024 / 500, foster, atol=0.005)


@pytest.mark.parametrize(("side", "pattern"), [(32, r"variance ([\d.]+) \| \| the same"), (64, r"variance (3.07)")])
def test_fosters_weight_as_a_variance(nb, side, pattern):
    values = side * side * 3
    x, logits = random.random((2, side, side, 3), np.float32), random.normal(size=(2, side, side, 3)).astype(np.float32)
    weighed = 2000 * np.mean((x - tf.sigmoid(logits)) ** 2, axis=(1, 2, 3))
    np.testing.assert_allclose(nb.gaussian(x, logits, values / 4000), weighed, rtol=1e-4)
    assert abs(values / 4000 - PROSE.said(pattern)[0]) < 0.005


@pytest.mark.parametrize("name", ["first_edition", "second_edition", "this_notebook"])
def test_every_network_encodes_to_two_numbers_a_latent_and_decodes_to_a_picture(nb, name):
    encoder, decoder = getattr(nb, name)(2)
    assert encoder(np.zeros((1, 32, 32, 1))).shape == (1, 4)
    assert decoder(np.zeros((1, 2))).shape == (1, 32, 32, 1)


def test_a_draw_is_the_mean_plus_noise_of_the_variance_asked_for(nb):
    mean, variance = tf.fill((20_000, 1), 3.0), 0.25
    drawn = nb.Sampling(seed=3)(mean, tf.fill((20_000, 1), np.log(np.float32(variance))))
    assert abs(np.mean(drawn) - 3) < 4 * np.sqrt(variance / 20_000)
    assert abs(np.var(drawn) / variance - 1) < 0.05
    np.testing.assert_array_equal(nb.Sampling(seed=3)(mean, 0 * mean), nb.Sampling(seed=3)(mean, 0 * mean))


def test_training_lowers_the_held_out_loss_and_the_parts_add_up(nb, pictures):
    keras.utils.set_random_seed(5)
    vae = nb.VAE(*nb.this_notebook(2))
    history = nb.train(vae, "squares", PictureBatches(pictures[:160], 32, 1), pictures[160:], epochs=12)
    assert history[-1]["validation"] < 0.5 * history[0]["validation"]
    scores = vae.evaluate(in_order(pictures[160:]), verbose=0, return_dict=True)
    np.testing.assert_allclose(scores["loss"], scores["reconstruction"] + scores["kl"], rtol=1e-5)


def test_the_kl_weight_and_its_warm_up_count_in_training_and_only_the_weight_afterwards(nb, pictures):
    x = images.as_floats(pictures[:16])
    vae = nb.VAE(*nb.this_notebook(2), kl_weight=3.0, warm_up=10)
    cold, half, warm = ([float(np.mean(v)) for v in vae.loss_terms(x, False, warmth)] for warmth in (0.0, 0.5, 1.0))
    assert cold[0] == pytest.approx(cold[1])
    assert half[0] == pytest.approx(half[1] + 1.5 * half[2])
    assert warm[0] == pytest.approx(warm[1] + 3.0 * warm[2])
    vae.compile(keras.optimizers.SGD(0.0), jit_compile=False)
    first = vae.train_on_batch(x, x, return_dict=True)
    assert first["loss"] == pytest.approx(first["reconstruction"] + 0.3 * first["kl"], rel=1e-5)


def test_training_twice_gives_the_same_weights(nb, pictures):
    ends = []
    for attempt in range(2):
        keras.utils.set_random_seed(5)
        vae = nb.VAE(*nb.this_notebook(2))
        nb.train(vae, f"twice {attempt}", PictureBatches(pictures[:64], 32, 1), pictures[64:80], epochs=2)
        ends.append(values_of(vae.weights))
    for one, other in zip(*ends, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_loss_that_is_no_number_stops_the_training_in_words(nb, pictures):
    vae = nb.VAE(*nb.this_notebook(2), reconstruction=lambda x, logits: logits[:, 0, 0, 0] * np.nan)
    with pytest.raises(UserError, match="no longer a finite number"):
        nb.train(vae, "no number", PictureBatches(pictures[:64], 32, 1), pictures[64:80], epochs=2)
    assert all(np.isfinite(values).all() for values in values_of(vae.weights))


def test_more_importance_samples_give_a_tighter_bound_and_one_gives_the_elbo(nb):
    """On a model whose likelihood is known: p(z) = N(0, 1), p(x | z) = N(z, 1), so that p(x) = N(0, 2)."""

    class Linear:
        encoder = staticmethod(lambda x, training: tf.concat([x[:, 0, 0], tf.fill((len(x), 1), -1.0)], axis=-1))
        decoder = staticmethod(lambda z, training: z[:, None, None])
        reconstruction = staticmethod(
            lambda x, mean: tf.reduce_sum((x - mean) ** 2, [1, 2, 3]) / 2 + np.log(2 * np.pi) / 2
        )

    x = np.full((500, 1, 1, 1), 0.8, np.float32)
    exact = -norm.logpdf(0.8, 0, np.sqrt(2))
    weights = nb.log_weights(Linear, x, 512, chunk=100)
    bounds = [nb.importance_weighted_nll(weights, samples).mean() for samples in (1, 8, 64, 512)]
    mean, variance = 0.8, np.exp(-1)
    elbo = ((0.8 - mean) ** 2 + variance + np.log(2 * np.pi)) / 2 + 0.5 * (variance + mean**2 - 1 - np.log(variance))
    assert abs(bounds[0] - elbo) < 0.15
    assert bounds[0] > bounds[1] > bounds[2] > exact - 0.01
    assert abs(bounds[3] - exact) < 0.01


def test_active_units_are_counted_by_the_variance_of_the_means(nb):
    means = np.stack([random.normal(size=500), np.full(500, 0.7), random.normal(scale=0.05, size=500)], axis=1)
    assert nb.active_units(means) == 1


def test_what_is_far_from_any_picture_is_counted(nb, pictures):
    known, noise = pictures[:100], random.random((50, 32, 32, 1))
    mixed = np.concatenate([noise, images.as_floats(pictures[:50])])
    assert nb.share_far(mixed, known, 0.1) == 0.5
    assert nb.share_far(images.as_floats(known), known, 0.0) == 0


def test_shares_of_places_go_to_the_nearest_dots_kind(nb):
    points, labels = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 9.0]]), np.array([3, 3, 7])
    places = np.array([[0.1, 0.1], [0.9, -5.0], [0.0, 8.0], [2.0, 1.0]])
    expected = np.zeros(10)
    expected[[3, 7]] = 0.75, 0.25
    np.testing.assert_allclose(nb.shares_of(places, points, labels), expected)


def test_draws_from_the_box_fill_it_and_stay_in_it(nb):
    points = np.array([[-1.0, 2.0], [3.0, 5.0], [0.0, 3.0]])
    drawn = nb.draw_from_box(points, 5000)
    assert drawn.shape == (5000, 2) and (drawn >= [-1, 2]).all() and (drawn <= [3, 5]).all()
    np.testing.assert_allclose(drawn.mean(axis=0), [1, 3.5], atol=0.1)


def test_steps_between_neighbours_of_a_grid(nb):
    grid = np.zeros((2, 2, 4, 4, 1))
    grid[0, 1], grid[1, 1] = 0.3, 0.5
    found = nb.steps_between(grid.reshape(4, 4, 4, 1), 2)
    np.testing.assert_allclose(sorted(found), [0, 0.2, 0.3, 0.5])


def test_neighbours_of_a_quantile_grid_have_equal_shares_of_the_prior(nb):
    shares = norm.cdf(nb.quantile_grid(7, margin=0.05)).reshape(7, 7, 2)
    np.testing.assert_allclose(np.diff(shares[..., 0], axis=1), 0.9 / 6, atol=1e-9)
    np.testing.assert_allclose(np.diff(shares[..., 1], axis=0), -0.9 / 6, atol=1e-9)  # downwards in y


def test_log_evidence_is_that_of_a_decoder_that_looks_at_no_latent_and_of_one_that_does(nb):
    x = images.as_floats(np.full((2, 2, 2, 1), [[[[51]]], [[[255]]]], np.uint8))
    blind = lambda z, training: np.full((len(z), 2, 2, 1), 0.4, np.float32)  # noqa: E731
    expected = -nb.bernoulli(x, np.full(x.shape, 0.4, np.float32))
    np.testing.assert_allclose(nb.log_evidence(blind, x, 200, furthest=6.0), expected, atol=1e-3)
    # One pixel, white where the first latent is above 0: half of the prior, so that p(x = 1) = 1/2.
    sign = lambda z, training: np.where(z[:, :1] > 0, 30.0, -30.0).astype(np.float32)[..., None, None]  # noqa: E731
    found = nb.log_evidence(sign, np.ones((1, 1, 1, 1), np.float32), 200, furthest=6.0)
    np.testing.assert_allclose(found, np.log(0.5), atol=0.02)


def test_the_error_table_knows_mean_components_and_models(nb, pictures, monkeypatch):
    perfect = lambda pictures: images.as_floats(pictures)  # noqa: E731
    monkeypatch.setitem(nb.error_table.__globals__, "rebuild", lambda model, pictures: model(pictures))
    errors = nb.error_table(pictures[:150], pictures[150:], {"perfect": perfect}, (2, 20))
    assert errors["perfect"] == 0
    assert errors["mean picture"] > errors["PCA, 2 components"] > errors["PCA, 20 components"] > 0


def test_the_circle_keeps_the_length_that_a_line_loses():
    dimensions, length = PROSE.said(r"\\sqrt\{(\d+)\} \\approx (\d+)\$")
    start, end = latents.fixed_noise(2, int(dimensions), 1)
    assert abs(np.linalg.norm(start) - length) < 1.5
    middle, turned = (latents.interpolate(start, end, [0.5], spherical) for spherical in (False, True))
    assert np.linalg.norm(middle) < 0.8 * length
    assert np.linalg.norm(turned) > 0.9 * length


def test_principal_components_rebuild_what_lies_in_their_plane(nb):
    basis, codes = random.random((2, 16)) / 2, random.random((60, 2))
    flat = np.round(255 * codes @ basis).astype(np.uint8).reshape(60, 4, 4, 1)
    rebuilt = nb.pca_rebuilt(flat[:50], flat[50:], 2)
    np.testing.assert_allclose(rebuilt, flat[50:] / 255, atol=0.01)


def test_face_networks_fit_each_other_with_and_without_normalisation(nb):
    for normalise in (True, False):
        encoder = nb.build_face_encoder(normalise=normalise)
        decoder = nb.build_face_decoder(normalise=normalise)
        assert encoder(np.zeros((1, 64, 64, 3))).shape == (1, 400)
        assert decoder(np.zeros((1, 200))).shape == (1, 64, 64, 3)
        kinds = [type(layer).__name__ for layer in (*encoder.layers, *decoder.layers)]
        assert kinds.count("BatchNormalization") == (8 if normalise else 0)


@pytest.mark.parametrize(("exercise", "name"), [("1", "NoisyBatches"), ("2", "kl_in_bits"), ("3", "with_label")])
def test_the_exercises_answers_do_what_they_say(exercise, name, pictures):
    answer = re.search(rf"\*\*{exercise}\. .*?```python\n(.*?)```", PROSE.text, re.DOTALL)[1]
    scope = {"tf": tf, "np": np, "PictureBatches": PictureBatches, "train_garments": pictures[:128], "SEED": 1}
    exec(answer, scope)
    if name == "NoisyBatches":
        noisy, clean = next(iter(scope["noisy"](0)))
        np.testing.assert_array_equal(noisy, next(iter(scope["noisy"](0)))[0])
        assert (noisy != next(iter(scope["noisy"](1)))[0]).numpy().any()
        assert noisy.numpy().min() >= 0 and noisy.numpy().max() <= 1
        assert 0.05 < np.abs(noisy - clean).mean() < 0.3
    elif name == "kl_in_bits":
        bits, nats = PROSE.said(r"about (\d+) bits for ([\d.]+) nats")
        assert bits == round(scope[name](nats))
    else:
        np.testing.assert_array_equal(scope[name](tf.ones((1, 2)), [3], classes=5), [[1, 1, 0, 0, 0, 1, 0]])
