#include <optional>

#include "bind.hpp"
#include "dmcnn/images.hpp"
#include "dmcnn/normalise_rows.hpp"

namespace {

using Offsets = Array<std::int64_t>;
using Counts = Array<std::int32_t>;
using Doubles = Array<double>;
using Pair = std::tuple<Doubles, Doubles>;

template <class Number>
using Maybe = std::optional<Array<Number>>;

template <class Number>
dmcnn::ImageRows<Number> view(const Array<Number>& rows, const Offsets& offsets, const Counts& count) {
    expect(rows, "rows", {-1, -1}), expect(offsets, "offsets", {-1}), expect(count, "count", {rows.shape(0)});
    if (offsets.size() == 0) throw py::value_error("offsets is empty, expected at least the 0");
    dmcnn::check_offsets("image", offsets.data(), offsets.size() - 1, rows.shape(0));
    return {rows.data(), rows.shape(1), offsets.data(), offsets.size() - 1, count.data()};
}

template <class Number>
dmcnn::Norm<Number> view(std::int64_t groups, double eps, const Maybe<Number>& weight, const Maybe<Number>& bias,
                         std::int64_t channels) {
    if (groups < 1 || channels % groups)
        throw py::value_error(std::to_string(groups) + " groups, expected a divisor of " + std::to_string(channels) +
                              " channels");
    if (weight) expect(*weight, "weight", {channels});
    if (bias) expect(*bias, "bias", {channels});
    return {groups, eps, weight ? weight->data() : nullptr, bias ? bias->data() : nullptr};
}

template <class Number>
Pair normalise_rows(const Array<Number>& rows, const Offsets& offsets, const Counts& count, std::int64_t groups,
                    double eps, const Maybe<Number>& weight, const Maybe<Number>& bias, Array<Number>& out,
                    int threads) {
    const auto from = view(rows, offsets, count);
    const auto norm = view(groups, eps, weight, bias, from.channels);
    expect(out, "out", {rows.shape(0), rows.shape(1)});
    Doubles mean({from.n, from.channels}), variance({from.n, from.channels});
    double *means = mean.mutable_data(), *variances = variance.mutable_data();
    Number* to = out.mutable_data();
    {
        // The arguments hold references to the arrays, and the kernels touch no Python object; so below.
        const py::gil_scoped_release release;
        dmcnn::normalise_rows(from, norm, threads, to, means, variances);
    }
    return {mean, variance};
}

template <class Number>
Pair normalise_slopes(const Array<Number>& rows, const Offsets& offsets, const Counts& count, std::int64_t groups,
                      double eps, const Maybe<Number>& weight, const Array<Number>& slope, const Doubles& mean,
                      const Doubles& variance, Array<Number>& out, int threads) {
    const auto from = view(rows, offsets, count);
    const auto norm = view(groups, eps, weight, Maybe<Number>{}, from.channels);
    expect(slope, "slope", {rows.shape(0), rows.shape(1)}), expect(out, "out", {rows.shape(0), rows.shape(1)});
    expect(mean, "mean", {from.n, from.channels}), expect(variance, "variance", {from.n, from.channels});
    Doubles of_weight({from.n, from.channels}), of_bias({from.n, from.channels});
    double *weights = of_weight.mutable_data(), *biases = of_bias.mutable_data();
    Number* to = out.mutable_data();
    const Number* slopes = slope.data();
    const double *means = mean.data(), *variances = variance.data();
    {
        const py::gil_scoped_release release;
        dmcnn::normalise_slopes(from, norm, slopes, means, variances, threads, to, weights, biases);
    }
    return {of_weight, of_bias};
}

constexpr const char* kRowsDoc = R"(Normalise rows that stand for several places, over the places of each image.

Writes (row - mean) / sqrt(variance + eps) * weight + bias, with the mean and variance of an image and group of channels.
They are taken in two passes in float64: neither other images nor the number of threads change a bit.

Args:
    rows: (rows, C) float32 or float64.
    offsets: (n+1,) int64. Image i owns ``rows[offsets[i]:offsets[i+1]]``.
    count: (rows,) int32, how many places of its image a row stands for.
    groups: of neighbouring channels; divides C.
    eps: added to the variance.
    weight, bias: (C,), dtype of rows, or None for 1 and 0.
    out: (rows, C), dtype of rows, C-contiguous; overwritten.
    n_threads: at most so many work on different images, channels or rows.

Returns:
    (n, C) float64 means and (n, C) float64 variances; NaN for an image without rows.

Raises:
    ValueError: the text names the image, what was found and what was expected.)";

constexpr const char* kSlopesDoc = R"(Gradient of ``normalise_rows``.

Args:
    rows, offsets, count, groups, eps, weight: as there.
    slope: (rows, C), dtype of rows: gradient with respect to a row of the result, summed over its places.
    mean, variance: (n, C) float64, what ``normalise_rows`` gave.
    out: (rows, C), dtype of rows, C-contiguous; overwritten with the gradient with respect to the rows.
    n_threads: at most so many work on different images, channels or rows; the result does not depend on it.

Returns:
    (n, C) float64 gradients of weight and (n, C) float64 gradients of bias, of each image.

Raises:
    ValueError: the text names the image, what was found and what was expected.)";

template <class Number>
void define(py::module_& m) {
    const auto rows = py::arg("rows").noconvert(), offsets = py::arg("offsets").noconvert();
    const auto count = py::arg("count").noconvert(), weight = py::arg("weight").noconvert();
    const auto out = py::arg("out").noconvert();
    const auto threads = py::arg("n_threads").noconvert() = 1;
    m.def("normalise_rows", &normalise_rows<Number>, rows, offsets, count, py::arg("groups"), py::arg("eps"), weight,
          py::arg("bias").noconvert(), out, threads, kRowsDoc);
    m.def("normalise_slopes", &normalise_slopes<Number>, rows, offsets, count, py::arg("groups"), py::arg("eps"),
          weight, py::arg("slope").noconvert(), py::arg("mean").noconvert(), py::arg("variance").noconvert(), out,
          threads, kSlopesDoc);
}

}  // namespace

void bind_normalise_rows(py::module_& m) {
    define<float>(m);
    define<double>(m);
}
