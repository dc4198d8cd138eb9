#include "dmcnn/voxelise_hits.hpp"

#include <limits>

#include "check.hpp"

using Ints = std::vector<std::int64_t>;
using Floats = std::vector<float>;
using Indices = std::vector<std::int32_t>;

namespace {

const std::vector<double> edges{0, 1, 2};

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
    hits_become_voxels<float>();
    hits_become_voxels<double>();
    refuses();
    return failures != 0;
}
