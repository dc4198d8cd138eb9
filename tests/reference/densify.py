"""NumPy twin of ``_core.densify``."""

import numpy as np

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def densify(offsets, index, value, shape, orientation=None, which=None, shift=None):
    """(B, C, H, W) float32 and (B,) lost: zeros, the pixels, then transpose, flips and shift."""
    which = np.arange(len(offsets) - 1) if which is None else which
    out, lost = np.zeros((len(which), *shape), np.float32), np.zeros(len(which), np.int64)
    for i, number in enumerate(which):
        mine = slice(offsets[number], offsets[number + 1])
        images = np.zeros((2, *shape), np.float32)  # the charge, and a 1 for every pixel
        for image, pixels in zip(images, (value[mine], 1), strict=True):
            image.reshape(-1)[index[mine]] = pixels
        turn = 0 if orientation is None else orientation[i]
        images = images.swapaxes(2, 3) if turn & 1 else images
        images = images[:, :, ::-1] if turn & 2 else images
        images = images[:, :, :, ::-1] if turn & 4 else images
        height, width = shape[1:]
        dy, dx = (0, 0) if shift is None else np.clip(shift[i], [-height, -width], [height, width])
        seen = images[:, :, max(0, -dy) : height - max(0, dy), max(0, -dx) : width - max(0, dx)]
        out[i, :, max(0, dy) :, max(0, dx) :][:, : seen.shape[2], : seen.shape[3]] = seen[0]
        lost[i] = images[1].sum() - seen[1].sum()
    return out, lost


def mix(bits):
    """Output function of splitmix64 on uint64 arrays."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def random(offsets, index, value, keys, seed, noise, mask):
    """offsets, index, value of the images with masked pixels gone and noise added; ``keys`` (n,) of all images."""
    with np.errstate(over="ignore"):
        start = mix(mix(np.array([seed], np.uint64) + GOLDEN) ^ np.repeat(keys, np.diff(offsets)))
        number = np.uint64(4) * index.astype(np.uint64)[:, None] + np.arange(1, 5, dtype=np.uint64)
        words = mix(start[:, None] + number * GOLDEN)
    kept = (words[:, 0] >> np.uint64(11)) * 2.0**-53 >= mask
    parts = words[:, 1:, None] >> np.arange(0, 64, 16, dtype=np.uint64) & np.uint64(0xFFFF)
    normal = (parts.sum((1, 2)).astype(np.int64) - 393210) / 65536
    value = (value + np.float64(np.float32(noise)) * normal).astype(np.float32)
    return np.concatenate([[0], np.cumsum(kept)])[offsets], index[kept], value[kept]


def bfloat16(values):
    """uint16 bits of float32 values: to the nearest, of two equally near the even one; every NaN is 0x7fc0."""
    below = values.view(np.uint32) >> np.uint32(16)
    with np.errstate(invalid="ignore"):
        around = (
            (np.stack([below, below + np.uint32(1)]) << np.uint32(16)).view(np.float32).astype(np.float64)
        )
        # past the largest number, infinity stands for the next number there would be
        around = np.where(np.isinf(around), np.copysign(2.0**128, around), around)
        down, up = np.abs(around - values)
    rounded = below + (np.isfinite(values) & ((up < down) | ((up == down) & (below % 2 == 1))))
    return np.where(np.isnan(values), 0x7FC0, rounded).astype(np.uint16)
