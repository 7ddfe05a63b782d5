"""A training loop around `model.fit` that can be interrupted, killed and resumed, and that reports progress as data."""

import hashlib
import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import keras
import tensorflow as tf
from IPython.display import display
from tqdm import tqdm

from helpers.checkpoints import Checkpoints, assign, values_of
from helpers.errors import UserError

Record = dict  # one epoch's figures: epoch, step, seconds, loss, the validation figures, and what callbacks add


class Training:
    """Trains a compiled Keras model epoch by epoch and keeps all that is needed to go on after a stop.

    A checkpoint after each epoch holds the weights, the optimiser's slots and step, the state of every
    random generator in the model, the history, and the best weights so far. The data's order is no part
    of it, because `batches(epoch)` must depend on nothing but the epoch. On a CPU, a training that was
    killed and resumed therefore ends with the same numbers as one that was not.
    """

    def __init__(self, model: keras.Model, folder: Path, settings: dict, monitor: str = "validation") -> None:
        """Prepare to train `model` with checkpoints below `folder`.

        Args:
            model: compiled and built; its optimiser's schedule may depend on the step.
            folder: where checkpoints go; a training with other `settings` gets another folder in it.
            settings: whatever makes this training what it is (data, sizes, seed), JSON types only.
            monitor: the figure, smaller is better, by which the best weights are chosen.
        """
        if not model.built:
            raise UserError("the model has no weights yet. Call it once on a batch, then make the Training.")
        model.optimizer.build(model.trainable_variables)
        key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
        self.model, self.monitor = model, monitor
        self.checkpoints = Checkpoints(Path(folder) / key)
        # Metrics belong to an epoch, not to the training: Keras clears them when an epoch begins.
        metrics = {id(variable) for variable in model.metrics_variables}
        self._weights = [variable for variable in model.variables if id(variable) not in metrics]
        self._variables = [*self._weights, *model.optimizer.variables]
        self._start = values_of(self._variables)
        self._forget()

    def reset(self) -> None:
        """Forget all training: the weights are as they were when this object was made, the checkpoints are gone."""
        assign(self._variables, self._start, "the start")
        self.checkpoints.delete()
        self._forget()
        print("Reset: the next training starts anew.")

    def fit(
        self,
        batches: Callable[[int], tf.data.Dataset],
        epochs: int,
        validate: Callable[[], dict[str, float]],
        on_epoch: Callable[[list[Record]], None] = lambda history: None,
    ) -> list[Record]:
        """Train until `epochs` epochs are done in all, going on where a checkpoint left off.

        Args:
            batches: gives the epoch's (inputs, targets), in an order that depends on the epoch alone, from 0.
            epochs: the total, those of earlier calls included.
            validate: called after each epoch; returns held-out figures, `monitor` among them.
            on_epoch: called with the history so far, to show it; what it adds to the last record is kept.

        Returns:
            The history, a record for each epoch. The model has the best weights, also after an interrupt.

        Raises:
            UserError: the loss or `monitor` is no longer finite; the model has the best weights up to there.
        """
        self._resume(epochs)
        left = epochs - len(self.history)
        if left <= 0:
            on_epoch(self.history)
            return self.history
        bar = _ProgressLine(left * len(batches(len(self.history))))
        try:
            for epoch in range(len(self.history), epochs):
                self._train_epoch(batches(epoch), validate, bar)
                on_epoch(self.history)
                self._save()
        except KeyboardInterrupt:
            print("\nInterrupted: the best weights so far are in place. Run this cell again to go on.")
        finally:
            bar.close()
            self._restore_best()
        return self.history

    def _train_epoch(self, dataset: tf.data.Dataset, validate: Callable[[], dict], bar: "_ProgressLine") -> None:
        started = time.perf_counter()
        progress = _Progress(bar)
        losses = self.model.fit(dataset, shuffle=False, verbose=0, callbacks=[progress]).history
        if not progress.is_finite:
            raise self._no_number("the loss")
        held_out = {name: float(value) for name, value in validate().items()}
        if not math.isfinite(held_out[self.monitor]):
            raise self._no_number(self.monitor)
        before = self.history[-1] if self.history else {"seconds": 0.0, "step": 0}
        record = {
            "epoch": len(self.history) + 1,
            "step": before["step"] + progress.steps,
            "seconds": round(before["seconds"] + time.perf_counter() - started, 2),
            **{name: float(values[-1]) for name, values in losses.items()},
            **held_out,
        }
        self.history.append(record)
        bar.note = f"epoch {record['epoch']}: {self.monitor} {record[self.monitor]:.3f}"
        if record[self.monitor] < self.best_figure:
            self.best_figure, self._best = record[self.monitor], values_of(self._weights)

    def _no_number(self, figure: str) -> UserError:
        return UserError(
            f"{figure} is no longer a finite number in epoch {len(self.history) + 1}, so training stopped; the best "
            "weights so far are in place. Try a smaller learning rate or a smaller `clipnorm`, and reset."
        )

    def _save(self) -> None:
        state = {"history": self.history, "best_figure": self.best_figure}
        try:
            self.checkpoints.save(len(self.history), [*values_of(self._variables), *self._best], state)
        except OSError as error:
            if not self._warned:
                print(f"\nNo checkpoint could be written ({error}). Training goes on, but could not be resumed.")
            self._warned = True

    def _resume(self, epochs: int) -> None:
        """Put the newest checkpoint back: the last weights to train on from, or the best if training is over."""
        found = self.checkpoints.load()
        if found is None:
            if not self.history:  # a first epoch that was broken off is repeated, like any other
                assign(self._variables, self._start, "the start")
            return
        arrays, state = found
        count = len(self._variables)
        assign(self._variables, arrays[:count], self.checkpoints.folder)
        self._best, self.best_figure = arrays[count:], state["best_figure"]
        self.history = state["history"]
        done, last = len(self.history), self.history[-1]
        figures = f"{last['seconds']:.0f} s, {self.monitor} {last[self.monitor]:.3f}"
        print(f"Found a training of {done} epochs ({figures}): ", end="")
        if done >= epochs:
            self._restore_best()
            print("there is nothing left to do. To start anew, run the reset cell.")
        else:
            print(f"going on to epoch {epochs}.")

    def _restore_best(self) -> None:
        assign(self._weights, self._best, "the best weights")

    def _forget(self) -> None:
        self.history: list[Record] = []
        self.best_figure, self._warned = math.inf, False
        self._best = self._start[: len(self._weights)]  # before the first epoch is over: the untrained weights


