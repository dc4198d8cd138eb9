#include "dmcnn/normalise_rows.hpp"

#include <algorithm>
#include <string>

#include "dmcnn/cpu.hpp"
#include "dmcnn/parallel.hpp"

namespace dmcnn {

namespace {

using std::size_t;

constexpr std::int64_t kLanes = 32;  ///< channels of one task, whose sums stay in registers or the nearest cache

/// Calls body(image, first channel, channels) for every image and share of the channels.
template <class Number, class Body>
void for_each_share(const ImageRows<Number>& rows, int threads, const Body& body) {
    const std::int64_t shares = (rows.channels + kLanes - 1) / kLanes;
    parallel_for(static_cast<size_t>(rows.n * shares), threads, [&](size_t task) {
        const std::int64_t image = static_cast<std::int64_t>(task) / shares;
        const std::int64_t first = static_cast<std::int64_t>(task) % shares * kLanes;
        body(image, first, std::min(kLanes, rows.channels - first));
    });
}

/// Calls body(row, image) for every row, some in parallel.
template <class Number, class Body>
void for_each_row(const ImageRows<Number>& rows, int threads, const Body& body) {
    constexpr std::int64_t part = 256;
    const std::int64_t end = rows.rows();
    parallel_for(static_cast<size_t>((end + part - 1) / part), threads, [&](size_t task) {
        const std::int64_t first = static_cast<std::int64_t>(task) * part, last = std::min(end, first + part);
        std::int64_t image = std::upper_bound(rows.offsets, rows.offsets + rows.n + 1, first) - rows.offsets - 1;
        on_this_cpu([&]() DMCNN_INLINE_BODY {
            for (std::int64_t row = first; row < last; ++row) {
                while (row >= rows.offsets[image + 1]) ++image;
                body(row, image);
            }
        });
    });
}

}  // namespace

template <class Number>
void measure_rows(const ImageRows<Number>& rows, int threads, double* mean, double* squares) {
    for_each_share(rows, threads, [&](std::int64_t image, std::int64_t first, std::int64_t channels) {
        double sums[kLanes] = {}, means[kLanes] = {}, total = 0;
        const std::int64_t begin = rows.offsets[image], end = rows.offsets[image + 1];
        on_this_cpu([&]() DMCNN_INLINE_BODY {
            for (std::int64_t row = begin; row < end; ++row) {
                const Number* __restrict x = rows.data + row * rows.channels + first;
                const double count = rows.count[row];
                total += count;
                for (std::int64_t c = 0; c < channels; ++c) sums[c] += count * static_cast<double>(x[c]);
            }
            for (std::int64_t c = 0; c < channels; ++c) means[c] = sums[c] / total, sums[c] = 0;
            for (std::int64_t row = begin; row < end; ++row) {
                const Number* __restrict x = rows.data + row * rows.channels + first;
                const double count = rows.count[row];
                for (std::int64_t c = 0; c < channels; ++c) {
                    const double apart = static_cast<double>(x[c]) - means[c];
                    sums[c] += count * apart * apart;
                }
            }
        });
        std::copy(means, means + channels, mean + image * rows.channels + first);
        std::copy(sums, sums + channels, squares + image * rows.channels + first);
    });
}

template <class Number>
void scale_rows(const ImageRows<Number>& rows, const Number* centre, const Number* scale, const Number* shift,
                int threads, Number* out) {
    for_each_row(rows, threads, [&](std::int64_t row, std::int64_t image) DMCNN_INLINE_BODY {
        const Number *__restrict x = rows.data + row * rows.channels, *__restrict m = centre + image * rows.channels;
        const Number *__restrict a = scale + image * rows.channels, *__restrict b = shift + image * rows.channels;
        Number* __restrict y = out + row * rows.channels;
        for (std::int64_t c = 0; c < rows.channels; ++c) y[c] = (x[c] - m[c]) * a[c] + b[c];
    });
}

template <class Number>
void measure_slopes(const ImageRows<Number>& rows, const Number* slope, const Number* centre, int threads, double* sum,
                    double* product) {
    for_each_share(rows, threads, [&](std::int64_t image, std::int64_t first, std::int64_t channels) {
        double sums[kLanes] = {}, products[kLanes] = {};
        const Number* m = centre + image * rows.channels + first;
        on_this_cpu([&]() DMCNN_INLINE_BODY {
            for (std::int64_t row = rows.offsets[image]; row < rows.offsets[image + 1]; ++row) {
                const Number* __restrict x = rows.data + row * rows.channels + first;
                const Number* __restrict g = slope + row * rows.channels + first;
                for (std::int64_t c = 0; c < channels; ++c) {
                    sums[c] += static_cast<double>(g[c]);
                    products[c] += static_cast<double>(g[c]) * static_cast<double>(x[c] - m[c]);
                }
            }
        });
        std::copy(sums, sums + channels, sum + image * rows.channels + first);
        std::copy(products, products + channels, product + image * rows.channels + first);
    });
}

template <class Number>
void scale_slopes(const ImageRows<Number>& rows, const Number* slope, const Number* centre, const Number* scale,
                  const Number* shift, const Number* tilt, int threads, Number* out) {
    for_each_row(rows, threads, [&](std::int64_t row, std::int64_t image) DMCNN_INLINE_BODY {
        const std::int64_t at = row * rows.channels, own = image * rows.channels;
        const Number *__restrict x = rows.data + at, *__restrict g = slope + at, *__restrict m = centre + own;
        const Number *__restrict a = scale + own, *__restrict b = shift + own, *__restrict t = tilt + own;
        Number* __restrict y = out + at;
        const auto count = static_cast<Number>(rows.count[row]);
        for (std::int64_t c = 0; c < rows.channels; ++c) y[c] = g[c] * a[c] - count * (b[c] + (x[c] - m[c]) * t[c]);
    });
}

#define DMCNN_NORMALISE(Number)                                                                                     \
    template void measure_rows(const ImageRows<Number>&, int, double*, double*);                                    \
    template void scale_rows(const ImageRows<Number>&, const Number*, const Number*, const Number*, int, Number*);  \
    template void measure_slopes(const ImageRows<Number>&, const Number*, const Number*, int, double*, double*);    \
    template void scale_slopes(const ImageRows<Number>&, const Number*, const Number*, const Number*, const Number*, \
                               const Number*, int, Number*);
DMCNN_NORMALISE(float)
DMCNN_NORMALISE(double)
#undef DMCNN_NORMALISE

}  // namespace dmcnn
