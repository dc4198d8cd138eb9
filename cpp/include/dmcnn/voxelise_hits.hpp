#pragma once

#include "dmcnn/edges.hpp"
#include "dmcnn/images.hpp"

namespace dmcnn {

/// Hits of n events: event i owns hits offsets[i] .. offsets[i+1] - 1 of all columns. Real is float or double.
template <class Real>
struct Hits {
    const std::int64_t* offsets;  ///< n + 1, from 0 to size
    std::int64_t n, size;
    const Real *x, *y, *t, *charge;
};

/// Converts hits into sparse images of (bins of t, bins of y, bins of x). The charges of one voxel are added in the
/// order of the hits, in double, and rounded once to float32; voxels that become zero are not stored.
///
/// `bad` counts hits with a NaN or infinite number, `cut` those outside the edges. std::invalid_argument names the
/// event or the edge at fault.
template <class Real>
Sparse voxelise_hits(const Hits<Real>& hits, const Edges& t, const Edges& y, const Edges& x, int threads);

}  // namespace dmcnn
