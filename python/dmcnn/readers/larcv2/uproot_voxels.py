"""Interpretation of voxel branches for uproot: ``uproot.register_interpretation(AsVoxels)``."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray
from uproot.interpretation.custom import CustomInterpretation

from dmcnn import _core


class AsVoxels(CustomInterpretation):  # type: ignore[misc]  # uproot has no types
    """Interpretation of ``std::vector<larcv::Voxel>[]``, streamed member-wise, which uproot cannot read by itself.

    Once registered, ``tree["_tensor_v._voxel_v"].array()`` (sparse2d) and ``tree["_voxel_vv._voxel_v"].array()``
    (cluster3d) are awkward arrays [entry][tensor][voxel] of {"id": uint64, "value": float32}.
    """

    @classmethod
    def match_branch(cls, branch: Any, context: dict[str, Any], simplify: bool) -> bool:
        """Return whether ``branch`` holds voxels, by its name: the streamer does not tell its class."""
        return str(branch.name).endswith("._voxel_v") and branch.member("fType") == 41

    def basket_array(
        self, data: NDArray[np.uint8], byte_offsets: NDArray[np.int32], *_: Any, **__: Any
    ) -> ak.Array:
        """Decode the voxels of one basket; ValueError naming the entry for malformed bytes."""
        counts, offsets, ids, values = _core.decode_voxels(
            np.ascontiguousarray(data), np.asarray(byte_offsets, np.int64)
        )
        voxels = ak.unflatten(ak.zip({"id": ids, "value": values}), np.diff(offsets))
        return ak.unflatten(voxels, counts)
