"""Fixed-point twins in inference, and batches that the memory of a device holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from conftest import toy_images
from dmcnn._common.errors import InputError
from dmcnn.checkpoints.card import Card
from dmcnn.detectors.smartpixel import TARGETS
from dmcnn.engines import dense
from dmcnn.images.sparse import SparseImages, sparse
from dmcnn.inference.predictor import Predictor


def predictor(bits: int = 4, charge_bits: int | None = 4, **options: Any) -> Predictor:
    """A quantised network for frames of 2 x 13 x 21 pixels, with weights that are not zero."""
    torch.manual_seed(2)
    reading = {"charge": "standardised"} | ({} if charge_bits is None else {"charge_bits": charge_bits})
    card = Card(
        "smartpixel", {"num_class": 14, "channels": 2, "height": 13, "width": 21, "bits_1": bits, "bits_2": bits}, [],
        None, "sigmoid", reading, targets=list(TARGETS), target_scales=list(TARGETS.values()), loss="gaussian_nll",
    )  # fmt: skip
    net = card.build()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.uniform_(-1, 1)
    return Predictor(net, card, **options)


def frames() -> SparseImages:
    random = np.random.default_rng(1)
    values = np.round(8 * random.normal(0, 0.4, (30, 2, 13, 21))).clip(-8, 7) / 8
    return sparse((values * (random.random(values.shape) < 0.2)).astype(np.float32))


def outputs(one: Predictor) -> Any:
    return np.concatenate(list(one.logits([frames()])))


def test_a_quantised_network_is_evaluated_in_fixed_point(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its outputs are those of the float network, which is not run."""
    wanted = outputs(predictor(arithmetic="float"))
    assert np.ptp(wanted, axis=0).max() > 0
    monkeypatch.setattr(dense, "logits", lambda *_, **__: pytest.fail("the float network was run"))
    for word in ("auto", "fixed"):
        one = predictor(arithmetic=word)
        np.testing.assert_array_equal(outputs(one), wanted)
        assert one.reason == "arithmetic: fixed point, as the network is deployed"


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"bits": 0}, "is not rounded to a number of bits"),
        ({"charge_bits": None}, "pixels that are not rounded"),
        ({"precision": "bf16"}, "precision = bf16 is of floating point"),
        ({"engine": "sparse"}, "engine = sparse is of floating point"),
    ],
)
def test_auto_is_float_where_there_is_no_twin(options: dict[str, Any], fault: str) -> None:
    assert predictor(**options).fixed_point is None
    with pytest.raises(InputError, match=f"arithmetic = fixed: .*{fault}"):
        predictor(**options, arithmetic="fixed")


def test_other_words_and_networks_are_refused() -> None:
    with pytest.raises(
        InputError, match=r"arithmetic = 'fix' \(did you mean 'fixed'\?\), expected one of auto, float"
    ):
        predictor(arithmetic="fix")
    card = Card(
        "lariat", {"num_class": 2, "channels": 1, "height": 32, "width": 32}, ["a", "b"], None, "softmax", {}
    )
    with pytest.raises(InputError, match="a network lariat has none, only smartpixel does"):
        Predictor(card.build(), card, arithmetic="fixed")


def test_a_batch_that_the_memory_does_not_hold_is_halved(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The work went on in smaller batches where it stopped before; a single image that is too large stops it."""
    caplog.set_level("INFO", "dmcnn")
    torch.manual_seed(1)
    card = Card(
        "lariat", {"num_class": 2, "channels": 1, "height": 32, "width": 32}, ["a", "b"], None, "softmax", {}
    )
    net, images = card.build(), toy_images(11, 3, 96).take(slice(0, 11))
    images = sparse(images.dense()[:, :, 20:52, 20:52].copy())
    wanted = np.concatenate(list(Predictor(net, card, engine="dense").logits([images])))
    logits, sizes, most = dense.logits, [], [3]

    def limited(net: Any, batch: SparseImages, **how: Any) -> Any:
        sizes.append(len(batch))
        if len(batch) > most[0]:
            raise torch.cuda.OutOfMemoryError("no memory")
        return logits(net, batch, **how)

    monkeypatch.setattr(dense, "logits", limited)
    one = Predictor(net, card, engine="dense", batch_size=11)
    np.testing.assert_allclose(np.concatenate(list(one.logits([images]))), wanted, atol=1e-5)
    assert sizes == [11, 5, 2, 2, 1, 2, 2, 2]
    assert one.batch_size == 2
    assert "batch_size: 2, for the memory of the device does not hold more" in caplog.text
    most[0] = 0
    with pytest.raises(torch.cuda.OutOfMemoryError):
        list(one.logits([images]))


def test_the_device_has_a_batch_size() -> None:
    assert predictor().batch_size == 8
    assert predictor(batch_size=3).batch_size == 3
