"""Test-beam sample: reproducibility, equal fractions of six particles, their physics, no trivial separation."""

import numpy as np
import pytest

from dmcnn._common.errors import InputError
from dmcnn.images.sparse import UNIT_PIXEL, UNSET, SparseImages, join
from dmcnn.simulation import SAMPLES
from dmcnn.simulation.lartpc import argon
from dmcnn.simulation.lartpc import lariat as module
from dmcnn.simulation.lartpc.lariat import BINS, CLASSES, WIRES, charge_image
from dmcnn.simulation.lartpc.particles import Deposits
from dmcnn.simulation.lartpc.response import Response

EVENTS, FEW, SEED = 120, 18, 5
sample = SAMPLES["lariat"]
RESPONSE = Response(gain=200.0, lifetime=1000.0, shaping=8.0, noise=0.0, zero_suppression=0.0)


@pytest.fixture(scope="module")
def images() -> SparseImages:
    return join(list(sample(events=EVENTS, seed=SEED)))


@pytest.fixture(scope="module")
def few() -> SparseImages:
    return join(list(sample(events=FEW, seed=SEED)))


def of(kind: str, events: int, **arguments: float) -> SparseImages:
    """Return images of one kind of particle, without noise."""
    fractions = [float(name == kind) for name in CLASSES]
    return join(list(sample(events=events, seed=3, fractions=fractions, noise=0.0, **arguments)))


def same(a: SparseImages, b: SparseImages) -> bool:
    columns = ("offsets", "index", "value", "events", "meta", "label")
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in columns)


def test_an_event_depends_on_its_seed_and_number_only(few):
    assert same(few.take(slice(0, 7)), join(list(sample(events=7, seed=SEED, batch=3))))
    assert not same(few.take(slice(0, 7)), join(list(sample(events=7, seed=SEED + 1))))
    assert [len(b) for b in sample(events=5, seed=0, batch=2)] == [2, 2, 1]
    assert list(sample(events=0, seed=0)) == []


@pytest.mark.slow
def test_classes_come_in_turn_or_as_asked_for(few):
    assert few.label.tolist() == [i % 6 for i in range(FEW)]
    mixed = join(list(sample(events=60, seed=1, fractions=[0, 0, 1, 0, 3, 0])))
    counts = np.bincount(mixed.label, minlength=6)
    assert counts[[0, 1, 3, 5]].sum() == 0
    assert 5 < counts[2] < 28


def test_pixels_ids_and_place(few):
    assert few.shape == (1, 240, 146)
    for first, last in zip(few.offsets[:-1], few.offsets[1:], strict=True):
        assert np.all(np.diff(few.index[first:last]) > 0)
    assert few.value.min() >= 20
    assert few.events["entry"].tolist() == list(range(FEW))
    assert (few.events["run"] == UNSET).all()
    assert few.meta[0, 0].item() == (0, UNIT_PIXEL, 0, 0, 146, 240)


@pytest.mark.slow
def test_charges_are_those_of_the_published_arrays(images, shared_data):
    """Pixels are 0 or up to a few hundred ADC; the median is that of minimum ionising tracks."""
    with np.load(shared_data / "keras" / "lariat_oracle.npz") as oracle:
        real = oracle["images"]
    assert real.shape[1:] == images.shape[1:]
    assert np.median(images.value) == pytest.approx(np.median(real[real > 0]), rel=0.5)
    assert np.percentile(images.value, 95) == pytest.approx(np.percentile(real[real > 0], 95), rel=0.5)


def test_a_deposit_lies_on_its_wire_and_in_its_bin():
    x, y, z = 30.0, -4.0, 60.0
    deposit = Deposits(np.array([0.5]), np.array([0.25]), np.array([[x, y, z]]), np.zeros(1))
    image = charge_image(deposit, RESPONSE).reshape(WIRES, BINS)
    wire, bin_ = np.unravel_index(image.argmax(), image.shape)
    distance = (wire + 0.5 - WIRES / 2) * 0.4  # from the middle, across the wires
    assert distance == pytest.approx((z - 45) * np.sqrt(0.75) + y * 0.5, abs=0.2)
    assert (bin_ + 0.5 - 15) * 21 * 0.128 * 0.151 == pytest.approx(x, abs=0.21)
    left = 200 * 0.5 * argon.surviving_charge(np.array([2.0]), 0.484)[0] * np.exp(-30 / 0.151 / 1000)
    assert image.sum() == pytest.approx(left, rel=1e-4)


@pytest.mark.parametrize(
    "place", [(-1, 0, 45), (48, 0, 45), (20, 21, 45), (20, -21, 45), (20, 0, -1), (20, 0, 91)]
)
def test_charge_outside_the_argon_is_not_seen(place):
    deposit = Deposits(np.ones(1), np.ones(1), np.array([place], float), np.zeros(1))
    assert charge_image(deposit, RESPONSE).sum() == 0


