"""How a network is evaluated: dense, or sparse at the price of an image's charge."""

from __future__ import annotations

from dmcnn.engines.sparse import SparseNet, sparse

__all__ = ["SparseNet", "sparse"]
