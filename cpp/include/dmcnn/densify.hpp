#pragma once

#include "dmcnn/sparse.hpp"

namespace dmcnn {

/// Bits of an orientation; the transpose comes first, then the flips.
enum Orientation : std::uint8_t {
    kTranspose = 1,  ///< swap the axes H and W; needs height == width
    kFlipRows = 2,   ///< reverse the axis H
    kFlipCols = 4,   ///< reverse the axis W
};

/// Writes n sparse images into out (n, channels, height, width), zeros included.
///
/// offsets     (n + 1): image i owns index[offsets[i]:offsets[i+1]]; runs from 0 to nnz
/// index,value (nnz): flat pixel numbers in `shape`, in any order, and their values
/// orientation (n) sums of Orientation bits, or nullptr for images as they are
///
/// std::invalid_argument names the image at fault; out is then partly written.
void densify(const std::int64_t* offsets, std::int64_t n, const std::int32_t* index, const float* value,
             std::int64_t nnz, const std::uint8_t* orientation, const Shape& shape, float* out);

}  // namespace dmcnn
