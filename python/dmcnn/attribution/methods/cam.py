"""Class activation maps: maps of a hidden layer, weighted for the target and enlarged to the image."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from dmcnn._common.errors import InputError
from dmcnn.attribution.base import Explained, Method
from dmcnn.attribution.layers import find
from dmcnn.attribution.methods.relu import GuidedBackprop
from dmcnn.engines.sparse import Cut, SparseNet

MODES = {4: "bilinear", 5: "trilinear"}


@contextmanager
def record_outputs(module: nn.Module) -> Iterator[list[torch.Tensor]]:
    """Yield a list to which every call of ``module`` within the block appends its output."""
    outputs: list[torch.Tensor] = []

    def hook(module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
        """Append the output of one call."""
        outputs.append(output)

    handle = module.register_forward_hook(hook)
    try:
        yield outputs
    finally:
        handle.remove()


def spatial_axes(maps: torch.Tensor) -> tuple[int, ...]:
    """Return the numbers of the spatial axes of (n, K, [d,] h, w) maps."""
    return tuple(range(2, maps.ndim))


def enlarge(maps: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Return (n, K, h, w) maps enlarged to (n, K, H, W), (n, K, d, h, w) to (n, K, C, H, W), linearly.

    Args:
        maps: maps of a layer.
        shape: (n, C, H, W) of the images.
    """
    size = shape[-(maps.ndim - 2) :]
    return F.interpolate(maps, tuple(size), mode=MODES[maps.ndim], align_corners=False)


