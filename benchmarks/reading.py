"""Reading LArCV2 images into SparseImages, against uproot and NumPy on the same files.

The baseline is what a notebook does: the whole pixel branch with ``library="np"``, then per image the byte swap, the
threshold and the clip. It leaves the pixels in the file's column-major order and checks nothing.
"""

from __future__ import annotations

import time
from pathlib import Path

import noisy
import numpy as np
import uproot
from timing import Timing, paired

from dmcnn.readers import LArCV2

ADC_LO, ADC_HI = 10, 500
PIXELS = f"{noisy.TREE}/image2d_data_branch/_image_v/_image_v._img"


def thresholded(branch: uproot.TBranch) -> list[tuple[np.ndarray, np.ndarray]]:
    """Index and value of the pixels of every image that reach ADC_LO."""
    found = []
    for images in branch.array(library="np", array_cache=None):
        for image in images:
            pixels = np.asarray(image).astype(np.float32)
            index = np.flatnonzero(pixels >= ADC_LO)
            found.append((index, np.minimum(pixels[index], ADC_HI)))
    return found


def opened(path: Path) -> uproot.TBranch:
    return uproot.open(path, object_cache=None, array_cache=None)[PIXELS]


def reader(path: Path, n_threads: int) -> LArCV2:
    return LArCV2(path, plane=(0, 1, 2), adc_lo=ADC_LO, adc_hi=ADC_HI, n_threads=n_threads)


def same(path: Path) -> None:
    """Both ways must find the same pixels before their times mean anything."""
    images = reader(path, 2).read()
    expected = thresholded(opened(path))
    assert sum(len(index) for index, _ in expected) == len(images.index) > 0
    total = np.sort(np.concatenate([value for _, value in expected]))
    assert np.array_equal(total, np.sort(images.value))


def compared(what: str, path: Path, rounds: int, targets: tuple[float, float]) -> list[Timing]:
    """One thread by processor time, two by the clock on the wall; with the file open, and opening it each time."""
    same(path)
    branch, results = opened(path), []
    for n_threads, clock, target in ((1, time.process_time, targets[0]), (2, time.perf_counter, targets[1])):
        ours = reader(path, n_threads)
        words = f"read {len(ours)} {what} events, {n_threads} thread{'s' * (n_threads > 1)}"
        timed = {"rounds": rounds, "clock": clock}
        results += [
            paired(
                words, "uproot np, threshold", ours.read, lambda: thresholded(branch), target=target, **timed
            ),
            paired(
                f"{words}, opening the file",
                "uproot np, threshold",
                lambda n_threads=n_threads: reader(path, n_threads).read(),
                lambda: thresholded(opened(path)),
                **timed,
            ),
        ]
    return results


def sparse_events(electron: Path) -> list[Timing]:
    """electron.root: 10 events of 3 x 256 x 256 pixels of which 0.6 % are active, 8 kB per event."""
    return compared("sparse 3x256x256", electron, 25, (8, 12))


def noisy_events(electron: Path, folder: Path) -> list[Timing]:
    """10 events of 3 x 512 x 512 pixels, a quarter of them noise, about 650 kB per event (see noisy.write)."""
    return compared("noisy 3x512x512", noisy.write(electron, folder / "noisy.root"), 9, (3, 5))
