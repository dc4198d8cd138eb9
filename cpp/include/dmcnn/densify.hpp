#pragma once

#include "dmcnn/images.hpp"

namespace dmcnn {

/// Bits of an orientation; the transpose is applied first, then the flips.
enum Orientation : std::uint8_t {
    kTranspose = 1,  ///< swap the axes H and W; needs height == width
    kFlipRows = 2,   ///< reverse the axis H
    kFlipCols = 4,   ///< reverse the axis W
};

/// Augmentation of the images of a batch. An array has one entry per image of the batch; nullptr: none.
///
/// A pixel is masked with probability `mask`; else noise * z is added to its charge, with product and sum in
/// double, rounded once. The random numbers of the stored pixel p are words 4 p (mask) and 4 p + 1 … 4 p + 3 (z) of
/// Stream(seed, key): they do not depend on orientation and shift.
struct Augmentation {
    const std::uint8_t* orientation = nullptr;  ///< sums of Orientation bits
    const std::int64_t* shift = nullptr;        ///< (n, 2): rows down and columns right, after the orientation
    const std::uint64_t* key = nullptr;         ///< key of the image; needed by noise and mask
    std::uint64_t seed = 0;
    float noise = 0.0F;  ///< [ADC] finite, >= 0
    double mask = 0.0;   ///< 0 to 1
};

/// Writes sparse images into out (n, channels, height, width), zeros included.
///
/// from  pixels in any order within an image
/// which (n) numbers of images in `from`, or nullptr for all of them (n == from.n)
/// out   Pixel is float, or uint16_t for the bits of bfloat16 (rounded to nearest, ties to even; any NaN is 0x7fc0)
/// lost  (n) number of pixels that a shift moves out of the image
///
/// Images are written in parallel on at most `threads` threads; the result does not depend on that number.
/// std::invalid_argument names the position in the batch at fault; out is then partly written.
template <class Pixel>
void densify(const Images& from, const std::int64_t* which, std::int64_t n, const Augmentation& change, int threads,
             Pixel* out, std::int64_t* lost);

}  // namespace dmcnn
