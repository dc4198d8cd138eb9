// Normalisation of rows that stand for several places, over the places of each image.
#pragma once

#include <cstdint>

namespace dmcnn {

/// Rows of n images; image i owns the rows offsets[i] to offsets[i + 1] - 1, and each stands for `count` places.
template <class Number>
struct ImageRows {
    const Number* data;  ///< (offsets[n], channels)
    std::int64_t channels;
    const std::int64_t* offsets;  ///< (n + 1), from 0
    std::int64_t n;
    const std::int32_t* count;  ///< (offsets[n])

    std::int64_t rows() const { return offsets[n]; }
};

/// What the channels of an image share, and what each is multiplied by in the end.
template <class Number>
struct Norm {
    std::int64_t groups;  ///< of neighbouring channels, with one mean and variance each; divides the channels
    double eps;           ///< added to the variance
    const Number* weight = nullptr;  ///< (channels), or nullptr for 1
    const Number* bias = nullptr;    ///< (channels), or nullptr for 0
};

/// out = (row - mean) / sqrt(variance + eps) * weight + bias.
///
/// mean, variance  (n, channels) over the places of an image and the channels of a group
/// Two passes in double precision, in the order of the rows: nothing depends on the threads or on other images.
template <class Number>
void normalise_rows(const ImageRows<Number>& rows, const Norm<Number>& norm, int threads, Number* out, double* mean,
                    double* variance);

/// The gradient of normalise_rows: from `slope`, with respect to its result, to `out`, with respect to its rows.
///
/// mean, variance     what normalise_rows gave
/// of_weight, of_bias (n, channels) gradients of weight and bias, of each image
template <class Number>
void normalise_slopes(const ImageRows<Number>& rows, const Norm<Number>& norm, const Number* slope,
                      const double* mean, const double* variance, int threads, Number* out, double* of_weight,
                      double* of_bias);

}  // namespace dmcnn
