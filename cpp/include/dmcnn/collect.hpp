#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "dmcnn/sparse.hpp"

namespace dmcnn {

/// How an image lies in memory: row_major (flat = row * cols + col) or column-major (flat = col * rows + row).
/// With flip_rows its rows are counted from the other end (LArCV1 stores the highest tick first).
struct Layout {
    std::int64_t rows, cols;
    bool row_major, flip_rows;
};

inline float load_native(const unsigned char* at) {
    float value;
    std::memcpy(&value, at, sizeof value);
    return value;
}

/// Builds a Sparse batch: add() every channel of an image in order, end_image(), and so on.
class Collector {
  public:
    /// Throws std::invalid_argument for a shape that check_shape refuses, NaN bounds, or lo > hi.
    Collector(std::int64_t n_images, const Shape& shape, const Bounds& bounds);

    /// Adds rows * cols (at most 2^31 - 1) float32 pixels at `pixels` as channel `channel`, centred into
    /// (height, width): the image moves by (height - rows) / 2 rows and (width - cols) / 2 columns, both
    /// truncated toward zero.
    template <float (*Load)(const unsigned char*)>
    void add(std::int64_t channel, const unsigned char* pixels, const Layout& layout) {
        const std::int64_t count = layout.rows * layout.cols;
        std::int64_t k = 0;
        while (k < count) {
            // 99 % of a detector image is zero: whole blocks of zero bits are passed over.
            if (count - k >= kBlock && is_zero(pixels + 4 * k)) {
                k += kBlock;
                continue;
            }
            const std::int64_t end = count - k < kBlock ? count : k + kBlock;
            for (; k < end; ++k) keep(k, Load(pixels + 4 * k), layout);
        }
        flush(channel, layout);
    }

    void end_image();

    Sparse take() { return std::move(sparse_); }

  private:
    struct Pixel {
        std::int32_t row, col;  // in the fitted image
        float value;
    };
    static constexpr std::int64_t kBlock = 16;

    static bool is_zero(const unsigned char* at) {
        std::uint64_t any = 0;
        for (std::int64_t i = 0; i < kBlock / 2; ++i) {  // word by word: through an array it takes 1.5x as long
            std::uint64_t word;
            std::memcpy(&word, at + 8 * i, sizeof word);
            any |= word;
        }
        return any == 0;
    }

    void keep(std::int64_t k, float value, const Layout& layout) {
        if (!std::isfinite(value)) {
            ++bad_;
            return;
        }
        if (value < bounds_.lo) return;
        if (value > bounds_.hi) value = bounds_.hi;
        if (value != 0.0F) place(k, value, layout);
    }

    void place(std::int64_t k, float value, const Layout& layout) {
        const auto line = static_cast<std::uint32_t>(layout.row_major ? layout.cols : layout.rows);
        const auto outer = static_cast<std::uint32_t>(k) / line, inner = static_cast<std::uint32_t>(k) % line;
        std::int64_t row = layout.row_major ? outer : inner, col = layout.row_major ? inner : outer;
        if (layout.flip_rows) row = layout.rows - 1 - row;
        row += (shape_.height - layout.rows) / 2;
        col += (shape_.width - layout.cols) / 2;
        if (row < 0 || row >= shape_.height || col < 0 || col >= shape_.width)
            ++cut_;
        else
            pixels_.push_back({static_cast<std::int32_t>(row), static_cast<std::int32_t>(col), value});
    }

    void flush(std::int64_t channel, const Layout& layout);

    Shape shape_;
    Bounds bounds_;
    Sparse sparse_;
    std::vector<Pixel> pixels_;       // of the channel being added, in the order they are stored
    std::vector<std::int64_t> next_;  // per row: where its next pixel goes
    std::int64_t bad_ = 0, cut_ = 0;
};

}  // namespace dmcnn
