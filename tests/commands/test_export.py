"""export: every network and every format, run again by programs that know nothing of dmcnn."""

from __future__ import annotations

import csv
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from dmcnn import export
from dmcnn.checkpoints.card import KEY, Card
from dmcnn.exports import FORMATS
from dmcnn.models import MODELS
from exports import evaluators
from models.sizes import SMALL

onnx = pytest.importorskip("onnx")
ORACLES = ["2t_baseline_636eb1c6", "2t_mdmm_076ea794", "20t_type6_c8fe3c7d"]
FILES = (".onnx", ".pt2", "_qonnx.onnx", "_hls4ml.onnx", "_integers.json", "_layers.csv")


def saved(folder: Path, name: str, **changes: Any) -> tuple[nn.Module, Path]:
    """A network that has seen images in training, and its checkpoint."""
    torch.manual_seed(1)
    card = Card(name, {**SMALL[name], **changes}, ["a", "b", "c"], None, "softmax", {})
    net = card.build().train()
    net(images(name, 6, 1)[:, : card.arguments["channels"], :, : card.arguments["width"]])
    path = folder / f"{name}.ckpt"
    torch.save({KEY: card.as_dict(), "state_dict": net.state_dict()}, path)
    return net.eval(), path


def images(name: str, count: int, seed: int) -> torch.Tensor:
    sizes = SMALL[name]
    random = torch.Generator().manual_seed(seed)
    codes = torch.randint(
        -8, 8, (count, sizes["channels"], sizes["height"], sizes["width"]), generator=random
    )
    return codes / 8


def words(**keys: Any) -> list[str]:
    return [f"{key}={value}" for key, value in keys.items()]


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_every_network_as_onnx_and_as_program(name: str, tmp_path: Path) -> None:
    """For any number of images, equal to the network up to float32; and the card is inside."""
    net, path = saved(tmp_path, name)
    assert export.main(words(weight_file=path, output_dir=tmp_path, format=["onnx", "torch"], events=4)) == 0
    program = torch.export.load(tmp_path / f"{name}.pt2", extra_files={"dmcnn.json": ""})
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(tmp_path / f"{name}.onnx", providers=["CPUExecutionProvider"])
    for count in (1, 2, 5):
        batch = images(name, count, count)
        with torch.inference_mode():
            expected = net(batch)
            found = program.module()(batch)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
        (outputs,) = session.run(["outputs"], {"images": batch.numpy()})
        np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-5)
    model = onnx.load(tmp_path / f"{name}.onnx")
    about = json.loads(next(entry.value for entry in model.metadata_props if entry.key == "dmcnn"))
    assert about["model"] == name
    assert about["arguments"] == SMALL[name]
    assert about["classes"] == ["a", "b", "c"]


