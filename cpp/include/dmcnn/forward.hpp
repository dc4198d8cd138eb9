// Forward pass of one frame: the loops of predict.cpp, compiled for several kinds of processors.
#pragma once

#include <array>

#include "dmcnn/tables.hpp"

namespace dmcnn {

using Code = std::int16_t;

/// begin to end - 1; empty unless begin < end.
struct Range {
    std::size_t begin, end;

    bool empty() const { return begin >= end; }
    void widen(const Range& other) { begin = std::min(begin, other.begin), end = std::max(end, other.end); }
};

/// Computes the codes of n pixels; returns whether one is NaN, whose code is arbitrary.
DMCNN_INLINE bool quantise(const float* pixel, std::size_t n, int bits, Code* code) {
    const float step = 1.0F / static_cast<float>(1 << (bits - 1));
    const float shift = 12582912.0F * step;  // 3 * 2^22 steps: the last bit of the sum is a step, half goes to even
    std::uint32_t seen = 0;
    for (std::size_t i = 0; i < n; ++i) {
        float x = pixel[i];
        x = -1.0F > x ? -1.0F : x;  // NaN stays
        x = 1.0F - step < x ? 1.0F - step : x;
        x += shift;
        std::uint32_t word;
        std::memcpy(&word, &x, sizeof word);
        seen |= word;
        code[i] = static_cast<Code>(word);  // the lower 16 bits of shift are zero
    }
    return (seen & 0x7f800000U) == 0x7f800000U;
}

/// The network on one frame after another, in registers of Bytes.
template <class Sum, int Bytes>
class Forward {
  public:
    explicit Forward(const Tables<Sum>& tables)
        : t(tables),
          codes(t.size() + kLanes),
          hits_(t.height * t.width + kLanes),
          hit_cols_(t.height),
          sums_(t.start.size()),
          maps_(t.cols * t.pool * t.filters + kLanes),
          squares_(t.empty_row.size()),
          changed_(t.rows) {
        std::size_t most = t.dense.front().inputs;
        for (const DenseTable& layer : t.dense) most = std::max(most, layer.lanes);
        in_.resize(most);
        out_.resize(most);
    }

    /// Computes the outputs of the frame in `codes`.
    DMCNN_INLINE void operator()(float* out) {
        std::fill(hit_cols_.begin(), hit_cols_.end(), Range{t.width, 0});
        std::memcpy(sums_.data(), t.start.data(), sums_.size() * sizeof(Sum));
        const std::size_t n = find_hits(), apart = (n + 3) / 4;  // no sum waits for the one just written
        for (std::size_t i = 0; i < apart; ++i)
            for (std::size_t j = i; j < n; j += apart) add_hit(hits_[j]);
        for (std::size_t row = 0; row < t.rows; ++row) changed_[row] = pool_row(row);
        dense(t.dense.front(), changed_.data(), changed_.size());
        for (std::size_t i = 1; i < t.dense.size(); ++i) {
            const Range all{0, t.dense[i].inputs};
            dense(t.dense[i], &all, 1);
        }
        for (std::size_t o = 0; o < t.dense.back().outputs; ++o) out[o] = static_cast<float>(in_[o]) * t.unit;
    }

    const Tables<Sum>& t;
    std::vector<Code> codes;  ///< (channels, height, width), and kLanes more

  private:
    /// Lists the pixels that are read and not zero in all channels; returns their number.
    DMCNN_INLINE std::size_t find_hits() {
        const std::size_t plane = t.height * t.width;
        std::size_t n = 0;
        for (std::size_t i = 0; i < plane; i += kLanes) {
            Lanes<Code, kLanes, Bytes> lanes;
            lanes.load(codes.data() + i);
            for (std::size_t c = 1; c < t.channels; ++c) lanes.unite(codes.data() + c * plane + i);
            lanes.intersect(t.read.data() + i);
            std::array<Code, kLanes> any;
            lanes.store(any.data());
            for (std::size_t four = 0; four < kLanes; four += 4) {
                std::uint64_t word;
                std::memcpy(&word, any.data() + four, sizeof word);
                if (word == 0) continue;
                for (std::size_t l = four; l < four + 4; ++l) {
                    hits_[n] = static_cast<std::uint32_t>(i + l);
                    n += any[l] != 0;
                }
            }
        }
        return n;
    }

    /// Adds a pixel to the sums of the windows that contain it.
    DMCNN_INLINE void add_hit(std::size_t number) {
        const Pixel pixel = t.pixel[number];
        hit_cols_[pixel.row].widen({pixel.col, pixel.col + std::size_t{1}});
        Sum* first = sums_.data() + pixel.first;
        const Sum* weight = t.weight.data();
        const std::size_t plane = t.height * t.width;
        for (std::size_t s = 0; s < t.strip.size(); s += kStrips) {
            Sum *to_1 = first + t.strip[s], *to_2 = first + t.strip[s + 1], *to_3 = first + t.strip[s + 2];
            Lanes<Sum, kLanes, Bytes> sum_1, sum_2, sum_3;
            sum_1.load(to_1), sum_2.load(to_2), sum_3.load(to_3);
            const Code* code = codes.data() + number;
            for (std::size_t c = 0; c < t.channels; ++c, code += plane, weight += kStrips * kLanes) {
                const auto x = static_cast<Sum>(*code);
                sum_1.add_product(x, weight);
                sum_2.add_product(x, weight + kLanes);
                sum_3.add_product(x, weight + 2 * kLanes);
            }
            sum_1.store(to_1), sum_2.store(to_2), sum_3.store(to_3);
        }
    }

