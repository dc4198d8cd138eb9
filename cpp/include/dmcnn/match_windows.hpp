// Which windows of a feature map are the same, told from the row numbers of the map before.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace dmcnn {

/// Depth, height, width. Maps of two dimensions have depth 1.
using Triple = std::array<std::int64_t, 3>;

/// Geometry of a convolution or pool.
struct Stencil {
    Triple kernel, stride, dilation;
    Triple before;  ///< padding in front of the map
    Triple after;   ///< padding behind it
    Triple beyond;  ///< places behind the padding, where a rounded-up output looks past it
};

constexpr std::int32_t kPadding = -1;  ///< number of a place in the padding
constexpr std::int32_t kBeyond = -2;   ///< number of a place behind the padding

/// Windows of n maps, each distinct one of a map once.
struct DistinctWindows {
    Triple shape;                          ///< of the maps of windows
    std::vector<std::int32_t> number;      ///< (n, shape) row number of every window
    std::vector<std::int64_t> offsets;     ///< (n + 1) first row of every map
    std::vector<std::int32_t> neighbours;  ///< (rows, kernel) numbers in a window, row-major in the kernel
    std::vector<std::int32_t> count;       ///< (rows) how many windows of its map a row stands for
};

/// Numbers the distinct windows of every map in the order of their first place.
///
/// Two windows share a row if and only if they lie in the same map and hold the same numbers. Maps are worked on in
/// parallel on at most `threads` threads; the result does not depend on that number.
///
/// ids  (n, shape) any numbers; those of the padding are kPadding and kBeyond
/// std::invalid_argument where the geometry does not fit the map or the rows do not fit int32.
DistinctWindows match_windows(const std::int32_t* ids, std::int64_t n, const Triple& shape, const Stencil& stencil,
                              int threads);

}  // namespace dmcnn