@pytest.mark.slow
def test_a_network_with_few_bits_in_all_formats(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net, path = saved(tmp_path, "smartpixel", filters_1=4, bits_1=5, bits_2=6)
    assert export.main(words(weight_file=path, output_dir=tmp_path, name="x", events=7)) == 0
    assert {tmp_path / f"smartpixel_x{ending}" for ending in FILES} <= set(tmp_path.iterdir())
    assert (tmp_path / "smartpixel_x_export.cfg").exists()
    batch = images("smartpixel", 5, 3)
    with torch.inference_mode():
        expected = net(batch).numpy()
    content = json.loads((tmp_path / "smartpixel_x_integers.json").read_text())
    codes = (batch * 8).numpy().astype(np.int64)
    np.testing.assert_array_equal(evaluators.integers(content, codes, 8), expected)
    model = onnx.load(tmp_path / "smartpixel_x_qonnx.onnx")
    np.testing.assert_array_equal(evaluators.qonnx(model, batch.numpy()), expected)
    with (tmp_path / "smartpixel_x_layers.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows[-1]["parameters"] == str(sum(parameter.numel() for parameter in net.parameters()))
    assert {row["weight_bits"] for row in rows[:-1]} == {"5", "6"}


@pytest.mark.parametrize("name", ORACLES)
def test_originals_give_their_outputs_bit_for_bit(name: str, shared_data: Path, tmp_path: Path) -> None:
    """The integers alone, and the roundings of QONNX, which include those of the pixels."""
    folder, stem = shared_data / "smartpixels", f"keras_{name.rpartition('_')[2]}"
    keys = {"weight_file": folder / f"{stem}.hdf5", "output_dir": tmp_path, "events": 8}
    assert export.main(words(**keys, format=["json", "qonnx"])) == 0
    oracle = np.load(folder / f"qkeras_oracle_{name}.npz")
    pixels = np.moveaxis(oracle["Xq"], -1, 1)
    content = json.loads((tmp_path / f"{stem}_integers.json").read_text())
    assert content["network"]["targets"] == ["x-midplane", "y-midplane", "cotAlpha", "cotBeta"]
    found = evaluators.integers(content, (pixels * 8).astype(np.int64), 8)
    np.testing.assert_array_equal(found, oracle["out_q"])
    model = onnx.load(tmp_path / f"{stem}_qonnx.onnx")
    for kind in ("Xq", "X"):  # the file rounds pixels itself
        found = evaluators.qonnx(model, np.moveaxis(oracle[kind], -1, 1))
        np.testing.assert_array_equal(found, oracle["out_q"])
    onnx.checker.check_model(model)
    kinds = [node.op_type for node in model.graph.node]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        "Quant": 17, "Conv": 3, "AveragePool": 1, "Flatten": 1, "Gemm": 3,
    }  # fmt: skip


@pytest.mark.slow
def test_images_of_the_users_are_checked_too(
    toy_files: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = saved(tmp_path, "mpid", channels=1, width=128)[1]
    keys = {"weight_file": path, "output_dir": tmp_path, "input_file": toy_files["test"], "events": 3}
    with caplog.at_level("INFO", logger="dmcnn"):
        assert export.main(words(**keys, format="onnx")) == 0
    assert re.search(r"mpid\.onnx: within [\de.-]+ of the network on 6 images", caplog.text)


def test_faults_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, path = saved(tmp_path, "lariat")
    out = tmp_path / "out"
    expected = {
        "qonnx": "lariat_qonnx.onnx: the network has float parameters, expected all of them to be quantised",
        "json": "lariat_integers.json: the network has float parameters",
        "pt2": "format = 'pt2' must be 'onnx' or 'torch' or 'qonnx' or 'hls4ml' or 'json' or 'table' or "
        "'safetensors' or list",
    }
    for kind, text in expected.items():
        assert export.main(words(weight_file=path, output_dir=out, format=kind)) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert text in line
    assert export.main(words(weight_file=tmp_path / "absent.ckpt", output_dir=out)) == 2
    assert "no such file" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert export.main(words(weight_file=path, output_dir=out, format="onnx")) == 2
    assert capsys.readouterr().err == "onnx is not installed; it comes with: pip install 'dmcnn[export]'\n"
    assert not list(out.iterdir())


@pytest.mark.slow
def test_programs_of_a_calibrated_network_give_its_logits_over_the_temperature(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Scores are the activation of outputs over the temperature in the file, whether the file divides or not."""
    net, path = saved(tmp_path, "smartpixel")
    content = torch.load(path)
    content[KEY]["temperature"] = 1.5
    torch.save(content, path)
    with caplog.at_level("INFO", "dmcnn"):
        assert export.main(words(weight_file=path, output_dir=tmp_path, events=3)) == 0
    assert "onnx, torch: outputs are logits / 1.5, of calibrated scores" in caplog.text
    assert (
        "warning: qonnx, hls4ml, json: outputs are logits, which calibrated scores divide by 1.5"
        in caplog.text
    )
    batch = images("smartpixel", 4, 1)
    with torch.inference_mode():
        expected = net(batch).numpy() / 1.5
    for name, divisor in {"onnx": 1.0, "torch": 1.0, "qonnx": 1.5, "json": 1.5}.items():
        found = FORMATS[name].run(tmp_path / f"smartpixel{FORMATS[name].ending}", batch.numpy())
        assert found is not None
        np.testing.assert_allclose(found / divisor, expected, rtol=1e-5, atol=1e-5)
    about = {
        "onnx": onnx.load(tmp_path / "smartpixel.onnx"),
        "qonnx": onnx.load(tmp_path / "smartpixel_qonnx.onnx"),
    }
    temperatures = {
        name: json.loads(next(entry.value for entry in model.metadata_props if entry.key == "dmcnn"))[
            "temperature"
        ]
        for name, model in about.items()
    }
    assert temperatures == {"onnx": 1.0, "qonnx": 1.5}


def test_onnx_without_its_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """onnx' own evaluator does the checking then."""
    from dmcnn.exports import onnx as exporter

    _, path = saved(tmp_path, "smartpixel")
    monkeypatch.setattr(exporter, "is_installed", lambda library: False)
    assert export.main(words(weight_file=path, output_dir=tmp_path, format="onnx", events=3)) == 0
    assert (tmp_path / "smartpixel.onnx").exists()
