"""Methods on noisy copies of an image: SmoothGrad, the mean of the maps, and VarGrad, their variance."""

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
    """Attribution method on noisy copies of an image.

    The noise of an image depends only on the seed and on that image: every image has a generator of its own.

    Attributes:
        method: method of the maps.
        n_samples: number of noisy copies per image.
        noise: standard deviation as a share of the image's range of values (largest - smallest).
        where: "active" adds noise to pixels that are not 0, "all" to all pixels, as in the paper. The noise on the
            empty pixels of a sparse image gives an image unlike those of the training.
        seed: seed of the noise.

    Raises:
        InputError: ``n_samples`` below 1, negative noise, or an unknown ``where``.
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
                f"where = {self.where!r}{nearest(self.where, WHERE)}, expected one of {', '.join(WHERE)}"
            )
        vars(self).update(sparse=self.method.sparse and self.where == "active")

    @property
    def revision(self) -> int:
        """Return that of the method inside."""
        return self.method.revision

    def maps(self, explained: Explained, images: torch.Tensor) -> Iterator[torch.Tensor]:
        """Yield the (n, C, H, W) maps of one noisy copy of every image, ``n_samples`` times."""
        draws = [self._draws(image) for image in images]
        at_once = max(1, self.at_once(images) // len(images))
        for start in range(0, self.n_samples, at_once):
            count = min(at_once, self.n_samples - start)
            copies = torch.cat([torch.stack([next(draw) for draw in draws]) for _ in range(count)])
            yield from torch.split(self.method.explain(explained, copies), len(images))

    def _draws(self, image: torch.Tensor) -> Iterator[torch.Tensor]:
        """Yield noisy copies of one (C, H, W) image, equal on every device."""
        random = torch.Generator().manual_seed(self.seed)
        spread = self.noise * (image.max() - image.min())
        noisy = torch.ones_like(image, dtype=torch.bool) if self.where == "all" else image != 0
        count = int(noisy.sum())
        while True:
            copy = image.clone()
            copy[noisy] += spread * torch.randn(count, generator=random).to(image)
            yield copy


class SmoothGrad(Noisy):
    """SmoothGrad (arXiv:1706.03825): mean of the maps of noisy copies, by default of saliency.

    With saliency it is the mean of |gradient|, as in captum's NoiseTunnel; the paper takes the mean of the gradients.
    """

    name = "smooth_grad"
    title = "SmoothGrad"
    signed = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.method, Saliency):
            # name, title and sign depend on the method inside
            vars(self).update(
                name=f"smooth_{self.method.name}",
                title=f"SmoothGrad of {self.method.title}",
                signed=self.method.signed,
            )

    def explain(self, explained: Explained, images: torch.Tensor) -> torch.Tensor:
        """Return the (n, C, H, W) means."""
        total = torch.zeros_like(images)
        for values in self.maps(explained, images):
            total += values
        return total / self.n_samples


@dataclass(kw_only=True, eq=False)
class SmoothRectGrad(SmoothGrad):
    """SmoothGrad of RectGrad."""

    name = "smooth_rect_grad"
    title = "SmoothGrad of RectGrad"
    signed = True

    method: Method = field(default_factory=RectGrad)


class VarGrad(Noisy):
    """VarGrad (arXiv:1810.03292): variance of the maps of noisy copies, by default of saliency."""

    name = "var_grad"
    title = "VarGrad"
    signed = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.method, Saliency):
            vars(self).update(name=f"var_{self.method.name}", title=f"VarGrad of {self.method.title}")

    def explain(self, explained: Explained, images: torch.Tensor) -> torch.Tensor:
        """Return the (n, C, H, W) variances, by Welford's algorithm, which avoids cancellation."""
        mean, total = torch.zeros_like(images), torch.zeros_like(images)
        for count, values in enumerate(self.maps(explained, images), start=1):
            step = values - mean
            mean += step / count
            total += step * (values - mean)
        return total / self.n_samples
