"""Simulated clusters: reproducibility, published scale, and agreement with the true track."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from dmcnn._common.errors import InputError
from dmcnn.checkpoints.load import load
from dmcnn.detectors.smartpixel import TARGETS
from dmcnn.images.sparse import SparseImages, join
from dmcnn.losses.gaussian import Gaussian, cholesky
from dmcnn.simulation import SAMPLES, defaults
from dmcnn.simulation.silicon import carrier
from dmcnn.simulation.smartpixel import (
    GEOMETRIES,
    GRAIN,
    LABELS,
    SLABS,
    Geometry,
    clusters,
    induced_shares,
    landau,
    tracks,
)

EVENTS, SEED = 1024, 5
sample = SAMPLES["smartpixel"]


@pytest.fixture(scope="module", params=GEOMETRIES)
def geometry(request: pytest.FixtureRequest) -> str:
    return request.param


@cache
def made(geometry: str) -> SparseImages:
    return join(list(sample(events=EVENTS, seed=SEED, geometry=geometry)))


@pytest.fixture(scope="module")
def images(geometry: str) -> SparseImages:
    return made(geometry)


def known(images: SparseImages) -> dict[str, np.ndarray]:
    return dict(zip(LABELS, images.label.T, strict=True))


def single(sensor: Geometry, **track: float) -> np.ndarray:
    """Return (20, 13, 21) charges of a track that leaves 100 pairs in every slab."""
    label = np.array([[track.get(name, 0.0) for name in LABELS]])
    return clusters(sensor, np.full((1, SLABS), 100.0), label)[0]


def test_an_event_depends_on_its_seed_and_number_only() -> None:
    for events, batch in ((7, 3), (300, 299)):
        again = join(list(sample(events=events, seed=SEED, batch=batch)))
        first = made("t2").take(slice(0, events))
        for name in ("offsets", "index", "value", "events", "meta", "label"):
            np.testing.assert_array_equal(getattr(again, name), getattr(first, name))
    other = join(list(sample(events=7, seed=SEED + 1)))
    assert not np.array_equal(other.value[:20], made("t2").value[:20])
    assert list(sample(events=0, seed=0)) == []


def test_labels_belong_together(images: SparseImages, geometry: str) -> None:
    track, sensor = known(images), GEOMETRIES[geometry]
    n = np.stack([track["n_x"], track["n_y"], track["n_z"]])
    np.testing.assert_allclose((n**2).sum(axis=0), 1, rtol=1e-12)
    assert (track["z-entry"] == sensor.thickness).all()
    for axis, cot in (("x", "cotAlpha"), ("y", "cotBeta")):
        np.testing.assert_allclose(track[f"n_{axis}"] / track["n_z"], track[cot], rtol=1e-12)
        middle = track[f"{axis}-entry"] + track[cot] * (sensor.thickness / 2 - track["z-entry"])
        np.testing.assert_allclose(middle, track[f"{axis}-midplane"], atol=1e-9)
    assert np.abs(track["x-midplane"]).max() == pytest.approx(1.5 * sensor.pitch[0], rel=0.01)
    assert np.abs(track["y-midplane"]).max() == pytest.approx(1.5 * sensor.pitch[1], rel=0.01)
    assert (np.abs(track["pt"]) >= 0.1).all()
    assert abs((track["pt"] > 0).mean() - 0.5) < 0.08
    assert track["cotAlpha"].std() == pytest.approx(2, rel=0.1)
    assert track["cotBeta"].std() == pytest.approx(0.165, rel=0.1)
    assert images.label.dtype == np.float64


def test_slow_particles_bend_as_the_lorentz_force_says() -> None:
    """A circle of radius r = p / (0.3 B) through the beam meets the module, 30 mm away, at asin(30 mm / 2 r)."""
    _, label = tracks(GEOMETRIES["t2"], 4000, np.random.default_rng(1))
    track = dict(zip(LABELS, label.T, strict=True))
    radius = track["pt"] / (0.3 * 3.8) * 1000
    angle = np.arctan(track["cotBeta"]) - np.arctan(track["y-local"] / 30)
    np.testing.assert_allclose(np.sin(angle), 30 / (2 * radius), rtol=1e-9)


def test_scale_is_the_published_one(images: SparseImages, geometry: str) -> None:
    dense = images.dense()
    size = (dense[:, 19] != 0).sum(axis=(1, 2))
    if geometry == "t2":
        assert size.mean() == pytest.approx(12, rel=0.1)
    assert images.shape == (20, 13, 21)
    assert (images.value * GRAIN == np.rint(images.value * GRAIN)).all()
    assert 0.1 < (images.value < 0).mean() < 0.5
    assert (dense[:, 19] >= 0).all()  # all charge has arrived
    assert np.median(size) < 20


def test_the_first_version_has_its_own_threshold_and_no_drift() -> None:
    images = join(list(sample(events=300, seed=SEED, **defaults("smartpixel", 1))))
    assert images.value[images.value > 0].min() >= 25
    assert images.value[images.value < 0].max() <= -12.5
    last = np.maximum(images.dense()[:, -1].astype(np.float64), 0)
    mean = last.sum(axis=2) @ ((np.arange(13) - 6) * 12.5) / last.sum(axis=(1, 2))
    assert abs(np.median(mean - known(images)["y-midplane"])) < 0.3
    with pytest.raises(InputError, match="version = 3, expected 1 to 2"):
        sample(events=1, seed=0, version=3)


def test_all_charge_arrives(images: SparseImages) -> None:
    """The charge is that of the pairs of the label, less charge outside the window or suppressed."""
    last = images.dense()[:, -1].sum(axis=(1, 2))
    track = known(images)
    inside = np.abs(track["cotAlpha"]) < 4
    np.testing.assert_allclose(last[inside], track["number_eh_pairs"][inside], rtol=0.05)


def test_numbers_of_landau() -> None:
    """The Landau density is the integral of exp(-t ln t - x t) sin(pi t) / pi over t."""
    x, t = np.arange(-3.5, 26, 0.05), np.arange(5e-3, 80, 1e-2)
    density = (np.exp(-t * np.log(t) - x[:, None] * t) * np.sin(np.pi * t)).sum(axis=1) * 1e-2 / np.pi
    below = np.cumsum(density) * 0.05 - density * 0.025
    found = landau(np.random.default_rng(1), (400, 500)).ravel()
    for at in (-2, -1, 0, 1.3558, 4, 10, 25):
        assert (found < at).mean() == pytest.approx(np.interp(at, x, below), abs=0.005)


def test_pairs_straggle_as_in_a_thin_sensor() -> None:
    """Slabs add up to one Landau distribution of the whole length: most probable 72 pairs per um, 27 % wide."""
    pairs, label = tracks(GEOMETRIES["t2"], 20_000, np.random.default_rng(1))
    per_length = pairs.sum(axis=1) * -label[:, LABELS.index("n_z")] / 100
    count, edges = np.histogram(per_length, np.arange(60, 110, 1.0))
    half = np.flatnonzero(count > count.max() / 2)
    assert edges[count.argmax()] == pytest.approx(72, abs=2)
    assert len(half) == pytest.approx(0.27 * 72, abs=3)
    assert pairs.min() > 0
    assert np.median(per_length) == pytest.approx(4.9 * (1.3558 + 11.8 + math.log(24)), rel=0.01)


def lorentz(geometry: str) -> float:
    """Return the tangent of the Lorentz angle of electrons."""
    sensor = GEOMETRIES[geometry]
    return carrier(1, sensor.bias / sensor.thickness, 3.8).tangent


def test_the_middle_of_the_track_can_be_found(images: SparseImages, geometry: str) -> None:
    """The mean position of the charge is the mid-plane, shifted in y by half the Lorentz drift, for most tracks."""
    sensor, track = GEOMETRIES[geometry], known(images)
    last = np.maximum(images.dense()[:, -1].astype(np.float64), 0)
    total = last.sum(axis=(1, 2))
    drift = lorentz(geometry) * sensor.thickness / 2
    assert 12 < drift < 21
    for axis, name, count, pitch, shift in (
        (1, "x", 21, sensor.pitch[0], 0.0), (2, "y", 13, sensor.pitch[1], drift)
    ):  # fmt: skip
        at = (np.arange(count) - count // 2) * pitch
        mean = last.sum(axis=axis) @ at / total
        inside = np.abs(track["cotAlpha"]) < 4
        residual = (mean - track[f"{name}-midplane"])[inside]
        low, middle, high = np.percentile(residual, (16, 50, 84))
        assert abs(middle + shift) < 0.02 * pitch
        assert high - low < 0.4 * pitch
        assert np.corrcoef(mean, track[f"{name}-midplane"])[0, 1] > 0.9


def test_length_of_the_cluster_tells_the_angle(images: SparseImages, geometry: str) -> None:
    """A cluster grows by a pixel per pitch crossed, in y by track and drift together; diffusion adds a little."""
    sensor, track = GEOMETRIES[geometry], known(images)
    last = images.dense()[:, -1] > 60
    usual = np.abs(track["cotAlpha"]) < 4
    drift = lorentz(geometry)
    for axis, slope, pitch, slack in (
        (1, track["cotAlpha"], sensor.pitch[0], 0.05),
        (2, track["cotBeta"] + drift, sensor.pitch[1], 0.15),
    ):
        length = last.any(axis=axis).sum(axis=1)
        crossed = np.abs(slope) * sensor.thickness / pitch
        rise, start = np.polyfit(crossed[usual], length[usual], 1)
        assert 1 - slack < rise < 1.05
        assert 0.95 < start < 1.1 + 4 * slack


@pytest.mark.slow
@pytest.mark.parametrize("name", ["636eb1c6", "076ea794"])
def test_networks_trained_on_pixelav_are_right_on_the_sample(name: str, shared_data: Path) -> None:
    """Networks of the smart pixel collaboration estimate all four targets with a small bias and pulls near 1."""
    frames = join(list(sample(events=2048, seed=3)))
    charge = frames.dense()[:, [0, 19]].astype(np.float64)
    logarithm = np.sign(charge) * np.log2(1 + np.abs(charge))
    pixels = logarithm[logarithm != 0]
    value = (logarithm - pixels.mean()) / pixels.std()
    value = np.where(logarithm == 0, 0, np.where(value > 0, value / 1.7, value / 2.5))
    net, _ = load(shared_data / "smartpixels" / f"keras_{name}.hdf5")
    with torch.no_grad():
        outputs = net.eval()(torch.as_tensor(np.clip(np.rint(8 * value), -8, 7) / 8, dtype=torch.float32))
    estimate, scale = cholesky(outputs.double(), Gaussian(diagonal="relu"))
    scales, track = np.array(list(TARGETS.values())), known(frames)
    truth = np.stack([track[target] for target in TARGETS], axis=1)
    sigma = np.sqrt((scale.numpy() ** 2).sum(axis=2)) * scales
    pull = (estimate.numpy() * scales - truth) / sigma
    low, middle, high = np.percentile(pull, (16, 50, 84), axis=0)
    assert (np.abs(middle) < 0.4).all(), middle
    width = (high - low) / 2
    assert width.min() > 0.65
    assert width.max() < 1.2


def test_thin_pitches_and_thick_sensors_make_large_clusters() -> None:
    sizes = {}
    for name in GEOMETRIES:
        last = made(name).dense()[:, -1]
        sizes[name] = (last > 0).sum() / EVENTS, last.sum() / EVENTS
    mean = {name: size for name, (size, _) in sizes.items()}
    assert mean["t1"] > mean["t2"] > mean["t3"] > mean["t4"] > mean["t5"] > mean["t7"] > mean["t6"]
    assert sizes["t7"][1] / sizes["t6"][1] == pytest.approx(1.5, rel=0.05)


def test_charge_of_a_track_along_the_drift_stays_where_diffusion_lets_it() -> None:
    """A track along the Lorentz angle at the centre of a pixel shares erfc(pitch / 2 / sqrt 2 sigma) beside it."""
    sensor, drift = GEOMETRIES["t1"], lorentz("t1")
    aligned = {"cotBeta": -drift, "y-midplane": drift * sensor.thickness / 2}
    last = single(sensor, **aligned)[-1]
    depth = (np.arange(SLABS) + 0.5) * sensor.thickness / SLABS
    sigma = np.sqrt(1 + 2 * 8.617e-5 * 263 / sensor.bias * sensor.thickness * depth)
    shared = sum(math.erfc(5 / math.sqrt(2) / s) for s in sigma) * 100
    assert last[[5, 7], 10].sum() == pytest.approx(shared, rel=1e-3)
    assert last.sum() == pytest.approx(100 * SLABS, rel=1e-12)
    assert last[6, 10] == last.max()
    np.testing.assert_allclose(last, last[::-1], atol=1e-9)
    moved = single(sensor, **aligned | {"y-midplane": aligned["y-midplane"] + 20, "x-midplane": -50.0})[-1]
    np.testing.assert_allclose(moved[2:, :-1], last[:-2, 1:], atol=1e-9)


def test_charge_is_seen_when_it_arrives() -> None:
    sensor = GEOMETRIES["t2"]
    depth = np.array([1.0, 50.0, 99.0])
    own, other = induced_shares(sensor, depth)
    assert (np.diff(own, axis=0) >= 0).all()
    assert (own[-1] == 1).all()
    assert (other[-1] == 0).all()
    assert -0.0301 < other.min() < -0.02
    arrival = (own < 1).sum(axis=0) * 200.0
    speed = 0.14 / (1 + 0.14 / 0.107)  # um/ps at 1 V/um
    assert (np.abs(arrival - depth / speed + 100) <= 100).all()
    slices = single(sensor).sum(axis=(1, 2))
    assert (np.diff(slices) > -1e-9).all()
    assert slices[0] < 0.3 * slices[-1]
    beside = single(Geometry((50, 30), 100, 100))[:, 7, 10]
    assert beside[3] < 0 < 1e-3 + beside[-1]


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(InputError) as caught:
        sample(events=-1, seed=0, geometry="t8", zero_suppression=float("nan"))
    assert sorted(fault.split(" = ")[0] for fault in caught.value.faults) == [
        "events", "geometry", "zero_suppression",
    ]  # fmt: skip
