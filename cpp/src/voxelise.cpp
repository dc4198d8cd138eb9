#include "dmcnn/voxelise.hpp"

#include <functional>

namespace dmcnn {

namespace {

using std::to_string;

void check(const Edges& axis, const char* name) {
    if (axis.n < 2)
        throw std::invalid_argument(to_string(axis.n) + " edges of " + name + ", expected at least 2");
    for (std::int64_t k = 0; k + 1 < axis.n; ++k)
        if (!(axis.edges[k] < axis.edges[k + 1]))
            refuse("edge", k + 1, name, to_string(axis.edges[k + 1]), "more than " + to_string(axis.edges[k]));
}

/// How many of the edges are behind x. The search has no branch to mispredict: times come in any order.
template <class Behind>
std::int64_t count_behind(const Edges& axis, double x, const Behind& behind) {
    const double* base = axis.edges;
    for (std::int64_t left = axis.n; left > 1;) {
        const std::int64_t half = left / 2;
        base += static_cast<std::int64_t>(behind(base[half - 1], x)) * half;
        left -= half;
    }
    return base - axis.edges + behind(*base, x);
}

/// Bin of x: -1 before the first edge, n - 1 behind the last one.
std::int64_t bin_of(const Edges& axis, double x) {
    const std::int64_t behind = axis.right_closed ? count_behind(axis, x, std::less<double>())
                                                  : count_behind(axis, x, std::less_equal<double>());
    return behind - 1;
}

/// Pixel number in the plane, its energy, and the frames first .. end - 1 that it is in.
struct Hit {
    std::int64_t pixel, first, end;
    float energy;
};

/// The frames of a time; none (first == end) if it lies outside.
Hit place(const Frames& frames, std::int64_t pixel, float energy, double time) {
    const std::int64_t bins = frames.time.n - 1, bin = bin_of(frames.time, time);
    const bool right = frames.time.right_closed;
    const bool in_window = right ? frames.after < time && time <= frames.until
                                 : frames.after <= time && time < frames.until;
    if (!in_window || bin >= bins || (bin < 0 && !frames.cumulative)) return {pixel, 0, 0, energy};
    return {pixel, std::max<std::int64_t>(bin, 0), frames.cumulative ? bins : bin + 1, energy};
}

/// Calls body(hit) for the pixels of image i above the threshold, in order: both channels are walked at once.
template <class Body>
void for_each_hit(const Images& images, std::int64_t i, std::int64_t energy, std::int64_t time, const Frames& frames,
                  const Body& body) {
    const std::int64_t plane = images.plane();
    const std::int32_t *begin = images.index + images.offsets[i], *end = images.index + images.offsets[i + 1];
    const std::int32_t* at = std::lower_bound(begin, end, energy * plane);
    const std::int32_t* stop = std::lower_bound(at, end, (energy + 1) * plane);
    const std::int32_t* clock = std::lower_bound(begin, end, time * plane);
    for (; at != stop; ++at) {
        const std::int64_t pixel = *at - energy * plane, wanted = pixel + time * plane;
        const float value = images.value[at - images.index];
        if (!(static_cast<double>(value) > frames.energy_above)) continue;
        while (clock != end && *clock < wanted) ++clock;
        const float t = clock != end && *clock == wanted ? images.value[clock - images.index] : 0.0F;
        body(place(frames, pixel, value, t));
    }
}

void check(const Images& images, std::int64_t energy, std::int64_t time, const Frames& frames, int threads) {
    check_images(images, threads);
    check(frames.time, "time");
    for (const std::int64_t channel : {energy, time})
        if (channel < 0 || channel >= images.shape.channels)
            throw std::invalid_argument("channel " + to_string(channel) + ", expected 0 to " +
                                        to_string(images.shape.channels - 1));
    if (frames.count < frames.time.n - 1)
        throw std::invalid_argument(to_string(frames.count) + " frames, expected at least the " +
                                    to_string(frames.time.n - 1) + " of the time bins");
    check_shape({frames.count, images.shape.height, images.shape.width});
}

/// A counting sort by frame: the hits of one frame keep their order, so its pixel numbers increase.
Part voxelise_image(const Images& images, std::int64_t i, std::int64_t energy, std::int64_t time,
                    const Frames& frames) {
    Part part;
    std::vector<Hit> hits;
    std::vector<std::int64_t> next(static_cast<std::size_t>(frames.time.n) + 1, 0);  // per frame: its next voxel
    for_each_hit(images, i, energy, time, frames, [&](const Hit& hit) {
        if (hit.first == hit.end) ++part.cut;
        for (std::int64_t k = hit.first; k < hit.end; ++k) ++next[static_cast<std::size_t>(k) + 1];
        hits.push_back(hit);
    });
    std::partial_sum(next.begin(), next.end(), next.begin());
    part.index.resize(static_cast<std::size_t>(next.back()));
    part.value.resize(part.index.size());
    for (const Hit& hit : hits)
        for (std::int64_t k = hit.first; k < hit.end; ++k) {
            const auto at = static_cast<std::size_t>(next[static_cast<std::size_t>(k)]++);
            part.index[at] = static_cast<std::int32_t>(k * images.plane() + hit.pixel);
            part.value[at] = hit.energy;
        }
    return part;
}

constexpr std::int32_t kNever = std::numeric_limits<std::int32_t>::max();

/// The frames of all bins: a pixel is in one if is_in(its frame, frame).
template <class IsIn>
void write_frames(const std::vector<std::int32_t>& frame_of, const std::vector<float>& energies, std::int64_t bins,
                  float* out, const IsIn& is_in) {
    const std::int32_t* mine = frame_of.data();  // so that the compiler sees that the loop cannot change them
    const float* filled = energies.data();
    const std::size_t plane = energies.size();
    for (std::int32_t frame = 0; frame < bins; ++frame, out += plane)
        for (std::size_t p = 0; p < plane; ++p) {
            const float energy = filled[p];
            out[p] = is_in(mine[p], frame) ? energy : 0.0F;
        }
}

/// Every voxel is written once: with every pixel alive that costs little more than clearing the frames.
void fill_frames(const Images& images, std::int64_t i, std::int64_t energy, std::int64_t time, const Frames& frames,
                 float* out) {
    const auto plane = static_cast<std::size_t>(images.plane());
    const std::int64_t bins = frames.time.n - 1;
    std::vector<std::int32_t> frame_of(plane, kNever);
    std::vector<float> energies(plane, 0.0F);
    for_each_hit(images, i, energy, time, frames, [&](const Hit& hit) {
        if (hit.first == hit.end) return;
        frame_of[static_cast<std::size_t>(hit.pixel)] = static_cast<std::int32_t>(hit.first);
        energies[static_cast<std::size_t>(hit.pixel)] = hit.energy;
    });
    if (frames.cumulative)
        write_frames(frame_of, energies, bins, out, std::less_equal<std::int32_t>());
    else
        write_frames(frame_of, energies, bins, out, std::equal_to<std::int32_t>());
    std::fill_n(out + bins * images.plane(), (frames.count - bins) * images.plane(), 0.0F);
}

/// Charge of a hit in its voxel.
struct Deposit {
    std::int64_t voxel;
    double charge;
};

/// Radix sort: the deposits of one voxel keep their order.
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

/// Number of the voxel that a hit lies in, or -1.
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

Sparse voxelise(const Images& images, std::int64_t energy, std::int64_t time, const Frames& frames, int threads) {
    check(images, energy, time, frames, threads);
    std::vector<Part> parts(static_cast<std::size_t>(images.n));
    parallel_for(parts.size(), threads, [&](std::size_t i) {
        parts[i] = voxelise_image(images, static_cast<std::int64_t>(i), energy, time, frames);
    });
    return join(parts);
}

void voxelise_dense(const Images& images, std::int64_t energy, std::int64_t time, const Frames& frames, float* out,
                    int threads) {
    check(images, energy, time, frames, threads);
    const std::int64_t size = frames.count * images.plane();
    parallel_for(static_cast<std::size_t>(images.n), threads, [&](std::size_t k) {
        const auto i = static_cast<std::int64_t>(k);
        fill_frames(images, i, energy, time, frames, out + i * size);
    });
}

template <class Real>
Sparse voxelise_hits(const Hits<Real>& hits, const Edges& t, const Edges& y, const Edges& x, int threads) {
    check_offsets("event", hits.offsets, hits.n, hits.size);
    check(t, "t");
    check(y, "y");
    check(x, "x");
    check_shape({t.n - 1, y.n - 1, x.n - 1});
    std::vector<Part> parts(static_cast<std::size_t>(hits.n));
    parallel_for(parts.size(), threads,
                 [&](std::size_t i) { parts[i] = voxelise_event(hits, static_cast<std::int64_t>(i), t, y, x); });
    return join(parts);
}

template Sparse voxelise_hits(const Hits<float>&, const Edges&, const Edges&, const Edges&, int);
template Sparse voxelise_hits(const Hits<double>&, const Edges&, const Edges&, const Edges&, int);

}  // namespace dmcnn
