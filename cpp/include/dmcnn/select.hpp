#pragma once

#include <cstdint>
#include <vector>

namespace dmcnn {

/// Active cells of n images. Image i owns cell[offsets[i]:offsets[i+1]] and the same slices of energy and time.
struct Cells {
    std::vector<std::int64_t> offsets;  ///< n + 1
    std::vector<std::int32_t> cell;     ///< number in the window, row-major, increasing in an image
    std::vector<float> energy, time;
    std::vector<std::int64_t> bad;  ///< n: cells of the whole image whose energy or time was NaN or infinite
};

/// Images of height x width cells, and the window of rows x cols in each.
struct Window {
    std::int64_t height, width, top, left, rows, cols;
};

/// Limits: cells of more energy, with a time strictly between; compared as doubles.
struct Limits {
    double energy_min, after, before;
};

/// Selects the cells with energy, within the window and the limits, of n images of interleaved energies and times.
///
/// pairs (n, height, width, 2) float32
///
/// A cell without energy is empty whatever its time. Works on at most `threads` blocks of images at a time; the result
/// does not depend on it. std::invalid_argument if the window does not lie in the images, or a limit is NaN.
Cells select(const float* pairs, std::int64_t n, const Window& window, const Limits& limits, int threads);

}  // namespace dmcnn
