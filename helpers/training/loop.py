"""A training loop around `model.fit` that can be interrupted, killed and resumed, and that reports progress as data."""

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from helpers.networks.weights import assign, values_of
from helpers.session import UserError
from helpers.training.checkpoints import Checkpoints, settings_digest
from helpers.training.progress import ProgressLine, StepWatch

Record = dict  # one epoch's figures: epoch, step, seconds, the losses, the validation figures, and what callbacks add


class Training:
    """Trains a compiled Keras model epoch by epoch and keeps all that is needed to go on after a stop.

    A checkpoint after each epoch holds the weights, every optimiser's slots and step, the state of every random
    generator in the model, the history, the snapshots, and the best weights so far. The order of the data is not in
    it, because `batches(epoch)` depends on the epoch alone. On a CPU, a training that was killed and resumed
    therefore ends with the same numbers as one that was not.
    """

    def __init__(self, model: keras.Model, folder: Path, settings: dict, monitor: str | None = "validation") -> None:
        """Prepare to train `model` with checkpoints below `folder`.

        Each training has a folder of its own there. It depends on the settings, the model's layers, its optimisers
        and its loss (`settings_digest`), and on the first batch of the data.

        Args:
            model: compiled and built. It is trained by its own optimiser. If it has none, its attribute `x_optimizer`
                trains the network `x`.
            folder: where checkpoints go.
            settings: what else the training depends on: budgets, the seed.
            monitor: the held-out figure (smaller is better) that chooses the best weights. An epoch without it is not
                chosen. With None, or as long as no epoch has it, the weights after the last whole epoch are kept.

        Raises:
            UserError: the model has no weights yet, or no optimiser.
        """
        if not model.built:
            raise UserError("the model has no weights yet. Call it once on a batch, then make the Training.")
        self.model, self.monitor, self.folder = model, monitor, Path(folder)
        optimizers = _optimizers_of(model)
        with model.distribute_strategy.scope():  # an optimiser's slots are on the weights' devices
            for optimizer, network in optimizers:
                if not optimizer.built:
                    optimizer.build(network.trainable_variables)
        parts = [optimizer for optimizer, _ in optimizers]
        self._key = settings_digest(settings, monitor, model, parts, getattr(model, "loss", None))
        self._weights, self._variables = _state_of(model)
        self._start = values_of(self._variables)
        self._which_weights = "the best weights so far" if monitor else "the weights after the last whole epoch"
        self._began_trained, self._is_reset = getattr(model, "_is_trained", False), False
        self.checkpoints = Checkpoints(self.folder / self._key)
        self._forget()

    def reset(self) -> None:
        """Go back to the weights before the first epoch and delete the checkpoints."""
        self._check()
        assign(self._variables, self._start, "the start")
        self._forget()
        self.checkpoints.delete()
        self._is_reset = True  # before the first call of `fit` the folder is not yet known
        print("Reset: the next training starts anew.")

    def fit(
        self,
        batches: Callable[[int], tf.data.Dataset],
        epochs: int,
        validate: Callable[[], dict[str, float]] = dict,
        on_epoch: Callable[[list[Record]], None] = lambda history: None,
        snapshot: Callable[[], np.ndarray] | None = None,
    ) -> list[Record]:
        """Train until `epochs` epochs are done in all, going on from the newest checkpoint.

        Args:
            batches: gives the epoch's (inputs, targets), in an order that depends on the epoch alone, from 0.
            epochs: the total, those of earlier calls included.
            validate: called after each epoch; returns held-out figures, which `monitor` may be one of.
            on_epoch: called with the history so far, to show it; what it adds to the last record is kept.
            snapshot: called after each epoch, before `on_epoch`. The array that it returns (a progress picture) is
                added to `snapshots`, which the checkpoints keep.

        Returns:
            The history, a record for each epoch. The model has the best weights, also after an interrupt.

        Raises:
            UserError: a loss, a held-out figure, a weight or an optimiser's slot is no longer finite (the model then
                has the best weights up to there); or the model was changed after this Training was made.
        """
        self._check()
        self._resume(batches, epochs)
        missing = epochs - len(self.history)
        if missing <= 0:
            self._restore_best()
            on_epoch(self.history)
            return self.history
        line = ProgressLine(missing * len(batches(len(self.history))))
        try:
            for epoch in range(len(self.history), epochs):
                self._train_epoch(batches(epoch), validate, line)
                if snapshot is not None:
                    self.snapshots.append(np.array(snapshot()))
                on_epoch(self.history)
                self._save()
        except KeyboardInterrupt:
            print(f"\nInterrupted: {self._which_weights} are in place. Run this cell again to go on.")
        finally:
            line.show()
            self._restore_best()
        return self.history

    def _train_epoch(self, dataset: tf.data.Dataset, validate: Callable[[], dict], line: ProgressLine) -> None:
        started, watch = time.perf_counter(), StepWatch(line)
        losses = self.model.fit(dataset, shuffle=False, verbose=0, callbacks=[watch]).history
        self._check_finite(watch.not_finite or _not_finite(self._variables))  # no loss follows an epoch's last step
        held_out = {name: float(value) for name, value in validate().items()}
        self._check_finite("" if math.isfinite(held_out.get(self.monitor, 0.0)) else self.monitor)
        before = self.history[-1] if self.history else {"seconds": 0.0, "step": 0}
        record = {
            "epoch": len(self.history) + 1,
            "step": before["step"] + watch.steps,
            "seconds": round(before["seconds"] + time.perf_counter() - started, 2),
            **{name: float(values[-1]) for name, values in losses.items()},
            **held_out,
        }
        self.history.append(record)
        self.model._is_trained = True
        shown = [self.monitor] if self.monitor in record else list(losses)[:2]
        line.note = f"epoch {record['epoch']}: " + ", ".join(f"{name} {record[name]:.3f}" for name in shown)
        figure = record.get(self.monitor, math.inf)
        if figure < self.best_figure or self.best_figure == math.inf:  # until there is a figure, the newest are kept
            self.best_figure, self._best = figure, values_of(self._weights)

    def _check_finite(self, figure: str) -> None:
        """Raise a UserError about the figure or variable that is not finite, if there is one."""
        if figure:
            raise UserError(
                f"{figure} is no longer a finite number in epoch {len(self.history) + 1}, so training stopped; "
                f"{self._which_weights} are in place. Try a smaller learning rate, or clip the gradients; start anew."
            )

    def _check(self) -> None:
        """Raise a UserError if the model has other variables than when this Training was made."""
        if [id(variable) for variable in _state_of(self.model)[1]] != [id(variable) for variable in self._variables]:
            raise UserError(
                "the model was compiled anew or has other layers than when this Training was made. Run the cells from "
                "where the model is built: the Training has to be made anew as well."
            )

    def _save(self) -> None:
        """Keep the state after an epoch in memory and on the disk; print once that the disk does not take it."""
        best = self._best if self.monitor else []  # without a monitor they are the last ones
        state = {"history": list(self.history), "snapshots": len(self.snapshots), "best": self.best_figure}
        self._last = [*values_of(self._variables), *best, *self.snapshots], state
        try:
            self.checkpoints.save(len(self.history), *self._last)
        except OSError as error:
            if not self._has_warned:
                print(f"\nNo checkpoint can be written to {self.checkpoints.folder} ({error}). Training goes on.")
            self._has_warned = True

    def _resume(self, batches: Callable[[int], tf.data.Dataset], epochs: int) -> None:
        """Put back the state after the last whole epoch: this object's, or else that of the newest checkpoint."""
        folder = self.folder / settings_digest(self._key, next(iter(batches(0)), None))
        if folder != self.checkpoints.folder:  # other data than in an earlier call
            self.checkpoints, self._last = Checkpoints(folder), None
        if self._is_reset:
            self.checkpoints.delete()
            self._is_reset = False
        self._last = self._last or self.checkpoints.load()
        if self._last is None:  # a first epoch that was broken off is repeated, like any other
            if self._began_trained:
                print("This model was trained before, and goes on from there. To start anew, build it anew.")
            assign(self._variables, self._start, "the start")
            self._forget()
            return
        arrays, state = self._last
        count, end = len(self._variables), len(arrays) - state["snapshots"]
        assign(self._variables, arrays[:count], self.checkpoints.folder)
        self._best = arrays[count:end] if self.monitor else arrays[: len(self._weights)]
        self.history, self.snapshots, self.best_figure = list(state["history"]), arrays[end:], state["best"]
        done = len(self.history)
        print(f"Found a training of {done} epochs ({self.history[-1]['seconds']:.0f} s): ", end="")
        if done < epochs:
            print(f"going on from epoch {done + 1}.")
        else:
            print("there is nothing left to do. To start anew, set `start_anew` and run from where the model is built.")

    def _restore_best(self) -> None:
        if self.history:
            assign(self._weights, self._best, "the best weights")
        else:  # broken off within the first epoch: optimisers and random states go back as well
            assign(self._variables, self._start, "the start")

    def _forget(self) -> None:
        self.history: list[Record] = []
        self.snapshots: list[np.ndarray] = []  # one an epoch, if `fit` was given a function that takes them
        self.best_figure, self._last, self._has_warned = math.inf, None, False
        self._best = self._start[: len(self._weights)]  # before the first epoch is over: the untrained weights


