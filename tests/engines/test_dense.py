"""Dense engine: logits do not depend on the batch, equal a float64 reference, and follow rotations by np.rot90."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from conftest import toy_images
from dmcnn._common.errors import InputError
from dmcnn.engines.dense import batches, logits, to_tensor
from dmcnn.images.sparse import sparse
from dmcnn.models.mpid import MPID

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def net() -> MPID:
    torch.manual_seed(2)
    return MPID(height=128, width=128)


def test_tensor_is_the_image() -> None:
    images = toy_images(5, seed=1)
    tensor = to_tensor(images)
    assert tensor.shape == (5, 1, 128, 128)
    assert tensor.dtype == torch.float32
    assert tensor.is_contiguous()
    np.testing.assert_array_equal(tensor.numpy(), images.dense())


def test_tensor_of_selected_images_in_given_memory() -> None:
    images = toy_images(5, seed=1)
    which, turns = np.array([4, 0, 4]), np.array([0, 2, 7], np.uint8)
    expected = to_tensor(images.take(which), turns)
    assert torch.equal(to_tensor(images, turns, which=which, n_threads=2), expected)
    for dtype in (torch.float32, torch.bfloat16):
        out = torch.full((3, 1, 128, 128), 7, dtype=dtype)
        assert to_tensor(images, turns, which=which, out=out) is out
        assert torch.equal(out, expected.to(dtype))


@pytest.mark.slow
def test_scores_do_not_depend_on_the_batch(net: MPID) -> None:
    images = toy_images(5, seed=1)
    together = logits(net, images, device=CPU)
    alone = np.concatenate([logits(net, batch, device=CPU) for batch in batches(images, 1)])
    np.testing.assert_allclose(together, alone, atol=1e-5, rtol=0)
    with torch.inference_mode():
        reference = net.double()(torch.from_numpy(images.dense()).double()).numpy()
    net.float()
    np.testing.assert_allclose(together, reference, atol=1e-5, rtol=0)


def test_dropout_is_off(net: MPID) -> None:
    images = toy_images(2, seed=1)
    np.testing.assert_array_equal(logits(net.train(), images, device=CPU), logits(net, images, device=CPU))


@pytest.mark.parametrize("angle", [0, 90, 180, 270])
def test_rotation_is_that_of_numpy(net: MPID, angle: int) -> None:
    images = toy_images(2, seed=1)
    turned = sparse(np.rot90(images.dense(), angle // 90, axes=(2, 3)))
    np.testing.assert_array_equal(
        logits(net, images, device=CPU, rotation=angle), logits(net, turned, device=CPU)
    )


def test_rotation_of_oblong_images(net: MPID) -> None:
    oblong = sparse(np.ones((1, 1, 128, 150), np.float32))
    with pytest.raises(InputError, match="rotation = 90 needs square images, not 128 x 150"):
        logits(net, oblong, device=CPU, rotation=90)
