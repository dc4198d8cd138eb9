"""Meaning of the channels of images: set by readers, preserved by crops, joins and caches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dmcnn.datasets import disk_cache
from dmcnn.datasets.dataset import Dataset
from dmcnn.images.crop import around_most_charge, crop
from dmcnn.images.frames import ECAL, to_frames, to_voxels
from dmcnn.images.sparse import Axis, is_volume, join, sparse


def test_images_keep_what_their_channels_are() -> None:
    pairs = replace(sparse(np.random.default_rng(1).random((4, 2, 6, 6), np.float32)), axis0="channel")
    made = [pairs.take([2, 0]), pairs.take(slice(1, 3)), join([pairs, pairs])]
    made.append(crop(pairs, around_most_charge(pairs, (3, 3))))
    assert {images.axis0 for images in made} == {"channel"}
    frames = to_voxels(pairs, ECAL)
    assert (pairs.is_volume, frames.axis0, frames.is_volume) == (False, "time", True)
    np.testing.assert_array_equal(frames.dense(), to_frames(pairs, ECAL))


@pytest.mark.parametrize(
    ("axis0", "channels", "volume"),
    [("plane", 8, False), ("channel", 8, False), ("time", 3, False), ("time", 4, True), ("z", 4, True)],
)
def test_many_layers_are_a_volume_and_many_planes_are_none(axis0: Axis, channels: int, volume: bool) -> None:
    assert is_volume(axis0, (channels, 5, 5)) is volume


@pytest.mark.parametrize(
    ("view", "axis0"), [("frames", "time"), ("energy_time", "channel"), ("projections", "plane")]
)
def test_views_of_a_calorimeter(cells: Path, view: str, axis0: str) -> None:
    dataset = Dataset(str(cells), view=view)
    assert (dataset.axis0, dataset.read().axis0, dataset.load(progress=False).axis0) == (axis0,) * 3


def test_other_files(shared_data: Path) -> None:
    volume = shared_data / "larcv" / "larcv2_v200_root640_c101.root"
    assert Dataset("sample://smartpixel/train?events=3", slices=[0, 19]).read().axis0 == "time"
    assert Dataset("sample://lariat/train?events=3").read().axis0 == "plane"
    assert Dataset(str(volume), product="sparse3d").read().axis0 == "z"
    assert Dataset(str(volume), product="sparse2d", plane=0).read().axis0 == "plane"


def test_a_cache_need_not_say_it(cells: Path, tmp_path: Path) -> None:
    """Cache files of older versions load as before."""
    dataset = Dataset(str(cells))
    made, again = (disk_cache.load(dataset, tmp_path, {})[0] for _ in range(2))
    assert (made.axis0, again.axis0) == ("time", "time")
