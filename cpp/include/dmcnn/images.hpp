// Sparse images in the caller's memory, and the partial results of a parallel kernel.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>

#include "dmcnn/parallel.hpp"
#include "dmcnn/sparse.hpp"

namespace dmcnn {

/// A batch of n images in the layout of Sparse, in the caller's memory.
struct Images {
    const std::int64_t* offsets;  ///< n + 1, from 0 to nnz
    std::int64_t n;
    const std::int32_t* index;
    const float* value;
    std::int64_t nnz;
    Shape shape;

    std::int64_t plane() const { return shape.height * shape.width; }
};

/// Throws std::invalid_argument unless n + 1 offsets rise from 0 to `size`; `place` names the owner of the slices.
inline void check_offsets(const char* place, const std::int64_t* offsets, std::int64_t n, std::int64_t size) {
    if (offsets[0] != 0) refuse("offset", 0, "value", std::to_string(offsets[0]), "0");
    for (std::int64_t i = 0; i < n; ++i)
        if (offsets[i + 1] < offsets[i] || offsets[i + 1] > size)
            refuse(place, i, "offsets", std::to_string(offsets[i]) + " to " + std::to_string(offsets[i + 1]),
                   "increasing positions up to " + std::to_string(size));
    if (offsets[n] != size) refuse("offset", n, "value", std::to_string(offsets[n]), std::to_string(size));
}

/// Throws std::invalid_argument unless the pixels of image i lie in shape, strictly increase, and are finite.
inline void check_image(const Images& images, std::int64_t i) {
    const std::int64_t size = images.shape.channels * images.plane();
    std::int64_t before = -1;
    for (std::int64_t k = images.offsets[i]; k < images.offsets[i + 1]; ++k) {
        const std::int64_t index = images.index[k];
        if (index <= before || index >= size)
            refuse("image", i, "index", std::to_string(index),
                   std::to_string(before + 1) + " to " + std::to_string(size - 1) + " (strictly increasing)");
        if (!std::isfinite(images.value[k]))
            refuse("image", i, "value", std::to_string(images.value[k]), "a finite number");
        before = index;
    }
}

/// Throws std::invalid_argument unless shape, offsets and every image pass their checks.
inline void check_images(const Images& images, int threads) {
    check_shape(images.shape);
    check_offsets("image", images.offsets, images.n, images.nnz);
    parallel_for(static_cast<std::size_t>(images.n), threads,
                 [&](std::size_t i) { check_image(images, static_cast<std::int64_t>(i)); });
}

/// Throws std::invalid_argument unless both sides [pixels] of a window are at least 1 and fit an int32.
inline void check_window(std::int64_t height, std::int64_t width) {
    constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
    if (height < 1 || width < 1 || height > most || width > most)
        throw std::invalid_argument("window of " + std::to_string(height) + " x " + std::to_string(width) +
                                    " pixels, expected sides of 1 to 2147483647");
}

/// Calls body(row, col, k) for the pixels k in rows first_row .. end_row - 1 of one channel of image i, in order.
template <class Body>
void for_each_pixel(const Images& images, std::int64_t i, std::int64_t channel, std::int64_t first_row,
                    std::int64_t end_row, const Body& body) {
    const std::int64_t base = channel * images.plane(), width = images.shape.width;
    const std::int32_t *begin = images.index + images.offsets[i], *end = images.index + images.offsets[i + 1];
    const std::int32_t* at = std::lower_bound(begin, end, base + first_row * width);
    const std::int32_t* stop = std::lower_bound(at, end, base + end_row * width);
    while (at != stop) {
        const std::int64_t row = (*at - base) / width, line = base + row * width;
        for (; at != stop && *at < line + width; ++at) body(row, *at - line, at - images.index);
    }
}

/// Result for one image, built by one thread.
struct Part {
    std::vector<std::int32_t> index;
    std::vector<float> value;
    std::int64_t bad = 0, cut = 0;

    /// Rounds to float32 and stores what is not zero; `place` and `number` name the image if it is too large.
    void add(std::int64_t pixel, double charge, const char* place, std::int64_t number) {
        const auto rounded = static_cast<float>(charge);
        if (!std::isfinite(rounded))
            refuse(place, number, "sum of a pixel", std::to_string(charge), "a float32 number");
        if (rounded == 0.0F) return;
        index.push_back(static_cast<std::int32_t>(pixel));
        value.push_back(rounded);
    }
};

/// Returns the concatenated parts.
inline Sparse join(const std::vector<Part>& parts) {
    Sparse sparse;
    const std::size_t pixels = std::accumulate(parts.begin(), parts.end(), std::size_t{0},
                                               [](std::size_t sum, const Part& p) { return sum + p.index.size(); });
    sparse.index.reserve(pixels);
    sparse.value.reserve(pixels);
    sparse.offsets.push_back(0);
    for (const Part& part : parts) {
        sparse.index.insert(sparse.index.end(), part.index.begin(), part.index.end());
        sparse.value.insert(sparse.value.end(), part.value.begin(), part.value.end());
        sparse.offsets.push_back(static_cast<std::int64_t>(sparse.index.size()));
        sparse.bad.push_back(part.bad);
        sparse.cut.push_back(part.cut);
    }
    return sparse;
}

}  // namespace dmcnn
