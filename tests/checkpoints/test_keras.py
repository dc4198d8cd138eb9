"""Weight files of Keras against outputs of Keras, and files that must be refused."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from checkpoints.saved_by_keras import layers_of, randomised, save, save3
from dmcnn._common.errors import InputError
from dmcnn.checkpoints import load
from dmcnn.checkpoints.keras_file import read_weights
from dmcnn.images.scaling import scale_
from dmcnn.inference.predictor import load_predictor
from dmcnn.models.cnn3d import CNN3D
from dmcnn.models.lariat import LArIAT
from dmcnn.tasks import Classification

SMALL = {"num_class": 3, "channels": 2, "height": 38, "width": 30}
"""Arguments of a LArIAT network whose 64 last maps have 3 x 2 pixels."""

CNN3D_SMALL: dict[str, Any] = {
    **{"channels": 9, "height": 8, "width": 14, "num_class": 4, "activation": "elu"},
    **{"filters_1": 3, "kernel_1": 5, "filters_2": 4, "kernel_2": 3, "dense_1": 6, "dense_2": 5},
}
"""Arguments of a CNN3D network whose 4 last maps have 2 x 2 x 3 voxels."""


def test_lariat_gives_the_outputs_of_keras(shared_data: Path) -> None:
    net, card = load.load(shared_data / "keras" / "lariat_keras.h5")
    oracle = np.load(shared_data / "keras" / "lariat_oracle.npz")
    images = scale_(torch.from_numpy(oracle["images"])[:, None].clone(), card.scaling)
    assert (card.model, card.scaling, card.signal) == ("lariat", "minmax", None)
    assert card.classes == ["electron", "kaon", "muon", "photon", "pion", "pion_zero"]
    assert card.reading == {"xdim": 146, "ydim": 240}
    with torch.inference_mode():
        softmax = Classification(card).scores(net(images).numpy())
        blocks = [net.features[:4](images[:2]), net.features(images[:2])]
    np.testing.assert_allclose(softmax, oracle["softmax"], atol=1e-5, rtol=0)
    for maps, name in zip(blocks, ("after_block1", "after_block3"), strict=True):
        np.testing.assert_allclose(maps.permute(0, 2, 3, 1), oracle[name], atol=1e-5, rtol=0)


def test_cnn3d_gives_the_outputs_of_keras(shared_data: Path) -> None:
    predictor = load_predictor(str(shared_data / "keras" / "cnn3d_keras.h5"), gpuid="cpu")
    oracle = np.load(shared_data / "keras" / "cnn3d_oracle.npz")
    card = predictor.card
    assert (card.model, card.scaling, card.classes) == ("cnn3d", "none", ["photon", "electron"])
    assert card.signal == "electron"
    with torch.inference_mode():
        softmax = Classification(card).scores(predictor.net(torch.from_numpy(oracle["voxels"])).numpy())
    np.testing.assert_allclose(softmax, oracle["softmax"], atol=1e-5, rtol=0)


def test_any_sizes_and_settings_are_found_in_the_file(tmp_path: Path) -> None:
    sizes = {"channels": 9, "height": 8, "width": 14, "num_class": 4, "activation": "elu"}
    sizes |= {"filters_1": 3, "kernel_1": 5, "filters_2": 4, "kernel_2": 3, "dense_1": 6, "dense_2": 5}
    net = randomised(CNN3D(**sizes), 1)
    path = save(tmp_path / "x.h5", layers_of(net, (2, 2, 3, 4)), (9, 8, 14, 1))
    loaded, card = load.load(path)
    assert card.arguments == sizes
    assert card.classes == ["class0", "class1", "class2", "class3"]
    assert card.signal is None
    images = torch.rand(2, 9, 8, 14)
    with torch.inference_mode():
        torch.testing.assert_close(loaded(images), net(images), rtol=1e-5, atol=1e-5)
    card.build().load_state_dict(loaded.state_dict())  # nothing is left on the meta device


def test_weights_alone_and_layers_out_of_order(tmp_path: Path) -> None:
    net = randomised(LArIAT(), 2)
    images = torch.rand(1, 1, 240, 146)
    with torch.inference_mode():
        expected = net(images)
    alone = save(tmp_path / "alone.hdf5", layers_of(net, (28, 16, 64)), None)
    found, card = load.load(alone)
    assert card.arguments == {"num_class": 6, "channels": 1, "height": 240, "width": 146}
    with torch.inference_mode():
        torch.testing.assert_close(found(images), expected, rtol=0, atol=0)
    path = save(tmp_path / "x.h5", layers_of(net, (28, 16, 64)), (240, 146, 1))
    with h5py.File(path, "r+") as file:  # as a graph lists them: the config decides
        names = list(file["model_weights"].attrs["layer_names"])
        file["model_weights"].attrs["layer_names"] = names[::-1]
    assert list(read_weights(path).layers) == names
    found, _ = load.load(path)
    with torch.inference_mode():
        torch.testing.assert_close(found(images), expected, rtol=0, atol=0)


def test_long_lists_of_layers_come_in_parts(tmp_path: Path) -> None:
    path = save(tmp_path / "x.h5", small_layers(), (38, 30, 2))
    with h5py.File(path, "r+") as file:
        attributes = file["model_weights"].attrs
        names = list(attributes["layer_names"])
        del attributes["layer_names"]
        attributes["layer_names0"], attributes["layer_names1"] = names[:4], np.array(names[4:], "S")
    assert list(read_weights(path).layers) == names


def small_layers() -> list[dict[str, Any]]:
    return layers_of(randomised(LArIAT(**SMALL), 3), (3, 2, 64))


def changed(change: Callable[[list[dict[str, Any]]], None]) -> list[dict[str, Any]]:
    layers = small_layers()
    change(layers)
    return layers


def put(number: int, **entries: Any) -> Callable[[list[dict[str, Any]]], None]:
    return lambda layers: layers[number]["config"].update(entries)


def weigh(number: int, **arrays: Any) -> Callable[[list[dict[str, Any]]], None]:
    return lambda layers: layers[number]["weights"].update(arrays)


FAULTS: dict[str, tuple[Callable[[list[dict[str, Any]]], Any], str]] = {
    "padding": (put(0, padding="same"), r"layer 'layer_0': found 'Conv2D .*same.*expects 'Conv2D .*valid"),
    "activation": (put(3, activation="tanh"), "layer 'layer_3': found 'tanh', LArIAT expects 'relu'"),
    "epsilon": (put(1, epsilon=1e-5), "found 'BatchNormalization of epsilon 1e-05'.*0.001"),
    "pooling": (put(2, pool_size=[3, 3]), r"layer 'layer_2': found 'MaxPooling2D of \(3, 3\)"),
    "order": (lambda layers: layers.insert(1, layers.pop(2)), "'layer_2': found 'MaxPooling2D"),
    "channels first": (put(0, data_format="channels_first"), "'Conv2D of channels_first'"),
    "another layer": (
        lambda layers: layers.append(
            {"class_name": "LSTM", "config": {"name": "memory"}, "weights": {"kernel": np.zeros((2, 2))}}
        ),
        r"10 layers with weights \('layer_0', .*'memory'\), LArIAT has 9",
    ),
    "shape": (
        weigh(0, kernel=np.zeros((5, 3, 2, 16))),
        r"layer 'layer_0': kernel has shape \(5, 3, 2, 16\), LArIAT expects \(3, 3, 2, 16\)",
    ),
    "dense shape": (weigh(10, kernel=np.zeros((383, 64))), r"has shape \(383, 64\).*expects \(384, 64\)"),
    "no bias": (lambda layers: layers[0]["weights"].pop("bias"), "layer 'layer_0' has no bias but 'kernel'"),
    "not finite": (weigh(1, gamma=np.full(16, np.nan)), "layer 'layer_1': gamma holds NaN"),
    "not a network": (weigh(0, kernel=np.zeros(3)), "not the weights of a convolutional network"),
    "config": (put(0, strides=7), "its model_config describes no chain of layers"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_does_not_fit_is_one_line(tmp_path: Path, fault: str) -> None:
    change, words = FAULTS[fault]
    path = save(tmp_path / "x.h5", changed(change), (38, 30, 2))
    with pytest.raises(InputError, match=words) as error:
        load.load(path)
    assert len(error.value.faults) == 1
    assert str(error.value).startswith(f"{path}: ")


def hostile(path: Path, fault: str) -> None:
    with h5py.File(path, "r+") as file:
        group = file["model_weights/layer_0/layer_0"]
        config = json.loads(file.attrs["model_config"])
        if fault in ("unwritten", "text", "external", "soft", "raw"):
            del group["kernel:0"]
        if fault == "unwritten":
            group.create_dataset("kernel:0", (2**20, 2**20), "f4")
        elif fault == "text":
            group["kernel:0"] = b"import os"
        elif fault == "external":
            group["kernel:0"] = h5py.ExternalLink("/etc/passwd", "/")
        elif fault == "soft":
            group["kernel:0"] = h5py.SoftLink("/model_weights")
        elif fault == "raw":
            group.create_dataset("kernel:0", (3, 3, 2, 16), "f4", external=[("/etc/passwd", 0, 1152)])
        elif fault == "size":
            config["config"]["layers"][0]["config"]["batch_input_shape"] = [None, 2**40, 2**40, 2]
        elif fault == "unknown size":
            config["config"]["layers"][0]["config"]["batch_input_shape"] = [None, None, None, 2]
        elif fault == "numbers":
            file["model_weights"].attrs["layer_names"] = np.arange(4)
        elif fault == "list":
            config = [config]
        elif fault == "nowhere":
            del file["model_weights/layer_0"]
        elif fault == "unlisted":
            config["config"]["layers"].pop(1)
        file.attrs["model_config"] = "{" if fault == "json" else json.dumps(config)


@pytest.mark.parametrize(
    ("fault", "words"),
    [("unwritten", "more than the file stores"), ("text", "expected an array of floating-point"),
     ("external", "a link elsewhere"), ("soft", "a link elsewhere"), ("raw", "in another file"),
     ("size", "LArIAT expects|model 'lariat'"), ("unknown size", "describes no chain"), ("numbers", "is no text"),
     ("list", "expected the description of a model, found list"), ("json", "JSONDecodeError"),
     ("nowhere", "'layer_0' is a link elsewhere, or absent"), ("unlisted", "not in the model_config")],
)  # fmt: skip
def test_hostile_files(tmp_path: Path, fault: str, words: str) -> None:
    path = save(tmp_path / "x.h5", small_layers(), (38, 30, 2))
    load.load(path)
    hostile(path, fault)
    with pytest.raises(InputError, match=words) as error:
        load.load(path)
    assert "\n" not in str(error.value)


def test_other_files(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["Data/x"] = np.zeros(3)
    with pytest.raises(InputError, match="not weights of Keras: no attribute layer_names, it holds 'Data'"):
        load.load(tmp_path / "other.h5")
    with pytest.raises(InputError, match="no such file"):
        load.load(tmp_path / "absent.h5")
    with pytest.raises(InputError, match="no such file"):
        read_weights(tmp_path / "absent.h5")
    (tmp_path / "text.h5").write_text("hello")
    with pytest.raises(InputError, match=r"text\.h5: "):
        load.load(tmp_path / "text.h5")


@pytest.mark.slow
def test_random_damage_never_crashes_nor_hangs(tmp_path: Path) -> None:
    """One wrong byte outside the arrays gives the same network or an InputError of one line."""
    whole = save(tmp_path / "x.h5", small_layers(), (38, 30, 2)).read_bytes()
    places = np.frombuffer(whole, np.uint8).astype(bool)
    with h5py.File(tmp_path / "x.h5") as file:
        for _, one in _datasets(file):
            places[one.id.get_offset() : one.id.get_offset() + one.id.get_storage_size()] = False
    random, outcomes = np.random.default_rng(8), set()
    for _ in range(60):
        data = bytearray(whole)
        data[int(random.choice(np.flatnonzero(places)))] = int(random.integers(256))
        (tmp_path / "noise.h5").write_bytes(data)
        try:
            outcomes.add(load.load(tmp_path / "noise.h5")[1].model)
        except InputError as error:
            outcomes.add(f"error in {len(str(error).splitlines())} line")
    assert outcomes == {"lariat", "error in 1 line"}


def _datasets(file: h5py.File) -> list[tuple[str, h5py.Dataset]]:
    found: list[tuple[str, h5py.Dataset]] = []
    file.visititems(lambda name, one: found.append((name, one)) if isinstance(one, h5py.Dataset) else None)
    return found


def test_texts_whose_lengths_lead_nowhere(tmp_path: Path) -> None:
    """libhdf5 2.0 loops forever on a text whose length leads past the end of its heap."""
    path = save(tmp_path / "x.h5", small_layers(), (38, 30, 2))
    data = bytearray(path.read_bytes())
    heap = data.index(b"GCOL\x01\0\0\0")
    data[heap + 24 : heap + 32] = (2**40).to_bytes(8, "little")
    path.write_bytes(data)
    with pytest.raises(InputError, match="a text of 1099511627776 bytes, damaged file"):
        load.load(path)


@pytest.mark.parametrize(
    ("name", "words"), [("weight_names", 8 * (2 + 3 + 3)), ("model_config", 8 * (2 + 3 + 1))]
)
def test_a_text_longer_than_the_file(name: str, words: int, tmp_path: Path) -> None:
    """libhdf5 2.0 makes room for it, here 4 GB, before it finds that it is not there."""
    path = save(tmp_path / "x.h5", small_layers(), (38, 30, 2))
    data = bytearray(path.read_bytes())
    place = data.index(name.encode() + b"\0") + words
    length = int.from_bytes(data[place : place + 4], "little")
    assert 0 < length < len(data)
    data[place : place + 4] = b"\xff" * 4
    path.write_bytes(data)
    with pytest.raises(InputError, match=f"byte {place}: a text of 4294967295 bytes, damaged file"):
        load.load(path)


def test_files_of_keras_3(tmp_path: Path) -> None:
    """In the layouts of Keras 3.15; those of the program itself gave outputs within 6e-7."""
    net = randomised(LArIAT(**SMALL), 3)
    layers = layers_of(net, (3, 2, 64))
    for one in layers[1:2]:
        one["config"]["name"] = "my_layer"  # a name that does not tell the kind
    found, card = load.load(save3(tmp_path / "x.keras", layers, (38, 30, 2)))
    assert card.environment == {"keras": "3.15.1"}
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, found.state_dict()[name]), name
    whole = randomised(LArIAT(), 3)
    found, _ = load.load(save3(tmp_path / "x.weights.h5", layers_of(whole, (28, 16, 64)), None))
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, found.state_dict()[name]), name
    other = save3(tmp_path / "other.weights.h5", layers, None)
    with pytest.raises(InputError, match="weights alone do not tell the size of the images"):
        load.load(other)
    space_time = randomised(CNN3D(**CNN3D_SMALL), 1)
    found, _ = load.load(save3(tmp_path / "y.keras", layers_of(space_time, (2, 2, 3, 4)), (9, 8, 14, 1)))
    for name, tensor in space_time.state_dict().items():
        assert torch.equal(tensor, found.state_dict()[name]), name


def test_what_is_wrong_with_a_file_of_keras_3(tmp_path: Path) -> None:
    layers = layers_of(randomised(LArIAT(**SMALL), 3), (3, 2, 64))
    with pytest.raises(InputError, match=r"3 variables, expected gamma, beta"):
        load.load(save3(tmp_path / "x.keras", _without(layers), (38, 30, 2)))
    with zipfile.ZipFile(tmp_path / "y.keras", "w") as archive:
        archive.writestr("model.weights.h5", b"no HDF5")
    with pytest.raises(InputError, match=r"y\.keras: cannot be read"):
        load.load(tmp_path / "y.keras")


def _without(layers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the layers, the first normalisation without one of its four variables."""
    for one in layers:
        if one["class_name"] == "BatchNormalization":
            one["weights"].popitem()
            break
    return layers
