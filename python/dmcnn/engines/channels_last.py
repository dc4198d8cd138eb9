"""Layout channels_last, in which bfloat16 convolutions of CPUs are fastest, with exact statistics of GroupNorm."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from dmcnn.engines.sparse import SparseNet


def serves(net: nn.Module, images: torch.Tensor) -> bool:
    """Return whether the layout makes a bfloat16 forward pass of dense (B, C, H, W) images faster.

    It does on CPUs with bfloat16 and without, for convolutions along two axes.
    """
    on_cpu = next(net.parameters()).device.type == images.device.type == "cpu"
    planar = images.ndim == 4 and any(isinstance(module, nn.Conv2d) for module in net.modules())
    return on_cpu and planar and not isinstance(net, SparseNet)


def channels_last(images: torch.Tensor) -> torch.Tensor:
    """Return the same (B, C, H, W) images in the layout, also those of one channel, for which torch sees none."""
    batch, channels, height, width = images.shape
    inner = images.permute(0, 2, 3, 1).reshape(-1)
    strides = (height * width * channels, 1, width * channels, channels)
    return inner.as_strided((batch, channels, height, width), strides)


class ChannelsLastPass(TorchFunctionMode):
    """Context of a forward pass, without gradients, of images in the layout.

    torch's GroupNorm of such maps takes variances as E[x^2] - E[x]^2, which is wrong on the CPU; here they come from
    its BatchNorm of one image, which takes them in two passes. Networks may call ``view`` as on contiguous maps.
    """

    def __torch_function__(
        self, function: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Evaluate a function of torch."""
        kwargs = kwargs or {}
        if function in (F.group_norm, torch.group_norm) and args[0].ndim == 4:
            return _group_norm(*args, **kwargs)
        if function is torch.Tensor.view:
            args = args[0].contiguous(), *args[1:]
        return function(*args, **kwargs)


def _group_norm(
    maps: torch.Tensor,
    num_groups: int,
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    eps: float = 1e-5,
    *_: bool,
) -> torch.Tensor:
    """Return F.group_norm of (B, C, H, W) maps, in the layout."""
    if num_groups != maps.shape[1]:
        plain = torch.group_norm(maps.contiguous(), num_groups, weight, bias, eps)
        return plain.contiguous(memory_format=torch.channels_last)
    maps = maps.contiguous(memory_format=torch.channels_last)
    images = (maps[number : number + 1] for number in range(len(maps)))
    return torch.cat(
        [torch.batch_norm(image, weight, bias, None, None, True, 0.0, eps, False) for image in images]
    )
