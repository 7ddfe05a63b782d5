"""Two networks with an optimiser each, on one-dimensional data: what a GAN asks of a training."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from trainings import figures, line_batches

import helpers.training
from helpers.checkpoints import values_of
from helpers.errors import UserError
from helpers.progress_line import StepWatch
from helpers.training import Training


class TwoNetworks(keras.Model):
    """A generator that draws its own noise, a judge with dropout, and a copy of the generator that lags behind."""

    def __init__(self, rate=0.01):
        super().__init__()
        self.generator = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4, "relu"), keras.layers.Dense(3)])
        self.judge = keras.Sequential([keras.Input((3,)), keras.layers.Dropout(0.3), keras.layers.Dense(1)])
        self.lagging = keras.models.clone_model(self.generator)
        self.lagging.trainable = False
        self.noise = keras.random.SeedGenerator(7)
        self.means = [keras.metrics.Mean(name=name) for name in ("judge_loss", "generator_loss")]
        self.compile(optimizer=None, jit_compile=False)
        networks = (self.judge, self.generator)
        self.pairs = [(keras.optimizers.Adam(rate), network.trainable_variables) for network in networks]
        self.built = True

    def train_step(self, data):
        with tf.GradientTape(persistent=True) as tape:
            fake = self.generator(keras.random.normal((tf.shape(data[0])[0], 2), seed=self.noise), training=True)
            real, fooled = self.judge(data[0], training=True), self.judge(fake, training=True)
            losses = tf.reduce_mean(tf.nn.softplus(-real)) + tf.reduce_mean(fooled), -tf.reduce_mean(fooled)
        for (optimizer, trained), loss in zip(self.pairs, losses, strict=True):
            optimizer.apply(tape.gradient(loss, trained), trained)
        for slow, fast in zip(self.lagging.weights, self.generator.weights, strict=True):
            slow.assign(0.9 * slow + 0.1 * fast)
        for mean, loss in zip(self.means, losses, strict=True):
            mean.update_state(loss)
        return {mean.name: mean.result() for mean in self.means}


def start_two(folder, rate=0.01):
    keras.utils.set_random_seed(2)
    model = TwoNetworks(rate)
    training = Training(model, folder, {"seed": 2}, monitor=None, optimizers=model.pairs)
    return training, lambda: np.round(128 + 20 * values_of(model.lagging.weights)[0]).astype(np.uint8)


def everything(training):
    """Return the newest checkpoint: weights, average, noise, slots, steps and snapshots; and the history in it."""
    arrays, state = training.checkpoints.load()
    return arrays, figures(state["history"])


@pytest.fixture(scope="module")
def never_stopped(tmp_path_factory):
    training, drawn = start_two(tmp_path_factory.mktemp("whole"))
    training.fit(line_batches, 4, snapshot=drawn)
    return training


def test_a_checkpoint_of_two_networks_holds_all_that_they_are(never_stopped):
    model, (arrays, history) = never_stopped.model, everything(never_stopped)
    # Four weights of each generator, two of the judge, two random states; an optimiser has its step, its rate and
    # two slots a weight; and there are four snapshots.
    assert len(arrays) == (4 + 4 + 2) + 2 + (2 + 2 * 4) + (2 + 2 * 2) + 4
    assert [int(optimizer.iterations) for optimizer, _ in model.pairs] == [12, 12]
    assert set(history[0]) == {"epoch", "step", "judge_loss", "generator_loss"} and len(history) == 4
    first, last = never_stopped.snapshots[0], never_stopped.snapshots[-1]
    assert first.dtype == np.uint8 and first.shape == (2, 4) and (first != last).any()
    np.testing.assert_array_equal(arrays[-1], last)


@pytest.mark.parametrize("is_new_process", [False, True])
@pytest.mark.parametrize("step", [2, 8])  # in the middle of the first epoch of 3 steps, and of the third
def test_two_networks_go_on_as_if_never_stopped(tmp_path, monkeypatch, capsys, never_stopped, step, is_new_process):
    class Breaking(StepWatch):
        def on_train_batch_end(self, batch, logs=None):
            super().on_train_batch_end(batch, logs)
            taken.append(batch)
            if len(taken) == step:
                raise KeyboardInterrupt

    taken = []
    training, drawn = start_two(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(helpers.training, "StepWatch", Breaking)
        training.fit(line_batches, 4, snapshot=drawn)
    assert "the weights after the last whole epoch are in place" in capsys.readouterr().out
    assert len(training.history) == len(training.snapshots) == step // 3
    if training.snapshots:
        np.testing.assert_array_equal(drawn(), training.snapshots[-1])
    if is_new_process:
        training, drawn = start_two(tmp_path)
    training.fit(line_batches, 4, snapshot=drawn)
    (ours, our_history), (theirs, their_history) = everything(training), everything(never_stopped)
    assert our_history == their_history
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(values_of(training.model.weights), values_of(never_stopped.model.weights), strict=True):
        np.testing.assert_array_equal(one, other)


def test_without_a_monitor_the_last_weights_are_kept_and_found_again(never_stopped, capsys):
    again, drawn = start_two(never_stopped.checkpoints.folder.parent)
    shown = []
    again.fit(line_batches, 4, on_epoch=shown.append, snapshot=drawn)
    assert "nothing left to do" in capsys.readouterr().out and shown == [never_stopped.history]
    for one, other in zip(again.snapshots, never_stopped.snapshots, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(drawn(), never_stopped.snapshots[-1])
    again.checkpoints.folder = again.checkpoints.folder / "none"  # so that nothing of the others' is deleted
    again.reset()
    assert again.snapshots == [] and again.history == []


def test_a_loss_of_two_networks_that_is_not_finite_is_named(tmp_path):
    training, drawn = start_two(tmp_path)
    with pytest.raises(
        UserError, match="judge_loss is no longer a finite number in epoch 3.*last whole epoch.*start anew"
    ):
        training.fit(lambda epoch: line_batches(epoch, bad_epoch=2), 4, snapshot=drawn)
    np.testing.assert_array_equal(drawn(), training.snapshots[-1])
    assert len(training.history) == 2
