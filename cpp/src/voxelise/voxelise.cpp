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

/// Returns the frames of a time; none (first == end) if it is outside.
Hit place(const Frames& frames, std::int64_t pixel, float energy, double time) {
    const std::int64_t bins = frames.time.n - 1, bin = bin_of(frames.time, time);
    const bool right = frames.time.right_closed;
    const bool in_window =
        right ? frames.after < time && time <= frames.until : frames.after <= time && time < frames.until;
    if (!in_window || bin >= bins || (bin < 0 && !frames.cumulative)) return {pixel, 0, 0, energy};
    return {pixel, std::max<std::int64_t>(bin, 0), frames.cumulative ? bins : bin + 1, energy};
}

/// Calls body(hit) for the pixels of image i above the threshold, in order; it reads both channels in parallel.
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

void check(const Frames& frames, std::int64_t height, std::int64_t width) {
    check_edges(frames.time, "time");
    if (frames.count < frames.time.n - 1)
        throw std::invalid_argument(to_string(frames.count) + " frames, expected at least the " +
                                    to_string(frames.time.n - 1) + " of the time bins");
    check_shape({frames.count, height, width});
}

void check(const Images& images, std::int64_t energy, std::int64_t time, const Frames& frames, int threads) {
    check_images(images, threads);
    for (const std::int64_t channel : {energy, time})
        if (channel < 0 || channel >= images.shape.channels)
            throw std::invalid_argument("channel " + to_string(channel) + ", expected 0 to " +
                                        to_string(images.shape.channels - 1));
    check(frames, images.shape.height, images.shape.width);
}

/// Builds the frames of images that are added one after another.
class Voxels {
  public:
    Voxels(const Frames& frames, std::int64_t plane) : frames_(frames), plane_(plane) {
        sparse_.offsets.push_back(0);
    }

    /// each_hit(body) calls body(hit) for the hits of the image, in the order of their pixels.
    template <class EachHit>
    void add(const EachHit& each_hit) {
        std::int64_t cut = 0;
        hits_.clear();
        next_.assign(static_cast<std::size_t>(frames_.time.n) + 1, 0);
        each_hit([&](const Hit& hit) {
            if (hit.first == hit.end) ++cut;
            ++next_[static_cast<std::size_t>(hit.first) + 1];
            --next_[static_cast<std::size_t>(hit.end) + 1];
            hits_.push_back(hit);
        });
        place_hits();
        sparse_.offsets.push_back(static_cast<std::int64_t>(sparse_.index.size()));
        sparse_.bad.push_back(0);
        sparse_.cut.push_back(cut);
    }

    Sparse take() { return std::move(sparse_); }

  private:
    /// A counting sort by frame: the hits of one frame keep their order, so its pixel numbers increase.
    void place_hits() {
        std::partial_sum(next_.begin(), next_.end(), next_.begin());  // hits that begin or end -> hits of each frame
        next_[0] = static_cast<std::int64_t>(sparse_.index.size());
        std::partial_sum(next_.begin(), next_.end(), next_.begin());
        sparse_.index.resize(static_cast<std::size_t>(next_.back()));
        sparse_.value.resize(sparse_.index.size());
        std::int64_t* next = next_.data();  // so that the compiler sees that the loop cannot change them
        std::int32_t* index = sparse_.index.data();
        float* value = sparse_.value.data();
        for (const Hit& hit : hits_)
            for (std::int64_t k = hit.first; k < hit.end; ++k) {
                const std::int64_t at = next[k]++;
                index[at] = static_cast<std::int32_t>(k * plane_ + hit.pixel);
                value[at] = hit.energy;
            }
    }

    Frames frames_;
    std::int64_t plane_;
    Sparse sparse_;
    std::vector<Hit> hits_;  // of the current image
    std::vector<std::int64_t> next_;  // per frame: position of its next voxel
};

/// Blocks of images per thread: enough that one block of full images does not keep the other threads waiting.
constexpr std::int64_t kBlocks = 8;

/// Builds the frames of n images, a block at a time: add(voxels, i) adds image i.
template <class Add>
Sparse voxelise_blocks(std::int64_t n, const Frames& frames, std::int64_t plane, int threads, const Add& add) {
    const std::int64_t blocks = threads > 1 ? std::clamp<std::int64_t>(n, 1, kBlocks * threads) : 1;
    std::vector<Sparse> parts(static_cast<std::size_t>(blocks));
    parallel_for(parts.size(), threads, [&](std::size_t part) {
        const auto block = static_cast<std::int64_t>(part);
        Voxels voxels(frames, plane);
        for (std::int64_t i = n * block / blocks; i < n * (block + 1) / blocks; ++i) add(voxels, i);
        parts[part] = voxels.take();
    });
    return join(parts);
}

/// Throws std::invalid_argument unless the cells of image i lie in it, strictly increase, and are finite.
void check_cells(const CellList& cells, std::int64_t i) {
    std::int64_t low = 0;
    const std::int64_t size = cells.height * cells.width;
    for (std::int64_t k = cells.offsets[i]; k < cells.offsets[i + 1]; ++k) {
        if (cells.cell[k] < low || cells.cell[k] >= size)
            refuse("image", i, "cell", to_string(cells.cell[k]), to_string(low) + " to " + to_string(size - 1));
        if (!std::isfinite(cells.energy[k]) || !std::isfinite(cells.time[k]))
            refuse("image", i, "energy and time", to_string(cells.energy[k]) + ", " + to_string(cells.time[k]),
                   "finite numbers");
        low = std::int64_t{cells.cell[k]} + 1;
    }
}

constexpr std::int32_t kNever = std::numeric_limits<std::int32_t>::max();

/// Writes the frames of all bins: a pixel is in one if is_in(its frame, frame).
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

/// Writes every voxel once, which for full images takes little longer than clearing the frames.
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
    return voxelise_blocks(images.n, frames, images.plane(), threads, [&](Voxels& voxels, std::int64_t i) {
        voxels.add([&](const auto& body) { for_each_hit(images, i, energy, time, frames, body); });
    });
}

Sparse voxelise_cells(const CellList& cells, const Frames& frames, int threads) {
    check(frames, cells.height, cells.width);
    check_offsets("image", cells.offsets, cells.n, cells.count);
    const std::int64_t plane = cells.height * cells.width;
    return voxelise_blocks(cells.n, frames, plane, threads, [&](Voxels& voxels, std::int64_t i) {
        check_cells(cells, i);
        voxels.add([&](const auto& body) {
            for (std::int64_t k = cells.offsets[i]; k < cells.offsets[i + 1]; ++k) {
                const float energy = cells.energy[k];
                if (energy == 0.0F || !(static_cast<double>(energy) > frames.energy_above)) continue;
                body(place(frames, cells.cell[k], energy, cells.time[k]));
            }
        });
    });
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