def enlarge_to_images(maps: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Return (n, 1, h, w) maps as (n, C, H, W), equal in all channels, or (n, 1, d, h, w) maps frame by frame."""
    large = enlarge(maps, shape)
    return large[:, 0] if large.ndim == 5 else large.expand(shape).clone()


@dataclass(kw_only=True, eq=False)
class LayerMethod(Method):
    """Attribution method that uses the maps of one layer.

    Attributes:
        layer: name or grid size ("32x32") of the layer; None = the default of dmcnn.attribution.layers.find.
    """

    layer: str | None = None

    def module_name(self, explained: Explained, images: torch.Tensor) -> str:
        """Return the name of the module of the layer for (n, C, H, W) images."""
        channels, height, width = images.shape[1:]
        return find(explained.net, (channels, height, width), self.layer).name

    def module(self, explained: Explained, images: torch.Tensor) -> nn.Module:
        """Return the module of the layer for (n, C, H, W) images."""
        return explained.net.get_submodule(self.module_name(explained, images))


class _Cam(LayerMethod):
    """Class activation map: ReLU of the weighted sum over the K maps of a layer, enlarged linearly to the image.

    Activations A and gradients G of the explained number are (n, K, h, w); in a 3-D network (n, K, d, h, w), and the
    maps are also enlarged along the frames. Of a module that is called twice, the last call counts.
    """

    signed = False

    @staticmethod
    @abstractmethod
    def combine(activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
        """Return the (n, K, …) weighted activations of (n, K, …) activations and gradients."""

    def explain(self, explained: Explained, images: torch.Tensor) -> torch.Tensor:
        """Return the (n, C, H, W) maps, which are >= 0."""
        with record_outputs(self.module(explained, images)) as outputs:
            values = explained(images.requires_grad_())
        (gradients,) = torch.autograd.grad(values.sum(), outputs[-1])
        maps = self.combine(outputs[-1].detach().to(images.dtype), gradients.to(images.dtype))
        return enlarge_to_images(maps.sum(dim=1, keepdim=True).relu(), images.shape)


class GradCam(_Cam):
    """Grad-CAM (arXiv:1610.02391): the weight of a map is the mean of its gradient."""

    name = "grad_cam"
    title = "Grad-CAM"
    sparse = True

    def explain(self, explained: Explained, images: torch.Tensor) -> torch.Tensor:
        """Return the (n, C, H, W) maps, which are >= 0."""
        if isinstance(explained.net, SparseNet):
            maps = self._sparse(explained, images)
            if maps is not None:
                return enlarge_to_images(maps, images.shape)
        return super().explain(explained.dense(), images)

    def _sparse(self, explained: Explained, images: torch.Tensor) -> torch.Tensor | None:
        """Return (n, 1, …) maps from the rows of the layer, on which the mean is linear; None if it is dense."""
        cut = Cut(self.module_name(explained, images))
        values = explained(images, cut=cut)
        if cut.maps is None:
            return None
        (slopes,) = torch.autograd.grad(
            values.sum(), cut.maps.rows
        )  # (rows, K), summed over the places of a row
        rows, image, places = cut.maps.rows.detach(), cut.maps.image, cut.maps.places
        weights = slopes.new_zeros(len(images), rows.shape[1]).index_add(0, image, slopes)
        values = (weights[image] * rows).sum(dim=1, keepdim=True).relu() / math.prod(places.shape)
        return replace(cut.maps, rows=values.to(images.dtype)).dense()

    @staticmethod
    def combine(activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
        """Return mean gradient x activation."""
        return gradients.mean(dim=spatial_axes(gradients), keepdim=True) * activations


class GradCamPlusPlus(_Cam):
    """Grad-CAM++ (arXiv:1710.11063) in its closed form, in which the class score is exp(explained number).

    The weight of a map is the sum of alpha ReLU(G) with alpha = G^2 / (2 G^2 + sum(A) G^3). The common factor
    exp(explained number) of all weights is left out: it changes only the scale of the map, and may overflow.
    The form assumes maps after a ReLU; maps of a normalisation, and their alpha, may be negative.
    """

    name = "grad_cam_pp"
    title = "Grad-CAM++"

    @staticmethod
    def combine(activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
        """Return sum of alpha ReLU(G) x activation, with G^2, which may underflow, cancelled from alpha."""
        axes = spatial_axes(gradients)
        divisor = 2 + activations.sum(dim=axes, keepdim=True) * gradients
        alpha = (divisor != 0) / divisor.where(divisor != 0, 1)
        return (alpha * gradients.relu()).sum(dim=axes, keepdim=True) * activations


class LayerCam(_Cam):
    """LayerCAM (Jiang et al., IEEE TIP 30 (2021) 5875): a weight per pixel, its positive gradient."""

    name = "layer_cam"
    title = "LayerCAM"

    @staticmethod
    def combine(activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
        """Return positive gradient x activation."""
        return gradients.relu() * activations


class ScoreCam(LayerMethod):
    """Score-CAM (arXiv:1910.01279): the weight of a map is the explained number of the image times the map.

    Every map is enlarged, scaled to 0..1, and multiplied with the image. The weights are the softmax over the maps of
    the increase of the explained number over that of the empty image; constant maps have weight 0. The method needs
    one forward pass per map, and no gradient.
    """

    name = "score_cam"
    title = "Score-CAM"
    signed = False
    costly = True
    sparse = True

    def explain(self, explained: Explained, images: torch.Tensor) -> torch.Tensor:
        """Return the (n, C, H, W) maps, which are >= 0."""
        with record_outputs(self.module(explained, images)) as outputs:
            explained.dense().values(images)
        activations = outputs[-1].to(images.dtype)
        weights = torch.stack(
            [self._weights(explained, *pair) for pair in zip(images, activations, strict=True)]
        )
        weights = weights.view(*weights.shape, *[1] * len(spatial_axes(activations)))
        return enlarge_to_images((weights * activations).sum(dim=1, keepdim=True).relu(), images.shape)

    def _weights(self, explained: Explained, image: torch.Tensor, activations: torch.Tensor) -> torch.Tensor:
        """Return the (K,) weights of the maps of one (C, H, W) image; the empty image cancels in the softmax."""
        low = activations.flatten(1).amin(dim=1)
        varying = (activations.flatten(1).amax(dim=1) > low).nonzero()[:, 0]
        weights = torch.zeros_like(low)
        values = [
            explained.values(image * self._mask(activations[numbers], image))
            for numbers in torch.split(varying, self.at_once(image[None]))
        ]
        if values:
            weights[varying] = torch.cat(values).to(weights.dtype).softmax(dim=0)
        return weights

    @staticmethod
    def _mask(activations: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        """Return (m, 1 or C, H, W) masks of 0..1 of (m, [d,] h, w) maps that are not constant."""
        large = enlarge(activations[:, None], torch.Size((len(activations), *image.shape)))
        masks = large[:, 0] if large.ndim == 5 else large
        low, high = masks.amin(dim=(1, 2, 3), keepdim=True), masks.amax(dim=(1, 2, 3), keepdim=True)
        return ((masks - low) / (high - low).where(high > low, 1)).to(image.dtype)


@dataclass(kw_only=True, eq=False)
class GuidedGradCam(Method):
    """Guided Grad-CAM (arXiv:1610.02391): the product of Grad-CAM and guided backpropagation, pixel by pixel.

    Attributes:
        cam: method with coarse maps of the region.
        guided: method with fine maps of the pixels.
    """

    name = "guided_grad_cam"
    title = "Guided Grad-CAM"
    signed = True

    cam: Method = field(default_factory=GradCam)
    guided: Method = field(default_factory=GuidedBackprop)

    def explain(self, explained: Explained, images: torch.Tensor) -> torch.Tensor:
        """Return the (n, C, H, W) products of both maps."""
        return self.cam.explain(explained, images.clone()) * self.guided.explain(explained, images)


@dataclass(kw_only=True, eq=False)
class GradCamBox(Method):
    """Bounding box of the Grad-CAM region (arXiv:1610.02391, section on localisation).

    The map is that of Grad-CAM. ``box`` surrounds all pixels above the threshold; in the paper it surrounds their
    largest connected region.

    Attributes:
        cam: method of the map.
        threshold: share of the largest value above which a pixel belongs to the region, 0.15 in the paper.

    Raises:
        InputError: ``threshold`` outside [0, 1).
    """

    name = "input_with_grad_cam_box"
    title = "Input with Grad-CAM box"
    signed = False
    sparse = True

    cam: Method = field(default_factory=GradCam)
    threshold: float = 0.15

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.threshold < 1:
            raise InputError(f"threshold = {self.threshold}, expected at least 0 and below 1")

    def explain(self, explained: Explained, images: torch.Tensor) -> torch.Tensor:
        """Return the (n, C, H, W) maps."""
        return self.cam.explain(explained, images)

    def box(self, values: torch.Tensor) -> tuple[int, int, int, int]:
        """Return (row0, row1, column0, column1), ends excluded, of a (C, H, W) map; zeros without a region."""
        highest = float(values.max())
        if not highest > 0:
            return 0, 0, 0, 0
        inside = (values > self.threshold * highest).any(dim=0)
        rows, columns = (inside.any(dim=axis).nonzero()[:, 0] for axis in (1, 0))
        return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
