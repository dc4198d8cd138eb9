"""Any method on noisy copies of an image: SmoothGrad is the mean of the maps, VarGrad their variance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch

from dmcnn._common.errors import InputError, nearest
from dmcnn.attribution.base import Explained, Method
from dmcnn.attribution.methods.gradients import Saliency
from dmcnn.attribution.methods.relu import RectGrad

WHERE = ("active", "all")


@dataclass(kw_only=True, eq=False)
class Noisy(Method):
    """A method on noisy copies.

    The noise of an image depends on the seed and on that image alone: every image has a generator of its own.

    Attributes:
        method: what makes the maps.
        n_samples: noisy copies per image.
        noise: standard deviation as a share of the image's range of values (largest - smallest).
        where: "active" puts noise on pixels that are not 0, "all" on every one, as the paper does. On a sparse image
            the latter makes an image of another kind, of noise all over, and explains that.
        seed: of the noise.
    """

    method: Method = field(default_factory=Saliency)
    n_samples: int = 16
    noise: float = 0.15
    where: str = "active"
    seed: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_samples < 1 or not self.noise >= 0:
            raise InputError(
                f"n_samples = {self.n_samples} and noise = {self.noise}, expected at least 1 and at least 0"
            )
        if self.where not in WHERE:
            raise InputError(
                f"where = {self.where!r}{nearest(self.where, WHERE)}, there is {', '.join(WHERE)}"
            )

    @property
    def revision(self) -> int:
        """That of the method inside."""
        return self.method.revision

    def maps(self, explained: Explained, images: torch.Tensor) -> Iterator[torch.Tensor]:
        """The (n, C, H, W) maps of one noisy copy of every image after the other."""
        draws = [self._draws(image) for image in images]
        at_once = max(1, self.at_once(images) // len(images))
        for start in range(0, self.n_samples, at_once):
            count = min(at_once, self.n_samples - start)
            copies = torch.cat([torch.stack([next(draw) for draw in draws]) for _ in range(count)])
            yield from torch.split(self.method.explain(explained, copies), len(images))

    def _draws(self, image: torch.Tensor) -> Iterator[torch.Tensor]:
        """Noisy copies of one (C, H, W) image, the same on every device."""
        random = torch.Generator().manual_seed(self.seed)
        spread = self.noise * (image.max() - image.min())
        noisy = torch.ones_like(image, dtype=torch.bool) if self.where == "all" else image != 0
        count = int(noisy.sum())
        while True:
            copy = image.clone()
            copy[noisy] += spread * torch.randn(count, generator=random).to(image)
            yield copy


class SmoothGrad(Noisy):
    """SmoothGrad (arXiv:1706.03825): the mean of the maps of noisy copies; of saliency unless told otherwise.

    The mean of |gradient|, then, as of captum's NoiseTunnel; the paper averages gradients with their signs first.
    """

    name = "smooth_grad"
    title = "SmoothGrad"
    signed = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.method, Saliency):
            # the wrapped method is part of what this is called, and has the signs
            vars(self).update(
                name=f"smooth_{self.method.name}",
                title=f"SmoothGrad of {self.method.title}",
                signed=self.method.signed,
            )

    def explain(self, explained: Explained, images: torch.Tensor) -> torch.Tensor:
        """(n, C, H, W) means."""
        total = torch.zeros_like(images)
        for found in self.maps(explained, images):
            total += found
        return total / self.n_samples


@dataclass(kw_only=True, eq=False)
class SmoothRectGrad(SmoothGrad):
    """RectGrad inside SmoothGrad."""

    name = "smooth_rect_grad"
    title = "SmoothGrad of RectGrad"
    signed = True

    method: Method = field(default_factory=RectGrad)


class VarGrad(Noisy):
    """VarGrad (arXiv:1810.03292): the variance of the maps of noisy copies; of saliency unless told otherwise."""

    name = "var_grad"
    title = "VarGrad"
    signed = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.method, Saliency):
            vars(self).update(name=f"var_{self.method.name}", title=f"VarGrad of {self.method.title}")

    def explain(self, explained: Explained, images: torch.Tensor) -> torch.Tensor:
        """(n, C, H, W) variances, summed as deviations from the running mean, which cancels nothing."""
        mean, total = torch.zeros_like(images), torch.zeros_like(images)
        for count, found in enumerate(self.maps(explained, images), start=1):
            step = found - mean
            mean += step / count
            total += step * (found - mean)
        return total / self.n_samples
