"""What notebook 04 says, recomputed: its functions are lifted out of the .ipynb, its figures read out of the prose."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from claims import Prose
from scipy.stats import norm
from sklearn.decomposition import PCA

from helpers import images, latents
from helpers.data.digits import load_fashion_mnist
from helpers.data.faces import load_faces
from helpers.networks import weights as stored_weights
from helpers.networks.weights import values_of
from helpers.session import UserError
from helpers.training.batches import PictureBatches, in_order
from tools.lift import lift

PROSE = Prose("04_variational_autoencoder")
LIFTED = (
    *("framed", "build_encoder", "build_decoder", "build_autoencoder", "transposed_convolution", "cross_entropy"),
    *("logit", "make_decode", "embed", "rebuild", "train", "draw_from_box", "draw_from_bell", "share_on_new_ground"),
    *("relative_distance", "judge_draws", "bound_terms", "bernoulli", "kl_by_latent", "kl_divergence"),
    *("VAE", "this_notebook", "mean_picture_nats", "nats_of", "quantile_grid", "grid_of", "clouds"),
    *("gaussian", "build_face_encoder", "build_face_decoder"),
    *("first_edition", "second_edition", "foster", "FirstEditionVAE"),
)
random = np.random.default_rng(0)


@pytest.fixture(scope="module")
def nb():
    return lift(PROSE.path, *LIFTED)


@pytest.fixture(scope="module")
def pictures():
    """Two hundred uint8 (32, 32, 1) pictures of one bright square each, its place at random."""
    made = np.zeros((200, 32, 32, 1), np.uint8)
    for picture, (row, column) in zip(made, random.integers(2, 22, (200, 2)), strict=True):
        picture[row : row + 8, column : column + 8] = 230
    return made


def test_cross_entropy_at_a_target_of_seven_tenths(nb):
    above, at_more, below, at_less = PROSE.said(r"cross-entropy is ([\d.]+) at ([\d.]+) and ([\d.]+) at ([\d.]+)")
    losses = [float(nb.cross_entropy(np.array([0.7]), np.array([nb.logit(p)]))) for p in (at_more, at_less)]
    np.testing.assert_allclose(losses, [above, below], atol=5e-4)
    by_hand = -(0.7 * np.log(at_more) + 0.3 * np.log(1 - at_more))
    np.testing.assert_allclose(losses[0], by_hand, rtol=1e-6)


@pytest.mark.parametrize("size", [2, 3, 5])
def test_a_transposed_convolution_is_zeros_put_in_and_then_a_convolution(nb, size):
    pixels, kernel = random.normal(size=(size, size)), random.normal(size=(3, 3))
    layer = keras.layers.Conv2DTranspose(1, 3, strides=2, padding="same", use_bias=False)
    layer.build((None, size, size, 1))
    layer.set_weights([kernel[..., None, None]])
    found, spread = nb.transposed_convolution(pixels, kernel)
    np.testing.assert_allclose(layer(pixels[None, ..., None])[0, ..., 0], found, rtol=1e-4, atol=1e-5)
    assert np.count_nonzero(spread) == size**2


def test_kernels_of_3_stamp_unevenly_and_kernels_of_4_evenly_away_from_the_edge(nb):
    counts = {size: nb.transposed_convolution(np.ones((5, 5)), np.ones((size, size)))[0][3:, 3:] for size in (3, 4)}
    assert [float(count) for count in np.unique(counts[3])] == PROSE.said(r"pixels get (\d), (\d) or (\d) stamps")
    assert np.unique(counts[4]) == 4


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
        for name in ("Chollet, 1st edition", "Chollet, 2nd edition", "Foster, clothes")
    )
    mean, log_variance = np.array([[0.4, -1.1]]), np.array([[-0.7, 0.2]])
    ours = float(nb.kl_divergence(mean, log_variance)[0])
    # The first edition: -5e-4 times a mean over two latents, beside a cross-entropy averaged over 784 pixels.
    printed = -5e-4 * np.mean(1 + log_variance - mean**2 - np.exp(log_variance))
    np.testing.assert_allclose(784 * printed / ours, first, atol=0.005)
    printed = -0.5 * np.mean(1 + log_variance - mean**2 - np.exp(log_variance))
    np.testing.assert_allclose(printed / ours, second, atol=0.005)
    np.testing.assert_allclose(1024 / 500, foster, atol=0.005)


@pytest.mark.parametrize(
    ("side", "pattern"),
    [
        (64, r"\(the book\)[^|]*\|[^|]*\| Gaussian, variance ([\d.]+)"),
        (32, r"repository\)[^|]*\|[^|]*\| Gaussian, variance ([\d.]+)"),
    ],
)
def test_fosters_weight_as_a_variance(nb, side, pattern):
    values = side * side * 3
    x, logits = random.random((2, side, side, 3), np.float32), random.normal(size=(2, side, side, 3)).astype(np.float32)
    weighed = 2000 * np.mean((x - tf.sigmoid(logits)) ** 2, axis=(1, 2, 3))
    np.testing.assert_allclose(nb.gaussian(x, logits, values / 4000), weighed, rtol=1e-4)
    assert abs(values / 4000 - PROSE.said(pattern)[0]) < 0.005


@pytest.mark.parametrize("name", ["first_edition", "second_edition", "foster", "this_notebook"])
def test_every_network_encodes_to_two_numbers_a_latent_and_decodes_to_a_picture(nb, name):
    encoder, decoder = getattr(nb, name)(2)
    assert encoder(np.zeros((1, 32, 32, 1))).shape == (1, 4)
    assert decoder(np.zeros((1, 2))).shape == (1, 32, 32, 1)


def test_a_draw_is_the_mean_plus_noise_of_the_variance_asked_for(nb):
    mean, variance = tf.fill((20_000, 1), 3.0), 0.25
    drawn, again = (nb.VAE(None, None).draw(mean, tf.fill((20_000, 1), np.log(np.float32(variance)))) for _ in "ab")
    assert abs(np.mean(drawn) - 3) < 4 * np.sqrt(variance / 20_000)
    assert abs(np.var(drawn) / variance - 1) < 0.05
    np.testing.assert_array_equal(drawn, again)


def test_what_the_first_edition_draws_is_charged_too_little(nb):
    deviation, charged, right = PROSE.said(
        r"A cloud of deviation ([\d.]+) is charged ([\d.]+) nats instead of (\d+\.\d+)"
    )
    output = tf.fill((50_000, 1), np.float32(np.log(deviation)))  # what its network gives for such a cloud
    drawn = nb.FirstEditionVAE(None, None).draw(0 * output, output)
    assert abs(np.std(drawn) / deviation - 1) < 0.02
    assert abs(float(nb.kl_divergence(0 * output[:1], output[:1])[0]) - charged) < 0.005
    assert abs(float(nb.kl_divergence(0 * output[:1], 2 * output[:1])[0]) - right) < 0.005


def test_training_lowers_the_held_out_loss_and_the_parts_add_up(nb, pictures, tmp_path):
    keras.utils.set_random_seed(5)
    vae = nb.VAE(*nb.this_notebook(2))
    history = nb.train(vae, tmp_path / "squares", PictureBatches(pictures[:160], 32, 1), pictures[160:], epochs=12)
    assert history[-1]["validation"] < 0.5 * history[0]["validation"]
    scores = vae.evaluate(in_order(pictures[160:]), verbose=0, return_dict=True)
    np.testing.assert_allclose(scores["loss"], scores["reconstruction"] + scores["kl"], rtol=1e-5)


def test_the_kl_weight_counts_in_training_and_in_scoring(nb, pictures):
    x = images.as_floats(pictures[:16])
    vae = nb.VAE(*nb.this_notebook(2), kl_weight=3.0)
    vae.compile(keras.optimizers.SGD(0.0), jit_compile=False)
    for found in (vae.train_on_batch(x, x, return_dict=True), vae.test_on_batch(x, x, return_dict=True)):
        assert found["loss"] == pytest.approx(found["reconstruction"] + 3 * found["kl"], rel=1e-5)


def test_training_twice_gives_the_same_weights(nb, pictures, tmp_path):
    ends = []
    for attempt in range(2):
        keras.utils.set_random_seed(5)
        vae = nb.VAE(*nb.this_notebook(2))
        nb.train(vae, tmp_path / f"twice {attempt}", PictureBatches(pictures[:64], 32, 1), pictures[64:80], epochs=2)
        ends.append(values_of(vae.weights))
    for one, other in zip(*ends, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_loss_that_is_no_number_stops_the_training_in_words(nb, pictures, tmp_path):
    vae = nb.VAE(*nb.this_notebook(2), reconstruction=lambda x, logits: logits[:, 0, 0, 0] * np.nan)
    with pytest.raises(UserError, match="no longer a finite number"):
        nb.train(vae, tmp_path / "no number", PictureBatches(pictures[:64], 32, 1), pictures[64:80], epochs=2)
    assert all(np.isfinite(values).all() for values in values_of(vae.weights))


def test_the_terms_of_the_bound_add_up_to_the_evidence_and_the_best_normal_is_the_one_shown(nb):
    code = PROSE.path.read_text(encoding="utf-8")
    assert "norm.pdf(line, 0.77, 0.43)" in code and "(0.77, 0.43)" in code
    line = np.linspace(-4, 4, 801)
    log_prior, log_likelihood = norm.logpdf(line), norm.logpdf(0.8, 1 / (1 + np.exp(-2 * line)), 0.15)
    evidence = np.log(np.sum(np.exp(log_prior + log_likelihood)) * 0.01)
    posterior = log_prior + log_likelihood - evidence
    for mean, deviation in ((0.77, 0.43), (0.7, 0.05), (0, 1)):
        terms = nb.bound_terms(norm.logpdf(line, mean, deviation), log_likelihood, log_prior, posterior, 0.01)
        np.testing.assert_allclose(terms["ELBO + KL(q || posterior)"], evidence, atol=0.005)
        closed = float(nb.kl_divergence(np.array([[mean]]), 2 * np.log([[deviation]]))[0])
        np.testing.assert_allclose(terms["KL(q || prior)"], closed, atol=0.005)
        assert terms["KL(q || posterior)"] > 0
    others = [(mean, deviation) for mean in (0.75, 0.77, 0.79) for deviation in (0.41, 0.43, 0.45)]
    elbos = {
        q: nb.bound_terms(norm.logpdf(line, *q), log_likelihood, log_prior, posterior, 0.01)["ELBO"] for q in others
    }
    assert max(elbos, key=elbos.get) == (0.77, 0.43)


def test_two_coins_and_two_codes_by_hand():
    first, second, kl, bits = PROSE.said(r"= ([\d.]+) - ([\d.]+) = ([\d.]+)\$ nats, or ([\d.]+) bits")
    found = 0.75 * np.log(0.75 / 0.5), -0.25 * np.log(0.25 / 0.5)
    np.testing.assert_allclose(found, [first, second], atol=5e-4)
    np.testing.assert_allclose([found[0] - found[1], (found[0] - found[1]) / np.log(2)], [kl, bits], atol=5e-4)
    [other] = PROSE.said(r"The other way round the two coins give (\d+\.\d+)")
    assert abs(0.5 * np.log(0.5 / 0.75) + 0.5 * np.log(0.5 / 0.25) - other) < 5e-4
    a, b, total = PROSE.said(
        r"probability ([\d.]+) with \$a\$ and ([\d.]+) with \$b\$.*? = ([\d.]+)\$, and the posterior"
    )
    assert total == pytest.approx((a + b) / 2) and 0.5 * b / total == pytest.approx(0.75)


def test_kl_of_the_examples_in_the_prose(nb):
    shifted, narrow = PROSE.said(r"\$N\(1, 1\)\$ costs ([\d.]+) nats, \$N\(0, 0.1\^2\)\$ costs ([\d.]+)")
    mean, log_variance = np.array([[1.0], [0.0]]), np.array([[0.0], [2 * np.log(0.1)]])
    np.testing.assert_allclose(nb.kl_divergence(mean, log_variance), [shifted, narrow], atol=0.005)
    np.testing.assert_allclose(nb.kl_by_latent(np.array([[1.0, 0.0]]), np.zeros((1, 2))), [[0.5, 0]], atol=1e-12)


def test_a_draw_far_from_all_training_points_is_on_new_ground(nb):
    training, test = random.normal(size=(3_000, 2)), random.normal(size=(1_000, 2))
    assert abs(nb.share_on_new_ground(random.normal(size=(1_000, 2)), training, test) - 0.05) < 0.03
    assert nb.share_on_new_ground(np.full((10, 2), 9.0), training, test) == 1
    assert nb.share_on_new_ground(training[:100], training, test) == 0


def test_relative_distance_knows_black_dim_noisy_and_equal_pictures(nb, pictures):
    known = images.as_floats(pictures[:100])
    cases = np.concatenate([0 * known[:1], known[:1] / 2, known[:1]])
    np.testing.assert_allclose(nb.relative_distance(cases, known), [1, 0.5, 0], atol=2e-3)
    mixed = (known[:5] + known[5:10]) / 2
    expected = [min(np.linalg.norm(p - g) / np.linalg.norm(g) for g in known) for p in mixed]
    np.testing.assert_allclose(nb.relative_distance(mixed, known), expected, atol=2e-3)


def test_the_row_of_a_draw_names_its_kinds_and_shares(nb):
    points, labels = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 9.0]]), np.arange(3)
    draws = np.array([[0.1, 0.1], [0.9, -5.0], [0.0, 8.0], [2.0, 1.0]])
    known = np.ones((3, 2, 2, 1))
    names = tuple("abcdefghij")
    paint = lambda codes: np.full((len(codes), 2, 2, 1), float(len(codes) == 3))  # noqa: E731, a garment of each point
    row = nb.judge_draws(draws, paint, points, points, labels, names, known)
    assert row["unlike any garment"] == "100%" and row["commonest kind"] == "b 50%" and row["rarest kind"] == "d 0%"


def test_draws_from_the_box_fill_it_and_draws_from_the_bell_follow_the_points(nb):
    points = np.array([[-1.0, 2.0], [3.0, 5.0], [0.0, 3.0]])
    drawn = nb.draw_from_box(points, 5000)
    assert drawn.shape == (5000, 2) and (drawn >= [-1, 2]).all() and (drawn <= [3, 5]).all()
    np.testing.assert_allclose(drawn.mean(axis=0), [1, 3.5], atol=0.1)
    bell = nb.draw_from_bell(points, 50_000)
    np.testing.assert_allclose(bell.mean(axis=0), points.mean(axis=0), atol=0.05)
    np.testing.assert_allclose(np.cov(bell.T), np.cov(points.T), rtol=0.05)


def test_a_grid_has_its_corners_and_the_latents_of_its_axes(nb):
    places, across, up = nb.grid_of(lambda z: z, [-2, 0], [2, 1], 5)
    np.testing.assert_allclose(places[[0, 4, 20, 24]], [[-2, 1], [2, 1], [-2, 0], [2, 0]])
    np.testing.assert_allclose(across, np.linspace(-2, 2, 5))
    np.testing.assert_allclose(up, np.linspace(0, 1, 5))


def test_neighbours_of_a_quantile_grid_have_equal_shares_of_the_prior(nb):
    shares = norm.cdf(nb.quantile_grid(7, margin=0.05)).reshape(7, 7, 2)
    np.testing.assert_allclose(np.diff(shares[..., 0], axis=1), 0.9 / 6, atol=1e-9)
    np.testing.assert_allclose(np.diff(shares[..., 1], axis=0), -0.9 / 6, atol=1e-9)  # downwards in y


def test_the_parts_of_the_prior_that_are_named():
    [square] = PROSE.said(r"square from -2 to 2, which holds (\d+)% of its prior")
    assert round(100 * (norm.cdf(2) - norm.cdf(-2)) ** 2) == square
    one, two = PROSE.said(r"The circles hold (\d+)% and (\d+)% of the prior")
    assert [round(100 * (1 - np.exp(-(radius**2) / 2))) for radius in (1, 2)] == [one, two]
    [linear] = PROSE.said(r"It shows (\d+)% of the prior")
    assert round(100 * (norm.cdf(1) - norm.cdf(-1)) ** 2) == linear


def test_what_a_nat_of_the_code_buys_between_two_weights():
    rows = {weight: PROSE.said(rf"\| {weight} \| ([\d.]+) \| ([\d.]+) \|") for weight in ("0.25", "1", "4")}
    reconstruction, kl = np.array(list(rows.values())).T
    bought = np.diff(reconstruction) / -np.diff(kl)
    often, seldom = PROSE.said(r"a nat of KL buys ([\d.]+) nats of reconstruction, between 1 and 0.25 only (\d+\.\d+)")
    np.testing.assert_allclose(bought, [seldom, often], atol=0.05)
    assert 0.25 < bought[0] < 1 < bought[1] < 4  # each weight stops where a nat buys as much as it costs


def test_the_cards_figures_for_digits_and_garments():
    digits, garments = PROSE.said(r"shipped digits ended at ([\d.]+) nats and the shipped garments at ([\d.]+)")
    for name, nats in {"mnist_vae": digits, "fashion_vae": garments}.items():
        assert f"negative ELBO {nats:.1f} nats" in stored_weights.load_weights(name).facts["held out"]


def test_the_variance_of_the_faces_as_a_weight():
    card = stored_weights.load_weights("celeba_vae").facts["held out"]
    loss, kl = (float(re.search(pattern, card)[1]) for pattern in (r"ELBO ([\d.]+)", r"KL ([\d.]+)"))
    values = 64 * 64 * 3
    likeliest = (loss - kl) * 2 * 0.2 / values
    [named] = PROSE.said(r"which is ([\d.]+) for the shipped model of photographs")
    assert abs(likeliest - named) < 5e-5
    [weight] = PROSE.said(r"\$0.2 / 0.0073 = (\d+)\$")
    assert round(0.2 / named) == weight
    told, bits = PROSE.said(r"tells (\d+) nats \((\d+) bits\)")
    assert round(kl) == told and round(kl / np.log(2)) == bits


def test_the_mean_picture_is_scored_as_a_decoder_that_knows_nothing_else(nb, pictures):
    mean = images.as_floats(pictures[:100]).mean(axis=0).clip(1e-3, 1 - 1e-3)
    x = images.as_floats(pictures[100:])
    by_hand = -(x * np.log(mean) + (1 - x) * np.log(1 - mean)).sum(axis=(1, 2, 3)).mean()
    assert nb.mean_picture_nats(pictures[:100], pictures[100:]) == pytest.approx(by_hand, rel=1e-4)


def test_face_networks_fit_each_other(nb):
    encoder, decoder = nb.build_face_encoder(), nb.build_face_decoder()
    assert encoder(np.zeros((1, 64, 64, 3))).shape == (1, 400)
    assert decoder(np.zeros((1, 200))).shape == (1, 64, 64, 3)


def test_the_shipped_weights_fit(nb):
    for name, networks in {"fashion_vae": nb.this_notebook(2), "mnist_vae": nb.this_notebook(2)}.items():
        stored_weights.load_weights(name).put_into(nb.VAE(*networks))
    faces = nb.VAE(nb.build_face_encoder(), nb.build_face_decoder(), nb.gaussian)
    for name in ("celeba_vae", "drawn_vae"):
        stored_weights.load_weights(name).put_into(faces)


@pytest.mark.slow
def test_draws_of_the_shipped_garments_are_judged_as_in_the_prose(nb):
    data = load_fashion_mnist(60_000)
    if not data.is_real:
        pytest.skip("needs Fashion-MNIST")
    train_pictures, test_pictures = (nb.framed(part) for part in (data.train_images[:54_000], data.test_images))
    vae = nb.VAE(*nb.this_notebook(2))
    stored_weights.load_weights("fashion_vae").put_into(vae)
    training, test = (np.array(vae.draw(*nb.clouds(vae, part))) for part in (train_pictures, test_pictures))
    known = images.as_floats(train_pictures[:9_000])
    drawn = latents.fixed_noise(1_600, 2, 1)
    paint = nb.make_decode(vae.decoder)
    row = nb.judge_draws(drawn, paint, training, test, data.test_labels, data.names, known)
    said = PROSE.said(r"\| VAE, 2 latents, prior \| (\d+)% \| (\d+)% \| Coat (\d+)% \| Ankle boot (\d+)%")
    found = [float(re.search(r"(\d+)%", text)[1]) for text in row.values()]
    np.testing.assert_allclose(found, said, atol=1.5)
    [deviation] = PROSE.said(r"the median deviation is ([\d.]+) in both latents")
    np.testing.assert_allclose(np.median(np.exp(0.5 * nb.clouds(vae, test_pictures)[1]), axis=0), deviation, atol=0.006)

    # The second measure, where the answer is known.
    half = paint(test[:3_200])
    limit = np.quantile(nb.relative_distance(half[:1_600], known), 0.95)
    rebuilt, labels = half[1_600:], data.test_labels[1_600:3_200]
    differ = labels != np.roll(labels, 1)
    morphs = (rebuilt + np.roll(rebuilt, 1, axis=0))[differ] / 2
    real = images.as_floats(test_pictures[1_600:3_200])
    others = random.random((50, 32, 32, 1), np.float32), np.zeros((1, 32, 32, 1)), known.mean(axis=0, keepdims=True)
    noise, black, mean, morph, true = (
        100 * np.mean(nb.relative_distance(pictures, known) > limit) for pictures in (*others, morphs, real)
    )
    [morphs_said] = PROSE.said(r"unlike in only (\d+)% of the cases")
    [real_said] = PROSE.said(r"(\d+)% of the \*real\* test garments are called unlike")
    assert (noise, black, mean) == (100, 100, 0)
    np.testing.assert_allclose([morph, true], [morphs_said, real_said], atol=1)


@pytest.mark.slow
def test_what_the_shipped_code_of_photographs_holds(nb):
    faces = load_faces(4_000, 900, wanted="photographs")
    if not faces.is_real:
        pytest.skip("needs CelebA")
    vae = nb.VAE(nb.build_face_encoder(), nb.build_face_decoder(), nb.gaussian)
    stored_weights.load_weights("celeba_vae").put_into(vae)
    mean, log_variance = nb.clouds(vae, faces.test_images)
    kl = np.mean(nb.kl_by_latent(mean, log_variance), axis=0)
    used, largest, median = PROSE.said(
        r"(\d+) of the 200 latents have more than 0.05 nats. The largest has ([\d.]+) nats, "
        r"and half of them have less than (\d+\.\d+)"
    )
    np.testing.assert_allclose([np.sum(kl > 0.05), kl.max(), np.median(kl)], [used, largest, median], atol=0.05)
    of_means, of_draws = PROSE.said(
        r"they have a length of ([\d.]+\d). Draws from their clouds have ([\d.]+\d), as draws"
    )
    lengths = [np.linalg.norm(codes, axis=1).mean() for codes in (mean, vae.draw(mean, log_variance))]
    np.testing.assert_allclose(lengths, [of_means, of_draws], atol=0.05)
    rows, test_rows = (
        images.as_floats(part).reshape(len(part), -1) for part in (faces.train_images, faces.test_images)
    )
    pca = PCA(200, svd_solver="randomized", random_state=1).fit(rows)
    error = np.mean((pca.inverse_transform(pca.transform(test_rows)).clip(0, 1) - test_rows) ** 2)
    vae_error = np.mean((nb.rebuild(vae, faces.test_images) - images.as_floats(faces.test_images)) ** 2)
    said = PROSE.said(r"its error is (\d+\.\d+) instead of (\d+\.\d+)")
    np.testing.assert_allclose([error, vae_error], said, atol=1e-4)


@pytest.fixture
def answers(nb, pictures):
    """Return the names that the answers define, run in one scope after the names that the notebook has there."""
    scope = {"tf": tf, "np": np, "keras": keras, "images": images, "PictureBatches": PictureBatches, "SEED": 1}
    scope |= {"trained_garments": pictures[:128], "bernoulli": nb.bernoulli, "kl_divergence": nb.kl_divergence}
    for answer in PROSE.answers():
        exec(answer, scope)
    return scope


def test_exercise_1_noise_is_on_the_input_only_and_depends_on_the_epoch(answers):
    noisy, clean = next(iter(answers["noisy"](0)))
    np.testing.assert_array_equal(noisy, next(iter(answers["noisy"](0)))[0])
    assert (noisy != next(iter(answers["noisy"](1)))[0]).numpy().any()
    assert noisy.numpy().min() >= 0 and noisy.numpy().max() <= 1
    assert 0.05 < np.abs(noisy - clean).mean() < 0.3


def test_exercise_2_squared_error_is_lowest_at_the_target_and_a_blur_has_less_slope(answers, nb):
    x = random.random((3, 8, 8, 1))
    assert answers["squared_error"](x, nb.logit(x)) < 1e-12 < answers["squared_error"](x, nb.logit(x) + 0.1)
    blurred = (x + np.roll(x, 1, axis=1) + np.roll(x, 1, axis=2)) / 3
    assert answers["mean_slope"](blurred) < answers["mean_slope"](x)


def test_exercise_3_a_mixture_draws_where_the_points_are(answers):
    middles = np.array([[0.0, 0.0], [9.0, 9.0]])
    points = np.repeat(middles, 200, axis=0) + 0.1 * random.normal(size=(400, 2))
    drawn = answers["draw_from_mixture"](points, 300, 2)
    distances = np.linalg.norm(drawn[:, None] - middles, axis=-1).min(axis=1)
    assert drawn.shape == (300, 2) and distances.max() < 1


def test_exercise_4_the_label_says_which_kind_is_decoded(answers, nb, pictures):
    keras.utils.set_random_seed(5)
    sides = pictures.argmax(axis=2).max(axis=(1, 2)) > 11  # the square is on the left, or on the right
    encoder, decoder = nb.build_encoder(4), nb.build_decoder(12)
    losses = answers["train_conditional"](encoder, decoder, pictures, sides.astype(int), 20)
    assert len(losses) == 20 * 4 and losses[-1] < losses[0] / 2
    drawn = answers["all_ten"](decoder, np.zeros((2, 2), np.float32))
    assert drawn.shape == (20, 32, 32, 1)
    middles = (drawn.mean(axis=(1, 3)) @ np.arange(32)) / drawn.mean(axis=(1, 3)).sum(axis=1)
    assert middles[1] > middles[0] + 3
