#include "dmcnn/occlude.hpp"

#include <numeric>

#include "check.hpp"

namespace {

constexpr dmcnn::Shape kShape{2, 4, 5};
constexpr std::size_t kSize = 40;

/// Every pixel of every copy against the definition of the window.
void windows(std::int64_t half) {
    std::vector<float> image(kSize);
    std::iota(image.begin(), image.end(), 1.0F);
    const std::vector<std::int64_t> rows{0, 3, 1}, cols{0, 4, 2};
    std::vector<float> out(rows.size() * kSize, -1.0F);
    dmcnn::occlude(image.data(), kShape, rows.data(), cols.data(), 3, half, out.data());
    for (std::size_t k = 0; k < out.size(); ++k) {
        const auto pixel = static_cast<std::int64_t>(k % kSize);
        const std::int64_t down = pixel / kShape.width % kShape.height - rows[k / kSize];
        const std::int64_t right = pixel % kShape.width - cols[k / kSize];
        const bool hidden = down >= -half && down <= half && right >= -half && right <= half;
        CHECK(out[k] == (hidden ? 0.0F : image[k % kSize]));
    }
}

void refuses() {
    const std::vector<float> image(kSize, 1.0F);
    std::vector<float> out(kSize);
    const auto call = [&](std::int64_t row, std::int64_t col, std::int64_t half) {
        dmcnn::occlude(image.data(), kShape, &row, &col, 1, half, out.data());
    };
    CHECK(refused("window 0: centre (4, 0)", [&] { call(4, 0, 1); }));
    CHECK(refused("window 0: centre (0, 5)", [&] { call(0, 5, 1); }));
    CHECK(refused("window 0: centre (-1, 0)", [&] { call(-1, 0, 1); }));
    CHECK(refused("window 0", [&] { call(0, INT64_MIN, 1); }));
    CHECK(refused("half -1", [&] { call(0, 0, -1); }));
}

}  // namespace

int main() {
    for (const std::int64_t half : {std::int64_t{0}, std::int64_t{1}, std::int64_t{3}, INT64_MAX}) windows(half);
    refuses();
    return failures != 0;
}