def _optimizers_of(model: keras.Model) -> list[tuple[keras.Optimizer, keras.Model]]:
    """Return a model's optimisers, each with the network that it trains."""
    if getattr(model, "optimizer", None) is not None:
        return [(model.optimizer, model)]
    named = {name: value for name, value in vars(model).items() if isinstance(value, keras.Optimizer)}
    pairs = [(value, getattr(model, name.removesuffix("_optimizer"), None)) for name, value in named.items()]
    if not pairs or any(not isinstance(network, keras.layers.Layer) for _, network in pairs):
        raise UserError(
            "it is not known what trains the model. Compile it; or give it an optimiser `x_optimizer` for each `x`."
        )
    return pairs


def _state_of(model: keras.Model) -> tuple[list, list]:
    """Return a model's variables, and these with its optimisers' variables behind them."""
    # Metrics belong to an epoch, not to the training: Keras clears them when an epoch begins.
    metrics = {id(variable) for variable in model.metrics_variables}
    weights = [variable for variable in model.variables if id(variable) not in metrics]
    slots = [variable for optimizer, _ in _optimizers_of(model) for variable in optimizer.variables]
    return weights, [*weights, *slots]


def _not_finite(variables: Sequence) -> str:
    """Return the path of the first variable with a value that is infinite or no number, or ""."""
    return next((each.path for each in variables if not np.isfinite(keras.ops.convert_to_numpy(each)).all()), "")
