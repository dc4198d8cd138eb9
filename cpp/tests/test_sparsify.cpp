#include "dmcnn/sparsify.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "check.hpp"

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
using Numbers = std::vector<std::int64_t>;

/// One image of one channel, the whole of `pixels`.
dmcnn::Sparse one(const std::vector<float>& pixels, std::int64_t rows, std::int64_t cols, const dmcnn::Shape& shape,
                  const dmcnn::Bounds& bounds, bool row_major, std::int64_t start = 0) {
    return dmcnn::sparsify(pixels.data(), static_cast<std::int64_t>(pixels.size()), &start, &rows, &cols, 1, shape,
                           bounds, row_major, 1);
}

void follows_the_pixel_rule() {
    const std::vector<float> pixels{NAN, kInf, -kInf, 0.0F, -0.0F, 9.0F, 10.0F, 11.0F, 500.0F, 501.0F};
    const dmcnn::Sparse sparse = one(pixels, 2, 5, {1, 2, 5}, {10.0F, 500.0F}, true);
    CHECK((sparse.index == std::vector<std::int32_t>{6, 7, 8, 9}));
    CHECK((sparse.value == std::vector<float>{10.0F, 11.0F, 500.0F, 500.0F}));
    CHECK(sparse.bad == Numbers{3} && sparse.cut == Numbers{0});
    const dmcnn::Sparse to_zero = one({-2.0F, 0.5F}, 1, 2, {1, 1, 2}, {-kInf, 0.0F}, true);
    CHECK((to_zero.index == std::vector<std::int32_t>{0}));
}

void orders_columns_into_rows() {
    const dmcnn::Sparse sparse = one({1, 2, 3, 4, 5, 6}, 2, 3, {1, 2, 3}, {-kInf, kInf}, false);
    CHECK((sparse.index == std::vector<std::int32_t>{0, 1, 2, 3, 4, 5}));
    CHECK((sparse.value == std::vector<float>{1, 3, 5, 2, 4, 6}));
}

void centres() {
    for (std::int64_t rows = 1; rows < 12; ++rows) {
        const std::vector<float> pixels(static_cast<std::size_t>(rows), 1.0F);
        const dmcnn::Sparse sparse = one(pixels, rows, 1, {1, 8, 1}, {-kInf, kInf}, true);
        const std::int64_t shift = rows > 8 ? -((rows - 8) / 2) : (8 - rows) / 2;
        CHECK(sparse.index.front() == std::max<std::int64_t>(0, shift));
        CHECK(sparse.cut[0] == std::max<std::int64_t>(0, rows - 8));
        CHECK(static_cast<std::int64_t>(sparse.index.size()) == std::min<std::int64_t>(rows, 8));
    }
}

void threads_change_nothing() {
    constexpr std::int64_t kImages = 37;
    std::vector<float> pixels;
    Numbers starts, sides(kImages, 2);
    for (std::int64_t e = 0; e < kImages; ++e) {
        starts.push_back(4 * e);
        for (std::int64_t k = 0; k < 4; ++k) pixels.push_back(k > e % 5 ? 0.0F : static_cast<float>(e + k) - 3.0F);
    }
    const auto made = [&](int threads) {
        return dmcnn::sparsify(pixels.data(), 4 * kImages, starts.data(), sides.data(), sides.data(), kImages,
                               {1, 3, 2}, {0.0F, 9.0F}, true, threads);
    };
    const dmcnn::Sparse one = made(1);
    for (const int threads : {2, 3, 8}) {
        const dmcnn::Sparse many = made(threads);
        CHECK(many.offsets == one.offsets && many.index == one.index && many.value == one.value);
        CHECK(many.bad == one.bad && many.cut == one.cut);
    }
    starts[20] = starts[30] = -2;
    for (const int threads : {1, 2, 8}) CHECK(refused("image 20: pixels -2", [&] { made(threads); }));
}

void refuses() {
    const std::vector<float> pixels(6, 1.0F);
    const auto call = [&](std::int64_t rows, std::int64_t cols, std::int64_t start,
                          const dmcnn::Shape& shape = {1, 2, 3}, const dmcnn::Bounds& bounds = {0.0F, 1.0F}) {
        one(pixels, rows, cols, shape, bounds, true, start);
    };
    CHECK(refused("image 0: pixels 1 + 6", [&] { call(2, 3, 1); }));
    CHECK(refused("image 0: pixels -2", [&] { call(2, 3, -2); }));
    CHECK(refused("image 0", [&] { call(2, 3, INT64_MAX); }));
    CHECK(refused("image 0: image of size -2 x -3", [&] { call(-2, -3, 0); }));
    CHECK(refused("image 0", [&] { call(INT64_MAX, INT64_MAX, 0); }));
    CHECK(refused("image 0", [&] { call(std::int64_t{1} << 32, std::int64_t{1} << 32, 0); }));
    CHECK(refused("adc_lo", [&] { call(2, 3, 0, {1, 2, 3}, {2.0F, 1.0F}); }));
    CHECK(refused("adc_lo", [&] { call(2, 3, 0, {1, 2, 3}, {NAN, 1.0F}); }));
    CHECK(refused("shape", [&] { call(2, 3, 0, {1, 65536, 32768}); }));
    call(INT64_MAX, 0, 0);
    call(0, INT64_MAX, 6);
    call(INT64_MAX, INT64_MAX, -1);
}

}  // namespace

int main() {
    follows_the_pixel_rule();
    orders_columns_into_rows();
    centres();
    threads_change_nothing();
    refuses();
    return failures != 0;
}
