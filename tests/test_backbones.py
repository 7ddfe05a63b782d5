"""Backbones: where their weights come from, what they refuse, and what the notebooks read from them.

The nets' files are stood in for by those of a net of two layers; the real ones are read where
GENERATIVE_DATA_DIR has them.
"""

import os
import re
import tracemalloc
import zlib
from dataclasses import replace
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format
from sklearn.datasets import load_sample_image

from helpers import backbones, images, pretrained, sources
from helpers.backbones import CLASSES, build_feature_net
from helpers.errors import UserError

REAL_FOLDER = os.environ.get("GENERATIVE_DATA_DIR", "")
OFFICIAL = "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"


def tiny_net(include_top=False, weights=None, width=4):
    inputs = keras.Input((None, None, 3))
    outputs = keras.layers.Conv2D(width, 3, activation="relu", name="block1_conv1")(inputs)
    outputs = keras.layers.Conv2D(2, 3, name="block1_conv2")(outputs)
    return keras.Model(inputs, outputs, name="vgg16")


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """A folder of the reader's own, nothing in the caches, and a VGG16 of two layers."""
    folder = tmp_path / "own"
    (tmp_path / "keras" / "models").mkdir(parents=True)
    folder.mkdir()
    monkeypatch.setenv("GENERATIVE_DATA_DIR", str(folder))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("NB_OFFLINE", "1")
    monkeypatch.setenv("NB_DATA", "auto")
    sources.manifest()  # read, and kept, while the real checkout can be seen
    monkeypatch.setattr(sources, "CHECKOUT", tmp_path / "checkout")
    monkeypatch.setattr(sources.downloads, "user_cache", lambda: tmp_path / "user-cache")
    monkeypatch.setitem(backbones._NETS, "vgg16", replace(backbones._NETS["vgg16"], build=tiny_net))
    return folder


@pytest.fixture
def saved(own_folder):
    """The tiny net whose weights lie in the reader's folder, under the design's name."""
    model = tiny_net()
    model.save_weights(own_folder / "vgg16_notop.weights.h5")
    return model


@pytest.fixture(scope="module")
def embedded():
    return backbones.load_network("feature_net")


@pytest.fixture(scope="module")
def photograph():
    return images.fit(load_sample_image("china.jpg").astype(np.float32) / 255, 200)


