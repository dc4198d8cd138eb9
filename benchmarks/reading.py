"""Timing of reading LArCV2 images into SparseImages, against uproot and NumPy on the same files.

The baseline reads the whole pixel branch with ``library="np"``, then swaps bytes, thresholds and clips image by
image, as in a notebook. It leaves the pixels in the column-major order of the file and checks nothing.
"""

from __future__ import annotations

import time
from pathlib import Path

import noisy
import numpy as np
import uproot
from timing import Timing, paired

from dmcnn.readers.larcv2.reader import LArCV2

ADC_LO, ADC_HI = 10, 500
PIXELS = f"{noisy.TREE}/image2d_data_branch/_image_v/_image_v._img"


def threshold(branch: uproot.TBranch) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return index and value of the pixels of every image that reach ADC_LO."""
    result = []
    for images in branch.array(library="np", array_cache=None):
        for image in images:
            pixels = np.asarray(image).astype(np.float32)
            index = np.flatnonzero(pixels >= ADC_LO)
            result.append((index, np.minimum(pixels[index], ADC_HI)))
    return result


def open_branch(path: Path) -> uproot.TBranch:
    """Open a file with uproot, without caches, and return its branch of pixels."""
    return uproot.open(path, object_cache=None, array_cache=None)[PIXELS]


def reader(path: Path, n_threads: int) -> LArCV2:
    """Return dmcnn's reader of a file."""
    return LArCV2(path, plane=(0, 1, 2), adc_lo=ADC_LO, adc_hi=ADC_HI, n_threads=n_threads)


def check_equal(path: Path) -> None:
    """Check that both ways read the same pixels."""
    images = reader(path, 2).read()
    expected = threshold(open_branch(path))
    assert sum(len(index) for index, _ in expected) == len(images.index) > 0
    total = np.sort(np.concatenate([value for _, value in expected]))
    assert np.array_equal(total, np.sort(images.value))


def compare(what: str, path: Path, rounds: int, targets: tuple[float, float]) -> list[Timing]:
    """Time one thread in CPU time and two in wall-clock time, with the file open and with opening it each time."""
    check_equal(path)
    branch, results = open_branch(path), []
    for n_threads, clock, target in ((1, time.process_time, targets[0]), (2, time.perf_counter, targets[1])):
        ours = reader(path, n_threads)
        words = f"read {len(ours)} {what} events, {n_threads} thread{'s' * (n_threads > 1)}"
        timed = {"rounds": rounds, "clock": clock}
        results += [
            paired(
                words,
                "uproot to NumPy, threshold",
                ours.read,
                lambda: threshold(branch),
                target=target,
                **timed,
            ),
            paired(
                f"open and {words}",
                "uproot to NumPy, threshold",
                lambda n_threads=n_threads: reader(path, n_threads).read(),
                lambda: threshold(open_branch(path)),
                **timed,
            ),
        ]
    return results


def sparse_events(electron: Path) -> list[Timing]:
    """Time electron.root: 10 events of 3 x 256 x 256 pixels, 0.6 % of them active, 8 kB per event."""
    return compare("sparse 3x256x256", electron, 25, (8, 12))


def noisy_events(electron: Path, folder: Path) -> list[Timing]:
    """Time 10 events of 3 x 512 x 512 pixels, a quarter of them noise, about 650 kB per event (see noisy.write)."""
    return compare("noisy 3x512x512", noisy.write(electron, folder / "noisy.root"), 9, (3, 5))
