"""SmoothGrad and VarGrad: the noise, and mean and variance of the maps."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

from attribution.nets import SHAPE, TARGET, images, linear
from dmcnn.attribution.base import Explained, Method
from dmcnn.attribution.methods.noise import Noisy, SmoothGrad, VarGrad


@dataclass(kw_only=True, eq=False)
class Echo(Method):
    """Method whose map is the image; it stores all images."""

    name = "echo"
    title = "Echo"
    signed = True

    seen: list[torch.Tensor] = field(default_factory=list)

    def explain(self, explained: Explained, images: torch.Tensor) -> torch.Tensor:
        assert len(images) <= 4
        self.seen.extend(images.clone())
        return images.clone()


def copies(where: str, noise: float = 0.1, seed: int = 1, count: int = 500) -> torch.Tensor:
    """Return (count, C, H, W) noisy copies of the first test image."""
    echo = Echo()
    SmoothGrad(method=echo, n_samples=count, noise=noise, where=where, seed=seed, internal_batch=4)(
        linear(), images(1), TARGET
    )
    return torch.stack(echo.seen)


@pytest.mark.parametrize("where", ["active", "all"])
def test_noise_is_where_it_is_asked_for(where: str) -> None:
    image = images(1)[0]
    noise = copies(where) - image
    active = (image != 0).expand(len(noise), *SHAPE)
    assert len(noise) == 500
    spread = 0.1 * float(image.max() - image.min())
    assert float(noise[active].std()) == pytest.approx(spread, rel=0.02)
    assert abs(float(noise[active].mean())) < 0.02 * spread
    if where == "active":
        assert not noise[~active].any()
    else:
        assert float(noise[~active].std()) == pytest.approx(spread, rel=0.02)


def test_noise_depends_on_the_seed_only() -> None:
    assert torch.equal(copies("active", count=6), copies("active", count=6))
    assert not torch.equal(copies("active", count=6), copies("active", count=6, seed=2))
    assert torch.equal(copies("active", count=9)[:6], copies("active", count=6))


@pytest.mark.parametrize("method", [SmoothGrad, VarGrad])
@pytest.mark.parametrize("count", [1, 3])
def test_mean_and_variance_of_the_maps(method: type[Noisy], count: int) -> None:
    echo = Echo()
    found = method(method=echo, n_samples=5, internal_batch=4)(linear(), images(count), TARGET)
    seen = (
        torch.stack(echo.seen).double().numpy().reshape(-1, count, *SHAPE)
    )  # one copy of every image at a time
    assert len(seen) == 5
    expected = seen.mean(axis=0) if method is SmoothGrad else seen.var(axis=0)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-3, rtol=1e-5)
