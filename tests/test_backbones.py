"""Pretrained nets: where their weights come from, what they refuse, and what the notebooks read from them.

The file of VGG16 is replaced by that of a net of two layers; the real ones are read from GENERATIVE_DATA_DIR, if they
are there.
"""

import os
from dataclasses import replace
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.legacy.saving import legacy_h5_format
from sklearn.datasets import load_sample_image

from helpers import images
from helpers.data import sources
from helpers.networks import pretrained, weights
from helpers.networks.pretrained import CLASSES, build_feature_net, features, load_network
from helpers.session import UserError

REAL_FOLDER = os.environ.get("GENERATIVE_DATA_DIR", "")
OFFICIAL = "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"


def tiny_net(include_top=False, weights=None, width=4):
    inputs = keras.Input((None, None, 3))
    outputs = keras.layers.Conv2D(width, 3, activation="relu", name="block1_conv1")(inputs)
    outputs = keras.layers.Conv2D(2, 3, name="block1_conv2")(outputs)
    return keras.Model(inputs, outputs, name="vgg16")


@pytest.fixture(autouse=True)
def own_folder(own_data, tmp_path, monkeypatch):
    """A folder of the reader's own, nothing in the caches, and a VGG16 of two layers."""
    (tmp_path / "keras" / "models").mkdir(parents=True)
    monkeypatch.setenv("NB_DATA", "auto")
    monkeypatch.setitem(pretrained._NETS, "vgg16", replace(pretrained._NETS["vgg16"], build=tiny_net))
    return own_data


@pytest.fixture
def saved(own_folder):
    """The tiny net whose weights are in the reader's folder."""
    model = tiny_net()
    model.save_weights(own_folder / "vgg16_notop.weights.h5")
    return model


@pytest.fixture(scope="module")
def embedded():
    return load_network("feature_net")


@pytest.fixture(scope="module")
def photograph():
    return images.fit(load_sample_image("china.jpg").astype(np.float32) / 255, 200)


def test_a_local_file_is_read(saved, capsys):
    backbone = load_network("vgg16")
    np.testing.assert_equal(backbone.model.get_weights(), saved.get_weights())
    assert backbone.name == "vgg16" and not backbone.is_embedded
    assert backbone.preprocessing is pretrained.VGG
    assert backbone.model.trainable_weights == []
    assert capsys.readouterr().out == f"{backbone.source}\n" and "vgg16_notop.weights.h5" in backbone.source


@pytest.mark.parametrize("place", ["own", "keras/models"])
def test_the_official_file_serves_too_also_from_keras_own_cache(tmp_path, place):
    model = tiny_net()
    with h5py.File(tmp_path / place / OFFICIAL, "w") as file:  # the official files are in Keras' older format
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
    np.testing.assert_equal(load_network("vgg16").model.get_weights(), model.get_weights())


def test_random_weights_in_vgg19s_official_layout_load_and_vgg16s_are_refused(own_folder):
    path = own_folder / "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"
    vgg19, vgg16 = (
        build(include_top=False, weights=None) for build in (keras.applications.VGG19, keras.applications.VGG16)
    )
    for model in (vgg19, vgg16):
        with h5py.File(path, "w") as file:
            legacy_h5_format.save_weights_to_hdf5_group(file, model)
        if model is vgg19:
            np.testing.assert_equal(load_network("vgg19", "vgg16").model.get_weights(), vgg19.get_weights())
    with pytest.raises(UserError, match=f"{path} cannot be read"):
        load_network("vgg19")


@pytest.mark.parametrize("name", ["xception", "resnet50", "mobilenet"])
def test_the_other_networks_of_notebook_02_load_from_a_file_too(own_folder, name):
    built = pretrained._NETS[name].build(include_top=False, weights=None)
    built.save_weights(own_folder / f"{name}_notop.weights.h5")
    loaded = load_network(name)
    assert loaded.name == name and not loaded.is_embedded
    np.testing.assert_equal(loaded.model.get_weights(), built.get_weights())


def test_without_a_file_the_embedded_net_stands_in_and_says_so(capsys):
    backbone = load_network("vgg16")
    assert backbone.is_embedded and backbone.name == "feature_net" and backbone.preprocessing is pretrained.CENTRED
    line = capsys.readouterr().out
    assert line.count("\n") == 1 and "in place of vgg16" in line and OFFICIAL in line


def test_the_stand_in_can_be_asked_for(saved, monkeypatch):
    monkeypatch.setenv("NB_DATA", "standin")
    assert load_network("vgg16").is_embedded


