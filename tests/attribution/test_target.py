"""Target of an attribution: logits and scores, and targets that do not exist."""

from __future__ import annotations

import pytest
import torch

from dmcnn._common.errors import InputError
from dmcnn.attribution import Target

OUTPUTS = torch.tensor([[0.0, 2.0, -1.0], [1.0, 0.5, 3.0]])


def test_targets_are_logits_and_scores() -> None:
    assert Target(1)(OUTPUTS).tolist() == [2, 0.5]
    assert Target(1, "logit", "softmax")(OUTPUTS).tolist() == [2, 0.5]
    assert Target(1, "score")(OUTPUTS).tolist() == [2, 0.5]
    torch.testing.assert_close(Target(2, "score", "sigmoid")(OUTPUTS), 1 / (1 + torch.exp(-OUTPUTS[:, 2])))
    share = torch.exp(OUTPUTS) / torch.exp(OUTPUTS).sum(dim=1, keepdim=True)
    torch.testing.assert_close(Target(0, "score", "softmax")(OUTPUTS), share[:, 0])


def test_targets_that_do_not_exist() -> None:
    with pytest.raises(InputError, match="target 3: the network has outputs 0 to 2"):
        Target(3)(OUTPUTS)
    with pytest.raises(InputError, match="target -1"):
        Target(-1)(OUTPUTS)
    with pytest.raises(InputError, match=r"shape \(2,\)"):
        Target(0)(OUTPUTS[:, 0])
    with pytest.raises(InputError, match=r"kind = 'logits' .did you mean 'logit'"):
        Target(0, "logits")
    with pytest.raises(InputError, match=r"activation = 'sigmod' .did you mean 'sigmoid'"):
        Target(0, "score", "sigmod")
