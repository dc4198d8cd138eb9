#include "dmcnn/voxelise.hpp"

#include <limits>

#include "check.hpp"

using Ints = std::vector<std::int64_t>;
using Floats = std::vector<float>;
using Indices = std::vector<std::int32_t>;

namespace {

constexpr double far = std::numeric_limits<double>::infinity();

// energies [[1, 2], [3, 0.5]] in channel 0, times [[0, 1], [2, 9]] in channel 1: time 0 is not stored
const Ints offsets{0, 7, 7};
const Indices index{0, 1, 2, 3, 5, 6, 7};
const Floats value{1, 2, 3, 0.5F, 1, 2, 9};
const dmcnn::Images images{offsets.data(), 2, index.data(), value.data(), 7, {2, 2, 2}};
const std::vector<double> edges{0, 1, 2};

dmcnn::Frames frames(bool cumulative, bool right = true, std::int64_t count = 3) {
    return {{edges.data(), 3, right}, count, 0.5, -far, far, cumulative};
}

Floats dense(const dmcnn::Frames& how) {
    Floats out(static_cast<std::size_t>(2 * how.count * 4), -1.0F);
    dmcnn::voxelise_dense(images, 0, 1, how, out.data(), 2);
    out.resize(out.size() / 2);
    return out;
}

void frames_of_times() {
    CHECK((dense(frames(false)) == Floats{0, 2, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0}));
    CHECK((dense(frames(true)) == Floats{1, 2, 0, 0, 1, 2, 3, 0, 0, 0, 0, 0}));
    CHECK((dense(frames(false, false)) == Floats{1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0}));
    dmcnn::Frames late = frames(true);
    late.after = 1;
    CHECK((dense(late) == Floats{0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0}));
    const dmcnn::Sparse found = dmcnn::voxelise(images, 0, 1, frames(true), 2);
    CHECK((found.offsets == Ints{0, 5, 5}));
    CHECK((found.index == Indices{0, 1, 4, 5, 6}));
    CHECK((found.value == Floats{1, 2, 1, 2, 3}));
    CHECK((dmcnn::voxelise(images, 0, 1, frames(false), 1).cut == Ints{1, 0}));
}

void frames_of_cells() {
    const Indices cell{0, 1, 2, 3, 1};
    const Floats energy{1, 2, 3, 0.5F, 0}, time{0, 1, 2, 9, 1};
    const auto with = [&](const Ints& limits, const Indices& numbers, const Floats& energies, int threads) {
        return dmcnn::voxelise_cells({limits.data(), 2, numbers.data(), energies.data(), time.data(), 5, 2, 2},
                                     frames(true), threads);
    };
    for (const int threads : {1, 3}) {
        const dmcnn::Sparse found = with({0, 4, 5}, cell, energy, threads);
        CHECK((found.offsets == Ints{0, 5, 5} && found.index == Indices{0, 1, 4, 5, 6}));
        CHECK((found.value == Floats{1, 2, 1, 2, 3} && found.bad == Ints{0, 0} && found.cut == Ints{0, 0}));
        CHECK(refused("image 0: cell 1", [&] { with({0, 4, 5}, {0, 2, 1, 3, 1}, energy, threads); }));
        CHECK(refused("image 0: cell -1", [&] { with({0, 4, 5}, {-1, 1, 2, 3, 1}, energy, threads); }));
        CHECK(refused("image 1: cell 4", [&] { with({0, 4, 5}, {0, 1, 2, 3, 4}, energy, threads); }));
        CHECK(refused("image 1: energy and time inf",
                      [&] { with({0, 4, 5}, cell, {1, 2, 3, 4, HUGE_VALF}, threads); }));
        CHECK(refused("image 1: offsets", [&] { with({0, 4, 3}, cell, energy, threads); }));
        CHECK(refused("offset 2", [&] { with({0, 4, 4}, cell, energy, threads); }));
    }
}

void refuses() {
    CHECK(refused("channel 2", [] { dmcnn::voxelise(images, 0, 2, frames(true), 1); }));
    CHECK(refused("channel -1", [] { dmcnn::voxelise(images, -1, 1, frames(true), 1); }));
    CHECK(refused("1 frames", [] { dmcnn::voxelise(images, 0, 1, frames(true, true, 1), 1); }));
    CHECK(refused("shape", [] { dmcnn::voxelise(images, 0, 1, frames(true, true, INT64_MAX), 1); }));
    const auto with = [](std::vector<double> other) {
        dmcnn::Frames how = frames(true);
        how.time = {other.data(), static_cast<std::int64_t>(other.size()), true};
        dmcnn::voxelise(images, 0, 1, how, 1);
    };
    CHECK(refused("1 edges of time", [&] { with({1}); }));
    CHECK(refused("edge 2: time", [&] { with({0, 1, 1}); }));
    CHECK(refused("edge 1: time nan", [&] { with({0, std::nan(""), 1}); }));
}

}  // namespace

int main() {
    frames_of_times();
    frames_of_cells();
    refuses();
    return failures != 0;
}
