"""What nets see in pictures: the right pixels, the right layers, the same in any batches; and what KIDs it leads to."""

import os
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from helpers import backbones, celeba, images, picture_features, progress_line, sources
from helpers.errors import UserError
from helpers.kid import kernel_inception_distance
from helpers.picture_features import feature_model
from tools.standins.faces import draw_faces

REAL_FOLDER = os.environ.get("GENERATIVE_DATA_DIR", "")


def noise_pictures(count=7, height=20, width=28, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def squares(name="inception_v3"):
    """A net whose `mixed8` is the square of what it is given, so that its mean tells how pictures were resized."""
    inputs = keras.Input((None, None, 3))
    outputs = keras.layers.Multiply(name="mixed8")([inputs, inputs])
    model = keras.Model(inputs, keras.layers.Conv2D(2, 1, name="mixed9")(outputs), name=name)
    net = backbones._NETS["inception_v3"]
    return backbones.Backbone("inception_v3", model, net.preprocessing, net.presets, "", False)


@pytest.fixture
def square_model(monkeypatch):
    monkeypatch.setattr(picture_features.backbones, "load", lambda name: squares())
    return feature_model()


@pytest.fixture(scope="module")
def inception():
    """The real architecture, with random weights."""
    backbone = squares()
    net = backbones._NETS["inception_v3"]
    keras.utils.set_random_seed(1)
    model = net.build(include_top=False, weights=None)
    with pytest.MonkeyPatch.context() as patch:
        whole = backbones.Backbone("inception_v3", model, backbone.preprocessing, net.presets, "", False)
        patch.setattr(picture_features.backbones, "load", lambda name: whole)
        return feature_model()


@pytest.fixture(scope="module")
def embedded():
    return feature_model("feature_net")


def by_pillow(pictures, size):
    """Resized one by one with Pillow, and in [-1, 1]."""
    return 2 * np.stack([images.resize(picture / 255, size, size) for picture in pictures]) - 1


@pytest.mark.parametrize(("height", "width"), [(64, 64), (20, 28), (150, 150), (300, 201)])
def test_pictures_are_resized_bilinearly_and_preprocessed_as_the_net_expects(square_model, height, width):
    pictures = noise_pictures(3, height, width)
    found = picture_features.picture_features(square_model, pictures)
    expected = np.mean(by_pillow(pictures, 150) ** 2, axis=(1, 2))
    np.testing.assert_allclose(found.values, expected, atol=1e-3)
    if height < 150:  # Pillow's plain nearest neighbour is far off, so the agreement says something
        nearest = 2 * tf.image.resize(pictures / 255, (150, 150), "nearest") - 1
        assert np.abs(np.mean(nearest**2, axis=(1, 2)) - expected).min() > 0.05


def test_inception_gives_1280_numbers_and_runs_nothing_behind_mixed8(inception):
    assert inception.width == 1_280 and inception.size == 150
    assert inception.name == "InceptionV3 mixed8"
    assert inception.model.layers[-1].name == "mixed8"
    assert not {"mixed9", "mixed9_0", "mixed9_1", "mixed10"} & {layer.name for layer in inception.model.layers}
    full = keras.applications.InceptionV3(include_top=False, weights=None)
    assert len(inception.model.layers) == [layer.name for layer in full.layers].index("mixed8") + 1


def test_the_compiled_function_has_no_more_convolutions_than_lead_to_mixed8(inception):
    assert count_convolutions(inception.compute.get_concrete_function()) == 76  # of 94 in the whole net


def count_convolutions(function):
    graph = function.graph.as_graph_def()
    nodes = [*graph.node, *(node for inner in graph.library.function for node in inner.node_def)]
    return sum(node.op == "Conv2D" for node in nodes)


@pytest.mark.parametrize("net", ["inception", "embedded"])
def test_batches_change_no_result(net, request):
    model = request.getfixturevalue(net)
    pictures = draw_faces(7, seed=4)[0]
    whole = picture_features.picture_features(model, pictures).values
    assert whole.shape == (7, model.width) and whole.dtype == np.float32
    for size in (1, 3, 100):
        found = picture_features.picture_features(model, pictures, batch_size=size).values
        np.testing.assert_allclose(found, whole, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(
        picture_features.picture_features(model, pictures[4:5]).values, whole[4:5], rtol=1e-3, atol=1e-5
    )
    assert np.abs(whole[1:] - whole[0]).max(axis=1).min() > 1e-3  # other pictures have other features


def test_all_sizes_share_one_compiled_function(square_model):
    for shape in ((3, 20, 28), (2, 64, 64), (1, 200, 160)):
        picture_features.picture_features(square_model, noise_pictures(*shape), batch_size=2)
    assert square_model.compute.experimental_get_tracing_count() == 1


def test_the_features_bring_the_name_of_their_net(square_model, embedded):
    assert (
        picture_features.picture_features(square_model, noise_pictures()).net
        == square_model.name
        == "InceptionV3 mixed8"
    )
    assert (
        picture_features.picture_features(embedded, noise_pictures()).net == embedded.name == "feature_net block4_conv3"
    )
    for model in (square_model, embedded):
        for part in (model.name, f"{model.width:,} numbers", f"{model.size}x{model.size}", "Not comparable"):
            assert part in model.caution


def test_the_embedded_net_is_averaged_over_its_last_convolution(embedded):
    faces = draw_faces(4, seed=3)[0]
    backbone = backbones.load("feature_net")
    activations = backbone.model(backbone.preprocessing.preprocess(faces.astype(np.float32) / 255))
    found = picture_features.picture_features(embedded, faces).values
    assert found.shape == (4, 256) and embedded.size == 64
    np.testing.assert_allclose(found, np.mean(activations, axis=(1, 2)), rtol=1e-3, atol=1e-4)


def test_without_inceptions_weights_the_embedded_net_stands_in_and_says_so(tmp_path, monkeypatch, capsys):
    sources.manifest()  # read, and kept, while the real checkout can be seen
    monkeypatch.setenv("GENERATIVE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("NB_OFFLINE", "1")
    monkeypatch.setenv("NB_DATA", "auto")
    monkeypatch.setattr(sources, "CHECKOUT", tmp_path / "checkout")
    monkeypatch.setattr(sources.downloads, "user_cache", lambda: tmp_path / "user-cache")
    model = feature_model()
    assert model.name.startswith("feature_net")
    [line] = capsys.readouterr().out.splitlines()
    assert "in place of inception_v3" in line
    monkeypatch.setenv("NB_DATA", "real")
    with pytest.raises(UserError, match="inception_v3"):
        feature_model()


@pytest.mark.parametrize("net", ["vgg16", "inception"])
def test_other_nets_are_refused(net):
    with pytest.raises(UserError, match=f"{net}.*inception_v3 or feature_net"):
        feature_model(net)


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        (noise_pictures()[0], "are expected"),
        (noise_pictures()[..., :1], "are expected"),
        (noise_pictures()[:0], "are expected"),
        (noise_pictures() / 255, "not float64.*to_uint8"),
    ],
)
def test_what_are_no_pictures_is_refused(embedded, pictures, message):
    with pytest.raises(UserError, match=message):
        picture_features.picture_features(embedded, pictures)


@pytest.mark.parametrize(("count", "shown"), [(300, 0), (301, 1)])
def test_many_pictures_have_a_line_of_progress_that_ends_complete(square_model, monkeypatch, count, shown):
    lines = []

    class Handle:
        def update(self, line):
            lines[-1] = repr(line)

    monkeypatch.setattr(progress_line, "display", lambda line, display_id: lines.append(repr(line)) or Handle())
    picture_features.picture_features(square_model, noise_pictures(count, 2, 2))
    assert len(lines) == shown and all("7/7" in line for line in lines)


def test_batches_of_nothing_are_refused(embedded):
    with pytest.raises(UserError, match="batches of 0"):
        picture_features.picture_features(embedded, noise_pictures(), batch_size=0)


def test_drawn_faces_are_nearer_to_drawn_faces_than_blurred_ones_and_noise_are(embedded):
    faces = draw_faces(400, seed=1)[0]
    reals, others = faces[:200], faces[200:]
    sets = {"drawn": others, "blurred": blurred(others), "noise": noise_pictures(200, 64, 64)}
    real = picture_features.picture_features(embedded, reals).values
    found = {
        name: kernel_inception_distance(real, picture_features.picture_features(embedded, pictures).values, 20, 100)
        for name, pictures in sets.items()
    }
    assert abs(found["drawn"].mean) < 3 * found["drawn"].deviation
    assert found["noise"].mean > found["blurred"].mean > 10 * abs(found["drawn"].mean)


def blurred(pictures):
    small = [images.resize(picture / 255, 8, 8) for picture in pictures]
    return np.stack([images.to_uint8(images.resize(picture, 64, 64)) for picture in small])


there = all((Path(REAL_FOLDER) / name).exists() for name in ("inception_v3_notop.weights.h5", "img_align_celeba.zip"))


@pytest.mark.skipif(not (REAL_FOLDER and there), reason="the real faces and weights are not here")
def test_with_the_real_net_faces_are_nearer_to_faces_than_blurred_and_drawn_ones_are(monkeypatch):
    monkeypatch.setenv("NB_DATA", "real")
    faces, model = celeba.load_faces(200, 100), feature_model()
    sets = {
        "reals": faces.train_images[:100],
        "others": faces.test_images,
        "blurred": blurred(faces.train_images[100:]),
        "drawn": draw_faces(100, seed=1)[0],
    }
    features = {name: picture_features.picture_features(model, pictures).values for name, pictures in sets.items()}
    found = {name: kernel_inception_distance(features["reals"], values).mean for name, values in features.items()}
    assert min(found["blurred"], found["drawn"]) > 10 * abs(found["others"])
