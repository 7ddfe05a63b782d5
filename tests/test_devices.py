"""Two devices come to what one comes to. tests/device_runner.py trains on two logical CPUs, in a process of its own."""

import ast
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from device_runner import GANS, SCOPE, TEXTS, VAES, blocks

from helpers import devices
from tools.lift import code_of

ROOT = Path(__file__).resolve().parents[1]
JOBS = ("characters", "words", "digits", "faces", "gan")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What each job of the runner came to: results[job] is (by one device, by two)."""
    folder = tmp_path_factory.mktemp("devices")
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join([os.environ["PYTHONPATH"], str(ROOT)])}
    command = [sys.executable, str(ROOT / "tests" / "device_runner.py"), str(folder)]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-3000:]
    jobs = {path.stem[:-2] for path in folder.glob("*-1.npz")}
    return {job: tuple(dict(np.load(folder / f"{job}-{count}.npz")) for count in (1, 2)) for job in jobs}


@pytest.mark.parametrize("job", JOBS)
def test_losses_and_weights_are_those_of_one_device(results, job):
    one, two = results[job]
    assert one.keys() == two.keys()
    for name in (name for name in one if name.startswith("loss")):
        np.testing.assert_allclose(two[name], one[name], rtol=1e-5, err_msg=name)
    largest = 0.0
    for name in (name for name in one if name.startswith("weight") and "seed_generator" not in name):
        np.testing.assert_array_equal(two[f"before {name}"], one[f"before {name}"], err_msg=name)
        change = np.abs(one[name] - one[f"before {name}"]).max()
        np.testing.assert_allclose(two[name], one[name], rtol=0, atol=2e-7 + 1e-3 * change, err_msg=name)
        largest = max(largest, change)
    assert largest > 1e-3  # a training, and not of roundings only


@pytest.mark.parametrize("job", ["characters", "digits"])
def test_predictions_and_scores_of_batches_that_do_not_divide_are_those_of_one_device(results, job):
    one, two = results[job]
    np.testing.assert_allclose(two["predicted"], one["predicted"], rtol=1e-4, atol=1e-5)
    if job == "digits":
        np.testing.assert_allclose(two["scored"], one["scored"], rtol=1e-5)  # the KL, which asks for no noise


@pytest.mark.parametrize("job", ["characters", "words"])
def test_each_device_clips_at_its_share_of_the_norm(results, job):
    assert [float(found["clip"]) for found in results[job]] == [1.0, 0.5]


def test_a_training_on_two_devices_resumes_as_if_never_stopped(results):
    one, two = results["resumed"]
    names = [name.removeprefix("whole ") for name in two if name.startswith("whole")]
    assert len(names) > 60 and len(two["whole losses"]) == 3
    for name in names:
        np.testing.assert_array_equal(two[f"cut {name}"], two[f"whole {name}"], err_msg=name)
    assert two["cut copies"].max() == 1  # all devices have the same weights, and the same random state


def test_one_device_goes_on_where_two_left_off(results):
    one, two = results["resumed"]
    np.testing.assert_array_equal(one["moved losses"][:2], two["whole losses"][:2])
    np.testing.assert_allclose(one["moved losses"][2], two["whole losses"][2], rtol=1e-5)
    assert len(one["moved losses"]) == 3 and one["moved losses"][2] != one["moved losses"][1]


def test_of_a_last_batch_that_does_not_divide_the_devices_means_are_averaged(results):
    one, two = results["uneven"]
    numbers, drawn = one["numbers"], {rows: one[f"drawn {rows}"] for rows in (2, 3, 4)}
    first = np.mean(numbers[:4] + drawn[4][:4])
    np.testing.assert_allclose(one["weight"], -first - np.mean(numbers[4:] + drawn[3][4:]), rtol=1e-6)
    # The first device has two rows, and draws for four; the second has one, draws for two, and takes the second.
    means = np.mean(numbers[4:6] + drawn[4][4:6]), numbers[6] + drawn[2][5]
    np.testing.assert_allclose(two["weight"], -first - np.mean(means), rtol=1e-6)
    assert one["rows"] == two["rows"] == 7  # a total counts them all


# The notebooks: what is trained there at length is made in a strategy's scope.


@pytest.mark.parametrize(
    ("path", "name", "count"),
    [
        *((TEXTS, name, 2) for name in ("character_model", "word_model")),
        *((VAES, name, 1) for name in ("digit_vae", "garment_vae", "face_vae", "plain", "swept")),
    ],
)
def test_a_model_is_made_and_compiled_for_all_devices(path, name, count):
    made = blocks(path, name)
    assert len(made) == count
    stored = {part.id for part in ast.walk(made[0]) if isinstance(part, ast.Name)}
    assert name in stored


@pytest.mark.parametrize("path", [TEXTS, VAES])
def test_no_model_for_all_devices_is_compiled_for_one(path):
    """Such a model would fail when next used, and with several devices only."""
    statements = [node for node in ast.parse(code_of(path)).body if not isinstance(node, ast.FunctionDef)]
    scoped = [node for node in statements if isinstance(node, ast.With) and ast.unparse(node.items[0]) == SCOPE]
    parts = [part for node in scoped for part in ast.walk(node) if isinstance(part, ast.Name)]
    made = {part.id for part in parts if isinstance(part.ctx, ast.Store)}
    assert len(made) > 3
    for node in (node for node in statements if node not in scoped and ".compile(" in ast.unparse(node)):
        assert not made & {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}, ast.unparse(node)


@pytest.mark.parametrize("name", ["face_gan", "book_gan"])
def test_a_gan_of_faces_is_made_and_compiled_for_all_devices(name):
    [function] = [node for node in ast.parse(code_of(GANS)).body if getattr(node, "name", "") == name]
    [scope] = [node for node in function.body if isinstance(node, ast.With)]
    assert ast.unparse(scope.items[0]) == SCOPE
    assert ast.unparse(scope.body[0]).startswith("gan = GAN(") and ast.unparse(scope.body[1]).startswith("gan.compile(")


# One device, in this process: everything is handed back as it came.


def test_one_device_changes_nothing():
    default = tf.distribute.get_strategy()
    assert devices.strategy(("CPU:0",)) is default and devices.count() == 1
    slopes = [tf.ones(2), tf.zeros(3)]
    with default.scope():
        assert all(mine is given for mine, given in zip(devices.share(slopes), slopes, strict=True))
        assert devices.total(tf.constant(3)) == 3.0 and devices.total(tf.constant(3)).dtype == tf.float32
        shape = tf.constant([2, 5])
        assert devices.own_rows(lambda given: given is shape, shape) is True
        draw = partial(keras.random.normal, seed=3)
        np.testing.assert_array_equal(devices.own_rows(draw, (4, 2)), keras.random.normal((4, 2), seed=3))


@pytest.mark.parametrize(("graphics", "used"), [(0, 0), (1, 0), (2, 2), (3, 2), (4, 4), (7, 4), (8, 4)])
def test_so_many_graphics_cards_are_used_that_batches_divide(monkeypatch, graphics, used):
    found = {"GPU": [SimpleNamespace(name=f"/device:GPU:{number}") for number in range(graphics)]}
    monkeypatch.setattr(tf.config, "list_logical_devices", found.get)
    monkeypatch.setattr(tf.distribute, "MirroredStrategy", lambda names: names)
    devices._mirrored.cache_clear()
    try:
        chosen = devices.strategy()
        if used:
            assert chosen == [f"/device:GPU:{number}" for number in range(used)] and devices.strategy() is chosen
        else:
            assert chosen is tf.distribute.get_strategy()
    finally:
        devices._mirrored.cache_clear()
