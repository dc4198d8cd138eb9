#pragma once

#include "dmcnn/images.hpp"

namespace dmcnn {

/// Computes the mean row and column of each image over all channels, weighted with the charges above zero; the centre
/// ((height - 1) / 2, (width - 1) / 2) where there are none. Sums are doubles, in the order of the pixels.
///
/// rows,cols (n) results
void centroid(const Images& images, double* rows, double* cols, int threads);

/// Finds the window of height x width pixels with the largest sum of charge over all channels, among all windows
/// inside the image. Along an axis on which the window is larger than the image, the image is centred in it
/// (top = (image height - height) / 2, truncated toward zero).
///
/// The sums are exact: charges are first rounded to multiples of 2^-s, s = 62 - bits(number of pixels) -
/// frexp(largest |charge|), so that every sum fits an int64. A float32 charge loses nothing by that unless it is
/// below 2^(24 - s). Among equal sums the smallest top is taken, then the smallest left.
///
/// tops,lefts (n) results; charge (n) sum in that window
/// Cost per image: O(n_pixels log width), whatever the size of image and window.
void most_charge(const Images& images, std::int64_t height, std::int64_t width, std::int64_t* tops,
                 std::int64_t* lefts, double* charge, int threads);

}  // namespace dmcnn
