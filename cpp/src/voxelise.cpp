#include "dmcnn/voxelise.hpp"

#include <functional>

namespace dmcnn {

namespace {

using std::to_string;

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
    check_edges(frames.time, "time");
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

}  // namespace dmcnn
