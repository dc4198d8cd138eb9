#pragma once

#include "dmcnn/sparse.hpp"

namespace dmcnn {

/// Copies of one dense image, each with one window set to zero in all channels.
///
/// image     (channels, height, width) float32
/// rows,cols (n): centre of each window, inside the image
/// half      >= 0: the window reaches `half` pixels to every side (2 * half + 1 across), clipped at the borders
/// out       (n, channels, height, width); must not overlap image
///
/// std::invalid_argument names the window at fault; out is then partly written.
void occlude(const float* image, const Shape& shape, const std::int64_t* rows, const std::int64_t* cols,
             std::int64_t n, std::int64_t half, float* out);

}  // namespace dmcnn
