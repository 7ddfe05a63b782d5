"""Each model of the notebooks: the same seed gives the same numbers, and numbers that overflow stop a training.

The models are tiny, or `whole`: of the notebooks' size, and on batches large enough for several threads.
"""

import os
from functools import partialmethod
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.optimizers import LossScaleOptimizer
from kill_runner import NOTEBOOKS

from helpers import images, precision, text
from helpers.batches import PictureBatches
from helpers.checkpoints import Checkpoints, values_of
from helpers.errors import UserError
from helpers.training import Training
from tools.lift import lift
from tools.standins.faces import draw_faces

EPOCHS, STEPS = 2, 3
IDS = np.random.default_rng(0).integers(0, 6, 400).astype(np.int32)


def rows_of(whole, tiny=4):
    return 32 if whole else tiny


def characters(folder, seed, on_epoch, rate=0.05, whole=False):
    names = "build_character_model", "decaying_rate", "score_characters"
    nb = lift(NOTEBOOKS / "01_text_generation.ipynb", *names)
    model = nb.build_character_model(6, **({} if whole else {"width": 8, "embedding_width": 4}))
    optimizer = keras.optimizers.AdamW(nb.decaying_rate(rate, STEPS * EPOCHS), weight_decay=0.01, clipnorm=1.0)
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    contexts, targets = text.held_out_contexts(IDS, context=8, positions=20)
    validate = lambda: {"validation": nb.score_characters(model, contexts, targets)}  # noqa: E731
    batches = lambda epoch: text.window_batches(IDS, 10, rows_of(whole, 13), seed, epoch)  # noqa: E731
    yield model
    yield Training(model, folder, {}).fit(batches, EPOCHS, validate, on_epoch)


def words(folder, seed, on_epoch, rate=0.05, whole=False):
    names = "TransformerLanguageModel", "decaying_rate", "adaptive_cross_entropy", "evaluator", "score_words"
    nb = lift(NOTEBOOKS / "01_text_generation.ipynb", *names)
    sequences = text.pad_windows(np.split(IDS, [100, 117]), length=8)
    model = nb.TransformerLanguageModel(6, **({} if whole else {"context": 8, "width": 4, "heads": 2, "blocks": 1}))
    model(sequences[:1, :-1])
    rate = nb.decaying_rate(rate, STEPS * EPOCHS)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=0.02, beta_2=0.98, clipnorm=1.0)
    model.compile(optimizer, nb.adaptive_cross_entropy(model))
    evaluate = nb.evaluator(model)
    validate = lambda: {"validation": nb.score_words(evaluate, sequences[:8], 4)}  # noqa: E731
    batches = lambda epoch: text.sequence_batches(sequences, rows_of(whole), seed, epoch * STEPS, STEPS)  # noqa: E731
    yield model
    yield Training(model, folder, {}).fit(batches, EPOCHS, validate, on_epoch)


def digits(folder, seed, on_epoch, factor=1.0, whole=False):
    nb = vae_notebook(folder)
    pictures = np.random.default_rng(0).integers(0, 256, (rows_of(whole) * STEPS + 4, 32, 32, 1)).astype(np.uint8)
    widths = [(), ()] if whole else [((2, 3, 4),), ((4, 3, 2),)]
    model = nb.VAE(nb.build_encoder(4, *widths[0]), nb.build_decoder(2, *widths[1]))
    yield model
    yield nb.train(model, "digits", Batches(pictures[4:], seed, factor, whole), pictures[:4], EPOCHS, on_epoch=on_epoch)


def faces(folder, seed, on_epoch, factor=1.0, whole=False):
    nb = vae_notebook(folder)
    sizes = [(), ()] if whole else [(3, (2, 3, 4, 4)), (3, (4, 4, 3, 2))]
    encoder, decoder = nb.build_face_encoder(*sizes[0]), nb.build_face_decoder(*sizes[1])
    model, pictures = nb.VAE(encoder, decoder, nb.gaussian), draw_faces(rows_of(whole) * STEPS + 4, seed=1)[0]
    yield model
    yield nb.train(model, "faces", Batches(pictures[4:], seed, factor, whole), pictures[:4], EPOCHS, on_epoch=on_epoch)


def gan(folder, seed, on_epoch, factor=1.0, whole=False):
    names = "train", "GAN", "build_generator", "build_discriminator"
    nb = lift(NOTEBOOKS / "05_dcgan.ipynb", *names, folder=folder, images=images)
    sizes = [(), ()] if whole else [(6, (4, 4, 3, 2)), ((2, 3, 4, 4),)]
    model = nb.GAN(nb.build_generator(*sizes[0]), nb.build_discriminator(*sizes[1]))
    model.compile()
    batches = Batches(draw_faces(rows_of(whole) * STEPS, seed=1)[0], seed, factor, whole)
    yield model
    yield nb.train(model, "gan", batches, EPOCHS, show=lambda history, snapshots: on_epoch(history))


