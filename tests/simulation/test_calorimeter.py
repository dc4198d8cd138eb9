"""Simulated electrons and photons: reproducibility, published scale, and classes that are hard to separate."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dmcnn._common.errors import InputError
from dmcnn.images.sparse import SparseImages, join
from dmcnn.metrics.classification import auc_interval
from dmcnn.simulation import SAMPLES
from dmcnn.simulation.calorimeter import Detector, digitise, particles, shower
from simulation.logistic import scores

EVENTS, SEED = 4000, 5
sample = SAMPLES["calorimeter"]


@pytest.fixture(scope="module")
def images() -> SparseImages:
    return join(list(sample(events=EVENTS, seed=SEED)))


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector((32, 32), 3.8, 0.4, 1.0, 0.045, 0.1, 0.028, 0.003)


def columns(images: SparseImages) -> tuple[np.ndarray, np.ndarray]:
    """Return energies and times (n, H, W); cells below the usual threshold are 0."""
    energy, time = np.moveaxis(images.dense(), 1, 0)
    return np.where(energy > 0.005, energy, 0), np.where(energy > 0.005, time, 0)


def features(images: SparseImages) -> np.ndarray:
    """Return (n, 5): logarithms of total energy, number of cells and widths along both axes; mean time."""
    energy, time = columns(images)
    total = energy.sum(axis=(1, 2))
    widths = []
    for axis in (2, 1):
        profile, at = energy.sum(axis=3 - axis), np.arange(energy.shape[axis])
        mean = profile @ at / total
        widths.append(np.sqrt((profile * (at - mean[:, None]) ** 2).sum(axis=1) / total))
    sizes = [total, (energy > 0).sum(axis=(1, 2)), *widths]
    return np.stack([*np.log(np.maximum(sizes, 1e-3)), (energy * time).sum(axis=(1, 2)) / total], axis=1)


@pytest.mark.slow
def test_an_event_depends_on_its_seed_and_number_only(images: SparseImages) -> None:
    for events, batch in ((7, 3), (600, 100), (300, 299)):
        again, first = (
            join(list(sample(events=events, seed=SEED, batch=batch))),
            images.take(slice(0, events)),
        )
        for name in ("offsets", "index", "value", "events", "meta", "label"):
            np.testing.assert_array_equal(getattr(again, name), getattr(first, name))
    other = join(list(sample(events=7, seed=SEED + 1)))
    assert not np.array_equal(other.value[:20], images.value[:20])


def test_batches_are_of_the_size_asked_for() -> None:
    made = list(sample(events=5, seed=0, batch=2, xdim=11, ydim=9))
    assert [len(batch) for batch in made] == [2, 2, 1]
    assert made[0].shape == (2, 9, 11)
    assert list(sample(events=0, seed=0)) == []


def test_classes_are_mixed(images: SparseImages) -> None:
    assert abs(images.label.mean() - 0.5) < 4 * math.sqrt(0.25 / EVENTS)
    assert np.count_nonzero(np.diff(images.label)) > EVENTS / 3
    assert (next(iter(sample(events=9, seed=1, electron_fraction=1.0))).label == 1).all()
    assert images.events["entry"].tolist() == list(range(EVENTS))


def test_scale_is_the_published_one(images: SparseImages) -> None:
    energy, time = np.moveaxis(images.dense(), 1, 0)
    assert 1.0 < np.median(energy.sum(axis=(1, 2))) < 1.6  # 50 GeV / sin(theta), in 50 GeV
    assert (energy >= 0).all()
    assert not time[energy == 0].any()
    assert (energy.reshape(EVENTS, -1).argmax(axis=1) == 16 * 32 + 16).mean() > 0.97
    assert np.abs(time).max() <= 0.3
    hits = energy > 0.005
    assert 0.8 < (np.abs(time[hits]) < 0.1).mean() < 0.97
    assert np.std(time[energy > 0.1]) < 0.01 < np.std(time[(energy > 0) & ~hits])
    edge = np.ones((32, 32), bool)
    edge[8:24, 8:24] = False
    assert (energy[:, edge] > 0).mean() > 100 * (
        energy[:, edge] > 0.005
    ).mean()  # the threshold cuts the noise


def test_a_crystal_holds_what_lead_tungstate_would_let_it(detector: Detector) -> None:
    """A photon at the centre of a crystal deposits about 80 % of its energy there and all but 5 % in 5 x 5."""
    n = 500
    rng = np.random.default_rng(1)
    seen = shower(detector, np.full((n, 1), 50.0), np.zeros((n, 1)), rng)
    total = seen.sum(axis=(1, 2))
    assert np.mean(total) == pytest.approx(50, rel=0.02)
    assert (seen[:, 14:19, 14:19].sum(axis=(1, 2)) / total).mean() > 0.93
    assert np.quantile(seen[:, 16, 16] / total, 0.9) == pytest.approx(0.8, abs=0.08)
    assert np.std(total) / 50 == pytest.approx(math.hypot(0.028 / math.sqrt(50), 0.003), rel=0.4)


def test_energy_is_shared_not_made(detector: Detector) -> None:
    rng = np.random.default_rng(2)
    for label in (0, 1):
        energy, place = particles(detector, np.full(500, label), np.full(500, 0.5), 50.0, rng)
        np.testing.assert_allclose(energy.sum(axis=1), 50 * np.cosh(0.5), rtol=1e-12)
        assert (energy >= 0).all()
        assert np.isfinite(place).all()


def test_photons_convert_as_often_as_the_material_says(detector: Detector) -> None:
    energy, _ = particles(detector, np.zeros(20_000, int), np.zeros(20_000), 50.0, np.random.default_rng(3))
    whole = (np.count_nonzero(energy, axis=1) == 1).mean()
    assert whole == pytest.approx(math.exp(-7 / 9 * 0.4), abs=0.02)


def test_the_field_bends_as_the_lorentz_force_does() -> None:
    """Without material an electron follows a circle of radius p / (0.3 B)."""
    bare = Detector((32, 32), 3.8, 1e-9, 1.0, 0.045, 0.1, 0.028, 0.003)
    energy, place = particles(bare, np.ones(10, int), np.zeros(10), 50.0, np.random.default_rng(4))
    radius, way = 50 / (0.3 * 3.8), 1.29 - 0.04
    arrived = np.abs(place[energy > 25])
    np.testing.assert_allclose(arrived, radius - math.sqrt(radius**2 - way**2), rtol=1e-3)


def test_times_get_better_with_energy(detector: Detector) -> None:
    flat = np.full((50, 32, 32), 4.5)  # GeV: amplitude over noise is 100
    energy, time = np.moveaxis(digitise(detector, flat, np.random.default_rng(5)), 1, 0)
    assert energy.mean() == pytest.approx(4.5 / 50, rel=1e-3)
    assert energy.std() == pytest.approx(0.045 / 50, rel=0.02)
    assert time.std() * 50 == pytest.approx(math.hypot(0.35, 0.15), rel=0.03)


def test_simple_numbers_tell_the_classes_apart_moderately(images: SparseImages) -> None:
    found = scores(features(images), images.label)
    half = EVENTS // 2
    area = auc_interval(labels=images.label[half:], scores=found[half:])
    assert 0.68 < area.value < 0.78


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(InputError) as caught:
        sample(events=-1, seed=0, electron_fraction=1.5, xdim=0, noise=float("nan"))
    assert sorted(fault.split(" = ")[0] for fault in caught.value.faults) == [
        "electron_fraction", "events", "noise", "xdim",
    ]  # fmt: skip
