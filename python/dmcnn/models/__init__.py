"""The networks by name; every one takes ``num_class, drop_out, channels, height, width``."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from dmcnn.models.mpid import MPID

MODELS: dict[str, Callable[..., nn.Module]] = {"mpid": MPID}
