"""Class activation maps: what a layer in the middle of the network responds to, weighted for the target."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from dmcnn._common.errors import InputError
from dmcnn.attribution.base import Explained, Method
from dmcnn.attribution.layers import find
from dmcnn.attribution.methods.relu import GuidedBackprop

MODES = {4: "bilinear", 5: "trilinear"}


@contextmanager
def kept(module: nn.Module) -> Iterator[list[torch.Tensor]]:
    """A list to which every call of ``module`` appends its output."""
    outputs: list[torch.Tensor] = []

    def hook(module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
        outputs.append(output)

    handle = module.register_forward_hook(hook)
    try:
        yield outputs
    finally:
        handle.remove()


def spatial(maps: torch.Tensor) -> tuple[int, ...]:
    """The axes of (n, K, [d,] h, w) maps that are places."""
    return tuple(range(2, maps.ndim))


def enlarge(maps: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """(n, K, h, w) maps as (n, K, H, W), (n, K, d, h, w) as (n, K, C, H, W), for images of ``shape`` (n, C, H, W)."""
    size = shape[-(maps.ndim - 2) :]
    return F.interpolate(maps, tuple(size), mode=MODES[maps.ndim], align_corners=False)


def as_images(maps: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """(n, 1, h, w) or (n, 1, d, h, w) maps as (n, C, H, W): the same in all channels, or frame by frame."""
    large = enlarge(maps, shape)
    return large[:, 0] if large.ndim == 5 else large.expand(shape).clone()


@dataclass(kw_only=True, eq=False)
class LayerMethod(Method):
    """A method that looks at one layer.

    Attributes:
        layer: name or grid size ("32x32") of the layer; by default the one that ``layers.find`` takes.
    """

    layer: str | None = None

    def module(self, explained: Explained, images: torch.Tensor) -> nn.Module:
        """The module to look at."""
        channels, height, width = images.shape[1:]
        return explained.net.get_submodule(find(explained.net, (channels, height, width), self.layer).name)


class _Cam(LayerMethod):
    """ReLU of the weighted sum over the K maps of a layer, enlarged linearly to the image.

    Activations A and gradients G of the explained number are (n, K, h, w), or (n, K, d, h, w) in a 3-D net, whose
    maps are then enlarged along the frames as well. Where a module is called twice, the last call counts.
    """

    signed = False

    @staticmethod
    @abstractmethod
    def combine(activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
        """(n, K, …) weighted activations."""

    def explain(self, explained: Explained, images: torch.Tensor) -> torch.Tensor:
        """(n, C, H, W) maps, nowhere negative."""
        with kept(self.module(explained, images)) as outputs:
            values = explained(images.requires_grad_())
        (gradients,) = torch.autograd.grad(values.sum(), outputs[-1])
        maps = self.combine(outputs[-1].detach().float(), gradients.float())
        return as_images(maps.sum(dim=1, keepdim=True).relu(), images.shape)


class GradCam(_Cam):
    """Grad-CAM (arXiv:1610.02391): the weight of a map is the mean of its gradient."""

    name = "grad_cam"
    title = "Grad-CAM"

    @staticmethod
    def combine(activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
        """Mean gradient x activation."""
        return gradients.mean(dim=spatial(gradients), keepdim=True) * activations


class GradCamPlusPlus(_Cam):
    """Grad-CAM++ (arXiv:1710.11063) in its closed form, in which the class score is exp(explained number).

    The weight of a map is the sum of alpha ReLU(G) with alpha = G^2 / (2 G^2 + sum(A) G^3). The factor exp(explained
    number) that all weights of an image share is left out: it changes no pattern, and overflows.
    The form assumes maps of a ReLU; those of a normalisation may be negative, and alpha with them.
    """

    name = "grad_cam_pp"
    title = "Grad-CAM++"

    @staticmethod
    def combine(activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
        """Sum of alpha ReLU(G) x activation; alpha is divided through by G^2, which may underflow."""
        places = spatial(gradients)
        divisor = 2 + activations.sum(dim=places, keepdim=True) * gradients
        alpha = (divisor != 0) / divisor.where(divisor != 0, 1)
        return (alpha * gradients.relu()).sum(dim=places, keepdim=True) * activations


class LayerCam(_Cam):
    """LayerCAM (Jiang et al., IEEE TIP 30 (2021) 5875): every place has its own weight, its positive gradient."""

    name = "layer_cam"
    title = "LayerCAM"

    @staticmethod
    def combine(activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
        """Positive gradient x activation."""
        return gradients.relu() * activations


class ScoreCam(LayerMethod):
    """Score-CAM (arXiv:1910.01279): the weight of a map is what the target gets of the image seen through it.

    Every map is enlarged and scaled to 0..1, and multiplied to the image; the increases of the explained number over
    that of the empty image, softmax over the maps, are the weights. Constant maps let nothing be seen: weight 0.
    No gradient is involved; one forward pass per map.
    """

    name = "score_cam"
    title = "Score-CAM"
    signed = False
    costly = True

    def explain(self, explained: Explained, images: torch.Tensor) -> torch.Tensor:
        """(n, C, H, W) maps, nowhere negative."""
        with kept(self.module(explained, images)) as outputs:
            explained.values(images)
        activations = outputs[-1].float()
        weights = torch.stack(
            [self._weights(explained, *pair) for pair in zip(images, activations, strict=True)]
        )
        weights = weights.view(*weights.shape, *[1] * len(spatial(activations)))
        return as_images((weights * activations).sum(dim=1, keepdim=True).relu(), images.shape)

    def _weights(self, explained: Explained, image: torch.Tensor, activations: torch.Tensor) -> torch.Tensor:
        """(K,) weights of the maps of one (C, H, W) image; subtracting the empty image cancels in the softmax."""
        low = activations.flatten(1).amin(dim=1)
        seen = (activations.flatten(1).amax(dim=1) > low).nonzero()[:, 0]
        weights = torch.zeros_like(low)
        values = [
            explained.values(image * self._mask(activations[some], image))
            for some in torch.split(seen, self.at_once(image[None]))
        ]
        if values:
            weights[seen] = torch.cat(values).float().softmax(dim=0)
        return weights

    @staticmethod
    def _mask(activations: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        """(m, 1 or C, H, W) masks of 0..1 of (m, [d,] h, w) maps that are not constant."""
        large = enlarge(activations[:, None], torch.Size((len(activations), *image.shape)))
        masks = large[:, 0] if large.ndim == 5 else large
        low, high = masks.amin(dim=(1, 2, 3), keepdim=True), masks.amax(dim=(1, 2, 3), keepdim=True)
        return ((masks - low) / (high - low).where(high > low, 1)).to(image.dtype)


@dataclass(kw_only=True, eq=False)
class GuidedGradCam(Method):
    """Guided Grad-CAM (arXiv:1610.02391): the product of Grad-CAM and guided backpropagation, pixel by pixel.

    Attributes:
        cam: the map that says where.
        guided: the map that says which pixels.
    """

    name = "guided_grad_cam"
    title = "Guided Grad-CAM"
    signed = True

    cam: Method = field(default_factory=GradCam)
    guided: Method = field(default_factory=GuidedBackprop)

    def explain(self, explained: Explained, images: torch.Tensor) -> torch.Tensor:
        """(n, C, H, W) products."""
        return self.cam.explain(explained, images.clone()) * self.guided.explain(explained, images)


@dataclass(kw_only=True, eq=False)
class GradCamBox(Method):
    """The input with the bounding box of its Grad-CAM region (arXiv:1610.02391, section on localisation).

    The map is that of Grad-CAM; ``box`` is drawn around all of it that is above the threshold (the paper: around the
    largest connected piece of that).

    Attributes:
        cam: the map.
        threshold: share of the largest value from which a pixel belongs to the region; the paper's 0.15.
    """

    name = "input_with_grad_cam_box"
    title = "Input with Grad-CAM box"
    signed = False

    cam: Method = field(default_factory=GradCam)
    threshold: float = 0.15

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.threshold < 1:
            raise InputError(f"threshold = {self.threshold}, expected at least 0 and below 1")

    def explain(self, explained: Explained, images: torch.Tensor) -> torch.Tensor:
        """(n, C, H, W) maps."""
        return self.cam.explain(explained, images)

    def box(self, found: torch.Tensor) -> tuple[int, int, int, int]:
        """(row0, row1, column0, column1), the ends excluded, of a (C, H, W) map; four zeros if it is empty."""
        highest = float(found.max())
        if not highest > 0:
            return 0, 0, 0, 0
        inside = (found > self.threshold * highest).any(dim=0)
        rows, columns = (inside.any(dim=axis).nonzero()[:, 0] for axis in (1, 0))
        return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
