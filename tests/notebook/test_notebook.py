"""Networks, datasets and checkpoints in a notebook: the scores of infer, whatever is given, and pictures."""

from __future__ import annotations

import csv
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

import dmcnn
from conftest import toy_images
from dmcnn import infer
from dmcnn._common.errors import InputError
from dmcnn.checkpoints.card import KEY, Card
from dmcnn.checkpoints.save import save as write
from dmcnn.datasets.event import Event
from dmcnn.images.sparse import UNSET, join
from dmcnn.inference.predictor import Predictor
from dmcnn.tables.result_table import ResultTable

SIZES = {"num_class": 2, "channels": 1, "height": 128, "width": 128}
LOW, HIGH = 60.0, 200.0
"""A threshold and a clip that matter: the charges of toy images are 30 to 300."""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with weights at random, a window and a scaling."""
    torch.manual_seed(3)
    card = Card(
        "lariat", SIZES, ["signal", "background"], "signal", "softmax",
        {"adc_lo": LOW, "adc_hi": HIGH, "xdim": 128, "ydim": 128, "bad_pixels": "zero"}, "minmax",
    )  # fmt: skip
    path = tmp_path_factory.mktemp("weights") / "toy.ckpt"
    write(path, {KEY: card.as_dict(), "state_dict": card.build().state_dict()})
    return path


@pytest.fixture(scope="module")
def net(weights: Path) -> Predictor:
    return dmcnn.load(weights, device="cpu")


@pytest.fixture(scope="module")
def files(toy_files: dict[str, Path]) -> str:
    return str(toy_files["test"])


@pytest.fixture(scope="module")
def expected(weights: Path, files: str, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """The table of ``infer``."""
    folder = tmp_path_factory.mktemp("scores")
    words = [f"weight_file={weights}", f"input_file={files}", f"output_dir={folder}", "GPUID=cpu"]
    assert infer.main(words) == 0
    with (folder / "toy_test_DM-CNN_scores.csv").open() as file:
        return list(csv.DictReader(file))


def logits(table: ResultTable) -> NDArray[np.float64]:
    return np.stack([table["logit_signal"], table["logit_background"]], axis=1)


def of(expected: list[dict[str, str]]) -> NDArray[np.float64]:
    return np.array([[float(row["logit_signal"]), float(row["logit_background"])] for row in expected])


@pytest.mark.slow
def test_every_kind_of_images_gives_the_scores_of_infer(
    net: Predictor, files: str, expected: list[dict[str, str]]
) -> None:
    data, windowed = dmcnn.open(files), dmcnn.open(files, adc_lo=LOW, adc_hi=HIGH)
    narrow = dmcnn.open(files, adc_lo=150, adc_hi=160)  # what was cut away is read again
    raw = data.read()
    assert (raw.value < LOW).any()
    assert (raw.value > HIGH).any()
    kinds: dict[str, Any] = {
        "path": files, "Path": Path(files), "list": [files], "dataset": data, "windowed": windowed, "narrow": narrow,
        "sparse": raw, "events": list(data), "narrow events": list(narrow), "array": raw.dense(),
        "tensor": torch.from_numpy(raw.dense()),
    }  # fmt: skip
    for kind, images in kinds.items():
        np.testing.assert_allclose(logits(net(images)), of(expected), rtol=0, atol=1e-6, err_msg=kind)
    assert logits(net(raw.dense()[4]))[0] == pytest.approx(of(expected)[4], abs=1e-6)
    assert logits(net(narrow[4]))[0] == pytest.approx(of(expected)[4], abs=1e-6)
    np.testing.assert_allclose(logits(net(data[3:7])), of(expected)[3:7], rtol=0, atol=1e-6)
    np.testing.assert_allclose(logits(net(narrow[3:7])), of(expected)[3:7], rtol=0, atol=1e-6)
    prepared = net.scores(net.open(files).read(), is_prepared=True)
    np.testing.assert_allclose(logits(prepared), of(expected), rtol=0, atol=1e-6)


def test_the_table_is_that_of_infer(
    net: Predictor, files: str, expected: list[dict[str, str]], tmp_path: Path
) -> None:
    table = net(files)
    table.write(tmp_path / "x.csv")
    with (tmp_path / "x.csv").open() as file:
        found = list(csv.DictReader(file))
    words = [name for name in expected[0] if not name.startswith(("logit", "signal_score"))]
    assert [list(row) for row in found] == [list(row) for row in expected]
    assert [[row[name] for name in words] for row in found] == [
        [row[name] for name in words] for row in expected
    ]
    assert len(table) == 11
    assert table["run_number"].dtype == np.uint64
    assert table["signal_score"].dtype == np.float64
    assert "11 rows" in repr(table)
    assert "the first 10 are shown" in table._repr_html_()
    with pytest.raises(KeyError, match=r"'signal_scor' \(did you mean 'signal_score'"):
        table["signal_scor"]


def test_labels_are_those_of_the_user_or_of_training(net: Predictor, files: str) -> None:
    assert net(files)["label"].tolist() == ["signal", "background"] * 5 + ["signal"]
    assert net.scores(files, label="run == 7")["label"].tolist() == ["background", "signal"] * 5 + [
        "background"
    ]
    data = dmcnn.open(files, label="run == 7", classes=["no", "yes"], signal="yes")
    assert net(data)["label"].tolist() == ["no", "yes"] * 5 + ["no"]
    assert net(data[1])["label"].tolist() == ["yes"]
    assert net(dmcnn.open(files)[1])["label"].tolist() == [None]


def test_tables_go_to_arrow(net: Predictor, files: str) -> None:
    table = net(files)
    arrow = table.to_arrow()
    assert arrow.column_names == list(table.columns)
    assert arrow["signal_score"].to_pylist() == table["signal_score"].tolist()
    pyarrow = pytest.importorskip("pyarrow")
    assert pyarrow.table(table).equals(arrow)
    huge = ResultTable({"event_number": [None, 2**64 - 2], "x": np.array([1.0, np.nan])})
    assert huge.to_arrow()["event_number"].to_pylist() == [None, 2**64 - 2]
    assert huge.text().rows == [("", "1.0"), (str(2**64 - 2), "")]


def test_tables_go_to_pandas(net: Predictor, files: str) -> None:
    pytest.importorskip("pandas")
    table = net(files)
    frame = table.to_pandas()
    assert list(frame.columns) == list(table.columns)
    assert frame["signal_score"].tolist() == table["signal_score"].tolist()
    assert frame["run_number"].tolist() == [100, 7] * 5 + [100]
    huge = ResultTable({"event_number": [None, 2**64 - 2]}).to_pandas()
    assert huge["event_number"].isna().tolist() == [True, False]
    assert huge["event_number"][1] == 2**64 - 2


@pytest.mark.parametrize(
    ("images", "fault"),
    [
        (np.zeros((1, 64, 64)), r"images are \(1, 64, 64\), the network takes \(1, 128, 128\)"),
        (
            np.zeros((128, 128)),
            r"an array of shape \(128, 128\) and type float64, expected numbers \(channels, rows",
        ),
        (np.full((1, 128, 128), np.nan), "16384 pixels are NaN or infinite"),
        ([], r"an array of shape \(0,\)"),
        ("absent.h5", "absent.h5: no such file"),
    ],
)
def test_images_that_do_not_fit(net: Predictor, images: Any, fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        net(images)


@pytest.mark.slow
def test_arrays_of_unknown_unit_are_refused() -> None:
    reading = {"charge": "standardised", "charge_mean": 3.0, "charge_std": 2.0, "slices": [0, 19]}
    names, scales = ["x-midplane", "y-midplane", "cotAlpha", "cotBeta"], [75.0, 18.75, 8.0, 0.5]
    sizes = {"num_class": 14, "channels": 2, "height": 13, "width": 21, "bits_1": 0, "bits_2": 0}
    card = Card("smartpixel", sizes, [], None, "none", reading, targets=names, target_scales=scales)
    net = Predictor(card.build(), card)
    array = np.ones((2, 13, 21))
    with pytest.raises(InputError, match="charge = 'standardised', but the unit of an array is unknown"):
        net(array)
    table = net.scores(array, is_prepared=True)
    assert np.isfinite(table["sigma_cotBeta"]).all()
    assert np.isnan(table["true_cotBeta"]).all()
    assert table["cluster_size"].tolist() == [273]
    assert table["n_pixels"].tolist() == [546]
    with pytest.raises(
        InputError, match="attribution needs a network of classes, this one estimates x-midplane"
    ):
        net.explain(array, is_prepared=True)
    data = dmcnn.open("sample://smartpixel/test?events=6", targets=card.targets)
    again = dmcnn.open("sample://smartpixel/test?events=6", **reading).read()
    found, events = net(data), net(list(data))  # read again as the network takes them
    direct = net.scores(again, is_prepared=True)
    for name in ("cotBeta", "sigma_cotBeta"):
        np.testing.assert_array_equal(found[name], direct[name])
        np.testing.assert_array_equal(events[name], direct[name])
    np.testing.assert_allclose(events["true_cotBeta"], found["true_cotBeta"], rtol=1e-6)
    assert found["cluster_size"].tolist() == events["cluster_size"].tolist()


def test_events(files: str) -> None:
    data = dmcnn.open(files, label="run == 100")
    event = data[3]
    assert isinstance(event, Event)
    assert event.ids == {"run": 7, "subrun": 1, "event": 1003}
    assert (event.label, event.entry, event.shape, event.meta.shape) == ("background", 3, (1, 128, 128), (1,))
    np.testing.assert_array_equal(event.image, toy_images(11, 2).dense()[3])
    np.testing.assert_array_equal(np.asarray(event), event.image)
    assert (
        repr(event)
        == "Event(run 7, subrun 1, event 1003, entry 3 of toy_test.h5, background, (1, 128, 128), 36 active pixels)"
    )
    assert data[-1].entry == 10
    assert [one.entry for one in data[8:]] == [8, 9, 10]
    assert len(data[3:5][1:]) == 1
    assert data[3:5][1:][0].entry == 4
    assert len(data[5:2]) == 0
    for wrong in (11, -12):
        with pytest.raises(IndexError, match="the dataset has 11"):
            data[wrong]
    with pytest.raises(ValueError, match="no step"):
        data[::2]
    with pytest.raises(TypeError):
        data["3"]  # type: ignore[call-overload]


def test_a_part_of_several_files_is_a_dataset(toy_files: dict[str, Path]) -> None:
    data = dmcnn.open([toy_files["train"], toy_files["test"]], label="run == 100")
    part = data[20:30]
    assert [(event.source, event.entry) for event in part] == [
        (str(toy_files["train"]), entry) for entry in range(20, 24)
    ] + [(str(toy_files["test"]), entry) for entry in range(6)]
    whole, found = data.read(20, 30), part.read()
    for name in ("offsets", "index", "value", "events", "label"):
        np.testing.assert_array_equal(getattr(found, name), getattr(whole, name))
    assert part[5:].fingerprint() != part.fingerprint()
    np.testing.assert_array_equal(data[26:].read().events["entry"], range(2, 11))


def test_a_dataset_tells_what_is_in_it(files: str) -> None:
    data = dmcnn.open(files, label="run == 100")
    share = 100 * data.read().n_pixels.mean() / 128**2
    assert repr(data) == (
        f"Dataset({files}: 11 events of (1, 128, 128), 6 signal, 5 background, {share:.3g} % of the pixels active)"
    )
    assert "no labels" in repr(dmcnn.open(files))
    assert repr(data.read()) == (
        f"SparseImages(11 images of (1, 128, 128), {share:.3g} % of the pixels active, labels int64 (11,))"
    )


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ({"label": "prefix"}, "label = 'prefix' needs classes"),
        ({"label": "run == 100", "targets": ["x"]}, "either classes or targets"),
        ({"plain": 2}, r"'plain' \(did you mean 'plane'\?\)"),
        ({"label": "run = 100"}, "run = 100"),
    ],
)
def test_open_says_what_is_wrong(words: dict[str, Any], fault: str, files: str) -> None:
    with pytest.raises(InputError, match=fault):
        dmcnn.open(files, **words)


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_a_data_loader(files: str, workers: int, tmp_path: Path) -> None:
    data = dmcnn.open(files, label="run == 100")
    images = data.torch(scaling="minmax")
    assert len(images) == 11
    context = "spawn" if workers else None
    loader = DataLoader(images, batch_size=4, num_workers=workers, multiprocessing_context=context)
    batches = list(loader)
    dense = data.read().dense()
    low, high = dense.min(axis=(1, 2, 3), keepdims=True), dense.max(axis=(1, 2, 3), keepdims=True)
    np.testing.assert_allclose(
        torch.cat([batch for batch, _ in batches]).numpy(), (dense - low) / (high - low) + 0.1, rtol=1e-6
    )
    assert torch.cat([labels for _, labels in batches]).tolist() == data.read().label.tolist()
    assert [len(batch) for batch, _ in batches] == [4, 4, 3]


def test_torch_datasets(files: str, tmp_path: Path) -> None:
    data = dmcnn.open(files)
    images = data.torch()
    assert images[2].shape == (1, 128, 128)
    assert images[2].dtype == torch.float32
    assert torch.equal(images[-1], images[10])
    assert torch.equal(pickle.loads(pickle.dumps(images))[5], images[5])
    with pytest.raises(IndexError):
        images[11]
    mapped = data.torch(cache=str(tmp_path))
    assert torch.equal(mapped[5], images[5])
    assert list(tmp_path.glob("*.sparse"))
    with pytest.raises(InputError, match=r"'minmx' \(did you mean 'minmax'\?\)"):
        data.torch(scaling="minmx")


def test_maps(net: Predictor, files: str) -> None:
    data = dmcnn.open(files)
    found = net.explain(data[2], "saliency", target="background")
    assert found.values.shape == (1, 128, 128)
    assert (found.target, found.method) == ("background", "saliency")
    np.testing.assert_array_equal(np.asarray(found), found.values)
    dense = net.explain(data[2].image, "saliency", target=1)
    np.testing.assert_array_equal(found.values, dense.values)
    assert found.scores["signal"] == pytest.approx(float(net(data[2])["signal_score"][0]), abs=1e-6)
    occluded = net.occlude(data[2], k=8, stride=16)
    assert occluded.values.shape == (2, 128, 128)
    assert occluded.base[0] == pytest.approx(float(net(data[2])["signal_score"][0]), abs=1e-6)
    assert (occluded["signal"] != occluded.base[0]).any()
    np.testing.assert_allclose(occluded.values.sum(axis=0), 1, atol=1e-9)
    with pytest.raises(InputError, match=r"occlude takes no 'strid' \(did you mean 'stride'"):
        net.occlude(data[2], strid=3)
    with pytest.raises(InputError, match=r"no class 'signl' \(did you mean 'signal'"):
        occluded["signl"]
    with pytest.raises(InputError, match="2 events, expected one"):
        net.explain(data.read(0, 2))
    with pytest.raises(InputError, match="8 methods, expected one"):
        net.explain(data[2], "lariat")
    with pytest.raises(InputError, match="unknown method 'salency'"):
        net.explain(data[2], "salency")


@pytest.mark.parametrize(
    "kind", ["event", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("attribution", "occlusion"))]
)
def test_pictures(kind: str, net: Predictor, files: str) -> None:
    event = dmcnn.open(files, label="run == 100")[2]
    shown = {
        "event": lambda: event,
        "attribution": lambda: net.explain(event, "saliency"),
        "occlusion": lambda: net.occlude(event, k=8, stride=32),
    }[kind]()
    assert shown._repr_png_().startswith(b"\x89PNG")
    html = shown._repr_html_()
    assert 'src="data:image/png;base64,iVBOR' in html
    assert "run 100" in html or kind != "event"
    assert shown.plot()._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="channel 1: the event has 0 to 0"):
        shown.plot(1) if not hasattr(shown, "base") else event.plot(1)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_picture_of_time_frames() -> None:
    frames = dmcnn.open("sample://calorimeter/test?events=2")[1]
    assert frames.shape[0] == 21
    assert frames._repr_png_().startswith(b"\x89PNG")


@pytest.mark.slow
def test_images_in_other_libraries() -> None:
    images = toy_images(6, 5, 64)
    dense = images.dense()
    np.testing.assert_array_equal(np.asarray(images), dense)
    np.testing.assert_array_equal(images.to_torch().to_dense().numpy(), dense)
    jagged = images.to_awkward()
    assert jagged["index"].tolist()[3] == images.take([3]).index.tolist()
    assert [len(one) for one in jagged] == images.n_pixels.tolist()
    many = images.take(np.zeros(2**17, int))
    with pytest.raises(ValueError, match=r"takes 2.0 GiB as a dense array: ask for it with dense\(\)"):
        np.asarray(many)
    limited = images.limited(60, 200)
    expected = np.where(dense < 60, 0, np.minimum(dense, 200)).astype(np.float32)
    np.testing.assert_array_equal(limited.dense(), expected)
    np.testing.assert_array_equal(limited.limited(60, 200).dense(), expected)
    assert limited.n_pixels.sum() < images.n_pixels.sum()


def test_images_in_scipy() -> None:
    pytest.importorskip("scipy")
    images = toy_images(6, 5, 64)
    np.testing.assert_array_equal(images.to_scipy(2).toarray(), images.dense()[2, 0])
    np.testing.assert_array_equal(images.to_scipy().toarray(), images.dense().reshape(6, -1))
    from dmcnn.images.sparse import sparse

    two = sparse(np.concatenate([images.dense(), 2 * images.dense()], axis=1))
    np.testing.assert_array_equal(two.to_scipy(3, 1).toarray(), two.dense()[3, 1])
    with pytest.raises(ValueError, match="images have 2 channels: which one"):
        two.to_scipy(3)


MODULE = """
import torch
from torch import nn