def test_with_real_data_nothing_stands_in(own_folder, monkeypatch):
    monkeypatch.setenv("NB_DATA", "real")
    with pytest.raises(UserError, match=OFFICIAL) as refusal:
        load_network("vgg16")
    assert str(own_folder) in str(refusal.value)


def half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def bomb(path):
    """Put an array of 40 MB, of which nothing is in the file, in the place of the first weights."""
    with h5py.File(path, "a") as file:
        names = []
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        del file[names[0]]
        file.create_dataset(names[0], dtype="f4", shape=(10_000_000,), chunks=(1_024,))


def a_layer_short(path):
    model = tiny_net()
    keras.Model(model.input, model.get_layer("block1_conv1").output).save_weights(path)


DAMAGE = {
    "half": half,
    "bomb": bomb,
    "another net": lambda path: tiny_net(width=5).save_weights(path),
    "a layer short": a_layer_short,
    "empty": lambda path: path.write_bytes(b""),
    "a web page": lambda path: path.write_text("<html>Not found</html>"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_or_wrong_file_is_refused_with_its_name(saved, own_folder, damage):
    path = own_folder / "vgg16_notop.weights.h5"
    DAMAGE[damage](path)
    with pytest.raises(UserError, match=f"{path} cannot be read"):
        load_network("vgg16")


@pytest.mark.parametrize("data", ["auto", "real"])
def test_of_several_the_first_that_is_available_is_loaded(saved, monkeypatch, data):
    monkeypatch.setenv("NB_DATA", data)
    assert load_network("vgg19", "vgg16").name == "vgg16"


def test_an_unknown_net_is_refused_with_the_names_there_are():
    with pytest.raises(UserError, match="'resnet'.*inception_v3.*resnet50, vgg19, vgg16, feature_net"):
        load_network("resnet")


def test_features_are_the_layers_activations_and_nothing_deeper(embedded, photograph):
    batch = embedded.preprocessing.preprocess(photograph)[None]
    model = features(embedded, ["block2_conv1", "block1_conv2"])
    found = model(batch)
    assert list(found) == ["block2_conv1", "block1_conv2"]
    assert found["block2_conv1"].shape == (1, 100, photograph.shape[1] // 2, 64)
    assert [layer.name for layer in model.layers[1:]] == ["block1_conv1", "block1_conv2", "block1_pool", "block2_conv1"]
    assert model.trainable_weights == []
    first, second = (embedded.model.get_layer(name) for name in ("block1_conv1", "block1_conv2"))
    np.testing.assert_allclose(found["block1_conv2"], second(first(batch)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("names", "key"),
    [
        (["block2_conv7"], "block2_conv1"),
        (["block1_conv1", "mixed4"], "mixed4"),
        ([], "no layer"),
        (["picture"], "picture"),
    ],
)
def test_unknown_layers_are_refused_with_near_names(embedded, names, key):
    with pytest.raises(UserError, match=key):
        features(embedded, names)


def test_channels_of_a_layer(embedded):
    assert embedded.channels("block3_conv2") == 128
    with pytest.raises(UserError, match="block9"):
        embedded.channels("block9")


@pytest.mark.parametrize("name", ["vgg16", "vgg19", "feature_net"])
def test_presets_name_layers_that_exist_the_shallowest_first(name):
    net = pretrained._NETS[name]
    build = keras.applications.VGG16 if name == "vgg16" else net.build
    model = build() if name == "feature_net" else build(include_top=False, weights=None)
    layers = pretrained.Backbone(name, model, net.preprocessing, net.presets, "", False).layers()
    places = [layers.index(layer) for layer in net.presets.style]
    assert places == sorted(places) and net.presets.content in layers


def test_the_books_settings():
    vgg19 = pretrained._NETS["vgg19"].presets
    assert vgg19.style == ("block1_conv1", "block2_conv1", "block3_conv1", "block4_conv1", "block5_conv1")
    assert vgg19.content == "block5_conv2"


def test_layers_that_keras_numbers_anew_in_each_kernel_are_not_offered():
    net = pretrained._NETS["inception_v3"]
    model = net.build(include_top=False, weights=None)
    layers = pretrained.Backbone("inception_v3", model, net.preprocessing, net.presets, "", False).layers()
    assert layers == [name for name in layers if name.startswith("mixed")] and len(layers) == 13


def test_the_embedded_nets_activations_are_near_one_on_a_photograph(embedded, photograph):
    names = [name for name in embedded.layers() if "conv" in name]
    found = features(embedded, names)(embedded.preprocessing.preprocess(photograph)[None])
    assert len(names) == 10 and all(0.5 < float(np.mean(values)) < 2 for values in found.values())


def test_the_embedded_nets_card_says_what_it_is():
    shipped = weights.load_weights("feature_net")
    assert len(shipped.symbols) == CLASSES and "non-commercial" in shipped.facts["licence"]
    assert sum(array.size for array in shipped.arrays) == build_feature_net().count_params()


# Where Keras has the first part of the address of a network's weights, and how it is called there.
ADDRESSES = {name: (name, "WEIGHTS_PATH_NO_TOP") for name in ("inception_v3", "vgg19", "vgg16", "xception")}
ADDRESSES |= {"mobilenet": ("mobilenet", "BASE_WEIGHT_PATH"), "resnet50": ("resnet", "BASE_WEIGHTS_PATH")}


@pytest.mark.parametrize("name", ADDRESSES)
def test_the_manifest_names_what_keras_itself_would_download(name):
    (file,) = sources.manifest()[name].files
    file_name, constant = ADDRESSES[name]
    module = getattr(keras.src.applications, file_name)
    assert file.url.startswith(getattr(module, constant)) and file.url.endswith(f"/{file.name}")
    if file.md5:  # Keras compares no hash of MobileNet's
        assert file.md5 in Path(module.__file__).read_text(encoding="utf-8") and file.known_hash == f"md5:{file.md5}"
    assert sources.manifest()[name].serves == (f"{name}_notop.weights.h5",) and file.bytes < sources.LARGEST_DOWNLOAD


@pytest.mark.parametrize("name", ["inception_v3", "vgg16", "vgg19"])
def test_real_weights_tell_photographs_apart(name, monkeypatch, photograph):
    """Deep features of a photograph are nearer to its mirror image's than to another photograph's."""
    if not REAL_FOLDER or not (Path(REAL_FOLDER) / f"{name}_notop.weights.h5").exists():
        pytest.skip("the real weights are not here")
    monkeypatch.setenv("GENERATIVE_DATA_DIR", REAL_FOLDER)
    monkeypatch.setenv("NB_DATA", "real")
    if name == "vgg16":
        monkeypatch.setitem(pretrained._NETS, name, replace(pretrained._NETS[name], build=keras.applications.VGG16))
    backbone = load_network(name)
    deepest = {"inception_v3": "mixed7", "vgg16": "block5_conv3", "vgg19": "block5_conv4"}[name]
    flower = images.fit(load_sample_image("flower.jpg").astype(np.float32) / 255, 200)
    batch = backbone.preprocessing.preprocess(np.stack([photograph, photograph[:, ::-1], flower]))
    vectors = np.mean(features(backbone, [deepest])(batch)[deepest], axis=(1, 2))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert vectors[0] @ vectors[1] > 0.9
    assert vectors[0] @ vectors[2] < 0.75


RANGES = [pretrained.INCEPTION, pretrained.VGG, pretrained.CENTRED]


@pytest.mark.parametrize("pair", RANGES, ids=lambda pair: pair.name)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("convert", [np.asarray, tf.constant, tf.Variable])
def test_preprocessing_goes_there_and_back(pair, dtype, convert):
    picture = np.random.default_rng(0).uniform(-0.2, 1.2, (2, 9, 5, 3)).astype(dtype)
    values = pair.preprocess(convert(picture))
    back = pair.deprocess(values)
    assert isinstance(back, np.ndarray) == (convert is np.asarray)
    assert np.asarray(values).dtype == np.asarray(back).dtype == dtype
    assert np.abs(np.asarray(back) - picture).max() < 1e-6
    assert np.asarray(values) == pytest.approx(pair.preprocess(picture), rel=1e-5, abs=1e-5)


def test_preprocessing_is_that_of_the_networks():
    picture = np.random.default_rng(0).uniform(0, 1, (4, 5, 3)).astype(np.float32)
    inception = keras.applications.inception_v3.preprocess_input(picture * 255)
    vgg = keras.applications.vgg19.preprocess_input(picture * 255)
    assert pretrained.INCEPTION.preprocess(picture) == pytest.approx(inception, abs=1e-4)
    assert pretrained.VGG.preprocess(picture) == pytest.approx(vgg, abs=1e-3)
    assert pretrained.CENTRED.preprocess(np.array([[0.5, 0.25, 1.0]])).tolist() == [[0, -1, 2]]


@pytest.mark.parametrize("pair", RANGES, ids=lambda pair: pair.name)
def test_preprocessing_refuses_whole_numbers(pair):
    for picture in (np.ones((2, 2, 3), np.uint8), tf.ones((2, 2, 3), tf.uint8)):
        with pytest.raises(UserError, match="255"):
            pair.preprocess(picture)
