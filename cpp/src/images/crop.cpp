#include "dmcnn/crop.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <tuple>
#include <utility>

#include "dmcnn/parallel.hpp"

namespace dmcnn {

namespace {

using std::to_string;

void check(const Cuts& cuts, const Images& images) {
    check_window(cuts.height, cuts.width);
    check_shape({images.shape.channels, cuts.height, cuts.width});
    const std::int64_t most = std::numeric_limits<std::int32_t>::max() / cuts.height;
    if (cuts.rows_per_pixel < 1 || cuts.rows_per_pixel > most)
        throw std::invalid_argument(to_string(cuts.rows_per_pixel) + " rows per pixel, expected 1 to " +
                                    to_string(most));
    for (std::int64_t j = 0; j < cuts.n; ++j)
        if (cuts.source[j] < 0 || cuts.source[j] >= images.n)
            refuse("window", j, "image", to_string(cuts.source[j]), "0 to " + to_string(images.n - 1));
}

/// A pixel of the current row of the window: its column there, and its row among those that are merged.
struct Piece {
    std::int32_t col, part;
    float value;

    bool operator<(const Piece& other) const { return std::tie(col, part) < std::tie(other.col, other.part); }
};

class Cutter {
  public:
    Cutter(const Cuts& cuts, std::int64_t number, Merge merge)
        : cuts_(cuts), number_(number), per_(cuts.rows_per_pixel), merge_(merge) {}

    void take(std::int64_t channel, std::int64_t row, std::int64_t col, float value) {
        const std::int64_t line = channel * cuts_.height + row / per_;
        if (line != line_) flush();
        line_ = line;
        pieces_.push_back({static_cast<std::int32_t>(col), static_cast<std::int32_t>(row % per_), value});
    }

    Part finish(std::int64_t n_pixels) {
        flush();
        part_.cut = n_pixels - taken_;
        return std::move(part_);
    }

  private:
    void flush() {
        taken_ += static_cast<std::int64_t>(pieces_.size());
        if (per_ > 1) std::sort(pieces_.begin(), pieces_.end());
        for (auto at = pieces_.begin(); at != pieces_.end();) {
            const auto first = at;
            while (at != pieces_.end() && at->col == first->col) ++at;
            part_.add(line_ * cuts_.width + first->col, merged(&*first, at - first), "window", number_);
        }
        pieces_.clear();
    }

    double merged(const Piece* pieces, std::int64_t count) const {
        double sum = 0.0, largest = count < per_ ? 0.0 : -std::numeric_limits<double>::infinity();
        for (std::int64_t k = 0; k < count; ++k) {
            const double value = pieces[k].value;
            sum += value;
            largest = std::max(largest, value);
        }
        if (merge_ == Merge::max) return largest;
        return merge_ == Merge::mean ? sum / static_cast<double>(per_) : sum;
    }

    const Cuts& cuts_;
    std::int64_t number_, per_;
    Merge merge_;
    Part part_;
    std::vector<Piece> pieces_;  // of the current row of the window
    std::int64_t line_ = -1, taken_ = 0;
};

Part cut_window(const Images& images, const Cuts& cuts, std::int64_t j, Merge merge) {
    const std::int64_t source = cuts.source[j], top = cuts.top[j], left = cuts.left[j];
    const std::int64_t height = images.shape.height, width = images.shape.width;
    const std::int64_t n_pixels = images.offsets[source + 1] - images.offsets[source];
    Cutter cutter(cuts, j, merge);
    if (top >= height || left >= width) return cutter.finish(n_pixels);
    const std::int64_t first_row = std::max<std::int64_t>(0, top), first_col = std::max<std::int64_t>(0, left);
    const std::int64_t end_row = std::min(height, top + cuts.height * cuts.rows_per_pixel);
    const std::int64_t end_col = std::min(width, left + cuts.width);
    if (first_row >= end_row || first_col >= end_col) return cutter.finish(n_pixels);
    for (std::int64_t c = 0; c < images.shape.channels; ++c)
        for_each_pixel(images, source, c, first_row, end_row,
                       [&](std::int64_t row, std::int64_t col, std::int64_t k) {
                           if (col >= first_col && col < end_col)
                               cutter.take(c, row - top, col - left, images.value[k]);
                       });
    return cutter.finish(n_pixels);
}

}  // namespace

Sparse crop(const Images& images, const Cuts& cuts, Merge merge, int threads) {
    check_images(images, threads);
    check(cuts, images);
    std::vector<Part> parts(static_cast<std::size_t>(cuts.n));
    parallel_for(parts.size(), threads,
                 [&](std::size_t j) { parts[j] = cut_window(images, cuts, static_cast<std::int64_t>(j), merge); });
    return join(parts);
}

}  // namespace dmcnn