def test_the_whole_drift_lies_in_the_readout():
    corners = [(x, 0.0, z) for x in (0.01, 46.99) for z in (10.0, 80.0)]
    for corner in corners:
        deposit = Deposits(np.ones(1), np.ones(1), np.array([corner]), np.zeros(1))
        assert charge_image(deposit, RESPONSE).sum() > 0


def rows(images: SparseImages) -> np.ndarray:
    """Return the charge on each wire, (n, wires)."""
    return images.dense()[:, 0].sum(axis=2)


@pytest.mark.slow
def test_muons_stop_at_their_range_with_a_bragg_peak():
    images = of("muon", 40, momentum_lo=300.0, momentum_hi=300.0, beam_angle=0.0, beam_size=0.0)
    charge = rows(images)
    last = np.array([np.flatnonzero(wires > 0)[0] for wires in charge]), charge.shape
    assert (last[0] < 26).all()  # every muon comes in at the front face
    kinetic = np.hypot(300.0, argon.MASS[argon.MUON]) - argon.MASS[argon.MUON]
    reach = argon.csda_range(np.array([kinetic]), argon.MASS[argon.MUON])[0]
    stop = int(120 + (reach - 45) * np.sqrt(0.75) / 0.4)
    mean = charge.mean(axis=0)
    assert mean[stop - 12 : stop].mean() > 1.3 * mean[60:90].mean()
    assert mean[stop + 12 : stop + 24].mean() < 0.35 * mean[60:90].mean()


@pytest.mark.slow
def test_photons_leave_a_gap_that_electrons_do_not():
    first = {}
    for kind in ("electron", "photon"):
        images = of(kind, 40, momentum_lo=600.0, momentum_hi=600.0)
        first[kind] = np.array([np.flatnonzero(wires > 0)[:1].sum() for wires in rows(images)])
    assert np.percentile(first["electron"], 90) < 40
    gap = (first["photon"] - np.median(first["electron"])) * 0.4 / np.sqrt(0.75)
    assert np.mean(gap > 2) > 0.75
    assert np.median(gap) == pytest.approx(20 * np.log(2), rel=0.5)  # conversion length of ~20 cm


@pytest.mark.slow
def test_neutral_pions_look_like_two_photons():
    width = {}
    for kind in ("photon", "pion_zero"):
        dense = of(kind, 40, momentum_lo=400.0, momentum_hi=400.0).dense()[:, 0].sum(axis=1)
        centre = dense @ np.arange(BINS) / np.maximum(dense.sum(axis=1), 1)
        spread = ((np.arange(BINS) - centre[:, None]) ** 2 * dense).sum(axis=1)
        width[kind] = np.sqrt(spread / np.maximum(dense.sum(axis=1), 1))
    assert np.median(width["pion_zero"]) > 1.25 * np.median(width["photon"])


@pytest.mark.slow
def test_pions_end_early_more_often_than_muons():
    length = {}
    for kind in ("muon", "pion"):
        charge = rows(of(kind, 40, momentum_lo=700.0, momentum_hi=1500.0))
        length[kind] = (charge > 0).sum(axis=1)
    assert np.mean(length["muon"] > 180) > 0.9
    assert 0.2 < np.mean(length["pion"] > 180) < 0.8


@pytest.mark.slow
def test_no_class_is_given_away_by_its_number_of_pixels(images):
    """A histogram of the number of pixels alone, evaluated on the same events, does not separate the classes."""
    bins = np.quantile(images.n_pixels, np.linspace(0, 1, 9))
    place = np.digitize(images.n_pixels, bins[1:-1])
    table = np.zeros((8, 6))
    np.add.at(table, (place, images.label), 1)
    assert table.max(axis=1).sum() / EVENTS < 0.5


def test_every_fault_is_named_at_once():
    with pytest.raises(InputError) as caught:
        sample(events=-1, seed=0, momentum_lo=500.0, momentum_hi=400.0, noise=float("nan"), fractions=[1, 2])
    words = [fault.split(" ")[0] for fault in caught.value.faults]
    assert sorted(words[:-1]) == ["events", "momentum_lo", "noise"]  # in Python 3.10 in another order
    assert "electron, kaon, muon, photon, pion, pion_zero" in caught.value.faults[-1]
    for fractions in ([0] * 6, [1, 1, 1, 1, 1, -1], [float("nan")] * 6):
        with pytest.raises(InputError, match="fractions"):
            sample(events=1, seed=0, fractions=fractions)


def test_every_class_has_its_particle():
    assert tuple(module.CODES) == CLASSES
