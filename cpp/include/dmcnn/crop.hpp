#pragma once

#include "dmcnn/images.hpp"

namespace dmcnn {

/// Operation that merges rows; an absent pixel counts as zero.
enum class Merge { sum, mean, max };

/// n windows. Window j covers the rows top[j] .. top[j] + height * rows_per_pixel - 1 and the columns
/// left[j] .. left[j] + width - 1 of all channels of image source[j]. It may extend beyond the image.
struct Cuts {
    const std::int64_t *source, *top, *left;
    std::int64_t n, height, width, rows_per_pixel;
};

/// Crops windows of images: one image of (channels, height, width) per window.
///
/// Row r of the image goes to row (r - top) / rows_per_pixel of the window; with rows_per_pixel = 1 values are
/// copied. Sums are over the rows in increasing order, in double, and are rounded once to float32; a mean is the
/// sum divided by rows_per_pixel. Pixels that become zero are not stored. `cut` counts the pixels of the image
/// outside the window; `bad` is 0.
///
/// std::invalid_argument names the image or the window at fault.
Sparse crop(const Images& images, const Cuts& cuts, Merge merge, int threads);

}  // namespace dmcnn