def vae_notebook(folder):
    names = "train", "VAE", "build_encoder", "build_decoder", "build_face_encoder", "build_face_decoder", "gaussian"
    return lift(NOTEBOOKS / "04_variational_autoencoder.ipynb", *names, folder=folder)


class Batches(PictureBatches):
    """Pictures whose last batch of the second epoch is multiplied by a factor, as by a file read in the wrong unit."""

    def __init__(self, pictures, seed, factor, whole):
        super().__init__(pictures, rows_of(whole), seed, flip=True)
        self.factor = factor

    def __call__(self, epoch):
        whole = super().__call__(epoch)
        last = whole.skip(STEPS - 1).map(lambda x, y: (x * self.factor, y * self.factor))
        return whole.take(STEPS - 1).concatenate(last) if epoch == 1 else whole


MODELS = {"characters": characters, "words": words, "digits": digits, "faces": faces, "gan": gan}
MIXED = pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"], indirect=True)
FLOAT16 = pytest.mark.parametrize("policy", ["mixed_float16"], indirect=True)
GAN_BOUNDS = {"mixed_float16": 0.15, "mixed_bfloat16": 0.3}
TOO_FAST, TOO_BRIGHT = {"rate": 1e38}, {"factor": 1e38}


def train(name, folder, seed=1, prepare=lambda model: None, **options):
    """Train a model; return it, and its weights after each epoch that was completed, both before a failure too."""
    keras.utils.set_random_seed(seed)
    seen, error = [], None
    work = MODELS[name](folder, seed, lambda history: seen.append(values_of(model.weights)), **options)
    model = next(work)
    first = values_of(model.weights)
    prepare(model)
    try:
        next(work)
    except UserError as raised:
        error = raised
    return model, [first, *seen], error


def are_equal(some, others):
    return all(np.array_equal(one, other) for one, other in zip(some, others, strict=True))


def are_finite(arrays):
    return all(np.isfinite(array).all() for array in arrays)


@pytest.fixture(scope="module", params=MODELS)
def healthy(request, tmp_path_factory):
    """A model's name, and its weights before the training and after each epoch."""
    _, seen, error = train(request.param, tmp_path_factory.mktemp("healthy"))
    assert error is None and len(seen) == 1 + EPOCHS
    return request.param, seen


def test_the_same_seed_gives_the_same_weights_to_the_last_bit(healthy, tmp_path):
    name, seen = healthy
    again = train(name, tmp_path / "again")[1]
    assert all(are_equal(one, other) for one, other in zip(seen, again, strict=True))
    assert not are_equal(seen[1], seen[0]) and not are_equal(seen[2], seen[1])  # it was trained at all


@pytest.mark.parametrize("name", MODELS)
def test_so_it_does_at_the_size_of_the_notebooks(name, tmp_path):
    (_, seen, error), (_, again, _) = (train(name, tmp_path / part, whole=True) for part in ("one", "other"))
    assert error is None and len(seen) == 1 + EPOCHS
    assert all(are_equal(one, other) for one, other in zip(seen, again, strict=True))
    assert sum(weights.size for weights in seen[0]) > 300_000 and not are_equal(seen[2], seen[1])


def test_another_seed_gives_other_weights(healthy, tmp_path):
    name, seen = healthy
    others = train(name, tmp_path, seed=2)[1]
    assert not any(are_equal(one, other) for one, other in zip(seen, others, strict=True))


def optimizers_of(model):
    return [model.optimizer] if model.optimizer else [model.generator_optimizer, model.discriminator_optimizer]


@MIXED
@pytest.mark.parametrize("name", MODELS)
def test_mixed_precision_keeps_finite(name, policy, tmp_path):
    """Training stops at a loss that is no number, so that it came to its end says that none was."""
    model, seen, error = train(name, tmp_path, whole=bool(os.environ.get("SOAK_MIXED")))
    assert error is None and len(seen) == 1 + EPOCHS and are_finite(seen[-1]), error
    # Steps are left out at first, until the scale suits the gradients; but not all are.
    assert all(int(optimizer.iterations) > 0 for optimizer in optimizers_of(model))
    assert {layer.compute_dtype for layer in model._flatten_layers()} == {policy.removeprefix("mixed_"), "float32"}
    assert {weight.dtype for weight in model.trainable_variables} == {"float32"}
    assert all(isinstance(each, LossScaleOptimizer) == (policy == "mixed_float16") for each in optimizers_of(model))


