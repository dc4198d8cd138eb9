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

/// Means over the places of each image, and the sums of squared deviations from them: both (n, channels).
///
/// Two passes in double precision, in the order of the rows: nothing depends on the threads or on other images.
template <class Number>
void measure_rows(const ImageRows<Number>& rows, int threads, double* mean, double* squares);

/// out = (row - centre) * scale + shift, with one centre, scale and shift (n, channels) per image.
template <class Number>
void scale_rows(const ImageRows<Number>& rows, const Number* centre, const Number* scale, const Number* shift,
                int threads, Number* out);

/// Sums over the rows of each image of `slope`, and of slope * (row - centre): both (n, channels).
template <class Number>
void measure_slopes(const ImageRows<Number>& rows, const Number* slope, const Number* centre, int threads, double* sum,
                    double* product);

/// out = slope * scale - count * (shift + (row - centre) * tilt): the gradient of scale_rows with statistics.
template <class Number>
void scale_slopes(const ImageRows<Number>& rows, const Number* slope, const Number* centre, const Number* scale,
                  const Number* shift, const Number* tilt, int threads, Number* out);

}  // namespace dmcnn
