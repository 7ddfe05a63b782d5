"""The feature net's training resumes, and packing changes none of its answers."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from helpers.networks import weights as stored_weights
from helpers.networks.pretrained import build_feature_net
from helpers.networks.weights import values_of
from helpers.session import UserError
from tools import pack_feature_net as pack
from tools import tiny_imagenet
from tools import train_feature_net as tool

pytestmark = pytest.mark.slow  # a tool's, used once in a long while
BLOCKS = ((4, 1), (6, 2))
STAGES = ((8, 1), (16, 2))
SIDE = 16


def striped_pictures(count, seed):
    """Two classes, upright stripes and lying ones, in random colours."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    stripes = np.tile(np.repeat([0, 1], 4), SIDE // 8)
    colours = generator.integers(0, 255, (2, count, 1, 1, 3))
    upright = np.broadcast_to(stripes[None, None, :, None], (count, SIDE, SIDE, 1))
    mask = np.where(labels[:, None, None, None] == 0, upright, upright.transpose(0, 2, 1, 3))
    return tiny_imagenet.Pictures((mask * colours[0] + (1 - mask) * colours[1]).astype(np.uint8), labels)


@pytest.fixture(scope="module")
def pictures():
    return striped_pictures(256, seed=1)


@pytest.fixture(scope="module")
def held_out():
    return striped_pictures(60, seed=2)


def train(folder, pictures, held_out, epochs=None):
    training = tool.prepare_training(folder, pictures, STAGES, BLOCKS, dtype="float32")
    tool.train(training, pictures, held_out, STAGES, epochs)
    return training


@pytest.fixture
def trained():
    """A net for training whose normalisations have seen much: no scale is 1 and no shift or mean is 0."""
    keras.utils.set_random_seed(4)
    model = build_feature_net(BLOCKS, classes=2, for_training=True)
    generator = np.random.default_rng(5)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            for variable in layer.weights:
                variable.assign(generator.uniform(0.3, 2.0, variable.shape))
    return model


def batches_of(held_out):
    return list(held_out.normalised(batch=25))  # the last one is smaller


def test_folding_leaves_every_answer_as_it_was(trained, held_out):
    plain = pack.fold(trained, BLOCKS)
    assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in plain.layers)
    batch = batches_of(held_out)[0]
    np.testing.assert_allclose(plain(batch), trained(batch, training=False), rtol=1e-4, atol=1e-5)
    for layer in pack.convolutions(plain):
        expected = keras.Model(trained.input, trained.get_layer(f"{layer.name}_relu").output)(batch, training=False)
        np.testing.assert_allclose(keras.Model(plain.input, layer.output)(batch), expected, rtol=1e-4, atol=1e-5)


def test_normalised_activations_have_mean_one_and_the_answers_stay(trained, held_out):
    net, batches = pack.fold(trained, BLOCKS), batches_of(held_out)
    before = pack.mean_activations(net, batches)
    assert max(abs(mean - 1) for mean in before.values()) > 0.1
    answers = net(batches[0])
    pack.normalise_activations(net, batches)
    assert pack.mean_activations(net, batches) == pytest.approx(dict.fromkeys(before, 1.0), rel=1e-4)
    np.testing.assert_allclose(net(batches[0]), answers, rtol=1e-4, atol=1e-5)


