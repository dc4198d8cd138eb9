#pragma once

#include "dmcnn/images.hpp"

namespace dmcnn {

/// Rotates image i about its centre by degrees[i], counter-clockwise with rows upwards.
///
/// The charge of a pixel goes to the four pixels around its rotated centre, in bilinear shares (cloud in cell): the
/// charge and its first moments are those of the image, and lines stay without holes. Multiples of 90 degrees move
/// whole pixels where the centre allows it. Sums are in double in the order of the pixels, and are rounded once to
/// float32. `cut` counts the pixels whose rotated centre lies outside the image; `bad` is 0.
///
/// std::invalid_argument names the image at fault.
Sparse rotate(const Images& images, const double* degrees, int threads);

}  // namespace dmcnn
