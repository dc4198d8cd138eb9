#pragma once

#include "dmcnn/images.hpp"

namespace dmcnn {

/// Mean row and column of each image, all channels together, weighted with the charges above zero; the centre
/// ((height - 1) / 2, (width - 1) / 2) where there are none. Sums are doubles, in the order of the pixels.
///
/// rows,cols (n) results
void centroid(const Images& images, double* rows, double* cols, int threads);

/// The window of height x width pixels with the largest sum of charge, all channels together, among all windows
/// that lie inside the image; along an axis on which the window is larger than the image, the one that has the
/// image at its centre (top = (image height - height) / 2, truncated toward zero).
///
/// The sums are exact: charges are first rounded to multiples of 2^-s, s = 62 - bits(number of pixels) -
/// frexp(largest |charge|), so that every sum fits an int64. A float32 charge loses nothing by that unless it is
/// below 2^(24 - s). Of equal sums the smallest top wins, then the smallest left.
///
/// tops,lefts (n) results; charge (n) sum in that window
/// Cost per image: O(n_pixels log width), whatever the size of image and window.
void most_charge(const Images& images, std::int64_t height, std::int64_t width, std::int64_t* tops,
                 std::int64_t* lefts, double* charge, int threads);

}  // namespace dmcnn
