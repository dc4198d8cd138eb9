#pragma once

#include <memory>

#include "dmcnn/images.hpp"

namespace dmcnn {

/// Integers in units of 2^(1 - bits).
struct Codes {
    const std::int8_t* data;
    int bits;  ///< 2 to 8, sign included: the integers are -2^(bits - 1) to 2^(bits - 1) - 1
};

/// A dense layer.
struct Dense {
    Codes weight;          ///< (outputs, inputs)
    Codes bias;            ///< (outputs)
    std::int64_t outputs;  ///< 1 to 4096
    int bits;              ///< bits of its activation; ignored for the last layer, which has none
};

/// A quantised network for pixel frames: separable convolution, activation, 1 x 1 convolution, activation, average
/// pooling, dense layers with an activation after each but the last. Borders are not padded; rows and columns that the
/// pooling does not cover are not read.
struct Layers {
    Shape shape;             ///< of a frame: time slices, rows, columns; at most 2^16 numbers
    std::int64_t kernel;     ///< 1 to 16: side of the windows of the first convolution
    std::int64_t filters;    ///< 1 to 64: maps of both convolutions
    std::int64_t pool;       ///< 1 to 16: side of the squares that are averaged
    Codes depthwise;         ///< (channels, kernel, kernel)
    Codes pointwise;         ///< (filters, channels)
    Codes bias;              ///< (filters), of the separable convolution
    Codes conv;              ///< (filters, filters): to, from
    Codes conv_bias;         ///< (filters)
    std::vector<Dense> dense;  ///< at least one; inputs of the first are (filters, pooled rows, pooled columns)
    int input_bits, act_1_bits, act_2_bits, pool_bits;  ///< 2 to 12: bits of pixels and of each step's result

    /// Returns the inputs of the first dense layer. std::invalid_argument unless a square fits into a frame.
    std::int64_t inputs() const;
};

template <class Sum>
struct Tables;

/// The network in integers, so that every result is exact. With b bits, numbers are multiples of 2^(1 - b):
///
/// - Pixels and means of the pooling are rounded half to even and clipped to -1 and 1 - 2^(1 - b). Infinite pixels are
///   clipped too. If a pixel that is read is NaN, all outputs of its frame are.
/// - An activation is the hard tanh: rounded half to even, clipped to -1 + 2^(1 - b) and 1 - 2^(1 - b).
/// - Outputs are rounded only to float32, which is exact up to 2^24 of their units.
///
/// All empty windows have the same result, so only windows with a non-zero pixel are computed. Sums of the
/// convolutions are int16 where these cannot overflow for any pixels, all others int32.
class Network {
  public:
    /// std::invalid_argument names the number at fault, or the layer whose sums could overflow int32.
    explicit Network(const Layers& layers);

    const Shape& shape() const { return shape_; }
    std::int64_t outputs() const { return outputs_; }

    /// Computes outputs (n, outputs) of sparse frames with pixels in any order; of equal indices the last one counts.
    ///
    /// Works on several frames at a time, on at most `threads` threads; the result does not depend on it.
    /// std::invalid_argument names the frame at fault; out is then partly written.
    void predict(const Images& frames, int threads, float* out) const;

    /// Computes outputs (n, outputs) of n dense frames (n, channels, height, width).
    void predict(const float* frames, std::int64_t n, int threads, float* out) const;

  private:
    Shape shape_;
    std::int64_t outputs_;
    std::shared_ptr<const Tables<std::int16_t>> narrow_;  // exactly one of the two is set
    std::shared_ptr<const Tables<std::int32_t>> wide_;
};

}  // namespace dmcnn
