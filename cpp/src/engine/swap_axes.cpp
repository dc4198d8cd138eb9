#include "dmcnn/swap_axes.hpp"

#include <algorithm>
#include <cstddef>

#include "dmcnn/parallel.hpp"

namespace dmcnn {

template <class Number>
void swap_axes(const Number* in, std::int64_t n, std::int64_t rows, std::int64_t columns, int threads, Number* out) {
    constexpr std::int64_t kSide = 16;   // a square of a cache line's width stays in the nearest cache, in and out
    constexpr std::int64_t kStrip = 512;  // rows of one task
    const std::int64_t strips = (rows + kStrip - 1) / kStrip;
    parallel_for(static_cast<std::size_t>(n * strips), threads, [&](std::size_t task) {
        const std::int64_t table = static_cast<std::int64_t>(task) / strips;
        const std::int64_t begin = static_cast<std::int64_t>(task) % strips * kStrip;
        const std::int64_t end = std::min(rows, begin + kStrip);
        const Number* from = in + table * rows * columns;
        Number* to = out + table * rows * columns;
        for (std::int64_t r = begin; r < end; r += kSide)
            for (std::int64_t c = 0; c < columns; c += kSide) {
                const std::int64_t height = std::min(kSide, end - r), width = std::min(kSide, columns - c);
                for (std::int64_t j = 0; j < width; ++j)
                    for (std::int64_t i = 0; i < height; ++i)
                        to[(c + j) * rows + r + i] = from[(r + i) * columns + c + j];
            }
    });
}

template void swap_axes(const float*, std::int64_t, std::int64_t, std::int64_t, int, float*);
template void swap_axes(const double*, std::int64_t, std::int64_t, std::int64_t, int, double*);

}  // namespace dmcnn
