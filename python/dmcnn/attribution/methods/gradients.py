"""Gradient methods: saliency, input x gradient, expected gradients, DeepLIFT."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from dmcnn._common.errors import InputError
from dmcnn._common.extras import need
from dmcnn.attribution.base import Explained, Method, gradient
from dmcnn.attribution.methods.path_integral import PathMethod


def reference(baseline: float | torch.Tensor | str, images: torch.Tensor) -> torch.Tensor:
    """Return (n, C, H, W) baselines of (n, C, H, W) images from a number, "zero", or a (C, H, W) tensor."""
    if isinstance(baseline, str):
        if baseline != "zero":
            raise InputError(f'baseline = {baseline!r}, expected a number, "zero" or an image')
        baseline = 0.0
    if isinstance(baseline, torch.Tensor):
        if baseline.shape not in ((), images.shape[1:]):
            raise InputError(
                f"baseline of shape {tuple(baseline.shape)}, the images are {tuple(images.shape[1:])}"
            )
        return baseline.to(images).expand_as(images)
    return torch.full_like(images, baseline)


class Saliency(Method):
    """|gradient| of the target with respect to every pixel (arXiv:1312.6034): one logit, not a sum over classes."""

    name = "saliency"
    title = "Saliency"
    signed = False

    def explain(self, explained: Explained, images: torch.Tensor) -> torch.Tensor:
        """Return the (n, C, H, W) maps."""
        return gradient(explained, images).abs()


class InputXGradient(Method):
    """Input x gradient (arXiv:1704.02685): what every pixel adds, to first order; 0 on empty pixels."""

    name = "input_x_gradient"
    title = "Input × gradient"
    signed = True
    sparse = True

    def explain(self, explained: Explained, images: torch.Tensor) -> torch.Tensor:
        """Return the (n, C, H, W) maps."""
        return images * gradient(explained, images, images != 0)


@dataclass(kw_only=True, eq=False)
class ExpectedGradients(PathMethod):
    """Expected gradients (arXiv:1906.10670): integrated gradients, averaged over reference images.

    Every sample is a reference image, in turn, and a point on the straight path from it to the image; the points are
    one in each of ``n_samples`` equal parts of the path, drawn by a generator of the image's own, so that a map
    depends on the seed and on no other image (captum's GradientShap draws from the global generators). Without
    references there is nothing to draw: the integral from the empty image is that of integrated gradients.

    32 gradients without references leave maps of small networks 0.1 to 4 % off (relative L2; 13 % after training with
    GroupNorm). With 5 references, 32 samples are 30 % off: ``halving_change`` tells, and more samples help.

    Attributes:
        baselines: (m, C, H, W) reference images, e.g. some of the background; by default one empty image.
        n_samples: gradients per image.
        seed: of the points.
    """

    name = "expected_gradients"
    title = "Expected gradients"
    signed = True
    sparse = True

    baselines: torch.Tensor | None = None
    n_samples: int = 32
    seed: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_samples < 1:
            raise InputError(f"n_samples = {self.n_samples}, expected at least 1")
        if self.baselines is not None:
            vars(self).update(sparse=False)  # images on the way have the pixels of both

    def explain(self, explained: Explained, images: torch.Tensor) -> torch.Tensor:
        """Make (n, C, H, W) means of gradient x (image - reference)."""
        if self.baselines is None:
            return self.integrals(explained, torch.zeros_like(images), images, self.n_samples)
        return torch.stack([self._mean(explained, image, self.baselines, self.n_samples) for image in images])

    def half_maps(self, explained: Explained, images: torch.Tensor) -> torch.Tensor:
        """Make (n, C, H, W) maps of half the samples; without references with every other node left out."""
        if self.n_samples < 2:
            return images * float("nan")
        if self.baselines is None:
            return self.integrals(explained, torch.zeros_like(images), images, self.n_samples, every=2)
        count = self.n_samples // 2
        return torch.stack([self._mean(explained, image, self.baselines, count) for image in images])

    def _mean(
        self, explained: Explained, image: torch.Tensor, baselines: torch.Tensor, count: int
    ) -> torch.Tensor:
        """Return the (C, H, W) mean over ``count`` samples of one image."""
        known = baselines.to(image)
        if known.ndim != 4 or known.shape[1:] != image.shape or not len(known):
            raise InputError(f"baselines of shape {tuple(known.shape)}, the images are {tuple(image.shape)}")
        random = torch.Generator().manual_seed(self.seed)
        parts = torch.arange(count)
        points = (parts + torch.rand(count, generator=random)) / count
        # shuffled, or every reference would meet the same part of the path whenever m divides the samples
        points = points[torch.randperm(count, generator=random)].to(image)
        total = torch.zeros_like(image)
        for some in torch.split(parts, self.at_once(image[None])):
            away = image - known[some % len(known)]
            at = image - (1 - points[some.to(points.device)]).view(-1, 1, 1, 1) * away
            total += (gradient(explained, at) * away).sum(dim=0)
        return total / count


BENDS = ("adaptive_max_pool", "celu", "elu", "gelu", "hardtanh", "leaky_relu", "max_pool", "mish", "relu", "selu",
         "sigmoid", "silu", "softmax", "softplus", "tanh")  # fmt: skip
"""Functions that are not linear, by the beginning of their names."""

MODULES = (nn.ReLU, nn.ELU, nn.LeakyReLU, nn.Sigmoid, nn.Tanh, nn.Softplus, nn.Softmax, nn.MaxPool1d, nn.MaxPool2d,
           nn.MaxPool3d)  # fmt: skip
"""Modules to which captum applies DeepLIFT's rule; for anything else it takes the gradient."""


class _Functions(TorchFunctionMode):
    """Mode that notes the functions of BENDS that are called outside MODULES."""

    def __init__(self) -> None:
        super().__init__()
        self.inside, self.outside = 0, set[str]()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Evaluate a function of torch."""
        name = getattr(func, "__name__", "").strip("_")
        if not self.inside and name.startswith(BENDS):
            self.outside.add(name)
        return func(*args, **(kwargs or {}))

    def step(self, by: int) -> Callable[..., None]:
        """Return a hook that counts the MODULES that are being evaluated."""

        def count(*_: Any) -> None:
            self.inside += by

        return count


def _need_modules(explained: Explained, images: torch.Tensor) -> None:
    """Raise InputError if a network bends anywhere but in MODULES."""
    functions = _Functions()
    with ExitStack() as hooks:
        for module in explained.modules():
            if type(module) in MODULES:
                hooks.callback(module.register_forward_pre_hook(functions.step(1)).remove)
                hooks.callback(module.register_forward_hook(functions.step(-1)).remove)
        with functions:
            explained.values(images)
    if functions.outside:
        raise InputError(
            f"{type(explained.net).__name__} calls {', '.join(sorted(functions.outside))} elsewhere than in the "
            f"modules that DeepLIFT follows: {', '.join(kind.__name__ for kind in MODULES)}"
        )


@dataclass(kw_only=True, eq=False)
class DeepLift(Method):
    """DeepLIFT with the rescale rule (arXiv:1704.02685), by captum.

    It sums to the difference to the baseline where all that is not linear are activations and max pooling: a
    normalisation by the image itself (GroupNorm) counts as its gradient, so the maps of MPID are not complete, and
    with a softmax contributions are relative to the mean of the classes (section 3.6). Activations and pooling must
    be MODULES, and none may be called twice. Image and baseline share a pass, which therefore holds two images at
    least.

    Attributes:
        baseline: a number, "zero", or a (C, H, W) image.
    """

    name = "deep_lift"
    title = "DeepLIFT"
    signed = True

    baseline: float | torch.Tensor | str = 0.0

    def explain(self, explained: Explained, images: torch.Tensor) -> torch.Tensor:
        """Return the (n, C, H, W) contributions.

        Raises:
            InputError: an activation or pooling outside MODULES, or a module that is called twice.
        """
        _need_modules(explained, images[:1])
        parts = torch.split(images, max(1, self.at_once(images) // 2))
        return torch.cat([self._part(explained, part) for part in parts])

    def _part(self, explained: Explained, images: torch.Tensor) -> torch.Tensor:
        leaf = images.detach().requires_grad_()
        method = need("captum.attr").DeepLift(explained)
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Setting forward, backward hooks", UserWarning)
                maps: torch.Tensor = method.attribute(leaf, reference(self.baseline, leaf.detach()))
        except RuntimeError as error:
            if "used more than once" in str(error):
                raise InputError(
                    f"{type(explained.net).__name__} calls a module twice: DeepLIFT needs one per use"
                ) from None
            raise
        finally:  # captum leaves what it noted on the modules if a pass fails
            for module in explained.modules():
                for note in ("input", "output"):
                    vars(module).pop(note, None)
        return maps.detach()