@pytest.fixture
def applied(monkeypatch):
    """The gradients that are applied, unscaled: without dropout, run eagerly, from a scale that fits at once."""
    gradients, kind = [], next(kind for kind in keras.optimizers.Adam.__mro__ if "apply" in vars(kind))
    apply = kind.apply

    def spied(self, slopes, variables=None, **options):
        gradients.append(np.concatenate([np.ravel(tf.convert_to_tensor(slope)) for slope in slopes]))
        return apply(self, slopes, variables or options["trainable_variables"])

    monkeypatch.setattr(kind, "apply", spied)
    monkeypatch.setattr(
        LossScaleOptimizer, "__init__", partialmethod(LossScaleOptimizer.__init__, initial_scale=1024.0)
    )
    monkeypatch.setattr(keras.layers.Dropout, "call", lambda self, inputs, training=False: inputs)
    tf.config.run_functions_eagerly(True)
    yield gradients
    tf.config.run_functions_eagerly(False)


@MIXED
@pytest.mark.parametrize("name", MODELS)
def test_in_mixed_precision_losses_and_gradients_are_those_of_float32_nearly(
    name, policy, applied, set_policy, tmp_path
):
    options = {"rate": 1e-5} if name in ("characters", "words") else {}  # else they go different ways at once

    def first(part):
        applied.clear()
        work = MODELS[name](tmp_path / part, 1, lambda history: None, **options)
        keras.utils.set_random_seed(1)
        next(work)
        record = next(work)[0] if name != "gan" else next(work).history[0]
        return [value for key, value in record.items() if "loss" in key], applied[: 2 if name == "gan" else 1]

    losses, gradients = first("mixed")
    set_policy("float32")
    expected, exact = first("float32")
    np.testing.assert_allclose(losses, expected, rtol=0.005)
    # What rounding does, most of all to the GAN, whose gradients are tiny. Unscaled, they would be wholly wrong.
    bounds = {"mixed_float16": 0.03, "mixed_bfloat16": 0.1} if name != "gan" else GAN_BOUNDS
    for found, one in zip(gradients, exact, strict=True):
        assert np.linalg.norm(found - one) < bounds[policy] * np.linalg.norm(one)


@FLOAT16
@pytest.mark.parametrize("name", MODELS)
def test_gradients_that_overflow_unscaled_too_stop_a_training(name, policy, monkeypatch, tmp_path):
    monkeypatch.setattr(LossScaleOptimizer, "__init__", partialmethod(LossScaleOptimizer.__init__, initial_scale=4.0))
    monkeypatch.setattr(LossScaleOptimizer, "check_finite", lambda self, gradients: tf.constant(False))
    model, seen, error = train(name, tmp_path)
    assert "the gradient is no longer a finite number in epoch 1" in str(error) and len(seen) == 1
    assert are_equal(values_of(model.weights), seen[0])


def test_real_gradients_beyond_float16_stop_a_training(set_policy, capsys, tmp_path):
    """The loss, 1e12, is a float32; its gradient is 2e6, and float16 ends at 65,504."""
    set_policy("mixed_float16")
    keras.utils.set_random_seed(1)
    layers = keras.layers.Dense(4, activation="sigmoid"), keras.layers.Dense(1, dtype="float32")
    model = keras.Sequential([keras.Input((3,)), *layers])
    model.compile(keras.optimizers.Adam(), "mse")
    first = values_of(model.trainable_weights)
    batches = lambda epoch: tf.data.Dataset.from_tensors((tf.ones((1, 3)), tf.fill((1, 1), 1e6))).repeat(10)  # noqa: E731
    training = Training(model, tmp_path, {}, monitor=None)
    assert len(training.fit(batches, 1)) == 1
    assert "In epoch 1 an optimiser took no step: all its gradients overflowed" in capsys.readouterr().out
    with pytest.raises(UserError, match="the gradient is no longer a finite number in epoch 2"):
        training.fit(batches, 4)  # from 2 ** 15, the scale is below 1 after 16 steps
    assert are_equal(values_of(model.trainable_weights), first)


class BrokenOffError(Exception):
    """Stands for whatever ends a training between two epochs."""


