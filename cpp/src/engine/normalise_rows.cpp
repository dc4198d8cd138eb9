#include "dmcnn/normalise_rows.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "dmcnn/cpu.hpp"
#include "dmcnn/parallel.hpp"

namespace dmcnn {

namespace {

using std::size_t;

constexpr std::int64_t kShare = 32;  ///< channels of one task, whose sums stay in the nearest cache

/// One number per image and channel, in the precision of the rows.
template <class Number>
using Table = std::vector<Number>;

/// Calls body(image, first channel, channels) for every image and share of the channels.
template <class Number, class Body>
void for_each_share(const ImageRows<Number>& rows, int threads, const Body& body) {
    const std::int64_t shares = (rows.channels + kShare - 1) / kShare;
    parallel_for(static_cast<size_t>(rows.n * shares), threads, [&](size_t task) {
        const std::int64_t image = static_cast<std::int64_t>(task) / shares;
        const std::int64_t first = static_cast<std::int64_t>(task) % shares * kShare;
        body(image, first, std::min(kShare, rows.channels - first));
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

/// Places of each image.
template <class Number>
std::vector<double> count_places(const ImageRows<Number>& rows) {
    std::vector<double> places(static_cast<size_t>(rows.n));
    for (std::int64_t i = 0; i < rows.n; ++i)
        for (std::int64_t row = rows.offsets[i]; row < rows.offsets[i + 1]; ++row)
            places[static_cast<size_t>(i)] += rows.count[row];
    return places;
}

/// Calls body(first, last) with the places in (n, channels) of every image's groups.
template <class Number, class Body>
void for_each_group(const ImageRows<Number>& rows, std::int64_t groups, const Body& body) {
    const std::int64_t size = groups ? rows.channels / groups : 0;
    for (std::int64_t first = 0; first < rows.n * rows.channels; first += size) body(first, first + size);
}

/// Means over the places, and mean squared deviations from them, of every channel by itself.
template <class Number>
void measure(const ImageRows<Number>& rows, int threads, double* mean, double* variance) {
    for_each_share(rows, threads, [&](std::int64_t image, std::int64_t first, std::int64_t channels) {
        std::array<double, kShare> sums{}, means{};
        double total = 0;
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
            for (std::int64_t c = 0; c < channels; ++c) sums[c] /= total;
        });
        std::copy(means.begin(), means.begin() + channels, mean + image * rows.channels + first);
        std::copy(sums.begin(), sums.begin() + channels, variance + image * rows.channels + first);
    });
}

}  // namespace

template <class Number>
void normalise_rows(const ImageRows<Number>& rows, const Norm<Number>& norm, int threads, Number* out, double* mean,
                    double* variance) {
    measure(rows, threads, mean, variance);
    for_each_group(rows, norm.groups, [&](std::int64_t first, std::int64_t last) {
        const auto size = static_cast<double>(last - first);
        double centre = 0, square = 0;
        for (std::int64_t c = first; c < last; ++c) centre += mean[c] / size;
        for (std::int64_t c = first; c < last; ++c)
            square += (variance[c] + (mean[c] - centre) * (mean[c] - centre)) / size;
        std::fill(mean + first, mean + last, centre), std::fill(variance + first, variance + last, square);
    });
    const auto numbers = static_cast<size_t>(rows.n * rows.channels);
    Table<Number> centre(numbers), scale(numbers), shift(numbers);
    for (size_t i = 0; i < numbers; ++i) {
        const size_t c = i % static_cast<size_t>(rows.channels);
        const double factor =
            (norm.weight ? static_cast<double>(norm.weight[c]) : 1.0) / std::sqrt(variance[i] + norm.eps);
        centre[i] = static_cast<Number>(mean[i]), scale[i] = static_cast<Number>(factor);
        // what rounding took from the mean goes into the shift
        shift[i] = static_cast<Number>((norm.bias ? static_cast<double>(norm.bias[c]) : 0.0) +
                                       (static_cast<double>(centre[i]) - mean[i]) * factor);
    }
    for_each_row(rows, threads, [&](std::int64_t row, std::int64_t image) DMCNN_INLINE_BODY {
        const std::int64_t own = image * rows.channels;
        const Number* __restrict x = rows.data + row * rows.channels, * __restrict m = centre.data() + own;
        const Number* __restrict a = scale.data() + own, * __restrict b = shift.data() + own;
        Number* __restrict y = out + row * rows.channels;
        for (std::int64_t c = 0; c < rows.channels; ++c) y[c] = (x[c] - m[c]) * a[c] + b[c];
    });
}

template <class Number>
void normalise_slopes(const ImageRows<Number>& rows, const Norm<Number>& norm, const Number* slope,
                      const double* mean, const double* variance, int threads, Number* out, double* of_weight,
                      double* of_bias) {
    const auto numbers = static_cast<size_t>(rows.n * rows.channels);
    Table<Number> centre(numbers), scale(numbers), shift(numbers), tilt(numbers);
    for (size_t i = 0; i < numbers; ++i) centre[i] = static_cast<Number>(mean[i]);
    for_each_share(rows, threads, [&](std::int64_t image, std::int64_t first, std::int64_t channels) {
        double sums[kShare] = {}, products[kShare] = {};
        const std::int64_t at = image * rows.channels + first;
        const Number* m = centre.data() + at;
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
        for (std::int64_t c = 0; c < channels; ++c) {
            const double rate = 1 / std::sqrt(variance[at + c] + norm.eps);
            of_bias[at + c] = sums[c];
            of_weight[at + c] = (products[c] - sums[c] * (mean[at + c] - static_cast<double>(m[c]))) * rate;
        }
    });
    // out = rate * (weight * slope - mean of that - normalised row * mean of their product), means over a group's places
    const std::vector<double> places = count_places(rows);
    for_each_group(rows, norm.groups, [&](std::int64_t first, std::int64_t last) {
        double sum = 0, product = 0;
        const double size = static_cast<double>(last - first) * places[static_cast<size_t>(first / rows.channels)];
        const auto weight = [&](std::int64_t i) {
            return norm.weight ? static_cast<double>(norm.weight[i % rows.channels]) : 1.0;
        };
        for (std::int64_t i = first; i < last; ++i)
            sum += weight(i) * of_bias[i], product += weight(i) * of_weight[i];
        for (std::int64_t i = first; i < last; ++i) {
            const auto at = static_cast<size_t>(i);
            const double rate = 1 / std::sqrt(variance[i] + norm.eps), slant = product / size * rate * rate;
            scale[at] = static_cast<Number>(rate * weight(i));
            shift[at] = static_cast<Number>(sum / size * rate - slant * (mean[i] - static_cast<double>(centre[at])));
            tilt[at] = static_cast<Number>(slant);
        }
    });
    for_each_row(rows, threads,
                 [&](std::int64_t row, std::int64_t image)
                     DMCNN_INLINE_BODY {
                         const std::int64_t at = row * rows.channels, own = image * rows.channels;
                         const Number *__restrict x = rows.data + at, *__restrict g = slope + at, *__restrict m = centre.data() + own;
                         const Number* __restrict a = scale.data() + own, * __restrict b = shift.data() + own;
                         const Number* __restrict t = tilt.data() + own;
                         Number* __restrict y = out + at;
                         const auto count = static_cast<Number>(rows.count[row]);
                         for (std::int64_t c = 0; c < rows.channels; ++c)
                             y[c] = g[c] * a[c] - count * (b[c] + (x[c] - m[c]) * t[c]);
                     });
}

#define DMCNN_NORMALISE(Number)                                                                                  \
    template void normalise_rows(const ImageRows<Number>&, const Norm<Number>&, int, Number*, double*, double*); \
    template void normalise_slopes(const ImageRows<Number>&, const Norm<Number>&, const Number*, const double*,  \
                                   const double*, int, Number*, double*, double*);
DMCNN_NORMALISE(float)
DMCNN_NORMALISE(double)
#undef DMCNN_NORMALISE

}  // namespace dmcnn
