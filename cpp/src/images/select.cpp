#include "dmcnn/select.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include "dmcnn/parallel.hpp"
#include "dmcnn/sparse.hpp"

namespace dmcnn {

namespace {

using std::to_string;

/// Cells skipped at a time: most of an image is empty.
constexpr std::int64_t kBlock = 8;
/// Blocks of images per thread, so that a block of full images does not keep the other threads waiting.
constexpr std::int64_t kParts = 4;

void check(const Window& window, const Limits& limits) {
    check_shape({2, window.height, window.width});
    const auto fits = [](std::int64_t first, std::int64_t count, std::int64_t size) {
        return first >= 0 && count >= 0 && count <= size && first <= size - count;
    };
    if (!fits(window.top, window.rows, window.height) || !fits(window.left, window.cols, window.width))
        throw std::invalid_argument("window of " + to_string(window.rows) + " x " + to_string(window.cols) + " at " +
                                    to_string(window.top) + ", " + to_string(window.left) +
                                    ", expected one inside the images of " + to_string(window.height) + " x " +
                                    to_string(window.width));
    if (std::isnan(limits.energy_min) || std::isnan(limits.after) || std::isnan(limits.before))
        throw std::invalid_argument("a limit is NaN, expected numbers");
}

/// Returns whether n cells have neither energy nor time: read as one number, such a cell is 0.
template <std::int64_t n>
bool is_empty(const float* pairs) {
    std::array<std::uint64_t, n> words;
    std::uint64_t any = 0;
    std::memcpy(words.data(), pairs, sizeof words);
    for (const std::uint64_t word : words) any |= word;
    return any == 0;
}

/// Adds one image at a time.
class Selection {
  public:
    Selection(const Window& window, const Limits& limits)
        : window_(window), limits_(limits), whole_(window.rows == window.height && window.cols == window.width) {
        cells_.offsets.push_back(0);
    }

    void add(const float* image) {
        const std::int64_t size = window_.height * window_.width;
        std::int64_t at = 0;
        for (; size - at >= kBlock; at += kBlock) {
            if (is_empty<kBlock>(image + 2 * at)) continue;
            for (std::int64_t cell = at; cell < at + kBlock; ++cell)
                if (!is_empty<1>(image + 2 * cell)) look(image, cell);
        }
        for (; at < size; ++at) look(image, at);
        cells_.offsets.push_back(static_cast<std::int64_t>(cells_.cell.size()));
        cells_.bad.push_back(bad_);
        bad_ = 0;
    }

    Cells take() { return std::move(cells_); }

  private:
    void look(const float* image, std::int64_t cell) {
        const float energy = image[2 * cell], time = image[2 * cell + 1];
        if (!std::isfinite(energy) || !std::isfinite(time)) {
            ++bad_;
            return;
        }
        const double early = time;
        if (energy == 0.0F || !(static_cast<double>(energy) > limits_.energy_min)) return;
        if (!(early > limits_.after && early < limits_.before)) return;
        if (!whole_) {
            const std::int64_t row = cell / window_.width - window_.top, col = cell % window_.width - window_.left;
            if (row < 0 || row >= window_.rows || col < 0 || col >= window_.cols) return;
            cell = row * window_.cols + col;
        }
        cells_.cell.push_back(static_cast<std::int32_t>(cell));
        cells_.energy.push_back(energy);
        cells_.time.push_back(time);
    }

    Window window_;
    Limits limits_;
    bool whole_;
    Cells cells_;
    std::int64_t bad_ = 0;
};

template <class T>
void append(std::vector<T>& to, const std::vector<T>& more) {
    to.insert(to.end(), more.begin(), more.end());
}

Cells join(std::vector<Cells>& parts) {
    Cells all = std::move(parts.front());
    for (auto part = parts.begin() + 1; part != parts.end(); ++part) {
        const std::int64_t end = all.offsets.back();
        for (auto offset = part->offsets.begin() + 1; offset != part->offsets.end(); ++offset)
            all.offsets.push_back(end + *offset);
        append(all.cell, part->cell);
        append(all.energy, part->energy);
        append(all.time, part->time);
        append(all.bad, part->bad);
    }
    return all;
}

}  // namespace

Cells select(const float* pairs, std::int64_t n, const Window& window, const Limits& limits, int threads) {
    check(window, limits);
    const std::int64_t size = 2 * window.height * window.width;
    const std::int64_t blocks = threads > 1 ? std::clamp<std::int64_t>(n, 1, kParts * threads) : 1;
    std::vector<Cells> parts(static_cast<std::size_t>(blocks));
    parallel_for(parts.size(), threads, [&](std::size_t part) {
        const auto block = static_cast<std::int64_t>(part);
        Selection selection(window, limits);
        for (std::int64_t i = n * block / blocks; i < n * (block + 1) / blocks; ++i) selection.add(pairs + i * size);
        parts[part] = selection.take();
    });
    return join(parts);
}

}  // namespace dmcnn