@FLOAT16
@pytest.mark.parametrize("name", MODELS)
def test_in_mixed_precision_a_training_goes_on_to_the_same_end(name, policy, tmp_path):
    def break_off(history):
        if len(history) == 2:
            raise BrokenOffError

    expected = train(name, tmp_path / "whole")[1][-1]
    work = MODELS[name](tmp_path / "broken off", 1, break_off)
    keras.utils.set_random_seed(1)
    next(work)
    with pytest.raises(BrokenOffError):
        next(work)
    _, seen, error = train(name, tmp_path / "broken off")
    assert error is None and len(seen) == 2  # the second epoch only
    assert are_equal(seen[-1], expected)


@pytest.mark.parametrize("policy", ["float16"], indirect=True)
@pytest.mark.parametrize("name", MODELS)
def test_weights_in_16_bits_are_refused(name, policy, tmp_path):
    _, seen, error = train(name, tmp_path)
    assert "weights are float16, too coarse" in str(error) and '"mixed_float16"' in str(error) and len(seen) == 1


@pytest.mark.parametrize("devices, says", [(1, "its Adam does not scale the loss"), (2, "on several devices")])
def test_float16_without_a_scale_or_on_several_devices_is_refused(devices, says, set_policy):
    set_policy("mixed_float16")
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model._distribute_strategy = SimpleNamespace(num_replicas_in_sync=devices)
    with pytest.raises(UserError, match=says):
        precision.check(model, [keras.optimizers.Adam()])


def assert_stopped(folder, model, seen, error, epochs, says):
    """Hold a training to what was said: it stopped in a plain message, and all that it left is finite and good."""
    assert error is not None and "no longer a finite number" in str(error), error
    assert says in str(error) and f"in epoch {epochs + 1}" in str(error) and "smaller learning rate" in str(error)
    assert len(seen) == 1 + epochs
    assert are_equal(values_of(model.weights), seen[epochs]) and are_finite(seen[epochs])
    kept = [Checkpoints(path.parent).load() for path in folder.rglob("checkpoint-*")]
    assert len(kept) == epochs
    assert all(len(state["history"]) == epochs and are_finite(arrays) for arrays, state in kept)


@pytest.mark.parametrize("name", ["characters", "words"])
def test_a_learning_rate_far_too_high_stops_with_the_first_weights(name, tmp_path):
    assert_stopped(tmp_path, *train(name, tmp_path, **TOO_FAST), epochs=0, says="")


@pytest.mark.parametrize("name", ["digits", "faces", "gan"])
def test_pictures_that_overflow_the_loss_stop_with_the_weights_before(name, tmp_path):
    assert_stopped(tmp_path, *train(name, tmp_path, **TOO_BRIGHT), epochs=1, says="")


def test_a_gradient_that_overflows_under_a_finite_loss_is_noticed_before_anything_is_kept(
    healthy, tmp_path, monkeypatch
):
    """At the very last step of an epoch: no later loss of it can show that the weights are spoilt."""
    name, expected = healthy
    losses = []

    def overflow(model):
        apply, fit = keras.optimizers.Optimizer.apply, keras.Model.fit

        def spoilt(self, gradients, weights=None):
            if self is not getattr(model, "discriminator_optimizer", None):  # the GAN's other loss would show it
                is_last = tf.equal(self.iterations, EPOCHS * STEPS - 1)
                factor = tf.where(is_last, np.float32(np.inf), 1.0)
                gradients = [tf.math.scalar_mul(factor, gradient) for gradient in gradients]
            return apply(self, gradients, weights)

        monkeypatch.setattr(keras.optimizers.Optimizer, "apply", spoilt)
        monkeypatch.setattr(
            keras.Model, "fit", lambda *given, **named: losses.append(fit(*given, **named)) or losses[-1]
        )

    model, seen, error = train(name, tmp_path, prepare=overflow)
    assert_stopped(tmp_path, model, seen, error, epochs=1, says="a value in ")
    assert are_finite(np.array(list(run.history.values())) for run in losses)  # indeed no loss had shown it
    assert are_equal(seen[1], expected[1])


def test_a_slot_that_overflows_is_noticed_though_loss_and_weights_are_finite(tmp_path):
    """Adam squares the gradient: 1e30 leaves the weight where it is, and dead from then on."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")])
    model.compile(keras.optimizers.Adam(0.1), lambda target, output: 1e30 * output, jit_compile=False)
    data = tf.data.Dataset.from_tensors((np.ones((1, 1), np.float32), np.ones((1, 1), np.float32)))
    with pytest.raises(UserError, match="a value in .*velocity.* is no longer a finite number in epoch 1"):
        Training(model, tmp_path, {}, monitor=None).fit(lambda epoch: data, 1)
    assert values_of(model.weights)[0] == 1.0 and not list(tmp_path.rglob("checkpoint-*"))
