"""Dark-trident sample: reproducibility, image size, ADC scale, and classes that are hard to separate."""

import numpy as np
import pytest
import uproot

from dmcnn._common.errors import InputError
from dmcnn.images.sparse import SparseImages, join
from dmcnn.simulation import SAMPLES

EVENTS, FEW, SEED = 240, 20, 11
sample = SAMPLES["dark-trident"]


@pytest.fixture(scope="module")
def images() -> SparseImages:
    return join(list(sample(events=EVENTS, seed=SEED)))


@pytest.fixture(scope="module")
def few() -> SparseImages:
    return join(list(sample(events=FEW, seed=SEED)))


@pytest.fixture(scope="module")
def active(images):
    """Return the number of pixels of at least 10 ADC in every image."""
    return np.add.reduceat(images.value >= 10, images.offsets[:-1])


def same(a: SparseImages, b: SparseImages) -> bool:
    columns = ("offsets", "index", "value", "events", "meta")
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in columns)


def test_an_event_depends_on_its_seed_and_number_only(few):
    assert same(few.take(slice(0, 7)), join(list(sample(events=7, seed=SEED, batch=3))))
    assert not same(few.take(slice(0, 7)), join(list(sample(events=7, seed=SEED + 1))))


def test_batches_are_of_the_size_asked_for():
    assert [len(b) for b in sample(events=5, seed=0, batch=2, xdim=32, ydim=48)] == [2, 2, 1]
    assert list(sample(events=0, seed=0)) == []


def test_events_are_numbered_and_unlabelled(few):
    assert few.events["entry"].tolist() == list(range(FEW))
    assert len(np.unique(few.events[["run", "subrun", "event"]])) == FEW
    assert few.label is None


def test_pixels_are_ordered_positive_and_partly_below_threshold(few):
    assert few.shape == (1, 512, 512)
    for first, last in zip(few.offsets[:-1], few.offsets[1:], strict=True):
        assert np.all(np.diff(few.index[first:last]) > 0)
    assert few.index.min() >= 0
    assert few.index.max() < 512 * 512
    assert few.value.min() > 0
    assert 0.1 < np.mean(few.value < 10) < 0.7


@pytest.mark.slow
def test_half_of_the_events_are_signal_and_kinds_are_mixed(images):
    signal = images.events["run"] == 100
    assert abs(signal.mean() - 0.5) < 4 * np.sqrt(0.25 / EVENTS)
    assert set(images.events["run"].tolist()) == {100, 200, 300}
    assert np.count_nonzero(np.diff(signal)) > EVENTS / 4
    all_signal = next(iter(sample(events=5, seed=1, signal_fraction=1.0, xdim=64, ydim=64)))
    assert (all_signal.events["run"] == 100).all()


def test_meta_is_a_window_of_whole_pixels_in_the_readout(few):
    meta = few.meta[:, 0]
    assert (meta["plane"] == 2).all()
    assert (meta["unit"] == 2).all()
    assert (meta["x_max"] - meta["x_min"] == 512).all()
    assert (meta["y_max"] - meta["y_min"] == 512 * 6).all()
    assert meta["x_min"].min() >= 0
    assert meta["x_max"].max() <= 3456
    assert meta["y_min"].min() >= 2400
    assert meta["y_max"].max() <= 2400 + 6048
    assert len(np.unique(meta["x_min"])) > FEW / 2


@pytest.mark.slow
def test_occupancy_is_that_of_the_published_images(images, active):
    signal = images.events["run"] == 100
    for kind in (signal, ~signal):
        assert 1400 < np.median(active[kind]) < 2300
    assert np.mean((active > 500) & (active < 5000)) > 0.9
    stored = images.n_pixels
    assert np.mean((stored > 500) & (stored < 5000)) > 0.9


@pytest.mark.slow
def test_the_charge_around_the_middle_gives_little_away(images):
    """The mean ADC in a box of 80 x 80 pixels reaches 0.61, where it reached 0.76 with a vertex 8 pixels off."""
    event = np.repeat(np.arange(EVENTS), np.diff(images.offsets))
    row, column = images.index // 512, images.index % 512
    near = (np.abs(row - 256) < 40) & (np.abs(column - 256) < 40) & (images.value >= 10)
    charge = np.bincount(event[near], np.clip(images.value, 0, 500)[near], EVENTS)
    charge /= np.maximum(np.bincount(event[near], minlength=EVENTS), 1)
    signal = images.events["run"] == 100
    higher = charge[signal][:, None] - charge[~signal]
    assert abs(np.mean(higher > 0) + 0.5 * np.mean(higher == 0) - 0.5) < 0.15


@pytest.mark.slow
def test_a_cut_on_the_number_of_pixels_separates_nothing(images, active):
    signal = images.events["run"] == 100
    higher = active[signal][:, None] - active[~signal]
    area = np.mean(higher > 0) + 0.5 * np.mean(higher == 0)
    assert 0.4 < area < 0.62


@pytest.mark.slow
def test_adc_scale_reaches_from_minimum_ionising_to_clipping(images):
    charge = images.value[images.value >= 10]
    assert 30 < np.median(charge) < 80
    assert 180 < np.percentile(charge, 99) < 500
    assert charge.max() > 500


@pytest.mark.slow
def test_adc_scale_is_that_of_real_files(shared_data):
    with uproot.open(shared_data / "larcv" / "electron.root") as file:
        tree = file["image2d_data_tree"]
        events = tree["_image_v._img"].array(library="ak") if "_image_v._img" in tree else None
        assert events is not None
        real = np.concatenate([np.asarray(event[plane]) for event in events for plane in range(3)])
    batch = next(iter(sample(events=40, seed=2, signal_fraction=1.0, cosmic_flux=0.0)))
    ours = np.median(batch.value[batch.value >= 10])
    pixel = 0.3 / 0.5  # of ours to theirs, in cm
    assert ours == pytest.approx(pixel * np.median(real[real >= 10]), rel=0.4)


@pytest.mark.slow
def test_the_vertex_is_in_the_middle_and_showers_go_forward():
    how = {"signal_fraction": 1.0, "cosmic_flux": 0.0, "noise": 0.0, "vertex_jitter": 8.0}
    batch = next(iter(sample(events=40, seed=3, **how)))
    first = []  # column with the first 2 % of the charge: annihilation photons go back
    for a, b in zip(batch.offsets, batch.offsets[1:], strict=False):
        charge = np.bincount(batch.index[a:b] % 512, batch.value[a:b], 512).cumsum()
        first.append(np.searchsorted(charge, 0.02 * charge[-1]))
    middle = np.average(batch.index % 512, weights=batch.value)
    assert abs(np.median(first) - 256) < 15
    assert 280 < middle < 420


def test_every_fault_is_named_at_once():
    with pytest.raises(InputError) as caught:
        sample(events=-1, seed=0, signal_fraction=1.5, xdim=4000, noise=float("nan"))
    found = {fault.split(" = ")[0]: fault for fault in caught.value.faults}
    assert sorted(found) == ["events", "noise", "signal_fraction", "xdim"]
    assert "expected 1 to 3456" in found["xdim"]
