#pragma once

#include "dmcnn/sparse.hpp"

namespace dmcnn {

/// Windows of an occlusion scan of one sparse event. Windows that cover the same pixels are merged.
struct Windows {
    std::vector<std::int64_t> frames;  ///< (n) channel of each centre; empty if windows cover all channels
    std::vector<std::int64_t> rows, cols;  ///< (n) centres, row by row, of boxes frame by frame
    std::vector<std::int64_t> number;  ///< (n) the window around each centre, 0 to u - 1 in order of appearance
    std::vector<std::int64_t> offsets;  ///< (u + 1) window w covers covered[offsets[w]:offsets[w+1]]
    std::vector<std::int32_t> covered;  ///< positions in the event's index, strictly increasing within a window
};

/// Windows of a scan: size, stride and treatment of the border.
struct Scan {
    static constexpr std::int64_t kAll = -1;

    std::int64_t half;  ///< [pixels] >= 0: half width; a window has 2 half + 1 pixels per side
    std::int64_t stride;  ///< 1: around every active pixel; s > 1: around the middle of every s x s cell
    bool skip;  ///< skip windows that cross the border, instead of clipping them
    /// [channels] >= 0: half depth of boxes around the active voxels, or around the cells of every channel. kAll: all
    /// channels.
    std::int64_t depth = kAll;
};

/// Lists the windows that cover at least one active pixel.
///
/// index (nnz) flat pixel numbers in `shape`, strictly increasing
///
/// Cells of the stride begin in pixel (0, 0) and end at the border; the middle of rows a … b is row (a + b) / 2.
/// Looks at most at `threads` windows at a time; the result does not depend on it. std::invalid_argument names the
/// pixel at fault.
Windows list_windows(const std::int32_t* index, std::int64_t nnz, const Shape& shape, const Scan& scan, int threads);

/// Input of occlude: an event's pixels, the fill of each, and the pixels of u windows (see Windows).
struct Fill {
    const std::int32_t* index;  ///< (nnz)
    const float* value;  ///< (nnz) fill of each pixel where it is covered
    std::int64_t nnz;
    const std::int64_t* offsets;  ///< (u + 1)
    std::int64_t n_windows;  ///< u
    const std::int32_t* covered;  ///< (n_covered)
    std::int64_t n_covered;
    const float* own = nullptr;  ///< (nnz) charge of the event, needed to restore
};

/// Writes the pixels that a window covers, and only those, into each of n dense images.
///
/// which  (n) number of the window of each image
/// before (n) number of the window written into each image last, whose pixels are restored first, or -1;
///        nullptr: none
/// out    (n, size) images that hold the event already
///
/// Works on at most `threads` images at a time. std::invalid_argument names the image at fault; out is then partly
/// written.
void occlude(const Fill& fill, const std::int64_t* which, const std::int64_t* before, std::int64_t n,
             std::int64_t size, int threads, float* out);

}  // namespace dmcnn