def test_training_learns_and_goes_on_where_it_was_stopped(tmp_path, pictures, held_out, capsys):
    whole = train(tmp_path / "whole", pictures, held_out)
    assert [record["epoch"] for record in whole.history] == [1, 2, 3]
    assert "epoch 3 of 3 at 16 pixels" in capsys.readouterr().out
    assert whole.history[-1]["loss"] < whole.history[0]["loss"]
    train(tmp_path / "parts", pictures, held_out, epochs=1)
    resumed = train(tmp_path / "parts", pictures, held_out)
    for found, expected in zip(values_of(resumed.model.variables), values_of(whole.model.variables), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_the_best_weights_can_be_had_without_training_on(tmp_path, pictures, held_out):
    stopped = train(tmp_path, pictures, held_out, epochs=1)
    again = train(tmp_path, pictures, held_out, epochs=0)
    assert len(again.history) == 1
    np.testing.assert_array_equal(values_of(again.model.weights)[0], values_of(stopped.model.weights)[0])


def test_augmented_pictures_depend_on_the_seed_alone(pictures):
    pixels = pictures.pixels[:20]
    first, again, other = (tiny_imagenet.augment(pixels, 12, tf.constant([seed, 0])) for seed in (3, 3, 4))
    assert first.shape == (20, 12, 12, 3) and first.dtype == tf.float32
    assert float(tf.reduce_min(first)) >= 0 and float(tf.reduce_max(first)) <= 1
    np.testing.assert_array_equal(first, again)
    assert float(tf.reduce_mean(abs(first - other))) > 0.01


def test_an_epoch_has_every_picture_once_in_an_order_of_its_own(monkeypatch, pictures):
    monkeypatch.setattr(tool, "augment", lambda pixels, side, seed: tf.image.resize(pixels / 255, (side, side)))
    batches = tool.training_batches(pictures, [8, 16], classes=2)
    seen = [np.concatenate([batch.numpy() for batch, _ in batches(epoch)]) for epoch in (0, 0, 1)]
    assert seen[0].shape == (256, 8, 8, 3) and seen[2].shape == (256, 16, 16, 3)
    np.testing.assert_array_equal(seen[0], seen[1])
    order = [values.mean(axis=(1, 2, 3)) for values in seen]
    assert not np.allclose(order[0], order[2])
    np.testing.assert_allclose(np.sort(order[0]), np.sort(order[2]), atol=0.05)


@pytest.fixture
def tiny_data(tmp_path, monkeypatch):
    """The data file's layout with 64 pictures to train on and 20 held out, and a training of one short epoch."""
    folder = tmp_path / "own"
    folder.mkdir()
    parts = {"words": np.array(["upright", "lying"])}
    for part, count in (("train", 64), ("val", 20)):
        made = striped_pictures(count, seed=count)
        files = [tf.io.encode_jpeg(pixels).numpy() for pixels in made.pixels]
        parts[f"jpeg_{part}"] = np.frombuffer(b"".join(files), np.uint8)
        parts[f"offsets_{part}"] = np.cumsum([0, *map(len, files)])
        parts[f"y_{part}"] = made.labels.numpy()
    np.savez(folder / tiny_imagenet.FILE, **parts)
    monkeypatch.setenv("GENERATIVE_DATA_DIR", str(folder))
    monkeypatch.setattr(tool, "STAGES", ((8, 1), (16, 1)))
    monkeypatch.setattr(tool, "BLOCKS", BLOCKS)
    return folder


def run(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["train_feature_net", *map(str, arguments)])
    return tool.main()


def test_finishing_ships_the_last_checkpoint_with_its_card(tmp_path, tiny_data, monkeypatch):
    checkpoints, to = tmp_path / "checkpoints", tmp_path / "shipped"
    with pytest.raises(SystemExit, match="not over"):
        run(monkeypatch, checkpoints, "--finish", "--to", to)
    monkeypatch.setattr(tool.Training, "_save", stop_after(tool.Training._save))
    with pytest.raises(SystemExit, match="not over"):  # interrupted after its first epoch
        run(monkeypatch, checkpoints, "--to", to)
    assert not to.exists()
    assert run(monkeypatch, checkpoints, "--finish", "--to", to, "--machine", "a test machine") == 0
    shipped = stored_weights.load_weights("feature_net", to)
    net = build_feature_net(BLOCKS, classes=2)
    shipped.put_into(net)
    assert shipped.symbols == ["upright", "lying"]
    assert "64 pictures" in shipped.facts["data"] and "non-commercial" in shipped.facts["licence"]
    assert shipped.facts["training"].startswith("1 epochs in 0 minutes on a test machine")
    accuracy = tool.held_out_figures(net, tiny_imagenet.read_pictures(tiny_imagenet.find_data(), "val"))["accuracy"]
    assert shipped.facts["held out"].startswith(f"{accuracy:.1%} of 20 pictures")


def stop_after(save):
    """Return a `_save` after which the reader interrupts the kernel."""

    def save_and_stop(training, **options):
        save(training, **options)
        raise KeyboardInterrupt

    return save_and_stop


def test_data_that_is_nowhere_is_said_with_where_it_was_looked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("GENERATIVE_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(tiny_imagenet.sources, "CHECKOUT", tmp_path)
    with pytest.raises(UserError, match=f"{tiny_imagenet.FILE} is missing; looked for in {tmp_path}"):
        tiny_imagenet.find_data()
