"""What networks, layers and optimisers are made of: all that tells one from another, whatever the weights."""

import inspect
import types
import warnings

import keras
from keras import constraints, initializers, regularizers

# Keras numbers names, and notes the shape that an inner layer was built for. Where a class was defined says nothing of
# it, and a training may go on with fewer devices to normalise a batch over.
_NO_PART_OF_A_RECIPE = {"name", "module", "build_config", "synchronized"}
_IN_LAYERS = (initializers.Initializer, regularizers.Regularizer, constraints.Constraint)
_PLAIN = bool | int | float | str | types.FunctionType


class NotUnderstoodError(Exception):
    """Something can not be told from others of its kind."""


def recipe_of(part: keras.layers.Layer) -> list:
    """Return what a network or layer is made of, in terms of what `fingerprint` understands.

    Its class, the shapes of its weights, its precision, and the same of the layers within it; of a layer its settings,
    with functions as themselves; of a functional network also what reads what.

    Raises:
        NotUnderstoodError: a layer does not give its settings.
    """
    own = [type(part), [tuple(weight.shape) for weight in part.weights], part.dtype_policy.name, _arguments_of(part)]
    if isinstance(part, keras.Model):
        return [*own, [recipe_of(layer) for layer in part.layers], _wiring_of(part)]
    config = _config_of(part)
    held = {name: getattr(part, name, None) for name in config}
    # Of a function of one's own Keras would give the name only; of a lambda the bytes, which name the kernel's file.
    others = (keras.layers.Layer, type, *_IN_LAYERS)
    called = {name: value for name, value in held.items() if callable(value) and not isinstance(value, others)}
    kept = {name: _own_recipe_of(value) for name, value in held.items() if isinstance(value, _IN_LAYERS)}
    plain = {name: value for name, value in config.items() if not isinstance(held[name], keras.layers.Layer)}
    inner = [recipe_of(layer) for layer in part._layers]  # what Keras has found among its attributes
    return [*own, {**_plain(plain, {}), **called}, kept, inner]


def settings_of(optimizer: keras.optimizers.Optimizer) -> dict:
    """Return an optimiser's class and settings, and the class of a schedule of its rate.

    Raises:
        NotUnderstoodError: the optimiser or its schedule does not give its settings.
    """
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        scale = [optimizer.initial_scale, optimizer.dynamic_growth_steps]
        return {"class": type(optimizer), "scale": scale, "inner": settings_of(optimizer.inner_optimizer)}
    own = {"class": type(optimizer), "own": _arguments_of(optimizer)}
    return {**_plain(_config_of(optimizer), {}), **own, "rate": type(getattr(optimizer, "_learning_rate", None))}


def is_plain(value: object) -> bool:
    """Return whether a value is a number, text or function, or a tuple of those."""
    return all(map(is_plain, value)) if isinstance(value, tuple) else isinstance(value, _PLAIN)


def _is_of_keras(piece: object) -> bool:
    return type(piece).__module__.partition(".")[0] == "keras"


def _arguments_of(piece: object) -> dict[str, object]:
    """Return what a piece of a class outside Keras keeps under the names of its arguments, where that is plain."""
    named = {} if _is_of_keras(piece) else inspect.signature(type(piece).__init__).parameters
    kept = {name: getattr(piece, name, None) for name in named if name not in ("self", "name")}
    return {name: value for name, value in kept.items() if is_plain(value)}


def _own_recipe_of(piece: object) -> list:
    """Return class and plain attributes of an initialiser, regulariser or constraint of one's own."""
    if _is_of_keras(piece):
        return []  # its settings say all
    return [type(piece), {name: value for name, value in vars(piece).items() if is_plain(value) and name != "seed"}]


def _wiring_of(model: keras.Model) -> list:
    """Return the operations of a functional network, each with those that it reads, by their places in the list."""
    operations = getattr(model, "operations", [])
    config = _config_of(model) if operations else {}
    described = config.get("layers", [])
    places = {operation.name: place for place, operation in enumerate(operations)} if described else {}
    wiring = []
    for operation, said in zip(operations, described, strict=bool(described)):
        settings = {} if isinstance(operation, keras.layers.Layer) else _plain(said["config"], places)
        wiring.append([said["class_name"], _plain(said["inbound_nodes"], places), settings])
    return [wiring, _plain([config.get("input_layers"), config.get("output_layers")], places)]


def _config_of(piece: keras.layers.Layer | keras.optimizers.Optimizer) -> dict:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that lambdas are unsafe in files: this goes into none
            return piece.get_config()
    except Exception as error:  # an argument that Keras cannot write down, or a slip in a get_config of one's own
        raise NotUnderstoodError(f"a {type(piece).__name__} that does not give its settings") from error


def _plain(setting: object, places: dict[str, int]) -> object:
    """Return a setting with places for the names of operations, and without what is no part of a recipe."""
    if isinstance(setting, dict):
        counts = {name: _plain(inner, places) for name, inner in setting.items() if name not in _NO_PART_OF_A_RECIPE}
        return {name: inner for name, inner in counts.items() if inner is not None}  # a newer Keras has more of them
    if isinstance(setting, list | tuple):
        return [_plain(inner, places) for inner in setting]
    return places.get(setting, setting) if isinstance(setting, str) else setting
