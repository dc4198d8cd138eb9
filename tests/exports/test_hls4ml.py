"""QONNX files in qonnx and hls4ml, if these are installed: the way from a checkpoint to C++ for an FPGA.

It needs an environment of its own with dmcnn (qonnx 1.0 needs an onnx below 1.21): ``pip install hls4ml==1.3.0 qonnx
"onnx<1.21"``; then ``python -m dmcnn.export weight_file=… format=hls4ml`` and the block of the README.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import ROOT
from dmcnn import export
from examples import blocks

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # theirs
    pytest.mark.slow,
]
NAME = "2t_mdmm_076ea794"
FRAMES = 64


def need(library: str) -> Any:
    return pytest.importorskip(
        library, reason=f"SKIPPED FOR WANT OF {library}: pip install {library} 'onnx<1.21'"
    )


@pytest.fixture
def oracle(shared_data: Path) -> dict[str, Any]:
    return dict(np.load(shared_data / "smartpixels" / f"qkeras_oracle_{NAME}.npz"))


@pytest.fixture
def path(shared_data: Path, tmp_path: Path) -> Path:
    """Export an original network to QONNX; return the path of the file."""
    need("qonnx")
    stem = f"keras_{NAME.rpartition('_')[2]}"
    weights = shared_data / "smartpixels" / f"{stem}.hdf5"
    assert export.main([f"weight_file={weights}", f"output_dir={tmp_path}", "format=['qonnx','hls4ml']"]) == 0
    return tmp_path / f"{stem}_qonnx.onnx"


def clean(path: Path) -> Any:
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.util.cleanup import cleanup_model

    return cleanup_model(ModelWrapper(str(path)))


def test_qonnx_gives_the_outputs_of_qkeras_bit_for_bit(path: Path, oracle: dict[str, Any]) -> None:
    from qonnx.core.onnx_exec import execute_onnx

    model = clean(path)
    name = model.graph.input[0].name
    for frame, expected in zip(np.moveaxis(oracle["Xq"], -1, 1)[:FRAMES], oracle["out_q"], strict=False):
        (found,) = execute_onnx(model, {name: np.ascontiguousarray(frame[None])}).values()
        np.testing.assert_array_equal(found[0], expected)


@pytest.mark.parametrize("io_type", ["io_parallel", "io_stream"])
def test_hls4ml_compiles_it_and_emulates_the_same_outputs(
    io_type: str, path: Path, oracle: dict[str, Any], tmp_path: Path
) -> None:
    """The block of the README. The C++ is compiled for the CPU, without Vitis, with the arithmetic types of the FPGA.

    The strategy is the default of hls4ml, latency; streams with the strategy "resource" give other outputs.
    """
    need("hls4ml")
    (block,) = [block for block in blocks((ROOT / "README.md").read_text()) if "hls4ml" in block.text and
                block.kind == "python"]  # fmt: skip
    file = path.with_name(path.name.replace("_qonnx", "_hls4ml"))
    text = block.text.replace("outputs/DM-CNN_model_smartpixel_best_hls4ml.onnx", str(file))
    text = text.replace('"hls_project"', f'"{tmp_path}/project"')
    names: dict[str, Any] = {}
    exec(text.replace('backend="Vitis",', f'backend="Vitis", io_type="{io_type}",'), names)
    images = np.ascontiguousarray(oracle["Xq"][:FRAMES])
    np.testing.assert_array_equal(names["project"].predict(images), oracle["out_q"][:FRAMES])
