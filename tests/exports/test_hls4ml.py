"""QONNX files in qonnx and hls4ml, if these are installed: the way from a checkpoint to C++ for an FPGA.

It needs an environment of its own with dmcnn (qonnx 1.0 needs an onnx below 1.21): ``pip install hls4ml==1.3.0 qonnx
"onnx<1.21"``; then ``python -m dmcnn.export weight_file=… format=qonnx`` and the steps below.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dmcnn import export

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
    assert export.main([f"weight_file={weights}", f"output_dir={tmp_path}", "format=qonnx"]) == 0
    return tmp_path / f"{stem}_qonnx.onnx"


def clean(path: Path) -> Any:
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.util.cleanup import cleanup_model

    return cleanup_model(ModelWrapper(str(path)))


def channels_last(model: Any) -> Any:
    """Convert a cleaned model to frames (rows, columns, slices), the only order that hls4ml compiles.

    qonnx does not convert the pooling. Here the transposition before it is removed, its domain and shapes change, and
    the rows of the first dense kernel are permuted from (maps, rows, columns) to (rows, columns, maps).
    """
    from qonnx.transformation.channels_last import ConvertToChannelsLastAndClean
    from qonnx.transformation.gemm_to_matmul import GemmToMatMul
    from qonnx.util.cleanup import cleanup_model

    model = model.transform(ConvertToChannelsLastAndClean(make_input_channels_last=True))
    model = cleanup_model(model.transform(GemmToMatMul()))
    (turn,), (pool,) = (model.get_nodes_by_op_type(kind) for kind in ("Transpose", "AveragePool"))
    pool.input[0] = turn.input[0]
    pool.domain = "qonnx.custom_op.channels_last"
    model.graph.node.remove(turn)
    count, maps, rows, columns = model.get_tensor_shape(pool.output[0])
    for name in (pool.output[0], model.find_consumer(pool.output[0]).output[0]):
        model.set_tensor_shape(name, [count, rows, columns, maps])
    kernel = model.find_producer(model.get_nodes_by_op_type("MatMul")[0].input[1]).input[0]
    values = model.get_initializer(kernel)
    turned = values.reshape(maps, rows, columns, -1).transpose(1, 2, 0, 3).reshape(values.shape)
    model.set_initializer(kernel, np.ascontiguousarray(turned))
    return model


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
    """The C++ is compiled for the CPU, without Vitis, with the arithmetic types of the FPGA.

    The strategy is the default of hls4ml, latency; streams with the strategy "resource" give other outputs.
    """
    hls4ml = need("hls4ml")
    model = channels_last(clean(path))
    config = hls4ml.utils.config_from_onnx_model(
        model, granularity="name", backend="Vitis", default_precision="fixed<32,12>"
    )
    # By default the mean would have the type of the activations, 4 bits, before it is rounded.
    config["LayerName"]["AveragePool_0"]["Precision"] = {"result": "fixed<28,4>", "accum": "fixed<28,8>"}
    project = hls4ml.converters.convert_from_onnx_model(
        model, output_dir=str(tmp_path / "project"), io_type=io_type, backend="Vitis", hls_config=config
    )
    project.compile()
    found = project.predict(np.ascontiguousarray(oracle["Xq"][:FRAMES]))
    np.testing.assert_array_equal(found, oracle["out_q"][:FRAMES])
