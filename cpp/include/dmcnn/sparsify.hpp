#pragma once

#include "dmcnn/sparse.hpp"

namespace dmcnn {

/// Sparse images from native float32 pixels in memory.
///
/// pixels    n_pixels float32 [ADC]
/// starts    (n, channels): where channel c of image e begins in pixels; -1 leaves the channel empty
/// rows,cols (n, channels): its size; ignored where starts is -1
/// row_major how each image is stored: flat = row * cols + col, or else flat = col * rows + row
/// threads   at most so many work on different images; the result does not depend on their number
///
/// The pixel rule, the fit and the counts are those of decode_image2d. std::invalid_argument names the image.
Sparse sparsify(const float* pixels, std::int64_t n_pixels, const std::int64_t* starts, const std::int64_t* rows,
                const std::int64_t* cols, std::int64_t n, const Shape& shape, const Bounds& bounds, bool row_major,
                int threads);

}  // namespace dmcnn
