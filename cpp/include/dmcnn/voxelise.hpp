#pragma once

#include "dmcnn/images.hpp"

namespace dmcnn {

/// Edges of n - 1 bins, strictly increasing, n >= 2. Bin k is edges[k] < x <= edges[k + 1] with right_closed, else
/// edges[k] <= x < edges[k + 1]. float32 numbers are compared with the double edges as doubles.
struct Edges {
    const double* edges;
    std::int64_t n;
    bool right_closed;
};

/// Which pixels of an image with a channel of energies and one of times go into which frame.
///
/// time         bin k of the time becomes frame k; frames beyond the last bin, up to `count`, stay empty
/// energy_above only pixels with more energy than this, compared as doubles
/// after,until  only times between these two, the ends as in a bin
/// cumulative   a pixel is in the frame of its bin and in those of all later bins; one before the first edge is in
///              all of them. Otherwise it is in the frame of its bin alone.
struct Frames {
    Edges time;
    std::int64_t count;
    double energy_above, after, until;
    bool cumulative;
};

/// Frames of images as sparse images of (frames, height, width); each voxel holds the energy of its pixel.
///
/// energy,time numbers of the channels. A pixel that the sparse image holds no time for has time 0.
/// `cut` counts the pixels above the energy threshold that are in no frame; `bad` is 0.
///
/// std::invalid_argument names the image or the edge at fault.
Sparse voxelise(const Images& images, std::int64_t energy, std::int64_t time, const Frames& frames, int threads);

/// The same frames as dense images: out (n, frames.count, height, width), zeros included.
void voxelise_dense(const Images& images, std::int64_t energy, std::int64_t time, const Frames& frames, float* out,
                    int threads);

/// Hits of n events: event i owns hits offsets[i] .. offsets[i+1] - 1 of all columns. Real is float or double.
template <class Real>
struct Hits {
    const std::int64_t* offsets;  ///< n + 1, from 0 to size
    std::int64_t n, size;
    const Real *x, *y, *t, *charge;
};

/// Hits as sparse images of (bins of t, bins of y, bins of x). The charges of one voxel are added in the order of the
/// hits, in double, and rounded once to float32; voxels that come out as zero are left out.
///
/// `bad` counts hits with a NaN or infinite number, `cut` those outside the edges. std::invalid_argument names the
/// event or the edge at fault.
template <class Real>
Sparse voxelise_hits(const Hits<Real>& hits, const Edges& t, const Edges& y, const Edges& x, int threads);

}  // namespace dmcnn