def assert_same_weights(found, expected):
    for one, other in zip(found.weights, expected.weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_local_file_is_read(saved, capsys):
    backbone = backbones.load_network("vgg16")
    assert_same_weights(backbone.model, saved)
    assert backbone.name == "vgg16" and not backbone.is_embedded
    assert backbone.preprocessing is backbones.VGG
    assert backbone.model.trainable_weights == []
    assert capsys.readouterr().out == f"{backbone.source}\n"
    assert "local copy" in backbone.source and "vgg16_notop.weights.h5" in backbone.source


@pytest.mark.parametrize("place", ["own", "keras/models"])
def test_the_official_file_serves_too_also_from_keras_own_cache(tmp_path, place):
    model = tiny_net()
    with h5py.File(tmp_path / place / OFFICIAL, "w") as file:  # the official files are in Keras' older format
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
    assert_same_weights(backbones.load_network("vgg16").model, model)


def test_without_a_file_the_embedded_net_stands_in_and_says_so(capsys):
    backbone = backbones.load_network("vgg16")
    assert backbone.is_embedded and backbone.name == "feature_net"
    assert backbone.preprocessing is backbones.CENTRED
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    for part in ("in place of vgg16", "NB_OFFLINE is set", OFFICIAL, "58.9 MB", "GENERATIVE_DATA_DIR"):
        assert part in lines[0]


def test_the_stand_in_can_be_asked_for(saved, monkeypatch):
    monkeypatch.setenv("NB_DATA", "standin")
    assert backbones.load_network("vgg16").is_embedded


def test_real_falls_back_on_nothing(own_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("NB_DATA", "real")
    with pytest.raises(UserError) as refusal:
        backbones.load_network("vgg16")
    for part in (OFFICIAL, str(own_folder), str(tmp_path / "keras" / "models"), "https://storage", "NB_DATA=auto"):
        assert part in str(refusal.value)


def test_a_net_computes_in_float32_also_where_other_networks_do_not(saved, set_policy):
    """Style losses multiply activations of some thousands with each other: too large for float16."""
    picture = np.full((1, 8, 8, 3), 1.0001, np.float32)
    set_policy("mixed_float16")
    activations = backbones.features(backbones.load_network("vgg16"), ["block1_conv2"])(picture)["block1_conv2"]
    assert keras.config.dtype_policy().name == "mixed_float16"
    assert activations.dtype == "float32"
    set_policy("float32")
    np.testing.assert_allclose(activations, saved(picture), rtol=1e-5)  # neither was the picture rounded


def another_nets(path):
    tiny_net(width=5).save_weights(path)


def a_layer_short(path):
    model = tiny_net()
    keras.Model(model.input, model.get_layer("block1_conv1").output).save_weights(path)


def half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path):
    path.write_bytes(b"")


def a_web_page(path):
    path.write_text("<html>Not found</html>")


def kernel_replaced(path, **declared):
    """Put another array in the place of the first weights."""
    with h5py.File(path, "a") as file:
        names = []
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        del file[names[0]]
        if "link" in declared:
            file[names[0]] = declared["link"]
        else:
            file.create_dataset(names[0], dtype="f4", **declared)


def a_bomb(path):
    kernel_replaced(path, shape=(10_000_000,), chunks=(1_024,))  # of which nothing is in the file


def a_piece_far_larger_than_its_array(path):
    kernel_replaced(path, shape=(3, 3, 3, 4), maxshape=(None,) * 4, chunks=(3, 3, 3, 1_000_000), compression="gzip")


def kernel_packed(path, piece, *filters):
    """Put an array that is packed by these filters in the place of the first weights, its one piece as it is given."""
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    for number in filters:
        settings.set_filter(number, 0, (9,) if number == h5py.h5z.FILTER_DEFLATE else ())
    kernel_replaced(path, shape=(3, 3, 3, 4), chunks=(3, 3, 3, 4), dcpl=settings)
    with h5py.File(path, "a") as file:
        found = []
        file.visititems(lambda name, item: found.append(item) if getattr(item, "chunks", None) else None)
        found[0].id.write_direct_chunk((0, 0, 0, 0), piece)


def a_piece_that_unpacks_to_more(path):
    kernel_packed(path, zlib.compress(bytes(50_000_000)), h5py.h5z.FILTER_DEFLATE)


def packed_twice(path):
    """What comes of the first unpacking is small, what comes of the second is not."""
    piece = zlib.compress(zlib.compress(bytes(300_000), 9), 9)
    kernel_packed(path, piece, h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_DEFLATE)


def packed_in_another_way(path):
    kernel_replaced(path, shape=(3, 3, 3, 4), chunks=(3, 3, 3, 4), compression="lzf")


def numbers_of_another_file(path):
    (path.parent / "secret").write_bytes(bytes(40))
    kernel_replaced(path, shape=(10,), external=[(str(path.parent / "secret"), 0, 40)])


def a_link_to_another_file(path):
    kernel_replaced(path, link=h5py.ExternalLink("other.h5", "x"))


def a_link_to_nowhere(path):
    kernel_replaced(path, link=h5py.SoftLink("/nowhere"))


LIES = {a_bomb: "large", a_piece_far_larger_than_its_array: "large", a_piece_that_unpacks_to_more: "unpacks"}
LIES |= {packed_in_another_way: "another way", packed_twice: "another way"}
LIES |= dict.fromkeys((numbers_of_another_file, a_link_to_another_file, a_link_to_nowhere), "other files")


def checked_before_packing():
    """Settings of a file in which the checksum is packed with the numbers; h5py by itself adds it afterwards."""
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    settings.set_fletcher32()
    return {"dcpl": settings}


@pytest.mark.parametrize("options", [{}, {"shuffle": True, "fletcher32": True}, checked_before_packing()])
def test_weights_that_are_packed_are_read(saved, own_folder, options):
    path = own_folder / "vgg16_notop.weights.h5"
    kernel = np.linspace(-1, 1, 108).reshape(3, 3, 3, 4)
    kernel_replaced(path, data=kernel, chunks=(3, 3, 3, 3), compression="gzip", **options)
    np.testing.assert_allclose(backbones.load_network("vgg16").model.get_weights()[0], kernel, rtol=1e-6)


@pytest.mark.parametrize("lie", LIES)
def test_a_file_that_lies_or_leads_elsewhere_is_refused_before_it_is_read(saved, own_folder, lie):
    lie(own_folder / "vgg16_notop.weights.h5")
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match="cannot be read as the weights") as caught:
            backbones.load_network("vgg16")
        assert LIES[lie] in str(caught.value.__cause__)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("damage", [half, another_nets, a_layer_short, emptied, a_web_page])
