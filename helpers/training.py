"""A training loop around `model.fit` that can be interrupted, killed and resumed, and that reports progress as data."""

import hashlib
import json
import math
import operator
import time
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from helpers import precision
from helpers.checkpoints import Checkpoints, assign, values_of
from helpers.errors import UserError
from helpers.profiles import stops_unsaved
from helpers.progress_line import ProgressLine, StepWatch

# What outlives a `Training`, as long as its model does: where the model and its optimisers began, so that another
# training of them begins there too; and by the checkpoints' folder the last state, until it is written.
_UNTRAINED: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
_UNSAVED: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
Record = dict  # one epoch's figures: epoch, step, seconds, the losses, the validation figures, and what callbacks add


class Training:
    """Trains a compiled Keras model epoch by epoch and keeps all that is needed to go on after a stop.

    A checkpoint after each epoch, or after every few, holds the weights, every optimiser's slots and step, the
    state of every random generator in the model, the history, the snapshots, and the best weights so far. The
    data's order is no part of it, because `batches(epoch)` must depend on nothing but the epoch. On a CPU, a
    training that was killed and resumed therefore ends with the same numbers as one that was not.

    A second training of the same model object, with other settings, begins where the first one began, so that it
    ends as in a fresh kernel. To train on from other weights, build the model anew and assign them.
    """

    def __init__(
        self,
        model: keras.Model,
        folder: Path,
        settings: dict,
        monitor: str | None = "validation",
        optimizers: Sequence[tuple[keras.Optimizer, Sequence]] | None = None,
        checkpoint_every: int = 1,
    ) -> None:
        """Prepare to train `model` with checkpoints below `folder`.

        Args:
            model: compiled and built; an optimiser's schedule may depend on the step.
            folder: where checkpoints go; a training with other `settings` gets another folder in it.
            settings: whatever makes this training what it is (data, sizes, seed), JSON types only.
            monitor: the figure, smaller is better, by which the best weights are chosen. None where no figure
                says which are best, as for a GAN: then those after the last whole epoch are kept.
            optimizers: pairs of an optimiser and the variables that it trains; None for a model with one, its own.
            checkpoint_every: epochs from one checkpoint to the next. A kill costs the epochs since the last one, at
                most so many, and they are trained again. The last epoch, an interrupt and a figure that is not
                finite always leave a checkpoint of the last whole epoch.

        Raises:
            UserError: the model has no weights yet, or computes in 16 bits without what that needs (`precision`); or
                `checkpoint_every` is no whole number from 1.
        """
        if not isinstance(checkpoint_every, int) or checkpoint_every < 1:
            raise UserError(f"checkpoint_every is {checkpoint_every!r}. Give a whole number of epochs, at least 1.")
        if not model.built:
            raise UserError("the model has no weights yet. Call it once on a batch, then make the Training.")
        optimizers = optimizers or [(model.optimizer, model.trainable_variables)]
        self._optimizers = [optimizer for optimizer, _ in optimizers]
        precision.check(model, self._optimizers)
        with model.distribute_strategy.scope():  # an optimiser's slots lie where the weights do
            for optimizer, trained in optimizers:
                if not optimizer.built:  # one that scales the loss would add its variables once more
                    optimizer.build(trained)
        key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
        self.model, self.monitor, self.every = model, monitor, checkpoint_every
        self.checkpoints = Checkpoints(Path(folder) / key)
        # Metrics belong to an epoch, not to the training: Keras clears them when an epoch begins.
        metrics = {id(variable) for variable in model.metrics_variables}
        self._weights = [variable for variable in model.variables if id(variable) not in metrics]
        parts = [(model, self._weights), *((optimizer, optimizer.variables) for optimizer, _ in optimizers)]
        self._variables = [variable for _, variables in parts for variable in variables]
        self._start = [value for part, variables in parts for value in _beginning(part, variables)]
        self._forget()

    def reset(self) -> None:
        """Forget all training: the weights are as they were before the model's first one, the checkpoints are gone."""
        assign(self._variables, self._start, "the start")
        self.checkpoints.delete()
        self._unsaved = None
        self._forget()
        print("Reset: the next training starts anew.")

    def fit(
        self,
        batches: Callable[[int], tf.data.Dataset],
        epochs: int,
        validate: Callable[[], dict[str, float]] = dict,
        on_epoch: Callable[[list[Record]], None] = lambda history: None,
        snapshot: Callable[[], np.ndarray] | None = None,
    ) -> list[Record]:
        """Train until `epochs` epochs are done in all, going on where a checkpoint left off.

        Args:
            batches: gives the epoch's (inputs, targets), in an order that depends on the epoch alone, from 0.
            epochs: the total, those of earlier calls included.
            validate: called after each epoch; returns held-out figures, `monitor` among them if there is one.
            on_epoch: called with the history so far, to show it; what it adds to the last record is kept.
            snapshot: called after each epoch, before `on_epoch`; the array that it returns, progress pictures say,
                is the last of `snapshots` then and is kept with the checkpoints.

        Returns:
            The history, a record for each epoch. The model has the best weights, also after an interrupt.

        Raises:
            UserError: a loss, a held-out figure, a weight or an optimiser's slot is no longer finite, or a checkpoint
                cannot be written and `NB_STOP_UNSAVED` is set; the model has the best weights up to there.
        """
        self._resume(epochs)
        left = epochs - len(self.history)
        if left <= 0:
            if self._unsaved:  # there may be room on the disk by now
                self._write(may_stop=False)
            on_epoch(self.history)
            return self.history
        line = ProgressLine(left * len(batches(len(self.history))))
        try:
            for epoch in range(len(self.history), epochs):
                self._train_epoch(batches(epoch), validate, line)
                if snapshot is not None:
                    self.snapshots.append(np.array(snapshot()))
                on_epoch(self.history)
                self._save(is_due=len(self.history) == epochs or len(self.history) % self.every == 0)
        except KeyboardInterrupt:
            print(f"\nInterrupted: {self._kept} are in place. Run this cell again to go on.")
        finally:
            line.show()
            self._restore_best()
            if self._unsaved and not self._warned:
                self._write()
        return self.history

    def _train_epoch(self, dataset: tf.data.Dataset, validate: Callable[[], dict], line: ProgressLine) -> None:
        started = time.perf_counter()
        watch, taken = StepWatch(line), precision.steps_taken(self._optimizers)
        losses = self.model.fit(dataset, shuffle=False, verbose=0, callbacks=[watch]).history
        if watch.odd:
            raise self._no_number("the loss" if watch.odd == "loss" else watch.odd)
        # A gradient may overflow while its loss is still finite: at an epoch's last step no later loss would show it.
        if odd := _not_finite(self._variables):
            raise self._no_number(f"a value in {odd}")
        if precision.overflows(self._optimizers):
            raise self._no_number("the gradient", precision.MEND)
        held_out = {name: float(value) for name, value in validate().items()}
        if self.monitor and not math.isfinite(held_out[self.monitor]):
            raise self._no_number(self.monitor)
        before = self.history[-1] if self.history else {"seconds": 0.0, "step": 0}
        record = {
            "epoch": len(self.history) + 1,
            "step": before["step"] + watch.steps,
            "seconds": round(before["seconds"] + time.perf_counter() - started, 2),
            **{name: float(values[-1]) for name, values in losses.items()},
            **held_out,
        }
        self.history.append(record)
        shown = [self.monitor] if self.monitor else list(losses)[:2]
        line.note = f"epoch {record['epoch']}: " + ", ".join(f"{name} {record[name]:.3f}" for name in shown)
        # In float16 a short epoch may pass while the loss's scale is still too large: the loss would stay flat.
        if any(map(operator.eq, taken, precision.steps_taken(self._optimizers))):
            print(f"In epoch {record['epoch']} {precision.UNTAKEN}")
        if self.monitor is None or record[self.monitor] < self.best_figure:
            self.best_figure, self._best = record.get(self.monitor, math.inf), values_of(self._weights)

    def _no_number(self, figure: str, mend: str = "Try a smaller learning rate, or clip the gradients") -> UserError:
        return UserError(
            f"{figure} is no longer a finite number in epoch {len(self.history) + 1}, so training stopped; "
            f"{self._kept} are in place. {mend}, and start anew."
        )

    @property
    def _kept(self) -> str:
        return "the best weights so far" if self.monitor else "the weights after the last whole epoch"

    def _save(self, is_due: bool) -> None:
        """Take down the state after an epoch, and write it if a checkpoint is due; else it waits for the next one."""
        best = self._best if self.monitor else []  # without a monitor they are the last ones
        state = {"history": list(self.history), "snapshots": len(self.snapshots)}
        if self.monitor:
            state["best_figure"] = self.best_figure
        self._unsaved = [*values_of(self._variables), *best, *self.snapshots], state
        if is_due:
            self._write()

    @property
    def _unsaved(self) -> tuple[list[np.ndarray], dict] | None:
        return _UNSAVED.get(self.model, {}).get(self.checkpoints.folder)

    @_unsaved.setter
    def _unsaved(self, state: tuple[list[np.ndarray], dict] | None) -> None:
        _UNSAVED.setdefault(self.model, {})[self.checkpoints.folder] = state

    def _write(self, may_stop: bool = True) -> None:
        arrays, state = self._unsaved
        try:
            self.checkpoints.save(len(state["history"]), arrays, state)
            self._unsaved, self._warned = None, False
        except OSError as error:
            fault = f"No checkpoint could be written to {self.checkpoints.folder} ({error})."
            mend = "Make room on that disk, or set NB_OUTPUT_DIR to a folder that can be written to"
            was_said, self._warned = self._warned, True
            if may_stop and stops_unsaved():
                raise UserError(
                    f"{fault} So training stopped after epoch {len(self.history)}, as asked; {self._kept} are in "
                    f"place. {mend}, and run this cell again."
                ) from error
            if not was_said:
                print(f"\n{fault} Training goes on; if it is cut off, it resumes from an older one. {mend}; or let it")
                print("stop where that happens: NB_STOP_UNSAVED=1.")

    def _resume(self, epochs: int) -> None:
        """Put the newest checkpoint back: the last weights to train on from, or the best if training is over."""
        stored = self.checkpoints.load()  # in any case: it finds out which are damaged
        found = self._unsaved or stored
        if found is None:  # a first epoch that was broken off is repeated, like any other
            if self._is_trained():
                print("This model was trained before; this training begins where that one began.")
            assign(self._variables, self._start, "the start")
            self._forget()
            return
        self.checkpoints.tidy()  # a kill may have come between the last checkpoint and the removal of old ones
        arrays, state = found
        count, end = len(self._variables), len(arrays) - state.get("snapshots", 0)
        assign(self._variables, arrays[:count], self.checkpoints.folder)
        self._best = arrays[count:end] if self.monitor else arrays[: len(self._weights)]
        self.history, self.snapshots = list(state["history"]), arrays[end:]
        self.best_figure = state.get("best_figure", math.inf)
        done, last = len(self.history), self.history[-1]
        figures = f"{last['seconds']:.0f} s" + (f", {self.monitor} {last[self.monitor]:.3f}" if self.monitor else "")
        print(f"Found a training of {done} epochs ({figures}): ", end="")
        if done >= epochs:
            self._restore_best()
            print("there is nothing left to do. To start anew, set `start_anew` and run from where the model is built.")
        else:
            print(f"going on to epoch {epochs}.")

    def _restore_best(self) -> None:
        if self.history:
            assign(self._weights, self._best, "the best weights")
        else:  # broken off within the first epoch: optimisers and random states go back as well
            assign(self._variables, self._start, "the start")

    def _is_trained(self) -> bool:
        trained = {id(variable) for variable in self.model.trainable_variables}  # random states change in other ways
        weights = [(now, then) for now, then in zip(self._weights, self._start, strict=False) if id(now) in trained]
        return any(not np.array_equal(keras.ops.convert_to_numpy(now), then) for now, then in weights)

    def _forget(self) -> None:
        self.history: list[Record] = []
        self.snapshots: list[np.ndarray] = []  # one an epoch, where they are asked for
        self.best_figure, self._warned = math.inf, False
        self._best = self._start[: len(self._weights)]  # before the first epoch is over: the untrained weights


def _beginning(part: object, variables: Sequence) -> list[np.ndarray]:
    """Return the values that the variables of a model or an optimiser had when this was first asked."""
    now, known = values_of(variables), _UNTRAINED.get(part, [])
    if [array.shape for array in known] != [array.shape for array in now]:
        known = _UNTRAINED[part] = now
    rate = getattr(getattr(part, "inner_optimizer", part), "_learning_rate", None)  # it may have been set since then
    return [new if variable is rate else old for variable, new, old in zip(variables, now, known, strict=True)]


def _not_finite(variables: Sequence) -> str:
    """Return the path of the first variable with a value that is infinite or no number, or ""."""
    return next((each.path for each in variables if not np.isfinite(keras.ops.convert_to_numpy(each)).all()), "")
