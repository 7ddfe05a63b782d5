"""What networks, layers and optimisers are made of: all that tells one from another, whatever the weights."""

import warnings

import keras
from keras import constraints, initializers, regularizers

# Keras numbers names, and notes the shape that an inner layer was built for. Over how many devices a batch is
# normalised is no part of a recipe: a training may go on with fewer.
_NO_PART_OF_A_RECIPE = {"name", "build_config", "synchronized"}
_WITH_SETTINGS = (keras.layers.Layer, initializers.Initializer, regularizers.Regularizer, constraints.Constraint, type)


class NotUnderstoodError(Exception):
    """Something can not be told from others of its kind."""


def recipe_of(part: keras.layers.Layer) -> list:
    """Return what a network or layer is made of, in terms of what `fingerprint` understands.

    Its class, the shapes of its weights, its precision, and the same of the layers within it; of a layer its settings,
    with functions as themselves; of a functional network also what reads what.

    Raises:
        NotUnderstoodError: a layer does not give its settings.
    """
    own = [type(part), [tuple(weight.shape) for weight in part.weights], part.dtype_policy.name]
    if isinstance(part, keras.Model):
        return [*own, [recipe_of(layer) for layer in part.layers], _wiring_of(part)]
    config = _config_of(part)
    held = {name: getattr(part, name, None) for name in config}
    # Of a function of one's own Keras would give the name only; of a lambda the bytes, which name the kernel's file.
    called = {name: value for name, value in held.items() if callable(value) and not isinstance(value, _WITH_SETTINGS)}
    plain = {name: value for name, value in config.items() if not isinstance(held[name], keras.layers.Layer)}
    inner = [recipe_of(layer) for layer in part._layers]  # what Keras has found among its attributes
    return [*own, {**_plain(plain, {}), **called}, inner]


def settings_of(optimizer: keras.optimizers.Optimizer) -> dict:
    """Return an optimiser's class and settings, and the class of a schedule of its rate.

    Raises:
        NotUnderstoodError: the optimiser or its schedule does not give its settings.
    """
    settings = _plain(_config_of(optimizer), {})
    return {**settings, "class": type(optimizer), "rate": type(getattr(optimizer, "_learning_rate", None))}


def _wiring_of(model: keras.Model) -> list:
    """Return the operations of a functional network, each with those that it reads, by their places in the list."""
    operations = getattr(model, "operations", [])
    described = _config_of(model).get("layers", []) if operations else []
    places = {operation.name: place for place, operation in enumerate(operations)} if described else {}
    wiring = []
    for operation, said in zip(operations, described, strict=bool(described)):
        settings = {} if isinstance(operation, keras.layers.Layer) else _plain(said["config"], places)
        wiring.append([said["class_name"], _plain(said["inbound_nodes"], places), settings])
    return wiring


def _config_of(piece: keras.layers.Layer | keras.optimizers.Optimizer) -> dict:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that lambdas are unsafe in files: this goes into none
            return piece.get_config()
    except (NotImplementedError, TypeError, OSError) as error:  # with an argument that Keras cannot write down
        raise NotUnderstoodError(f"a {type(piece).__name__} that does not give its settings") from error


def _plain(setting: object, places: dict[str, int]) -> object:
    """Return a setting with places for the names of operations, and without what is no part of a recipe."""
    if isinstance(setting, dict):
        counts = {name: _plain(inner, places) for name, inner in setting.items() if name not in _NO_PART_OF_A_RECIPE}
        return {name: inner for name, inner in counts.items() if inner is not None}  # a newer Keras has more of them
    if isinstance(setting, list | tuple):
        return [_plain(inner, places) for inner in setting]
    return places.get(setting, setting) if isinstance(setting, str) else setting
