"""NumPy twins of ``_core.list_windows``, ``_core.list_boxes`` and ``_core.occlude``."""

import numpy as np


def list_windows(index, shape, half, stride=1, skip=False):
    """Same arguments and results as the kernel, by looking at every window of the dense image."""
    (_, height, width), half = shape, min(half, max(shape))
    place = np.full(shape, -1, np.int64)
    place.reshape(-1)[index] = np.arange(len(index))
    if stride == 1:
        centres = np.argwhere((place >= 0).any(0))
    else:
        rows, cols = (
            [(first + min(first + stride, size) - 1) // 2 for first in range(0, size, stride)]
            for size in (height, width)
        )
        centres = [(row, col) for row in rows for col in cols]
    rows, cols, number, windows = [], [], [], {}
    for row, col in centres:
        if skip and not (half <= row < height - half and half <= col < width - half):
            continue
        window = place[:, max(0, row - half) : row + half + 1, max(0, col - half) : col + half + 1]
        covered = tuple(window[window >= 0])
        if covered:
            rows, cols = [*rows, row], [*cols, col]
            number.append(windows.setdefault(covered, len(windows)))
    offsets = np.cumsum([0, *map(len, windows)])
    covered = np.array([pixel for window in windows for pixel in window], np.int32)
    return *(np.array(column, np.int64) for column in (rows, cols, number, offsets)), covered


def list_boxes(index, shape, half, depth, stride=1, skip=False):
    """Same arguments and results as the kernel, by looking at every box of the dense image."""
    reach = [min(size, max(shape)) for size in (depth, half, half)]
    place = np.full(shape, -1, np.int64)
    place.reshape(-1)[index] = np.arange(len(index))
    if stride == 1:
        centres = np.argwhere(place >= 0)
    else:
        rows, cols = (
            [(first + min(first + stride, size) - 1) // 2 for first in range(0, size, stride)]
            for size in shape[1:]
        )
        centres = [(frame, row, col) for frame in range(shape[0]) for row in rows for col in cols]
    kept, number, boxes = [], [], {}
    for centre in centres:
        ends = [(at - far, at + far + 1) for at, far in zip(centre, reach, strict=True)]
        if skip and any(first < 0 or end > size for (first, end), size in zip(ends, shape, strict=True)):
            continue
        box = place[tuple(slice(max(0, first), end) for first, end in ends)]
        if covered := tuple(box[box >= 0]):
            kept.append(centre)
            number.append(boxes.setdefault(covered, len(boxes)))
    frames, rows, cols = np.array(kept, np.int64).reshape(-1, 3).T
    offsets = np.cumsum([0, *map(len, boxes)])
    covered = np.array([pixel for box in boxes for pixel in box], np.int32)
    return frames, rows, cols, *(np.array(column, np.int64) for column in (number, offsets)), covered


def occlude(index, fill, offsets, covered, which, out, before=None, value=None):
    """Same arguments as the kernel; changes ``out``."""
    for i, (image, window) in enumerate(zip(out, which, strict=True)):
        for number, pixel_values in ((-1 if before is None else before[i], value), (window, fill)):
            if number >= 0:
                pixels = covered[offsets[number] : offsets[number + 1]]
                image.reshape(-1)[index[pixels]] = pixel_values[pixels]
