#pragma once

#include "dmcnn/images.hpp"

namespace dmcnn {

/// n images to make: image source[j], rotated by degrees[j] about its centre.
struct Turns {
    const std::int64_t* source;
    const double* degrees;
    std::int64_t n;
};

/// Rotates images about their centre, counter-clockwise with rows upwards.
///
/// The charge of a pixel goes to the four pixels around its rotated centre, in bilinear shares (cloud in cell): the
/// charge and its first moments are those of the image, and lines stay without holes. Multiples of 90 degrees move
/// whole pixels where the centre allows it. Sums are in double in the order of the pixels, and are rounded once to
/// float32. `cut` counts the pixels whose rotated centre lies outside the image; `bad` is 0.
///
/// std::invalid_argument names the image or the turn at fault.
Sparse rotate(const Images& images, const Turns& turns, int threads);

}  // namespace dmcnn
