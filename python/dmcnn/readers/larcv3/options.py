"""Options of LArCV3 files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dmcnn.readers.options import LArCVOptions, option

Product = Literal["image2d", "sparse2d"]


@dataclass(frozen=True, kw_only=True)
class LArCV3Options(LArCVOptions):
    """Options of LArCV3 files."""

    product: Product | None = option(
        None, "product that holds the images (default: image2d, or the only one in the file)"
    )
    axis0: Literal["row", "col"] = option("row", "meaning of the first stored axis", cfg=False)