class Small(nn.Module):
    def __init__(self, num_class, channels, height, width, filters=2):
        super().__init__()
        self.first, self.last = nn.Conv2d(channels, filters, 3), nn.Linear(filters, num_class)

    def forward(self, images):
        return self.last(self.first(images).relu().mean(dim=(2, 3)))
"""


@pytest.mark.slow
def test_a_network_from_a_loop_of_ones_own(
    files: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "small_net.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    from small_net import Small  # type: ignore[import-not-found]

    torch.manual_seed(1)
    data = dmcnn.open(files, label="run == 100", adc_lo=LOW, adc_hi=HIGH)
    net = Small(2, 1, 128, 128, filters=3)
    path = tmp_path / "mine.ckpt"
    with pytest.raises(
        InputError, match=r"first.weight has shape \(3, 1, 3, 3\), expected \(2, 1, 3, 3\).*argum"
    ):
        dmcnn.save(net, path, data=data)
    assert not path.exists()
    assert dmcnn.save(net, path, data=data, arguments={"filters": 3}) == path
    with pytest.raises(
        InputError, match=r"mine.ckpt: its network is 'small_net:Small': model = 'small_net:S"
    ):
        dmcnn.load(path)
    for model in ("small_net:Small", Small):
        again = dmcnn.load(path, model=model, device="cpu")
        raw = dmcnn.open(files).read()
        direct = net(torch.from_numpy(raw.limited(LOW, HIGH).dense())).detach().numpy()
        np.testing.assert_allclose(logits(again(raw)), direct, atol=1e-6)
        assert again(files)["label"].tolist() == ["signal", "background"] * 5 + ["signal"]
    words = [f"weight_file={path}", f"input_file={files}", f"output_dir={tmp_path}", "model=small_net:Small"]
    assert infer.main(words) == 0
    again.net.first.bias.data += 1
    dmcnn.save(again.net, tmp_path / "more.ckpt", again.card)
    assert torch.equal(dmcnn.load(tmp_path / "more.ckpt", model=Small).net.first.bias, again.net.first.bias)

    class Local(Small):
        pass

    with pytest.raises(InputError, match="Local is defined in a notebook, script or function"):
        dmcnn.save(Local(2, 1, 128, 128), path, data=data)
    with pytest.raises(InputError, match="save needs the card of a loaded network, or data"):
        dmcnn.save(net, path)
    with pytest.raises(InputError, match="data has neither classes nor targets"):
        dmcnn.save(net, path, data=dmcnn.open(files))
    with pytest.raises(InputError, match=r"signal = 'signl' is not one of .*did you mean 'signal'"):
        dmcnn.save(net, path, data=data, arguments={"filters": 3}, signal="signl")


@pytest.mark.slow
def test_a_users_script_runs(weights: Path, files: str, tmp_path: Path) -> None:
    script = Path(__file__).with_name("user_script.py")
    words = [sys.executable, str(script), str(weights), files, str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ}, check=False)
    assert done.returncode == 0, done.stderr
    assert "AUC" in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {
        "event.png", "scores.csv", "saliency.png", "occluded.png", "mine.ckpt",
    }  # fmt: skip


def test_events_without_ids_and_images(net: Predictor) -> None:
    images = toy_images(3, 7)
    images.events["run"][1] = UNSET
    images.meta["plane"][2] = -1
    table = net(join([images, images]))
    assert table["run_number"].tolist() == [100, None, 100] * 2
    assert np.isnan(table["signal_score"]).tolist() == [False, False, True] * 2
    assert table["status"].tolist() == ["scored", "scored", "no image"] * 2
    with pytest.raises(InputError, match="the event holds no image"):
        net.explain(images.take([2]))
