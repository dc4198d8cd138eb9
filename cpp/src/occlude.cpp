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
    const std::int64_t size = shape.channels * shape.height * shape.width;
    for (std::int64_t k = 0, low = 0; k < nnz; low = std::int64_t{index[k++]} + 1)
        if (index[k] < low || index[k] >= size)
            refuse("pixel", k, "index", to_string(index[k]), to_string(low) + " to " + to_string(size - 1));
}

/// Pixel numbers within one channel of all centres, row by row.
std::vector<std::int64_t> centres(const std::int32_t* index, std::int64_t nnz, const Shape& shape,
                                  std::int64_t stride) {
    std::vector<std::int64_t> found;
    if (stride == 1) {
        const std::int64_t plane = std::max<std::int64_t>(1, shape.height * shape.width);
        for (std::int64_t k = 0; k < nnz; ++k) found.push_back(index[k] % plane);
        std::sort(found.begin(), found.end());  // channels follow one another in index
        found.erase(std::unique(found.begin(), found.end()), found.end());
        return found;
    }
    const std::int64_t step = std::min(stride, std::max(shape.height, shape.width));  // row + step cannot overflow
    for (std::int64_t row = 0; row < shape.height; row += step)
        for (std::int64_t col = 0; col < shape.width; col += step)
            found.push_back((row + std::min(row + step, shape.height) - 1) / 2 * shape.width +
                            (col + std::min(col + step, shape.width) - 1) / 2);
    return found;
}

/// The pixels of one window, as `value` has them, into image i.
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

Windows list_windows(const std::int32_t* index, std::int64_t nnz, const Shape& shape, const Scan& scan) {
    check(index, nnz, shape, scan);
    Windows windows;
    windows.offsets.push_back(0);
    std::vector<std::int32_t>& covered = windows.covered;
    const auto begin = [&](std::int64_t w) { return covered.data() + windows.offsets[static_cast<std::size_t>(w)]; };
    // Compares the pixels themselves: windows are merged because they are equal, not because a hash is.
    const auto before = [&](std::int64_t a, std::int64_t b) {
        return std::lexicographical_compare(begin(a), begin(a + 1), begin(b), begin(b + 1));
    };
    std::set<std::int64_t, decltype(before)> distinct(before);
    // Clamped so that row + reach cannot overflow.
    const std::int64_t none = 0, reach = std::min(scan.half, std::max(shape.height, shape.width));
    for (const std::int64_t centre : centres(index, nnz, shape, scan.stride)) {
        const std::int64_t row = centre / shape.width, col = centre % shape.width;
        const std::int64_t top = std::max(none, row - reach), bottom = std::min(shape.height, row + reach + 1);
        const std::int64_t left = std::max(none, col - reach), right = std::min(shape.width, col + reach + 1);
        if (scan.skip && (bottom - top <= 2 * reach || right - left <= 2 * reach)) continue;
        const std::int32_t *at = index, *const end = index + nnz;
        for (std::int64_t c = 0; c < shape.channels; ++c)
            for (std::int64_t r = top; r < bottom && at != end; ++r) {
                const std::int64_t line = (c * shape.height + r) * shape.width;
                at = std::lower_bound(at, end, line + left);
                for (; at != end && *at < line + right; ++at) covered.push_back(static_cast<std::int32_t>(at - index));
            }
        if (static_cast<std::int64_t>(covered.size()) == windows.offsets.back()) continue;
        const auto fresh = static_cast<std::int64_t>(windows.offsets.size()) - 1;
        windows.offsets.push_back(static_cast<std::int64_t>(covered.size()));
        const auto [same, is_new] = distinct.insert(fresh);
        if (!is_new) {
            windows.offsets.pop_back();
            covered.resize(static_cast<std::size_t>(windows.offsets.back()));
        }
        windows.rows.push_back(row);
        windows.cols.push_back(col);
        windows.number.push_back(*same);
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
