#include "dmcnn/occlude.hpp"

#include <algorithm>
#include <set>
#include <stdexcept>

#include "dmcnn/parallel.hpp"

namespace dmcnn {

namespace {

using std::to_string;

void check(const std::int32_t* index, std::int64_t nnz, const Shape& shape, const Scan& scan) {
    check_shape(shape);
    if (scan.half < 0) throw std::invalid_argument("half " + to_string(scan.half) + ", expected >= 0");
    if (scan.stride < 1) throw std::invalid_argument("stride " + to_string(scan.stride) + ", expected >= 1");
    if (scan.depth < Scan::kAll) throw std::invalid_argument("depth " + to_string(scan.depth) + ", expected >= 0");
    const std::int64_t size = shape.channels * shape.height * shape.width;
    for (std::int64_t k = 0, low = 0; k < nnz; low = std::int64_t{index[k++]} + 1)
        if (index[k] < low || index[k] >= size)
            refuse("pixel", k, "index", to_string(index[k]), to_string(low) + " to " + to_string(size - 1));
}

/// Returns the pixel numbers, within one channel, of the centres of all cells, row by row.
std::vector<std::int64_t> middles(const Shape& shape, std::int64_t stride) {
    std::vector<std::int64_t> found;
    const std::int64_t step = std::min(stride, std::max(shape.height, shape.width));  // row + step cannot overflow
    for (std::int64_t row = 0; row < shape.height; row += step)
        for (std::int64_t col = 0; col < shape.width; col += step)
            found.push_back((row + std::min(row + step, shape.height) - 1) / 2 * shape.width +
                            (col + std::min(col + step, shape.width) - 1) / 2);
    return found;
}

/// Returns the pixel numbers of all centres, increasing: in the whole image for boxes, else within one channel.
std::vector<std::int64_t> centres(const std::int32_t* index, std::int64_t nnz, const Shape& shape, const Scan& scan) {
    const std::int64_t plane = std::max<std::int64_t>(1, shape.height * shape.width);
    const bool boxes = scan.depth != Scan::kAll;
    std::vector<std::int64_t> found;
    if (scan.stride == 1) {
        for (std::int64_t k = 0; k < nnz; ++k) found.push_back(boxes ? index[k] : index[k] % plane);
        if (boxes) return found;
        std::sort(found.begin(), found.end());  // channels follow one another in index
        found.erase(std::unique(found.begin(), found.end()), found.end());
        return found;
    }
    std::vector<std::int64_t> cells = middles(shape, scan.stride);
    if (!boxes) return cells;
    for (std::int64_t channel = 0; channel < shape.channels; ++channel)
        for (const std::int64_t cell : cells) found.push_back(channel * plane + cell);
    return found;
}

/// first .. end - 1 along one axis of n pixels.
struct Range {
    std::int64_t first, end;
    bool whole;  ///< nothing was clipped
};

Range reach(std::int64_t centre, std::int64_t half, std::int64_t n, std::int64_t limit) {
    half = std::min(half, limit);  // so that centre + half cannot overflow
    const std::int64_t first = std::max<std::int64_t>(0, centre - half), end = std::min(n, centre + half + 1);
    return {first, end, end - first > 2 * half};
}

/// Returns the positions in index of the pixels in the window around a centre; none if the window is skipped.
void cover(const std::int32_t* index, std::int64_t nnz, const Shape& shape, const Scan& scan, std::int64_t centre,
           std::vector<std::int32_t>& covered) {
    covered.clear();
    const std::int64_t plane = shape.height * shape.width, pixel = centre % plane;
    const std::int64_t limit = std::max(shape.height, shape.width);
    const Range rows = reach(pixel / shape.width, scan.half, shape.height, limit);
    const Range cols = reach(pixel % shape.width, scan.half, shape.width, limit);
    const Range channels = scan.depth == Scan::kAll
                               ? Range{0, shape.channels, true}
                               : reach(centre / plane, scan.depth, shape.channels, shape.channels);
    if (scan.skip && !(rows.whole && cols.whole && channels.whole)) return;
    const std::int32_t *at = index, *const end = index + nnz;
    for (std::int64_t c = channels.first; c < channels.end; ++c)
        for (std::int64_t r = rows.first; r < rows.end && at != end; ++r) {
            const std::int64_t line = (c * shape.height + r) * shape.width;
            at = std::lower_bound(at, end, line + cols.first);
            for (; at != end && *at < line + cols.end; ++at) covered.push_back(static_cast<std::int32_t>(at - index));
        }
}

/// Windows that several threads list before they are merged: those of full images are large.
constexpr std::size_t kRound = 256;

/// Writes the pixels of one window, with the numbers of `value`, into image i.
void write(const Fill& fill, const float* value, std::int64_t window, std::int64_t i, std::int64_t size,
           float* image) {
    if (window < 0 || window >= fill.n_windows)
        refuse("image", i, "window", to_string(window), "0 to " + to_string(fill.n_windows - 1));
    const std::int64_t start = fill.offsets[window], stop = fill.offsets[window + 1];
    if (start < 0 || stop < start || stop > fill.n_covered)
        refuse("image", i, "offsets", to_string(start) + " to " + to_string(stop),
               "increasing positions up to " + to_string(fill.n_covered));
    for (std::int64_t k = start; k < stop; ++k) {
        const std::int64_t pixel = fill.covered[k];
        if (pixel < 0 || pixel >= fill.nnz)
            refuse("image", i, "covered", to_string(pixel), "0 to " + to_string(fill.nnz - 1));
        const std::int64_t at = fill.index[pixel];
        if (at < 0 || at >= size) refuse("image", i, "index", to_string(at), "0 to " + to_string(size - 1));
        image[at] = value[pixel];
    }
}

}  // namespace

Windows list_windows(const std::int32_t* index, std::int64_t nnz, const Shape& shape, const Scan& scan, int threads) {
    check(index, nnz, shape, scan);
    Windows windows;
    windows.offsets.push_back(0);
    std::vector<std::int32_t>& covered = windows.covered;
    const auto begin = [&](std::int64_t w) { return covered.data() + windows.offsets[static_cast<std::size_t>(w)]; };
    // Compares the pixels themselves: equal hashes do not make windows equal.
    const auto before = [&](std::int64_t a, std::int64_t b) {
        return std::lexicographical_compare(begin(a), begin(a + 1), begin(b), begin(b + 1));
    };
    std::set<std::int64_t, decltype(before)> distinct(before);
    const auto add = [&](std::int64_t centre, const std::vector<std::int32_t>& pixels) {
        if (pixels.empty()) return;
        const auto fresh = static_cast<std::int64_t>(windows.offsets.size()) - 1;
        covered.insert(covered.end(), pixels.begin(), pixels.end());
        windows.offsets.push_back(static_cast<std::int64_t>(covered.size()));
        const auto [same, is_new] = distinct.insert(fresh);
        if (!is_new) {
            windows.offsets.pop_back();
            covered.resize(static_cast<std::size_t>(windows.offsets.back()));
        }
        const std::int64_t plane = shape.height * shape.width;
        if (scan.depth != Scan::kAll) windows.frames.push_back(centre / plane);
        windows.rows.push_back(centre % plane / shape.width);
        windows.cols.push_back(centre % shape.width);
        windows.number.push_back(*same);
    };
    const std::vector<std::int64_t> all = centres(index, nnz, shape, scan);
    std::vector<std::vector<std::int32_t>> found(threads > 1 ? kRound : 1);
    for (std::size_t start = 0; start < all.size(); start += found.size()) {
        const std::size_t n = std::min(found.size(), all.size() - start);
        parallel_for(n, threads, [&](std::size_t k) { cover(index, nnz, shape, scan, all[start + k], found[k]); });
        for (std::size_t k = 0; k < n; ++k) add(all[start + k], found[k]);
    }
    return windows;
}

void occlude(const Fill& fill, const std::int64_t* which, const std::int64_t* before, std::int64_t n,
             std::int64_t size, int threads, float* out) {
    parallel_for(static_cast<std::size_t>(n), threads, [&](std::size_t place) {
        const auto i = static_cast<std::int64_t>(place);
        if (before && before[i] != -1) write(fill, fill.own, before[i], i, size, out + i * size);
        write(fill, fill.value, which[i], i, size, out + i * size);
    });
}

}  // namespace dmcnn
