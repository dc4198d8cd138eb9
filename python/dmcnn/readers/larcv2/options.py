"""Options of LArCV2 and LArCV1 files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dmcnn.readers.options import LArCVOptions, option

Product = Literal["image2d", "sparse2d", "sparse3d"]


@dataclass(frozen=True, kw_only=True)
class LArCV2Options(LArCVOptions):
    """Options of LArCV2 and LArCV1 files."""

    tick_order: Literal["auto", "descending", "ascending"] = option(
        "auto", "order of rows in LArCV1 files, which do not state it", cfg=True
    )
    product: Product | None = option(
        None, "product that holds the images (default: image2d, or the only one in the file)"
    )
    n_threads: int | None = option(None, "baskets read at a time; images do not depend on it", cfg=False)
