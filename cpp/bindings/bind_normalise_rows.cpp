#include "bind.hpp"
#include "dmcnn/images.hpp"
#include "dmcnn/normalise_rows.hpp"

namespace {

using Offsets = Array<std::int64_t>;
using Counts = Array<std::int32_t>;
using Moments = std::tuple<Array<double>, Array<double>>;

template <class Number>
dmcnn::ImageRows<Number> view(const Array<Number>& rows, const Offsets& offsets, const Counts& count) {
    expect(rows, "rows", {-1, -1}), expect(offsets, "offsets", {-1}), expect(count, "count", {rows.shape(0)});
    if (offsets.size() == 0) throw py::value_error("offsets is empty, expected at least the 0");
    dmcnn::check_offsets("image", offsets.data(), offsets.size() - 1, rows.shape(0));
    return {rows.data(), rows.shape(1), offsets.data(), offsets.size() - 1, count.data()};
}

/// One number per image and channel.
template <class Number>
const Number* per_image(const Array<Number>& array, const char* name, const dmcnn::ImageRows<Number>& rows) {
    expect(array, name, {rows.n, rows.channels});
    return array.data();
}

template <class Number>
Number* like(Array<Number>& out, const Array<Number>& rows) {
    expect(out, "out", {rows.shape(0), rows.shape(1)});
    return out.mutable_data();
}

template <class Number>
Moments measure_rows(const Array<Number>& rows, const Offsets& offsets, const Counts& count, int threads) {
    const auto from = view(rows, offsets, count);
    Array<double> mean({from.n, from.channels}), squares({from.n, from.channels});
    double *means = mean.mutable_data(), *sums = squares.mutable_data();
    {
        // The arguments hold references to the arrays, and the kernels touch no Python object; so below.
        const py::gil_scoped_release release;
        dmcnn::measure_rows(from, threads, means, sums);
    }
    return {mean, squares};
}

template <class Number>
void scale_rows(const Array<Number>& rows, const Offsets& offsets, const Counts& count, const Array<Number>& centre,
                const Array<Number>& scale, const Array<Number>& shift, Array<Number>& out, int threads) {
    const auto from = view(rows, offsets, count);
    const Number *m = per_image(centre, "centre", from), *a = per_image(scale, "scale", from);
    const Number* b = per_image(shift, "shift", from);
    Number* to = like(out, rows);
    const py::gil_scoped_release release;
    dmcnn::scale_rows(from, m, a, b, threads, to);
}

template <class Number>
Moments measure_slopes(const Array<Number>& rows, const Offsets& offsets, const Counts& count,
                         const Array<Number>& slope, const Array<Number>& centre, int threads) {
    const auto from = view(rows, offsets, count);
    expect(slope, "slope", {rows.shape(0), rows.shape(1)});
    const Number *g = slope.data(), *m = per_image(centre, "centre", from);
    Array<double> sum({from.n, from.channels}), product({from.n, from.channels});
    double *sums = sum.mutable_data(), *products = product.mutable_data();
    {
        const py::gil_scoped_release release;
        dmcnn::measure_slopes(from, g, m, threads, sums, products);
    }
    return {sum, product};
}

template <class Number>
void scale_slopes(const Array<Number>& rows, const Offsets& offsets, const Counts& count, const Array<Number>& slope,
                  const Array<Number>& centre, const Array<Number>& scale, const Array<Number>& shift,
                  const Array<Number>& tilt, Array<Number>& out, int threads) {
    const auto from = view(rows, offsets, count);
    expect(slope, "slope", {rows.shape(0), rows.shape(1)});
    const Number *g = slope.data(), *m = per_image(centre, "centre", from), *a = per_image(scale, "scale", from);
    const Number *b = per_image(shift, "shift", from), *t = per_image(tilt, "tilt", from);
    Number* to = like(out, rows);
    const py::gil_scoped_release release;
    dmcnn::scale_slopes(from, g, m, a, b, t, threads, to);
}

constexpr const char* kMeasureDoc = R"(Means over the places of each image, and sums of squared deviations.

Two passes in float64: neither other images nor the number of threads change a bit.

Args:
    rows: (rows, C) float32 or float64.
    offsets: (n+1,) int64. Image i owns ``rows[offsets[i]:offsets[i+1]]``.
    count: (rows,) int32, how many places of its image a row stands for.
    n_threads: at most so many work on different images or channels.

Returns:
    (n, C) float64 means and (n, C) float64 sums of squared deviations; NaN and 0 for an image without rows.

Raises:
    ValueError: the text names the image, what was found and what was expected.)";

constexpr const char* kScaleDoc = R"(Write (row - centre) * scale + shift, with one number per image and channel.

Args:
    rows, offsets, count: as in ``measure_rows``.
    centre, scale, shift: (n, C), dtype of rows.
    out: (rows, C), dtype of rows, C-contiguous; overwritten.
    n_threads: at most so many work on different rows; the result does not depend on it.)";

constexpr const char* kSlopesDoc = R"(Sums of the gradient over the rows of each image, plain and times the deviation.

Args:
    rows, offsets, count: as in ``measure_rows``.
    slope: (rows, C), dtype of rows: gradient with respect to a row, summed over its places.
    centre: (n, C), dtype of rows.
    n_threads: at most so many work on different images or channels; the result does not depend on it.

Returns:
    (n, C) float64 sums of slope, and of slope * (row - centre).)";

constexpr const char* kScaleSlopesDoc = R"(Write slope * scale - count * (shift + (row - centre) * tilt).

It is the gradient of a normalisation whose mean and variance are those of the rows.

Args:
    rows, offsets, count, slope, centre: as in ``measure_slopes``.
    scale, shift, tilt: (n, C), dtype of rows.
    out: (rows, C), dtype of rows, C-contiguous; overwritten.
    n_threads: at most so many work on different rows; the result does not depend on it.)";

template <class Number>
void define(py::module_& m) {
    const auto rows = py::arg("rows").noconvert(), offsets = py::arg("offsets").noconvert();
    const auto count = py::arg("count").noconvert(), slope = py::arg("slope").noconvert();
    const auto centre = py::arg("centre").noconvert(), scale = py::arg("scale").noconvert();
    const auto shift = py::arg("shift").noconvert(), out = py::arg("out").noconvert();
    const auto threads = py::arg("n_threads").noconvert() = 1;
    m.def("measure_rows", &measure_rows<Number>, rows, offsets, count, threads, kMeasureDoc);
    m.def("scale_rows", &scale_rows<Number>, rows, offsets, count, centre, scale, shift, out, threads, kScaleDoc);
    m.def("measure_slopes", &measure_slopes<Number>, rows, offsets, count, slope, centre, threads, kSlopesDoc);
    m.def("scale_slopes", &scale_slopes<Number>, rows, offsets, count, slope, centre, scale, shift,
          py::arg("tilt").noconvert(), out, threads, kScaleSlopesDoc);
}

}  // namespace

void bind_normalise_rows(py::module_& m) {
    define<float>(m);
    define<double>(m);
}
