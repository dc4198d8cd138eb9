#pragma once

#include "dmcnn/sparse.hpp"

namespace dmcnn {

/// Converts native float32 pixels in memory into sparse images.
///
/// pixels    n_pixels float32 [ADC]
/// starts    (n, channels): position of channel c of image e in pixels; -1 leaves the channel empty
/// rows,cols (n, channels): its size; ignored where starts is -1
/// row_major layout of each image: flat = row * cols + col, else flat = col * rows + row
/// threads   largest number of threads; the result does not depend on it
///
/// The pixel rule, the fit and the counts are those of decode_image2d. std::invalid_argument names the image.
Sparse sparsify(const float* pixels, std::int64_t n_pixels, const std::int64_t* starts, const std::int64_t* rows,
                const std::int64_t* cols, std::int64_t n, const Shape& shape, const Bounds& bounds, bool row_major,
                int threads);

}  // namespace dmcnn
