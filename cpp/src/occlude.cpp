#include "dmcnn/occlude.hpp"

#include <algorithm>
#include <stdexcept>

namespace dmcnn {

void occlude(const float* image, const Shape& shape, const std::int64_t* rows, const std::int64_t* cols,
             std::int64_t n, std::int64_t half, float* out) {
    check_shape(shape);
    if (half < 0) throw std::invalid_argument("half " + std::to_string(half) + ", expected >= 0");
    const std::int64_t lines = shape.channels * shape.height, size = lines * shape.width;
    const std::int64_t reach = std::min(half, std::max(shape.height, shape.width));  // row + reach cannot overflow
    for (std::int64_t i = 0; i < n; ++i, out += size) {
        const std::int64_t row = rows[i], col = cols[i];
        if (row < 0 || row >= shape.height || col < 0 || col >= shape.width)
            refuse("window", i, "centre", "(" + std::to_string(row) + ", " + std::to_string(col) + ")",
                   "a pixel of " + std::to_string(shape.height) + " x " + std::to_string(shape.width));
        std::copy(image, image + size, out);
        const std::int64_t top = std::max<std::int64_t>(0, row - reach), left = std::max<std::int64_t>(0, col - reach);
        const std::int64_t bottom = std::min(shape.height, row + reach + 1);
        const std::int64_t across = std::min(shape.width, col + reach + 1) - left;
        for (std::int64_t c = 0; c < shape.channels; ++c)
            for (std::int64_t r = top; r < bottom; ++r)
                std::fill_n(out + (c * shape.height + r) * shape.width + left, across, 0.0F);
    }
}

}  // namespace dmcnn
