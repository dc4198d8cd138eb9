#include "dmcnn/sparse.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>

#include "dmcnn/collect.hpp"

namespace dmcnn {

namespace {
constexpr std::int64_t kMaxPixels = std::numeric_limits<std::int32_t>::max();

template <class T>
void append(std::vector<T>& to, const std::vector<T>& more) {
    to.insert(to.end(), more.begin(), more.end());
}
}  // namespace

Sparse join(std::vector<Sparse>& parts) {
    Sparse all = std::move(parts.front());
    for (auto part = parts.begin() + 1; part != parts.end(); ++part) {
        const std::int64_t end = all.offsets.back();
        for (auto offset = part->offsets.begin() + 1; offset != part->offsets.end(); ++offset)
            all.offsets.push_back(end + *offset);
        append(all.index, part->index);
        append(all.value, part->value);
        append(all.bad, part->bad);
        append(all.cut, part->cut);
        *part = {};
    }
    parts.clear();
    return all;
}

void refuse(const char* place, std::int64_t number, const char* what, const std::string& found,
            const std::string& expected) {
    throw std::invalid_argument(std::string(place) + " " + std::to_string(number) + ": " + what + " " + found +
                                ", expected " + expected);
}

void check_shape(const Shape& shape) {
    std::int64_t pixels = 1;
    bool fits = true;
    for (const std::int64_t size : {shape.channels, shape.height, shape.width}) {
        fits = fits && size >= 0 && size <= kMaxPixels / pixels;
        if (fits) pixels *= std::max<std::int64_t>(1, size);  // a 0 must not hide that other sizes overflow
    }
    if (fits) return;
    throw std::invalid_argument("shape (" + std::to_string(shape.channels) + ", " + std::to_string(shape.height) +
                                ", " + std::to_string(shape.width) +
                                "), expected sizes >= 0 and at most 2147483647 pixels");
}

std::int64_t count_pixels(const char* place, std::int64_t number, std::int64_t rows, std::int64_t cols) {
    if (rows < 0 || cols < 0 || (cols > 0 && rows > kMaxPixels / cols))
        refuse(place, number, "image of size", std::to_string(rows) + " x " + std::to_string(cols),
               "sizes >= 0 and at most 2147483647 pixels");
    return rows * cols;
}

Collector::Collector(std::int64_t n_images, const Shape& shape, const Bounds& bounds)
    : shape_(shape), bounds_(bounds) {
    check_shape(shape);
    if (!(bounds.lo <= bounds.hi))
        throw std::invalid_argument("adc_lo " + std::to_string(bounds.lo) + " and adc_hi " +
                                    std::to_string(bounds.hi) + ", expected adc_lo <= adc_hi");
    constexpr std::uint32_t minus_infinity = 0xff800000U, minus_zero = 0x80000000U;
    negative_ = bounds.lo >= 0.0F ? minus_infinity : minus_zero;
    positive_ = 0;
    if (bounds.lo > 0.0F) std::memcpy(&positive_, &bounds.lo, sizeof positive_);
    positive_ = std::max(positive_, 1);  // zero is never stored
    const auto n = static_cast<std::size_t>(n_images);
    sparse_.offsets.reserve(n + 1);
    sparse_.bad.reserve(n);
    sparse_.cut.reserve(n);
    sparse_.offsets.push_back(0);
}

// Counting sort by row. In either layout, the pixels of one row are in the order of their columns.
void Collector::flush(std::int64_t channel, const Layout& layout) {
    const std::int64_t top = std::max<std::int64_t>(0, (shape_.height - layout.rows) / 2);
    const auto n_rows = static_cast<std::size_t>(std::min(layout.rows, shape_.height));
    if (pixels_.empty()) return;
    next_.assign(n_rows + 1, 0);
    for (const Pixel& pixel : pixels_) ++next_[static_cast<std::size_t>(pixel.row - top) + 1];
    next_[0] = static_cast<std::int64_t>(sparse_.index.size());
    for (std::size_t row = 0; row < n_rows; ++row) next_[row + 1] += next_[row];
    sparse_.index.resize(sparse_.index.size() + pixels_.size());
    sparse_.value.resize(sparse_.index.size());
    for (const Pixel& pixel : pixels_) {
        const auto at = static_cast<std::size_t>(next_[static_cast<std::size_t>(pixel.row - top)]++);
        const std::int64_t index = (channel * shape_.height + pixel.row) * shape_.width + pixel.col;
        sparse_.index[at] = static_cast<std::int32_t>(index);
        sparse_.value[at] = pixel.value;
    }
    pixels_.clear();
}

void Collector::end_image() {
    sparse_.offsets.push_back(static_cast<std::int64_t>(sparse_.index.size()));
    sparse_.bad.push_back(bad_);
    sparse_.cut.push_back(cut_);
    bad_ = cut_ = 0;
}

}  // namespace dmcnn
