#include "dmcnn/select.hpp"

#include <cmath>
#include <limits>

#include "check.hpp"

namespace {

constexpr double kFar = std::numeric_limits<double>::infinity();
constexpr dmcnn::Limits kAll{-kFar, -kFar, kFar};
using Numbers = std::vector<std::int64_t>;

/// Two images of 3 x 4 cells. The first: 1 at (0, 0), 2 at (1, 2), -3 at (2, 3), time alone at (0, 3), NaN at (1, 1).
std::vector<float> images() {
    std::vector<float> pairs(48);
    const auto put = [&](int row, int col, float energy, float time) {
        const auto at = static_cast<std::size_t>(2 * (4 * row + col));
        pairs[at] = energy;
        pairs[at + 1] = time;
    };
    put(0, 0, 1, -0.5F);
    put(0, 3, 0, 5);
    put(1, 1, NAN, 0);
    put(1, 2, 2, 0);
    put(2, 3, -3, 0.25F);
    put(3 + 2, 0, 4, INFINITY);  // row 2 of the second
    put(3 + 0, 1, -0.0F, 0);
    return pairs;
}

void selects() {
    const std::vector<float> pairs = images();
    for (const int threads : {1, 2, 5}) {
        const dmcnn::Cells all = dmcnn::select(pairs.data(), 2, {3, 4, 0, 0, 3, 4}, kAll, threads);
        CHECK((all.offsets == Numbers{0, 3, 3} && all.bad == Numbers{1, 1}));
        CHECK((all.cell == std::vector<std::int32_t>{0, 6, 11}));
        CHECK((all.energy == std::vector<float>{1, 2, -3} && all.time == std::vector<float>{-0.5F, 0, 0.25F}));
        const dmcnn::Cells inside = dmcnn::select(pairs.data(), 2, {3, 4, 1, 2, 2, 2}, kAll, threads);
        CHECK((inside.cell == std::vector<std::int32_t>{0, 3} && inside.bad == Numbers{1, 1}));
        const dmcnn::Cells few = dmcnn::select(pairs.data(), 2, {3, 4, 0, 0, 3, 4}, {1, -1, 1}, threads);
        CHECK((few.cell == std::vector<std::int32_t>{6}));
        CHECK(dmcnn::select(pairs.data(), 2, {3, 4, 0, 0, 3, 4}, {-kFar, 0, 0.25}, threads).cell.empty());
        CHECK((dmcnn::select(pairs.data(), 0, {3, 4, 0, 0, 3, 4}, kAll, threads).offsets == Numbers{0}));
    }
    CHECK((dmcnn::select(pairs.data(), 2, {3, 4, 3, 4, 0, 0}, kAll, 1).offsets == Numbers{0, 0, 0}));
}

void refuses() {
    const std::vector<float> pairs = images();
    const auto call = [&](const dmcnn::Window& window, const dmcnn::Limits& limits) {
        dmcnn::select(pairs.data(), 2, window, limits, 1);
    };
    for (const dmcnn::Window& window :
         {dmcnn::Window{3, 4, -1, 0, 1, 1}, dmcnn::Window{3, 4, 3, 0, 1, 1}, dmcnn::Window{3, 4, 0, 1, 3, 4},
          dmcnn::Window{3, 4, 0, 0, -1, 1}, dmcnn::Window{3, 4, INT64_MAX, 0, 1, 1},
          dmcnn::Window{3, 4, 0, 0, INT64_MAX, 1}})
        CHECK(refused("window of", [&] { call(window, kAll); }));
    CHECK(refused("shape", [&] { call({INT64_MAX, 4, 0, 0, 1, 1}, kAll); }));
    CHECK(refused("NaN", [&] { call({3, 4, 0, 0, 3, 4}, {NAN, 0, 1}); }));
    CHECK(refused("NaN", [&] { call({3, 4, 0, 0, 3, 4}, {0, 0, NAN}); }));
}

}  // namespace

int main() {
    selects();
    refuses();
    return failures != 0;
}
