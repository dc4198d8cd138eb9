#include "dmcnn/crop.hpp"

#include <limits>

#include "check.hpp"

using dmcnn::Merge;
using Ints = std::vector<std::int64_t>;

namespace {

// image 0: channel 0 = [[0, 1, 0], [2, 3, 0], [0, 0, -4], [5, 0, 0]], channel 1 = its pixel (3, 2) = 6; image 1: empty
const Ints offsets{0, 6, 6};
const std::vector<std::int32_t> index{1, 3, 4, 8, 9, 23};
const std::vector<float> value{1, 2, 3, -4, 5, 6};
const dmcnn::Images images{offsets.data(), 2, index.data(), value.data(), 6, {2, 4, 3}};

dmcnn::Sparse cut(const Ints& source, const Ints& top, const Ints& left, std::int64_t height, std::int64_t width,
                  std::int64_t rows = 1, Merge merge = Merge::sum, const dmcnn::Images& from = images) {
    return dmcnn::crop(
        from, {source.data(), top.data(), left.data(), static_cast<std::int64_t>(source.size()), height, width, rows},
        merge, 2);
}

void cuts() {
    const dmcnn::Sparse found = cut({0, 1, 0, 0}, {1, 0, -3, 3}, {0, 0, -1, 2}, 2, 2);
    CHECK((found.offsets == Ints{0, 2, 2, 2, 3}));
    CHECK((found.index == std::vector<std::int32_t>{0, 1, 4}));
    CHECK((found.value == std::vector<float>{2, 3, 6}));
    CHECK((found.cut == Ints{4, 0, 6, 5}));
    CHECK(cut({}, {}, {}, 2, 2).offsets == Ints{0});
    CHECK((cut({0}, {-1}, {-1}, 6, 5).value == value));  // the whole image and a margin around it
}

void merges_rows() {
    const auto merged = [](Merge merge) { return cut({0}, {0}, {0}, 2, 3, 2, merge).value; };
    CHECK((merged(Merge::sum) == std::vector<float>{2, 4, 5, -4, 6}));
    CHECK((merged(Merge::mean) == std::vector<float>{1, 2, 2.5F, -2, 3}));
    CHECK((merged(Merge::max) == std::vector<float>{2, 3, 5, 6}));  // beside -4 there is an absent pixel
    CHECK((cut({0}, {-1}, {0}, 1, 3, 4).value == std::vector<float>{2, 4, -4}));
}

void far_away() {
    constexpr std::int64_t low = INT64_MIN, high = INT64_MAX;
    for (const std::int64_t top : {low, low + 1, std::int64_t{-4}, std::int64_t{4}, high - 1, high})
        for (const std::int64_t left : {low, std::int64_t{-3}, std::int64_t{0}, std::int64_t{3}, high})
            CHECK(cut({0}, {top}, {left}, 4, 3).cut == Ints{6});
    CHECK(cut({0}, {0}, {0}, 1, 3, INT32_MAX).value.size() == 4);
}

void refuses() {
    CHECK(refused("window 1: image 2, expected 0 to 1", [] { cut({0, 2}, {0, 0}, {0, 0}, 2, 2); }));
    CHECK(refused("window 0: image -1", [] { cut({-1}, {0}, {0}, 2, 2); }));
    CHECK(refused("window of 0 x 2", [] { cut({0}, {0}, {0}, 0, 2); }));
    CHECK(refused("window of 2 x -1", [] { cut({0}, {0}, {0}, 2, -1); }));
    CHECK(refused("shape", [] { cut({0}, {0}, {0}, INT32_MAX, 2); }));
    CHECK(refused("0 rows per pixel", [] { cut({0}, {0}, {0}, 2, 2, 0); }));
    CHECK(refused("rows per pixel", [] { cut({0}, {0}, {0}, 2, 2, INT64_MAX); }));
    const auto with = [](Ints starts, std::vector<std::int32_t> pixels, std::vector<float> values) {
        cut({0}, {0}, {0}, 2, 2, 2, Merge::sum, {starts.data(), 2, pixels.data(), values.data(), 6, {2, 4, 3}});
    };
    CHECK(refused("image 0: index 24", [&] { with(offsets, {1, 3, 4, 8, 9, 24}, value); }));
    CHECK(refused("image 0: index -1", [&] { with(offsets, {-1, 3, 4, 8, 9, 23}, value); }));
    CHECK(refused("image 0: index 3, expected 4 to 23", [&] { with(offsets, {1, 3, 3, 8, 9, 23}, value); }));
    CHECK(refused("image 0: offsets 0 to 7", [&] { with({0, 7, 6}, index, value); }));
    CHECK(refused("image 1: offsets 6 to 5", [&] { with({0, 6, 5}, index, value); }));
    CHECK(refused("offset 0", [&] { with({INT64_MIN, 6, 6}, index, value); }));
    CHECK(refused("offset 2", [&] { with({0, 1, 5}, index, value); }));
    constexpr float far = std::numeric_limits<float>::infinity(), most = std::numeric_limits<float>::max();
    CHECK(refused("image 0: value inf", [&] { with(offsets, index, {1, 2, 3, far, 5, 6}); }));
    CHECK(refused("window 0: sum of a pixel", [&] { with(offsets, index, {most, 2, most, -4, 5, 6}); }));
}

}  // namespace

int main() {
    cuts();
    merges_rows();
    far_away();
    refuses();
    return failures != 0;
}
