#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "dmcnn/sparse.hpp"

namespace dmcnn {

/// Memory layout of an image: row_major (flat = row * cols + col) or column-major (flat = col * rows + row).
/// With flip_rows the rows are in reverse order (LArCV1 stores the highest tick first).
struct Layout {
    std::int64_t rows, cols;
    bool row_major, flip_rows;
};

/// float32 pixels in the byte order of this machine.
struct Native {
    static std::uint32_t bits(const unsigned char* at) {
        std::uint32_t bits;
        std::memcpy(&bits, at, sizeof bits);
        return bits;
    }

    /// Returns the byte with the sign and the seven highest bits of the exponent.
    static unsigned char top(const unsigned char* at) { return static_cast<unsigned char>(bits(at) >> 24); }
};

/// Builds a Sparse batch: for each image, add() every channel in order, then end_image().
class Collector {
  public:
    /// Throws std::invalid_argument for a shape that check_shape refuses, NaN bounds, or lo > hi.
    Collector(std::int64_t n_images, const Shape& shape, const Bounds& bounds);

    /// Adds rows * cols (at most 2^31 - 1) float32 pixels at `pixels` as channel `channel`, centred into
    /// (height, width): the image moves by (height - rows) / 2 rows and (width - cols) / 2 columns, both
    /// truncated toward zero.
    template <class Order>
    void add(std::int64_t channel, const unsigned char* pixels, const Layout& layout) {
        const std::int64_t count = layout.rows * layout.cols;
        const auto keep_some = [&](std::int64_t k, std::int64_t end) {
            for (; k < end; ++k)
                if (const std::uint32_t bits = Order::bits(pixels + 4 * k); is_loud(bits)) keep(k, bits, layout);
        };
        std::int64_t k = 0;
        for (; count - k >= kBlock; k += kBlock) {
            // 99 % of a detector image is zero or noise below the threshold: whole blocks are skipped.
            if (is_zero<kBlock>(pixels + 4 * k) || is_quiet<Order>(pixels + 4 * k)) continue;
            for (std::int64_t some = k; some < k + kBlock; some += kSome)
                if (!is_zero<kSome>(pixels + 4 * some)) keep_some(some, some + kSome);
        }
        keep_some(k, count);
        flush(channel, layout);
    }

    void end_image();

    Sparse take() { return std::move(sparse_); }

  private:
    struct Pixel {
        std::int32_t row, col;  // in the fitted image
        float value;
    };
    static constexpr std::int64_t kBlock = 64, kSome = 8;

    template <std::int64_t n>
    static bool is_zero(const unsigned char* at) {
        std::uint64_t any = 0;
        for (std::int64_t i = 0; i < n / 2; ++i) {
            std::uint64_t word;
            std::memcpy(&word, at + 8 * i, sizeof word);
            any |= word;
        }
        return any == 0;
    }

    /// Returns whether the first bytes show that no pixel of a block is loud. Without branches the loop becomes SIMD.
    template <class Order>
    bool is_quiet(const unsigned char* at) const {
        const auto positive = static_cast<signed char>(positive_ >> 24);
        const auto negative = static_cast<unsigned char>(negative_ >> 24);
        unsigned char loud = 0;
        for (std::int64_t i = 0; i < kBlock; ++i) {
            const unsigned char top = Order::top(at + 4 * i);
            loud |= static_cast<unsigned char>((static_cast<signed char>(top) >= positive) | (top >= negative));
        }
        return loud == 0;
    }

    /// Returns whether keep() must look at a pixel: it is bad or not below the threshold.
    bool is_loud(std::uint32_t bits) const {
        return static_cast<std::int32_t>(bits) >= positive_ || bits >= negative_;
    }

    void keep(std::int64_t k, std::uint32_t bits, const Layout& layout) {
        float value;
        std::memcpy(&value, &bits, sizeof value);
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
    // Limits of the bits of loud pixels: positive floats have the order of their bits as int32, and negative floats
    // are loud from negative_ on.
    std::int32_t positive_;
    std::uint32_t negative_;
    Sparse sparse_;
    std::vector<Pixel> pixels_;       // of the current channel, in stored order
    std::vector<std::int64_t> next_;  // per row: position of its next pixel
    std::int64_t bad_ = 0, cut_ = 0;
};

}  // namespace dmcnn