    /// Writes the means over a row of squares, less those of empty ones, to in_; returns the range of these inputs.
    DMCNN_INLINE Range pool_row(std::size_t row) {
        Range cells{t.cols, 0};
        std::memcpy(squares_.data(), t.empty_row.data(), squares_.size() * sizeof(Sum));
        for (std::size_t i = row * t.pool; i < (row + 1) * t.pool; ++i) {
            const Range cols = windows(i);
            if (cols.empty()) continue;
            activate(i, cols);
            const Range here{cols.begin / t.pool, (cols.end + t.pool - 1) / t.pool};
            for (std::size_t cell = here.begin; cell < here.end; ++cell) add_windows(cols, cell);
            cells.widen(here);
        }
        const int most = t.act_2.most * static_cast<int>(t.pool * t.pool);
        std::int32_t* in = in_.data() + row * t.cols * t.filters;
        for (std::size_t cell = cells.begin; cell < cells.end; ++cell)
            for (std::size_t f = 0; f < t.filters; ++f) {
                const auto sum = static_cast<std::size_t>(squares_[cell * t.maps + f] + most);
                in[cell * t.filters + f] = t.mean[sum] - t.empty_mean[f];
            }
        return {(row * t.cols + cells.begin) * t.filters, (row * t.cols + cells.end) * t.filters};
    }

    /// Returns the range from the first to the last non-empty window of a row.
    DMCNN_INLINE Range windows(std::size_t row) const {
        Range hits{t.width, 0};
        for (std::size_t i = 0; i < t.kernel; ++i) hits.widen(hit_cols_[row + i]);
        return {hits.begin < t.kernel ? 0 : hits.begin - t.kernel + 1, std::min(hits.end, t.cols * t.pool)};
    }

    /// Writes the first activation of the windows of a row to maps_.
    DMCNN_INLINE void activate(std::size_t row, Range cols) {
        const Sum* from = sums_.data() + (row + t.kernel - 1) * t.pitch + (cols.begin + t.kernel - 1) * t.filters;
        for (std::size_t i = 0; i < (cols.end - cols.begin) * t.filters; i += kLanes) {
            Lanes<Sum, kLanes, Bytes> lanes;
            lanes.load(from + i);
            lanes.round(t.act_1);
            lanes.store(maps_.data() + i);
        }
    }

    /// Adds to a square the contributions of its windows in maps_, less those of empty windows.
    DMCNN_INLINE void add_windows(Range cols, std::size_t cell) {
        const std::size_t begin = std::max(cols.begin, cell * t.pool), end = std::min(cols.end, (cell + 1) * t.pool);
        for (std::size_t m = 0; m < t.maps; m += kMaps) {
            Lanes<Sum, kMaps, Bytes> total, empty;
            total.load(squares_.data() + cell * t.maps + m);
            empty.load(t.empty.data() + m);
            for (std::size_t col = begin; col < end; ++col) {
                const Sum* map = maps_.data() + (col - cols.begin) * t.filters;
                const Sum* weight = t.conv.data() + m * t.filters;
                Lanes<Sum, kMaps, Bytes> sum;
                sum.load(t.conv_bias.data() + m);
                for (std::size_t f = 0; f < t.filters; ++f, weight += kMaps) sum.add_product(map[f], weight);
                sum.round(t.act_2);
                total.add_difference(sum, empty);
            }
            total.store(squares_.data() + cell * t.maps + m);
        }
    }

    /// Applies a layer to the inputs in in_ that are not zero; its outputs are the next inputs.
    DMCNN_INLINE void dense(const DenseTable& layer, const Range* inputs, std::size_t n) {
        for (std::size_t o = 0; o < layer.lanes; o += kLanes) {
            Lanes<std::int32_t, kLanes, Bytes> sum;
            sum.load(layer.bias.data() + o);
            for (std::size_t r = 0; r < n; ++r) {
                const std::int32_t* weight = layer.weight.data() + inputs[r].begin * layer.lanes + o;
                for (std::size_t i = inputs[r].begin; i < inputs[r].end; ++i, weight += layer.lanes)
                    sum.add_product(in_[i], weight);
            }
            if (&layer != &t.dense.back()) sum.round(layer.activation);
            sum.store(out_.data() + o);
        }
        in_.swap(out_);
    }

    std::vector<std::uint32_t> hits_;
    std::vector<Range> hit_cols_;  ///< (height) from the first hit of a row to the last
    std::vector<Sum> sums_;  ///< of the first convolution, see Tables
    std::vector<Sum> maps_;  ///< (columns, filters) of a row of windows
    std::vector<Sum> squares_;  ///< (cols, maps) of a row of squares
    std::vector<Range> changed_;  ///< (rows) inputs of the first dense layer that are not zero
    std::vector<std::int32_t> in_, out_;  ///< of a dense layer
};

}  // namespace dmcnn
