#include "dmcnn/voxelise_hits.hpp"

namespace dmcnn {

namespace {

/// Charge of a hit in its voxel.
struct Deposit {
    std::int64_t voxel;
    double charge;
};

/// Radix sort, stable: the deposits of one voxel stay in order.
void sort_by_voxel(std::vector<Deposit>& deposits, std::int64_t n_voxels) {
    constexpr int bits = 11;
    std::vector<Deposit> sorted(deposits.size());
    std::vector<std::size_t> next((std::size_t{1} << bits) + 1);
    for (int shift = 0; (n_voxels - 1) >> shift > 0; shift += bits) {
        const auto digit = [&](const Deposit& deposit) {
            return static_cast<std::size_t>(deposit.voxel >> shift) % (std::size_t{1} << bits);
        };
        std::fill(next.begin(), next.end(), std::size_t{0});
        for (const Deposit& deposit : deposits) ++next[digit(deposit) + 1];
        std::partial_sum(next.begin(), next.end(), next.begin());
        for (const Deposit& deposit : deposits) sorted[next[digit(deposit)]++] = deposit;
        deposits.swap(sorted);
    }
}

/// Returns the number of the voxel of a hit, or -1.
std::int64_t voxel_of(const Edges& t, const Edges& y, const Edges& x, double at_t, double at_y, double at_x) {
    const std::int64_t frame = bin_of(t, at_t), row = bin_of(y, at_y), col = bin_of(x, at_x);
    const bool inside = frame >= 0 && frame < t.n - 1 && row >= 0 && row < y.n - 1 && col >= 0 && col < x.n - 1;
    return inside ? (frame * (y.n - 1) + row) * (x.n - 1) + col : -1;
}

template <class Real>
Part voxelise_event(const Hits<Real>& hits, std::int64_t i, const Edges& t, const Edges& y, const Edges& x) {
    Part part;
    std::vector<Deposit> deposits;
    for (std::int64_t k = hits.offsets[i]; k < hits.offsets[i + 1]; ++k) {
        if (!(std::isfinite(hits.x[k]) && std::isfinite(hits.y[k]) && std::isfinite(hits.t[k]) &&
              std::isfinite(hits.charge[k]))) {
            ++part.bad;
            continue;
        }
        const std::int64_t voxel = voxel_of(t, y, x, hits.t[k], hits.y[k], hits.x[k]);
        if (voxel < 0)
            ++part.cut;
        else
            deposits.push_back({voxel, static_cast<double>(hits.charge[k])});
    }
    sort_by_voxel(deposits, (t.n - 1) * (y.n - 1) * (x.n - 1));
    for (auto at = deposits.begin(); at != deposits.end();) {
        const std::int64_t voxel = at->voxel;
        double sum = 0.0;
        for (; at != deposits.end() && at->voxel == voxel; ++at) sum += at->charge;
        part.add(voxel, sum, "event", i);
    }
    return part;
}

}  // namespace

template <class Real>
Sparse voxelise_hits(const Hits<Real>& hits, const Edges& t, const Edges& y, const Edges& x, int threads) {
    check_offsets("event", hits.offsets, hits.n, hits.size);
    check_edges(t, "t");
    check_edges(y, "y");
    check_edges(x, "x");
    check_shape({t.n - 1, y.n - 1, x.n - 1});
    std::vector<Part> parts(static_cast<std::size_t>(hits.n));
    parallel_for(parts.size(), threads,
                 [&](std::size_t i) { parts[i] = voxelise_event(hits, static_cast<std::int64_t>(i), t, y, x); });
    return join(parts);
}

template Sparse voxelise_hits(const Hits<float>&, const Edges&, const Edges&, const Edges&, int);
template Sparse voxelise_hits(const Hits<double>&, const Edges&, const Edges&, const Edges&, int);

}  // namespace dmcnn
