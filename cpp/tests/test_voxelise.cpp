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

template <class Real>
void hits_become_voxels() {
    const Real nan = std::numeric_limits<Real>::quiet_NaN();
    const Ints starts{0, 6, 6, 7};
    const std::vector<Real> x{1, 0, 1, 2, nan, 1, 0}, y{0, 0, 0, 0, 0, 0, 0}, t{1, 0, 1, 0, 0, 0, 0};
    const std::vector<Real> charge{1, 2, 4, 8, 16, 0, -3};
    const dmcnn::Edges axis{edges.data(), 3, false}, one{edges.data(), 2, false};
    const dmcnn::Hits<Real> hits{starts.data(), 3, 7, x.data(), y.data(), t.data(), charge.data()};
    const dmcnn::Sparse found = dmcnn::voxelise_hits(hits, axis, one, axis, 2);
    CHECK((found.offsets == Ints{0, 2, 2, 3}));
    CHECK((found.index == Indices{0, 3, 0}));
    CHECK((found.value == Floats{2, 5, -3}));
    CHECK((found.bad == Ints{1, 0, 0}));
    CHECK((found.cut == Ints{1, 0, 0}));
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
    const auto hits = [](Ints starts, double charge, std::int64_t n_edges) {
        const std::vector<double> at(2, 0.5), charges(2, charge);
        const dmcnn::Edges axis{edges.data(), n_edges, false};
        dmcnn::voxelise_hits<double>({starts.data(), 2, 2, at.data(), at.data(), at.data(), charges.data()}, axis,
                                     axis, axis, 1);
    };
    CHECK(refused("event 0: offsets 0 to 3", [&] { hits({0, 3, 2}, 1, 3); }));
    CHECK(refused("offset 2", [&] { hits({0, 1, 1}, 1, 3); }));
    CHECK(refused("event 1: sum of a pixel", [&] { hits({0, 0, 2}, 1e308, 3); }));
    CHECK(refused("edges of t", [&] { hits({0, 1, 2}, 1, 0); }));
    std::vector<double> many(2000);
    for (std::size_t k = 0; k < many.size(); ++k) many[k] = static_cast<double>(k);
    const dmcnn::Edges axis{many.data(), 2000, false};
    const Ints none{0};
    const dmcnn::Hits<float> no_hits{none.data(), 0, 0, nullptr, nullptr, nullptr, nullptr};
    CHECK(refused("shape", [&] { dmcnn::voxelise_hits(no_hits, axis, axis, axis, 1); }));
}

}  // namespace

int main() {
    frames_of_times();
    hits_become_voxels<float>();
    hits_become_voxels<double>();
    refuses();
    return failures != 0;
}