class _ProgressLine:
    """One line of text that is updated in place (a terminal's carriage returns would fill an executed notebook)."""

    def __init__(self, total: int) -> None:
        self.total, self.done, self.note = total, 0, ""
        self._start = self._shown = time.perf_counter()
        self._handle = display(_Line(self._text()), display_id=True)

    def step(self) -> None:
        self.done += 1
        if time.perf_counter() - self._shown > 0.5:
            self.close()

    def close(self) -> None:
        self._shown = time.perf_counter()
        if self._handle is not None:
            self._handle.update(_Line(self._text()))

    def _text(self) -> str:
        elapsed = time.perf_counter() - self._start
        return tqdm.format_meter(self.done, self.total, elapsed, ncols=100, unit="step", postfix=self.note)


class _Line:
    """A text that a notebook shows as it is."""

    def __init__(self, content: str) -> None:
        self.content = content

    def __repr__(self) -> str:
        return self.content


class _Progress(keras.callbacks.Callback):
    """Moves the progress line, counts steps, and stops the epoch when the loss is not finite."""

    def __init__(self, bar: _ProgressLine) -> None:
        super().__init__()
        self.bar, self.steps, self.is_finite = bar, 0, True

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.steps += 1
        self.bar.step()
        self.is_finite = math.isfinite((logs or {}).get("loss", 0.0))
        if not self.is_finite:
            self.model.stop_training = True
