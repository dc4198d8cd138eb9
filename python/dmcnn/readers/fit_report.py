"""Report of images fitted to one window: what was read, resized, cropped away and missing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PLACES = {
    None: "",
    "most_charge": ", where the charge is largest",
    "centroid": ", around the mean charged pixel",
    "vertex": ", around the vertex",
    "tiles": ", in tiles",
}
"""Region of interest -> where its window is, for the report."""


@dataclass(frozen=True)
class Report:
    """Counts of the entries read so far; an entry read twice counts once."""

    path: Path
    entries: int
    read: int
    without_image: int
    resized: dict[tuple[int, int], int]
    """(rows, columns) of images that were padded or cropped -> number of images"""
    window: tuple[int, int]
    """(H, W) that all images are fitted to"""
    lost_pixels: int
    """active pixels cropped away"""
    bad_pixels: int
    """NaN or infinite pixels, set to zero"""
    active_pixels: int = 0
    """active pixels, those cropped away included"""
    roi: str | None = None
    """region of interest that places the window; None = the centre of the image"""
    tiles: int = 0
    """tiles with charge"""
    without_vertex: int = 0
    """entries with an image and without a vertex, which have no image then"""
    outside: int = 0
    """entries whose vertex lies outside an image"""

    def lines(self) -> list[str]:
        """Return log lines: coverage, then one per anomaly."""
        lines = [f"{self.path}: {self.read} of {self.entries} entries read"]
        if self.without_image:
            lines.append(f"{self.path}: {self.without_image} entries lack an image that was asked for")
        if self.resized:
            often = sorted(self.resized.items(), key=lambda item: -item[1])
            listed = ", ".join(f"{rows}x{cols} ({n})" for (rows, cols), n in often[:4])
            more = f" and {len(often) - 4} other sizes" if len(often) > 4 else ""
            total, (height, width) = sum(self.resized.values()), self.window
            lines.append(f"{self.path}: {total} images fitted to {height}x{width} (rows x columns) from "
                         f"{listed}{more}{PLACES[self.roi]}")  # fmt: skip
        if self.tiles:
            lines.append(f"{self.path}: {self.tiles} tiles with charge; the best one stands for its entry")
        if self.without_vertex:
            lines.append(f"{self.path}: {self.without_vertex} entries lack a vertex, and so have no image")
        if self.outside:
            lines.append(f"{self.path}: {self.outside} entries have their vertex outside the image")
        if self.lost_pixels:
            share = 100 * self.lost_pixels / max(self.active_pixels, 1)
            lines.append(f"{self.path}: {self.lost_pixels} active pixels cropped away, {share:.2g} % of all"
                         f"{' (roi places windows elsewhere)' * (self.roi is None)}")  # fmt: skip
        if self.bad_pixels:
            lines.append(f"{self.path}: {self.bad_pixels} pixels were NaN or infinite, set to zero")
        return lines
