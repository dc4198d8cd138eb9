"""Images fitted to one window, centred or by a region of interest, with threshold and clip: LArCV and .npy files."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dmcnn._common.columns import join_offsets
from dmcnn._common.errors import InputError
from dmcnn._common.files import expand
from dmcnn.formats.source import existing_file
from dmcnn.images.sparse import SparseImages
from dmcnn.readers.base import EventFile, Particles
from dmcnn.readers.fit_report import Report
from dmcnn.readers.image_choice import ImageTable, choose, fitted_meta, window
from dmcnn.readers.options import FitOptions, LArCVOptions
from dmcnn.readers.roi import (
    Regions,
    around_centre,
    around_charge,
    around_vertex,
    best_tiles,
    merge_rows,
)
from dmcnn.readers.vertices import project, read_vertices

Decoded = tuple[
    NDArray[np.int64], NDArray[np.int32], NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]
]
"""offsets (n+1,), index (nnz,), value (nnz,), NaN or infinite pixels (n,), active pixels cropped away (n,)."""


UNSET_POSITION = 1e30
"""[cm] larcv's mark of a position that was never set is far beyond it."""


class FittedFile(EventFile):
    """File of images that are fitted to one window, cut below a threshold and clipped above another.

    A subclass calls ``_fit`` in its constructor and decodes pixels in ``_pixels``: those of the window around the
    centre, or with a region of interest those of the whole image, from which the window is cut then.
    """

    options_class: ClassVar[type[FitOptions]] = FitOptions
    options: FitOptions

    def _fit(self, where: str, table: ImageTable, image: NDArray[np.int64]) -> None:
        """Set ``shape``, sizes and meta of every image; row ``image[n, c]`` of ``table`` is channel c of entry n.

        If every entry has the same images, ``table`` and ``image`` may be those of one entry.
        """
        channels, (height, width) = image.shape[1], self._sizes(where, table, image)
        self.shape = channels, height, width
        present = image >= 0
        columns = [
            np.where(present, column[image], missing)
            for column, missing in ((table.position, -1), (table.rows, 0), (table.cols, 0))
        ]
        columns += [image, fitted_meta(table, image, *self._whole[1:])]
        size = len(self.events), image.shape[1]
        self._position, self._rows, self._cols, self._image, self.meta = (
            np.broadcast_to(column, size) for column in columns
        )
        self._read = np.zeros(len(self.events), bool)
        self._bad, self._cut, self._active, self._tiles = np.zeros((4, len(self.events)), np.int64)
        self._no_vertex, self._outside = np.zeros((2, len(self.events)), bool)
        self._windows, self._vertices = np.full((*size, 2), np.nan), np.zeros(0)

    def _sizes(self, where: str, table: ImageTable, image: NDArray[np.int64]) -> tuple[int, int]:
        """Return the size of the window; set ``_whole``, the (C, H, W) into which images are decoded."""
        ydim, xdim, merged = self.options.ydim, self.options.xdim, self.options.rows_per_pixel or 1
        size = window(where, table, image, ydim, xdim)
        self._whole = image.shape[1], *size
        if self.options.roi is None and not self.options.merges:
            return size
        wanted = image[image >= 0]
        rows = -(-int(table.rows[wanted].max()) // merged) * merged
        self._whole = image.shape[1], *window(where, table, image, rows, int(table.cols[wanted].max()))
        return ydim or rows // merged, size[1]

    def read(self, start: int = 0, stop: int | None = None) -> SparseImages:
        stop = self._until(start, stop)
        offsets, index, value, bad, cut = self._pixels(start, stop)
        if self.options.bad_pixels == "stop":
            self._stop_at(bad, start)
        images = SparseImages(
            offsets, index, value, self._whole, self.events[start:stop].copy(), self.meta[start:stop].copy(),
            axis0=self.axis0,
        )  # fmt: skip
        entries, options = slice(start, stop), self.options
        if options.merges:
            merged = merge_rows(images, options.rows_per_pixel or 1, options.row_merge)
            images = merged.limited(options.adc_lo, options.adc_hi)
        self._active[entries] = images.n_pixels + cut
        if options.roi is not None or options.merges:
            whole, (images, cut, self._outside[entries], self._tiles[entries]) = (
                images,
                self._regions(images, entries),
            )
            self._no_vertex[entries] = whole.has_image & ~images.has_image
            for axis, edge in enumerate(("x_min", "y_min")):
                self._windows[entries, :, axis] = images.meta[edge]
        self._read[entries], self._bad[entries], self._cut[entries] = True, bad, cut
        return images

    def _regions(self, images: SparseImages, entries: slice) -> Regions:
        """Return the regions of interest of the whole images of some entries."""
        roi, size = self.options.roi, self.shape[1:]
        if roi == "tiles":
            return best_tiles(images, size, self.tile_score)
        if roi == "vertex":
            return around_vertex(images, size, self._vertices[entries])
        if roi is None:
            return around_centre(images, size)
        return around_charge(images, roi, size)

    def windows(self, start: int, stop: int) -> NDArray[np.float64] | None:
        if self.options.roi is None:
            return None
        if not self._read[start:stop].all():
            self.read(start, stop)
        planes = slice(None) if self.axis0 == "plane" else slice(1)  # layers of a volume share one
        present = self._position[start:stop, planes, None] >= 0
        return np.where(present, self._windows[start:stop, planes], np.nan)

    @property
    def report(self) -> Report:
        """Counts of the entries read so far."""
        present = (self._position >= 0) & self._read[:, None]
        resized = present & ((self._rows != self.shape[1]) | (self._cols != self.shape[2]))
        sizes, n = np.unique(
            np.stack([self._rows[resized], self._cols[resized]], axis=1), axis=0, return_counts=True
        )
        return Report(
            path=self.path,
            entries=len(self),
            read=int(self._read.sum()),
            without_image=int((self._read & (self._position < 0).any(axis=1)).sum()),
            resized={(int(r), int(c)): int(k) for (r, c), k in zip(sizes, n, strict=True)},
            window=self.shape[1:],
            lost_pixels=int(self._cut.sum()),
            bad_pixels=int(self._bad.sum()),
            active_pixels=int(self._active.sum()),
            roi=self.options.roi,
            tiles=int(self._tiles.sum()),
            without_vertex=int(self._no_vertex.sum()),
            outside=int(self._outside.sum()),
        )

    def report_lines(self) -> list[str]:
        return self.report.lines()

    @property
    def size_options(self) -> dict[str, int]:
        return {"ydim": self.shape[1], "xdim": self.shape[2]}

    @abstractmethod
    def _pixels(self, start: int, stop: int) -> Decoded:
        """Decode the chosen images (``_position``, ``_rows``, ``_cols``) of entries start..stop-1 into ``_whole``."""


class ImageFile(FittedFile):
    """LArCV file of detector images."""

    options_class: ClassVar[type[LArCVOptions]]
    options: LArCVOptions

    def __init__(self, path: str | Path, options: LArCVOptions | None = None, **given: Any) -> None:
        super().__init__(existing_file(path), options, **given)
        self.producer, self.events, table = self._tables(self.options.producer)
        where = f"{self.path}: producer {self.producer!r}"
        self._fit(where, table, choose(where, table, self.options.plane, self.options.image_index))
        if self.options.roi == "vertex":
            self._vertices = self._find_vertices()

    def _find_vertices(self) -> NDArray[np.float64]:
        """Return the (n, C, 2) x and y of every entry's vertex in its images; NaN = none.

        Raises:
            InputError: a file of volumes, no vertex for any entry, or points [cm] that have no place in the images.
        """
        if self.axis0 != "plane":
            raise InputError(f"{self.path}: roi = 'vertex' needs images of planes, not layers of a volume")
        if self.options.vertex_csv is None:
            where, points = f"{self.path}: particle table", self.vertices()
        else:
            csv, columns = self.options.vertex_csv, self.options.vertex_columns
            where, points = read_vertices(csv, columns, self.events, self.shape[0])
        if not np.isfinite(points).all(axis=1).any():
            raise InputError(f"{where}: no vertex of any of the {len(self)} entries of {self.path}")
        if points.shape[1] == 3:
            points = project(str(self.path), points, self.meta, self.options.vertex_projection)
        return points.reshape(len(self), self.shape[0], 2)

    @abstractmethod
    def _tables(self, producer: str | None) -> tuple[str, NDArray[Any], ImageTable]:
        """Return the producer, the (n,) EVENT of all entries, and the table of all their images.

        If every entry has the same images, the table may be that of one entry.
        """

    @property
    def content_files(self) -> list[Path]:
        csv = self.options.vertex_csv if self.options.roi == "vertex" else None
        return super().content_files + ([] if csv is None else list(map(Path, expand(csv))))

    def pdg(self) -> Particles:
        counts, codes = self._primaries("pdg")
        return counts, codes[0].astype(np.int64)

    def vertices(self) -> NDArray[np.float64]:
        """Return the (n, 3) x, y, z [cm] where the first primary particle of every entry was made; NaN = none."""
        counts, position = self._primaries("x", "y", "z")
        points = np.full((len(counts), 3), np.nan)
        has = counts > 0
        points[has] = np.stack(position, axis=1)[(np.cumsum(counts) - counts)[has]]
        return np.where(np.abs(points) < UNSET_POSITION, points, np.nan)

    @abstractmethod
    def _primaries(self, *names: str) -> tuple[NDArray[np.int64], list[NDArray[Any]]]:
        """Return the primary particles of the particle table of the same file.

        Args:
            names: "pdg", or "x", "y" and "z" of the place where a particle was made.

        Returns:
            How many each entry has (n,), and the columns of all, one after another (m,).
        """


def join_decoded(parts: Sequence[Decoded]) -> Decoded:
    """Concatenate decoded entries."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        none = np.zeros(0, np.int64)
        return np.zeros(1, np.int64), none.astype(np.int32), none.astype(np.float32), none, none
    offsets, *rest = zip(*parts, strict=True)
    index, value, bad, cut = map(np.concatenate, rest)
    return join_offsets(offsets), index, value, bad, cut