def test_a_damaged_or_wrong_file_is_refused_with_its_name(saved, own_folder, damage):
    path = own_folder / "vgg16_notop.weights.h5"
    damage(path)
    with pytest.raises(UserError, match=f"{path} cannot be read as the weights of vgg16.*get it again"):
        backbones.load_network("vgg16")


def test_an_unknown_net_is_refused_with_the_names_there_are():
    with pytest.raises(UserError, match="'resnet'. Known: inception_v3, vgg19, vgg16, feature_net"):
        backbones.load_network("resnet")


def test_features_are_the_layers_activations_and_nothing_deeper(embedded, photograph):
    batch = embedded.preprocessing.preprocess(photograph)[None]
    names = ["block2_conv1", "block1_conv2"]
    model = backbones.features(embedded, names)
    found = model(batch)
    assert list(found) == names
    assert found["block2_conv1"].shape == (1, 100, photograph.shape[1] // 2, 64)
    assert [layer.name for layer in model.layers[1:]] == ["block1_conv1", "block1_conv2", "block1_pool", "block2_conv1"]
    assert model.trainable_weights == []
    by_hand = embedded.model.get_layer("block1_conv1")(batch)
    np.testing.assert_allclose(
        found["block1_conv2"], embedded.model.get_layer("block1_conv2")(by_hand), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["block2_conv7"], "no layer 'block2_conv7'. Use one such as block2_conv"),
        (["block1_conv1", "mixed4"], "no layer 'mixed4'. Use one such as block1_conv1, block1_conv2"),
        ([], "no layer is named"),
        (["picture"], "no layer 'picture'"),
    ],
)
def test_unknown_layers_are_refused_with_near_names(embedded, names, says):
    with pytest.raises(UserError, match=says):
        backbones.features(embedded, names)


def test_channels_of_a_layer(embedded):
    assert embedded.channels("block3_conv2") == 128
    with pytest.raises(UserError, match="block9"):
        embedded.channels("block9")


@pytest.mark.parametrize("name", backbones.NAMES)
def test_presets_name_layers_that_exist_the_shallowest_first(name, monkeypatch, embedded):
    net = backbones._NETS[name]
    if name == "vgg16":
        net = replace(net, build=keras.applications.VGG16)
    model = embedded.model if name == "feature_net" else net.build(include_top=False, weights=None)
    backbone = backbones.Backbone(name, model, net.preprocessing, net.presets, "", False)
    layers = backbone.layers()
    assert list(net.presets.dream) == ["first edition", "second edition"]
    chosen = [list(weights) for weights in net.presets.dream.values()]
    if net.presets.style:
        chosen += [list(net.presets.style), [net.presets.content]]
    for names in chosen:
        places = [layers.index(layer) for layer in names]
        assert places == sorted(places)
    least = net.presets.least_size
    assert min(keras.Model(model.input, model.get_layer(layers[-1]).output).compute_output_shape((1, least, least, 3)))


