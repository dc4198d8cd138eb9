"""Legacy multiplier method against the first eight steps of the original, made with TensorFlow and QKeras."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dmcnn.checkpoints import load
from dmcnn.losses.gaussian import nll
from dmcnn.models.smartpixel import SmartPixel
from dmcnn.training.constraints.legacy import LegacySparsity, constrained_kernels
from exports.own_network import OwnNetwork

STEPS = 8
KERAS = {
    "depthwise.weight": "q_separable_conv2d/depthwise_kernel",
    "pointwise.weight": "q_separable_conv2d/pointwise_kernel",
    "pointwise.bias": "q_separable_conv2d/bias",
    "conv.weight": "q_conv2d/kernel",
    "conv.bias": "q_conv2d/bias",
    "dense_1.weight": "q_dense/kernel",
    "dense_1.bias": "q_dense/bias",
    "dense_2.weight": "q_dense_1/kernel",
    "dense_2.bias": "q_dense_1/bias",
    "output.weight": "q_dense_2/kernel",
    "output.bias": "q_dense_2/bias",
}


def torch_order(name: str, value: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a Keras tensor with the axes of torch; the first dense layer reads 3 x 6 pixels of 5 maps."""
    if name == "depthwise.weight":
        return value.transpose(2, 3, 0, 1)
    if value.ndim == 4:
        return value.transpose(3, 2, 0, 1)
    if name == "dense_1.weight":
        return value.reshape(3, 6, 5, 16).transpose(3, 2, 0, 1).reshape(16, 90)
    return value.T


def trained(
    data: Path, optimizer: str, variant: str
) -> tuple[SmartPixel, list[tuple[float, ...]], dict[int, dict[str, NDArray[np.float32]]]]:
    """Train; return the network, and (total, NLL, penalty, multiplier) and weights after every step."""
    net, _ = load.load(data / "keras_636eb1c6.hdf5")
    assert isinstance(net, SmartPixel)
    with np.load(data / "qkeras_oracle_2t_baseline_636eb1c6.npz") as oracle:
        frames = torch.from_numpy(oracle["Xq"].transpose(0, 3, 1, 2).copy())
        truth = torch.from_numpy(oracle["y_near"])
    sparsity = LegacySparsity(constrained_kernels(net), variant)
    both = [*net.parameters(), sparsity.multiplier]
    moves: torch.optim.Optimizer = torch.optim.SGD(both, lr=1e-6)
    if optimizer == "nadameager":
        moves = torch.optim.NAdam(both, lr=1e-3, betas=(0.9, 0.999), eps=1e-7, momentum_decay=1.0)
    log, weights = [], {}
    for step in range(1, STEPS + 1):
        loss, penalty = nll(net(frames), truth, legacy=True).sum(), sparsity()
        moves.zero_grad()
        (loss + penalty).backward()
        moves.step()
        with torch.no_grad():
            for weight in net.parameters():
                weight.clamp_(-1, 1)
        parts = (loss + penalty, loss, penalty, sparsity.multiplier)
        log.append(tuple(part.item() for part in parts))
        weights[step] = {name: value.detach().numpy().copy() for name, value in net.named_parameters()}
    return net, log, weights


@pytest.mark.parametrize("variant", ["file", "notebook"])
@pytest.mark.parametrize(("optimizer", "tolerance"), [("sgd", 1e-7), ("nadameager", 1e-6)])
def test_follows_the_original(optimizer: str, variant: str, tolerance: float, shared_data: Path) -> None:
    data = shared_data / "smartpixels"
    _, log, weights = trained(data, optimizer, variant)
    with np.load(data / "qkeras_mdmm_oracle.npz") as oracle:
        expected = oracle[f"{optimizer}_{variant}/log"]
        for step in (1, 2, STEPS):
            for name, keras in KERAS.items():
                original = torch_order(name, oracle[f"{optimizer}_{variant}/step{step}/{keras}"])
                np.testing.assert_allclose(
                    weights[step][name], original, rtol=0, atol=tolerance, err_msg=f"{step} {name}"
                )
    numbers = np.array(log)
    np.testing.assert_allclose(numbers[:, :2], expected[:, :2], rtol=2e-6)
    # in the original's log the small penalty is a difference of two large float32 numbers
    np.testing.assert_allclose(
        numbers[:, 2], expected[:, 2], rtol=2e-6, atol=1e-4 if variant == "file" else 0
    )
    np.testing.assert_allclose(numbers[:, 3], expected[:, 3], rtol=1e-4)


def test_constrained_kernels() -> None:
    """They are all kernels of any network except pointwise kernels of separable convolutions."""
    for channels in (1, 2):
        net = SmartPixel(channels=channels)
        layers = (net.depthwise, net.conv, net.dense_1, net.dense_2, net.output)
        assert [*map(id, constrained_kernels(net))] == [id(layer.weight) for layer in layers]
    own = OwnNetwork()
    assert [*map(id, constrained_kernels(own))] == [
        id(one.weight) for one in (own.stem, own.mix, own.dense, own.output)
    ]


def test_multiplier_can_only_grow() -> None:
    weight = torch.nn.Parameter(torch.tensor([1e-4, 0.5, 0.25, 0.0]))
    sparsity = LegacySparsity([weight], target=0.75)
    penalty = sparsity()
    assert penalty.item() == pytest.approx((0.25 * 0.1875) ** 2 / 2, rel=1e-3)
    penalty.backward()
    assert sparsity.multiplier.grad is not None
    assert sparsity.multiplier.grad.item() == pytest.approx(-(0.25**2) * 0.25 * 0.1875, rel=1e-3)
    met = LegacySparsity([weight], target=0.25)
    assert met().item() == 0


def test_unknown_variant() -> None:
    with pytest.raises(ValueError, match="expected one of file, notebook"):
        LegacySparsity([], "paper")
