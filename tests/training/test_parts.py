"""Parts of a training: events in two of them, classes without events, and hashes of images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from conftest import toy_images
from dmcnn._common.errors import InputError
from dmcnn.images.sparse import SparseImages
from dmcnn.training import parts

CLASSES = ["signal", "background"]


def labelled(events: int, seed: int, signal: int | None = None) -> SparseImages:
    """Return toy images, of which every other one or the first ``signal`` are signal."""
    images = toy_images(events, seed, side=96)
    number = np.arange(events)
    return replace(images, label=number % 2 if signal is None else (number >= signal).astype(np.int64))


def test_hashes_depend_on_pixels_alone() -> None:
    images = labelled(9, seed=3)
    hashes = parts.event_hashes(images)
    assert len(set(hashes.tolist())) == 9
    other = replace(images, events=np.zeros_like(images.events))
    assert parts.event_hashes(other.take(np.arange(9)[::-1])).tolist() == hashes[::-1].tolist()
    brighter = replace(images, value=images.value + np.float32(1e-3))
    moved = replace(images, index=images.index + 1)
    for changed in (brighter, moved):
        assert not np.isin(parts.event_hashes(changed), hashes).any()


def test_hashes_do_not_depend_on_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    images = labelled(9, seed=3)
    whole = parts.event_hashes(images)
    monkeypatch.setattr(parts, "BLOCK", 4)
    assert parts.event_hashes(images).tolist() == whole.tolist()


def test_equal_frames_of_different_tracks_are_different_events() -> None:
    images = labelled(4, seed=3).take(np.zeros(4, np.int64))
    tracks = replace(images, label=np.array([[1, 2], [1, 2], [2, 1], [1, 3]], np.float32))
    first, second, *others = parts.event_hashes(tracks).tolist()
    assert first == second
    assert len({first, *others}) == 3


def test_events_in_two_parts_are_counted() -> None:
    train, test = labelled(12, seed=1), labelled(6, seed=2)
    assert parts.remarks({"train": train, "test": test}, CLASSES) == []
    images = {"train": train, "test": train.take(np.arange(4)), "validation": test}
    assert parts.remarks(images, CLASSES) == ["4 of 4 test events are training events too"]
    images = {"train": test, "validation": train.take(np.arange(8)), "test": train.take(np.arange(6, 12))}
    assert parts.remarks(images, CLASSES) == ["2 of 6 test events are validation events too"]


def test_images_without_charge_are_no_events_in_common() -> None:
    empty = labelled(4, seed=1)
    empty = replace(empty, offsets=np.zeros_like(empty.offsets), index=empty.index[:0], value=empty.value[:0])
    assert parts.remarks({"train": empty, "test": empty}, CLASSES) == []


def test_classes_without_events_and_of_wildly_different_sizes() -> None:
    test = labelled(6, seed=2)
    one_class = parts.remarks({"train": labelled(8, seed=1, signal=0), "test": test}, CLASSES)
    assert one_class == ["no training event is signal"]
    assert parts.remarks({"train": labelled(8, seed=1), "test": labelled(6, seed=2, signal=6)}, CLASSES) == [
        "no test event is background"
    ]
    few = parts.remarks({"train": labelled(63, seed=1, signal=3), "test": test}, CLASSES)
    assert few == [
        "3 training events are signal and 60 are background: a network may learn to name the larger class alone"
    ]
    assert parts.remarks({"train": labelled(62, seed=1, signal=3), "test": test}, CLASSES) == []


def test_a_small_sample_goes_without_validation(caplog: pytest.LogCaptureFixture) -> None:
    split = parts.split({"train": labelled(6, seed=1)}, {"validation": 0.1, "test": 0.4}, seed=1)
    assert {part: len(images) for part, images in split.items()} == {"train": 2, "test": 4}
    assert "6 training events are too few to spare any for validation" in caplog.text
    with pytest.raises(InputError, match=r"none is left for test"):
        parts.split({"train": labelled(6, seed=1)}, {"test": 0.05}, seed=1)