def test_the_books_settings():
    dream = backbones._NETS["inception_v3"].presets.dream
    assert dream["first edition"] == {"mixed2": 0.2, "mixed3": 3.0, "mixed4": 2.0, "mixed5": 1.5}
    assert dream["second edition"] == {"mixed4": 1.0, "mixed5": 1.5, "mixed6": 2.0, "mixed7": 2.5}
    vgg19 = backbones._NETS["vgg19"].presets
    assert vgg19.style == ("block1_conv1", "block2_conv1", "block3_conv1", "block4_conv1", "block5_conv1")
    assert vgg19.content == "block5_conv2"


def test_inception_is_not_offered_for_style_transfer():
    assert backbones._NETS["inception_v3"].presets.style == ()


def test_a_picture_too_small_is_refused_with_the_least_size(embedded):
    least = embedded.presets.least_size
    embedded.check_size(least, 500)
    assert min(embedded.model(np.zeros((1, least, least, 3), np.float32)).shape) > 0
    with pytest.raises(UserError, match=f"500 x {least - 1} pixels are too few for feature_net.*{least}"):
        embedded.check_size(500, least - 1)


def test_the_embedded_nets_activations_are_near_one_on_a_photograph(embedded, photograph):
    names = [name for name in embedded.layers() if "conv" in name]
    assert len(names) == 10
    for name, values in backbones.features(embedded, names)(
        embedded.preprocessing.preprocess(photograph)[None]
    ).items():
        assert 0.5 < float(np.mean(values)) < 2, name


def test_the_embedded_nets_card_says_what_it_is():
    shipped = pretrained.load("feature_net")
    assert len(shipped.symbols) == CLASSES
    assert "non-commercial" in shipped.facts["licence"]
    assert set(shipped.facts) == {"made by", "data", "training", "held out", "date", "licence"}
    assert sum(array.size for array in shipped.arrays) == build_feature_net().count_params()
    assert (pretrained.FOLDER / "feature_net.npz").stat().st_size <= 5_000_000


@pytest.mark.parametrize("name", ["inception_v3", "vgg19", "vgg16"])
def test_the_manifest_names_what_keras_itself_would_download(name):
    (file,) = sources.manifest()[name].files
    module = getattr(keras.src.applications, name)
    assert file.url == module.WEIGHTS_PATH_NO_TOP
    assert re.fullmatch("[0-9a-f]{32}", file.md5) and file.md5 in Path(module.__file__).read_text(encoding="utf-8")
    assert file.known_hash == f"md5:{file.md5}"
    assert sources.manifest()[name].serves == (f"{name}_notop.weights.h5",)


def real(name):
    there = (Path(REAL_FOLDER) / f"{name}_notop.weights.h5").exists()
    return pytest.param(
        name, marks=pytest.mark.skipif(not (REAL_FOLDER and there), reason="the real weights are not here")
    )


@pytest.mark.parametrize("name", [real("inception_v3"), real("vgg16"), real("vgg19")])
def test_real_weights_tell_photographs_apart(name, monkeypatch, photograph):
    """Deep features of a photograph are nearer to its mirror image's than to another photograph's."""
    monkeypatch.setenv("GENERATIVE_DATA_DIR", REAL_FOLDER)
    monkeypatch.setenv("NB_DATA", "real")
    if name == "vgg16":
        monkeypatch.setitem(backbones._NETS, name, replace(backbones._NETS[name], build=keras.applications.VGG16))
    backbone = backbones.load_network(name)
    assert not backbone.is_embedded
    deepest = list(backbone.presets.dream["second edition"])[-1]
    flower = images.fit(load_sample_image("flower.jpg").astype(np.float32) / 255, 200)
    batch = backbone.preprocessing.preprocess(np.stack([photograph, photograph[:, ::-1], flower]))
    vectors = np.mean(backbones.features(backbone, [deepest])(batch)[deepest], axis=(1, 2))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert vectors[0] @ vectors[1] > 0.9
    assert vectors[0] @ vectors[2] < 0.75
